#!/usr/bin/python3
"""connect as a person drives it: every ending, every kind of input and output, signals, STARTTLS and bad input."""
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

LASTWORD = tap.built("lastword")
VERSIONS = ("1.2", "1.3")
ASK = "hey\n"


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tap.tempfile.TemporaryDirectory(prefix="lastword-test.")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.certificate = servers.Certificate(cls.folder.name)

    def run_connect(self, *options, ask=ASK, env=None, stdout=subprocess.PIPE, seconds=30):
        done = tap.run([LASTWORD, "connect", *options], input=ask, env=env, stdout=stdout, seconds=seconds)
        done.told = done.stderr.decode()
        for line in done.told.splitlines():
            self.assertTrue(line.startswith("lastword"), done.told)
        return done

    def meet(self, ending, version="1.3", *options, ask=ASK, peer=(), **more):
        """Runs connect against an adversary that waits for what is asked, then ends as told; with .verdict and .peer_saw."""
        wait = () if ending.startswith("close-") and ending.endswith("handshake") else ("-w", str(max(len(ask), 1)))
        port, process = servers.adversary(self, ending, version, *wait, *peer)
        verdict = os.path.join(tap.temp_dir(self), "verdict.json")
        done = self.run_connect("-k", "--profile", "none", "--verdict", verdict, "--close-timeout", "0.5", *options,
                                "127.0.0.1:%d" % port, ask=ask, **more)
        process.wait(15)
        done.peer_saw = process.out.decode()
        done.verdict = None
        if os.path.exists(verdict):
            with open(verdict) as file:
                done.verdict = json.load(file)
        return done

    def tls_server(self, talk, version=ssl.TLSVersion.TLSv1_3, before=None, host="127.0.0.1"):
        """A TLS server in Python: `talk(stream)`; `before(connection)` speaks in the clear."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.certificate, self.certificate.key)
        context.minimum_version = context.maximum_version = version

        def serve(connection):
            if before:
                before(connection)
            with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as stream:
                talk(stream)
        return servers.Raw(self, serve, host)


class Endings(Case):
    """Exit status and verdict for what an adversary does."""
    ROWS = (  # ending, versions, status, read, bytes
        ("close-notify", VERSIONS, 0, "closed", 1000),
        ("close-notify", ("1.0", "1.1"), 0, "closed", 1000),
        ("none-at-boundary", VERSIONS, 1, "truncated", 1000),
        ("inside-header", VERSIONS, 1, "truncated", 1000),
        ("inside-record", VERSIONS, 1, "truncated", 1000),
        ("reset", VERSIONS, 1, "reset", 1000),
        ("fatal-alert", VERSIONS, 1, "aborted", 1000),
        ("user-canceled", VERSIONS, 0, "closed", 2000),
        ("data-after", VERSIONS, 0, "closed", 1000),
        ("garbage-after", VERSIONS, 0, "closed", 1000),
        ("plaintext-after", VERSIONS, 0, "closed", 1000),
        ("close-twice", VERSIONS, 0, "closed", 1000),
        ("four-warnings", ("1.2",), 0, "closed", 1000),
        ("many-warnings", ("1.2",), 1, "failed", 1000),
        ("close-at-fatal", ("1.2",), 1, "aborted", 1000),
        ("close-at-fatal", ("1.3",), 0, "closed", 1000),
    )

    def test_every_row(self):
        for ending, versions, status, read, count in self.ROWS:
            for version in versions:
                with self.subTest(ending=ending, version=version):
                    done = self.meet(ending, version, "--tls", version)
                    self.assertEqual(done.returncode, status, done.told)
                    self.assertEqual(done.verdict["read"], read, done.told)
                    self.assertEqual(done.verdict["bytes_read"], count)
                    self.assertEqual(len(done.stdout), count)
                    self.assertEqual(done.verdict["whole"], status == 0)
                    self.assertEqual("next: " in done.told, status != 0, done.told)

    def test_silence_ends_by_the_idle_timeout(self):
        for version in VERSIONS:
            done = self.meet("silence", version, "--idle-timeout", "0.2", peer=("-l", "3000"))
            self.assertEqual(done.returncode, 1, done.told)
            self.assertEqual(done.verdict["read"], "expired")
            self.assertIn("moved nothing for 0.2 s", done.told)
            self.assertIn("subject: alert warning close_notify", done.peer_saw)

    def test_policies(self):
        for policy, status in (("strict", 1), ("framed", 1), ("lax", 0)):
            done = self.meet("none-at-boundary", "1.3", "--policy", policy)
            self.assertEqual(done.returncode, status, done.told)
            self.assertFalse(done.verdict["whole"])

    def test_the_verdict_is_as_documented(self):
        done = self.meet("none-at-boundary", "1.3")
        self.assertEqual(list(done.verdict), ["schema", "version", "read", "write", "whole", "complete", "at", "bytes_read",
                                              "bytes_written", "alert_received", "alert_sent", "session", "sentence"])
        self.assertEqual(done.verdict["schema"], "lastword.verdict/1")
        self.assertEqual((done.verdict["at"], done.verdict["bytes_written"]), ("boundary", 4))
        self.assertIn(done.verdict["sentence"], done.told)

    def test_verdict_on_standard_output(self):
        done = self.meet("close-notify", "1.3", "--verdict", "-")
        self.assertEqual(json.loads(done.stdout[1000:])["read"], "closed")

    def test_quiet(self):
        done = self.meet("reset", "1.3", "-q")
        self.assertEqual((done.returncode, done.told), (1, ""))


class Input(Case):
    def echo(self, stream):
        """Sends everything back, reversed in no way, until the client ends; then ends properly."""
        while True:
            piece = stream.recv(65536)
            if not piece:
                break
            stream.sendall(piece)
        stream.unwrap()

    def late_answer(self, wanted, delay=0.2):
        """A server that answers only a while after it has read all; told if the client spoke in between."""
        seen = {}

        def talk(stream):
            got = b""
            while len(got) < wanted:
                got += stream.recv(65536)
            stream.settimeout(delay)
            try:
                seen["more"] = stream.recv(10)
            except (socket.timeout, ssl.SSLError):
                seen["more"] = None
            stream.settimeout(10)
            seen["got"] = got
            stream.sendall(b"answer")
            stream.unwrap()
        server = self.tls_server(talk)
        return server, seen

    def test_the_write_side_stays_open_for_the_answer(self):
        server, seen = self.late_answer(len(ASK))
        done = self.run_connect("-k", "127.0.0.1:%d" % server.port)
        self.assertEqual((done.returncode, done.stdout), (0, b"answer"), done.told)
        self.assertIsNone(seen["more"], "close_notify came before the answer")

    def test_half_close_tells_at_once_and_still_reads(self):
        seen = {"got": b""}

        def talk(stream):
            while piece := stream.recv(100):  # b"" is close_notify; a bare FIN would raise
                seen["got"] += piece
            seen["fin"] = bool(select.select([stream], [], [], 0.2)[0])
            stream.sendall(b"answer")
            stream.unwrap()
        server = self.tls_server(talk)
        done = self.run_connect("-k", "--half-close", "--idle-timeout", "10", "127.0.0.1:%d" % server.port)
        self.assertEqual((done.returncode, done.stdout), (0, b"answer"), (done.told, server.problem))
        self.assertEqual(seen, {"got": ASK.encode(), "fin": False})

    def test_a_peer_that_takes_nothing(self):
        """What was read from input and could not be sent is told, and the connection does not look finished."""
        gone = threading.Event()
        self.addCleanup(gone.set)
        server = self.tls_server(lambda stream: gone.wait(20))
        done = self.run_connect("-k", "--idle-timeout", "0.3", "--close-timeout", "0.3", "127.0.0.1:%d" % server.port,
                                ask=servers.PAGE * 400)
        self.assertEqual(done.returncode, 1, done.told)
        self.assertRegex(done.told, r"sent: \d+ bytes, then .*; at least \d+ bytes of standard input were not sent")
        self.assertNotIn("then close_notify", done.told)

    def test_half_close_before_13_is_told_impossible(self):
        done = self.meet("close-notify", "1.2", "--half-close")
        self.assertEqual(done.returncode, 0, done.told)
        self.assertIn("TLSv1.2 has no half-close", done.told)
        lines = done.peer_saw.splitlines()
        self.assertGreater(lines.index("subject: alert warning close_notify (0)"),
                           lines.index("adversary: alert warning close_notify (0)"))

    def test_a_file(self):
        path = servers.write(tap.temp_dir(self), "ask", servers.PAGE * 40)
        server = self.tls_server(self.echo)
        with open(path) as file:
            client = tap.start(self, [LASTWORD, "connect", "-k", "--half-close", "127.0.0.1:%d" % server.port], stdin=file)
            self.assertEqual(client.wait(), 0, client.err)
        self.assertEqual(client.out, servers.PAGE * 40)

    def test_a_pipe_with_more_than_every_buffer(self):
        server = self.tls_server(self.echo)
        done = self.run_connect("-k", "--half-close", "127.0.0.1:%d" % server.port, ask=servers.PAGE * 200)
        self.assertEqual(done.returncode, 0, done.told)
        self.assertEqual(done.stdout, servers.PAGE * 200)

    def test_nothing_at_all(self):
        for redirect in ("</dev/null", "<&-"):
            server = self.tls_server(lambda stream: (stream.sendall(b"hello"), stream.unwrap()))
            done = tap.run(["sh", "-c", '"$0" connect -k 127.0.0.1:%d %s' % (server.port, redirect), LASTWORD])
            self.assertEqual((done.returncode, done.stdout), (0, b"hello"), done.stderr)

    def test_a_terminal(self):
        """Lines go out as they are typed; the peer's end ends it although nobody typed ^D."""
        server = self.tls_server(lambda stream: (stream.sendall(b"you said " + stream.recv(100)), stream.unwrap()))
        keyboard, terminal = pty.openpty()
        client = tap.start(self, [LASTWORD, "connect", "-k", "127.0.0.1:%d" % server.port], stdin=terminal)
        os.close(terminal)
        self.addCleanup(os.close, keyboard)
        os.write(keyboard, b"hello\n")
        self.assertEqual(client.wait(), 0, client.err)
        self.assertEqual(client.out, b"you said hello\n")

    def test_a_terminal_shows_what_is_told_on_lines_of_its_own(self):
        server = self.tls_server(lambda stream: (stream.sendall(b"no line"), stream.recv(10), stream.unwrap()))
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        shown = b""
        with subprocess.Popen([LASTWORD, "connect", "-k", "127.0.0.1:%d" % server.port], stdin=terminal, stdout=terminal,
                              stderr=terminal) as client:
            os.close(terminal)
            while b"no line" not in shown:
                shown += os.read(screen, 1000)
            client.send_signal(signal.SIGINT)
            try:
                while piece := os.read(screen, 1000):
                    shown += piece
            except OSError:  # the terminal's other side is closed
                pass
        self.assertIn(b"no line\r\nlastword: The peer ended TLS properly", shown)
        self.assertIn(b"\r\nlastword: interrupted\r\n", shown)

    def test_a_terminals_end_of_file(self):
        server, seen = self.late_answer(6)
        keyboard, terminal = pty.openpty()
        client = tap.start(self, [LASTWORD, "connect", "-k", "127.0.0.1:%d" % server.port], stdin=terminal)
        os.close(terminal)
        self.addCleanup(os.close, keyboard)
        os.write(keyboard, b"hello\n\x04")
        self.assertEqual(client.wait(), 0, client.err)
        self.assertEqual((client.out, seen["got"]), (b"answer", b"hello\n"))

    def test_crlf(self):
        server, seen = self.late_answer(8)
        done = self.run_connect("-k", "--crlf", "127.0.0.1:%d" % server.port, ask="a\nb\r\n\n")
        self.assertEqual(done.returncode, 0, done.told)
        self.assertEqual(seen["got"], b"a\r\nb\r\n\r\n")

    def test_input_that_cannot_be_read_is_no_end(self):
        server = self.tls_server(self.echo)
        done = tap.run(["sh", "-c", '"$0" connect -k 127.0.0.1:%d </' % server.port, LASTWORD])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"cannot read standard input: Is a directory", done.stderr)


