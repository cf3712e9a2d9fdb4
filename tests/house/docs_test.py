#!/usr/bin/python3
"""docs_test: docs/closure.md leads to every rule that is tested, and its links lead somewhere; pages made from code are
made of the code that ships."""
import csv
import glob
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap


def text(*names):
    with open(os.path.join(tap.ROOT, *names), encoding="utf-8") as file:
        return file.read()


def table(name):
    with open(os.path.join(tap.ROOT, name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def made(folder):
    """What tools/docs.py writes into an empty tree beside the sources of this one."""
    for name in ("src", "include", "tests", "data", "tools"):
        os.symlink(os.path.join(tap.ROOT, name), os.path.join(folder, name))
    os.mkdir(os.path.join(folder, "docs"))
    done = tap.run([sys.executable, "-B", os.path.join(tap.ROOT, "tools", "docs.py"), "--write", folder, tap.build_dir()])
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return {os.path.basename(name): open(name, encoding="utf-8").read() for name in glob.glob(folder + "/docs/*.md")}


class Closure(unittest.TestCase):
    def test_every_rule_that_is_tested_is_explained(self):
        untested = {row["id"] for row in table("data/rules-untested.tsv")}
        linked = set(re.findall(r"\]\(rules\.md#([\w-]+)\)", text("docs", "closure.md")))
        for row in table("data/rules.tsv"):
            if row["id"] not in untested:
                with self.subTest(id=row["id"]):
                    self.assertIn(row["id"], linked)

    def test_a_link_to_a_rule_is_called_by_its_id(self):
        links = re.findall(r"\[([^\]]+)\]\(rules\.md#([\w-]+)\)", text("docs", "closure.md"))
        self.assertGreater(len(links), 50)
        for label, target in links:
            self.assertEqual(label, target)

    def test_every_link_into_a_page_leads_to_a_heading(self):
        for page in ("closure.md", "versions.md"):
            for target, anchor in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", text("docs", page)):
                heads = {re.sub(r"[^\w-]", "", head.lower().replace(" ", "-"))
                         for head in re.findall(r"^#+ (.+)$", text("docs", target), re.M)}
                with self.subTest(page=page, target=target, anchor=anchor):
                    self.assertIn(anchor, heads)


class Made(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pages = made(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lastword-docs.")))

    def test_three_pages_are_made(self):
        self.assertEqual(sorted(self.pages), ["machines.md", "rules.md", "versions.md"])

    def test_the_version_table_has_the_cells_of_the_rows(self):
        rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", self.pages["versions.md"], re.M))
        self.assertEqual(rows["on_peer_close"].split(" | ")[:6], ["answers, discards"] * 5 + ["keeps writing"])
        self.assertEqual(rows["half_close"].split(" | ")[:6], ["no"] * 5 + ["yes"])
        self.assertEqual(rows["unclean_forbids_resumption"].split(" | ")[:6], ["no", "yes", "yes", "no", "no", "no"])
        fields = re.search(r"struct lw_version_row \{(.*?)^\};", text("src", "closure", "version.h"), re.S | re.M)[1]
        names = re.findall(r"^\t(?:bool|enum lw_on_peer_close) (\w+);", fields, re.M)
        self.assertEqual(list(rows), names, "a column of the code is not in the page, or in another order")
        for name, row in rows.items():
            with self.subTest(column=name):
                self.assertIn("](rules.md#", row)

    def test_the_tolerance_table_has_what_the_policies_accept(self):
        rows = {row.split(" | ")[0]: row.split(" | ")[1:] for row in re.findall(r"^\| (\w.+) \|$", self.pages["versions.md"], re.M)}
        self.assertEqual(rows["closed"], ["yes"] * 6)
        self.assertEqual(rows["truncated, boundary"], ["no", "yes", "no", "no", "yes", "yes"])
        self.assertEqual(rows["truncated, inside"], ["no"] * 6)
        self.assertEqual(rows["reset"], ["no", "yes", "no", "no", "no", "yes"])

    def test_every_rule_has_its_part_with_code_or_test(self):
        parts = dict(re.findall(r"^### ([\w-]+)\n(.*?)(?=^### |\Z)", self.pages["rules.md"], re.M | re.S))
        self.assertEqual(list(parts), [row["id"] for row in table("data/rules.tsv")])
        self.assertRegex(parts["answer-at-once"], r"- code: \[src/closure/machine\.c\].*LW_W_ANSWER.*LW_WRITE_FLUSHING")
        self.assertRegex(parts["answer-at-once"], r'- test: \[tests/closure/ending_test\.c\].*"up to 1\.2 the peer')
        for name in set(re.findall(r"\]\(\.\./([^)]+)\)", self.pages["rules.md"])):
            self.assertTrue(os.path.exists(os.path.join(tap.ROOT, name)), name)


if __name__ == "__main__":
    tap.main()
