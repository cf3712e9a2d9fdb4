#!/usr/bin/python3
"""starttls_clients_test: real clients ask for TLS as their protocols have it, and real servers that know no TLS answer them behind it.

A Front is the server's side of STARTTLS before a plain server: starttls_server_peer speaks before TLS, Python's ssl is the
TLS, and bytes go to the server behind once its greeting is taken, for the client had one.
"""
import ftplib
import imaplib
import os
import poplib
import selectors
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import unittest

for folder in ("..", "../cli", "../framing"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
import database_sessions_test as database
import mail_sessions_test as mail
import servers
from servers import tap

DEADLINE = 20
PEER = tap.built("tests/net/starttls_server_peer")


class Front:
    """Listens on .port in the clear.  `backend`: a port, or None to end when TLS has begun.  .said: what the dialogues came to, in order."""

    def __init__(self, case, row, certificate, backend=None):
        self.row, self.backend = row, backend
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate.certificate, certificate.key)
        self.said, self.news = [], threading.Condition()
        self.server = servers.Raw(case, self.talk)
        self.port = self.server.port

    def talk(self, connection):
        try:
            self.meet(connection)
        except (OSError, AssertionError) as problem:
            self.tell(str(problem))

    def tell(self, what):
        with self.news:
            self.said.append(what)
            self.news.notify_all()

    def peer(self, verb, connection):
        connection.settimeout(None)  # the peer has the descriptor, and a deadline of its own
        done = subprocess.run([PEER, verb, self.row], stdin=connection, stderr=subprocess.PIPE, timeout=DEADLINE * 2)
        connection.settimeout(DEADLINE)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode().strip())

    def meet(self, connection):
        self.peer("listen", connection)
        secure = self.tls.wrap_socket(connection, server_side=True)
        self.tell(secure.version())
        if self.backend is None:
            while secure.recv(4096):
                pass
            secure.unwrap().close()
            return
        with socket.create_connection(("127.0.0.1", self.backend), DEADLINE) as backend:
            self.peer("swallow", backend)
            self.join(secure, backend)

    @staticmethod
    def join(secure, backend):
        with selectors.DefaultSelector() as ready:
            ready.register(secure, selectors.EVENT_READ, backend)
            ready.register(backend, selectors.EVENT_READ, secure)
            while len(ready.get_map()) == 2:
                for key, _ in ready.select(DEADLINE):
                    piece = key.fileobj.recv(65536)
                    while piece:
                        key.data.sendall(piece)
                        piece = key.fileobj is secure and secure.pending() and secure.recv(65536)
                    if piece == b"":
                        ready.unregister(key.fileobj)
                        break
        try:
            secure.unwrap().close()
        except OSError:  # the client went without a word
            pass

    def first(self):
        """What the first dialogue came to."""
        with self.news:
            if not self.news.wait_for(lambda: self.said, DEADLINE):
                raise AssertionError("nobody came")
            return self.said[0]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificate = servers.Certificate(tap.temp_dir(servers.Shared(cls)))

    def front(self, row, backend=None):
        return Front(self, row, self.certificate, backend)

    def context(self):
        return ssl.create_default_context(cafile=self.certificate.certificate)


class Handshakes(Case):
    """Clients that ask for TLS, shake hands, and leave."""

    def check(self, row, argv):
        front = self.front(row)
        done = tap.run([str(word).replace("PORT", str(front.port)) for word in argv])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(front.first(), r"^TLSv1\.[23]$")
        return done

    def test_openssl_in_every_protocol(self):
        for row, name in (("smtp", "smtp"), ("imap", "imap"), ("pop3", "pop3"), ("ftp", "ftp"), ("ldap", "ldap"), ("xmpp", "xmpp"),
                          ("xmpp", "xmpp-server"), ("postgres", "postgres")):
            with self.subTest(name):
                done = self.check(row, ["openssl", "s_client", "-connect", "localhost:PORT", "-starttls", name, "-brief", "-verify_return_error",
                                        "-CAfile", self.certificate.certificate])
                self.assertIn(b"Verification: OK", done.stderr)

    def test_gnutls_in_every_protocol(self):
        for row in ("smtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres"):
            with self.subTest(row):
                done = self.check(row, ["gnutls-cli", "--starttls-proto", row, "--x509cafile", self.certificate.certificate, "-p", "PORT",
                                        "localhost"])
                self.assertIn(b"Handshake was completed", done.stdout)

    def test_our_own_client_in_every_protocol(self):
        for row in ("smtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres"):
            with self.subTest(row):
                self.check(row, [tap.built("lastword"), "connect", "localhost:PORT", "--starttls", row, "--half-close", "--cacert",
                                 self.certificate.certificate])