class Output(Case):
    def setUp(self):
        self.place = tap.temp_dir(self)
        self.path = os.path.join(self.place, "page")

    def test_the_file_appears_after_a_proper_end(self):
        done = self.meet("close-notify", "1.3", "-o", self.path)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.told)
        self.assertEqual(os.listdir(self.place), ["page"])
        self.assertEqual(os.stat(self.path).st_size, 1000)
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o666 & ~mask)

    def test_no_file_after_a_cut(self):
        for ending in ("none-at-boundary", "inside-record", "reset", "fatal-alert"):
            self.assertEqual(self.meet(ending, "1.3", "-o", self.path).returncode, 1)
            self.assertEqual(os.listdir(self.place), [])

    def test_what_was_there_stays_after_a_cut(self):
        servers.write(self.place, "page", "before")
        os.chmod(self.path, 0o640)
        self.assertEqual(self.meet("reset", "1.3", "-o", self.path).returncode, 1)
        with open(self.path) as file:
            self.assertEqual(file.read(), "before")
        self.assertEqual(self.meet("close-notify", "1.3", "-o", self.path).returncode, 0)
        self.assertEqual((os.stat(self.path).st_size, stat.S_IMODE(os.stat(self.path).st_mode)), (1000, 0o640))

    def test_a_link_is_followed(self):
        servers.write(self.place, "page", "before")
        link = os.path.join(self.place, "link")
        os.symlink("page", link)
        self.assertEqual(self.meet("close-notify", "1.3", "-o", link).returncode, 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(os.stat(self.path).st_size, 1000)

    def test_no_place_for_the_file(self):
        for path, words in ((os.path.join(self.place, "no", "page"), "No such file"), (self.place, "Is a directory")):
            done = self.run_connect("-k", "-o", path, "127.0.0.1:1")
            self.assertEqual(done.returncode, 1, done.told)
            self.assertIn(words, done.told)

    def test_a_file_that_may_not_grow(self):
        """As on a full disk: the write fails midway."""
        server = self.tls_server(lambda stream: (stream.sendall(servers.PAGE * 4), stream.unwrap()))
        done = tap.run(["sh", "-c", 'ulimit -f 50; "$0" connect -k -o "$1" 127.0.0.1:%d </dev/null' % server.port, LASTWORD,
                        self.path])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"cannot write %s: File too large; free some space" % self.path.encode(), done.stderr)
        self.assertEqual(os.listdir(self.place), [])

    def test_a_full_device(self):
        for arrange in ('-o /dev/full', '>/dev/full'):
            server = self.tls_server(lambda stream: (stream.sendall(servers.PAGE), stream.unwrap()))
            done = tap.run(["sh", "-c", '"$0" connect -k 127.0.0.1:%d %s </dev/null' % (server.port, arrange), LASTWORD])
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(b"No space left on device; free some space, or choose another place\n", done.stderr)
            self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_standard_output_closes_early(self):
        server = self.tls_server(lambda stream: (stream.sendall(servers.PAGE * 20), stream.unwrap()))
        reader, writer = os.pipe()
        os.close(reader)
        done = self.run_connect("-k", "127.0.0.1:%d" % server.port, ask="", stdout=writer)
        os.close(writer)
        self.assertEqual(done.returncode, 1, done.told)
        self.assertIn("standard output was closed early, after 0 bytes", done.told)

    def test_standard_output_was_never_open(self):
        server = self.tls_server(lambda stream: (stream.sendall(b"hello"), stream.unwrap()))
        done = tap.run(["sh", "-c", '"$0" connect -k 127.0.0.1:%d </dev/null >&-' % server.port, LASTWORD])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"cannot write standard output: Bad file descriptor; choose another place\n", done.stderr)

    def test_a_slow_reader_loses_nothing(self):
        server = self.tls_server(lambda stream: (stream.sendall(servers.PAGE * 100), stream.unwrap()))
        reader, writer = os.pipe()
        with subprocess.Popen([LASTWORD, "connect", "-k", "127.0.0.1:%d" % server.port], stdin=subprocess.DEVNULL,
                              stdout=writer, stderr=subprocess.PIPE) as client:
            os.close(writer)
            got = b""
            while piece := os.read(reader, 512):  # slower than it is written, so that every buffer fills up
                got += piece
            os.close(reader)
            self.assertEqual(client.wait(20), 0, client.stderr.read())
        self.assertEqual(got, servers.PAGE * 100)

    def test_the_verdict_cannot_be_written(self):
        done = self.meet("close-notify", "1.3", "--verdict", "/nowhere/verdict.json")
        self.assertEqual(done.returncode, 1, done.told)
        self.assertIn("cannot write the verdict to /nowhere/verdict.json: No such file", done.told)


