#!/usr/bin/python3
"""explain: what it is asked for by name, real log lines, and the data it is made of."""
import csv
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

LASTWORD = tap.built("lastword")


def text_of(name):
    with open(os.path.join(tap.ROOT, name), encoding="utf-8") as file:
        return file.read()


def table(name):
    return list(csv.DictReader(text_of(name).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def entries(part):
    """name -> the entry's text, of one part of data/explain.md."""
    found = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % part, text_of("data/explain.md"), re.M | re.S)[1]
    return dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", found, re.M | re.S))


def example(entry):
    return re.search(r"^    (.+)$", entry, re.M)[1]


def explain(*words):
    done = tap.run([LASTWORD, "explain", *words])
    return done.returncode, done.stdout.decode(), done.stderr.decode()


NOISE = (  # what real logs have around a message
    "%s",
    "Nov 23 10:15:42 web1 app[31415]: %s",
    "2026-11-23T10:15:42.123456Z ERROR worker-7 (conn=0x7f3a2c001200) [::1]:443 %s; retrying in 5 s",
    "[Mon Nov 23 10:15:42.000001 2026] [pid 4711:tid 140171114653440] [client 198.51.100.23:51034] %s, referer: https://example.org/a?b=1",
    "\x1b[31m| db-1  |\x1b[0m 10.0.0.7:5432 <-> 10.0.0.9:40022 #12 %s (attempt 3/5)",
)
# The messages that the first users asked about, and whose entry it has to be.
ASKED = (
    ("unexpected eof while reading", "OpenSSL: unexpected eof while reading"),
    ("error:0A000126:SSL routines::unexpected eof while reading", "OpenSSL: unexpected eof while reading"),
    ("error:1408F10B:SSL routines:ssl3_get_record:wrong version number", "OpenSSL: wrong version number"),
    ("GnuTLS recv error (-110)", "GnuTLS: The TLS connection was non-properly terminated (-110)"),
    ("GnuTLS recv error (-9)", "GnuTLS: Error decoding the received TLS packet (-9)"),
    ("SSL_shutdown: shutdown while in init", "OpenSSL: shutdown while in init"),
    ("EOF occurred in violation of protocol", "Python: EOF occurred in violation of protocol"),
    ("peer closed connection without sending TLS close_notify", "rustls: peer closed connection without sending TLS close_notify"),
    ("stream truncated", "Asio: stream truncated"),
    ("read unexpected EOF", "Go: unexpected EOF"),
    ("decode_error", "alert 50 decode_error"),
    ("error:0A00041A:SSL routines::tlsv1 alert decode error:ssl/record/rec_layer_s3.c:1584:SSL alert number 50", "alert 50 decode_error"),
    ("Received fatal alert: decode_error", "alert 50 decode_error"),
    ("received fatal alert: HandshakeFailure", "alert 40 handshake_failure"),
    ("GnuTLS: received alert [40]: Handshake failed", "alert 40 handshake_failure"),
    ("curl: (35) error:0A000410:SSL routines::sslv3 alert handshake failure", "alert 40 handshake_failure"),
    ("SSL routines:ssl3_read_bytes:tlsv1 alert internal error:ssl/record/rec_layer_s3.c:1584:SSL alert number 80", "alert 80 internal_error"),
    ("[error] 7#7: *1 SSL_read() failed (104: Connection reset by peer) while reading request", "Sockets: Connection reset by peer"),
    ("read tcp 10.0.0.1:443->10.0.0.2:51000: read: connection reset by peer", "Sockets: Connection reset by peer"),
    ("remote error: tls: unknown certificate authority", "Go: remote error: tls"),
)


class LogLines(unittest.TestCase):
    def claim_found(self, line, name):
        status, out, err = explain(line)
        self.assertEqual((status, err), (0, ""), line)
        self.assertEqual(out.splitlines()[0], name, line)

    def test_what_was_asked_for_gets_the_right_entry(self):
        for line, name in ASKED:
            with self.subTest(line=line):
                self.claim_found(line, name)

    def test_each_entry_is_found_by_its_example_in_real_noise(self):
        lines = entries("Log lines")
        self.assertGreaterEqual(len(lines), 40)
        for name, entry in lines.items():
            for noise in NOISE:
                with self.subTest(name=name, noise=noise):
                    self.claim_found(noise % example(entry), name)

    def test_each_entry_is_found_by_each_of_its_signs(self):
        for name, entry in entries("Log lines").items():
            for sign in re.findall(r"`([^`]+)`", re.search(r"^- signs: (.+)$", entry, re.M)[1]):
                with self.subTest(sign=sign):
                    self.claim_found("daemon[123]: " + sign, name)

    def test_letter_case_does_not_count_where_words_are_apart(self):
        self.claim_found("EMPTY REPLY FROM SERVER", "curl: Empty reply from server (52)")

    def test_a_line_in_several_words_needs_no_quotes(self):
        status, out, _ = explain("Empty", "reply", "from", "server")
        self.assertEqual((status, out.splitlines()[0]), (0, "curl: Empty reply from server (52)"))

    def test_an_error_code_may_begin_with_a_minus(self):
        for words in (["-110"], ["GnuTLS", "error", "-110"], ["--", "-110"]):
            status, out, _ = explain(*words)
            self.assertEqual(status, 0, words)
            self.assertIn("(-110)", out.splitlines()[0])

    def test_a_line_that_holds_two_messages_names_the_other(self):
        _, out, _ = explain("error: RPC failed; curl 56 GnuTLS recv error (-110): The TLS connection was non-properly terminated.")
        self.assertTrue(out.startswith("GnuTLS: The TLS connection"))
        self.assertIn("log line: git: RPC failed", out)

    def test_ordinary_lines_match_nothing(self):
        for line in ("Started session 3 of user root", "GET /index.html HTTP/1.1 200 1234", "connection closed",
                     "the quick brown fox", "error", "SSL alert number 77", "usb 1-1: reset high-speed device number 2"):
            with self.subTest(line=line):
                status, out, err = explain(line)
                self.assertEqual(status, 1)
                self.assertIn("nearest", err)
                self.assertEqual(len(out.splitlines()), 3)

    def test_a_very_long_line_is_no_trouble(self):
        self.assertEqual(explain("x " * 5000)[0], 1)
        self.claim_found("x " * 100 + "fatal: early EOF" + " y" * 5000, "git: early EOF")
        self.assertEqual(explain("z" * 100000)[0], 1)


class Advice(unittest.TestCase):
    def test_whoever_is_sent_to_explain_gets_an_answer(self):
        asked = set()
        for top in ("src", "docs", "man", "data", "README.md", "CONTRIBUTING.md"):
            for folder, _, names in os.walk(os.path.join(tap.ROOT, top)) if "." not in top else [(tap.ROOT, [], [top])]:
                for name in names:
                    text = text_of(os.path.relpath(os.path.join(folder, name), tap.ROOT))
                    asked |= set(re.findall(r"\blastword explain ((?:alert |ending |rule )?[a-z0-9][\w-]+)", text))
        asked.discard("alert")  # "alert NAME", to be filled in
        self.assertGreaterEqual(len(asked), 3)
        for words in asked:
            with self.subTest(words=words):
                self.assertEqual(explain(*words.split())[0], 0)


class Names(unittest.TestCase):
    def claim_named(self, first_line, *words):
        status, out, err = explain(*words)
        self.assertEqual((status, err), (0, ""), words)
        self.assertIn(first_line, out.splitlines(), words)
        return out

    def test_each_rule(self):
        for row in table("data/rules.tsv"):
            with self.subTest(id=row["id"]):
                out = self.claim_named("rule " + row["id"], row["id"])
                self.claim_named("rule " + row["id"], "rule", row["id"])
                self.assertIn(" ".join(row["source"].split()), " ".join(out.split()))
                self.assertRegex(out, r"\n  (code|no code) ")
                self.assertRegex(out, r"\n  (test|no test) ")

    def test_answer_at_once_leads_from_the_rule_to_code_and_test(self):
        out = self.claim_named("rule answer-at-once", "answer-at-once")
        self.assertIn("RFC 5246 section 7.2.1", out)
        code, tests = out.split("\n  test ")
        self.assertIn("src/closure/machine.c:", code)
        self.assertIn("src/closure/version.h:", code)
        self.assertIn("tests/closure/", tests)

    def test_places_are_where_they_are_said_to_be(self):
        out = explain("answer-at-once")[1]
        found = re.findall(r"((?:src|tests)/[\w./]+):(\d+)", out)
        self.assertGreaterEqual(len(found), 4)
        for name, line in found:
            with self.subTest(place=name + ":" + line):
                lines = text_of(name).splitlines()
                self.assertIn("answer-at-once", lines[int(line) - 1])

    def test_each_profile_by_each_of_its_names(self):
        for row in table("data/profiles.tsv"):
            for name in [row["name"]] + [one for one in row["names"].split(",") if one != "-"]:
                with self.subTest(name=name):
                    self.claim_named("profile " + row["name"], name)
            self.claim_named("profile " + row["name"], "protocol", row["name"])

    def test_each_alert_by_name_and_number(self):
        names = re.findall(r'\{ (\d+), "(\w+)" \}', text_of("src/closure/alert.c"))
        self.assertGreaterEqual(len(names), 35)
        self.assertEqual(set(entries("Alerts")), {"%s %s" % one for one in names})
        for number, name in names:
            with self.subTest(alert=name):
                for words in ([name], ["alert", name], [name.replace("_", " ")], [number], ["alert", number],
                              ["alert", "number", number]):
                    self.claim_named("alert %s %s" % (number, name), *words)

    def test_each_ending(self):
        names = re.findall(r'"(\w+)"', re.search(r"lw_ending_name.*?\{(.*?)\};", text_of("src/closure/names.c"), re.S)[1])
        self.assertEqual(names, list(entries("Endings")))
        for name in names:
            self.claim_named("ending " + name, name)
            self.claim_named("ending " + name, "ending", name)

    def test_each_exit_status_of_each_verb_as_its_page_has_it(self):
        verbs = re.findall(r"^  ([a-z]+) ", tap.run([LASTWORD, "--help"]).stdout.decode(), re.M)
        self.assertIn("explain", verbs)
        known = entries("Exit statuses")
        for verb in verbs:
            page = text_of("man/lastword-%s.1" % verb).split(".Sh EXIT STATUS")[1].split(".Sh")[0]
            told = set(re.findall(r"(?<![\w.])([0-3])(?=[\s:,;])", page))
            with self.subTest(verb=verb):
                self.assertEqual(told, {name.split()[1] for name in known if name.split()[0] == verb})
            for status in told:
                for words in (["%s %s" % (verb, status)], [verb, "exit", status], ["exit", verb, status]):
                    self.claim_named("exit status %s %s" % (verb, status), *words)

    def test_a_slip_gets_the_nearest_three(self):
        for wrong, right in (("anser-at-once", "rule: answer-at-once"), ("truncatd", "ending: truncated"),
                             ("htps", "profile: https"), ("decod_error", "alert: 50 decode_error")):
            with self.subTest(wrong=wrong):
                status, out, err = explain(wrong)
                self.assertEqual((status, len(out.splitlines())), (1, 3))
                self.assertEqual(out.splitlines()[0].strip(), right)
                self.assertIn("lastword: nothing is known that fits", err)

    def test_no_word_is_told_from_no_match(self):
        status, out, err = explain("?!")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("no word", err)

    def test_without_arguments_everything_is_listed(self):
        status, out, err = explain()
        self.assertEqual((status, err), (0, ""))
        words = set(re.findall(r"[\w-]+", out))
        for name in [row["id"] for row in table("data/rules.tsv")] + [row["name"] for row in table("data/profiles.tsv")]:
            self.assertIn(name, words)
        for program in ("OpenSSL", "GnuTLS", "Mbed", "wolfSSL", "NSS", "rustls", "Go", "Java", "Node", "Python", "Ruby",
                        "PHP", "NET", "nginx", "Apache", "HAProxy", "curl", "git"):
            self.assertIn(program, words)
        self.assertTrue(all(len(line) <= 80 for line in out.splitlines()))
        programs = re.split(r",\s+", out.split(":\n", 1)[1].split("\n\n")[0].strip())
        self.assertEqual(len(programs), len(set(programs)), "the entries of a program stand together")

    def test_lines_fit_a_terminal(self):
        for words in (["unexpected eof while reading"], ["https"], ["alert", "0"], ["truncated"]):
            for line in explain(*words)[1].splitlines():
                self.assertLessEqual(len(line), 80)


class Generator(unittest.TestCase):
    """tools/explain.py refuses what it cannot understand, with file and line."""

    def refused(self, old, new):
        folder = tap.temp_dir(self)
        for top in ("src", "include", "tests"):
            os.mkdir(os.path.join(folder, top))
        shutil.copytree(os.path.join(tap.ROOT, "data"), os.path.join(folder, "data"))
        text = text_of("data/explain.md")
        self.assertIn(old, text)
        with open(os.path.join(folder, "data", "explain.md"), "w") as file:
            file.write(text.replace(old, new, 1))
        done = tap.run([sys.executable, "-B", os.path.join(tap.ROOT, "tools", "explain.py"), folder,
                        os.path.join(folder, "out.c"), os.path.join(folder, "out.d")])
        return done.returncode, done.stderr.decode()

    def test_takes_what_stands(self):
        self.assertEqual(self.refused("## Alerts", "## Alerts"), (0, ""))

    def test_refuses_with_file_and_line(self):
        for old, new, reason in (
                ("- ending: truncated", "- ending: cut", "no such ending: cut"),
                ("- rules: truncation-undecidable", "- rules" + ": no-such-thing", "no such rule" + ": no-such-thing"),
                ("## Alerts", "## Alarms", "no such part"),
                ("**Harmless?**", "**Harmful?**", "cannot read"),
                ("### 0 close_notify", "### close_notify", "an alert is a number and a name"),
                ("### open", "### closed", "stands twice: closed"),
                ("- source: OpenSSL 3.0.22 (errstr); openssl/openssl#22526, #11381\n", "", "lacks source"),
        ):
            with self.subTest(reason=reason):
                status, err = self.refused(old, new)
                self.assertEqual(status, 1)
                self.assertRegex(err, r"data/explain\.md:\d+: .*" + re.escape(reason))


if __name__ == "__main__":
    tap.main(seconds=240)  # a program run for each sign of each entry, under the sanitizers as well
