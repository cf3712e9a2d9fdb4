#!/usr/bin/python3
"""tally: counts the test cases of every step of `./dev check` and closes with a line of its own.

    tools/tally.py FOLDER

A step NAME left NAME.tap (one line a case), or NAME.xml and NAME.json, which `meson test` wrote: a JUnit
case for each TAP line, and a JSON line for each program.  Both are read, since a program can fail with all
its cases passed: a crash or a leak on the way out, too few cases.  That counts as one failed case more.
It must not know what is tested.  The last line is `N passed, N failed`, with `, N skipped` if any were.
"""
import glob
import json
import os
import re
import sys
import xml.etree.ElementTree as tree


NOTES = 24  # lines told of a failed case, at most


class Count:
    def __init__(self):
        self.passed = self.skipped = 0
        self.failures = []
        self.notes = []

    def add(self, name, outcome):
        if outcome == "failed":
            self.failures.append(name)
        elif outcome == "skipped":
            self.skipped += 1
        else:
            self.passed += 1

    def line(self):
        skipped = ", %d skipped" % self.skipped if self.skipped else ""
        return "%d passed, %d failed%s" % (self.passed, len(self.failures), skipped)


def notes_of(text):
    """Each failed case's line and the comments behind it, which say why."""
    lines, notes = text.splitlines(), []
    for number, line in enumerate(lines):
        if line.startswith("not ok"):
            why = []
            for more in lines[number + 1:]:
                if not more.startswith("#"):
                    break
                why.append(more)
            notes += [line] + why[-NOTES:]  # a traceback ends with what matters
    return notes


def count_tap(text, count):
    count.notes += notes_of(text)
    for line in text.splitlines():
        found = re.match(r"(not )?ok\b\s*\d*\s*-?\s*(.*)", line)
        if found:
            skipped = re.search(r"#\s*skip", found[2], re.I)
            count.add(found[2], "failed" if found[1] else "skipped" if skipped else "passed")


def count_junit(text, count):
    """Counts the cases; the names of the suites that have a failed one."""
    bad = set()
    for suite in tree.fromstring(text).iter("testsuite"):
        for case in suite.iter("testcase"):
            failed = case.find("failure") is not None or case.find("error") is not None
            outcome = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
            count.add("%s: %s" % (suite.get("name"), case.get("name")), outcome)
            if failed:
                bad |= {suite.get("name"), case.get("name")}
    return bad


def count_programs(text, bad, count):
    """Adds a failed case for each program that failed without one."""
    for line in text.splitlines():
        program = json.loads(line)
        name = program["name"]
        told = any(name == one or one.endswith("." + name) for one in bad)
        if program["result"] in ("OK", "EXPECTEDFAIL"):
            continue
        count.notes += ["%s: %s, exit status %s" % (name, program["result"], program["returncode"])]
        count.notes += notes_of(program.get("stdout") or "") + (program.get("stderr") or "").splitlines()[-NOTES:]
        if program["result"] == "SKIP" and re.search(r"^(not )?ok\b", program.get("stdout") or "", re.M):
            continue
        if not told:
            count.add("%s: the program: %s, exit status %s" % (name, program["result"], program["returncode"]), "failed")


def count_step(folder, name):
    count = Count()

    def read(suffix):
        path = os.path.join(folder, name + suffix)
        return open(path, errors="replace").read() if os.path.exists(path) else None
    if read(".tap") is not None:
        count_tap(read(".tap"), count)
    if read(".xml") is not None:
        bad = count_junit(read(".xml"), count)
        count_programs(read(".json") or "", bad, count)
    if not (count.passed or count.failures or count.skipped):
        count.add(name + ": told no case", "failed")
    return count


def main(folder):
    names = sorted({os.path.basename(path).rsplit(".", 1)[0] for path in glob.glob(os.path.join(folder, "*"))})
    total = Count()
    for name in names:
        count = count_step(folder, name)
        print("%-14s %s" % (name.split(" ", 1)[-1], count.line()))
        for failure in count.failures:
            print("    failed: " + failure)
        for note in count.notes if count.failures else ():
            print("        " + note)
        total.passed += count.passed
        total.skipped += count.skipped
        total.failures += count.failures
    print(total.line())
    return bool(total.failures or not total.passed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tools/tally.py FOLDER")
    sys.exit(main(sys.argv[1]))
