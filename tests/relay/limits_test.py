#!/usr/bin/python3
"""limits_test: what is bounded: memory where somebody does not read, descriptors, connections; and a server that dies in the midst of answers."""
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from operation_test import metric, until
from rig import LASTWORD, Relay, servers, tap

DEADLINE = 40
BEYOND = 1000000  # bytes of a flood behind the point at which nobody took more
FLOOD_MAX = 1000000000  # the system's buffers on the way take some ten MB a socket, not that much
EACH_MAX = 700000  # bytes of the relay's memory that a connection may take whose reader has stopped


def is_instrumented():
    """Built with a sanitizer, whose memory is another matter."""
    with open(LASTWORD, "rb") as program:
        content = program.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def resident(pid):
    """Its memory, in bytes."""
    with open("/proc/%d/statm" % pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Flood(threading.Thread):
    """Says bytes on a connection until nobody takes any more (.stalled), and then BEYOND more, .total in all; .sent, .problem, .is_over."""
    PIECE = bytes(range(256)) * 256

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.total, self.sent, self.problem = connection, FLOOD_MAX, 0, None
        self.stalled, self.is_over = threading.Event(), threading.Event()
        self.start()

    def run(self):
        try:
            self.connection.settimeout(0.5)
            while self.sent < self.total:
                try:
                    self.sent += self.connection.send(self.PIECE[self.sent % 256:][:self.total - self.sent])
                except (TimeoutError, ssl.SSLWantWriteError):
                    self.total = min(self.total, self.sent + BEYOND)
                    self.stalled.set()
        except OSError as problem:
            self.problem = problem
        self.stalled.set()
        self.is_over.set()


def take_all(connection, total):
    """Reads so many bytes, which have to be those of a Flood."""
    connection.settimeout(DEADLINE)
    n, expected = 0, Flood.PIECE * 2
    while n < total:
        piece = connection.recv(65536)
        if not piece:
            raise AssertionError("it ended after %d bytes" % n)
        if piece != expected[n % 256:][:len(piece)]:
            raise AssertionError("other bytes behind %d" % n)
        n += len(piece)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tap.temp_dir(servers.Shared(cls))
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)
        os.chmod(cls.certificate.key, 0o600)

    def listen(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        listener.settimeout(DEADLINE)
        self.addCleanup(listener.close)
        return listener

    def relay(self, backend, front="tls", back="tcp", *flags, **popen):
        words = ["--accept", front + ":127.0.0.1:0", "--connect", "%s:localhost:%d" % (back, backend)]
        words += ["--cert", self.certificate.certificate, "--key", self.certificate.key] if front == "tls" else []
        words += ["--" + ("backendCAfile" if front == "tls" else "CAfile"), self.certificate.certificate] if back == "tls" else []
        return Relay(self, *words, *flags, **popen)

    def connect(self, relay, is_tls, service="relay"):
        raw = socket.create_connection(("127.0.0.1", relay.port(service)), DEADLINE)
        self.addCleanup(raw.close)
        if not is_tls:
            return raw
        context = ssl.create_default_context(cafile=self.certificate.certificate)
        connection = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        self.addCleanup(connection.close)
        return connection

    def accept(self, listener, is_tls):
        raw, _ = listener.accept()
        self.addCleanup(raw.close)
        if not is_tls:
            return raw
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.certificate, self.certificate.key)
        raw.settimeout(DEADLINE)
        connection = context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
        self.addCleanup(connection.close)
        return connection

    def pair(self, relay, listener, front, back):
        """A connection through the relay: the client's end and the server's."""
        found = []
        accepting = threading.Thread(target=lambda: found.append(self.accept(listener, back == "tls")), daemon=True)
        accepting.start()
        client = self.connect(relay, front == "tls")
        accepting.join(DEADLINE)
        return client, found[0]


