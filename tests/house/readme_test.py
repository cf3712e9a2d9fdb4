#!/usr/bin/python3
"""readme_test: what the documents name is there: files that are linked, verbs and options that are shown."""
import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PAGES = sorted(glob.glob(os.path.join(tap.ROOT, "*.md")) + glob.glob(os.path.join(tap.ROOT, "docs", "*.md")))


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Documents(unittest.TestCase):
    def test_every_link_to_a_file_leads_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#:]+)\)", text(page)):
                with self.subTest(page=os.path.basename(page), target=target):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), target)))

    def test_every_file_named_in_passing_exists(self):
        for page in PAGES:
            for name in re.findall(r"`((?:src|tests|tools|data|docs|include|man|examples)/[\w./-]*)`", text(page)):
                with self.subTest(page=os.path.basename(page), name=name):
                    self.assertTrue(os.path.exists(os.path.join(tap.ROOT, name)))

    def test_the_table_is_what_the_demo_prints(self):
        told = tap.run([tap.built("lastword"), "demo", "--no-ladders"]).stdout.decode().splitlines()
        shown = [line[4:] for line in text(os.path.join(tap.ROOT, "README.md")).splitlines()]
        first = [number for number, line in enumerate(shown) if line.startswith("A peer sends 1,000 bytes")]
        self.assertEqual(len(first), 1)
        table = shown[first[0]:first[0] + len(told)]
        told[0], table[0] = (re.sub(r"\(OpenSSL.*\)", "", lines[0]) for lines in (told, table))  # whichever it ran on
        self.assertEqual(told, table, "paste what build/lastword demo --no-ladders prints, indented by four")

    def test_every_command_shown_has_its_verb_and_options(self):
        command = tap.built("lastword")
        verbs = re.findall(r"^  ([a-z]+) ", tap.run([command, "--help"]).stdout.decode(), re.M)
        shown = re.findall(r"\blastword ([a-z]+)\b([^\n#|>]*)", "\n".join(
            line for line in text(os.path.join(tap.ROOT, "README.md")).splitlines() if line.startswith("    ")))
        self.assertGreaterEqual(len(shown), 4)
        for verb, words in shown:
            with self.subTest(verb=verb, words=words.strip()):
                self.assertIn(verb, verbs)
                known = tap.run([command, verb, "--help"]).stdout.decode()
                for option in re.findall(r"(?<!\S)(--[a-z-]+|-[a-z])\b", words):
                    self.assertRegex(known, r"(?m)(^|[\s,])%s\b" % option)


if __name__ == "__main__":
    tap.main()
