#!/usr/bin/python3
"""examples: each is built against an installation in an empty folder, as README.md there says, and run against real
peers: the whole stream gives exit status 0, a cut one something else and a sentence."""
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "cli")]
import prefix
import servers
import tap

EXAMPLES = os.path.join(tap.ROOT, "examples")
LASTWORD = tap.built("lastword")
VERSIONS = ("1.2", "1.3")
TICKETS = {"1.2": 0, "1.3": 2}  # records of a server on OpenSSL that count and carry no data


def packages_of(name):
    """The command of the file's own head: `cc name.c -o name $(pkg-config --cflags --libs PACKAGES)`."""
    with open(os.path.join(EXAMPLES, name)) as file:
        found = re.search(r"^ \*     (?:cc|c\+\+ -std=c\+\+17) (\S+) -o (\S+) \$\(pkg-config --cflags --libs ([^)]+)\)$", file.read(), re.M)
    if not found or (found[1], found[2]) != (name, os.path.splitext(name)[0]):
        raise AssertionError("%s does not say how it is built" % name)
    return found[3].split()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = prefix.Prefix(cls)
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)
        cls.roots = cls.certificate.certificate

    def built(self, name):
        """The example, built once."""
        made = os.path.join(self.folder, os.path.splitext(name)[0])
        if not os.path.exists(made):
            compiler = prefix.C if name.endswith(".c") else prefix.CXX
            self.prefix.build(os.path.join(EXAMPLES, name), made, *packages_of(name), compiler=compiler)
        return made

    def cut(self, port, how, after, *options):
        """`lastword cut` in front of `port`; its own."""
        return tap.start(self, [LASTWORD, "cut", "--to", "127.0.0.1:%s" % port, "--how", how, "--after", "%dr" % after, *options],
                         line=r"^127.0.0.1:(\d+)$").said[1]


