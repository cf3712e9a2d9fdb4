#!/usr/bin/python3
"""stunnel_test: the examples of stunnel's package and manual run as they stand, with real servers and stunnel itself as the other side.

Their ports are those of the protocols, and their files lie below /etc: so all of it runs in a network of its own, with folders of ours mounted
there, which takes root.
"""
import html
import imaplib
import os
import poplib
import re
import smtplib
import ssl
import subprocess
import sys
import unittest

for folder in ("", "../framing"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from rig import Relay, servers, tap
import apart
import mail_sessions_test as mail

DEADLINE = 20
SAMPLE = "/usr/share/doc/stunnel4/examples/stunnel.conf-sample"
MANUAL = "/usr/share/doc/stunnel4/stunnel.html"
WWW = "192.0.2.80"  # stunnel's socks server refuses to connect to 127.0.0.1
HOSTS = WWW + """ www.example.com
127.0.0.1 localhost default.internal.mydomain.com server1.internal.mydomain.com server2.internal.mydomain.com
127.0.0.2 pop.gmail.com imap.gmail.com smtp.gmail.com servername vpn_server
"""


def examples():
    """The manual's, as text."""
    with open(MANUAL, encoding="utf-8") as page:
        return [html.unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", page.read(), re.S)]


def example(*words):
    """The one that has all these words."""
    found = [text for text in examples() if all(word in text for word in words)]
    if len(found) != 1:
        raise AssertionError("%d examples have %s" % (len(found), words))
    return found[0]


def turned_on(*services):
    """Services of the package's sample that are comments there."""
    with open(SAMPLE, encoding="utf-8-sig") as file:
        text = re.sub(r"^;(?=\S)", "", file.read(), flags=re.M)
    sections = {section.partition("]")[0]: section for section in re.split(r"^\[", text, flags=re.M)[1:]}
    return "".join("[" + re.sub(r"^;.*\n", "", sections[name], flags=re.M) for name in services)


@unittest.skipUnless(apart.is_apart(), apart.WHY_NOT)
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        os.chmod(cls.folder, 0o755)
        cls.names = "DNS:localhost,DNS:pop.gmail.com,DNS:imap.gmail.com,DNS:smtp.gmail.com,DNS:servername,DNS:vpn_server,IP:127.0.0.1"
        cls.certificate = servers.Certificate(cls.folder, names=cls.names)
        apart.ip("address replace %s/32 dev lo" % WWW)
        apart.mount(cls.shared, servers.write(cls.folder, "hosts", HOSTS), "/etc/hosts")
        for name, target in (("etc", "/etc/stunnel"), ("certs", "/etc/ssl/certs")):
            os.mkdir(os.path.join(cls.folder, name))
            apart.mount(cls.shared, os.path.join(cls.folder, name), target)
        cls.put("/etc/stunnel", "stunnel.pem", cls.certificate)
        servers.write("/etc/ssl/certs", "ours.pem", cls.read(cls.certificate.certificate))
        subprocess.run(["openssl", "rehash", "/etc/ssl/certs"], check=True, timeout=DEADLINE)

    @staticmethod
    def read(path):
        with open(path, encoding="ascii") as file:
            return file.read()

    @classmethod
    def put(cls, folder, name, certificate):
        """Certificate and key in one file, as stunnel takes them."""
        return servers.write(folder, name, cls.read(certificate.certificate) + cls.read(certificate.key))

    def relay(self, config=None, *flags, path=None):
        return Relay(self, *flags, config=config, path=path, cwd=self.folder)

    def stunnel(self, config, port):
        path = servers.write(tap.temp_dir(self), "peer.conf", "foreground = yes\npid =\n" + config)
        return tap.start(self, ["stunnel4", path], port=port, cwd=self.folder)

    def whole(self, relay, service, **fields):
        line = relay.wait("^[a-z]+ action=.* listener=%s " % service)
        self.assertIn(line.outcome, ("whole", "tolerated"), line.text)
        self.assertEqual(line["lost"], "0", line.text)
        for name, value in fields.items():
            self.assertEqual(line.get(name), value, line.text)
        return line

    def pop3(self, client):
        client.user("a")
        client.pass_("secret")
        self.assertEqual(client.stat()[0], 3)
        client.quit()

    def imap(self, client):
        client.login("a", "secret")
        self.assertEqual(client.select("INBOX"), ("OK", [b"3"]))
        client.logout()

    def smtp(self, client):
        self.assertEqual(client.sendmail("a@localhost", ["b@localhost"], mail.MESSAGE), {})
        client.quit()


class Clients(Case):
    """The package's sample, byte for byte: plain clients, and servers in TLS, which stunnel makes of Exim and Dovecot."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.smtp_port, cls.ports = mail.exim(cls.shared), mail.dovecot(cls.shared)

    PEER = "cert = /etc/stunnel/stunnel.pem\n[a]\naccept = 127.0.0.2:%d\nconnect = 127.0.0.1:%d\n"

    def peer(self, port, backend):
        self.stunnel(self.PEER % (port, backend), port)

    def test_the_sample_of_the_package_runs_unchanged(self):
        for port, backend in ((995, self.ports["pop3"]), (993, self.ports["imap"]), (465, self.smtp_port)):
            self.peer(port, backend)
        relay = self.relay(path=SAMPLE)
        self.pop3(poplib.POP3("127.0.0.1", 110, timeout=DEADLINE))
        self.whole(relay, "gmail-pop3", server="tls:pop.gmail.com:995", server_tls="1.3", profile="pop3", complete="yes", server_end="closed")
        self.imap(imaplib.IMAP4("127.0.0.1", 143, timeout=DEADLINE))
        self.whole(relay, "gmail-imap", server="tls:imap.gmail.com:993", profile="imap", complete="yes", server_end="closed")
        self.smtp(smtplib.SMTP("127.0.0.1", 25, timeout=DEADLINE))
        self.whole(relay, "gmail-smtp", server="tls:smtp.gmail.com:465", profile="smtp", complete="yes", server_end="closed")
        relay.wait("warning .*OCSPaia")
        self.assertEqual(relay.end(), 0)

    def test_who_is_not_verified_is_told_to_the_client_by_no_end(self):
        other = servers.Certificate(self.folder, names="DNS:pop.gmail.com", name="other")
        self.stunnel("cert = %s\n[a]\naccept = 127.0.0.2:995\nconnect = 127.0.0.1:%d\n" % (
            self.put(self.folder, "other-both.pem", other), self.ports["pop3"]), 995)
        relay = self.relay(path=SAMPLE)
        self.assertRaises(ConnectionResetError, poplib.POP3, "127.0.0.1", 110, timeout=DEADLINE)
        line = relay.wait("^failed action=aborted listener=gmail-pop3 ")
        self.assertRegex(line["reason"], "no root here vouches for it")

    def test_the_client_of_the_manual(self):
        """accept = 143, connect = servername:993; here the server is believed by the system's roots."""
        self.peer(993, self.ports["imap"])
        relay = self.relay(example("servername:993"))
        self.imap(imaplib.IMAP4("127.0.0.1", 143, timeout=DEADLINE))
        self.whole(relay, "imap", server="tls:servername:993", server_tls="1.3")

    def test_the_socks_client_of_the_manual_before_its_socks_server(self):
        self.put(self.folder, "stunnel.pem", self.certificate)
        servers.write(self.folder, "stunnel.key", self.read(self.certificate.key))
        web(self, 80, "example")
        self.stunnel(example("protocol = socks"), 9080)
        relay = self.relay(example("[socks_client]"))
        done = tap.run(["curl", "-sS", "--max-time", str(DEADLINE), "--socks4a", "localhost", "http://www.example.com/"])
        self.assertEqual((done.returncode, done.stdout), (0, b"example\n"), done.stderr)
        self.whole(relay, "socks_client", server="tls:vpn_server:9080", server_tls="1.3")


def web(case, port, says):
    """nginx in the clear, which says one thing."""
    folder = tap.temp_dir(case)
    config = servers.write(folder, "nginx.conf", """
        daemon off; master_process off; user root; pid %(folder)s/pid; error_log %(folder)s/error.log; events { worker_connections 64; }
        http {
          access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
          uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
          server { listen %(port)d; location / { return 200 "%(says)s\\n"; } }
        }""" % {"folder": folder, "port": port, "says": says})
    tap.start(case, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=port)


class Servers(Case):
    """Services of the sample that take TLS off, once they are turned on, and those of the manual."""

    def context(self):
        return ssl.create_default_context(cafile=self.certificate.certificate)

    def test_the_mail_services_of_the_sample(self):
        mail.dovecot(self, imap=143, pop3=110)
        mail.exim(self, 25)
        relay = self.relay(turned_on("pop3s", "imaps", "ssmtp"))
        self.pop3(poplib.POP3_SSL("localhost", 995, timeout=DEADLINE, context=self.context()))
        self.whole(relay, "pop3s", tls="1.3", profile="pop3", complete="yes", server_end="closed")
        self.imap(imaplib.IMAP4_SSL("localhost", 993, timeout=DEADLINE, ssl_context=self.context()))
        self.whole(relay, "imaps", tls="1.3", profile="imap", complete="yes", server_end="closed")
        self.smtp(smtplib.SMTP_SSL("localhost", 465, timeout=DEADLINE, context=self.context()))
        self.whole(relay, "ssmtp", tls="1.3", profile="submission", complete="yes", server_end="closed")
        self.stunnel("client = yes\n[a]\naccept = 127.0.0.1:1110\nconnect = localhost:995\nverifyPeer = yes\nCAfile = /etc/stunnel/stunnel.pem\n", 1110)
        self.pop3(poplib.POP3("127.0.0.1", 1110, timeout=DEADLINE))
        self.assertEqual(relay.wait_connection(4)["client_end"], "closed")

    def test_the_web_service_of_the_sample(self):
        web(self, 80, "page")
        relay = self.relay(turned_on("https"))
        done = tap.run(["curl", "-sS", "--max-time", str(DEADLINE), "--cacert", self.certificate.certificate, "https://localhost/"])
        self.assertEqual((done.returncode, done.stdout), (0, b"page\n"), done.stderr)
        self.whole(relay, "https", tls="1.3", profile="https", complete="yes", client_end="closed", server_end="closed")

    def test_the_imapd_of_the_manual_needs_but_a_certificate(self):
        mail.dovecot(self, imap=143)
        relay = self.relay(example("[imapd]", "connect = 143"), "--cert", "/etc/stunnel/stunnel.pem")
        self.imap(imaplib.IMAP4_SSL("localhost", 993, timeout=DEADLINE, ssl_context=self.context()))
        self.whole(relay, "imapd", tls="1.3", profile="imap", complete="yes", server_end="closed")

    def test_the_names_of_the_manual(self):
        for port, says in ((8080, "default"), (8081, "one"), (8082, "two")):
            web(self, port, says)
        client = servers.Certificate(self.folder, name="client")
        servers.write(self.folder, "server2-allowed-clients.pem", self.read(client.certificate))
        for name, names in (("default", "DNS:other.mydomain.com"), ("server1", "DNS:server1.mydomain.com"), ("server2", "DNS:server2.mydomain.com")):
            self.put(self.folder, name + ".pem", servers.Certificate(self.folder, names=names, name=name + "-own"))
        relay = self.relay(example("[virtual]", "[sni2]"))
        for name, says, service, more in (
                ("other.mydomain.com", b"default\n", "virtual", []), ("server1.mydomain.com", b"one\n", "sni1", []),
                ("server2.mydomain.com", b"two\n", "sni2", ["--cert", client.certificate, "--key", client.key])):
            own = os.path.join(self.folder, {"virtual": "default", "sni1": "server1", "sni2": "server2"}[service] + "-own.pem")
            done = tap.run(["curl", "-sS", "--max-time", str(DEADLINE), "--resolve", "%s:443:127.0.0.1" % name, "--cacert", own, *more, "https://%s/" % name])
            self.assertEqual((done.returncode, done.stdout), (0, says), done.stderr)
            self.whole(relay, service, sni=name)
        done = tap.run(["curl", "-sS", "--max-time", str(DEADLINE), "--resolve", "server2.mydomain.com:443:127.0.0.1", "-k", "https://server2.mydomain.com/"])
        self.assertNotEqual(done.returncode, 0)
        line = relay.wait("^refused action=aborted listener=sni2 ")
        self.assertEqual(line["reason"], "the client showed no certificate")


if __name__ == "__main__":
    apart.go()
    tap.main(seconds=90)
