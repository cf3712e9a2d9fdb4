"""demo: no arguments, no network, under five seconds, every ending, and the stream never wrong."""
import os
import pty
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

LASTWORD = tap.built("lastword")


def demo(*words, **changes):
    return tap.run([LASTWORD, "demo", *words], env=tap.environment(**changes))


class Demo(unittest.TestCase):
    def test_takes_less_than_five_seconds_and_exits_0(self):
        began = time.monotonic()
        done = demo()
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_shows_every_ending_and_both_conclusions(self):
        with open(os.path.join(tap.ROOT, "src/adversary/endings.c"), encoding="utf-8") as source:
            endings = re.findall(r'\.name = "([a-z0-9-]+)"', source.read())
        self.assertGreater(len(endings), 15)
        table = demo().stdout.decode().split("\n\n")[1].splitlines()
        self.assertRegex(table[0], r"^the peer's ending +TLS +bare SSL_read says +the stream says$")
        self.assertEqual(sorted(set(line.split()[0] for line in table[1:])), sorted(endings))

    def test_the_rows_that_matter_read_as_promised(self):
        out = demo().stdout.decode()
        for row in (r"close-notify +any +end +right closed, whole",
                    r"none-at-boundary +any +error: unexpected eof +vague truncated at a boundary",
                    r"inside-record +any +error: unexpected eof +vague truncated in a record",
                    r"reset +any +error: .* vague reset",
                    r"fatal-alert +any +error, then end +WRONG aborted: handshake_failure",
                    r"silence +any +waits for ever +WRONG expired"):
            self.assertRegex(out, "(?m)^%s$" % row)
        self.assertRegex(out, r"(?m)^the stream: +\d+ right, \d+ fails, 0 vague, 0 wrong$")

    def test_ladders_stand_below_unless_they_are_not_wanted(self):
        self.assertIn(b"data 400 bytes", demo().stdout)
        self.assertNotIn(b"data 400 bytes", demo("--no-ladders").stdout)

    def test_says_the_same_every_time(self):
        self.assertEqual(demo().stdout, demo().stdout)

    def test_speaks_ascii_where_the_locale_does(self):
        out = demo(LC_ALL="C").stdout
        self.assertTrue(out.isascii())
        self.assertIn(b"|<- data 400 bytes", out)
        self.assertIn("│◀─ data 400 bytes", demo(LC_ALL="C.UTF-8").stdout.decode())

    def test_colour_only_on_a_terminal_and_not_against_no_color(self):
        self.assertNotIn(b"\033", demo().stdout)
        self.assertIn(b"\033[31mWRONG\033[0m", self.on_terminal(TERM="xterm", NO_COLOR=None))
        self.assertNotIn(b"\033", self.on_terminal(TERM="xterm", NO_COLOR="1"))
        self.assertNotIn(b"\033", self.on_terminal(TERM="dumb", NO_COLOR=None))

    def on_terminal(self, **changes):
        """What it writes to a terminal."""
        ours, theirs = pty.openpty()
        out = b""
        with subprocess.Popen([LASTWORD, "demo", "--no-ladders"], stdin=subprocess.DEVNULL, stdout=theirs,
                              stderr=subprocess.PIPE, env=tap.environment(**changes)) as child:
            os.close(theirs)
            try:
                while True:
                    piece = os.read(ours, 65536)
                    if not piece:
                        break
                    out += piece
            except OSError:  # Linux: the other side closed
                pass
        os.close(ours)
        self.assertEqual(child.returncode, 0)
        return out

    def test_no_line_is_much_wider_than_a_terminal(self):
        for line in demo().stdout.decode().splitlines()[1:]:
            self.assertLessEqual(len(line), 84, line)
            self.assertEqual(line, line.rstrip())

    def test_takes_no_arguments(self):
        self.assertEqual(demo("extra").returncode, 2)

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = tap.run([LASTWORD, "demo"], stdout=full)
        self.assertEqual(done.returncode, 3)


class DemoRelay(unittest.TestCase):
    LINE = r"(?m)^  %s +(\d+) bytes +exit (\d+) +(.*)$"

    def line(self, out, way):
        found = re.search(self.LINE % way, out)
        self.assertTrue(found, out)
        return int(found[1]), int(found[2]), found[3]

    def test_curl_knows_direct_and_through_the_relay_and_not_through_a_cache(self):
        done = demo("relay")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        out = done.stdout.decode()
        direct, proxied, cached, relayed, guarded, again = (self.line(out, way) for way in (
            "direct", "through nginx", "through nginx, again", "through lastword relay", "nginx behind the relay", "nginx behind it, again"))
        self.assertNotEqual(direct[1], 0)
        self.assertNotEqual(relayed[1], 0)
        self.assertEqual(relayed[0], direct[0])
        self.assertEqual((proxied[1], cached[1]), (0, 0))
        self.assertLess(cached[0], 200000)
        self.assertIn("a HIT", cached[2])
        for answer in (guarded, again):  # the end of the page is the connection's there: only the relay can have told
            self.assertNotEqual(answer[1], 0)
            self.assertNotIn("HIT", answer[2])

    def test_leaves_nothing_behind(self):
        folder = tap.temp_dir(self)
        self.assertEqual(demo("relay", TMPDIR=folder).returncode, 0)
        self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    tap.main()
