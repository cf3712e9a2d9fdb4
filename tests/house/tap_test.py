#!/usr/bin/python3
"""tap_test: the runner and its helpers tell the truth, failures above all."""
import io
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap


def told(case_class, seconds=60):
    """What the runner prints for a class of cases: its lines and the number of failures."""
    out = io.StringIO()
    result = tap.run_suite(unittest.defaultTestLoader.loadTestsFromTestCase(case_class), out, seconds)
    return out.getvalue().splitlines(), result.failed


class Runner(unittest.TestCase):
    def test_a_pass_is_one_ok_line_and_a_plan(self):
        class Sample(unittest.TestCase):
            def test_water_is_wet(self):
                pass
        self.assertEqual(told(Sample), (["ok 1 - Sample: water is wet", "1..1"], 0))

    def test_a_failure_is_told_with_its_traceback(self):
        class Sample(unittest.TestCase):
            def test_no(self):
                self.assertEqual(1, 2)
        lines, failed = told(Sample)
        self.assertEqual((lines[0], lines[-1], failed), ("not ok 1 - Sample: no", "1..1", 1))
        self.assertIn("# AssertionError: 1 != 2", lines)

    def test_a_failed_subtest_fails_its_case_once(self):
        class Sample(unittest.TestCase):
            def test_rows(self):
                for row in range(4):
                    with self.subTest(row=row):
                        self.assertLess(row, 2)
        lines, failed = told(Sample)
        self.assertEqual([line for line in lines if not line.startswith("#")], ["not ok 1 - Sample: rows", "1..1"])
        self.assertEqual(failed, 1)
        self.assertTrue(any("row=3" in line for line in lines))

    def test_a_skip_has_its_reason(self):
        class Sample(unittest.TestCase):
            @unittest.skip("no\nroom")
            def test_it(self):
                pass
        self.assertEqual(told(Sample), (["ok 1 - Sample: it # SKIP no room", "1..1"], 0))

    def test_a_failed_clean_up_fails_the_case(self):
        class Sample(unittest.TestCase):
            def test_it(self):
                self.addCleanup(lambda: 1 / 0)
        self.assertEqual(told(Sample)[0][0], "not ok 1 - Sample: it")

    def test_a_failed_class_set_up_is_a_failure(self):
        class Sample(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise RuntimeError("no server")

            def test_it(self):
                pass
        lines, failed = told(Sample)
        self.assertTrue(lines[0].startswith("not ok 1 - setUpClass"), lines)
        self.assertEqual(failed, 1)

    def test_a_case_past_its_deadline_fails_and_the_next_runs(self):
        class Sample(unittest.TestCase):
            def test_a_endless(self):
                read, write = os.pipe()
                self.addCleanup(os.close, read)
                self.addCleanup(os.close, write)
                os.read(read, 1)

            def test_b_quick(self):
                pass
        lines, failed = told(Sample, seconds=1)
        self.assertEqual([line for line in lines if not line.startswith("#")],
                         ["not ok 1 - Sample: a endless", "ok 2 - Sample: b quick", "1..2"])
        self.assertEqual(failed, 1)

    def test_a_program_without_cases_fails(self):
        done = tap.run([sys.executable, "-c", "import sys; sys.path.insert(0, %r); import tap; tap.main()"
                        % os.path.dirname(tap.__file__)])
        self.assertEqual((done.returncode, done.stdout), (1, b"1..0\n"))


class Helpers(unittest.TestCase):
    def test_run_gives_status_and_both_outputs(self):
        done = tap.run(["/bin/sh", "-c", "cat; echo bad >&2; exit 3"], input="in")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, b"in", b"bad\n"))

    def test_run_past_its_deadline_is_an_error(self):
        with self.assertRaisesRegex(AssertionError, "still runs after 0.2 s"):
            tap.run(["/bin/sh", "-c", "exec tail -f /dev/null"], seconds=0.2)

    def test_wait_line_finds_it_in_either_output(self):
        child = tap.start(self, ["/bin/sh", "-c", "echo port 77 >&2; exec tail -f /dev/null"], line=r"^port (\d+)$")
        self.assertEqual(child.said[1], "77")

    def test_wait_line_tells_what_was_said_instead(self):
        with self.assertRaisesRegex(AssertionError, "something else"):
            tap.start(self, ["/bin/sh", "-c", "echo something else"], line="port", seconds=5)

    def test_wait_listening_sees_the_listener_without_connecting(self):
        program = ("import socket,sys;s=socket.socket();s.bind(('127.0.0.1',int(sys.argv[1])));s.listen();"
                   "s.accept();print('taken')")
        port = tap.free_port()
        child = tap.start(self, [sys.executable, "-c", program, port], port=port)
        self.assertFalse(child.is_over)
        self.assertEqual(child.out, b"")

    def test_wait_listening_notices_an_early_death(self):
        began = time.monotonic()
        with self.assertRaisesRegex(AssertionError, "does not listen"):
            tap.start(self, ["/bin/false"], port=tap.free_port(), seconds=20)
        self.assertLess(time.monotonic() - began, 10)

    def test_end_ends_a_program_that_ignores_sigterm(self):
        child = tap.Process(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"],
                            stdin=subprocess.PIPE)
        child.wait_line("ready")
        child.end(seconds=0.2)
        self.assertEqual(child.child.returncode, -9)

    def test_output_larger_than_a_pipe_does_not_block_the_program(self):
        with tap.Process([sys.executable, "-c", "print('x' * 1000000)"]) as child:
            self.assertEqual(child.wait(20), 0)
            self.assertEqual(len(child.out), 1000001)


if __name__ == "__main__":
    tap.main()
