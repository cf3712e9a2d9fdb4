#!/usr/bin/python3
"""proxy_header_peers_test: PROXY headers between us and others: what HAProxy sends is read as it was meant, and what we
write is taken by HAProxy and nginx."""
import os
import socket
import ssl
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "cli")]
import servers
import tap

PEER = tap.built("tests/net/proxy_header_peer")
HAPROXY = """
global
  maxconn 64
  tune.ssl.default-dh-param 2048
defaults
  mode %s
  timeout client 20s
  timeout server 20s
  timeout connect 20s
"""


def haproxy(case, mode, config, port):
    """HAProxy in the foreground, listening on `port`."""
    folder = tap.temp_dir(case)
    path = servers.write(folder, "haproxy.cfg", HAPROXY % mode + config)
    tap.start(case, ["haproxy", "-db", "-f", path], port=port)


class Backend:
    """Takes one connection, reads until "hello" or its end, and ends it."""

    def __init__(self, case):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        case.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]

    def octets(self):
        connection, _ = self.listener.accept()
        connection.settimeout(20)
        octets = b""
        with connection:
            while not octets.endswith(b"hello"):
                try:
                    piece = connection.recv(4096)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                octets += piece
        return octets


def read_header(octets):
    """What we make of it: a dict of fields."""
    done = tap.run([PEER, "read"], input=octets)
    return dict(line.split(" ", 1) for line in done.stdout.decode().splitlines())


class HaproxySends(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tap.temp_dir(servers.Shared(cls))
        cls.server = servers.Certificate(folder, name="server")
        cls.client = servers.Certificate(folder, name="client")
        cls.both = os.path.join(folder, "both.pem")
        with open(cls.both, "wb") as out:
            for path in (cls.server.certificate, cls.server.key):
                with open(path, "rb") as part:
                    out.write(part.read())

    def relay(self, options, tls=True, ca=None):
        """HAProxy before a backend, to which it sends a header; the port and the backend."""
        backend, port = Backend(self), tap.free_port()
        bind = "ssl crt %s ca-file %s verify optional crt-ignore-err all ca-ignore-err all alpn h2,http/1.1" % (
            self.both, ca or self.client.certificate)
        haproxy(self, "tcp", """
listen relay
  bind 127.0.0.1:%d %s
  server backend 127.0.0.1:%d %s
""" % (port, bind if tls else "", backend.port, options), port)
        return port, backend

    def context(self, certificate=True):
        context = ssl.create_default_context(cafile=self.server.certificate)
        context.set_alpn_protocols(["http/1.1"])
        if certificate:
            context.load_cert_chain(self.client.certificate, self.client.key)
        return context

    def talk_tls(self, port, backend, context, session=None):
        """One connection with "hello" in it: what we read, our own end of it, its session, and whether that was resumed."""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as bare:
            own = bare.getsockname()
            with context.wrap_socket(bare, server_hostname="localhost", session=session) as tls:
                tls.sendall(b"hello")
                return read_header(backend.octets()), own, tls.session, tls.session_reused

    def test_version_1(self):
        port, backend = self.relay("send-proxy", tls=False)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            own = client.getsockname()
            client.sendall(b"hello")
            said = read_header(backend.octets())
        self.assertEqual(said, {"source": "127.0.0.1,%d" % own[1], "destination": "127.0.0.1,%d" % port, "behind": "hello"})

    def test_version_2_with_all_it_knows(self):
        port, backend = self.relay("send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c")
        said, own, _, _ = self.talk_tls(port, backend, self.context())
        self.assertEqual(said, {"source": "127.0.0.1,%d" % own[1], "destination": "127.0.0.1,%d" % port, "alpn": "http/1.1",
                                "authority": "localhost", "tls": "TLSv1.3", "cn": "localhost", "cipher": "TLS_AES_256_GCM_SHA384",
                                "certificate": "now", "verified": "yes", "behind": "hello"})

    def test_no_certificate(self):
        port, backend = self.relay("send-proxy-v2-ssl-cn")
        said, _, _, _ = self.talk_tls(port, backend, self.context(certificate=False))
        self.assertEqual([said.get(name) for name in ("tls", "cn", "certificate", "verified", "behind")],
                         ["TLSv1.3", None, None, None, "hello"])

    def test_a_certificate_that_does_not_verify(self):
        port, backend = self.relay("send-proxy-v2-ssl-cn", ca=self.server.certificate)
        said, _, _, _ = self.talk_tls(port, backend, self.context())
        self.assertEqual([said.get(name) for name in ("tls", "cn", "certificate", "verified")],
                         ["TLSv1.3", "localhost", "now", None])

    def test_a_certificate_of_the_session(self):
        port, backend = self.relay("send-proxy-v2-ssl-cn")
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        first, _, session, _ = self.talk_tls(port, backend, context)
        second, _, _, resumed = self.talk_tls(port, backend, context, session=session)
        self.assertTrue(resumed)
        self.assertEqual([said["certificate"] for said in (first, second)], ["now", "earlier"])
        self.assertEqual(second["cn"], "localhost")

    def test_a_checksum_over_nothing_else(self):
        port, backend = self.relay("send-proxy-v2 proxy-v2-options crc32c", tls=False)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"hello")
            octets = backend.octets()
        self.assertEqual(read_header(octets)["behind"], "hello")
        broken = octets[:-6] + bytes([octets[-6] ^ 1]) + octets[-5:]
        self.assertEqual(read_header(broken), {"bad": "the PROXY header of version 2 is wrong: its checksum does not fit"})

    def test_a_health_check(self):
        _, backend = self.relay("send-proxy-v2 check-send-proxy check inter 1h", tls=False)
        self.assertEqual(read_header(backend.octets()), {"local": "yes", "behind": ""})

    def test_a_client_on_a_unix_socket(self):
        backend, path = Backend(self), os.path.join(tap.temp_dir(self), "s")
        port = tap.free_port()
        haproxy(self, "tcp", """
listen relay
  bind 127.0.0.1:%d
  bind unix@%s
  server backend 127.0.0.1:%d send-proxy-v2
""" % (port, path, backend.port), port)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(path)
            client.sendall(b"hello")
            said = read_header(backend.octets())
        self.assertEqual((said.get("source"), said["local"], said["behind"]), (None, "yes", "hello"))


