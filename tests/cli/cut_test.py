"""cut: driven between real servers and clients; what the client is left with, to the byte."""
import fcntl
import hashlib
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

LASTWORD = tap.built("lastword")
PAGE = bytes(i * 7 % 251 for i in range(50000))  # 4 records with its head
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
TICKETS = 2  # that openssl s_server sends in 1.3 before anything else


def make_certificate(folder):
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=30)
    return key, certificate


class Client:
    """TLS over a socket that is read here: Python's own does not tell RST from FIN."""

    def __init__(self, case, port, version, timeout):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = VERSIONS[version]
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        case.addCleanup(self.socket.close)
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.input, self.output)
        self.got = b""
        self.end, self.was_reset = None, False  # of the transport

    def step(self, call):
        """Tries a call until TLS can answer it; its result."""
        while True:
            try:
                done = call()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                if not self.fill():
                    return None

    def flush(self):
        try:
            if self.output.pending:
                self.socket.sendall(self.output.read())
        except OSError:  # a reset is told once, here or in recv(); what still comes is worth reading
            self.was_reset = True

    def fill(self):
        try:
            piece = self.socket.recv(65536)
            self.end = None if piece else "reset" if self.was_reset else "truncated"
        except ConnectionResetError:
            piece, self.end = b"", "reset"
        except socket.timeout:
            piece, self.end = b"", "silent"
        self.input.write(piece)
        return bool(piece)

    def send(self, data):
        self.step(self.tls.do_handshake)
        self.step(lambda: self.tls.write(data))

    def read_to_end(self):
        try:
            while True:
                piece = self.step(lambda: self.tls.read(65536))
                if piece is None:
                    return self.got, self.end
                if not piece:
                    return self.got, "closed"
                self.got += piece
        except ssl.SSLZeroReturnError:
            return self.got, "closed"
        except ssl.SSLError:
            return self.got, "aborted"
        finally:
            self.socket.close()


class Cut(unittest.TestCase):
    def setUp(self):
        self.folder = tap.temp_dir(self)
        with open(os.path.join(self.folder, "page"), "wb") as page:
            page.write(PAGE)
        self.key, self.certificate = make_certificate(self.folder)

    def server(self):
        """openssl s_server that serves files; its port.  It sends close_notify behind a file."""
        done = tap.start(self, ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.certificate,
                                "-key", self.key, "-WWW"], cwd=self.folder, line=r"ACCEPT 127\.0\.0\.1:(\d+)")
        return int(done.said[1])

    def cut(self, *words, to=None):
        """lastword cut under way; .port is where it listens."""
        process = tap.start(self, [LASTWORD, "cut", "--to", "127.0.0.1:%d" % (to or self.server()), *words],
                            line=r"^127\.0\.0\.1:(\d+)$")
        process.port = int(process.said[1])
        return process

    def connect(self, port, version, timeout=10):
        return Client(self, port, version, timeout)

    def get(self, port, version="1.3", timeout=10):
        """What a client gets of the page, and how that ended."""
        client = self.connect(port, version, timeout)
        client.send(b"GET /page HTTP/1.0\r\n\r\n")
        return client.read_to_end()

    def assert_page(self, got):
        self.assertEqual(hashlib.sha256(got[-len(PAGE):]).digest(), hashlib.sha256(PAGE).digest())


