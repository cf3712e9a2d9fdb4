#!/usr/bin/python3
"""matrix: every ending of a leg, at every place, between every pair of legs: what the relay shows the other leg, that a
strict reader there concludes what it concludes without the relay, and what the line of the log says of it.

The table RULES says what is right; besides, each cell whose reader speaks TLS is met once without the relay, and the two are
compared: the exit statuses too, where the reader is `lastword connect`, which is strict."""
import collections
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix_ends as ends
from matrix_stand import (AT_ONCE, PAIRS, PLACES, SILENT_AT_ONCE, VERSIONS, Cell, Stand, is_held, is_slow, legs, name_of, result,
                          run_all, tell, versions)
from rig import tap

TLS_ENDINGS = ("fin", "inside", "rst", "alert", "silence")
PLAIN_ENDINGS = ("fin", "untrusted", "rst", "silence")  # untrusted: FIN with trustFin = no; a plain leg has no alerts

Rule = collections.namedtuple("Rule", "outcome action end")  # of the source; the words of the log

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


def all_cells():
    for side in ("front", "back"):
        for pair in PAIRS:
            source = legs(Cell(side, None, pair, None, None))[0]
            for ending in TLS_ENDINGS if source == "tls" else PLAIN_ENDINGS:
                for version in VERSIONS:
                    for place in PLACES:
                        if (source, ending, place) != ("unix", "rst", "idle"):  # there it is a close with something unread
                            yield Cell(side, ending, pair, version, place)
        for ending in ("fin", "rst"):  # two versions; all pairs of them are in tests/pipe/couple_test.c
            for version, other in (VERSIONS, VERSIONS[::-1]):
                for place in ("mid", "complete"):
                    yield Cell(side, ending, "tls-tls", version, place, other)


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


def without(cell):
    """The key of the cell's comparison: its ending in TLS."""
    source = legs(cell)[0]
    return cell.side, cell.ending if source == "tls" else WITHOUT.get(cell.ending, cell.ending), cell.version, cell.place


class Matrix(unittest.TestCase):
    cells = tuple(cell for cell in all_cells() if re.search(os.environ.get("CELLS", ""), name_of(cell)))  # for work on a few

    @classmethod
    def setUpClass(cls):
        stand = Stand(cls)
        direct = sorted({without(cell) for cell in cls.cells})
        cls.met, cls.direct = {}, {}
        for is_silent in (True, False):
            at_once = SILENT_AT_ONCE if is_silent else AT_ONCE
            cls.met.update(run_all(lambda cell: stand.meet(cell, reads_framed=rule_of(cell).action == "mirrored"),
                                   [cell for cell in cls.cells if is_slow(cell) == is_silent], at_once))
            cls.direct.update(run_all(lambda key: stand.meet_without(*key),
                                      [key for key in direct if (key[1] == "silence") == is_silent], at_once))

    def check(self, cell):
        rule, met, direct = rule_of(cell), result(self.met, cell), result(self.direct, without(cell))
        sink, told = legs(cell)[1], tell(met) + "without: %s, %d bytes\n%s" % (direct.how, len(direct.data), direct.said)
        self.assertEqual(met.seen.how, SHOWN[sink][rule.action], told)
        if sink == "tls" and not (cell.ending == "untrusted" and cell.place == "complete"):  # which has no like in TLS
            self.assertEqual(met.seen.how == "whole", direct.how == "whole", told)
            self.assertEqual(met.seen.status, direct.status, told)
        self.check_line(cell, told_of(cell), met, told)
        self.check_data(cell, met, direct, told)
        if met.framed is not None:
            self.assertEqual(met.framed.status, 0, met.framed.said + told)
        if met.source is not None and rule.action == "aborted":
            self.assertEqual(met.source.status, 1, met.source.said + told)
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
        self.assertEqual((line.get("tls"), line.get("server_tls")), versions(cell), told)

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
