#!/usr/bin/python3
"""peer_test: the adversary against programs that know nothing of it: gnutls-cli, gnutls-serv, openssl s_server.
What they conclude of an ending, and that records of RSA suites open and seal as well."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PEER = tap.built("tests/adversary/adversary_peer")


class Server(unittest.TestCase):
    """gnutls-cli as the subject: a client that sends a line and reads until the end."""

    def meet(self, ending, version):
        peer = tap.start(self, [PEER, "-v", version, "-w", "1", "-s", "hello there", ending], line=r"^port (\d+)$")
        port = peer.said.group(1)
        client = tap.start(self, ["gnutls-cli", "--insecure", "--priority", "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1",
                                  "-p", port, "127.0.0.1"], stdin=subprocess.PIPE)
        client.stdin.write(b"hi\n")
        client.stdin.flush()
        client.wait(10)
        self.assertEqual(peer.wait(10), 0, peer.out)
        said = client.out.decode(errors="replace") + client.err.decode(errors="replace")
        self.assertIn("hello there", said)
        return said, peer.out.decode()

    def test_close_notify_is_a_clean_end(self):
        for version in ("1.0", "1.1", "1.2", "1.3"):
            said, seen = self.meet("close-notify", version)
            self.assertIn("Peer has closed the GnuTLS connection", said)
            self.assertNotIn("Fatal error", said)
            self.assertIn("subject: data 3 bytes", seen)

    def test_a_fatal_alert_is_named(self):
        for version in ("1.2", "1.3"):
            said, _ = self.meet("fatal-alert", version)
            self.assertIn("Received alert [40]", said)

    def test_warnings_are_unlimited(self):
        said, _ = self.meet("many-warnings", "1.2")
        self.assertIn("Peer has closed the GnuTLS connection", said)

    def test_user_canceled_is_fatal_in_13(self):
        said, _ = self.meet("user-canceled", "1.3")
        self.assertIn("Fatal error", said)

    def test_a_reset_is_told(self):
        said, seen = self.meet("reset", "1.3")
        self.assertIn("Fatal error", said)
        self.assertIn("adversary: RST", seen)


class Client(unittest.TestCase):
    """A server with an RSA key as the subject."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tap.tempfile.TemporaryDirectory(prefix="lastword-test.")
        cls.key, cls.certificate = (os.path.join(cls.folder.name, name) for name in ("key.pem", "certificate.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", cls.key, "-out",
                        cls.certificate, "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def ask(self, port, *options):
        done = tap.run([PEER, "-p", port, "-s", "GET / HTTP/1.0\r\n\r\n", *options, "go"])
        seen = done.stdout.decode()
        self.assertEqual(done.returncode, 0, seen)
        self.assertRegex(seen, r"subject: data \d+ bytes")
        self.assertNotIn("does not open", seen)
        return seen

    def serve_openssl(self):
        port = tap.free_port()
        server = tap.start(self, ["openssl", "s_server", "-www", "-accept", "127.0.0.1:%d" % port, "-key", self.key,
                                  "-cert", self.certificate, "-cipher", "ALL:@SECLEVEL=0"], port=port)
        return str(port), server

    def test_every_key_exchange_with_openssl(self):
        port, _ = self.serve_openssl()
        for version, ciphers in (("1.0", "ECDHE-RSA-AES128-SHA"), ("1.1", "AES256-SHA"), ("1.2", "AES128-SHA256"),
                                 ("1.2", "DHE-RSA-AES128-GCM-SHA256"), ("1.2", "AES256-GCM-SHA384"),
                                 ("1.2", "ECDHE-RSA-AES256-SHA384"), ("1.2", "ECDHE-RSA-CHACHA20-POLY1305"),
                                 ("1.2", "DHE-RSA-AES256-SHA"), ("1.3", "ALL")):
            with self.subTest(version=version, ciphers=ciphers):
                self.ask(port, "-v", version, "-k", ciphers)

    def test_gnutls_ends_properly(self):
        port = tap.free_port()
        tap.start(self, ["gnutls-serv", "--http", "--port", str(port), "--x509keyfile", self.key, "--x509certfile",
                         self.certificate, "--priority", "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"], port=port)
        for version in ("1.0", "1.1", "1.2", "1.3"):
            with self.subTest(version=version):
                self.assertIn("subject: alert warning close_notify (0)", self.ask(str(port), "-v", version))

    def test_a_handshake_that_fails_says_why(self):
        port, _ = self.serve_openssl()
        done = tap.run([PEER, "-p", port, "-v", "1.2", "-k", "ECDHE-ECDSA-AES128-SHA", "go"])
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"over: failed, the handshake failed: ", done.stdout)
        self.assertIn(b"subject: alert fatal handshake_failure (40)", done.stdout)


if __name__ == "__main__":
    tap.main()
