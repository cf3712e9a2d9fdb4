#!/usr/bin/python3
"""connect against real servers: nginx, Apache, Node, openssl s_server and gnutls-serv."""
import json
import os
import re
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

    def test_gnutls_serv_echo(self):
        """Nothing tells that an echo is over: the idle timeout does."""
        port = servers.gnutls_serv(self, self.certificate, "--echo")
        for version in VERSIONS:
            done = self.connect(port, "--profile", "none", "--idle-timeout", "0.5", version=version, ask="hello\n",
                                status=0 if version == "1.3" else 1)
            self.assertIn(b"hello", done.stdout)
            self.assertIn("moved nothing for 0.5 s", done.told)


class Endings(Case):
    """How each server ends, kept alive or not, and what connect makes of it; with what the real ones were seen to do."""
    KEPT = "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    NOT_KEPT = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ANY = ("closed", "truncated", "reset")  # which of them is a race that harms nobody
    ROWS = (  # server, ask, the peer's ending, complete
        ("nginx", GET % "/", "closed", True),
        ("nginx", NOT_KEPT % ("GET", "/"), "closed", True),
        ("nginx", NOT_KEPT % ("HEAD", "/"), "closed", True),
        ("nginx", NOT_KEPT % ("GET", "/204"), "closed", True),
        ("nginx", NOT_KEPT % ("GET", "/304"), "closed", True),
        ("nginx", NOT_KEPT % ("GET", "/nowhere"), "closed", True),
        ("nginx", NOT_KEPT % ("GET", "/open"), "closed", True),  # in chunks
        ("nginx", GET % "/open", "closed", False),
        # nginx, asked to keep the connection, answers our close_notify with a bare FIN
        ("nginx", KEPT % ("GET", "/"), "truncated", True),
        ("nginx", KEPT % ("HEAD", "/"), "truncated", True),
        ("nginx", KEPT % ("GET", "/open"), "truncated", True),
        ("apache", GET % "/", "closed", True),
        ("apache", NOT_KEPT % ("HEAD", "/"), "closed", True),
        ("apache", KEPT % ("GET", "/"), "closed", True),
        ("apache", KEPT % ("HEAD", "/"), "closed", True),
        ("node", GET % "/", "closed", True),
        ("node", NOT_KEPT % ("HEAD", "/"), "closed", True),
        ("node", KEPT % ("GET", "/"), "closed", True),
        ("node", KEPT % ("GET", "/chunks"), "closed", True),
        ("s_server", GET % "/page", "closed", False),
        ("gnutls-serv", GET % "/", "closed", False),
        ("gnutls-serv", KEPT % ("GET", "/"), "closed", False),
    )
    LARGE_ROWS = (("nginx", True), ("apache", True), ("node", False), ("s_server", False))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shared = servers.Shared(cls)
        cls.ports = {"nginx": servers.nginx(shared, cls.certificate), "apache": servers.apache(shared, cls.certificate),
                     "node": servers.node(shared, cls.certificate),
                     "s_server": servers.s_server(shared, cls.certificate, "-WWW"),
                     "gnutls-serv": servers.gnutls_serv(shared, cls.certificate, "--http")}

    def meet(self, server, ask, version, *options, status=0):
        return self.connect(self.ports[server], "--profile", "https", "--close-timeout", "3", *options, ask=ask,
                            version=version, status=status)

    def test_of_every_server(self):
        for server, ask, read, complete in self.ROWS:
            for version in VERSIONS:
                with self.subTest(server=server, ask=ask, version=version):
                    done = self.meet(server, ask, version)
                    self.assertEqual((done.verdict["read"], done.verdict["complete"]), (read, complete), done.told)
                    self.assertEqual((done.verdict["write"], done.verdict["whole"]), ("closed", True), done.told)
                    self.assertEqual(done.verdict["alert_received"], "close_notify" if read == "closed" else None)
                    self.assertEqual(done.verdict["alert_sent"], "close_notify")
                    self.assertEqual(done.verdict["bytes_read"], len(done.stdout))
                    self.assertNotIn("next: ", done.told)
                    if re.match("GET /(page)? ", ask) and server != "gnutls-serv":
                        self.assertEqual(done.body, servers.PAGE)

    def test_after_a_half_close(self):
        """In 1.3 close_notify leaves at once; before, connect says that it cannot.  With a length the answer is never lost."""
        for server, ask in (("nginx", GET % "/"), ("apache", GET % "/"), ("node", GET % "/"), ("s_server", GET % "/page"),
                            ("gnutls-serv", GET % "/")):
            for version in VERSIONS:
                with self.subTest(server=server, version=version):
                    done = self.meet(server, ask, version, "--half-close")
                    self.assertIn(done.verdict["read"], self.ANY if done.verdict["complete"] else ("closed",))
                    self.assertEqual("TLSv1.2 has no half-close" in done.told, version == "1.2", done.told)
                    self.assertEqual(done.verdict["write"], "closed")
                    if server != "gnutls-serv":
                        self.assertEqual(done.body, servers.PAGE)

    def test_of_a_large_answer(self):
        for server, complete in self.LARGE_ROWS:
            for version in VERSIONS:
                with self.subTest(server=server, version=version):
                    done = self.meet(server, GET % "/large", version)
                    self.assertTrue(done.body == servers.LARGE, done.told)
                    self.assertEqual((done.verdict["read"], done.verdict["complete"]), ("closed", complete), done.told)

    def test_of_a_large_answer_that_nobody_reads_on(self):
        """The rest of the answer is ignored, up to its end: no deadline is waited for."""
        ask = servers.write(self.folder.name, "ask", GET % "/large")
        for server in ("nginx", "apache"):
            for version in VERSIONS:
                with self.subTest(server=server, version=version):
                    done = tap.run(["sh", "-c", '"$0" connect -k --profile https --tls "$1" --close-timeout 20 127.0.0.1:"$2" '
                                    '<"$3" | head -c 10', LASTWORD, version, str(self.ports[server]), ask], seconds=15)
                    self.assertEqual(done.stdout, b"HTTP/1.1 2")
                    self.assertIn(b"standard output was closed early", done.stderr)
                    self.assertNotIn(b"deadline", done.stderr)
                    self.assertNotIn(b"next: ", done.stderr)

    def test_of_a_large_question(self):
        head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(servers.LARGE)
        for version in VERSIONS:
            done = self.meet("node", head.encode() + servers.LARGE, version)
            self.assertTrue(done.verdict["complete"], done.told)
            self.assertIn(b"took %d" % len(servers.LARGE), done.stdout)
            self.assertEqual(done.verdict["bytes_written"], len(head) + len(servers.LARGE))

    def test_of_a_server_that_was_asked_nothing(self):
        """Up to 1.2 who closes first may be cut, so nothing proves that nothing was to come."""
        for server in ("apache", "node", "gnutls-serv"):
            for version, status in (("1.2", 1), ("1.3", 0)):
                with self.subTest(server=server, version=version):
                    done = self.meet(server, "", version, "--idle-timeout", "0.3", status=status)
                    self.assertEqual((done.stdout, done.verdict["read"]), (b"", "closed"))
                    self.assertIn("the peer moved nothing for 0.3 s", done.told)
                    self.assertEqual("we had closed first: data of the peer may be missing" in done.told, version == "1.2")


if __name__ == "__main__":
    tap.main()
