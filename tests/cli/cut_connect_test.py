#!/usr/bin/python3
"""connect through `lastword cut`, from a real nginx: whatever is cut after any number of records, connect says so; and only that."""
import collections
import concurrent.futures
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

LASTWORD = tap.built("lastword")
GET = "GET %s HTTP/1.0\r\n\r\n"
RECORD = 16384
RECORDS = 4  # of a page, its head included
TICKETS = {"1.2": 0, "1.3": 2}  # that nginx sends in front of the page, and that count
VERSIONS = tuple(TICKETS)
HOWS = ("fin", "inside", "rst")
AT_ONCE = 6  # cells under way

CUT_SHORT = "without close_notify, and nothing showed the message complete: what was read may be cut short"
COMPLETE = "without close_notify; the message was complete, so nothing is missing"
SENTENCES = {  # how, complete: the verdict's sentence
    ("fin", False): r"^The transport ended \(FIN\) at a record boundary after %s bytes " + CUT_SHORT,
    ("fin", True): r"^The transport ended \(FIN\) at a record boundary after %s bytes " + COMPLETE,
    ("inside", False): r"^The transport ended \(FIN\) inside a record \([\d,]+ bytes missing\) after %s bytes " + CUT_SHORT,
    ("inside", True): r"^The transport ended \(FIN\) inside a record \([\d,]+ bytes missing\) after %s bytes "
                      r"without close_notify; the message was complete, but a further record was cut",
    ("rst", False): r"^The transport was reset \(RST\) at a record boundary after %s bytes " + CUT_SHORT,
    ("rst", True): r"^The transport was reset \(RST\) at a record boundary after %s bytes " + COMPLETE,
    ("stall", False): r"^Our deadline ran out after %s bytes while waiting for the peer's close_notify, and nothing showed",
    ("stall", True): r"^Our deadline ran out after %s bytes while waiting for the peer's close_notify; the message was complete",
    ("drop-alert", False): r"^The transport ended \(FIN\) at a record boundary after %s bytes " + CUT_SHORT,
    ("drop-alert", True): r"^The transport ended \(FIN\) at a record boundary after %s bytes " + COMPLETE,
    (None, False): r"^The peer ended TLS properly after %s bytes; the stream is whole",
    (None, True): r"^The peer ended TLS properly after %s bytes; the stream is whole",
}
READS = {"fin": ("truncated", "boundary"), "inside": ("truncated", "inside"), "rst": ("reset", "boundary"),
         "stall": ("expired", "none"), "drop-alert": ("truncated", "boundary"), None: ("closed", "none")}

Cell = collections.namedtuple("Cell", "version how after ask options", defaults=((),))
Outcome = collections.namedtuple("Outcome", "cell status out told verdict cut")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)
        cls.port = servers.nginx(shared, cls.certificate, servers.late_backend(shared, lambda: None))
        cls.pages = {}

    def meet(self, cell, port=None):
        """One connection through one cut."""
        after = ["--after", cell.after] if cell.after is not None else []
        with tap.Process([LASTWORD, "cut", "--once", "--to", "127.0.0.1:%d" % (port or self.port), "--how", cell.how,
                          *after]) as cut:
            address = cut.wait_line(r"^(127\.0\.0\.1:\d+)$")[1]
            path = os.path.join(tap.temp_dir(self), "verdict.json")
            done = tap.run([LASTWORD, "connect", "-k", "--profile", "https", "--tls", cell.version, "--verdict", path,
                            *cell.options, address], input=cell.ask)
            with open(path, encoding="utf-8") as file:
                verdict = json.load(file)
            cut.wait()
            told = cut.wait_line(r"^connection 1: .*")[0]
        return Outcome(cell, done.returncode, done.stdout, done.stderr.decode(), verdict, told)

    def meet_all(self, cells):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as workers:
            return list(workers.map(self.meet, cells))

    def page(self, ask):
        """All that nginx answers, without a cut; its date aside, it is always the same."""
        if ask not in self.pages:
            done = tap.run([LASTWORD, "connect", "-k", "--profile", "https", "127.0.0.1:%d" % self.port], input=ask)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.pages[ask] = done.stdout
        return self.pages[ask]

    def assert_outcome(self, o, how, count, complete, status):
        """`how` it was cut (None: not at all), after `count` bytes of the page that are `complete` by themselves or not."""
        said = o.told + o.cut
        page = self.page(o.cell.ask)
        self.assertEqual(o.status, status, said)
        self.assertEqual(len(o.out), count, said)
        self.assertTrue(undated(page).startswith(undated(o.out)), said)
        self.assertEqual((o.verdict["read"], o.verdict["at"]), READS[how], said)
        self.assertEqual(o.verdict["bytes_read"], count, said)
        if count > 0 or o.verdict["bytes_written"]:  # an ending in front of the page may be faster than what is asked
            self.assertEqual(o.verdict["bytes_written"], len(o.cell.ask), said)
        self.assertEqual((o.verdict["whole"], o.verdict["complete"]), (status == 0, complete), said)
        self.assertEqual(o.verdict["version"], "TLSv" + o.cell.version, said)
        self.assertEqual(o.verdict["alert_received"], None if how else "close_notify", said)
        self.assertRegex(o.verdict["sentence"], SENTENCES[how, complete] % format(count, ","))
        self.assertTrue(o.told.startswith("lastword: %s\n" % o.verdict["sentence"]), said)
        self.assertEqual("lastword: next: " in o.told, status != 0, said)
        self.assertEqual("next: the message itself came whole" in o.told, complete and how == "inside", said)
        self.assertEqual("cut, %s" % how in o.cut, how is not None, said)
        if count > 0 and o.cell.how != "rst":  # what was asked had arrived, and our close_notify is nobody's loss
            self.assertNotIn("may be lost", o.told)


