#!/usr/bin/python3
"""matrix: every ending of a leg, at every place, between every pair of legs: what the relay shows the other leg, that a
strict reader there concludes what it concludes without the relay, and what the line of the log says of it.

A cell is (which leg is cut, how, legs, TLS version, where in the conversation).  The table RULES says what is right; besides,
each cell whose reader speaks TLS is met once without the relay, and the two are compared."""
import collections
import concurrent.futures
import contextlib
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix_ends as ends
from matrix_ends import Seen
from rig import Relay, servers, tap

AT_ONCE, SILENT_AT_ONCE = 6, 24  # cells under way; silent ones only wait
VERSIONS = ("1.2", "1.3")
PLACES = ("idle", "mid", "complete")
PAIRS = ("tls-tcp", "tcp-tls", "tls-tls", "tls-unix")
TLS_ENDINGS = ("fin", "inside", "rst", "alert", "silence")
PLAIN_ENDINGS = ("fin", "untrusted", "rst", "silence")  # untrusted: FIN with trustFin = no; a plain leg has no alerts

Cell = collections.namedtuple("Cell", "side ending pair version place")
Rule = collections.namedtuple("Rule", "outcome action end")  # of the source; the words of the log
Met = collections.namedtuple("Met", "seen framed line prevented status source")

CUT, TOLERATED = Rule("cut", "aborted", "truncated"), Rule("tolerated", "mirrored", "truncated")
RESET, WHOLE = Rule("cut", "aborted", "reset"), Rule("whole", "finished", "closed")
ABORTED, EXPIRED = Rule("aborted", "aborted", "aborted"), Rule("expired", "aborted", "open")
RULES = {  # the source's ending: by place
    "tls": {"fin": (CUT, CUT, TOLERATED),
            "inside": (CUT, CUT, CUT),
            "rst": (RESET, RESET, TOLERATED._replace(end="reset")),
            "alert": (ABORTED, ABORTED, ABORTED),
            "silence": (EXPIRED, EXPIRED, EXPIRED._replace(action="mirrored"))},
    "plain": {"fin": (WHOLE, WHOLE, WHOLE),
              "untrusted": (CUT, CUT, WHOLE),
              "rst": (RESET, RESET, RESET),
              "silence": (EXPIRED, EXPIRED, EXPIRED._replace(action="mirrored"))},
}
SHOWN = {  # what a sink sees of an action
    "tls": {"aborted": "alert", "mirrored": "fin", "finished": "whole"},
    "tcp": {"aborted": "reset", "mirrored": "whole", "finished": "whole"},
    "unix": {"aborted": "reset", "mirrored": "whole", "finished": "whole"},
}
WITHOUT = {"fin": "proper", "untrusted": "fin"}  # what a plain source's ending is where TLS is spoken; the rest as it is


def legs(cell):
    """The kinds of the source's leg and the sink's."""
    front, back = cell.pair.split("-")
    return (front, back) if cell.side == "front" else (back, front)


def all_cells():
    for side in ("front", "back"):
        for pair in PAIRS:
            source = legs(Cell(side, None, pair, None, None))[0]
            for ending in TLS_ENDINGS if source == "tls" else PLAIN_ENDINGS:
                for version in VERSIONS:
                    for place in PLACES:
                        if (source, ending, place) != ("unix", "rst", "idle"):  # there it is a close with something unread
                            yield Cell(side, ending, pair, version, place)


def is_held(cell):
    """In TLS 1.2 nobody can be told that the client has ended while an answer may come; what is told then is TIMEOUTidle."""
    return (cell.side, cell.ending, cell.pair, cell.version, cell.place) == ("front", "fin", "tcp-tls", "1.2", "mid")


def is_slow(cell):
    return cell.ending == "silence" or is_held(cell)


def rule_of(cell):
    source, sink = legs(cell)
    if is_held(cell):
        return WHOLE._replace(outcome="expired")
    rule = RULES["tls" if source == "tls" else "plain"][cell.ending][PLACES.index(cell.place)]
    return rule._replace(action="finished") if rule.action == "mirrored" and sink != "tls" else rule


def told_of(cell):
    """The rule, as the line of the log has it, which speaks of both legs."""
    rule = rule_of(cell)
    if is_held(cell):
        return rule._replace(action="aborted")  # the client, which may still read
    return rule._replace(action="mirrored") if (cell.ending, cell.place) == ("silence", "complete") else rule


def name_of(cell):
    return "%s_of_the_%s_of_%s_in_%s_%s" % (cell.ending, cell.side, cell.pair, cell.version.replace(".", ""), cell.place)


