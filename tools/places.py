"""places: where code and tests name the rules of data/rules.tsv.  Read by tools/trace.py, explain.py, docs.py.

Code names a rule in a comment, `rule: ID` or `rules: ID, ID`; a test names it anywhere.  A place is a file, a line and
what stands there: behind a comment on a line of its own, the next line of code.  It knows nothing of what the code means.
"""
import csv
import os
import re

NAMED = re.compile(r"\brules?: ((?:[a-z0-9][a-z0-9-]*)(?:,\s*(?:\*\s*)?[a-z0-9][a-z0-9-]*)*)")
WORD = re.compile(r"(?<![\w-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])")
ENDS = (".c", ".h", ".py")
BROKEN_TREES = os.path.join("tests", "house", "")  # tests that hold made-up rules
EXCERPT = 72


class Place:
    def __init__(self, file, line, text):
        self.file, self.line, self.text = file, line, text


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def files(root, top):
    found = []
    for folder, inner, names in os.walk(os.path.join(root, top)):
        inner[:] = [name for name in inner if name != "__pycache__" and not name.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith(ENDS)]
    return sorted(name for name in found if not name.startswith(BROKEN_TREES))


def without_comments(line):
    line = re.sub(r"/\*.*?(\*/|$)", "", line)
    return re.sub(r"^.*?\*/|^\s*\*.*$|//.*$", "", line)


def function_of(line):
    """The name in a line that begins a function or declares one, or None."""
    found = re.match(r"(?!return\b|else\b)(?:\w+[\s*]+)+(\w+)\(", line)
    return found[1] + "()" if found else None


def enclosing(lines, at):
    """The function that a line stands in, or None."""
    for above in range(at, 0, -1):
        if lines[above].startswith("}"):
            return None
        if lines[above] == "{":
            heads = (function_of(line) for line in reversed(lines[max(above - 6, 0):above]))
            return next(filter(None, heads), None)
    return None


def excerpt(lines, at):
    """What stands at a line, or behind a comment: a function's name, or the code, with the function it is in."""
    for line in [lines[at]] + lines[at + 1:at + 12]:
        code = " ".join(without_comments(line).split())
        if not re.search(r"\w", code):
            continue
        inside = enclosing(lines, at) if lines[at][:1].isspace() else None
        if inside is None and function_of(code):
            return function_of(code)
        code = "%s: %s" % (inside, code) if inside else code
        return code if len(code) <= EXCERPT else code[:EXCERPT - 4] + " ..."
    return ""


def row_text(line, words):
    """The row of a table of tests: its claim, the longest string that is no list of rule ids."""
    strings = [text for text in re.findall(r'"((?:\\.|[^"\\])*)"', line)
               if not all(word in words for word in re.split(r",\s*", text))]
    return '"%s"' % max(strings, key=len) if strings else None


class Trace:
    """id -> the places in code, in tests; and the files that were read."""

    def __init__(self, root):
        self.root, self.read = root, []
        self.rules = rows(self.path("data/rules.tsv"))
        self.uncoded = self.reasons("data/rules-uncoded.tsv")
        self.untested = self.reasons("data/rules-untested.tsv")
        ids = {row["id"] for row in self.rules}
        self.code = {one: [] for one in ids}
        self.tests = {one: [] for one in ids}
        for top in ("src", "include"):
            for name in files(root, top):
                self.add(name, self.code, NAMED, ids)
        for found in self.code.values():
            found.sort(key=lambda place: not place.file.startswith("src/closure/"))  # the system first
        for name in files(root, "tests"):
            self.add(name, self.tests, WORD, ids)

    def reasons(self, name):
        """id -> why it has no place."""
        path = self.path(name)
        return {row["id"]: row["reason"] for row in rows(path)} if os.path.exists(path) else {}

    def path(self, name):
        path = os.path.join(self.root, name)
        if path not in self.read:
            self.read.append(path)
        return path

    def add(self, name, places, pattern, ids):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            text = file.read()
        lines = text.split("\n")
        for found in pattern.finditer(text):
            for word in re.finditer(r"[a-z0-9][a-z0-9-]*", found[found.lastindex or 0]):
                at = text.count("\n", 0, found.start(found.lastindex or 0) + word.start())
                if word[0] not in ids or any((place.file, place.line) == (name, at + 1) for place in places[word[0]]):
                    continue
                claim = row_text(lines[at], ids) if places is self.tests else None
                places[word[0]].append(Place(name, at + 1, claim or excerpt(lines, at)))