class Signals(Case):
    def test_a_signal_ends_properly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for version in VERSIONS:
                said = threading.Event()
                seen = {}

                def talk(stream):
                    stream.sendall(b"hello")
                    seen["end"] = stream.recv(10)  # b"": close_notify; a bare FIN would raise
                    stream.unwrap()
                    said.set()
                server = self.tls_server(talk, ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3)
                client = tap.Process([LASTWORD, "connect", "-k", "127.0.0.1:%d" % server.port], stdin=subprocess.PIPE)
                self.addCleanup(client.end)
                with client.news:
                    self.assertTrue(client.news.wait_for(lambda: client.out == b"hello", 10), client.tell())
                client.child.send_signal(number)
                self.assertEqual(client.wait(10), 0 if version == "1.3" else 1, client.err)
                self.assertTrue(said.wait(5), server.problem)
                self.assertEqual(seen["end"], b"")
                self.assertIn(b"lastword: interrupted", client.err)

    def test_a_signal_before_the_connection(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        client = tap.start(self, [LASTWORD, "connect", "127.0.0.1:%d" % silent.getsockname()[1]])
        connection = silent.accept()[0]
        self.addCleanup(connection.close)
        connection.recv(1)  # the hello came: it waits for an answer
        client.child.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(10), 3)
        self.assertIn(b"interrupted before the connection", client.err)


