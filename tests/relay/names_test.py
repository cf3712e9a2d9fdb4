#!/usr/bin/python3
"""names_test: the name that a client asks for chooses certificate and backend; sessions are resumed; who may come, and which backend is believed,
is decided in the handshake, and whoever is refused sees an alert and leaves one line that says why."""
import os
import re
import socket
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from authority import Authority
from rig import Relay, servers, tap

DEADLINE = 20


def speaker(case, says):
    """A plain server that answers each line with what it is called and the line, and ends when the client does; its port."""
    def talk(connection):
        with connection.makefile("rwb") as file:
            for line in file:
                file.write(says.encode() + b" " + line)
                file.flush()
    return servers.Raw(case, talk).port


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        cls.ca = Authority(cls.folder)
        cls.server = cls.ca.issue("server")
        cls.port = speaker(cls.shared, "one")

    def context(self, version=None, certificate=None, ca=None):
        context = ssl.create_default_context(cafile=(ca or self.ca).certificate)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return context

    def connect(self, relay, context, name="localhost", session=None, service="relay"):
        raw = socket.create_connection(("127.0.0.1", relay.port(service)), DEADLINE)
        try:
            return context.wrap_socket(raw, server_hostname=name, session=session, suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise

    def ask(self, connection, line=b"hello\n"):
        """What comes in answer to a line."""
        connection.sendall(line)
        said = b""
        while not said.endswith(b"\n"):
            piece = connection.recv(4096)
            if not piece:
                break
            said += piece
        return said

    def finish(self, connection):
        """Ends properly, both ways."""
        connection.unwrap().close()

    def relay(self, *flags):
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.server.certificate, "--key", self.server.key, "--connect",
                     "tcp:127.0.0.1:%d" % self.port, *flags)


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Names(Case):
    def test_the_name_chooses_certificate_and_backend(self):
        rows = [("shop", "shop.example.org"), ("any", "*.example.org"), ("two", "example.net")]
        config = "[web]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\n" % (self.port, self.server.both)
        for service, name in rows:
            issued = self.ca.issue(service, "DNS:" + name)
            config += "[%s]\nsni = web:%s\nconnect = 127.0.0.1:%d\ncert = %s\n" % (service, name, speaker(self, service), issued.both)
        relay = Relay(self, config=config)
        asked = [("shop.example.org", "shop", b"shop"), ("a.example.org", "any", b"any"), ("example.net", "two", b"two"), ("localhost", "web", b"one")]
        for version in VERSIONS:
            for name, service, says in asked:
                with self.subTest(version=version, name=name):
                    connection = self.connect(relay, self.context(version), name, service="web")  # the certificate fits the name, or this fails
                    self.assertEqual(self.ask(connection), says + b" hello\n")
                    self.finish(connection)
                    line = relay.wait("listener=%s .* tls=%s sni=%s" % (service, version.name[-3:].replace("_", r"\."), re.escape(name)))
                    self.assertEqual(line.outcome, "whole")

    def test_a_name_that_nobody_has_gets_the_usual_certificate(self):
        relay, context = self.relay(), self.context()
        self.assertRaises(ssl.SSLCertVerificationError, self.connect, relay, context, "nobody.example")
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["sni"], line["alert_in"]), ("refused", "nobody.example", "bad_certificate"))
        context.check_hostname = False
        self.finish(self.connect(relay, context, "nobody.example"))

    def test_protocols_are_agreed_on_or_refused(self):
        relay, context = self.relay("--alpn", "h2,http/1.1"), self.context()
        for offered, agreed in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["x", "h2"], "h2"), (None, None)):
            with self.subTest(offered):
                context = self.context()
                if offered:
                    context.set_alpn_protocols(offered)
                connection = self.connect(relay, context)
                self.assertEqual(connection.selected_alpn_protocol(), agreed)
                self.finish(connection)
        context.set_alpn_protocols(["x"])
        with self.assertRaisesRegex(ssl.SSLError, "no application protocol"):
            self.connect(relay, context)
        line = relay.wait("^refused ")
        self.assertEqual((line["alert_out"], line["reason"]), ("no_application_protocol", "the client speaks none of the protocols of alpn"))


