#!/usr/bin/python3
"""operation_test: what an operator sees and sets: PROXY headers both ways, several backends, names that move, keepalive, the local address, the
log in JSON, metrics and readiness."""
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest

for folder in ("", "../net"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from authority import Authority
from rig import Relay, servers, tap
from schema import Schema
import apart
import proxy_header_peers_test as proxies

DEADLINE = 20


def until(claim, what, seconds=10):
    """Asks again and again until a claim holds; what it gave then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = claim()
        if found:
            return found
    raise AssertionError("within %s s it did not come to %s" % (seconds, what))


def speaker(case, says, host="127.0.0.1", port=0):
    """A plain server that says its name and whom it sees to whoever says something; the socket it listens on."""
    listener = socket.create_server((host, port))
    case.addCleanup(listener.close)

    def talk(connection):
        with connection:
            connection.settimeout(DEADLINE)
            if connection.recv(100):
                connection.sendall(("%s %s\n" % (says, connection.getpeername()[0])).encode())

    def serve():
        while True:
            try:
                talk(listener.accept()[0])
            except OSError:
                return
    threading.Thread(target=serve, daemon=True).start()
    return listener


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(cls.shared)
        os.chmod(cls.folder, 0o755)
        cls.ca = Authority(cls.folder)
        cls.server, cls.client = cls.ca.issue("server"), cls.ca.issue("client", "DNS:client")

    def context(self, certificate=None):
        context = ssl.create_default_context(cafile=self.ca.certificate)
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return context

    def front(self, *flags):
        return Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.server.both, *flags)

    def ask(self, port):
        """What a plain server says through a relay, up to its end."""
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(b"go\n")
            said = b""
            while piece := client.recv(4096):
                said += piece
        return said.decode().split()


class Headers(Case):
    """PROXY headers."""

    def talk(self, port, backend, context, alpn=("http/1.1",)):
        """One connection with "hello" in it: what the backend read, and our own end."""
        context.set_alpn_protocols(list(alpn))
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as raw:
            own = raw.getsockname()
            with context.wrap_socket(raw, server_hostname="localhost") as client:
                client.sendall(b"hello")
                return proxies.read_header(backend.octets()), own

    def test_version_2_says_all_that_is_known(self):
        backend = proxies.Backend(self)
        relay = self.front("--connect", "tcp:127.0.0.1:%d" % backend.port, "--proxyOut", "v2", "--alpn", "http/1.1", "--verifyChain", "yes",
                           "--CAfile", self.ca.certificate, "--requireCert", "no")
        said, own = self.talk(relay.port(), backend, self.context(self.client))
        self.assertEqual(said, {"source": "127.0.0.1,%d" % own[1], "destination": "127.0.0.1,%d" % relay.port(), "alpn": "http/1.1",
                                "authority": "localhost", "tls": "TLSv1.3", "cn": "client", "cipher": "TLS_AES_256_GCM_SHA384",
                                "certificate": "now", "verified": "yes", "behind": "hello"})
        said, _ = self.talk(relay.port(), backend, self.context())
        self.assertEqual([said.get(name) for name in ("tls", "cn", "certificate", "verified", "behind")], ["TLSv1.3", None, None, None, "hello"])

    def test_version_1_says_the_ends(self):
        backend = proxies.Backend(self)
        relay = self.front("--connect", "tcp:127.0.0.1:%d" % backend.port, "--protocol", "proxy")
        said, own = self.talk(relay.port(), backend, self.context())
        self.assertEqual(said, {"source": "127.0.0.1,%d" % own[1], "destination": "127.0.0.1,%d" % relay.port(), "behind": "hello"})

    def curl(self, port, own_port):
        done = tap.run(["curl", "-sS", "--max-time", str(DEADLINE), "--cacert", self.ca.certificate, "--local-port", own_port, "https://localhost:%d/" % port])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().strip()

    def test_haproxy_and_nginx_take_them(self):
        haproxy, nginx = tap.free_port(), tap.free_port()
        proxies.haproxy(self, "http", """
frontend taker
  bind 127.0.0.1:%d accept-proxy
  http-request return status 200 content-type text/plain lf-string "%%[src] %%[src_port] %%[fc_pp_authority]"
""" % haproxy, haproxy)
        folder = tap.temp_dir(self)
        config = servers.write(folder, "nginx.conf", """
            daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log; events { worker_connections 64; }
            http {
              access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
              uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
              server { listen 127.0.0.1:%(port)d proxy_protocol; location / { return 200 "$proxy_protocol_addr $proxy_protocol_port localhost"; } }
            }""" % {"folder": folder, "port": nginx, "user": "user root;" if os.geteuid() == 0 else ""})
        tap.start(self, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=nginx)
        for port in (haproxy, nginx):
            for version in ("v1", "v2"):
                with self.subTest(port=port, version=version):
                    relay, own = self.front("--connect", "tcp:127.0.0.1:%d" % port, "--proxyOut", version, "--profile", "https"), tap.free_port()
                    said = self.curl(relay.port(), own)
                    self.assertEqual(said.split()[:2], ["127.0.0.1", str(own)])
                    self.assertEqual(said.split()[2:], ["localhost"] if version == "v2" or port == nginx else [])
                    self.assertIn(relay.wait_connection().outcome, ("whole", "tolerated"))

    def test_the_client_of_a_proxy_before_us_is_told(self):
        for option, flag in (("send-proxy", "v1"), ("send-proxy-v2", "yes")):
            with self.subTest(option):
                backend, port = proxies.Backend(self), tap.free_port()
                relay = self.front("--connect", "tcp:127.0.0.1:%d" % backend.port, "--proxyIn", flag, "--proxyOut", "v2")
                proxies.haproxy(self, "tcp", "listen relay\n  bind 127.0.0.1:%d\n  server relay 127.0.0.1:%d %s\n" % (port, relay.port(), option), port)
                said, own = self.talk(port, backend, self.context())
                self.assertEqual((said["source"], said["destination"]), ("127.0.0.1,%d" % own[1], "127.0.0.1,%d" % port))
                self.assertEqual(relay.wait_connection()["client"], "127.0.0.1:%d" % own[1])

    def test_whoever_brings_no_header_is_refused(self):
        relay = self.front("--connect", "tcp:127.0.0.1:%d" % tap.free_port(), "--proxyIn", "yes")
        for number, said in enumerate((b"GET / HTTP/1.0\r\n\r\n", b"PROXY TCP4 1.2.3.4 nonsense\r\n", b"PROXY TCP4 1.2.3"), 1):
            with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as client:
                client.sendall(said)
                try:
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.recv(100), b"")
                except OSError:  # a reset: it was faster
                    pass
            line = relay.wait_connection(number)
            self.assertEqual(line.outcome, "refused")
            self.assertIn("PROXY header", line["reason"])
        with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE):
            pass
        self.assertEqual(relay.end(), 0)
        self.assertEqual(len([line for line in relay.lines() if "action" in line]), 3, "a probe is not told")


class Pool(Case):
    """Several backends."""

    def relay(self, connects, *flags):
        words = [word for connect in connects for word in ("--connect", connect)]
        return Relay(self, "--accept", "tcp:127.0.0.1:0", "--metrics", "127.0.0.1:0", *words, *flags)

    def test_one_that_is_down_is_passed_over_and_tried_again(self):
        first, second = tap.free_port(), speaker(self, "second")
        relay = self.relay(["127.0.0.1:%d" % first, "127.0.0.1:%d" % second.getsockname()[1]], "--retryAfter", "1")
        self.assertEqual(self.ask(relay.port())[0], "second")
        self.assertEqual(metric(relay, "backend_failures_total"), 1)
        self.assertEqual(relay.wait_connection()["server"], "tcp:127.0.0.1:%d" % second.getsockname()[1])
        for _ in range(3):  # it is not even asked
            self.ask(relay.port())
        self.assertLessEqual(metric(relay, "backend_failures_total"), 2)
        speaker(self, "first", port=first)
        until(lambda: self.ask(relay.port())[0] == "first", "the first again")
        self.assertEqual({self.ask(relay.port())[0] for _ in range(3)}, {"first"})

    def test_by_turns(self):
        ports = [speaker(self, name).getsockname()[1] for name in ("a", "b", "c")]
        relay = self.relay(["127.0.0.1:%d" % port for port in ports], "--failover", "rr")
        self.assertEqual("".join(self.ask(relay.port())[0] for _ in range(6)), "abcabc")

    def test_one_that_is_not_believed_is_passed_over(self):
        own, good = servers.Certificate(self.folder, name="own"), self.server
        ports = []
        for certificate in (own, good):
            ports.append(tap.free_port())
            tap.start(self, ["openssl", "s_server", "-accept", "127.0.0.1:%d" % ports[-1], "-cert", certificate.certificate, "-key", certificate.key,
                             "-rev"], port=ports[-1], stdin=subprocess.PIPE)
        relay = self.relay(["tls:localhost:%d" % port for port in ports], "--CAfile", self.ca.certificate)
        with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as client:
            client.sendall(b"hello\n")
            self.assertEqual(client.recv(100), b"olleh\n")
        line = relay.wait_connection()
        self.assertEqual(line["server"], "tls:localhost:%d" % ports[1])
        self.assertEqual(metric(relay, "backend_failures_total"), 1)

    def test_all_are_down(self):
        ports = [tap.free_port() for _ in range(2)]
        relay = self.relay(["127.0.0.1:%d" % port for port in ports])
        with self.assertRaises(ConnectionResetError):  # it may come before connect() is done
            with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as client:
                client.recv(100)
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["action"]), ("failed", "aborted"))
        self.assertIn("cannot reach", line["reason"])
        front = self.front(*[word for port in ports for word in ("--connect", "127.0.0.1:%d" % port)])
        with socket.create_connection(("127.0.0.1", front.port()), DEADLINE) as raw:
            with self.context().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
                self.assertRaisesRegex(ssl.SSLError, "(?i)alert", client.recv, 100)
        line = front.wait_connection()
        self.assertEqual((line.outcome, line["action"]), ("failed", "aborted"))
        self.assertRegex(line["reason"], "cannot reach .*refused")
        self.assertEqual(len([line for line in front.lines() if "action" in line]), 1)

    @unittest.skipUnless(apart.is_apart(), apart.WHY_NOT)
    def test_a_name_that_moves_is_looked_up_again(self):
        one = speaker(self, "one", host="127.0.0.1")
        port = one.getsockname()[1]
        speaker(self, "two", host="127.0.0.2", port=port)
        hosts = servers.write(self.folder, "hosts", "127.0.0.1 localhost moving.example\n")
        apart.mount(self, hosts, "/etc/hosts")
        relay = self.relay(["moving.example:%d" % port], "--resolve", "1")
        self.assertEqual(self.ask(relay.port())[0], "one")
        servers.write(self.folder, "hosts", "127.0.0.1 localhost\n127.0.0.2 moving.example\n")
        until(lambda: self.ask(relay.port())[0] == "two", "the new address")
        servers.write(self.folder, "hosts", "127.0.0.1 localhost\n")  # nobody has that name any more: the old address stands
        until(lambda: self.ask(relay.port())[0] == "two" and metric(relay, "accepted_total") > 10, "some more connections")


def metrics(relay):
    """The page, as text."""
    place = relay.place("metrics")
    words = ["--unix-socket", place, "http://localhost/metrics"] if place.startswith("/") else ["http://%s/metrics" % place]
    done = tap.run(["curl", "-sS", "--fail", "--max-time", str(DEADLINE), *words])
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return done.stdout.decode()


def metric(relay, name):
    """A number of the metrics; `name` without its prefix, with labels."""
    text = metrics(relay)
    found = re.search("^lastword_relay_%s (.*)$" % re.escape(name), text, re.M)
    if found is None:
        raise AssertionError("no metric %s in %s" % (name, text))
    return float(found[1])


class Sockets(Case):
    """What sockets are told."""

    @staticmethod
    def timers(port):
        """Of connections to or from a port: the kind of timer that runs (2: keepalive), and the seconds until it fires."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [row.split() for row in list(table)[1:]]
        ticks = os.sysconf("SC_CLK_TCK")
        return [(int(row[5][:2]), int(row[5][3:], 16) / ticks) for row in rows
                if row[3] == "01" and port in (int(row[1].rsplit(":", 1)[1], 16), int(row[2].rsplit(":", 1)[1], 16))]

    def timers_when_idle(self, claim, *flags):
        """The timers of an idle connection's sockets, ours and the relay's, on either leg, once a claim holds of them."""
        with socket.create_server(("127.0.0.1", 0)) as backend:
            relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % backend.getsockname()[1], *flags)
            with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as client, backend.accept()[0] as server:
                server.sendall(b"y")
                self.assertEqual(client.recv(1), b"y")
                return [until(lambda port=port: (lambda rows: rows if claim(rows) else None)(self.timers(port)), "timers that fit")
                        for port in (relay.port(), backend.getsockname()[1])]

    @staticmethod
    def one_is_kept_alive(rows):
        return sorted(kind for kind, _ in rows) == [0, 2]

    def test_keepalive_is_on_both_legs_as_it_is_said(self):
        for rows in self.timers_when_idle(self.one_is_kept_alive, "--socket", "a:TCP_KEEPIDLE=1000"):
            self.assertTrue(900 < max(rows)[1] <= 1000, rows)

    def test_keepalive_is_the_default_and_can_be_turned_off(self):
        self.timers_when_idle(self.one_is_kept_alive)
        self.timers_when_idle(lambda rows: rows == [(0, 0), (0, 0)], "--keepalive", "no")

    def test_connections_are_made_from_the_address_that_is_said(self):
        port = speaker(self, "one").getsockname()[1]
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % port, "--local", "127.0.0.9")
        self.assertEqual(self.ask(relay.port()), ["one", "127.0.0.9"])


