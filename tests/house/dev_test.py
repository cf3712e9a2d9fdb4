#!/usr/bin/python3
"""dev_test: the front door says what it can do, refuses what it cannot, and asks for nothing that is there.

The set-up on a bare system needs a bare system; it is tried in a chroot before a release, see CONTRIBUTING.md."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

DEV = os.path.join(tap.ROOT, "dev")
WORDS = ("demo", "check", "build", "lint", "asan", "model", "fuzz", "bench", "cover", "install", "clean", "help")


class Dev(unittest.TestCase):
    def test_help_names_every_word(self):
        done = tap.run([DEV, "help"])
        self.assertEqual(done.returncode, 0)
        self.assertEqual(tuple(re.findall(r"^  ([a-z]+)(?: \[[A-Z]+\])?  ", done.stdout.decode(), re.M)), WORDS)

    def test_no_word_is_help(self):
        self.assertEqual(tap.run([DEV]).stdout, tap.run([DEV, "help"]).stdout)

    def test_an_unknown_word_is_a_usage_error_on_standard_error(self):
        done = tap.run([DEV, "frobnicate"])
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"usage: ./dev WORD", done.stderr)

    def test_fuzz_takes_seconds_and_nothing_else(self):
        for word in ("soon", "-1", "1s"):
            with self.subTest(word=word):
                self.assertEqual(tap.run([DEV, "fuzz", word]).returncode, 2)

    def test_model_takes_one_to_three_messages(self):
        for word in ("0", "4", "many", "-1"):
            with self.subTest(word=word):
                self.assertEqual(tap.run([DEV, "model", word]).returncode, 2)

    def test_works_from_any_folder(self):
        self.assertEqual(tap.run([DEV, "help"], cwd="/").returncode, 0)

    def test_without_root_and_sudo_it_says_what_root_has_to_run(self):
        folder = tap.temp_dir(self)
        for tool in ("dirname", "sort", "tr", "id", "cat", "apt-get"):
            path = next(os.path.join(place, tool) for place in ("/usr/bin", "/bin") if os.path.exists(os.path.join(place, tool)))
            os.symlink(path, os.path.join(folder, tool))
        os.remove(os.path.join(folder, "id"))
        with open(os.path.join(folder, "id"), "w") as file:  # somebody without rights
            file.write("#!/bin/sh\necho 1000\n")
        os.chmod(os.path.join(folder, "id"), 0o755)
        text = open(DEV).read().replace("PATH=$PATH:/usr/sbin:/sbin", "PATH=" + folder)
        copy = os.path.join(folder, "dev")
        with open(copy, "w") as file:
            file.write(text)
        done = tap.run(["/bin/sh", copy, "demo"], env=tap.environment(PATH=folder))
        self.assertEqual(done.returncode, 3)
        self.assertIn("needs root for that; as root: ./dev install-packages gcc libcmocka-dev", done.stderr.decode())


class Ci(unittest.TestCase):
    def test_runs_the_command_of_the_readme(self):
        with open(os.path.join(tap.ROOT, ".ci", "run")) as file:
            self.assertRegex(file.read(), r"exec \./dev check\n\Z")
        with open(os.path.join(tap.ROOT, "README.md")) as file:
            self.assertIn("\n    ./dev check ", file.read())


if __name__ == "__main__":
    tap.main()