class Tickets(Case):
    CONFIG = "workers = 2\nmetrics = 127.0.0.1:0\n[relay]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\n"

    def talk(self, relay, context, session=None):
        connection = self.connect(relay, context, session=session)
        self.assertEqual(self.ask(connection), b"one hello\n")
        was_resumed, session = connection.session_reused, connection.session
        self.finish(connection)
        return was_resumed, session

    def test_sessions_are_resumed_on_all_workers_and_after_a_reload(self):
        config = self.CONFIG % (self.port, self.server.both)
        for version in VERSIONS:
            with self.subTest(version):
                relay, context = Relay(self, config=config), self.context(version)
                was_resumed, session = self.talk(relay, context)
                self.assertFalse(was_resumed)
                for _ in range(8):
                    was_resumed, new = self.talk(relay, context, session)
                    self.assertTrue(was_resumed)
                relay.rewrite(config + "TIMEOUTclose = 5\n")
                relay.wait("^reloaded ")
                was_resumed, session = self.talk(relay, context, new)
                self.assertTrue(was_resumed)
                self.assertIn('handshakes_total{leg="client",result="resumed"} 9\n', tap.run(["curl", "-sS", "http://%s/metrics" % relay.place("metrics")])
                              .stdout.decode())

    def test_sessions_are_not_resumed_where_tickets_are_off(self):
        relay = self.relay("--tickets", "no")
        for version in VERSIONS:
            context = self.context(version)
            _, session = self.talk(relay, context)
            self.assertFalse(self.talk(relay, context, session)[0])

    def test_a_ticket_of_another_service_is_not_taken(self):
        config = self.CONFIG % (self.port, self.server.both) + "[other]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\n" % (
            self.port, self.server.both)
        relay = Relay(self, config=config)
        for version in VERSIONS:
            context = self.context(version)
            _, session = self.talk(relay, context)
            connection = self.connect(relay, context, session=session, service="other")
            self.assertEqual(self.ask(connection), b"one hello\n")
            self.assertFalse(connection.session_reused)
            self.finish(connection)


