#!/usr/bin/python3
"""The servers of docs/relay.md behind the relay, both configured as that page says: clients get through, and servers know who they are."""
import imaplib
import os
import re
import socket
import ssl
import sys
import time
import unittest

for folder in ("", "../framing"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
import database_sessions_test as database
import mail_sessions_test as mail
import page_test
from rig import Relay, servers, tap

DEADLINE = 20
CLIENT = "127.0.0.2"  # so that nobody takes it for the server's own address

NGINX = """
daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server { %(lines)s location / { return 200 "$remote_addr:$remote_port"; } }
}
"""
DOVECOT = """
base_dir = %(folder)s/run
log_path = /dev/stderr
ssl = no
listen = 127.0.0.1
protocols = imap
mail_location = maildir:%(folder)s/mail
%(users)s
first_valid_uid = 0
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=%(user)s gid=%(group)s home=%(folder)s/mail
}
haproxy_trusted_networks = 127.0.0.1
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener relay {
    address = 127.0.0.1
    port = %(port)d
    haproxy = yes
  }
}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
"""


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)

    def relay(self, service, backend, more="", proxy_out="v2"):
        """The page's configuration that has this service, with ports and files of this machine; `more` lines of the service."""
        text = next(text for text in page_test.configurations() if "[%s]" % service in text)
        files = {"cert": self.certificate.certificate, "key": self.certificate.key, "CAfile": self.certificate.certificate}
        text = page_test.FILES.sub(lambda line: "%s = %s" % (line[1], files[line[1]]), text)
        profile = {"web": "https", "imaps": "imap", "postgres": "postgresql"}[service]  # by the port, but that is another here
        text = re.sub(r"^accept = \d+$", "accept = 127.0.0.1:0\n%sprofile = %s" % (more, profile), text, flags=re.M)
        text = text.replace("proxyOut = v2", "proxyOut = " + proxy_out)
        return Relay(self, config=re.sub(r"^connect = .*$", "connect = 127.0.0.1:%d" % backend, text, flags=re.M))

    def context(self):
        return ssl.create_default_context(cafile=self.certificate.certificate)


class Nginx(Case):
    def test_knows_the_clients_address(self):
        port, folder = tap.free_port(), tap.temp_dir(self)
        lines = re.search(r"^nginx: `(listen [^`]+)`", page_test.PAGE, re.M)[1].replace("8080", str(port))
        config = servers.write(folder, "nginx.conf", NGINX % {"folder": folder, "lines": lines, "user": "user root;" if os.geteuid() == 0 else ""})
        tap.start(self, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=port)
        relay = self.relay("web", port)
        done = tap.run(["curl", "-sS", "--interface", CLIENT, "--cacert", self.certificate.certificate, "https://localhost:%d/" % relay.port("web")])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        line = relay.wait_connection()
        self.assertEqual(done.stdout.decode(), line["client"])
        self.assertTrue(line["client"].startswith(CLIENT + ":"))


