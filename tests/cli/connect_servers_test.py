#!/usr/bin/python3
"""connect against real servers: nginx, Apache, Node, openssl s_server and gnutls-serv."""
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

LASTWORD = tap.built("lastword")
GET = "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n"
VERSIONS = ("1.2", "1.3")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tap.tempfile.TemporaryDirectory(prefix="lastword-test.")
        cls.addClassCleanup(cls.folder.cleanup)
        os.chmod(cls.folder.name, 0o755)
        cls.certificate = servers.Certificate(cls.folder.name)

    def connect(self, port, *options, ask=GET % "/", version="1.3", status=0):
        """Runs connect; what it wrote, with .verdict."""
        verdict = os.path.join(tap.temp_dir(self), "verdict.json")
        done = tap.run([LASTWORD, "connect", "--cacert", self.certificate.certificate, "--tls", version, "--verdict", verdict,
                        *options, "127.0.0.1:%d" % port], input=ask)
        told = done.stderr.decode()
        self.assertEqual(done.returncode, status, told)
        with open(verdict) as file:
            done.verdict = json.load(file)
        self.assertEqual(done.verdict["version"], "TLSv" + version)
        self.assertIn("lastword: " + done.verdict["sentence"], told)
        done.told = told
        done.body = done.stdout.split(b"\r\n\r\n", 1)[-1]
        return done

    def assert_whole(self, done, read=("closed",)):
        self.assertEqual(done.body, servers.PAGE)
        self.assertTrue(done.verdict["whole"] or "tolerates" in done.told, done.told)
        self.assertIn(done.verdict["read"], read)
        self.assertEqual(done.verdict["bytes_read"], len(done.stdout))


class Servers(Case):
    def test_nginx_with_a_length(self):
        port = servers.nginx(self, self.certificate)
        for version in VERSIONS:
            done = self.connect(port, "--profile", "https", version=version)
            self.assert_whole(done)
            self.assertTrue(done.verdict["complete"])
            self.assertIn("message (https): complete: Content-Length", done.told)
            self.assertEqual(done.verdict["write"], "closed")

    def test_nginx_kept_alive(self):
        port = servers.nginx(self, self.certificate)
        for version in VERSIONS:
            done = self.connect(port, "--profile", "https", version=version, ask="GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
            self.assertEqual(done.stdout.count(b"HTTP/1.1 200"), 3)
            self.assertTrue(done.verdict["complete"], done.told)

    def test_nginx_late_and_without_length(self):
        for version in VERSIONS:
            go = threading.Event()
            timer = threading.Timer(0.3, go.set)
            self.addCleanup(timer.cancel)
            port = servers.nginx(self, self.certificate, servers.late_backend(self, lambda: go.wait(10)))
            timer.start()
            done = self.connect(port, "--profile", "https", version=version, ask=GET % "/late")
            self.assert_whole(done)
            self.assertFalse(done.verdict["complete"])
            self.assertIn("only close_notify completes it", done.told)

    def test_apache(self):
        port = servers.apache(self, self.certificate)
        for version in VERSIONS:
            self.assert_whole(self.connect(port, "--profile", "https", version=version))

    def test_node(self):
        port = servers.node(self, self.certificate)
        for version in VERSIONS:
            self.assert_whole(self.connect(port, "--profile", "https", version=version))
            done = self.connect(port, "--profile", "https", version=version, ask="GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertTrue(done.verdict["complete"], done.told)
            self.assertIn("chunk", done.told)

    def test_s_server(self):
        port = servers.s_server(self, self.certificate, "-WWW")
        for version in VERSIONS:
            done = self.connect(port, "--profile", "https", version=version, ask=GET % "/page")
            self.assert_whole(done)
            self.assertFalse(done.verdict["complete"])

    def test_gnutls_serv(self):
        port = servers.gnutls_serv(self, self.certificate, "--http")
        for version in VERSIONS:
            done = self.connect(port, "--profile", "https", version=version)
            self.assertIn(b"GnuTLS", done.stdout)
            self.assertEqual(done.verdict["read"], "closed")

    def test_gnutls_serv_echo(self):
        """Nothing tells that an echo is over: the idle timeout does."""
        port = servers.gnutls_serv(self, self.certificate, "--echo")
        for version in VERSIONS:
            done = self.connect(port, "--profile", "none", "--idle-timeout", "0.5", version=version, ask="hello\n",
                                status=0 if version == "1.3" else 1)
            self.assertIn(b"hello", done.stdout)
            self.assertIn("moved nothing for 0.5 s", done.told)


if __name__ == "__main__":
    tap.main()
