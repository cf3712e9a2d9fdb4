#!/usr/bin/python3
"""relay: bytes go through whole, both ways, in every pair of legs, and the line of the log tells what was so."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
from rig import Relay, servers, tap


class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)
        cls.nginx = servers.nginx(shared, cls.certificate)

    def fetch(self, port, *options):
        return tap.run(["curl", "-sS", "--max-time", "20", "--cacert", self.certificate.certificate, *options,
                        "https://localhost:%d/large" % port])

    def relay(self, *flags):
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.certificate.certificate, "--key", self.certificate.key, *flags)

    def test_tls_to_tls(self):
        relay = self.relay("--connect", "tls:localhost:%d" % self.nginx, "--backendCAfile", self.certificate.certificate,
                           "--profile", "https")
        done = self.fetch(relay.port())
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, servers.LARGE)
        line = relay.wait_connection()
        self.assertIn(line.outcome, ("whole", "tolerated"))
        self.assertEqual(line["lost"], "0")
        self.assertEqual(relay.end(), 0)


if __name__ == "__main__":
    tap.main()
