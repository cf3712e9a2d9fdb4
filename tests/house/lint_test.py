#!/usr/bin/python3
"""lint_test: every lint rule is seen to fail on a tree that breaks it, and to pass on one that does not."""
import os
import shutil
import stat
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "tools")]
sys.dont_write_bytecode = True
import lint
import tap

GOOD_C = "/* a: does it. */\n#include \"closure/a.h\"\n\nint a(void)\n{\n\treturn 1; /* rule: half-close */\n}\n"
PAGE = ".Dd November 23, 2026\n.Dt LASTWORD-CUT 1\n.Os\n.Sh NAME\n.Nm lastword-cut\n.Nd ends it\n" \
       ".Sh SYNOPSIS\n.Nm lastword cut\n.Op Fl Fl listen Ar ADDR\n.Sh DESCRIPTION\nIt ends.\n" \
       ".Bl -tag -width Ds\n.It Fl Fl listen Ar ADDR\nWhere.\n.It Fl h , Fl Fl help\nThis.\n.El\n"
COMMAND = """#!/bin/sh
case $1 in
  --help) printf 'Verbs:\\n  cut      ends it\\n' ;;
  cut) printf '  -h, --help   this\\n      --listen=ADDR  where\\n' ;;
esac
"""


class Rules(unittest.TestCase):
    def setUp(self):
        self.root = tap.temp_dir(self)
        self.write("data/ARROWS", "closure:\nstream: closure\nadapter:\n")
        self.write("data/rules.tsv", "id\trule\nhalf-close\ta\nanswer-at-once\tsay \"no\n")
        for name in ("uncoded", "untested"):
            self.write("data/rules-%s.tsv" % name, "id\treason\nanswer-at-once\tnot there yet\n")
        self.write("tests/closure/a_test.c", "/* a */\nstatic const char *row = \"half-close\";\n")
        self.write("include/lastword/a.h", "/* a.h: does it. */\n")
        self.write("src/closure/a.c", GOOD_C)
        self.write("src/closure/a.h", "/* a.h: does it. */\n")
        self.write("man/lastword-cut.1", PAGE)
        self.write("build/lastword", COMMAND)
        self.write("dev", "#!/bin/sh\necho \"$1\"\n")
        shutil.copy(os.path.join(tap.ROOT, ".clang-format"), self.root)
        os.chmod(os.path.join(self.root, "build/lastword"), stat.S_IRWXU)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def found(self, rule):
        return lint.RULES[rule][1](lint.Tree(self.root))

    def test_a_good_tree_passes_every_rule(self):
        for rule in lint.RULES:
            with self.subTest(rule=rule):
                self.assertEqual(self.found(rule), [])

    def test_generated_sees_a_stale_page(self):
        for name in ("src", "include", "tests", "data", "build"):
            shutil.rmtree(os.path.join(self.root, name))
            os.symlink(tap.build_dir() if name == "build" else os.path.join(tap.ROOT, name), os.path.join(self.root, name))
        self.write("docs/rules.md", "old\n")
        self.assertIn("docs/rules.md: stale; run: ninja -C build docs", self.found("generated"))

    def test_layout_sees_spaces_for_a_tab(self):
        self.write("src/closure/a.c", GOOD_C.replace("\t", "    "))
        self.assertIn("src/closure/a.c:5:", "".join(self.found("layout")))

    def test_arrows_see_an_include_against_the_order(self):
        self.write("src/closure/a.c", '/* a */\n#include "stream/s.h"\n')
        self.assertEqual(self.found("arrows"), ["src/closure/a.c:2: closure may not include stream"])

    def test_arrows_see_an_include_without_its_room(self):
        self.write("src/stream/s.c", '/* s */\n#include "s.h"\n')
        self.assertEqual(self.found("arrows"), ['src/stream/s.c:2: write #include "room/file.h": "s.h"'])

    def test_arrows_see_a_room_that_nobody_planned(self):
        self.write("src/misc/s.c", "/* s */\n")
        self.assertEqual(self.found("arrows"), ["src/misc/s.c: no such room in data/ARROWS: misc"])

    def test_arrows_see_a_public_header_that_needs_a_room(self):
        self.write("include/lastword/a.h", '/* a */\n#include "closure/a.h"\n')
        self.assertEqual(self.found("arrows"), ['include/lastword/a.h:2: a public header includes "closure/a.h"'])

    def test_arrows_let_through_what_is_allowed(self):
        self.write("src/stream/s.c", '/* s */\n#include "stream/s.h"\n#include "closure/a.h"\n#include <lastword/a.h>\n')
        self.assertEqual(self.found("arrows"), [])

    def test_function_length_sees_81_lines_and_lets_80_pass(self):
        def function(lines):
            return "/* a */\nvoid\na(void)\n{\n" + "\t;\n" * (lines - 3) + "}\n"
        self.write("src/closure/a.c", function(80))
        self.assertEqual(self.found("function-length"), [])
        self.write("src/closure/a.c", function(81))
        self.assertEqual(self.found("function-length"), ["src/closure/a.c:3: a has 81 lines"])

    def test_file_length_sees_801_lines_and_lets_800_pass(self):
        self.write("src/closure/a.c", "/* a */\n" + "\n" * 799)
        self.assertEqual(self.found("file-length"), [])
        self.write("src/closure/a.c", "/* a */\n" + "\n" * 800)
        self.assertEqual(self.found("file-length"), ["src/closure/a.c: 801 lines"])

    def test_rules_see_an_id_twice(self):
        self.write("data/rules.tsv", "id\trule\nhalf-close\ta\nhalf-close\tb\n")
        self.assertEqual(self.found("rules"), ["data/rules.tsv: twice: half-close"])

    def test_rules_see_an_id_that_is_none(self):
        self.write("data/rules.tsv", "id\trule\nhalf-close\ta\nHalf close\tb\n")
        self.assertEqual(self.found("rules"), ["data/rules.tsv: not an id: Half close"])

    def test_traced_sees_an_unknown_id_in_code_and_tests(self):
        self.write("src/stream/a.c", "/* a */\n/* rule: half-closed */\n")
        self.write("tests/closure/b_test.c", "/* rules: half-close,\n * answer-never */\n")
        self.assertEqual(self.found("traced"), ["src/stream/a.c:2: no such rule: half-closed",
                                                "tests/closure/b_test.c:2: no such rule: answer-never"])

    def test_traced_sees_a_rule_without_code_test_and_reason(self):
        for name in ("uncoded", "untested"):
            self.write("data/rules-%s.tsv" % name, "id\treason\n")
        self.assertEqual(self.found("traced"), ["data/rules.tsv: neither code nor reason: answer-at-once",
                                                "data/rules.tsv: neither test nor reason: answer-at-once"])

    def test_traced_takes_an_option_for_no_test(self):
        self.write("tests/closure/a_test.c", "/* a */\nstatic const char *row = \"--half-close\";\n")
        self.assertEqual(self.found("traced"), ["data/rules.tsv: neither test nor reason: half-close"])

    def test_banned_sees_calls_but_not_names_in_comments_strings_and_members(self):
        self.write("src/closure/a.c", "/* no sprintf( here */\nint a = f(\"strcpy(\") + b->system(1);\n")
        self.assertEqual(self.found("banned"), [])
        self.write("src/closure/a.c", "/* a */\nvoid a(void)\n{\n\tsprintf(b, c);\n}\ntypedef struct a a;\n")
        self.assertEqual(self.found("banned"), ["src/closure/a.c:4: sprintf: take snprintf",
                                                "src/closure/a.c:6: typedef struct: take the struct's own name"])

    def test_opening_sees_a_file_that_says_nothing(self):
        self.write("src/closure/a.c", "int a;\n")
        self.assertEqual(self.found("opening"), ["src/closure/a.c: does not open with a comment"])

    def test_manual_sees_a_broken_page(self):
        self.write("man/lastword-cut.1", PAGE.replace(".El\n", ""))
        self.assertIn("man/lastword-cut.1", "".join(self.found("manual")))

    def test_help_and_manual_see_an_option_without_description(self):
        self.write("man/lastword-cut.1", PAGE.replace(".It Fl Fl listen Ar ADDR\nWhere.\n", ""))
        self.assertEqual(self.found("help-and-manual"), ["man/lastword-cut.1: does not describe --listen"])

    def test_help_and_manual_see_a_described_option_that_does_not_exist(self):
        self.write("man/lastword-cut.1", PAGE.replace(".El\n", ".It Fl Fl after Ar N\nWhen.\n.El\n"))
        self.assertEqual(self.found("help-and-manual"), ["lastword cut --help: does not name --after"])

    def test_help_and_manual_see_capitals_in_an_option(self):
        self.write("man/lastword-cut.1", PAGE.replace(".It Fl Fl listen Ar ADDR\nWhere.\n", ".It Fl Fl listenAt Ar ADDR\nWhere.\n"))
        self.assertEqual(self.found("help-and-manual"), ["man/lastword-cut.1: does not describe --listen",
                                                         "lastword cut --help: does not name --listenAt"])

    def test_help_and_manual_see_a_verb_without_page_and_a_page_without_verb(self):
        os.rename(os.path.join(self.root, "man/lastword-cut.1"), os.path.join(self.root, "man/lastword-end.1"))
        self.assertEqual(self.found("help-and-manual"), ["lastword --help: verb without a page: cut",
                                                         "man/lastword-end.1: page without a verb"])

    def test_help_and_manual_see_a_command_that_was_not_built(self):
        os.remove(os.path.join(self.root, "build/lastword"))
        self.assertEqual(self.found("help-and-manual"), ["no build/lastword to compare man/ with"])

    def test_shell_sees_a_word_without_quotes(self):
        self.write("dev", "#!/bin/sh\necho $1\n")
        self.assertIn("SC2086", "".join(self.found("shell")))


class Program(unittest.TestCase):
    def test_a_finding_fails_its_case_and_the_program(self):
        root = tap.temp_dir(self)
        os.makedirs(os.path.join(root, "tools"))
        os.makedirs(os.path.join(root, "src", "closure"))
        shutil.copy(os.path.join(tap.ROOT, "tools", "lint.py"), os.path.join(root, "tools"))
        with open(os.path.join(root, "src", "closure", "a.c"), "w") as file:
            file.write("int a;\n")
        done = tap.run([os.path.join(root, "tools", "lint.py"), "opening", "file-length"])
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line.split(" - ")[0] for line in done.stdout.decode().splitlines() if line[0] != "#"],
                         ["not ok 1", "ok 2", "1..2"])


if __name__ == "__main__":
    tap.main()