class SlowReaders(Case):
    """Nobody reads, for as long as it takes; then all is read."""
    LEGS = (("tls", "tcp"), ("tcp", "tls"), ("tls", "tls"))

    def check(self, relays, before, floods, readers):
        for flood in floods:
            self.assertTrue(flood.stalled.wait(DEADLINE))
            self.assertLess(flood.sent, FLOOD_MAX, "there is somebody who takes all of it")
        grown = sum(resident(relay.pid) for relay in relays) - before
        if not is_instrumented():
            self.assertLess(grown, EACH_MAX * len(floods) * len(relays), "memory, in bytes")
        yield  # while all stand still
        threads = [threading.Thread(target=take_all, args=(reader, flood.total), daemon=True) for reader, flood in zip(readers, floods)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive())
        for flood in floods:
            self.assertTrue(flood.is_over.wait(DEADLINE))
            self.assertEqual((flood.sent, flood.problem), (flood.total, None))

    def each_pair_of_legs(self, floods_of, count=4):
        for legs in self.LEGS:
            with self.subTest(legs):
                listener = self.listen()
                relay = self.relay(listener.getsockname()[1], *legs)
                pairs = [self.pair(relay, listener, *legs) for _ in range(count)]
                before = resident(relay.pid)
                for _ in self.check([relay], before, *floods_of(pairs)):
                    client, server = self.pair(relay, listener, *legs)  # one who reads is not hindered
                    client.sendall(b"ping")
                    self.assertEqual(server.recv(4), b"ping")

    def test_clients_that_do_not_read(self):
        self.each_pair_of_legs(lambda pairs: ([Flood(server) for _, server in pairs], [client for client, _ in pairs]))

    def test_servers_that_do_not_read(self):
        self.each_pair_of_legs(lambda pairs: ([Flood(client) for client, _ in pairs], [server for _, server in pairs]))

    def test_both_speak_and_neither_reads(self):
        """Through two relays, with TLS between them."""
        listener = self.listen()
        far = self.relay(listener.getsockname()[1])
        near = self.relay(far.port(), "tcp", "tls")
        pairs = [self.pair(near, listener, "tcp", "tcp") for _ in range(3)]
        before = resident(far.pid) + resident(near.pid)
        floods = [(Flood(client), Flood(server)) for client, server in pairs]
        for _ in self.check([far, near], before, [flood for two in floods for flood in two], [end for pair in pairs for end in reversed(pair)]):
            pass
        for pair in pairs:
            for end in pair:
                end.shutdown(socket.SHUT_WR)
        said = sorted((str(up.total), str(down.total)) for up, down in floods)
        for relay in (far, near):
            lines = [relay.wait_connection(number) for number in (1, 2, 3)]
            self.assertEqual([(line.outcome, line["lost"]) for line in lines], [("whole", "0")] * 3)
            self.assertEqual(sorted((line["in"], line["out"]) for line in lines), said)


class Idle(Case):
    MUCH, COUNT, KEPT_MAX = bytes(range(256)) * 2000, 40, 16000

    def test_who_has_said_much_and_is_idle_costs_no_more_than_before(self):
        listener = self.listen()
        relay = self.relay(listener.getsockname()[1])
        client, server = self.pair(relay, listener, "tls", "tcp")  # the relay's own buffers have their size now
        self.say(client, server)
        pairs = [self.pair(relay, listener, "tls", "tcp") for _ in range(self.COUNT)]
        before = resident(relay.pid)
        for client, server in pairs:
            self.say(client, server)
        if not is_instrumented():
            self.assertLess((resident(relay.pid) - before) / self.COUNT, self.KEPT_MAX, "bytes kept a connection")

    def say(self, client, server):
        speaking = threading.Thread(target=client.sendall, args=(self.MUCH + b"end",), daemon=True)
        speaking.start()
        server.settimeout(DEADLINE)
        heard = b""
        while len(heard) < len(self.MUCH) + 3:
            heard += server.recv(1 << 20)
        speaking.join(DEADLINE)
        self.assertTrue(heard == self.MUCH + b"end")


