#!/usr/bin/python3
"""trace_test: this tree with one id taken out of a test, or out of the code, no longer passes; nor does one put in."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

sys.path.insert(0, os.path.join(tap.ROOT, "tools"))
import places
import trace


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.here = places.Trace(tap.ROOT)

    def setUp(self):
        self.root = tap.temp_dir(self)
        for top in ("data", "src", "include", "tests"):
            shutil.copytree(os.path.join(tap.ROOT, top), os.path.join(self.root, top))

    def edit(self, name, change):
        path = os.path.join(self.root, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertNotEqual(change(text), text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(change(text))

    def named_once(self, kept):
        """A rule that a single place names, and the file; what it is depends on the tree."""
        one = next(one for one in sorted(kept) if len(kept[one]) == 1)
        return one, kept[one][0].file

    def found(self):
        return trace.findings(self.root)

    def test_this_tree_is_traced(self):
        self.assertEqual(self.found(), [])

    def test_an_id_taken_out_of_its_test_is_missed(self):
        one, name = self.named_once(self.here.tests)
        self.edit(name, lambda text: text.replace(one, "else"))
        self.assertIn("data/rules.tsv: neither test nor reason: " + one, self.found())

    def test_an_id_taken_out_of_its_code_is_missed(self):
        one, name = self.named_once(self.here.code)
        self.edit(name, lambda text: text.replace(one, "else"))
        self.assertIn("data/rules.tsv: neither code nor reason: " + one, self.found())

    def test_an_id_taken_out_of_the_rules_is_seen_in_code_and_tests(self):
        self.edit("data/rules.tsv", lambda text: text.replace("\nflush-then-answer\t", "\nflush-and-answer\t"))
        found = [line.split(":")[0] for line in self.found() if line.endswith("no such rule: flush-then-answer")]
        self.assertEqual(found, ["src/closure/machine.c", "tests/closer/order_test.c", "tests/closure/closing_test.c"])

    def test_a_row_of_a_test_that_names_no_rule_is_seen(self):
        self.edit("tests/closure/closing_test.c", lambda text: text.replace('"flush-then-answer"', '"flush-then-anser"'))
        self.assertRegex("\n".join(self.found()), r"tests/closure/closing_test\.c:\d+: no such rule: flush-then-anser")

    def test_reasons_are_of_rules_not_empty_and_not_stale(self):
        for file, what in (("data/rules-uncoded.tsv", "place"), ("data/rules-untested.tsv", "test")):
            with self.subTest(file=file):
                self.edit(file, lambda text: text + "half-close\tno\nanswer-later\tno\nneed-not-wait\t\n")
                found = "\n".join(self.found())
                self.assertRegex(found, "%s: stale, there is a %s in \\S+: half-close" % (file, what))
                self.assertIn(file + ": no such rule: answer-later", found)
                self.assertIn(file + ": no reason: need-not-wait", found)

    def test_prints_code_and_tests_of_a_rule(self):
        done = tap.run([os.path.join(tap.ROOT, "tools", "trace.py"), "flush-then-answer", "quic-stream-end-is-fin"])
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout.decode(), r"\Aflush-then-answer\n  code  src/closure/machine\.c:\d+: .*\n  test  "
                         r"tests/closer/order_test\.c:\d+: .*\n  test  tests/closure/closing_test\.c:\d+: .*\nquic-stream-end-is-fin\n  code  none: QUIC .*\n  test  none: QUIC .*\n\Z")


if __name__ == "__main__":
    tap.main()
