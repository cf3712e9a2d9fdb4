#!/usr/bin/python3
"""trace: each rule of data/rules.tsv leads to code that obeys it and to a test that names it, and back.

    tools/trace.py [ID...]

Prints the table, id -> places in code -> places in tests (or why there are none), then what is missing; exit status 1 if
anything is.  Lint calls findings().  Where rules are named is read by places.py; data/rules-uncoded.tsv and
data/rules-untested.tsv hold the reasons.  It must not know what a rule means.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import places

SIDES = (  # of a trace: places, reasons, the file of the reasons, what it is called
    ("code", "uncoded", "data/rules-uncoded.tsv", "code"),
    ("tests", "untested", "data/rules-untested.tsv", "test"),
)
# A row of a table of tests opens with the rules that it shows and then the claim.
ROW = re.compile(r'\{\s*"([a-z0-9]+(?:-[a-z0-9]+)+(?:, [a-z0-9]+(?:-[a-z0-9]+)*)*)",\s*"[^"]* [^"]*"')


def reasons_findings(trace, kept, reasons, file, what):
    ids = [row["id"] for row in trace.rules]
    for one in reasons:
        if one not in ids:
            yield "%s: no such rule: %s" % (file, one)
        elif not reasons[one]:
            yield "%s: no reason: %s" % (file, one)
        elif kept[one]:
            yield "%s: stale, there is a %s in %s: %s" % (file, what if what == "test" else "place", kept[one][0].file, one)
    for one in ids:
        if not kept[one] and one not in reasons:
            yield "data/rules.tsv: neither %s nor reason: %s" % (what, one)


def unknown_ids(trace):
    """Ids in code and tests that are in no row of data/rules.tsv."""
    ids = {row["id"] for row in trace.rules}
    for top, patterns in (("src", (places.NAMED,)), ("include", (places.NAMED,)), ("tests", (places.NAMED, ROW))):
        for name in places.files(trace.root, top):
            with open(os.path.join(trace.root, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            named = {(text.count("\n", 0, found.start(1) + word.start()) + 1, word[0])
                     for pattern in patterns for found in pattern.finditer(text)
                     for word in re.finditer(r"[a-z0-9][a-z0-9-]*", found[1])}
            yield from ("%s:%d: no such rule: %s" % (name, line, one) for line, one in sorted(named) if one not in ids)


def findings(root):
    trace = places.Trace(root)
    found = []
    for kept, reasons, file, what in SIDES:
        found += reasons_findings(trace, getattr(trace, kept), getattr(trace, reasons), file, what)
    return found + list(unknown_ids(trace))


def lines_of(trace, one):
    yield one
    for kept, reasons, _, what in SIDES:
        for place in getattr(trace, kept)[one]:
            yield "  %-5s %s:%d: %s" % (what, place.file, place.line, place.text)
        if not getattr(trace, kept)[one]:
            yield "  %-5s none: %s" % (what, getattr(trace, reasons).get(one) or "MISSING")


def main(argv):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    trace = places.Trace(root)
    ids = [row["id"] for row in trace.rules]
    for one in argv or ids:
        if one not in ids:
            print("trace: no such rule: " + one, file=sys.stderr)
            return 2
        print("\n".join(lines_of(trace, one)))
    wrong = findings(root)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
