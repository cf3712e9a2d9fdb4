#!/usr/bin/python3
"""Real clients through a real relay whose server is cut: they notice what docs/relay.md says that they notice of each way to abort, and of a
tolerated ending as much as without the relay."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "abort_clients"))
import clients
import measure
import rig
from rig import Relay, servers, tap

WAYS = {"alert": "alert-fin", "alert-reset": "alert-rst", "reset": "rst"}  # abortWith: the table's word
CUTS = ("fin", "rst")  # of the server
ANSWERS = ("open", "length", "chunks", "complete", "h2", "rows")
PROFILES = {"h2": "http2", "rows": "postgresql"}
CLIENTS = ("curl on OpenSSL", "pycurl on GnuTLS", "Python urllib, http.client", "Node https", "psql", "openssl s_client")

SERVICE = """
[%(name)s]
accept = tls:127.0.0.1:0
connect = tls:localhost:%(port)d
profile = %(profile)s
abortWith = %(way)s
sslVersion = TLSv%(version)s
"""


def service(name, cell, way):
    text = SERVICE % {"name": name, "port": cell.port, "profile": PROFILES.get(cell.answer, "https"), "way": way, "version": cell.version}
    if cell.answer == "h2":
        text += "alpn = h2\nbackendAlpn = h2\n"
    if cell.answer == "rows":
        text += "protocol = postgres\nbackendProtocol = postgres\n"
    return text


class ThroughTheRelay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = measure.Server(seconds=200)
        cls.addClassCleanup(cls.server.close)
        cls.certificate = servers.Certificate(tap.temp_dir(servers.Shared(cls)))
        with open(measure.RESULTS, encoding="utf-8") as file:
            cls.written = {client["client"]: client for client in json.load(file)["clients"]}

    def relay(self, cells, way):
        """(relay, cells as the relay serves them)"""
        names = ["s%d" % number for number in range(len(cells))]
        config = "cert = %s\nkey = %s\nbackendCAfile = %s\n" % (self.certificate.certificate, self.certificate.key,
                                                                self.server.place.certificate)
        relay = Relay(self, config=config + "".join(service(name, cell, way) for name, cell in zip(names, cells)))
        return relay, [cell._replace(port=relay.port(name)) for name, cell in zip(names, cells)]

    def outcomes(self, cells):
        """(client, cell's key) -> what the client told."""
        place = self.server.place._replace(certificate=self.certificate.certificate)
        found = {}
        for row in clients.ROWS:
            if row.name in CLIENTS:
                for r in row.ask(cells, place):
                    found[row.name, r.version, r.answer, r.ending] = measure.outcome(r._asdict())
        return found

    def expected(self, client, version, answer, way):
        return next(measure.outcome(r) for r in self.written[client]["results"]
                    if (r["version"], r["answer"], r["ending"]) == (version, answer, way))

    def check(self, way):
        cells = [cell for cell in self.server.cells if cell.ending in CUTS and cell.answer in ANSWERS]
        relay, served = self.relay(cells, way)
        found = self.outcomes(served)
        self.assertGreater(len(found), 80)
        for (client, version, answer, ending), word in found.items():
            shown = "fin" if answer in measure.COMPLETE else WAYS[way]  # behind a complete message the end is mirrored
            with self.subTest(client=client, version=version, answer=answer, cut=ending):
                self.assertEqual(word, self.expected(client, version, answer, shown))
        self.assertEqual(relay.end(), 0, relay.process.err[-6000:].decode(errors="replace"))
        self.check_lines(relay, cells)

    def check_lines(self, relay, cells):
        lines = [line for line in relay.lines() if "listener" in line]
        self.assertEqual({line["listener"] for line in lines}, {"s%d" % number for number in range(len(cells))})
        for line in lines:
            with self.subTest(line=line.text):
                answer = cells[int(line["listener"][1:])].answer
                if answer != "h2":  # where the client goes on talking, to nobody
                    self.assertEqual(line["lost"], "0")
                if answer in measure.COMPLETE:  # openssl s_client takes no FIN for an end
                    self.assertTrue(line.outcome == "tolerated" or line.get("alert_in") == "decode_error")
                else:
                    self.assertEqual((line.outcome, line["action"]), ("cut", "aborted"))

    def test_alert_and_fin(self):
        self.check("alert")

    def test_alert_and_rst(self):
        self.check("alert-reset")

    def test_rst(self):
        self.check("reset")

    def test_the_alert_is_the_one_that_was_measured(self):
        cells = [cell for cell in self.server.cells if cell.ending == "fin" and cell.answer == "open"]
        _, served = self.relay(cells, "alert")
        curl = next(row for row in clients.ROWS if row.name == "curl on OpenSSL")
        for r in curl.ask(served, self.server.place._replace(certificate=self.certificate.certificate)):
            with self.subTest(version=r.version):
                self.assertIn("alert record over", r.words)


if __name__ == "__main__":
    tap.main(seconds=150)
