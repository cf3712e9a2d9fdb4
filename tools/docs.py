#!/usr/bin/python3
"""docs: writes the pages of docs/ that are made from code: machines.md, versions.md, rules.md.

    tools/docs.py [--write] ROOT BUILD

Without --write it changes nothing, names the pages that are stale and gives 1.  The numbers come from programs that are
linked with the shipping tables, names and rules from the headers, places from tools/places.py.  It knows nothing of what
they mean.  (`ninja -C build docs` calls it.)
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import places

VALUES = {"on_peer_close": ("answers, discards", "keeps writing")}  # by the order of enum lw_on_peer_close


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, encoding="utf-8", timeout=60).stdout


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def link(one):
    return "[%s](rules.md#%s)" % (one, one)


def column_rules(root):
    """column of the version table -> the rules named beside it; those of an enum's members are the column's."""
    text = read(root, "src/closure/version.h")
    members = {"on_peer_close": re.search(r"enum lw_on_peer_close \{(.*?)\};", text, re.S)[1]}
    for name, rest in re.findall(r"^\t(?:bool|enum \w+) (\w+);(.*?)(?=^\t\w|^\};)", text, re.M | re.S):
        members[name] = members.get(name, "") + rest
    return {name: list(dict.fromkeys(one for named in places.NAMED.finditer(re.sub(r"\n\s*", " ", rest))
                                     for one in re.findall(r"[a-z0-9][a-z0-9-]*", named[1]))) for name, rest in members.items()}


def pivot(lines):
    """`row column value` lines -> rows and columns in their order, and the cells."""
    cells = {}
    for line in lines:
        row, column, value = line.split()
        cells[row, column] = int(value)
    return list(dict.fromkeys(row for row, _ in cells)), list(dict.fromkeys(column for _, column in cells)), cells


def versions_page(root, build):
    lines = output(os.path.join(build, "tests/house/versions_dump")).splitlines()
    versions, columns, cells = pivot(line for line in lines if not re.search(r" \w+-[01] [01]$", line))
    endings, policies, tolerated = pivot(line for line in lines if re.search(r" \w+-[01] [01]$", line))
    rules = column_rules(root)
    yield "# What differs between versions, and what each policy tolerates\n"
    yield "Made by `tools/docs.py` from the rows of `src/closure/version.c` and `src/closure/tolerance.c`; lint compares."
    yield "Each rule leads to its text, its code and its tests.\n\n## Versions\n"
    yield "The first column serves before the version is known. DTLS is there for the codec and for documentation.\n"
    yield "| | %s | rules |" % " | ".join(versions)
    yield "|---%s|" % ("|---" * (len(versions) + 1))
    for column in columns:
        words = VALUES.get(column, ("no", "yes"))
        yield "| `%s` | %s | %s |" % (column, " | ".join(words[cells[version, column]] for version in versions),
                                      ", ".join(map(link, rules[column])))
    yield "\n## Tolerance\n"
    yield "How the read side ended, and whether the policy accepts it: before a complete message, and after one. Rules: %s.\n" % ", ".join(
        map(link, ("truncation-undecidable", "framed-message-survives", "close-delimited-needs-alert")))
    heads = ["%s, %s" % (name[:-2], "complete" if name[-1] == "1" else "not complete") for name in policies]
    yield "| ending | %s |" % " | ".join(heads)
    yield "|---%s|" % ("|---" * len(heads))
    for ending in endings:
        yield "| %s | %s |" % (ending.replace("-", ", "), " | ".join("yes" if tolerated[ending, one] else "no" for one in policies))


def place_lines(label, found):
    """One line a file; what stands there is quoted, without line numbers, so that only a change of a rule is a change."""
    for name in dict.fromkeys(place.file for place in found):
        quoted = dict.fromkeys(place.text for place in found if place.file == name)
        texts = ", ".join(text if text.startswith('"') else "`%s`" % text.replace("`", "'") for text in quoted if text)
        yield "- %s: [%s](../%s): %s" % (label, name, name, texts)


def rules_page(root):
    trace = places.Trace(root)
    yield "# The rules, their code and their tests\n"
    yield "Made by `tools/docs.py` from `data/rules.tsv` and the places that name a rule; lint compares. `lastword explain RULE` tells the lines."
    yield "What the words mean is explained in [closure.md](closure.md)."
    for row in trace.rules:
        one = row["id"]
        yield "\n### %s\n\n%s\n" % (one, row["rule"])
        yield "- %s, binds: %s; %s" % (row["level"], row["binds"], row["versions"].replace(",", ", "))
        yield "- source: " + row["source"]
        yield "- to be seen: " + row["observe"]
        yield from place_lines("code", trace.code[one])
        yield from place_lines("test", trace.tests[one])
        if one in trace.uncoded:
            yield "- no code: " + trace.uncoded[one]
        for label, reasons in (("no code", trace.uncoded), ("no test", trace.untested)):
            if one in reasons:
                yield "- %s: %s" % (label, reasons[one])


def pages(root, build):
    yield "docs/machines.md", output(sys.executable, "-B", os.path.join(HERE, "machines.py"), os.path.join(build, "tests/house/machines_dump"))
    yield "docs/versions.md", "\n".join(versions_page(root, build)) + "\n"
    yield "docs/rules.md", "\n".join(rules_page(root)) + "\n"


def main(argv):
    write = argv[:1] == ["--write"]
    root, build = argv[1:] if write else argv
    stale = False
    for name, text in pages(root, build):
        path = os.path.join(root, name)
        if os.path.exists(path) and read(root, name) == text:
            continue
        if write:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            print(name + ": written")
        else:
            stale = True
            print("%s: stale; run: ninja -C %s docs" % (name, os.path.relpath(build, root)))
    return stale


if __name__ == "__main__":
    if len(sys.argv) - (sys.argv[1:2] == ["--write"]) != 3:
        sys.exit("usage: tools/docs.py [--write] ROOT BUILD")
    sys.exit(main(sys.argv[1:]))