class Reports(Case):
    """Log, metrics, readiness."""

    def speak_plainly(self, port):
        """HTTP to a port of TLS."""
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                self.assertEqual(client.recv(100), b"")
            except ConnectionResetError:
                pass

    def test_every_line_of_a_log_in_json_fits_its_schema(self):
        schema, port = Schema("relay-log.json"), speaker(self, "one").getsockname()[1]
        config = "logFormat = json\nworkers = 1\ndrain = 1\n[web]\naccept = tls:127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\nprofile = https\n" \
            "[down]\naccept = 127.0.0.1:0\nconnect = 127.0.0.1:%d\ncert = %s\n[plain]\naccept = tcp:127.0.0.1:0\nconnect = 127.0.0.1:%d\n" % (
                port, self.server.both, tap.free_port(), self.server.both, port)
        path = servers.write(self.folder, "json.conf", config)
        relay = tap.start(self, [tap.built("lastword"), "relay", path], line='"event": ?"started"')
        ports = {name: int(relay.wait_line(r"^%s .*:(\d+)$" % name)[1]) for name in ("web", "down", "plain")}
        for name in ("web", "down"):
            with socket.create_connection(("127.0.0.1", ports[name]), DEADLINE) as raw:
                with self.context().wrap_socket(raw, server_hostname="localhost") as client:
                    try:
                        client.sendall(b"\x00\"\n\xff")
                        client.recv(100)
                    except OSError:
                        pass
        self.ask(ports["plain"])
        self.speak_plainly(ports["web"])
        os.kill(relay.pid, signal.SIGHUP)
        relay.wait_line('"reloaded"')
        servers.write(self.folder, "json.conf", config + "acept = 1\n")
        os.kill(relay.pid, signal.SIGHUP)
        relay.wait_line('"reload_failed"')
        os.kill(relay.pid, signal.SIGTERM)
        self.assertEqual(relay.wait(DEADLINE), 0)
        lines = [json.loads(line) for line in relay.err.decode().splitlines()]
        for line in lines:
            self.assertEqual(schema.problems(line), [], line)
        self.assertEqual({line["event"] for line in lines if "event" in line}, {"started", "reloaded", "reload_failed", "draining", "ended"})
        self.assertEqual(sorted(line["outcome"] for line in lines if "outcome" in line and line["listener"] != "web"), ["failed", "whole"])
        self.assertEqual(len([line for line in lines if line.get("listener") == "web"]), 2)

    def test_the_schema_here_refuses_what_it_should(self):
        schema, line = Schema("relay-log.json"), {"outcome": "cut", "action": "aborted", "in": 1, "out": 2, "lost": 0, "dur": 0.1, "complete": None,
                                                  "time": "2026-01-02T03:04:05.678Z"}
        self.assertEqual(schema.problems(line), [])
        for change in ({"outcome": "cutt"}, {"in": -1}, {"in": "1"}, {"complete": 1}, {"more": 1}, {"time": "now"}, {"event": "x"}, {"in": True}):
            self.assertTrue(schema.problems({**line, **change}), change)

    def test_metrics_count_what_happened(self):
        port, folder = speaker(self, "one").getsockname()[1], tap.temp_dir(self)
        relay = self.front("--connect", "127.0.0.1:%d" % port, "--metrics", "unix:%s/metrics" % folder)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as raw:
                with self.context().wrap_socket(raw, server_hostname="localhost") as client:
                    client.sendall(b"go\n")
                    self.assertEqual(client.recv(100), b"one 127.0.0.1\n")
                    self.assertEqual(client.recv(100), b"")
                    client.unwrap()
        self.speak_plainly(relay.port())
        with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE):
            pass
        relay.wait_connection(4)
        text = until(lambda: (lambda text: text if 'outcome="probe"} 1\n' in text else None)(metrics(relay)), "the probe counted")
        for line in ('connections_total{outcome="whole"} 3', 'connections_total{outcome="refused"} 1', "accepted_total 5", "connections_open 0",
                     'bytes_total{direction="in"} 9', 'bytes_total{direction="out"} 42', "bytes_lost_total 0", 'handshakes_total{leg="client",result="ok"} 3',
                     'endings_total{leg="client",kind="closed"} 3', 'endings_total{leg="server",kind="closed"} 3', "laundering_prevented_total 0", "draining 0"):
            self.assertIn("lastword_relay_%s\n" % line, text)

    def test_a_cut_that_was_not_passed_on_is_counted(self):
        def talk(connection):
            connection.recv(100)
            connection.sendall(b"half")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        relay = self.front("--connect", "127.0.0.1:%d" % servers.Raw(self, talk).port, "--metrics", "127.0.0.1:0")
        with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as raw:
            with self.context().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
                client.sendall(b"go\n")
                with self.assertRaises(ssl.SSLError):
                    while client.recv(100):
                        pass
        self.assertEqual(relay.wait_connection().outcome, "cut")
        self.assertEqual([metric(relay, name) for name in ("laundering_prevented_total", 'endings_total{leg="server",kind="reset"}')], [1, 1])

    def test_it_is_not_ready_while_it_drains(self):
        with socket.create_server(("127.0.0.1", 0)) as backend:
            relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "127.0.0.1:%d" % backend.getsockname()[1], "--metrics", "127.0.0.1:0", "--drain", "30",
                          "--profile", "https")

            def ready():
                return tap.run(["curl", "-sS", "-w", "%{http_code}", "-o", "/dev/null", "http://%s/ready" % relay.place("metrics")]).stdout
            self.assertEqual(ready(), b"200")
            with socket.create_connection(("127.0.0.1", relay.port()), DEADLINE) as client, backend.accept()[0] as server:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(server.recv(100))
                relay.signal(signal.SIGTERM)
                relay.wait("^draining connections=1")
                self.assertEqual(ready(), b"503")
                self.assertEqual(metric(relay, "draining"), 1)
                server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                self.assertTrue(client.recv(100))
                self.assertEqual(client.recv(100), b"")
                server.close()
            self.assertEqual(relay.process.wait(DEADLINE), 0)


if __name__ == "__main__":
    apart.go()
    tap.main()
