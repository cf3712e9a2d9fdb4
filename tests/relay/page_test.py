#!/usr/bin/python3
"""What docs/relay.md shows is so: its configurations are accepted, its fields are the log's, its metrics are those that are served."""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import servers
import tap

LASTWORD = tap.built("lastword")
ROWS = tap.built("tests/relay/page_rows")
METRICS = tap.built("tests/relay/metrics_text")
SCHEMA = os.path.join(tap.ROOT, "data", "schema", "relay-log.json")
FILES = re.compile(r"^(cert|key|CAfile|CRLfile|allow) = \S+$", re.M)
OTHERS = {"port", "ssl", "address", "haproxy", "listen_addresses", "haproxy_trusted_networks", "channel_binding"}  # keys of other programs


def read(*names):
    with open(os.path.join(tap.ROOT, *names), encoding="utf-8") as file:
        return file.read()


PAGE = read("docs", "relay.md")


def section(title):
    return re.split(r"^## .*$", PAGE.split("\n## %s\n" % title)[1], maxsplit=1, flags=re.M)[0]


def configurations():
    """Indented blocks with a [service] in them."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, re.M)
    return [re.sub(r"^ {4}", "", block, flags=re.M).strip() + "\n" for block in blocks if re.search(r"^ {4}\[\w+\]$", block, re.M)]


def words_of_first_column(text):
    rows = re.findall(r"^\| ((?:`[\w.]+`[ ,]*)+)(?:the first word[^|]*)?\|", text, re.M)
    return [word for row in rows for word in re.findall(r"`([\w.]+)`", row)]


class Page(unittest.TestCase):
    def files(self, folder):
        """What stands for the files that a configuration names."""
        made = servers.Certificate(folder)
        with open(made.certificate) as certificate, open(made.key) as key:
            both = servers.write(folder, "both.pem", certificate.read() + key.read())
        os.chmod(both, 0o600)
        servers.write(folder, "index", "")
        settings = servers.write(folder, "ca.conf", "[ca]\ndefault_ca = c\n[c]\ndatabase = %s/index\ndefault_md = sha256\n" % folder)
        revoked = os.path.join(folder, "c.crl")
        tap.run(["openssl", "ca", "-gencrl", "-config", settings, "-keyfile", made.key, "-cert", made.certificate, "-crldays", "2",
                 "-out", revoked]).check_returncode()
        return {"cert": both, "key": made.key, "CAfile": made.certificate, "CRLfile": revoked,
                "allow": servers.write(folder, "allow", "CN=localhost\n")}

    def check(self, text):
        folder = tap.temp_dir(self)
        files = self.files(folder)
        text = FILES.sub(lambda line: "%s = %s" % (line[1], files[line[1]]), text)
        return tap.run([LASTWORD, "relay", "--check", servers.write(folder, "relay.conf", text)])

    def test_every_configuration_is_accepted(self):
        found = configurations()
        self.assertGreaterEqual(len(found), 5)
        for text in found:
            with self.subTest(text=text):
                done = self.check(text)
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                self.assertNotIn(b"warning", done.stderr)

    def test_a_wrong_configuration_is_not(self):
        self.assertEqual(self.check(configurations()[0] + "trustFim = no\n").returncode, 2)

    def test_the_table_of_endings_is_the_one_that_is_obeyed(self):
        done = tap.run([ROWS])
        self.assertEqual(done.returncode, 0, done.stdout)
        rows = done.stdout.decode().splitlines()
        self.assertGreaterEqual(len(rows), 8)
        self.assertEqual(section("What it does with an ending").split("|---|---|---|---|\n")[1].splitlines()[:len(rows)], rows)

    def test_the_fields_of_the_log_are_those_of_its_schema(self):
        fields = set(json.loads(read("data", "schema", "relay-log.json"))["$defs"]["connection"]["properties"])
        self.assertEqual(set(words_of_first_column(section("The log"))), fields)

    def test_every_outcome_is_told(self):
        outcomes = json.loads(read("data", "schema", "relay-log.json"))["$defs"]["connection"]["properties"]["outcome"]["enum"]
        row = re.search(r"^\| `outcome`.*$", section("The log"), re.M)[0]
        self.assertEqual(re.findall(r"`(\w+)`", row)[1:], outcomes)

    def test_the_metrics_are_those_that_are_served(self):
        served = re.findall(r"^# TYPE lastword_relay_(\w+) ", tap.run([METRICS]).stdout.decode(), re.M)
        self.assertEqual(sorted(words_of_first_column(section("Metrics"))), sorted(served))

    def test_every_key_is_one(self):
        told = tap.run([LASTWORD, "relay", "--help"]).stdout.decode()
        keys = set(re.findall(r"--(\w+)", told))
        text = "\n".join(PAGE.split("\n## From stunnel\n")[0:1])
        named = set(re.findall(r"`(\w+) = [^`]*`", text)) - OTHERS
        self.assertLessEqual({"trustFin", "reportOnly", "abortWith"}, named)
        self.assertEqual(named - keys, set())


if __name__ == "__main__":
    tap.main()
