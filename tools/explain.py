#!/usr/bin/env python3
"""explain.py ROOT OUT.c OUT.d: what `lastword explain` knows, as const C data, with the list of files it was made of.

From data/explain.md come log lines, alerts, endings and exit statuses; from data/rules.tsv the rules; from the code and
the tests, by tools/places.py, where each rule is obeyed and tested.  What cannot be understood ends the build with file
and line; nothing is guessed.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import places

SOURCE = "data/explain.md"
KINDS = {"Log lines": "EXPLAIN_LINE", "Alerts": "EXPLAIN_ALERT", "Endings": "EXPLAIN_ENDING", "Exit statuses": "EXPLAIN_EXIT"}
PARAGRAPHS = {"What happened.": "happened", "Harmless?": "harmless", "What to change.": "change"}
ITEMS = ("signs", "ending", "rules", "source")
ENDINGS = ("open", "closed", "aborted", "truncated", "reset", "expired", "abandoned", "failed")


def refuse(line, reason):
    sys.exit("%s:%d: %s" % (SOURCE, line, reason))


class Entry:
    def __init__(self, kind, name, line):
        self.kind, self.name, self.line = kind, name, line
        self.example, self.items, self.paragraphs = "", {}, {}

    def signs(self):
        if self.kind == "EXPLAIN_ALERT":
            number, name = self.name.split(" ")
            words = name.replace("_", " ")
            return ["alert %s" % words, "alert number %s" % number, "received alert [%s]" % number]
        return re.findall(r"`([^`]+)`", self.items.get("signs", ""))


def take_line(entry, number, line):
    item = re.fullmatch(r"- (\w+): (.+)", line)
    paragraph = re.fullmatch(r"\*\*(.+?)\*\* (.+)", line)
    if line.startswith("    ") and not entry.paragraphs:
        entry.example = line.strip()
    elif item and item[1] in ITEMS:
        entry.items[item[1]] = item[2]
    elif paragraph and paragraph[1] in PARAGRAPHS:
        entry.paragraphs[PARAGRAPHS[paragraph[1]]] = paragraph[2]
    elif line:
        refuse(number, "cannot read: " + line)


def read_entries(path):
    entries, kind = [], None
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            if line.startswith("## "):
                kind = KINDS.get(line[3:]) or refuse(number, "no such part: " + line)
            elif line.startswith("### "):
                entries.append(Entry(kind, line[4:], number))
            elif kind and entries:
                take_line(entries[-1], number, line)
    return entries


def check(entries, ids):
    seen = set()
    for entry in entries:
        if (entry.kind, entry.name) in seen:
            refuse(entry.line, "stands twice: " + entry.name)
        seen.add((entry.kind, entry.name))
        missing = [name for name in PARAGRAPHS.values() if name not in entry.paragraphs]
        missing += [name for name in ("example", "signs", "source")
                    if entry.kind == "EXPLAIN_LINE" and not (entry.example if name == "example" else entry.items.get(name))]
        if missing:
            refuse(entry.line, "%s: lacks %s" % (entry.name, ", ".join(missing)))
        if entry.kind == "EXPLAIN_ALERT" and not re.fullmatch(r"\d+ [a-z_]+", entry.name):
            refuse(entry.line, "an alert is a number and a name")
        if entry.items.get("ending", "open") not in ENDINGS:
            refuse(entry.line, "no such ending: " + entry.items["ending"])
        for one in re.split(r",\s*", entry.items["rules"]) if "rules" in entry.items else []:
            if one not in ids:
                refuse(entry.line, "no such rule: " + one)


def c_string(text):
    if text is None or text == "":
        return "NULL"
    out = "".join("\\" + c if c in '"\\' else c if 32 <= ord(c) < 127 else "".join("\\%03o" % b for b in c.encode())
                  for c in text)
    return '"%s"' % out.replace("??", '?""?')


def c_list(name, elements):
    return "static const char *const %s[] = { %sNULL };\n" % (name, "".join(c_string(one) + ", " for one in elements))


def emit_entries(entries):
    out = "".join(c_list("signs_%d" % at, entry.signs()) for at, entry in enumerate(entries))
    out += "\nconst struct explain_entry explain_entries[] = {\n"
    for at, entry in enumerate(entries):
        fields = [("kind", entry.kind), ("name", c_string(entry.name)), ("signs", "signs_%d" % at),
                  ("example", c_string(entry.example))]
        fields += [(name, c_string(entry.paragraphs[name])) for name in PARAGRAPHS.values()]
        fields += [(name, c_string(entry.items.get(name))) for name in ITEMS if name != "signs"]
        out += "\t{ " + ", ".join(".%s = %s" % field for field in fields) + " },\n"
    return out + "};\n\nconst size_t explain_entry_count = %d;\n\n" % len(entries)


def emit_places(name, found):
    rows = "".join("{ %s, %d, %s }, " % (c_string(place.file), place.line, c_string(place.text)) for place in found)
    return "static const struct explain_place %s[] = { %s{ NULL, 0, NULL } };\n" % (name, rows)


def emit_rules(trace):
    out = ""
    for at, row in enumerate(trace.rules):
        out += emit_places("code_%d" % at, trace.code[row["id"]]) + emit_places("tests_%d" % at, trace.tests[row["id"]])
    out += "\nconst struct explain_rule explain_rules[] = {\n"
    for at, row in enumerate(trace.rules):
        fields = [(name, c_string(row[name])) for name in ("id", "source", "level", "versions", "binds", "rule", "observe")]
        fields += [("uncoded", c_string(trace.uncoded.get(row["id"]))), ("untested", c_string(trace.untested.get(row["id"]))), ("code", "code_%d" % at), ("tests", "tests_%d" % at)]
        out += "\t{ " + ", ".join(".%s = %s" % field for field in fields) + " },\n"
    return out + "};\n\nconst size_t explain_rule_count = %d;\n" % len(trace.rules)


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: explain.py ROOT OUT.c OUT.d")
    root, out, depfile = sys.argv[1:]
    trace = places.Trace(root)
    entries = read_entries(trace.path(SOURCE))
    check(entries, trace.code)
    text = "/* Made by tools/explain.py from data/explain.md, data/rules.tsv and the rule comments. */\n"
    text += '#include "cli/explain_rows.h"\n\n#include <stddef.h>\n\n' + emit_entries(entries) + emit_rules(trace)
    with open(out, "w", encoding="ascii") as file:
        file.write(text)
    with open(depfile, "w") as file:
        file.write("%s: %s\n" % (out, " ".join(path.replace(" ", "\\ ") for path in trace.read)))


main()
