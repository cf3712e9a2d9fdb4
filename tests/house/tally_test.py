#!/usr/bin/python3
"""tally_test: the closing line counts cases as they were, and a program that fails without a failed case as one."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

TALLY = os.path.join(tap.ROOT, "tools", "tally.py")


def suite(name, *outcomes):
    inner = {"ok": "", "bad": "<failure/>", "error": "<error/>", "skip": "<skipped/>"}
    return "<testsuite name='lastword.%s'>%s</testsuite>" % (name, "".join(
        "<testcase name='%d - x'>%s</testcase>" % (number, inner[one]) for number, one in enumerate(outcomes, 1)))


def program(name, result, status=0, stdout="ok 1 - x\n"):
    return json.dumps({"name": name, "result": result, "returncode": status, "stdout": stdout}) + "\n"


class Tally(unittest.TestCase):
    def setUp(self):
        self.folder = tap.temp_dir(self)

    def leave(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def leave_run(self, name, suites, programs):
        self.leave(name + ".xml", "<testsuites>%s</testsuites>" % "".join(suites))
        self.leave(name + ".json", "".join(programs))

    def counted(self):
        done = tap.run([TALLY, self.folder])
        return done.stdout.decode().splitlines()[-1], done.returncode

    def test_all_passed(self):
        self.leave("1 lint.tap", "ok 1 - a\nok 2 - b\n1..2\n")
        self.leave_run("2 gcc", [suite("a", "ok", "ok")], [program("a", "OK")])
        self.assertEqual(self.counted(), ("4 passed, 0 failed", 0))

    def test_failed_and_skipped_cases(self):
        self.leave("1 lint.tap", "ok 1 - a\nnot ok 2 - b\n#   why\nok 3 - c # SKIP no\n1..3\n")
        self.leave_run("2 gcc", [suite("a", "ok", "bad", "error", "skip")], [program("a", "FAIL", 1)])
        self.assertEqual(self.counted(), ("2 passed, 3 failed, 2 skipped", 1))

    def test_a_failure_is_told_with_its_reason(self):
        self.leave_run("2 gcc", [suite("a", "ok", "bad")],
                       [program("a", "FAIL", 1, "ok 1 - x\nnot ok 2 - y\n# why\n# because\n")])
        done = tap.run([TALLY, self.folder]).stdout.decode()
        self.assertRegex(done, r"failed: lastword.a: 2 - x\n +a: FAIL, exit status 1\n +not ok 2 - y\n +# why\n +# because\n")

    def test_a_program_that_fails_after_passing_all_its_cases_is_a_failure(self):
        self.leave_run("2 gcc", [suite("a", "ok", "ok"), suite("b", "ok")],
                       [program("a", "ERROR", 23), program("b", "OK")])
        self.assertEqual(self.counted(), ("3 passed, 1 failed", 1))

    def test_a_failed_case_elsewhere_does_not_hide_it(self):
        self.leave_run("2 gcc", [suite("a", "ok"), suite("b", "bad")], [program("a", "TIMEOUT", -15), program("b", "FAIL", 1)])
        self.assertEqual(self.counted(), ("1 passed, 2 failed", 1))

    def test_a_program_that_told_no_case_is_a_failure(self):
        self.leave_run("2 gcc", ["<testsuite name='lastword'><testcase name='a'><skipped/></testcase></testsuite>",
                                 suite("b", "ok")], [program("a", "SKIP", 0, ""), program("b", "OK")])
        self.assertEqual(self.counted(), ("1 passed, 1 failed, 1 skipped", 1))

    def test_a_step_without_results_is_a_failure(self):
        self.leave("2 gcc.log", "ninja: no such file\n")
        self.leave("1 lint.tap", "ok 1 - a\n")
        self.assertEqual(self.counted(), ("1 passed, 1 failed", 1))

    def test_nothing_at_all_is_no_success(self):
        self.assertEqual(self.counted(), ("0 passed, 0 failed", 1))


if __name__ == "__main__":
    tap.main()
