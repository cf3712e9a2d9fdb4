"""relay: its command line: options that are keys, what is said of a wrong one, exit statuses."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

LASTWORD = tap.built("lastword")
PLAIN = ["--accept", "tcp:127.0.0.1:0", "--connect", "unix:/run/none"]


def run(*arguments):
    done = tap.run([LASTWORD, *arguments], seconds=20)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def relay(*arguments):
    return run("relay", *arguments)


class CommandLine(unittest.TestCase):
    def right(self, *arguments):
        done = relay("--check", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def wrong(self, arguments, sentence):
        done = relay("--check", *arguments)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", "lastword: %s\n" % sentence))

    def file(self, text):
        name = os.path.join(tap.temp_dir(self), "relay.conf")
        with open(name, "w", encoding="utf-8") as out:
            out.write(text)
        return name

    def test_options_are_enough(self):
        self.right(*PLAIN)

    def test_a_claim_may_leave_yes_out_or_follow_in_either_way(self):
        for claim in (["--reportOnly"], ["--reportOnly", "yes"], ["--reportOnly=no"], ["--reportOnly", "NO"]):
            with self.subTest(claim=claim):
                self.right(*claim, *PLAIN)
                self.right(*PLAIN, *claim)

    def test_a_claim_has_one_value_and_a_file_stands_behind_it(self):
        self.wrong([*PLAIN, "--reportOnly", "yes", "no"], "cannot read the configuration no: No such file or directory")
        self.wrong([*PLAIN, "--workers", "1", "yes"], "cannot read the configuration yes: No such file or directory")

    def test_a_file_is_enough(self):
        self.right(self.file("accept = tcp:127.0.0.1:0\nconnect = unix:/run/none\n"))

    def test_options_stand_behind_the_global_lines_of_a_file(self):
        name = self.file("accept = tcp:127.0.0.1:0\nconnect = unix:/run/none\npolicy = nonsense\n")
        self.wrong([name, "--policy", "strict"], "%s:3: policy = nonsense: write one of framed|strict|lax" % name)
        name = self.file("accept = tcp:127.0.0.1:0\n")
        self.right(name, "--connect", "unix:/run/none")

    def test_a_value_that_is_wrong_is_told_by_its_option(self):
        self.wrong([*PLAIN, "--TIMEOUTidle", "soon"], "--TIMEOUTidle soon: write a number from 1 to 4000000")

    def test_nothing_to_do_is_told(self):
        self.wrong([], "nothing to relay; name a configuration file, or write --accept and --connect")

    def test_an_option_that_is_no_key_is_refused(self):
        done = relay("--exec", "/bin/sh")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unrecognized option '--exec'", done.stderr)

    def test_a_second_file_is_refused(self):
        done = relay("--check", "one", "two")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'two' is too much: one is read already; one file may include others", done.stderr)

    def test_help_tells_every_group(self):
        done = relay("--help")
        self.assertEqual(done.returncode, 0)
        for title in ("Legs", "Certificates, and who is believed", "TLS", "Endings", "Deadlines", "Several backends"):
            self.assertIn("\n %s\n" % title, done.stdout)
        self.assertNotIn("do nothing here", done.stdout)

    def test_completion_knows_the_keys(self):
        done = run("completion", "bash")
        self.assertIn(" --TIMEOUTidle ", done.stdout)
        self.assertIn("'relay --policy') words='framed strict lax'", done.stdout)


if __name__ == "__main__":
    tap.main()