class NeverConnected(Case):
    """Exit 3, each with its own sentence."""

    def refused(self, port, *words, options=("-k",), ask="", seconds=20):
        done = self.run_connect(*options, "127.0.0.1:%d" % port, ask=ask, seconds=seconds)
        self.assertEqual((done.returncode, done.stdout), (3, b""), done.told)
        for word in words:
            self.assertIn(word, done.told)
        return done

    def test_no_such_name(self):
        done = self.run_connect("nowhere.invalid:443")
        self.assertEqual(done.returncode, 3)
        self.assertIn("nowhere.invalid", done.told)

    def test_a_name_server_that_never_answers(self):
        """The look-up cannot be stopped; neither the deadline nor a signal waits for it."""
        env = tap.environment(LD_PRELOAD=tap.built("tests/cli/slow_lookup.so"), ASAN_OPTIONS="verify_asan_link_order=0")
        done = self.run_connect("--connect-timeout", "0.2", "slow.example:443", env=env, seconds=10)
        self.assertEqual(done.returncode, 3)
        self.assertIn("cannot look up slow.example: the name server did not answer", done.told)
        client = tap.start(self, [LASTWORD, "connect", "--connect-timeout", "0", "slow.example:443"], env=env)
        self.wait_for_handler(client, signal.SIGINT)
        client.child.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(10), 3)
        self.assertIn(b"interrupted before the connection", client.err)

    def wait_for_handler(self, client, number):
        """Until the program catches the signal, instead of dying of it."""
        caught = 0
        while not caught & 1 << number - 1:
            self.assertFalse(client.is_over, client.tell())
            with open("/proc/%d/status" % client.pid) as status:
                caught = int(re.search(r"SigCgt:\s*(\w+)", status.read()).group(1), 16)

    def test_refused(self):
        self.refused(tap.free_port(), "connection refused")

    def test_a_wrong_family(self):
        done = self.run_connect("-6", "127.0.0.1:443")
        self.assertEqual(done.returncode, 3)
        self.assertIn("127.0.0.1 is no IPv6 address", done.told)

    def test_speaks_no_tls(self):
        for said, words in ((b"HTTP/1.0 400 Bad Request\r\n\r\n", "plain HTTP"), (b"SSH-2.0-x\r\n", "speaks SSH"),
                            (b"220 mx ESMTP\r\n", "--starttls smtp"), (b"hi", "check the port")):
            server = servers.Raw(self, lambda connection, said=said: (connection.sendall(said), connection.recv(10000)))
            self.refused(server.port, "the peer at 127.0.0.1:%d speaks no TLS" % server.port, words)

    def test_says_nothing(self):
        server = servers.Raw(self, lambda connection: connection.recv(1) and connection.recv(100000) and connection.recv(1))
        for seconds, words in (("0.5", "timed out after 0.5 s"), ("0.0001", "timed out")):  # a little is not for ever
            self.refused(server.port, words, options=("-k", "--connect-timeout", seconds))

    def test_ends_in_the_handshake(self):
        def reset(connection):
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.refused(servers.Raw(self, reset).port, "reset the connection in the handshake")

        def finish(connection):
            connection.recv(10000)
        self.refused(servers.Raw(self, finish).port, "ended the connection in the handshake")

    def test_close_notify_before_the_handshake_is_done(self):
        for version in VERSIONS:
            done = self.meet("close-in-handshake", version)
            self.assertEqual(done.returncode, 3, done.told)
            self.assertIn("closed TLS (close_notify) before the handshake was done", done.told)
            self.assertIsNone(done.verdict)

    def test_ten_thousand_warnings(self):
        def warn(connection):
            connection.recv(1)
            try:
                connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 10000)
                connection.recv(10000)
            except OSError:
                pass
        began = time.monotonic()
        self.refused(servers.Raw(self, warn).port, "the handshake with 127.0.0.1:")
        self.assertLess(time.monotonic() - began, 8)

    def test_certificates(self):
        other = servers.Certificate(self.folder.name, "DNS:other.example", name="other")
        for certificate, options, words in (
                (self.certificate, (), "nobody vouches for it; give it with --cacert"),
                (self.certificate, ("--cacert", self.certificate.certificate, "--servername", "foo.example"),
                 "for another name (it names localhost)"),
                (other, ("--cacert", other.certificate), "not for this address (it names other.example)")):
            port = servers.s_server(self, certificate, "-quiet")
            self.refused(port, "was not accepted", words, options=options)
            # and the same is taken with the right name, or by -k
            done = self.run_connect("-k", "--idle-timeout", "0.1", "127.0.0.1:%d" % port, ask="")
            self.assertNotEqual(done.returncode, 3, done.told)

    def test_an_expired_certificate(self):
        old = os.path.join(tap.temp_dir(self), "old")
        os.mkdir(old)
        subprocess.run(["openssl", "x509", "-in", self.certificate.certificate, "-signkey", self.certificate.key, "-days", "-1",
                        "-copy_extensions", "copyall", "-out", old + "/c.pem"], check=True, stderr=subprocess.DEVNULL)
        expired = servers.Certificate.__new__(servers.Certificate)
        expired.certificate, expired.key = old + "/c.pem", self.certificate.key
        port = servers.s_server(self, expired, "-quiet")
        self.refused(port, "the certificate has expired", options=("--cacert", expired.certificate))

    def test_no_version_in_common(self):
        port = servers.s_server(self, self.certificate, "-quiet", "-tls1_2")
        self.refused(port, "try --tls 1.0-1.3", options=("-k", "--tls", "1.3"))

    def test_next_address_is_tried(self):
        """localhost may be ::1 first; the server listens on 127.0.0.1 only."""
        try:
            socket.getaddrinfo("localhost", 0)
        except socket.gaierror:
            self.skipTest("this system knows no localhost: there is no /etc/hosts")
        server = self.tls_server(lambda stream: (stream.sendall(b"hello"), stream.unwrap()))
        done = self.run_connect("--cacert", self.certificate.certificate, "localhost:%d" % server.port, ask="")
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"), done.told)


    def test_ipv6(self):
        server = self.tls_server(lambda stream: (stream.sendall(b"hello"), stream.unwrap()), host="::1")
        for options, status in ((("-6",), 0), ((), 0), (("-4",), 3)):
            done = self.run_connect(*options, "--cacert", self.certificate.certificate, "[::1]:%d" % server.port, ask="")
            self.assertEqual(done.returncode, status, done.told)
            self.assertEqual(done.stdout, b"" if status else b"hello")