class Passes(Cut):
    def test_what_is_not_cut_passes_untouched(self):
        cut = self.cut("--after", "99", "--how", "fin")
        for version in VERSIONS:
            got, end = self.get(cut.port, version)
            self.assertEqual(end, "closed")
            self.assert_page(got)
            cut.wait_line(r"^connection \d+: TLSv%s, to-client \d+ bytes, to-server \d+ bytes, not cut$" % version)

    def test_another_version_passes_untouched(self):
        cut = self.cut("--after", "1", "--how", "rst", "--version", "1.2")
        self.assertEqual(self.get(cut.port, "1.3")[1], "closed")
        self.assertEqual(self.get(cut.port, "1.2")[1], "reset")

    def test_what_is_no_tls_passes_untouched(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        cut = self.cut("--after", "0", "--how", "fin", "--direction", "both", to=listener.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", cut.port), timeout=10)
        server, _ = listener.accept()
        with client, server:
            server.settimeout(10)
            client.sendall(b"hello, in the clear\n")
            self.assertEqual(server.recv(100), b"hello, in the clear\n")
            server.sendall(b"and back\n")
            server.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"and back\n")
            self.assertEqual(client.recv(100), b"")
            client.sendall(b"half closed\n")  # the other direction goes on
            self.assertEqual(server.recv(100), b"half closed\n")
        cut.wait_line(r"^connection 1: no TLS seen, to-client 9 bytes, to-server 32 bytes, not cut$")

    def test_a_reset_passes_on_behind_the_bytes(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        cut = self.cut("--after", "0", "--how", "fin", to=listener.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", cut.port), timeout=10)
        self.addCleanup(client.close)
        server, _ = listener.accept()
        server.sendall(b"last bytes")
        self.assertEqual(client.recv(100), b"last bytes")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.close()
        with self.assertRaises(ConnectionResetError):
            client.recv(100)

    def test_a_reset_destroys_nothing_that_had_arrived(self):
        """The client is slow, so the reset is first seen in writing to the server, with its bytes still unread."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        cut = self.cut("--after", "0", "--how", "fin", to=listener.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", cut.port), timeout=10)
        self.addCleanup(client.close)
        server, _ = listener.accept()
        server.settimeout(0.3)
        sent = 0
        with self.assertRaises(socket.timeout):
            while True:
                sent += server.send(bytes(1 << 20))
        queued = struct.unpack("i", fcntl.ioctl(server, termios.TIOCOUTQ, bytes(4)))[0]
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.close()
        client.sendall(b"x")
        received = 0
        with self.assertRaises(ConnectionResetError):
            while True:
                received += len(client.recv(1 << 20))
        self.assertGreaterEqual(received, sent - queued)


class Cuts(Cut):
    def ends(self, version, how, after, times=2):
        """What is left of the page; the same every time."""
        cut = self.cut("--after", after, "--how", how)
        first = self.get(cut.port, version)
        for _ in range(times - 1):
            self.assertEqual(self.get(cut.port, version), first)
        return first

    def test_after_any_number_of_records_by_fin_rst_inside(self):
        for version, tickets in (("1.2", 0), ("1.3", TICKETS)):
            for how, end in (("fin", "truncated"), ("rst", "reset"), ("inside", "truncated")):
                for records in range(4):
                    with self.subTest(version=version, how=how, records=records):
                        got, seen = self.ends(version, how, "%dr" % (records + tickets))
                        self.assertEqual(seen, end)
                        self.assertEqual(len(got), records * 16384)

    def test_the_last_records_and_the_alert(self):
        """Behind the page only the alert is left: 1.2 does not count it, 1.3 does."""
        for version, all_records in (("1.2", 4), ("1.3", 4 + TICKETS)):
            got, end = self.ends(version, "fin", str(all_records))
            self.assertEqual(end, "truncated")
            self.assert_page(got)
            got, end = self.ends(version, "inside", str(all_records))
            self.assertEqual(end, "truncated")  # half an alert
            self.assert_page(got)
            self.assertEqual(self.ends(version, "fin", str(all_records + 2))[1], "closed")

    def test_after_a_number_of_bytes(self):
        for version in VERSIONS:
            cut = self.cut("--after", "20000b", "--how", "fin")
            self.get(cut.port, version)
            whole = int(cut.wait_line(r"cut, fin, inside a record, after (\d+) of its records")[1])
            self.assertEqual(whole, 1 if version == "1.2" else 1 + TICKETS)

    def test_drop_alert_takes_only_the_alert(self):
        for version in VERSIONS:
            cut = self.cut("--how", "drop-alert")
            got, end = self.get(cut.port, version)
            self.assertEqual(end, "truncated")
            self.assert_page(got)
            cut.wait_line(r"cut, drop-alert, at a record boundary")

    def test_stall_keeps_the_transport_open(self):
        cut = self.cut("--after", "3", "--how", "stall")
        got, end = self.get(cut.port, "1.2", timeout=1)
        self.assertEqual(end, "silent")
        self.assertGreater(len(got), 16384)
        cut.wait_line(r"cut, stall, at a record boundary, after 3 of its records")

    def test_stall_keeps_the_transport_open_though_the_server_resets(self):
        cut = self.cut("--after", "1", "--how", "stall", to=servers.adversary(self, "reset", "1.2", "-w", "1")[0])
        client = self.connect(cut.port, "1.2", timeout=0.3)
        client.send(b"x")
        while client.fill():
            pass
        for _ in range(3):  # the first that goes to the reset transport may still seem to leave
            self.assertEqual(client.end, "silent")
            client.send(b"x")
            client.fill()
        client.socket.close()
        cut.wait_line(r"^connection 1: TLSv1\.2, .* \(cut, stall, at a record boundary, after 1 of its records\)")

    def test_to_server_ends_what_the_client_says(self):
        for version in VERSIONS:
            cut = self.cut("--after", "0", "--how", "fin", "--direction", "to-server")
            got, end = self.get(cut.port, version)
            self.assertEqual(got, b"")
            self.assertNotIn(end, ("closed", "silent"))
            cut.wait_line(r"to-client \d+ bytes, to-server \d+ bytes \(cut, fin, at a record boundary, after 0 ")


class Service(Cut):
    def test_connections_do_not_wait_for_each_other(self):
        cut = self.cut("--after", "2", "--how", "fin", to=self.echo_server())
        clients = [self.connect(cut.port, "1.2") for _ in range(5)]
        for client in reversed(clients):
            client.send(b"x")
            self.assertEqual(client.step(lambda one=client: one.tls.read(10)), b"x")

    def echo_server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def echo(plain):
            try:
                with context.wrap_socket(plain, server_side=True) as client:
                    while True:
                        client.sendall(client.recv(100) or b"?")
            except OSError:
                plain.close()

        def accept():
            try:
                while True:
                    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def test_memory_is_bounded_when_a_client_does_not_read(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        cut = self.cut("--after", "0", "--how", "fin", to=listener.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", cut.port), timeout=10)
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        server.settimeout(0.5)
        sent = 0
        with self.assertRaises(socket.timeout):  # the back-pressure arrives
            while sent < 1 << 28:
                sent += server.send(bytes(1 << 20))
        with open("/proc/%d/status" % cut.pid, encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])
        self.assertLess(peak, 64 << 10)  # with sanitizers, too
        received = 0
        server.shutdown(socket.SHUT_WR)
        while True:
            piece = client.recv(1 << 20)
            if not piece:
                break
            received += len(piece)
        self.assertEqual(received, sent)

    def test_once_ends_after_one_connection(self):
        cut = self.cut("--after", "1", "--how", "fin", "--once")
        self.get(cut.port, "1.2")
        self.assertEqual(cut.wait(), 0)
        self.assertEqual(len(cut.out.splitlines()), 2)

    def test_signals_end_it_and_what_is_under_way_is_told(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            cut = self.cut("--after", "99", "--how", "fin")
            self.connect(cut.port, "1.2").send(b"GET ")
            os.kill(cut.pid, number)
            self.assertEqual(cut.wait(), 0)
            self.assertRegex(cut.out, rb"connection 1: TLSv1\.2, .*, not cut")

    def test_a_target_that_refuses_is_told(self):
        cut = self.cut("--after", "1", "--how", "fin", "--once", to=tap.free_port())
        with self.assertRaises(ConnectionResetError):  # while it connects, or later
            with socket.create_connection(("127.0.0.1", cut.port), timeout=10) as client:
                client.recv(1)
        self.assertEqual(cut.wait(), 3)
        self.assertRegex(cut.err, rb"^lastword: connection 1: cannot reach 127\.0\.0\.1:\d+: Connection refused; check --to, and that the server runs\n$")


class Usage(unittest.TestCase):
    def test_what_is_missing_or_wrong_gives_2(self):
        good = ["--to", "127.0.0.1:1", "--after", "1", "--how", "fin"]
        for words, said in (
                (good[2:], b"--to is missing"), (good[:4], b"--how is missing"), (good[:2] + good[4:], b"--after is missing"),
                (good + ["--after", "1x"], b"--after 1x"), (good + ["--after", ""], b"--after "),
                (good + ["--after", "-1"], b"--after -1"), (good + ["--after", "99999999999999999999"], b"--after 9"),
                (good + ["--how", "gently"], b"--how gently"), (good + ["--direction", "up"], b"--direction up"),
                (good + ["--version", "1.4"], b"--version 1.4"), (good + ["extra"], b"'extra' is too much"),
                (good + ["--to", "127.0.0.1"], b"has no port"), (good + ["--listen", "127.0.0.1:99999"], b"99999")):
            done = tap.run([LASTWORD, "cut", *words])
            self.assertEqual((done.returncode, done.stdout), (2, b""), words)
            self.assertIn(said, done.stderr)
            self.assertRegex(done.stderr, rb"^lastword( cut)?: ")

    def test_a_port_in_use_gives_3(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = tap.run([LASTWORD, "cut", "--to", "127.0.0.1:1", "--after", "1", "--how", "fin", "--listen",
                            "127.0.0.1:%d" % taken.getsockname()[1]])
        self.assertEqual((done.returncode, done.stdout), (3, b""))
        self.assertRegex(done.stderr, rb"^lastword: cannot listen on 127\.0\.0\.1:\d+: ")


if __name__ == "__main__":
    tap.main()