class Mail(Case):
    """Exim and Dovecot without TLS, and clients that insist on it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shared = servers.Shared(cls)
        cls.smtp, cls.ports = mail.exim(shared), mail.dovecot(shared)

    def curl(self, *argv, input=b""):
        done = tap.run(["curl", "-sS", "--ssl-reqd", "--cacert", self.certificate.certificate, *argv], input)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_curl_sends_and_fetches(self):
        front = self.front("smtp", self.smtp)
        self.curl("smtp://localhost:%d" % front.port, "--mail-from", "a@localhost", "--mail-rcpt", "b@localhost", "-T", "-", input=mail.MESSAGE)
        self.assertEqual(front.said, ["TLSv1.3"])
        fetched = self.curl("-u", "a:secret", "imap://localhost:%d/INBOX;MAILINDEX=1" % self.front("imap", self.ports["imap"]).port)
        self.assertIn(b"hello {5}", fetched)
        fetched = self.curl("-u", "a:secret", "pop3://localhost:%d/1" % self.front("pop3", self.ports["pop3"]).port)
        self.assertIn(b"hello {5}", fetched)

    def test_python_sends_and_fetches(self):
        with smtplib.SMTP("localhost", self.front("smtp", self.smtp).port, timeout=DEADLINE) as client:
            client.starttls(context=self.context())
            client.login("a", "secret")
            self.assertEqual(client.sendmail("a@localhost", ["b@localhost"], mail.MESSAGE), {})
        with imaplib.IMAP4("localhost", self.front("imap", self.ports["imap"]).port, timeout=DEADLINE) as client:
            client.starttls(self.context())
            client.login("a", "secret")
            self.assertEqual(client.select("INBOX"), ("OK", [b"3"]))
        client = poplib.POP3("localhost", self.front("pop3", self.ports["pop3"]).port, timeout=DEADLINE)
        client.stls(self.context())
        client.user("a")
        client.pass_("secret")
        self.assertEqual(client.stat()[0], 3)
        client.quit()

    def test_a_password_in_the_clear_is_not_taken(self):
        with smtplib.SMTP("localhost", self.front("smtp").port, timeout=DEADLINE) as client:
            self.assertRaises(smtplib.SMTPException, client.login, "a", "secret")
        with imaplib.IMAP4("localhost", self.front("imap").port, timeout=DEADLINE) as client:
            with self.assertRaisesRegex(imaplib.IMAP4.error, "PRIVACYREQUIRED"):
                client.login("a", "secret")
        client = poplib.POP3("localhost", self.front("pop3").port, timeout=DEADLINE)
        self.assertRaisesRegex(poplib.error_proto, "STLS comes first", client.user, "a")
        client.quit()

    def test_a_server_that_is_busy_is_told_from_one_that_greets(self):
        def busy(connection):
            connection.sendall(b"421 too many connections\r\n")
        front = self.front("smtp", servers.Raw(self, busy).port)
        done = tap.run(["curl", "-sS", "--ssl-reqd", "--cacert", self.certificate.certificate, "smtp://localhost:%d" % front.port])
        self.assertNotEqual(done.returncode, 0)
        with front.news:
            front.news.wait_for(lambda: len(front.said) == 2, DEADLINE)
        self.assertEqual(front.said, ["TLSv1.3", "421 too many connections"])


class Files(Case):
    """ProFTPD behind it: the control connection alone."""

    def test_curl_and_python_list_a_folder(self):
        backend = servers.proftpd(self, self.certificate)
        done = tap.run(["curl", "-sS", "--ftp-ssl-control", "--cacert", self.certificate.certificate, "-u", "somebody:secret",
                        "ftp://localhost:%d/" % self.front("ftp", backend).port])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"proftpd.conf", done.stdout)
        with ftplib.FTP_TLS(context=self.context(), timeout=DEADLINE) as client:
            client.connect("localhost", self.front("ftp", backend).port)
            client.login("somebody", "secret")
            self.assertIn("proftpd.conf", client.nlst())


class Directory(Case):
    """slapd behind it."""

    def test_ldapsearch_starts_tls_and_searches(self):
        front = self.front("ldap", servers.slapd(self, self.certificate))
        environment = tap.environment(LDAPTLS_CACERT=self.certificate.certificate)
        # libldap takes localhost for the name of the machine
        argv = ["ldapsearch", "-x", "-H", "ldap://127.0.0.1:%d" % front.port, "-b", "", "-s", "base", "-LLL", "namingContexts"]
        done = tap.run([*argv, "-ZZ"], env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"namingContexts: dc=example,dc=org", done.stdout)
        done = tap.run(argv, env=environment)
        self.assertEqual(done.returncode, 13, done.stderr)
        self.assertIn(b"StartTLS comes first", done.stderr)


class PostgreSQL(Case):
    """PostgreSQL without TLS, and psql that insists on it, or will not have it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        database.PostgreSQL.setUpClass.__func__(cls)

    def psql(self, front, options):
        return tap.run(["psql", "-X", "-q", "-At", "-c", "select 6 * 7", "host=localhost port=%d user=tester dbname=postgres %s" % (front.port, options)],
                       env=tap.environment(PGPASSWORD="secret", PGSSLROOTCERT=self.certificate.certificate))

    def test_psql_queries_in_tls(self):
        for options in ("sslmode=verify-full", "sslmode=require gssencmode=prefer", "sslmode=prefer"):
            with self.subTest(options):
                front = self.front("postgres", self.port)
                done = self.psql(front, options)
                self.assertEqual((done.returncode, done.stdout), (0, b"42\n"), done.stderr)
                self.assertEqual(front.said, ["TLSv1.3"])

    def test_psql_in_the_clear_is_told_why_not(self):
        front = self.front("postgres", self.port)
        done = self.psql(front, "sslmode=disable gssencmode=disable")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"FATAL:  connections have to be encrypted: set sslmode=require", done.stderr)
        self.assertIn("goes on in the clear", front.first())


class Injection(Case):
    """Somebody on the path puts octets behind the client's request: no go-ahead, no TLS."""

    def test_octets_behind_the_request_are_refused(self):
        for row, asked, go_ahead in (("smtp", b"EHLO a\r\nSTARTTLS\r\nRSET\r\n", b"220 go"), ("imap", b"a STARTTLS\r\nb NOOP\r\n", b"a OK"),
                                     ("pop3", b"STLS\r\nCAPA\r\n", b"+OK go"), ("ftp", b"AUTH TLS\r\nNOOP\r\n", b"234"),
                                     ("postgres", b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x08", b"S"),
                                     ("ldap", b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037\x30", b"\x30"),
                                     ("xmpp", b"<stream:stream><starttls/><auth/>", b"<proceed")):
            with self.subTest(row):
                front = self.front(row)
                with socket.create_connection(("127.0.0.1", front.port), DEADLINE) as client:
                    client.sendall(asked)
                    heard = b""
                    try:
                        while piece := client.recv(4096):
                            heard += piece
                    except ConnectionResetError:
                        pass
                self.assertIn("behind its request", front.first())
                self.assertNotIn(go_ahead, heard)


if __name__ == "__main__":
    tap.main(seconds=120)