class Usage(Case):
    def test_wrong_usage_is_2(self):
        for options, words in (
                ((), "HOST:PORT or PROFILE://HOST[:PORT] is missing"), (("localhost",), "has no port"),
                (("https://localhost/",), "has a path; the request comes on standard input"),
                (("https://a@localhost",), "has user information"), (("nosuch://localhost",), "no profile is called 'nosuch'"),
                (("a:1", "b:2"), "'b:2' is too much"), (("--policy", "loose", "a:1"), "--policy loose: it is one of"),
                (("--starttls", "gopher", "a:1"), "--starttls gopher: it is one of"),
                (("--profile", "nosuch", "a:1"), "--profile nosuch"), (("--idle-timeout", "-1", "a:1"), "--idle-timeout -1"),
                (("--idle-timeout", "soon", "a:1"), "--idle-timeout soon"), (("--tls", "2.0", "a:1"), "--tls 2.0"),
                (("--cacert", "/nowhere", "a:1"), "--cacert /nowhere: No such file"), (("--alpn", "", "a:1"), "--alpn"),
                (("--key", "/nowhere", "a:1"), "without --cert"), (("--nosuch", "a:1"), "--nosuch")):
            with self.subTest(options=options):
                done = tap.run([LASTWORD, "connect", *options])
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr.decode())

    def test_keys_are_logged(self):
        path = os.path.join(tap.temp_dir(self), "keys")
        done = self.meet("close-notify", "1.3", env=tap.environment(SSLKEYLOGFILE=path))
        self.assertEqual(done.returncode, 0, done.told)
        with open(path) as file:
            self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", file.read())

    def test_the_profile_is_chosen(self):
        """--profile, else the target, else ALPN, else the port."""
        server = self.tls_server(lambda stream: (stream.recv(1), stream.unwrap()))
        for options, words in ((("--profile", "imap", "https://127.0.0.1:%d" % server.port), "message (imap)"),
                               (("https://127.0.0.1:%d" % server.port,), "message (https)"),
                               (("127.0.0.1:%d" % server.port,), "message: not followed, since no profile is known"),
                               (("--profile", "none", "https://127.0.0.1:%d" % server.port), "message: not followed\n")):
            self.assertIn(words, self.run_connect("-k", *options).told)
        port = servers.s_server(self, self.certificate, "-quiet", "-alpn", "http/1.1")
        self.assertIn("message (https)", self.run_connect("-k", "--alpn", "h2,http/1.1", "--idle-timeout", "0.1",
                                                          "127.0.0.1:%d" % port).told)

    def test_a_certificate_of_ours(self):
        port = servers.s_server(self, self.certificate, "-quiet", "-Verify", "1", "-verify_return_error", "-CAfile",
                                self.certificate.certificate)
        shown = self.run_connect("-k", "--idle-timeout", "0.2", "--cert", self.certificate.certificate, "--key",
                                 self.certificate.key, "127.0.0.1:%d" % port)
        self.assertNotIn("alert certificate_required", shown.told)
        hidden = self.run_connect("-k", "127.0.0.1:%d" % port)
        self.assertIn("certificate_required", hidden.told)
        self.assertNotEqual(hidden.returncode, 0)