FULL = ["alpn=h2", "authority=example.test", "tls=TLSv1.3", "cn=client", "cipher=TLS_AES_128_GCM_SHA256", "certificate=now",
        "verified=yes"]
V4 = ["source=192.0.2.1,1234", "destination=192.0.2.2,443"]
V6 = ["source=2001:db8::1,1234", "destination=2001:db8::2,65535"]


class OthersTake(unittest.TestCase):
    """Rows: version, fields, and what a server that takes the header says; None: the connection's own ends."""
    ROWS = [
        (1, V4, "192.0.2.1 1234 192.0.2.2 443"),
        (1, V6, "2001:db8::1 1234 2001:db8::2 65535"),
        (1, ["source=::ffff:192.0.2.1,1234", "destination=::ffff:192.0.2.2,443"], "192.0.2.1 1234 192.0.2.2 443"),
        (1, ["local=yes"], None),
        (2, V4, "192.0.2.1 1234 192.0.2.2 443"),
        (2, V6, "2001:db8::1 1234 2001:db8::2 65535"),
        (2, V4 + FULL, "192.0.2.1 1234 192.0.2.2 443"),
        (2, V6 + FULL, "2001:db8::1 1234 2001:db8::2 65535"),
        (2, V4 + ["authority=" + "a" * 255, "cn=" + "c" * 255], "192.0.2.1 1234 192.0.2.2 443"),
        (2, ["local=yes"] + FULL, None),
        (2, ["source=192.0.2.1,1"], None),
    ]

    def ask(self, port, version, fields):
        """The header and a request in one; the answer's body, and our own end."""
        header = tap.run([PEER, "write", version, *fields])
        self.assertEqual(header.returncode, 0)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            own = client.getsockname()
            client.sendall(header.stdout + b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := client.recv(4096):
                answer += piece
        self.assertEqual(answer.split()[1:2], [b"200"], answer)
        return answer.partition(b"\r\n\r\n")[2].decode().strip(), own

    def take_all(self, port, of_own):
        for version, fields, said in self.ROWS:
            with self.subTest(version=version, fields=fields):
                body, own = self.ask(port, version, fields)
                self.assertEqual(body, said if said is not None else of_own(own, port))

    def start_haproxy(self, what):
        port = tap.free_port()
        haproxy(self, "http", """
frontend taker
  bind 127.0.0.1:%d accept-proxy
  http-request return status 200 content-type text/plain lf-string "%s"
""" % (port, what), port)
        return port

    def test_haproxy_takes_the_ends(self):
        self.take_all(self.start_haproxy("%[src] %[src_port] %[dst] %[dst_port]"),
                      lambda own, port: "127.0.0.1 %d 127.0.0.1 %d" % (own[1], port))

    def test_haproxy_takes_the_authority(self):
        self.assertEqual(self.ask(self.start_haproxy("%[fc_pp_authority]"), 2, V4 + FULL)[0], "example.test")

    def test_nginx_takes_the_ends(self):
        folder, port = tap.temp_dir(self), tap.free_port()
        config = servers.write(folder, "nginx.conf", """
            daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log;
            events { worker_connections 64; }
            http {
              access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
              uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
              server {
                listen 127.0.0.1:%(port)d proxy_protocol;
                location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port"; }
              }
            }""" % {"folder": folder, "port": port, "user": "user root;" if os.geteuid() == 0 else ""})
        tap.start(self, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=port)
        self.take_all(port, lambda own, port: "")


if __name__ == "__main__":
    tap.main()