class Clients(Case):
    """nginx tells the length of / and not that of /open."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nginx = {version: servers.nginx(cls.shared, cls.certificate, protocols="TLSv" + version) for version in VERSIONS}

    def fetch(self, name, port, path):
        """What the example says of a page: .returncode, .body, .stderr."""
        peer = ["https://127.0.0.1:%s%s" % (port, path), self.roots] if name == "curl_observe.c" else [
            "127.0.0.1", port, self.roots, path]
        done = tap.run([self.built(name), *peer])
        done.body = done.stdout.split(b"\r\n\r\n", 1)[-1]
        self.assertRegex(done.stderr.decode(), r"(?m)^%s: .*\.$" % os.path.splitext(name)[0])
        return done

    CUTS = (("/", "1.2", "fin"), ("/", "1.3", "rst"), ("/open", "1.2", "inside"), ("/open", "1.3", "fin"))

    def claim_client_is_right(self, name):
        own = os.path.splitext(name)[0]
        for path, version, how in self.CUTS:
            with self.subTest(path=path, version=version):
                done = self.fetch(name, self.nginx[version], path)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(done.body == servers.PAGE)
            with self.subTest(path=path, version=version, how=how):
                done = self.fetch(name, self.cut(self.nginx[version], how, 2 + TICKETS[version]), path)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr.decode(), r"(?m)^%s: The transport (ended \(FIN\)|was reset \(RST\))"
                                                       r".* without close_notify" % own)
                self.assertFalse(done.body == servers.PAGE)
        for path, status in (("/", 0), ("/open", 1)):  # nothing is missing but the alert
            with self.subTest(path=path, how="drop-alert"):
                done = self.fetch(name, self.cut(self.nginx["1.3"], "drop-alert", 0), path)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertTrue(done.body == servers.PAGE)

    def test_client(self):
        self.claim_client_is_right("client.c")

    def test_client_in_an_event_loop(self):
        self.claim_client_is_right("uv_client.c")

    @unittest.skipUnless(prefix.is_installed("gnutls.h"), "built without GnuTLS")
    def test_client_on_gnutls(self):
        self.claim_client_is_right("gnutls_client.c")

    def test_client_in_cxx(self):
        self.claim_client_is_right("stream.cpp")

    def test_curl_observed(self):
        self.claim_client_is_right("curl_observe.c")

    def pool(self, port, path):
        return tap.run([self.built("pool.c"), "127.0.0.1", port, self.roots, path, "5"])

    def test_pool(self):
        for version in VERSIONS:
            for path in ("/", "/open"):  # with a length, and in chunks
                with self.subTest(version=version, path=path):
                    done = self.pool(self.nginx[version], path)
                    self.assertEqual((done.returncode, done.stdout), (0, b"7 whole pages; of 5 connections 5 ended properly\n"),
                                     done.stderr)
            for how in ("fin", "inside", "rst"):
                with self.subTest(version=version, how=how):
                    done = self.pool(self.cut(self.nginx[version], how, 2 + TICKETS[version]), "/")
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertEqual(len(re.findall(r"(?m)^pool: The transport .* without close_notify", done.stderr.decode())), 7)
                    self.assertIn(b"0 whole pages; of 7 connections", done.stdout)

    def test_a_client_refuses_a_certificate_that_it_does_not_know(self):
        other = servers.Certificate(tap.temp_dir(self))
        for name in ("client.c", "uv_client.c", "stream.cpp", "gnutls_client.c"):
            if name != "gnutls_client.c" or prefix.is_installed("gnutls.h"):
                with self.subTest(example=name):
                    done = tap.run([self.built(name), "127.0.0.1", self.nginx["1.3"], other.certificate, "/"])
                    self.assertEqual((done.returncode, done.stdout), (1, b""), done.stderr)


class Server(Case):
    """Its clients are openssl s_client, and the same through a cut."""
    def upload(self, through, options=()):
        server = tap.start(self, [self.built("server.c"), "127.0.0.1:0", self.certificate.certificate, self.certificate.key],
                           line=r"^server: listens on port (\d+)$")
        client = tap.run(["openssl", "s_client", "-quiet", "-no_ign_eof", *options, "-connect",
                          "127.0.0.1:%s" % through(server.said[1])], input=servers.PAGE)
        self.assertIsNotNone(server.wait())
        return server, client

    def test_server(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, _ = self.upload(lambda port: port, ["-tls" + version.replace(".", "_")])
                self.assertEqual((server.wait(), server.out), (0, servers.PAGE), server.tell())
            for how in ("fin", "inside", "rst"):
                with self.subTest(version=version, how=how):
                    server, _ = self.upload(lambda port: self.cut(port, how, 2, "--direction", "to-server"),
                                            ["-tls" + version.replace(".", "_")])
                    self.assertEqual(server.wait(), 1, server.tell())
                    self.assertIn(b" without close_notify", server.err)
                    self.assertNotEqual(server.out, servers.PAGE)


class Unwrap(Case):
    """TLS taken off again; the records behind which a cut falls are those of the answers."""
    def only(self, version):
        """An environment in which OpenSSL speaks no other version; the programs themselves do not choose."""
        config = servers.write(self.folder, "openssl.cnf", """
            openssl_conf = all
            [all]
            ssl_conf = ssl
            [ssl]
            system_default = system
            [system]
            MinProtocol = TLSv%s
            MaxProtocol = TLSv%s""" % (version, version))
        return tap.environment(OPENSSL_CONF=config)

    def claim_a_cut_is_refused(self, server, answers, tickets, run):
        for version in VERSIONS:
            for how, left in (("drop-alert", answers), ("fin", 0), ("rst", 0), ("fin", 1), ("inside", 1)):
                with self.subTest(version=version, how=how, left=left):
                    after = 0 if how == "drop-alert" else answers - left + tickets[version]
                    done = run(self.cut(server, how, after, "--version", version), version)
                    told = done.stderr.decode()
                    self.assertEqual(done.returncode, 1, told)
                    self.assertRegex(told, r"The transport (ended \(FIN\)|was reset \(RST\)).* without close_notify")
                    if left in (0, answers) and how != "rst":
                        self.assertIn("not in the clear: the transport ended before the peer's close_notify", told)
                    self.assertIsNone(re.search(r"(?s)TLS .*clear", done.stdout.decode()), "clear text behind a cut")

    def ccc(self, port, version):
        return tap.run([self.built("ftp_ccc.c"), "127.0.0.1", port, self.roots, "somebody", "secret"], env=self.only(version))

    def test_ftp_ccc(self):
        """proftpd answers close_notify and goes on in the clear."""
        port = servers.proftpd(self, self.certificate)
        for version in VERSIONS:
            done = self.ccc(port, version)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout.decode(), r"(?m)^TLS   200 .*\nclear 257 .*\nclear 221 ")
        self.claim_a_cut_is_refused(port, 4, TICKETS, self.ccc)

    def stoptls(self, port, version):
        return tap.run([self.built("ldap_stoptls.c"), "127.0.0.1", port, self.roots], env=self.only(version))

    def test_ldap_stoptls(self):
        """slapd answers close_notify and closes the connection."""
        port = servers.slapd(self, self.certificate)
        for version in VERSIONS:
            done = self.stoptls(port, version)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout.decode(), r"(?m)^TLS   a message of kind 0x65")
            self.assertIn(b"closed the connection together with TLS", done.stderr)
        self.claim_a_cut_is_refused(port, 2, {"1.2": 0, "1.3": 0}, self.stoptls)


class Readme(unittest.TestCase):
    def test_every_example_has_its_line(self):
        with open(os.path.join(EXAMPLES, "README.md")) as file:
            told = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", file.read(), re.M)
        self.assertEqual([name for name, link in told], [link for name, link in told])
        self.assertEqual(sorted(name for name, _ in told), sorted(name for name in os.listdir(EXAMPLES) if name != "README.md"))

    def test_every_example_says_how_it_is_built(self):
        for name in os.listdir(EXAMPLES):
            if name != "README.md":
                with self.subTest(example=name):
                    self.assertIn("lastword", " ".join(packages_of(name)))


if __name__ == "__main__":
    tap.main()