class Clients(Case):
    """Who may come."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good, cls.bad, cls.gone = (cls.ca.issue(name, "DNS:" + name) for name in ("good", "bad", "gone"))
        cls.old = cls.ca.issue("old", "DNS:old", ("20200101000000Z", "20200201000000Z"))
        cls.stranger = Authority(cls.folder, "other-ca").issue("stranger", "DNS:stranger")
        cls.ca.revoke(cls.gone)

    def let_in(self, relay, certificate):
        for version in VERSIONS:
            connection = self.connect(relay, self.context(version, certificate))
            self.assertEqual(self.ask(connection), b"one hello\n")
            self.finish(connection)
        return relay.wait("^whole ")

    def turned_away(self, relay, certificate, alert, reason, version, number):
        """In TLS 1.3 a client's handshake is done before it hears that it is refused."""
        with self.assertRaisesRegex(ssl.SSLError, "(?i)alert " + alert.replace("_", " ")):
            self.ask(self.connect(relay, self.context(version, certificate)))
        line = relay.wait_connection(number)
        self.assertEqual((line.outcome, line["alert_out"]), ("refused", alert), line.text)
        self.assertRegex(line["reason"], reason)
        if certificate is not None:
            self.assertIn(os.path.basename(certificate.certificate)[:-4], line["reason"])
        self.assertNotIn("server", line)

    def check_refusals(self, relay, rows):
        number = 0
        for certificate, alert, reason in rows:
            for version in VERSIONS:
                with self.subTest(reason=reason, version=version):
                    number += 1
                    of_version = alert if isinstance(alert, str) else alert[version == ssl.TLSVersion.TLSv1_3]
                    self.turned_away(relay, certificate, of_version, reason, version, number)
        self.assertEqual(len([line for line in relay.lines() if "action" in line]), number, "one line each")

    def test_by_roots_and_revocation_list(self):
        relay = self.relay("--verifyChain", "yes", "--CAfile", self.ca.certificate, "--CRLfile", self.ca.crl)
        self.check_refusals(relay, [
            (None, ("handshake_failure", "certificate_required"), "^the client showed no certificate$"),
            (self.gone, "certificate_revoked", r"\(CN=gone,O=Example\).* revoked"),
            (self.old, "certificate_expired", r"\(CN=old,O=Example\).* expired"),
            (self.stranger, "unknown_ca", r"\(CN=stranger,O=Example\).* no root here")])
        line = self.let_in(relay, self.good)
        self.assertEqual(line["cert"], "CN=good,O=Example")

    def test_by_a_list_that_is_read_anew(self):
        done = tap.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", self.bad.certificate])
        fingerprint = done.stdout.decode().strip().partition("=")[2]
        allow = servers.write(self.folder, "allow", "# who may come\nCN=good,O=Example\n")
        config = "[relay]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\nverifyChain = yes\nCAfile = %s\nallow = %s\n" % (
            self.port, self.server.both, self.ca.certificate, allow)
        relay = Relay(self, config=config)
        self.check_refusals(relay, [(self.bad, ("bad_certificate", "bad_certificate"), "does not stand in the list of allow")])
        self.let_in(relay, self.good)
        servers.write(self.folder, "allow", "%s\n" % fingerprint)
        relay.rewrite(config)
        relay.wait("^reloaded ")
        self.let_in(relay, self.bad)
        with self.assertRaises(ssl.SSLError):
            self.ask(self.connect(relay, self.context(certificate=self.good)))

    def test_a_client_without_a_certificate_may_come_where_none_is_required(self):
        relay = self.relay("--verifyChain", "yes", "--requireCert", "no", "--CAfile", self.ca.certificate)
        self.assertNotIn("cert", self.let_in(relay, None))
        self.check_refusals_of_strangers(relay)

    def check_refusals_of_strangers(self, relay):
        with self.assertRaisesRegex(ssl.SSLError, "UNKNOWN_CA"):
            self.ask(self.connect(relay, self.context(certificate=self.stranger)))

    def test_a_session_is_not_resumed_past_a_new_revocation(self):
        ca = Authority(self.folder, "second")
        server, client = ca.issue("server"), ca.issue("client", "DNS:client")
        ca.revoke()
        config = "[relay]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\nverifyChain = yes\nCAfile = %s\nCRLfile = %s\n" % (
            self.port, server.both, ca.certificate, ca.crl)
        relay = Relay(self, config=config)
        context = self.context(certificate=client, ca=ca)
        connection = self.connect(relay, context)
        self.assertEqual(self.ask(connection), b"one hello\n")
        session = connection.session
        self.finish(connection)
        ca.revoke(client)
        relay.rewrite(config)
        relay.wait("^reloaded ")
        with self.assertRaisesRegex(ssl.SSLError, "CERTIFICATE_REVOKED"):
            self.ask(self.connect(relay, context, session=session))