class Starttls(Case):
    """Each row against a peer that talks as the protocol does, then TLS; and one that slips octets in behind its go-ahead."""
    FEATURES = b"<stream:stream version='1.0'><stream:features><starttls/></stream:features>"
    ROWS = {  # what the server says, and what it waits for before it says the next
        "smtp": [(b"220 mx\r\n", b"EHLO "), (b"250-mx\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"), (b"220 go\r\n", None)],
        "imap": [(b"* OK hi\r\n", b"a1 STARTTLS\r\n"), (b"a1 OK go\r\n", None)],
        "pop3": [(b"+OK hi\r\n", b"STLS\r\n"), (b"+OK go\r\n", None)],
        "ldap": [(b"", b"1.3.6.1.4.1.1466.20037"), (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", None)],
        "ftp": [(b"220-hi\r\nall\r\n220 there\r\n", b"AUTH TLS\r\n"), (b"234 go\r\n", None)],
        "xmpp": [(b"", b"to='127.0.0.1'"), (FEATURES, b"<starttls "), (b"<proceed/>", None)],
        "postgres": [(b"", b"\x04\xd2\x16\x2f"), (b"S", None)],
    }

    @staticmethod
    def dialogue(rows, behind=b""):
        def talk(connection):
            for say, wait in rows:
                connection.sendall(say + (behind if wait is None else b""))
                got = b""
                while wait is not None and wait not in got:
                    piece = connection.recv(1000)
                    if not piece:
                        return
                    got += piece
        return talk

    def test_every_row(self):
        for name, rows in self.ROWS.items():
            with self.subTest(name=name):
                server = self.tls_server(lambda stream: (stream.sendall(b"inside"), stream.unwrap()),
                                         before=self.dialogue(rows))
                done = self.run_connect("-k", "--starttls", name, "127.0.0.1:%d" % server.port, ask="")
                self.assertEqual((done.returncode, done.stdout), (0, b"inside"), done.told)

    def test_the_greeting_in_the_clear_is_not_awaited_again(self):
        """As real servers do (vsftpd 3.0.3): an answer to QUIT, and the transport ends without close_notify."""
        for name in ("smtp", "ftp"):
            with self.subTest(name=name):
                server = self.tls_server(lambda stream: (stream.recv(6), stream.sendall(b"221 bye\r\n")),
                                         before=self.dialogue(self.ROWS[name]))
                done = self.run_connect("-k", "--starttls", name, "127.0.0.1:%d" % server.port, ask="QUIT\r\n")
                self.assertEqual((done.returncode, done.stdout), (0, b"221 bye\r\n"), done.told)
                self.assertIn("complete: every command has its reply", done.told)

    def test_octets_behind_the_go_ahead(self):
        for name, rows in self.ROWS.items():
            with self.subTest(name=name):
                server = servers.Raw(self, self.dialogue(rows, b"injected"))
                done = self.run_connect("-k", "--starttls", name, "127.0.0.1:%d" % server.port, ask="")
                self.assertEqual(done.returncode, 3, done.told)
                self.assertIn("behind its go-ahead", done.told)

    def test_refused_silent_or_gone(self):
        for say, words in ((b"554 go away\r\n", "'554 go away'"), (b"", "did not start TLS within 0.5 s")):
            server = servers.Raw(self, lambda connection, say=say: (connection.sendall(say), connection.recv(1), connection.recv(1)))
            done = self.run_connect("-k", "--starttls", "smtp", "--connect-timeout", "0.5", "127.0.0.1:%d" % server.port, ask="")
            self.assertEqual(done.returncode, 3, done.told)
            self.assertIn(words, done.told)
        server = servers.Raw(self, lambda connection: connection.sendall(b"220 h"))
        done = self.run_connect("-k", "--starttls", "smtp", "127.0.0.1:%d" % server.port, ask="")
        self.assertIn("ended the connection before its go-ahead", done.told)


if __name__ == "__main__":
    tap.main()
