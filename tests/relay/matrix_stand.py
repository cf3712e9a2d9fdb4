"""matrix_stand: a cell of the matrix made real: servers, cuts, relay and clients, and what became of it.  It must not know what
is right.

A cell is (which leg is cut, how, legs, TLS version, where in the conversation)."""
import collections
import concurrent.futures
import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix_ends as ends
from rig import Relay, servers, tap

AT_ONCE, SILENT_AT_ONCE = 6, 24  # cells under way; silent ones only wait
VERSIONS = ("1.2", "1.3")
PLACES = ("idle", "mid", "complete")
PAIRS = ("tls-tcp", "tcp-tls", "tls-tls", "tls-unix")

# sink_version: of the other leg, where it is not the same
Cell = collections.namedtuple("Cell", "side ending pair version place sink_version", defaults=(None,))
Met = collections.namedtuple("Met", "seen framed line prevented status source")


def legs(cell):
    """The kinds of the source's leg and the sink's."""
    front, back = cell.pair.split("-")
    return (front, back) if cell.side == "front" else (back, front)


def versions(cell):
    """Of the front leg and the back; None where a leg is plain."""
    both = (cell.version, cell.sink_version or cell.version)
    return tuple(version if kind == "tls" else None
                 for version, kind in zip(both if cell.side == "front" else both[::-1], cell.pair.split("-")))


def name_of(cell):
    return "%s_of_the_%s_of_%s_in_%s%s_%s" % (cell.ending, cell.side, cell.pair, cell.version.replace(".", ""),
                                             "to" + cell.sink_version.replace(".", "") if cell.sink_version else "", cell.place)


def is_held(cell):
    """In TLS 1.2 nobody can be told that the client has ended while an answer may come; what is told then is TIMEOUTidle."""
    return (cell.side, cell.ending, cell.pair, cell.version, cell.place) == ("front", "fin", "tcp-tls", "1.2", "mid")


def is_slow(cell):
    return cell.ending == "silence" or is_held(cell)


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
            server = ends.Reader(scene, sink, self.certificate, versions(cell)[1])
            return server.place, True, server
        if source == "tls":
            return self.tls_server(scene, cell.ending, cell.version, cell.place) + (None,)
        return ends.Source(scene, source, self.certificate, cell.version, cell.place, cell.ending).place, True, None

    def begin_relay(self, scene, cell, where, is_ours, *flags):
        front, back = cell.pair.split("-")
        profile = () if "--profile" in flags else ("--profile", "https")
        flags += profile + ("--accept", front + ":127.0.0.1:0", "--connect", where,
                             "--metrics", "unix:" + os.path.join(tap.temp_dir(scene), "metrics"),
                             "--TIMEOUTclose", 1 if is_slow(cell) else 5, "--TIMEOUTidle", 3 if is_slow(cell) else 20)
        if front == "tls":
            flags += ("--cert", self.certificate.certificate, "--key", self.certificate.key)
        if back == "tls":
            version, roots, verify = (("backendSslVersionMax", "backendCAfile", "backendVerifyChain") if front == "tls" else
                                      ("sslVersionMax", "CAfile", "verifyChain"))
            flags += ("--" + version, "TLSv" + versions(cell)[1], "--" + roots, self.certificate.certificate)
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
            return ends.connect(scene, port, versions(cell)[0], request, *options)
        return ends.plain_client(port, request)

    # ---- cells

    def meet(self, cell, *flags, reads_framed=False, speaks=True):
        """The cell, through the relay; once more with a client that counts its messages."""
        with Scene() as scene:
            where, is_ours, server = self.begin_server(scene, cell)
            relay = self.begin_relay(scene, cell, where, is_ours, *flags)
            framed = source = None
            if cell.side == "back":
                seen = self.read(scene, cell, relay.port())
                if reads_framed:
                    framed = self.read(scene, cell, relay.port(), "--policy", "framed", "--profile", "https")
            else:
                source = self.run_source(scene, cell, relay.port())
                seen = server.wait_speaking() if cell.pair == "tls-unix" and speaks else server.wait()
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


def run_all(function, keys, at_once=AT_ONCE):
    """{key: what `function` gave, or its exception}"""
    def run(key):
        try:
            return function(key)
        except Exception as problem:  # told by the test of that cell
            return problem
    with concurrent.futures.ThreadPoolExecutor(at_once) as workers:
        return dict(zip(keys, workers.map(run, keys)))


def result(results, key):
    if isinstance(results[key], Exception):
        raise results[key]
    return results[key]


def tell(met):
    """A cell that was met, for messages."""
    return "\n%s\nseen: %s, %d bytes, status %s\n%s" % (met.line.text, met.seen.how, len(met.seen.data), met.seen.status, met.seen.said)