class Limits(Case):
    """Who comes when there is no room waits in the system's queue, and is served when there is some."""

    def talk(self, end, other):
        end.sendall(b"ping")
        self.assertEqual(other.recv(4), b"ping")

    def is_waiting(self, client):
        """Nobody has taken what it said: the connection is in the queue."""
        client.settimeout(0.2)
        try:
            client.recv(1)
        except TimeoutError:
            return True
        finally:
            client.settimeout(DEADLINE)
        return False

    def test_of_the_process(self):
        listener = self.listen()
        relay = self.relay(listener.getsockname()[1], "tcp", "tcp", "--maxConnections", "3", "--metrics", "127.0.0.1:0")
        pairs = [self.pair(relay, listener, "tcp", "tcp") for _ in range(3)]
        waiting = self.connect(relay, False)
        waiting.sendall(b"wait")
        self.assertEqual(relay.wait("^paused ")["reason"], "maxConnections is reached")
        self.assertTrue(self.is_waiting(waiting))
        self.assertEqual(metric(relay, "connections_open"), 3)
        for pair in pairs:
            self.talk(*pair)
        for end in pairs.pop():
            end.close()
        server = self.accept(listener, False)
        self.assertEqual(server.recv(4), b"wait")
        self.talk(server, waiting)

    def test_of_a_service(self):
        one, two = self.listen(), self.listen()
        config = "".join("[%s]\naccept = tcp:127.0.0.1:0\nconnect = 127.0.0.1:%d\nmaxConnections = %d\n" % (name, listener.getsockname()[1], most)
                         for name, listener, most in (("one", one, 1), ("two", two, 100)))
        relay = Relay(self, config=config)
        first = self.connect(relay, False, "one")
        of_first = self.accept(one, False)
        waiting = self.connect(relay, False, "one")
        relay.wait("^paused ")
        others = [(self.connect(relay, False, "two"), self.accept(two, False)) for _ in range(5)]
        for pair in [*others, (first, of_first)]:
            self.talk(*pair)
        self.assertTrue(self.is_waiting(waiting))
        first.close()
        of_first.close()
        self.talk(waiting, self.accept(one, False))

    def test_of_open_files(self):
        """More than the system allows is not taken, whatever maxConnections says; all are served in the end, and none fails."""
        listener = self.listen()

        def answer():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.echo, args=(connection,), daemon=True).start()
        threading.Thread(target=answer, daemon=True).start()
        relay = self.relay(listener.getsockname()[1], "tcp", "tcp", "--maxConnections", "100000", within=["prlimit", "--nofile=200:200"])
        clients = [self.connect(relay, False) for _ in range(150)]
        for client in clients:
            client.sendall(b"ping")
        relay.wait("^paused ")
        for client in clients:
            client.settimeout(DEADLINE)
            self.assertEqual(client.recv(4), b"ping")
            client.close()
        self.assertEqual(relay.end(), 0)
        lines = [line for line in relay.lines() if "action" in line]
        self.assertEqual([len(lines), {line.outcome for line in lines}], [150, {"whole"}])
        self.assertEqual({line["reason"] for line in relay.lines() if line.outcome == "paused"}, {"maxConnections is reached"})
        self.assertRegex(relay.wait("^warning ")["reason"], "^maxConnections: the limit of open files allows [0-9]+,")

    @staticmethod
    def echo(connection):
        with connection:
            while piece := connection.recv(100):
                connection.sendall(piece)

    def test_descriptors_that_others_took(self):
        """The limit sinks while it runs: what is under way goes on, one line tells, and all goes on when there are some again."""
        listener = self.listen()
        relay = self.relay(listener.getsockname()[1], "tcp", "tcp", "--metrics", "127.0.0.1:0", within=["prlimit", "--nofile=400:400"])
        pairs = [self.pair(relay, listener, "tcp", "tcp") for _ in range(10)]
        used = len(os.listdir("/proc/%d/fd" % relay.pid))
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (used, 400))
        waiting = [self.connect(relay, False) for _ in range(5)]
        line = relay.wait("^paused ")
        self.assertIn("no descriptor", line["reason"])
        for pair in pairs:
            self.talk(*pair)
        self.assertTrue(self.is_waiting(waiting[0]))
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (400, 400))
        taken = [self.accept(listener, False) for _ in waiting]
        for client in waiting:
            client.sendall(b"ping")
        self.assertEqual([server.recv(4) for server in taken], [b"ping"] * 5)
        self.assertGreaterEqual(metric(relay, "accept_errors_total"), 1)
        self.assertLessEqual(len([line for line in relay.lines() if line.outcome == "paused"]), 2 + metric(relay, "accept_errors_total") / 15)
        for pair in pairs:
            self.talk(*pair)

    def test_the_last_descriptor_is_taken_and_none_is_left_for_the_server(self):
        """Whoever has it is told that it failed; the server is not blamed."""
        listener = self.listen()
        relay = self.relay(listener.getsockname()[1], "tcp", "tcp", "--metrics", "127.0.0.1:0", within=["prlimit", "--nofile=400:400"])
        pair = self.pair(relay, listener, "tcp", "tcp")
        used = len(os.listdir("/proc/%d/fd" % relay.pid))
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (used + 1, 400))
        with self.assertRaises(ConnectionResetError):
            self.connect(relay, False).recv(1)
        line = relay.wait_connection()
        self.assertEqual(line.outcome, "failed")
        self.assertRegex(line["reason"], "Too many open files|descriptor")
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (400, 400))
        self.assertEqual(metric(relay, "backend_failures_total"), 0)
        self.talk(*pair)
        self.talk(*self.pair(relay, listener, "tcp", "tcp"))


class Death(Case):
    """A server that dies in the midst of answers."""

    def serve(self):
        """nginx, which answers with more than all buffers hold; its port, and the process."""
        folder, port = tap.temp_dir(self), tap.free_port()
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "huge"), "wb") as file:
            file.truncate(1 << 30)
        config = servers.write(folder, "nginx.conf", """
            daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log; events { worker_connections 64; }
            http {
              access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
              uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s; root %(folder)s;
              server { listen 127.0.0.1:%(port)d; }
            }""" % {"folder": folder, "port": port, "user": "user root;" if os.geteuid() == 0 else ""})
        return port, tap.start(self, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=port)

    def test_every_client_is_told(self):
        port, nginx = self.serve()
        relay = self.relay(port, "tls", "tcp", "--profile", "https", "--trustFin", "no")
        clients = [self.connect(relay, True) for _ in range(8)]
        for client in clients:
            client.sendall(b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(client.recv(10))
        os.kill(nginx.pid, signal.SIGKILL)
        for client in clients:
            with self.assertRaisesRegex(ssl.SSLError, "(?i)alert"):  # behind all that came, and never a proper end
                while client.recv(65536):
                    pass
            client.close()
        for number in range(1, 9):
            line = relay.wait_connection(number)
            self.assertEqual((line.outcome, line["action"], line["complete"], line["lost"]), ("cut", "aborted", "no", "0"), line.text)
        self.assertEqual(relay.end(), 0)


if __name__ == "__main__":
    tap.main(seconds=120)
