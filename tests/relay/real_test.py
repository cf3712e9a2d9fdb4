#!/usr/bin/python3
"""real_test: real clients reach real servers through the relay, in every protocol whose beginning it knows, and the line of the log
says what was so: the outcome, the profile, the bytes, both endings."""
import ftplib
import imaplib
import os
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import unittest

for folder in ("", "../framing"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from rig import Relay, servers, tap
import database_sessions_test as database
import mail_sessions_test as mail
import xmpp_sessions_test as xmpp

DEADLINE = 20


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)

    def context(self):
        return ssl.create_default_context(cafile=self.certificate.certificate)

    def front(self, connect, *flags):
        """A relay that takes TLS off, before `connect`, a place or a port."""
        connect = "tcp:127.0.0.1:%d" % connect if isinstance(connect, int) else connect
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.certificate.certificate, "--key", self.certificate.key,
                     "--connect", connect, *flags)

    def back(self, port, *flags):
        """A relay that puts TLS on, before a server on `port` that speaks it."""
        return Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tls:localhost:%d" % port, "--CAfile", self.certificate.certificate, *flags)

    def check(self, relay, number=1, **fields):
        """The line of a connection that went well: `fields` are what it says, a regular expression each; the line."""
        line = relay.wait_connection(number)
        self.assertIn(line.outcome, ("whole", "tolerated"), line.text)
        self.assertEqual(line["lost"], "0", line.text)
        for name, pattern in fields.items():
            self.assertRegex(line.get(name, "none"), "^(?:%s)$" % pattern, (name, line.text))
        return line

    def whole(self, relay, number=1, **fields):
        """The same where both ends are proven."""
        line = self.check(relay, number, client_end="closed", server_end="closed", action="finished", **fields)
        self.assertEqual(line.outcome, "whole", line.text)
        return line

    def rude(self, relay, number=1, **fields):
        """The same where the client is one that leaves without close_notify, behind a complete message, as Python's do."""
        line = self.check(relay, number, client_end="truncated|reset", server_end="closed", complete="yes", **fields)
        self.assertEqual(line.outcome, "tolerated", line.text)
        return line

    def run_well(self, argv, input=b"", **options):
        done = tap.run(argv, input, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done


NGINX = """
daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s; root %(folder)s/www;
  server { listen 127.0.0.1:%(one)d; listen unix:%(folder)s/socket; }
  server { listen 127.0.0.1:%(two)d http2; }
  server { listen 127.0.0.1:%(three)d ssl http2; ssl_certificate %(cert)s; ssl_certificate_key %(key)s; }
}"""


class Web(Case):
    """nginx behind it: HTTP/1.1 in the clear, on a Unix socket and in TLS; HTTP/2 in the clear and in TLS."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(os.path.join(cls.folder, "www"), 0o755)
        servers.write(os.path.join(cls.folder, "www"), "page", servers.PAGE)
        servers.write(os.path.join(cls.folder, "www"), "large", servers.LARGE)
        cls.one, cls.two, cls.three = tap.free_port(), tap.free_port(), tap.free_port()
        config = servers.write(cls.folder, "nginx.conf", NGINX % {
            "folder": cls.folder, "one": cls.one, "two": cls.two, "three": cls.three, "cert": cls.certificate.certificate,
            "key": cls.certificate.key, "user": "user root;" if os.geteuid() == 0 else ""})
        nginx = tap.start(cls.shared, ["nginx", "-c", config, "-p", cls.folder, "-e", os.path.join(cls.folder, "error.log")], port=cls.one)
        nginx.wait_listening(cls.two).wait_listening(cls.three)
        cls.tls = servers.nginx(cls.shared, cls.certificate)

    def curl(self, relay, *options, paths=("page",)):
        urls = ["https://localhost:%d/%s" % (relay.port(), path) for path in paths]
        return self.run_well(["curl", "-sS", "--max-time", str(DEADLINE), "--cacert", self.certificate.certificate, *options, *urls])

    def test_curl_asks_twice_on_one_connection(self):
        for version, flag in (("1.2", "1.2"), ("1.3", "1.3")):
            with self.subTest(version):
                relay = self.front(self.one, "--profile", "https")
                done = self.curl(relay, "--tls-max", flag, "--http1.1", "-w", "%{stderr}%{num_connects} ", paths=("page", "large"))
                self.assertEqual((done.stdout, done.stderr), (servers.PAGE + servers.LARGE, b"1 0 "))
                line = self.whole(relay, tls=version, server_tls="none", sni="localhost", profile="https", complete="yes", alpn="none")
                self.assertGreater(int(line["out"]), len(servers.PAGE + servers.LARGE))

    def test_curl_speaks_http2_where_alpn_says_so(self):
        relay = self.front(self.two, "--alpn", "h2")
        done = self.curl(relay, "--http2", "-w", "%{stderr}%{http_version}/%{num_connects} ", paths=("page", "large"))
        self.assertEqual((done.stdout, done.stderr), (servers.PAGE + servers.LARGE, b"2/1 2/0 "))
        self.rude(relay, alpn="h2", profile="http2")

    def test_http2_on_both_legs(self):
        relay = self.front("tls:localhost:%d" % self.three, "--alpn", "h2", "--backendAlpn", "h2", "--backendCAfile", self.certificate.certificate)
        done = self.curl(relay, "--http2", "-w", "%{stderr}%{http_version} ", paths=("page", "large"))
        self.assertEqual((done.stdout, done.stderr), (servers.PAGE + servers.LARGE, b"2 2 "))
        self.check(relay, alpn="h2", profile="http2", server_tls="1.2", complete="yes", client_end="truncated|reset")

    def test_alpn_of_the_front_decides_on_the_profile_and_http11_is_one(self):
        relay = self.front(self.one, "--alpn", "http/1.1")
        done = self.curl(relay, "--http2", "-w", "%{stderr}%{http_version}")
        self.assertEqual((done.stdout, done.stderr), (servers.PAGE, b"1.1"))
        self.whole(relay, alpn="http/1.1", profile="https", complete="yes")

    def test_tls_on_both_legs(self):
        relay = self.front("tls:localhost:%d" % self.tls, "--backendCAfile", self.certificate.certificate, "--profile", "https")
        self.assertEqual(self.curl(relay, paths=("large",)).stdout, servers.LARGE)
        self.check(relay, tls="1.3", server_tls="1.3", complete="yes", client_end="closed")

    def test_a_plain_client_before_a_server_that_speaks_tls(self):
        relay = self.back(self.tls, "--profile", "https")
        done = self.run_well(["curl", "-sS", "--max-time", str(DEADLINE), "http://localhost:%d/large" % relay.port()])
        self.assertEqual(done.stdout, servers.LARGE)
        self.check(relay, tls="none", server_tls="1.3", complete="yes", client_end="closed")

    def test_a_server_on_a_unix_socket(self):
        relay = self.front("unix:%s/socket" % self.folder, "--profile", "https")
        self.assertEqual(self.curl(relay, paths=("large",)).stdout, servers.LARGE)
        line = self.whole(relay, complete="yes")
        self.assertEqual(line["server"], "unix:%s/socket" % self.folder)

    def test_openssl_reads_a_page_that_the_server_closes(self):
        relay = self.front(self.one, "--profile", "https")
        done = self.run_well(["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", self.certificate.certificate, "-servername",
                              "localhost", "-connect", "localhost:%d" % relay.port()],
                             b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertTrue(done.stdout.endswith(b"\r\n\r\n" + servers.PAGE))
        self.assertNotIn(b"unexpected eof", done.stderr)
        self.check(relay, sni="localhost", server_end="closed", complete="yes")

    def test_gnutls_reads_a_page_that_the_server_closes(self):
        relay = self.front(self.one, "--profile", "https")
        client = tap.start(self, ["gnutls-cli", "--logfile", os.devnull, "--x509cafile", self.certificate.certificate, "-p", relay.port(), "localhost"],
                           stdin=subprocess.PIPE)
        client.stdin.write(b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.stdin.flush()
        self.assertEqual(client.wait(DEADLINE), 0, client.err)
        self.assertTrue(client.out.endswith(b"\r\n\r\n" + servers.PAGE))
        self.check(relay, sni="localhost", server_end="closed", complete="yes")

    def test_python_sees_a_proper_end(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                relay, context = self.front(self.one, "--profile", "https"), self.context()
                context.maximum_version = version
                raw = socket.create_connection(("127.0.0.1", relay.port()), DEADLINE)
                with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
                    client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
                    said = b""
                    while piece := client.recv(65536):
                        said += piece
                self.assertTrue(said.endswith(b"\r\n\r\n" + servers.LARGE))
                self.check(relay, server_end="closed", complete="yes", tls=version.name[-3:].replace("_", r"\."))

    def test_many_at_a_time(self):
        relay = self.front(self.one, "--profile", "https")
        urls = ["https://localhost:%d/page" % relay.port()] * 30
        done = self.run_well(["curl", "--no-progress-meter", "--max-time", str(DEADLINE), "--cacert", self.certificate.certificate, "--http1.1", "--parallel",
                              "--parallel-immediate", "--parallel-max", "30", "-w", "%{stderr}%{size_download} ", *urls])
        self.assertEqual(done.stderr.split(), [b"%d" % len(servers.PAGE)] * 30)
        relay.end()
        lines = [line for line in relay.lines() if "action" in line]
        self.assertEqual({line.outcome for line in lines}, {"whole"})
        self.assertEqual(sum(int(line["out"]) // len(servers.PAGE) for line in lines), 30)


class Database(Case):
    """PostgreSQL, which takes connections in the clear and in TLS on one port, and tells which it is."""
    ASKED = "select ssl from pg_stat_ssl where pid = pg_backend_pid(); select sum(length(repeat('x', n))) from generate_series(1, 3000) n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        database.PostgreSQL.setUpClass.__func__(cls)
        cls.other = servers.Certificate(cls.folder, name="other")
        folder = database.give(tap.temp_dir(cls.shared))
        key, certificate = (shutil.copy(path, folder) for path in (cls.certificate.key, cls.certificate.certificate))
        os.chmod(key, 0o600)
        if os.geteuid() == 0:
            shutil.chown(key, database.USER)
        done = tap.run(["psql", "-X", "-q", "host=127.0.0.1 port=%d user=tester dbname=postgres" % cls.port], env=tap.environment(PGPASSWORD="secret"),
                       input=cls.SETUP % (certificate, key))
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())

    SETUP = """
        alter system set ssl_cert_file = '%s';
        alter system set ssl_key_file = '%s';
        alter system set ssl = on;
        create role trusted login;
        copy (select 'host all trusted 127.0.0.1/32 trust') to program 'cat - pg_hba.conf > new && mv new pg_hba.conf';
        select pg_reload_conf();
        """

    def psql(self, port, options, user="tester"):
        return tap.run(["psql", "-X", "-q", "-At", "-c", self.ASKED, "host=localhost port=%d user=%s dbname=postgres %s" % (port, user, options)],
                       env=tap.environment(PGPASSWORD="secret", PGSSLROOTCERT=self.certificate.certificate))

    def answered(self, done, is_tls):
        self.assertEqual((done.returncode, done.stdout.split()), (0, [b"t" if is_tls else b"f", b"4501500"]), done.stderr)

    def test_psql_in_tls_before_a_server_without(self):
        relay = self.front(self.port, "--protocol", "pgsql")
        self.answered(self.psql(relay.port(), "sslmode=verify-full"), is_tls=False)
        self.whole(relay, profile="postgresql", tls="1.3", server_tls="none", sni="localhost", complete="yes")

    def test_psql_without_before_a_server_in_tls(self):
        relay = self.back(self.port, "--protocol", "pgsql")
        self.answered(self.psql(relay.port(), "sslmode=disable", "trusted"), is_tls=True)
        self.whole(relay, profile="postgresql", tls="none", server_tls="1.3", complete="yes")

    def both(self, certificate, *flags):
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", certificate.certificate, "--key", certificate.key, "--connect",
                     "tls:localhost:%d" % self.port, "--protocol", "pgsql", "--backendProtocol", "pgsql", "--backendCAfile",
                     self.certificate.certificate)

    def test_psql_and_server_in_tls(self):
        relay = self.both(self.certificate)
        self.answered(self.psql(relay.port(), "sslmode=verify-full"), is_tls=True)
        self.whole(relay, profile="postgresql", tls="1.3", server_tls="1.3", complete="yes")

    def test_a_bound_channel_is_seen_through(self):
        """SCRAM binds the password to the certificate that the client sees: it has to be the server's own, or nobody may ask."""
        relay = self.both(self.other)
        done = self.psql(relay.port(), "sslmode=require channel_binding=prefer sslrootcert=none")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"channel binding", done.stderr)
        self.answered(self.psql(relay.port(), "sslmode=require channel_binding=disable sslrootcert=none"), is_tls=True)
        relay = self.back(self.port, "--protocol", "pgsql")
        self.assertIn(b"over a non-SSL connection", self.psql(relay.port(), "sslmode=disable").stderr)

    def test_a_query_that_fails_is_a_whole_session(self):
        relay = self.front(self.port, "--protocol", "postgres")
        done = tap.run(["psql", "-X", "-c", "nonsense", "host=localhost port=%d user=tester dbname=postgres sslmode=require" % relay.port()],
                       env=tap.environment(PGPASSWORD="secret"))
        self.assertEqual(done.returncode, 1)
        self.whole(relay, complete="yes")