class Scene(contextlib.ExitStack):
    """What a cell needs, and ends with it."""

    def addCleanup(self, function, *args):
        self.callback(function, *args)


class Stand:
    """The servers that all cells share."""

    def __init__(self, cls):
        shared = servers.Shared(cls)
        folder = tap.temp_dir(shared)
        os.chmod(folder, 0o755)
        self.certificate = servers.Certificate(folder)
        self.nginx = servers.nginx(shared, self.certificate)
        self.cuts = {}
        for version in VERSIONS:
            for place, records in (("mid", 2), ("complete", ends.PAGE_RECORDS)):
                for ending in ends.CUTS:
                    self.cuts[ending, version, place] = ends.cut(shared, self.nginx, ending, ends.TICKETS[version] + records)

    # ---- the sides of a cell

    def tls_server(self, scene, ending, version, place):
        """A real server behind a cut, or the adversary: where it is, and whether its certificate is ours."""
        if (ending, version, place) in self.cuts:
            return "tls:127.0.0.1:%d" % self.cuts[ending, version, place], True
        return ends.adversary(scene, "back", version, place, ending), False

    def begin_server(self, scene, cell):
        """The server of a cell: (where, whether its certificate is ours, itself where it is the reader)."""
        source, sink = legs(cell)
        if cell.side == "front":
            server = ends.Reader(scene, sink, self.certificate, cell.version)
            return server.place, True, server
        if source == "tls":
            return self.tls_server(scene, cell.ending, cell.version, cell.place) + (None,)
        return ends.Source(scene, source, self.certificate, cell.version, cell.place, cell.ending).place, True, None

    def begin_relay(self, scene, cell, where, is_ours, *flags):
        front, back = cell.pair.split("-")
        flags += ("--accept", front + ":127.0.0.1:0", "--connect", where, "--profile", "https",
                  "--metrics", "unix:" + os.path.join(tap.temp_dir(scene), "metrics"),
                  "--TIMEOUTclose", 1 if is_slow(cell) else 5, "--TIMEOUTidle", 1 if is_slow(cell) else 20)
        if front == "tls":
            flags += ("--cert", self.certificate.certificate, "--key", self.certificate.key)
        if back == "tls":
            version, roots, verify = (("backendSslVersionMax", "backendCAfile", "backendVerifyChain") if front == "tls" else
                                      ("sslVersionMax", "CAfile", "verifyChain"))
            flags += ("--" + version, "TLSv" + cell.version, "--" + roots, self.certificate.certificate)
            flags += () if is_ours else ("--" + verify, "no")
        if cell.ending == "untrusted":
            flags += ("--trustFin", "no")
        return Relay(scene, *flags)

    @staticmethod
    def run_source(scene, cell, port):
        """The client whose leg is cut comes and goes; what `lastword connect` saw, where it is that."""
        if legs(cell)[0] != "tls":
            ends.plain_source(port, cell.place, cell.ending)
            return None
        if cell.place == "idle" or cell.ending not in ends.CUTS:
            ends.adversary(scene, "front", cell.version, cell.place, cell.ending, port).wait()
            return None
        if (cell.ending, cell.place) == ("rst", "complete"):  # it ends both directions, so it waits for the answer
            ends.tls_reset(port, cell.version)
            return None
        port = ends.cut(scene, port, cell.ending, 1, "--direction", "to-server")
        return ends.connect(scene, port, cell.version, ends.GET if cell.place == "complete" else ends.POST,
                            "--profile", "https", "--close-timeout", "2")

    @staticmethod
    def read(scene, cell, port, *options):
        """The client that reads what a cut server says."""
        request = b"" if cell.place == "idle" else ends.GET
        if legs(cell)[1] == "tls":
            return ends.connect(scene, port, cell.version, request, *options)
        return ends.plain_client(port, request)

    # ---- cells

    def meet(self, cell):
        """The cell, through the relay."""
        with Scene() as scene:
            where, is_ours, server = self.begin_server(scene, cell)
            relay = self.begin_relay(scene, cell, where, is_ours)
            framed = source = None
            if cell.side == "back":
                seen = self.read(scene, cell, relay.port())
                if rule_of(cell).action == "mirrored":
                    framed = self.read(scene, cell, relay.port(), "--policy", "framed", "--profile", "https")
            else:
                source = self.run_source(scene, cell, relay.port())
                seen = server.wait_speaking() if cell.pair == "tls-unix" else server.wait()
            line = relay.wait_connection()
            return Met(seen, framed, line, relay.count("laundering_prevented_total"), relay.end(), source)

    def meet_without(self, side, ending, version, place):
        """The same between TLS and TLS, with nothing in between."""
        cell = Cell(side, ending, "tls-tls", version, place)
        with Scene() as scene:
            if side == "front":
                server = ends.Reader(scene, "tls", self.certificate, version, limit=1 if ending == "silence" else 15)
                self.run_source(scene, cell, int(server.place.rsplit(":", 1)[1]))
                return server.wait()
            where, _ = self.tls_server(scene, ending, version, place)
            quick = ("--idle-timeout", "1", "--close-timeout", "1") if ending == "silence" else ()
            return self.read(scene, cell, int(where.rsplit(":", 1)[1]), *quick)


