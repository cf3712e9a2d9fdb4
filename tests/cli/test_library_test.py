"""test library: a table of every case, findings below, JSON beside; the streams are never wrong."""
import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

LASTWORD = tap.built("lastword")


def run(*words):
    return tap.run([LASTWORD, "test", *words])


def names_in(path):
    with open(os.path.join(tap.ROOT, path), encoding="utf-8") as source:
        return re.findall(r'\.name = "([a-z0-9-]+)"', source.read())


class TestLibrary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.whole = run("library")

    def test_shows_every_case_and_the_streams_are_right(self):
        done = self.whole
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        out = done.stdout.decode()
        cases = names_in("src/adversary/endings.c") + names_in("src/adversary/answers.c")
        self.assertGreater(len(cases), 25)
        for case in cases:
            self.assertRegex(out, r"(?m)^%s +(any|1\.[23]) " % case)
        tallies = re.findall(r"(?m)^stream on ([a-z]+): +\d+ right, +\d+ fails, +(\d+) vague, +(\d+) wrong$", out)
        self.assertIn("openssl", [name for name, _, _ in tallies])
        for _, vague, wrong in tallies:
            self.assertEqual((vague, wrong), ("0", "0"))

    def test_names_the_installed_version(self):
        self.assertRegex(run("library", "openssl").stdout.decode(), r"^openssl +OpenSSL 3\.\d+\.\d+ ")

    def test_every_finding_says_what_to_do_next_and_that_works(self):
        out = self.whole.stdout.decode()
        rules = set(re.findall(r"(?m)^    next: lastword explain ([a-z0-9-]+)$", out))
        self.assertGreater(len(rules), 3)
        self.assertEqual(len(re.findall(r"(?m)^  WRONG: ", out)), len(re.findall(r"(?m)^    next: ", out)))
        for rule in rules:
            self.assertEqual(tap.run([LASTWORD, "explain", rule]).returncode, 0)
        self.assertNotIn("next:", run("--no-findings", "library", "openssl").stdout.decode())

    def test_runs_the_versions_asked_for(self):
        lines = run("--tls", "1.0,1.3", "--no-findings", "library", "openssl").stdout.decode().splitlines()
        versions = {line.split()[1] for line in lines if re.match(r"close-at-fatal ", line)}
        self.assertEqual(versions, {"1.0", "1.3"})

    def test_a_single_version_is_named_on_every_line(self):
        out = run("--tls", "1.2", "--no-findings", "library", "openssl").stdout.decode()
        self.assertRegex(out, r"(?m)^close-notify +1\.2 ")
        self.assertNotRegex(out, r"(?m)^close-notify +any ")

    def test_json_has_every_case_of_every_subject(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            self.assertEqual(run("--tls", "1.3", "--json", path, "library", "openssl").returncode, 0)
            with open(path, encoding="utf-8") as report:
                told = json.load(report)
        self.assertEqual([library["name"] for library in told["libraries"]], ["openssl"])
        cases = {case["case"]: case["subjects"] for case in told["cases"]}
        self.assertGreater(len(cases), 25)
        alone, stream = cases["silence"]
        self.assertEqual((alone["says"], alone["judgement"], alone["verdict"]), ("waits", "wrong", None))
        self.assertEqual((stream["stream"], stream["judgement"], stream["verdict"]["read"]), (True, "right", "expired"))

    def test_what_cannot_be_written_is_told(self):
        done = run("--json", "/nowhere/at/all.json", "library", "openssl")
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"lastword: cannot write /nowhere/at/all.json: No such file", done.stderr)

    def test_usage(self):
        for words, said in ((("library", "nss"), b"there is no library 'nss' in this build"),
                            (("client",), b"there is no test of 'client'; there is: library"),
                            ((), b"what is to be tested? there is: library"),
                            (("--tls", "1.4", "library"), b"there is no TLS version '1.4'"),
                            (("--tls", "1.2,", "library"), b"there is no TLS version ''")):
            done = run(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    tap.main()