class Mail(Case):
    """Exim and Dovecot, both without TLS."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shared = servers.Shared(cls)
        cls.smtp, cls.ports = mail.exim(shared), mail.dovecot(shared)

    def curl(self, *argv, input=b""):
        return self.run_well(["curl", "-sS", "--max-time", str(DEADLINE), "--cacert", self.certificate.certificate, *argv], input).stdout

    def test_smtp_with_starttls(self):
        relay = self.front(self.smtp, "--protocol", "smtp")
        with smtplib.SMTP("localhost", relay.port(), timeout=DEADLINE) as client:
            client.starttls(context=self.context())
            client.login("a", "secret")
            self.assertEqual(client.sendmail("a@localhost", ["b@localhost"], mail.MESSAGE), {})
        self.rude(relay, profile="smtp", tls="1.3")
        self.curl("--ssl-reqd", "smtp://localhost:%d" % relay.port(), "--mail-from", "a@localhost", "--mail-rcpt", "b@localhost", "-T", "-",
                  input=mail.MESSAGE)
        self.whole(relay, 2, profile="smtp", complete="yes")

    def test_smtps(self):
        relay = self.front(self.smtp, "--profile", "submission")
        with smtplib.SMTP_SSL("localhost", relay.port(), timeout=DEADLINE, context=self.context()) as client:
            self.assertEqual(client.sendmail("a@localhost", ["b@localhost"], mail.MESSAGE), {})
        self.rude(relay, profile="submission")

    def test_imap_with_starttls(self):
        relay = self.front(self.ports["imap"], "--protocol", "imap")
        with imaplib.IMAP4("localhost", relay.port(), timeout=DEADLINE) as client:
            client.starttls(self.context())
            client.login("a", "secret")
            self.assertEqual(client.select("INBOX"), ("OK", [b"3"]))
            self.assertIn(b"hello {5}", client.fetch("1", "(RFC822)")[1][0][1])
        self.rude(relay, profile="imap", tls="1.3")
        said = self.curl("--ssl-reqd", "-u", "a:secret", "imap://localhost:%d/INBOX;MAILINDEX=1" % relay.port())
        self.assertIn(b"hello {5}", said)
        self.whole(relay, 2, profile="imap", complete="yes")

    def test_imaps(self):
        relay = self.front(self.ports["imap"], "--profile", "imap")
        self.assertIn(b"hello {5}", self.curl("-u", "a:secret", "imaps://localhost:%d/INBOX;MAILINDEX=1" % relay.port()))
        self.whole(relay, profile="imap", complete="yes")

    def test_pop3_with_starttls(self):
        relay = self.front(self.ports["pop3"], "--protocol", "pop3")
        client = poplib.POP3("localhost", relay.port(), timeout=DEADLINE)
        client.stls(self.context())
        client.user("a")
        client.pass_("secret")
        self.assertEqual(client.stat()[0], 3)
        client.quit()
        self.rude(relay, profile="pop3", tls="1.3")
        self.assertIn(b"hello {5}", self.curl("--ssl-reqd", "-u", "a:secret", "pop3://localhost:%d/1" % relay.port()))
        self.whole(relay, 2, profile="pop3", complete="yes")

    def test_two_relays_make_a_tunnel_that_clients_do_not_see(self):
        """A plain client, STARTTLS between the relays, a plain server."""
        for protocol, port, check in (("smtp", self.smtp, self.talk_smtp), ("imap", self.ports["imap"], self.talk_imap),
                                      ("pop3", self.ports["pop3"], self.talk_pop3)):
            with self.subTest(protocol):
                far = self.front(port, "--protocol", protocol)
                near = self.back(far.port(), "--protocol", protocol)
                check(near.port())
                self.whole(near, profile=protocol, server_tls="1.3", tls="none", complete="yes")
                self.whole(far, profile=protocol, server_tls="none", tls="1.3", complete="yes")

    def talk_smtp(self, port):
        with smtplib.SMTP("localhost", port, timeout=DEADLINE) as client:
            self.assertEqual(client.sendmail("a@localhost", ["b@localhost"], mail.MESSAGE), {})

    def talk_imap(self, port):
        with imaplib.IMAP4("localhost", port, timeout=DEADLINE) as client:
            client.login("a", "secret")
            self.assertEqual(client.select("INBOX"), ("OK", [b"3"]))

    def talk_pop3(self, port):
        client = poplib.POP3("localhost", port, timeout=DEADLINE)
        client.user("a")
        client.pass_("secret")
        self.assertEqual(client.stat()[0], 3)
        client.quit()


class Others(Case):
    """FTP's control connection, LDAP, XMPP and Redis."""

    def test_ftp_with_auth_tls(self):
        relay = self.front(servers.proftpd(self, self.certificate), "--protocol", "ftp")
        with ftplib.FTP_TLS(context=self.context(), timeout=DEADLINE) as client:
            client.connect("localhost", relay.port())
            client.login("somebody", "secret")
            self.assertIn("proftpd.conf", client.nlst())
        self.rude(relay, profile="ftp-control", tls="1.3")

    def test_ftp_before_a_server_that_wants_tls(self):
        relay = self.back(servers.proftpd(self, self.certificate), "--protocol", "ftp")
        with ftplib.FTP(timeout=DEADLINE) as client:
            client.connect("localhost", relay.port())
            client.login("somebody", "secret")
            self.assertRegex(client.pwd(), "^/")
        self.check(relay, profile="ftp-control", server_tls="1.3", complete="yes")

    def ldapsearch(self, port, *options):
        # libldap takes localhost for the name of the machine
        done = self.run_well(["ldapsearch", "-x", "-H", "ldap://127.0.0.1:%d" % port, "-b", "", "-s", "base", "-LLL", "namingContexts", *options],
                             env=tap.environment(LDAPTLS_CACERT=self.certificate.certificate))
        self.assertIn(b"namingContexts: dc=example,dc=org", done.stdout)

    def test_ldap_with_starttls(self):
        port = servers.slapd(self, self.certificate)
        relay = self.front(port, "--protocol", "ldap")
        self.ldapsearch(relay.port(), "-ZZ")
        self.whole(relay, profile="ldap", server_tls="none", complete="yes")
        relay = self.back(port, "--protocol", "ldap")
        self.ldapsearch(relay.port())
        self.check(relay, profile="ldap", tls="none", server_tls="1.3", complete="yes")

    def test_xmpp_with_starttls(self):
        xmpp.Xmpp.setUpClass.__func__(type(self))
        relay = self.front(self.port, "--protocol", "xmpp")
        done = tap.run(["openssl", "s_client", "-quiet", "-connect", "localhost:%d" % relay.port(), "-starttls", "xmpp", "-verify_return_error", "-CAfile",
                        self.certificate.certificate], xmpp.HEADER + b"</stream:stream>")
        self.assertIn(b"</stream:features>", done.stdout)
        self.assertIn(b"</stream:stream>", done.stdout)
        self.check(relay, profile="xmpp", complete="yes")


