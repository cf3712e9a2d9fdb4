"""cli: the command before any verb: help, version, wrong words, completion, exit statuses."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

LASTWORD = tap.built("lastword")


def lastword(*words, **more):
    return tap.run([LASTWORD, *words], **more)


def verbs():
    lines = lastword("--help").stdout.decode().splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and line[2].islower()]


class Dispatcher(unittest.TestCase):
    def test_without_a_verb_shows_the_usage_and_gives_2(self):
        done = lastword()
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"Usage: lastword VERB", done.stderr)

    def test_help_goes_to_standard_output_and_gives_0(self):
        done = lastword("--help")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"Usage: lastword VERB", done.stdout)

    def test_version(self):
        done = lastword("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, rb"^lastword \d+\.\d+\.\d+\n$")

    def test_an_unknown_verb_gives_2_and_the_nearest_name(self):
        for wrong in ("completio", "zzzzzzzz", "", "z" * 500):
            done = lastword(wrong)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"there is no verb '%s'" % wrong.encode(), done.stderr)
            self.assertNotIn(b"did you mean", done.stderr)
        for verb in verbs():
            for wrong in (verb[:-1], verb + "x", "x" + verb[1:]):
                done = lastword(wrong)
                self.assertEqual(done.returncode, 2)
                self.assertIn(b"did you mean '%s'?" % verb.encode(), done.stderr)

    def test_every_verb_has_help_and_refuses_an_unknown_option(self):
        for verb in verbs():
            done = lastword(verb, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, b""), verb)
            self.assertIn(b"Usage: lastword " + verb.encode(), done.stdout)
            done = lastword(verb, "--no-such-option")
            self.assertEqual((done.returncode, done.stdout), (2, b""), verb)
            self.assertIn(b"no-such-option", done.stderr)

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = lastword("--help", stdout=full)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"cannot write standard output: No space left on device", done.stderr)


class Completion(unittest.TestCase):
    def setUp(self):
        self.script = lastword("completion", "bash").stdout.decode()

    def complete(self, *words):
        """What bash offers after these words, the last one unfinished."""
        quoted = " ".join("'%s'" % word for word in words)
        program = self.script + "\nCOMP_WORDS=(%s); COMP_CWORD=%d; _lastword; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            quoted, len(words) - 1)
        done = subprocess.run(["bash", "--norc", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=20, check=False)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_offers_every_verb(self):
        self.assertEqual(sorted(self.complete("lastword", "")), sorted(verbs() + ["--help", "--version"]))

    def test_offers_every_option_that_help_names(self):
        for verb in verbs():
            told = lastword(verb, "--help").stdout.decode()
            offered = self.complete("lastword", verb, "--")
            self.assertIn("--help", offered)
            for option in offered:
                self.assertIn(option, told)

    def test_knows_only_bash(self):
        for words in (("completion",), ("completion", "fish"), ("completion", "bash", "bash")):
            self.assertEqual(lastword(*words).returncode, 2)

    def test_what_is_installed_is_what_the_command_prints(self):
        with open(tap.built("lastword.bash"), encoding="utf-8") as file:
            self.assertEqual(file.read(), self.script)


if __name__ == "__main__":
    tap.main()
