#!/usr/bin/python3
"""shim_test: a small runner of our own, Python's ssl module, drives the shim and sees on the wire what each flag promises.

A case is a claim of one flag or two.  Where the version may matter it is met in TLS 1.2 and 1.3, where the role may, as
client and as server.  Endings that no proper TLS library makes come from the adversary.
"""
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import unittest
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

warnings.simplefilter("ignore", DeprecationWarning)  # the old versions are the point
SHIM, PEER = tap.built("tests/shim/shim"), tap.built("tests/adversary/adversary_peer")
V10, V11, V12, V13 = (getattr(ssl.TLSVersion, "TLSv1" + minor) for minor in ("", "_1", "_2", "_3"))
BOTH, SECONDS = (V12, V13), 20


def inverted(octets):
    return bytes(octet ^ 0xff for octet in octets)


class Line:
    """One TLS connection with the shim, from the runner's side."""

    def __init__(self, raw, context, serves, session=None):
        self.tls = context.wrap_socket(raw, server_side=serves, suppress_ragged_eofs=False, do_handshake_on_connect=False,
                                       server_hostname=None if serves else "runner.example", session=session)
        self.tls.do_handshake()
        self.version, self.cipher, self.alpn = self.tls.version(), self.tls.cipher()[0], self.tls.selected_alpn_protocol()
        self.certificate, self.session = self.tls.getpeercert(binary_form=True), None

    def read(self, want):
        got = b""
        while len(got) < want:
            piece = self.tls.recv(want - len(got))
            if not piece:
                break
            got += piece
        return got

    def pieces(self, want):
        """Reads `want` bytes; the length of each record."""
        lengths = []
        while sum(lengths) < want:
            lengths.append(len(self.tls.recv(65536)))
        return lengths

    def close(self):
        """close_notify both ways, then the transport."""
        self.session = self.tls.session
        self.tls.unwrap()
        self.leave()

    def send_close_notify(self):
        self.tls.settimeout(0)
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.tls.settimeout(SECONDS)

    def send_fin(self):
        """A FIN with no close_notify before."""
        with socket.socket(fileno=os.dup(self.tls.fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)

    def ending(self):
        """How the shim ended: "close_notify", "FIN", or the reason that OpenSSL gives."""
        try:
            while self.tls.recv(65536):
                pass
            return "close_notify"
        except ssl.SSLZeroReturnError:  # what Python makes of it after a close_notify of its own
            return "close_notify"
        except ssl.SSLEOFError:
            return "FIN"
        except ssl.SSLError as error:
            return error.reason

    def segments(self):
        """Segments with data that came in."""
        info = self.tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
        return struct.unpack_from("I", info, 152)[0]

    def leave(self):
        self.tls.close()


class Run(unittest.TestCase):
    """What all cases share: certificates, contexts, a shim that connects."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tap.tempfile.TemporaryDirectory(prefix="lastword-test.")
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", cls.path(name + ".key"), "-out", cls.path(name + ".pem"), "-subj", "/CN=" + name,
                            "-days", "2"], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def context(self, version, serves, least=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serves else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = least or version, version
        context.load_cert_chain(self.path("one.pem"), self.path("one.key"))
        return context

    def start(self, *flags, server=False, family=socket.AF_INET):
        """A listener, and a shim that will connect to it."""
        listener = socket.create_server(("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family)
        listener.settimeout(SECONDS)
        self.addCleanup(listener.close)
        argv = [SHIM, "-port", str(listener.getsockname()[1]), *flags]
        if server:
            argv += ["-server", "-cert-file", self.path("two.pem"), "-key-file", self.path("two.key")]
        return listener, tap.start(self, argv)

    def accept(self, listener, context, server=False, session=None):
        raw = listener.accept()[0]
        raw.settimeout(SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(raw.close)
        line = Line(raw, context, not server, session)
        self.addCleanup(line.leave)
        return line

    def meet(self, *flags, version=V13, server=False, context=None):
        """One connection, after its handshake, and the shim's process."""
        listener, shim = self.start(*flags, server=server)
        return self.accept(listener, context or self.context(version, not server), server), shim

    def refused(self, *flags, version=V13, server=False, context=None):
        """The handshake, or what the shim expects of it, fails, and the shim says so.  What it said."""
        listener, shim = self.start(*flags, server=server)
        try:
            line = self.accept(listener, context or self.context(version, not server), server)
            line.ending()
            line.leave()
        except (ssl.SSLError, ConnectionError):
            pass
        return self.over(shim, 1)

    def over(self, shim, status=0):
        self.assertEqual(shim.wait(SECONDS), status, shim.tell())
        return shim.err.decode(errors="replace")

    def echo(self, line, text=b"ping"):
        line.tls.sendall(text)
        self.assertEqual(line.read(len(text)), inverted(text))

    def is_fine(self, *flags, **how):
        """A whole conversation with a proper end goes well."""
        line, shim = self.meet(*flags, **how)
        self.echo(line)
        line.close()
        self.over(shim)
        return line

    def each(self, versions=BOTH, roles=(False, True)):
        return [{"version": version, "server": server} for version in versions for server in roles]


class Protocol(Run):
    def test_every_bit_is_turned_over(self):
        for how in self.each():
            line, shim = self.meet(**how)
            self.echo(line, bytes(range(256)) * 40)
            line.close()
            self.assertTrue(self.over(shim).endswith("--- DONE ---\n"))

    def test_an_unknown_flag_is_refused_by_89(self):
        for flag in ("-dtls", "-quic", "-peek-then-read", "-no-such-flag", "-on-retry-async", "port"):
            done = tap.run([SHIM, "-port", "1", flag])
            self.assertEqual((done.returncode, done.stdout), (89, b""), flag)
            self.assertIn(flag.encode(), done.stderr)

    def test_a_flag_without_its_value_is_an_error(self):
        for words in (["-port"], ["-port", "x"], ["-port", "70000"], ["-port", "-1"], []):
            self.assertEqual(tap.run([SHIM, *words]).returncode, 1, words)

    def test_no_handshaker_is_supported(self):
        done = tap.run([SHIM, "-is-handshaker-supported"])
        self.assertEqual((done.returncode, done.stdout), (0, b"No\n"))

    def test_nobody_listening_is_an_error(self):
        done = tap.run([SHIM, "-port", tap.free_port()])
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot connect", done.stderr)

    def test_the_id_comes_first_little_endian(self):
        listener, shim = self.start("-shim-id", str(0x0102030405060708))
        raw = listener.accept()[0]
        raw.settimeout(SECONDS)
        self.assertEqual(raw.recv(8, socket.MSG_WAITALL), bytes(range(8, 0, -1)))
        line = Line(raw, self.context(V13, True), True)
        self.echo(line)
        line.close()
        self.over(shim)

    def test_ipv6_is_taken_if_asked_for(self):
        listener, shim = self.start("-ipv6", family=socket.AF_INET6)
        line = self.accept(listener, self.context(V13, True))
        self.echo(line)
        line.close()
        self.over(shim)


class Ending(Run):
    def test_with_check_close_notify_a_bare_fin_fails(self):
        for how in self.each():
            line, shim = self.meet("-check-close-notify", **how)
            self.echo(line)
            line.send_fin()
            line.ending()
            self.assertIn(":READ_truncated:", self.over(shim, 1))

    def test_with_check_close_notify_a_close_notify_is_fine(self):
        for how in self.each():
            line, shim = self.meet("-check-close-notify", **how)
            self.echo(line)
            line.send_close_notify()
            self.assertEqual(line.ending(), "close_notify")
            line.leave()
            self.over(shim)

    def test_without_it_a_bare_fin_is_fine_and_still_answered(self):
        for how in self.each():
            line, shim = self.meet(**how)
            self.echo(line)
            line.send_fin()
            self.assertEqual(line.ending(), "close_notify")
            line.leave()
            self.over(shim)

    def test_shim_shuts_down_sends_close_notify_first(self):
        for how in self.each():
            line, shim = self.meet("-shim-shuts-down", "-check-close-notify", **how)
            self.assertEqual(line.tls.recv(100), b"")  # nothing was sent to it
            line.close()
            self.over(shim)

    def test_shim_shuts_down_and_checks_the_answer(self):
        for how in self.each():
            line, shim = self.meet("-shim-shuts-down", "-check-close-notify", **how)
            self.assertEqual(line.ending(), "close_notify")
            line.send_fin()
            self.assertIn(":READ_truncated:WRITE_closed:", self.over(shim, 1))

    def test_shim_shuts_down_unchecked_needs_no_answer(self):
        for how in self.each():
            line, shim = self.meet("-shim-shuts-down", **how)
            self.assertEqual(line.ending(), "close_notify")
            line.send_fin()
            line.leave()
            self.over(shim)

    def test_shim_writes_first(self):
        for how in self.each():
            line, shim = self.meet("-shim-writes-first", **how)
            self.assertEqual(line.read(5), b"hello")
            self.echo(line)
            line.close()
            self.over(shim)

    def test_shim_writes_first_then_shuts_down(self):
        for how in self.each():
            line, shim = self.meet("-shim-writes-first", "-shim-shuts-down", "-check-close-notify", **how)
            self.assertEqual(line.read(100), b"hello")
            line.close()
            self.over(shim)

    def test_send_alert_sends_a_fatal_alert(self):
        for how in self.each():
            line, shim = self.meet("-send-alert", **how)
            self.assertRegex(line.ending(), "ALERT")
            line.leave()
            self.over(shim)

    def test_of_every_ending_of_the_adversary(self):
        """Status with -check-close-notify, without it, and a word of what it says."""
        for ending, checked, unchecked, word in (
                ("close-notify", 0, 0, ""), ("none-at-boundary", 1, 0, ":READ_truncated:"),
                ("inside-record", 1, 1, ":READ_truncated:"), ("reset", 1, 1, "_reset:"),
                ("fatal-alert", 1, 1, ":ALERT_RECEIVED_handshake_failure:")):
            for version in ("1.2", "1.3"):
                for flags, status in (["-check-close-notify"], checked), ([], unchecked):
                    with self.subTest(ending=ending, version=version, flags=flags):
                        peer = tap.start(self, [PEER, "-v", version, ending], line=r"^port (\d+)$")
                        shim = tap.start(self, [SHIM, "-port", peer.said.group(1), *flags])
                        said = self.over(shim, status)
                        self.assertTrue(not status or word in said, said)
                        peer.wait(SECONDS)


class Transport(Run):
    def test_async_moves_octet_by_octet(self):
        for how in self.each():
            segments = {}
            for flags in [], ["-async"]:
                line, shim = self.meet("-check-close-notify", *flags, **how)
                self.echo(line, b"x" * 500)
                segments[len(flags)] = line.segments()
                line.close()
                self.over(shim)
            self.assertLess(segments[0], 20)
            self.assertGreater(segments[1], 40)  # TCP puts some together

    def test_async_ends_as_checked(self):
        for how in self.each():
            line, shim = self.meet("-async", "-check-close-notify", **how)
            self.echo(line)
            line.send_fin()
            line.ending()
            self.assertIn(":READ_truncated:", self.over(shim, 1))

    def test_async_shuts_down_and_aborts(self):
        for how in self.each():
            line, shim = self.meet("-async", "-shim-shuts-down", "-check-close-notify", **how)
            self.assertEqual(line.ending(), "close_notify")
            line.close()
            self.over(shim)
            line, shim = self.meet("-async", "-send-alert", **how)
            self.assertRegex(line.ending(), "ALERT")
            line.leave()
            self.over(shim)

    def test_it_reads_with_an_unfinished_write(self):
        for how in self.each():
            line, shim = self.meet("-async", "-read-with-unfinished-write", **how)
            line.tls.sendall(b"go on")
            self.assertEqual(line.read(10), b"hello" + inverted(b"go on"))
            line.close()
            self.over(shim)

    def test_an_unfinished_write_needs_async(self):
        self.assertEqual(tap.run([SHIM, "-port", "1", "-read-with-unfinished-write"]).returncode, 1)

    def test_read_size_is_what_a_read_gives_at_most(self):
        for how in self.each():
            line, shim = self.meet("-read-size", "3", **how)
            line.tls.sendall(b"0123456789")
            self.assertEqual(line.pieces(10), [3, 3, 3, 1])
            line.close()
            self.over(shim)

    def test_different_record_sizes_arrive_whole(self):
        sizes = (1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769)
        for how in self.each():
            for flags in [], ["-partial-write"]:
                line, shim = self.meet("-write-different-record-sizes", *flags, **how)
                self.assertEqual(line.read(10 ** 6), b"\x42" * sum(sizes))
                line.close()
                self.over(shim)


class Handshake(Run):
    def test_versions(self):
        for flags, agreed in ((["-max-version", "771"], "TLSv1.2"), (["-no-tls13"], "TLSv1.2"),
                              (["-min-version", "772"], "TLSv1.3"), (["-no-tls1", "-no-tls11", "-no-tls12"], "TLSv1.3"),
                              (["-max-version", "769", "-expect-version", "769"], "TLSv1"),
                              (["-no-tls12", "-no-tls13", "-expect-version", "770"], "TLSv1.1")):
            for server in False, True:
                with self.subTest(flags=flags, server=server):
                    context = self.context(V13, not server, least=V10)
                    line, shim = self.meet(*flags, server=server, context=context)
                    self.assertEqual(line.version, agreed)
                    line.close()
                    self.over(shim)

    def test_a_version_that_is_off_is_refused(self):
        for flag, version in (("-no-tls1", V10), ("-no-tls11", V11), ("-no-tls12", V12), ("-no-tls13", V13)):
            for how in self.each(versions=[version]):
                self.assertIn("handshake", self.refused(flag, **how))

    def test_min_and_max_refuse(self):
        self.assertIn("handshake", self.refused("-min-version", "772", version=V12))
        self.assertIn("handshake", self.refused("-max-version", "771", version=V13))

    def test_another_version_than_expected_fails(self):
        for how in self.each():
            self.assertIn("another version", self.refused("-expect-version", "770", **how))
            self.is_fine("-expect-version", str(how["version"].value), **how)

    def test_host_name_is_sent(self):
        seen = []
        context = self.context(V13, True)
        context.sni_callback = lambda tls, name, _: seen.append(name)
        self.is_fine("-host-name", "shim.example", context=context)
        self.assertEqual(seen, ["shim.example"])

    def test_server_name_is_expected(self):
        self.is_fine("-expect-server-name", "runner.example", server=True)
        self.assertIn("another server", self.refused("-expect-server-name", "else.example", server=True))

    def test_alpn_as_client(self):
        context = self.context(V13, True)
        context.set_alpn_protocols(["bar"])
        flags = ["-advertise-alpn", "\3foo\3bar"]
        self.assertEqual(self.is_fine(*flags, "-expect-alpn", "bar", context=context).alpn, "bar")
        self.assertIn("ALPN", self.refused(*flags, "-expect-alpn", "foo", context=context))
        self.assertIn("ALPN", self.refused(*flags, context=context))

    def test_alpn_as_server(self):
        context = self.context(V13, False)
        context.set_alpn_protocols(["foo", "bar"])
        how = {"server": True, "context": context}
        for flags, agreed in (["-select-alpn", "bar"], "bar"), (["-decline-alpn"], None), ([], None), (
                ["-select-alpn", "foo", "-expect-advertised-alpn", "\3foo\3bar"], "foo"):
            line, shim = self.meet(*flags, **how)
            self.assertEqual(line.alpn, agreed)
            line.close()
            self.over(shim)
        self.refused("-reject-alpn", **how)
        self.assertIn("advertises", self.refused("-select-alpn", "foo", "-expect-advertised-alpn", "\3foo", **how))

    def test_cipher(self):
        line = self.is_fine("-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-expect-cipher", str(0xc02c), version=V12)
        self.assertEqual(line.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384")
        self.assertIn("another cipher", self.refused("-expect-cipher", "1", version=V12))

    def test_other_ways_to_shake_hands(self):
        for flag in "-implicit-handshake", "-handshake-twice", "-no-op-extra-handshake":
            for how in self.each():
                self.is_fine(flag, **how)

    def test_extended_master_secret_is_expected(self):
        self.is_fine("-expect-extended-master-secret", version=V12)
        context = self.context(V12, True)
        context.options |= 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET, which Python has no name for
        self.assertIn("extended master", self.refused("-expect-extended-master-secret", context=context))

    def test_key_update_comes_before_each_answer(self):
        seen = []
        context = self.context(V13, True)
        context._msg_callback = lambda _, direction, version, kind, message, data: seen.append((direction, message))
        line, shim = self.meet("-key-update", context=context)
        for _ in range(3):
            self.echo(line)
        line.close()
        self.over(shim)
        self.assertEqual(sum(1 for way, message in seen if way == "read" and getattr(message, "value", message) == 24), 3)

    def test_keying_material_is_that_of_the_peer(self):
        port = tap.free_port()
        peer = tap.start(self, ["openssl", "s_server", "-accept", str(port), "-cert", self.path("one.pem"), "-key",
                                self.path("one.key"), "-keymatexport", "a label", "-keymatexportlen", "32", "-naccept", "1"],
                         port=port, stdin=subprocess.PIPE)
        shim = tap.start(self, [SHIM, "-port", str(port), "-export-keying-material", "32", "-export-label", "a label",
                                "-shim-shuts-down"])
        self.over(shim)
        peer.wait(SECONDS)
        material = bytes.fromhex(re.search(rb"Keying material: ([0-9A-F]{64})", peer.out)[1].decode())
        self.assertIn(material, peer.out)


class Certificates(Run):
    def test_the_server_shows_its_own(self):
        for version in BOTH:
            line = self.is_fine(server=True, version=version)
            shown = ssl.DER_cert_to_PEM_cert(line.certificate)
            with open(self.path("two.pem")) as file:
                self.assertEqual(shown, file.read())

    def test_the_client_shows_its_own(self):
        for version in BOTH:
            context = self.context(version, True)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("two.pem"))
            self.is_fine("-cert-file", self.path("two.pem"), "-key-file", self.path("two.key"), context=context)
            self.assertIn(":ALERT_RECEIVED_", self.refused(context=context))

    def test_any_client_certificate_is_required(self):
        for version in BOTH:
            self.is_fine("-require-any-client-certificate", server=True, version=version)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = version
            self.assertIn("handshake", self.refused("-require-any-client-certificate", server=True, context=context))

    def test_a_trusted_certificate_is_verified(self):
        for version in BOTH:
            self.is_fine("-verify-peer", "-trust-cert", self.path("one.pem"), "-expect-verify-result", version=version)
            self.refused("-verify-peer", "-trust-cert", self.path("two.pem"), version=version)

    def test_verification_fails_where_it_is_to(self):
        self.refused("-verify-peer", "-verify-fail")
        self.is_fine("-verify-fail", "-expect-verify-result")
        self.assertIn("verification", self.refused("-expect-verify-result", "-trust-cert", self.path("two.pem")))

    def test_files_that_are_not_there(self):
        for flag in "-cert-file", "-trust-cert":
            self.assertEqual(tap.run([SHIM, "-port", "1", flag, self.path("none")]).returncode, 1)


class Sessions(Run):
    def talk(self, listener, context, server, session=None):
        line = self.accept(listener, context, server, session)
        self.echo(line)
        kept, reused = None if not server else line.tls.session, line.tls.session_reused
        line.close()
        return kept, reused

    def test_sessions_are_resumed(self):
        for how in self.each():
            context = self.context(how["version"], not how["server"])
            listener, shim = self.start("-resume-count", "2", "-check-close-notify", server=how["server"])
            session, first = self.talk(listener, context, how["server"])
            _, second = self.talk(listener, context, how["server"], session)
            _, third = self.talk(listener, context, how["server"], session)
            self.assertEqual((first, second, third), (False, True, True))
            self.over(shim)

    def test_a_miss_fails_unless_it_is_expected(self):
        for how in self.each(roles=[True]):
            for flags, status in ([], 1), (["-on-resume-expect-session-miss"], 0):
                context = self.context(how["version"], False)
                listener, shim = self.start("-resume-count", "1", *flags, server=True)
                self.talk(listener, context, True)
                line = self.accept(listener, context, True)  # offers none
                line.send_close_notify()
                line.ending()
                line.leave()
                self.over(shim, status)

    def test_a_flag_may_be_for_one_connection(self):
        for prefix, expected in ("-on-initial-", (b"hello", b"")), ("-on-resume-", (b"", b"hello")), ("-", (b"hello",) * 2):
            context, got = self.context(V13, True), []
            listener, shim = self.start("-resume-count", "1", prefix + "shim-writes-first")
            for words in expected:
                line = self.accept(listener, context)
                line.tls.sendall(b"x")
                got.append(line.read(len(words) + 1))
                line.close()
            self.assertEqual(got, [words + inverted(b"x") for words in expected])
            self.over(shim)

    def test_no_ticket_gives_none(self):
        for flags, has in (["-no-ticket"], False), ([], True):
            line = self.is_fine(*flags, server=True, version=V12)
            self.assertEqual(bool(line.session) and line.session.has_ticket, has)


if __name__ == "__main__":
    tap.main()