class Redis(Case):
    """redis-server: in the clear, in TLS and on a Unix socket."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain, cls.tls = tap.free_port(), tap.free_port()
        server = tap.start(cls.shared, ["redis-server", "--port", cls.plain, "--tls-port", cls.tls, "--bind", "127.0.0.1", "--unixsocket",
                                        os.path.join(cls.folder, "redis"), "--tls-cert-file", cls.certificate.certificate, "--tls-key-file",
                                        cls.certificate.key, "--tls-auth-clients", "no", "--save", "", "--dir", cls.folder], port=cls.plain)
        server.wait_listening(cls.tls)

    SCRIPT = b"SET a %s\nGET a\nINFO commandstats\nDEL a\n" % (b"x" * 20000)

    def cli(self, port, *options):
        done = self.run_well(["redis-cli", "-h", "localhost", "-p", port, *options], self.SCRIPT)
        self.assertTrue(done.stdout.startswith(b"OK\n"), done.stdout[:40])
        self.assertIn(b"x" * 20000, done.stdout)

    def test_redis_cli_in_tls(self):
        for connect in (self.plain, "unix:%s/redis" % self.folder):
            with self.subTest(connect):
                relay = self.front(connect, "--profile", "redis")
                self.cli(relay.port(), "--tls", "--sni", "localhost", "--cacert", self.certificate.certificate)
                self.rude(relay, profile="redis", sni="localhost")

    def test_redis_cli_before_a_server_in_tls(self):
        relay = self.back(self.tls, "--profile", "redis")
        self.cli(relay.port())
        self.check(relay, profile="redis", tls="none", server_tls="1.3", complete="yes", client_end="closed")

    def test_tls_on_both_legs(self):
        relay = self.front("tls:localhost:%d" % self.tls, "--backendCAfile", self.certificate.certificate, "--profile", "redis")
        self.cli(relay.port(), "--tls", "--cacert", self.certificate.certificate)
        # the server is left as it left us, and complains of that, but only to us
        line = self.check(relay, profile="redis", client_end="truncated", server_end="closed|aborted|open", complete="yes")
        self.assertEqual((line.outcome, line["action"]), ("tolerated", "mirrored"), line.text)


if __name__ == "__main__":
    tap.main(seconds=120)