class Backends(Case):
    """Which backend is believed.  The client is shown an alert, or RST, and never an end."""

    def backend(self, certificate, *options):
        """openssl s_server, which says "ready" to whom it shakes hands with; its port."""
        port = tap.free_port()
        tap.start(self, ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", certificate.certificate, "-key", certificate.key, "-rev",
                         *options], port=port, stdin=subprocess.PIPE)
        return port

    def tls_to_tls(self, port, *flags):
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.server.certificate, "--key", self.server.key, "--connect",
                     "tls:localhost:%d" % port, *flags)

    def refused(self, port, reason, *flags):
        flags = flags or ("--backendCAfile", self.ca.certificate)
        relay = self.tls_to_tls(port, *flags)
        for number, version in enumerate(VERSIONS, 1):
            with self.connect(relay, self.context(version)) as connection:
                self.assertRaisesRegex(ssl.SSLError, "(?i)alert", self.ask, connection)
            line = relay.wait_connection(number)
            self.assertEqual((line.outcome, line["action"]), ("failed", "aborted"), line.text)
            self.assertRegex(line["reason"], "tls:localhost:%d: .*%s" % (port, reason))
            self.assertNotEqual(line.get("alert_out"), "close_notify")
        plain = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tls:localhost:%d" % port, *[flag.replace("backendCA", "CA") for flag in flags])
        with self.assertRaises(ConnectionResetError):  # it may come before connect() is done
            with socket.create_connection(("127.0.0.1", plain.port()), DEADLINE) as client:
                client.recv(100)
        self.assertEqual(plain.wait_connection().outcome, "failed")

    def test_one_that_signed_itself(self):
        self.refused(self.backend(servers.Certificate(self.folder, name="own")), "no root here vouches for it")

    def test_one_that_the_systems_roots_do_not_know(self):
        port = self.backend(self.server)
        relay = self.tls_to_tls(port)
        with self.assertRaises(ssl.SSLError):
            self.ask(self.connect(relay, self.context()))
        self.assertIn("no root here vouches for it", relay.wait_connection()["reason"])

    def test_one_of_another_name(self):
        self.refused(self.backend(self.ca.issue("elsewhere", "DNS:elsewhere.example")), "it is for another name")

    def test_one_that_has_expired(self):
        self.refused(self.backend(self.ca.issue("past", "DNS:localhost", ("20200101000000Z", "20200201000000Z"))), "expired")

    def test_one_that_was_revoked(self):
        server = self.ca.issue("withdrawn")
        self.ca.revoke(server)
        port = self.backend(server)
        relay = self.tls_to_tls(port, "--backendCAfile", self.ca.certificate, "--backendCRLfile", self.ca.crl)
        self.assertRaises(ssl.SSLError, lambda: self.ask(self.connect(relay, self.context())))
        self.assertIn("revoked", relay.wait_connection()["reason"])

    def believed(self, port, *flags):
        relay = self.tls_to_tls(port, *flags)
        connection = self.connect(relay, self.context())
        self.assertEqual(self.ask(connection), b"olleh\n")
        self.finish(connection)
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["server_tls"]), ("whole", "1.3"), line.text)

    def test_one_of_the_right_name(self):
        self.believed(self.backend(self.server), "--backendCAfile", self.ca.certificate)

    def test_one_of_a_name_that_is_said(self):
        port = self.backend(self.ca.issue("inside", "DNS:inside.example"), "-servername", "inside.example", "-cert2", self.server.certificate, "-key2",
                            self.server.key, "-servername_fatal")
        self.believed(port, "--backendCAfile", self.ca.certificate, "--backendSni", "inside.example", "--backendCheckHost", "localhost")

    def test_any_where_that_is_said(self):
        self.believed(self.backend(servers.Certificate(self.folder, name="own2")), "--backendVerifyChain", "no")

    def test_one_that_asks_for_our_certificate(self):
        client = self.ca.issue("relay", "DNS:relay")
        port = self.backend(self.server, "-Verify", "1", "-verify_return_error", "-CAfile", self.ca.certificate)
        self.believed(port, "--backendCAfile", self.ca.certificate, "--backendCert", client.both)
        relay = self.tls_to_tls(port, "--backendCAfile", self.ca.certificate, "--backendSslVersionMax", "TLSv1.2")
        self.assertRaises(ssl.SSLError, lambda: self.ask(self.connect(relay, self.context())))
        self.assertIn("it wants a certificate of ours", relay.wait_connection()["reason"])


if __name__ == "__main__":
    tap.main()
