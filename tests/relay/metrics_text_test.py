"""metrics_text: the metrics as Prometheus reads them: its own reader takes them, and a strict one of ours, line by line
as the text format (0.0.4) lays down."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

from prometheus_client.parser import text_string_to_metric_families

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'


def text(*arguments):
    done = tap.run([tap.built("tests/relay/metrics_text"), *arguments])
    return done.stdout.decode("ascii")


class Metrics(unittest.TestCase):
    def test_every_line_is_as_the_format_says(self):
        family = kind = None
        told, samples = set(), set()
        self.assertTrue(text().endswith("\n"))
        for line in text()[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, kind = re.fullmatch(r"# HELP (%s) (\S.*)" % NAME, line).group(1), None
                self.assertNotIn(family, told, "all samples of a family stand together")
                told.add(family)
            elif line.startswith("# TYPE "):
                name, kind = re.fullmatch(r"# TYPE (%s) (counter|gauge)" % NAME, line).groups()
                self.assertEqual(name, family)
                self.assertEqual(name.endswith("_total"), kind == "counter", "counters are named _total")
            else:
                match = re.fullmatch(r"(%s)(\{%s(?:,%s)*\})? \d+" % (NAME, LABEL, LABEL), line)
                self.assertIsNotNone(match, line)
                self.assertEqual(match.group(1), family)
                self.assertIsNotNone(kind)
                self.assertNotIn(match.group(1, 2), samples)
                samples.add(match.group(1, 2))
        self.assertTrue(all(name.startswith("lastword_relay_") for name in told))

    def test_Prometheus_reads_what_was_counted(self):
        read = {}
        for family in text_string_to_metric_families(text()):
            self.assertTrue(family.documentation)
            for sample in family.samples:
                read[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        at = "lastword_relay_"
        self.assertEqual(read[at + "accepted_total", ()], 1001)
        self.assertEqual(read[at + "connections_open", ()], 2002)
        outcomes = {labels[0][1]: value for (name, labels), value in read.items() if name == at + "connections_total"}
        self.assertEqual(list(outcomes), ["probe", "whole", "tolerated", "reported", "cut", "aborted", "expired", "abandoned",
                                          "refused", "failed"])
        self.assertEqual(list(outcomes.values()), [1001 * n for n in range(3, 13)])
        endings = [(labels, value) for (name, labels), value in read.items() if name == at + "endings_total"]
        self.assertEqual(len(endings), 16)
        self.assertEqual(dict(endings)[("kind", "truncated"), ("leg", "client")], 1001 * 19)
        self.assertEqual(len(set(value for _, value in endings)), 16)
        self.assertEqual(sum(1 for name, _ in read if name == at + "handshakes_total"), 6)
        self.assertEqual(read[at + "start_time_seconds", ()], 1700000000)

    def test_a_version_is_escaped(self):
        hard = 'a"b\\c\nd'
        families = {family.name: family for family in text_string_to_metric_families(text(hard))}
        self.assertEqual(families["lastword_relay_build_info"].samples[0].labels, {"version": hard})

    def test_draining_is_told(self):
        self.assertIn("\nlastword_relay_draining 0\n", text())
        self.assertIn("\nlastword_relay_draining 1\n", text("1.0", "drains"))


if __name__ == "__main__":
    tap.main()
