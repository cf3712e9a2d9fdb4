#!/usr/bin/python3
"""lint: what a reviewer should not have to look for.  Prints TAP, one case a rule; exit status 1 if any fails.

    tools/lint.py [--build FOLDER] [RULE...]

A rule is a function from the tree to findings, lines of the form `file:line: what`; RULES lists them all.
It must not know what the code means.  It changes nothing.
"""
import argparse
import csv
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace  # tools/trace.py, not the library's: its folder comes first

FUNCTION_LINES = 80
FILE_LINES = 800

RULES = {}


def rule(claim):
    """Registers a function under its name; `claim` says what is true when it finds nothing."""
    def keep(function):
        RULES[function.__name__.replace("_", "-")] = (claim, function)
        return function
    return keep


class Tree:
    """A source tree: its root, and the build folder that holds the command."""

    def __init__(self, root, build="build"):
        self.root, self.build = root, os.path.join(root, build)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def files(self, *ends, below=("src", "include", "tests", "examples")):
        """Files below the folders named, as paths from the root, in order."""
        found = []
        for top in below:
            for folder, inner, names in os.walk(self.path(top)):
                inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("build"))
                found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names if name.endswith(ends)]
        return sorted(found)

    def run(self, *argv):
        return subprocess.run(argv, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", timeout=120)


def lines_of(output):
    return [line for line in output.splitlines() if line.strip()]


@rule("clang-format would change nothing")
def layout(tree):
    files = tree.files(".c", ".h", ".cpp")
    done = tree.run("clang-format-14", "--dry-run", "--Werror", "--style=file", *files) if files else None
    return [line for line in lines_of(done.stdout) if ": error:" in line] if done and done.returncode else []


@rule("a room includes only what data/ARROWS allows")
def arrows(tree):
    allowed = {}
    for line in lines_of(tree.text("data/ARROWS")):
        found = re.fullmatch(r"([a-z]+):((?: [a-z]+)*)", line)
        if not found:
            return ["data/ARROWS: cannot read: " + line]
        allowed[found[1]] = set(found[2].split())
    findings = []
    for name in tree.files(".c", ".h", ".inc", below=("src", "include")):
        room = name.split(os.sep)[1] if name.startswith("src" + os.sep) else None
        if room is not None and room not in allowed:
            findings.append("%s: no such room in data/ARROWS: %s" % (name, room))
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            other = found and found[1].split("/")[0]
            if not found or (room and other == room and "/" in found[1]):
                continue
            if room is None:
                findings.append('%s:%d: a public header includes "%s"' % (name, number, found[1]))
            elif "/" not in found[1] or other not in allowed:
                findings.append('%s:%d: write #include "room/file.h": "%s"' % (name, number, found[1]))
            elif other not in allowed[room]:
                findings.append("%s:%d: %s may not include %s" % (name, number, room, other))
    return findings


@rule("no function over %d lines" % FUNCTION_LINES)
def function_length(tree):
    files = tree.files(".c", ".h")
    if not files:
        return []
    done = tree.run("ctags", "--output-format=json", "--fields=+ne", "--kinds-c=f", "--language-force=C", "-f", "-", *files)
    findings = ["ctags: " + line for line in lines_of(done.stdout) if not line.startswith("{")]
    for line in lines_of(done.stdout):
        tag = json.loads(line) if line.startswith("{") else {}
        lines = tag.get("end", 0) - tag.get("line", 0) + 1
        if lines > FUNCTION_LINES:
            findings.append("%s:%d: %s has %d lines" % (tag["path"], tag["line"], tag["name"], lines))
    return findings


@rule("no file over %d lines" % FILE_LINES)
def file_length(tree):
    counted = ((name, tree.text(name).count("\n")) for name in tree.files(".c", ".h", ".py", below=("src", "include", "tests", "tools", "examples")))
    return ["%s: %d lines" % row for row in counted if row[1] > FILE_LINES]


def rule_ids(tree):
    with open(tree.path("data/rules.tsv"), encoding="utf-8", newline="") as file:
        return [row["id"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


@rule("every id in data/rules.tsv is well formed and unique")
def rules(tree):
    ids = rule_ids(tree)
    findings = ["data/rules.tsv: not an id: " + one for one in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one)]
    findings += ["data/rules.tsv: twice: " + one for one in sorted(set(ids)) if ids.count(one) > 1]
    return findings


@rule("every rule has code and a test that carry its id, or stated reasons; every id that they carry is a rule")
def traced(tree):
    return trace.findings(tree.root)


BANNED = (  # what, and what to take instead
    (r"(?<![\w>.])(strcpy|strcat|stpcpy)\s*\(", "memcpy with a length"),
    (r"(?<![\w>.])v?sprintf\s*\(", "snprintf"),
    (r"(?<![\w>.])(gets|strtok|system|popen|tmpnam|mktemp)\s*\(", "nothing of the kind"),
    (r"(?<![\w>.])(sleep|usleep|nanosleep)\s*\(", "a deadline or a timer"),
    (r"\btypedef\s+(struct|union)\b", "the struct's own name"),
)


def without_comments(text):
    """The text with comments and strings blanked, lines kept."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


@rule("no call that style forbids")
def banned(tree):
    findings = []
    for name in tree.files(".c", ".h"):
        text = without_comments(tree.text(name))
        for pattern, instead in BANNED:
            findings += ["%s:%d: %s: take %s" % (name, text.count("\n", 0, found.start()) + 1,
                                                 found[0].strip(" \t("), instead)
                         for found in re.finditer(pattern, text)]
    return findings


@rule("every file of src, include and examples opens by saying what it does")
def opening(tree):
    return ["%s: does not open with a comment" % name for name in tree.files(".c", ".h", ".cpp", below=("src", "include", "examples"))
            if not tree.text(name).startswith("/*")]


@rule("manual pages are well formed")
def manual(tree):
    pages = tree.files(".1", ".3", ".5", ".7", below=("man",))
    done = tree.run("mandoc", "-T", "lint", "-W", "warning", *pages) if pages else None
    return lines_of(done.stdout) if done and done.returncode else []


def options_in_help(text):
    return set(re.findall(r"(?<![\w-])--[A-Za-z0-9][A-Za-z0-9-]*", text))


def options_in_page(text):
    """The long options that a page describes: `.It Fl Fl name`, or `.It Fl n , Fl Fl name`; mdoc's `Fl -name` too."""
    found = set()
    for line in text.splitlines():
        if re.match(r"\.\s*It\b", line):
            found |= {"--" + name.replace("\\-", "-") for name in re.findall(r"\bFl (?:Fl |\\?-)([A-Za-z0-9][A-Za-z0-9\\-]*)", line)}
    return found


def verbs_in_help(text):
    """`  verb  what it does` lines of the command's own --help, until its options."""
    return re.findall(r"^  ([a-z][a-z-]*)\s{2,}\S", text, re.M)


@rule("man pages and --help name the same options, and every verb has a page")
def help_and_manual(tree):
    command = os.path.join(tree.build, "lastword")
    pages = {os.path.basename(name)[len("lastword-"):-2]: name for name in tree.files(".1", below=("man",))
             if os.path.basename(name).startswith("lastword-")}
    if not os.path.exists(command):
        return ["no %s to compare man/ with" % os.path.relpath(command, tree.root)] if pages else []
    findings = []
    verbs = verbs_in_help(tree.run(command, "--help").stdout)
    findings += ["lastword --help: verb without a page: " + verb for verb in verbs if verb not in pages]
    findings += ["%s: page without a verb" % name for verb, name in sorted(pages.items()) if verb not in verbs]
    for verb in verbs:
        if verb not in pages:
            continue
        done = tree.run(command, verb, "--help")
        if done.returncode:
            findings.append("lastword %s --help: exit status %d" % (verb, done.returncode))
        told, described = options_in_help(done.stdout), options_in_page(tree.text(pages[verb]))
        findings += ["%s: does not describe %s" % (pages[verb], one) for one in sorted(told - described)]
        findings += ["lastword %s --help: does not name %s" % (verb, one) for one in sorted(described - told)]
    return findings


@rule("pages of docs/ that are made from code are those of this code")
def generated(tree):
    if not os.path.exists(tree.path("docs/rules.md")):
        return []
    done = tree.run(sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "docs.py"), tree.root, tree.build)
    return lines_of(done.stdout) if done.returncode else []


@rule("shellcheck finds nothing")
def shell(tree):
    scripts = [name for name in ("dev", ".ci/run") if os.path.exists(tree.path(name))]
    scripts += tree.files(".sh", below=("tests", "tools"))
    done = tree.run("shellcheck", *scripts) if scripts else None
    return lines_of(done.stdout) if done and done.returncode else []


def main():
    parser = argparse.ArgumentParser(prog="tools/lint.py")
    parser.add_argument("--build", default="build", help="the build folder that holds the command")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    options = parser.parse_args()
    tree = Tree(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), options.build)
    failed = False
    chosen = options.rules or list(RULES)
    for number, name in enumerate(chosen, 1):
        claim, check = RULES[name]
        try:
            findings = check(tree)
        except (OSError, subprocess.SubprocessError, ValueError) as trouble:  # a tool that is not there, say
            findings = ["%s: %s" % (type(trouble).__name__, trouble)]
        print("%s %d - %s: %s" % ("not ok" if findings else "ok", number, name, claim))
        for finding in findings:
            print("#   " + finding)
        failed = failed or bool(findings)
    print("1..%d" % len(chosen))
    return failed


if __name__ == "__main__":
    sys.exit(main())