def without(cell):
    """The key of the cell's comparison: its ending in TLS."""
    source = legs(cell)[0]
    return cell.side, cell.ending if source == "tls" else WITHOUT.get(cell.ending, cell.ending), cell.version, cell.place


def run_all(function, keys, at_once):
    """{key: what `function` gave, or its exception}"""
    def run(key):
        try:
            return function(key)
        except Exception as problem:  # told by the test of that cell
            return problem
    with concurrent.futures.ThreadPoolExecutor(at_once) as workers:
        return dict(zip(keys, workers.map(run, keys)))


class Matrix(unittest.TestCase):
    cells = tuple(cell for cell in all_cells() if re.search(os.environ.get("CELLS", ""), name_of(cell)))  # for work on a few

    @classmethod
    def setUpClass(cls):
        stand = Stand(cls)
        direct = sorted({without(cell) for cell in cls.cells})
        cls.met, cls.direct = {}, {}
        for is_silent in (True, False):
            at_once = SILENT_AT_ONCE if is_silent else AT_ONCE
            cls.met.update(run_all(stand.meet, [cell for cell in cls.cells if is_slow(cell) == is_silent], at_once))
            cls.direct.update(run_all(lambda key: stand.meet_without(*key),
                                      [key for key in direct if (key[1] == "silence") == is_silent], at_once))

    def result(self, results, key):
        if isinstance(results[key], Exception):
            raise results[key]
        return results[key]

    def check(self, cell):
        rule, met, direct = rule_of(cell), self.result(self.met, cell), self.result(self.direct, without(cell))
        sink = legs(cell)[1]
        told = "\n%s\nseen: %s, %d bytes, status %s\n%s\nwithout: %s, %d bytes\n%s" % (
            met.line.text, met.seen.how, len(met.seen.data), met.seen.status, met.seen.said, direct.how, len(direct.data), direct.said)
        self.assertEqual(met.seen.how, SHOWN[sink][rule.action], told)
        if sink == "tls" and not (cell.ending == "untrusted" and cell.place == "complete"):  # which has no like in TLS
            self.assertEqual(met.seen.how == "whole", direct.how == "whole", told)
            self.assertEqual(met.seen.status, direct.status, told)
        self.check_line(cell, told_of(cell), met, told)
        self.check_data(cell, met, direct, told)
        if met.framed is not None:
            self.assertEqual(met.framed.status, 0, met.framed.said + told)
        self.assertEqual(met.status, 0, told)

    def check_line(self, cell, rule, met, told):
        line, source = met.line, "client_end" if cell.side == "front" else "server_end"
        self.assertEqual((line.outcome, line["action"]), rule[:2], told)
        if (cell.ending, cell.place) != ("silence", "complete"):  # there the peer may have answered our end
            self.assertEqual(line[source], rule.end, told)
        if cell.side == "back" or cell.place != "complete":  # there an answer may be under way
            self.assertEqual(line["lost"], "0", told)
            self.assertEqual(line["complete"], "yes" if cell.place == "complete" else "no", told)
        self.assertEqual(line["in" if cell.side == "front" else "out"], str(len(met.seen.data)), told)
        self.assertEqual(met.prevented, int(rule.outcome in ("cut", "aborted")), told)
        front, back = cell.pair.split("-")
        self.assertEqual(line.get("tls"), cell.version if front == "tls" else None, told)
        self.assertEqual(line.get("server_tls"), cell.version if back == "tls" else None, told)

    def check_data(self, cell, met, direct, told):
        """All that came is delivered, and nothing else."""
        if legs(cell)[0] == "tls":
            self.assertEqual(len(met.seen.data), len(direct.data), told)
        else:
            self.assertEqual(met.seen.data, ends.said_by(cell.side, cell.place), told)


def add_tests():
    """A test a cell, so that each is counted."""
    for cell in Matrix.cells:
        setattr(Matrix, "test_" + name_of(cell), lambda self, cell=cell: self.check(cell))


add_tests()

if __name__ == "__main__":
    tap.main()