def undated(answer):
    return re.sub(rb"(?<=\nDate: )[^\r]*", lambda date: b"-" * len(date[0]), answer)


class AfterAnyNumberOfRecords(Case):
    """0, 1, 2, … up to all, by fin, inside and rst."""

    def check(self, path, has_length):
        ask = GET % path
        size = len(self.page(ask))
        self.assertEqual(-(-size // RECORD), RECORDS)
        cells = [Cell(version, how, after, ask) for version in VERSIONS for how in HOWS
                 for after in range(TICKETS[version] + RECORDS + 2)]
        for o in self.meet_all(cells):
            records = o.cell.after - TICKETS[o.cell.version]
            with self.subTest(version=o.cell.version, how=o.cell.how, records=records):
                all_came = records >= RECORDS
                how = o.cell.how if records <= RECORDS else None  # one more is the alert
                complete = all_came and has_length
                harmless = how is None or (complete and how != "inside")
                count = min(max(records, 0) * RECORD, size)
                if how is None:
                    o = o._replace(cut="")  # in 1.3, where the alert counts, it was cut behind everything
                self.assert_outcome(o, how, count, complete, 0 if harmless else 1)

    def test_a_page_with_a_length(self):
        self.check("/", True)

    def test_a_page_without_a_length(self):
        self.check("/open", False)


class Late(Case):
    def test_a_proxied_page_without_a_length(self):
        """Its records fall as the backend's bytes come, so what came is counted, not foretold."""
        ask = GET % "/late"
        size = len(self.page(ask))
        cells = [Cell(version, how, after + TICKETS[version], ask) for version in VERSIONS for how in HOWS
                 for after in (0, 1, 2, 5)]
        for o in self.meet_all(cells):
            with self.subTest(version=o.cell.version, how=o.cell.how, after=o.cell.after):
                self.assertLess(len(o.out), size)
                self.assert_outcome(o, o.cell.how, len(o.out), False, 1)
        for o in self.meet_all([Cell(version, "drop-alert", None, ask) for version in VERSIONS]):
            self.assert_outcome(o, "drop-alert", size, False, 1)
            self.assertIn("message (https): not complete by itself: no length: only close_notify completes it", o.told)


class OnlyTheAlert(Case):
    """All of the page comes, and close_notify does not."""
    CHUNKED = "GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    def test_is_missing(self):
        for ask, complete, why in ((GET % "/", True, "Content-Length satisfied"), (self.CHUNKED, True, "chunk"),
                                   (GET % "/open", False, "only close_notify completes it")):
            for o in self.meet_all([Cell(version, "drop-alert", None, ask) for version in VERSIONS]):
                with self.subTest(ask=ask, version=o.cell.version):
                    self.assert_outcome(o, "drop-alert", len(self.page(ask)), complete, 0 if complete else 1)
                    self.assertIn(why, o.told)

    def test_is_missing_under_each_policy(self):
        for policy, status in (("strict", 1), ("framed", 0), ("lax", 0)):
            for o in self.meet_all([Cell(version, "drop-alert", None, GET % "/", ("--policy", policy)) for version in VERSIONS]):
                self.assertEqual(o.status, status, o.told)
                self.assertEqual("strict policy wants close_notify" in o.told, policy == "strict", o.told)
                self.assertEqual("next: --policy framed" in o.told, policy == "strict", o.told)

    def test_chunks_that_are_cut(self):
        size = len(self.page(self.CHUNKED))
        for o in self.meet_all([Cell(version, how, TICKETS[version] + 1, self.CHUNKED) for version in VERSIONS for how in HOWS]):
            with self.subTest(version=o.cell.version, how=o.cell.how):
                self.assertLess(len(o.out), size)
                self.assert_outcome(o, o.cell.how, len(o.out), False, 1)


class Stall(Case):
    """Nothing more comes, and the transport stays open."""

    def test_ends_by_our_deadlines(self):
        options = ("--idle-timeout", "0.3", "--close-timeout", "0.2")
        for ask, has_length in ((GET % "/", True), (GET % "/open", False)):
            size = len(self.page(ask))
            cells = [Cell(version, "stall", records + TICKETS[version], ask, options) for version in VERSIONS
                     for records in (0, 2, RECORDS)]
            for o in self.meet_all(cells):
                records = o.cell.after - TICKETS[o.cell.version]
                with self.subTest(version=o.cell.version, records=records, has_length=has_length):
                    complete = has_length and records == RECORDS
                    self.assert_outcome(o, "stall", min(records * RECORD, size), complete, 1)
                    self.assertEqual("the peer moved nothing for 0.3 s" in o.told, not complete, o.told)


class File(Case):
    def test_appears_only_on_exit_0(self):
        cells = []
        for path, has_length in (("/", True), ("/open", False)):
            for version in VERSIONS:
                for how in HOWS:
                    for records in (1, RECORDS, RECORDS + 1):
                        place = tap.temp_dir(self)
                        cells.append(Cell(version, how, records + TICKETS[version], GET % path,
                                          ("-o", os.path.join(place, "page"))))
        statuses = set()
        for o in self.meet_all(cells):
            place = os.path.dirname(o.cell.options[1])
            statuses.add(o.status)
            with self.subTest(cell=o.cell):
                self.assertEqual(o.out, b"")
                self.assertEqual(os.listdir(place), ["page"] if o.status == 0 else [], o.told)
                if o.status == 0:
                    with open(o.cell.options[1], "rb") as file:
                        self.assertEqual(undated(file.read()), undated(self.page(o.cell.ask)))
        self.assertEqual(statuses, {0, 1})


if __name__ == "__main__":
    tap.main()