class Dovecot(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder, cls.port = cls.folder, tap.free_port()
        os.mkdir(os.path.join(folder, "mail"))
        user, group = mail.own(folder, "mail")
        os.mkdir(os.path.join(folder, "run"))
        if os.geteuid() == 0:
            os.chown(os.path.join(folder, "run"), 0, 0)
        users = "" if os.geteuid() == 0 else "\n".join(
            ["default_internal_user = " + user, "default_login_user = " + user, "default_internal_group = " + group])
        config = servers.write(folder, "dovecot.conf", DOVECOT % {"folder": folder, "user": user, "group": group, "users": users, "port": cls.port})
        cls.dovecot = tap.start(cls.shared, ["dovecot", "-F", "-c", config], port=cls.port)

    def visit(self, client):
        self.assertEqual(client.login("a", "secret")[0], "OK")
        self.assertEqual(client.select()[0], "OK")
        client.logout()
        self.dovecot.wait_line(r"imap-login: .*Login: .*rip=%s, .*secured" % re.escape(CLIENT))

    def imaps(self, relay):
        context = self.context()

        class Imap(imaplib.IMAP4_SSL):
            def _create_socket(self, timeout):
                raw = socket.create_connection(("127.0.0.1", relay.port("imaps")), timeout, source_address=(CLIENT, 0))
                return context.wrap_socket(raw, server_hostname="localhost")

        return Imap("localhost", timeout=DEADLINE)

    def test_takes_passwords_of_a_client_in_tls(self):
        self.visit(self.imaps(self.relay("imaps", self.port)))

    def test_takes_none_where_the_header_says_nothing_of_tls(self):
        with self.assertRaisesRegex(imaplib.IMAP4.error, "PRIVACYREQUIRED|Plaintext"):
            self.imaps(self.relay("imaps", self.port, proxy_out="v1")).login("a", "secret")

    def test_takes_passwords_behind_starttls(self):
        relay = self.relay("imaps", self.port)

        class Imap(imaplib.IMAP4):
            def _create_socket(self, timeout):
                return socket.create_connection(("127.0.0.1", relay.port("imap")), timeout, source_address=(CLIENT, 0))

        client = Imap("localhost", timeout=DEADLINE)
        client.starttls(self.context())
        self.visit(client)


class PostgreSQL(Case):
    """A server process that dies in the middle of its answer, as one does that is out of memory."""
    ROWS = "select repeat('x', 1000) from generate_series(1, 1000)"
    DIES = ROWS + "; copy (select 1) to program 'kill -9 $PPID'"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        database.PostgreSQL.setUpClass.__func__(cls)

    def ask(self, relay, query):
        return tap.run(["psql", "-X", "-At", "-c", query, "host=localhost port=%d user=tester dbname=postgres sslmode=verify-full sslrootcert=%s" % (
            relay.port("postgres"), self.certificate.certificate)], env=tap.environment(PGPASSWORD="secret"))

    def wait_until_it_is_back(self, relay):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            done = self.ask(relay, "select 6 * 7")
            if done.stdout == b"42\n":
                return
            self.assertNotEqual(done.returncode, 0)
        self.fail(done.stderr)

    def test_psql_tells_and_so_does_the_log(self):
        for way, alert in (("alert", "record_overflow"), ("alert-reset", "record_overflow"), ("reset", None)):
            for version in ("TLSv1.2", "TLSv1.3"):
                with self.subTest(way=way, version=version):
                    relay = self.relay("postgres", self.port, "trustFin = no\nabortWith = %s\nsslVersion = %s\n" % (way, version))
                    self.wait_until_it_is_back(relay)
                    done = self.ask(relay, self.DIES)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr.decode(), "alert record overflow" if alert else "server closed the connection unexpectedly")
                    line = relay.wait("^cut action=aborted")
                    self.assertEqual((line["server_end"], line["complete"], line.get("alert_out")), ("truncated", "no", alert))


class UnixSocket(Case):
    """A server that a cut request is to be aborted to, on a socket that knows no RST."""
    HALF = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"

    def test_a_server_that_says_nothing_sees_an_end_and_the_log_tells(self):
        path = os.path.join(tap.temp_dir(self), "socket")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(DEADLINE)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--connect", "unix:" + path, "--cert", self.certificate.certificate,
                      "--key", self.certificate.key, "--profile", "https", "--TIMEOUTclose", "1")
        tap.start(self, [tap.built("tests/adversary/adversary_peer"), "-p", relay.port(), "-s", self.HALF, "none-at-boundary"])
        server, _ = listener.accept()
        with server:
            server.settimeout(DEADLINE)
            said = b""
            while piece := server.recv(4096):
                said += piece
        self.assertEqual(said.decode(), self.HALF)
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["action"]), ("cut", "aborted"))
        self.assertIn("looked like an end", line["reason"])


if __name__ == "__main__":
    tap.main(seconds=120)
