#!/usr/bin/python3
"""admin_test: the metrics port answers real clients on loopback and Unix sockets, says 503 while draining, refuses every
other address, and survives those who send it nonsense or nothing."""
import os
import re
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PEER = tap.built("tests/relay/admin_peer")
CONNECTIONS_MAX = 32


class Admin(unittest.TestCase):
    def serve(self, *place, **popen):
        return tap.start(self, [PEER, *place], line=r"^place (\S+)$", stdin=subprocess.PIPE, **popen)

    def tell(self, server, word):
        server.stdin.write(word.encode() + b"\n")
        server.stdin.flush()
        server.wait_line("^did %s$" % word)

    def refused(self, *place, **popen):
        done = tap.run([PEER, *place], **popen)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stdout.decode()

    def curl(self, place, path, *options):
        """curl: (status, headers, body); `place` is HOST:PORT or a path."""
        words = ["--unix-socket", place, "http://localhost" + path] if place.startswith("/") else ["http://" + place + path]
        done = tap.run(["curl", "--silent", "--show-error", "--include", "--path-as-is", "--max-time", "20", *options, *words])
        self.assertEqual(done.returncode, 0, done.stderr)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}, body

    def test_metrics_are_of_prometheus_text_format(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        status, headers, body = self.curl(place, "/metrics")
        self.assertEqual((status, headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertEqual(body, b"# TYPE lastword_test counter\nlastword_test 1\n")

    def test_long_metrics_come_whole(self):
        server = self.serve("tcp", "127.0.0.1", "0")
        self.tell(server, "long")
        status, headers, body = self.curl(server.said[1], "/metrics")
        self.assertEqual((status, int(headers["content-length"])), (200, len(body)))
        self.assertTrue(body.endswith(b'{row="00024999",filler=""} 1\n'))

    def test_ready_until_it_drains(self):
        server = self.serve("tcp", "127.0.0.1", "0")
        self.assertEqual(self.curl(server.said[1], "/ready")[::2], (200, b"ready\n"))
        self.tell(server, "drain")
        self.assertEqual(self.curl(server.said[1], "/ready")[::2], (503, b"draining\n"))
        self.assertEqual(self.curl(server.said[1], "/metrics")[0], 200)

    def test_the_root_names_both_pages(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        status, headers, body = self.curl(place, "/")
        self.assertEqual((status, headers["content-type"]), (200, "text/plain; charset=utf-8"))
        self.assertIn(b"/metrics", body)
        self.assertIn(b"/ready", body)

    def test_other_paths_are_not_found(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        for path in ("/metrics/", "/metric", "/../metrics", "/" + "x" * 2000):
            with self.subTest(path=path[:20]):
                self.assertEqual(self.curl(place, path)[0], 404)
        self.assertEqual(self.curl(place, "/metrics?name=x")[0], 200, "a query changes nothing")

    def test_other_methods_are_refused_with_those_allowed(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        for options in (("-X", "PUT"), ("-X", "DELETE"), ("-X", "OPTIONS"), ("--data", "x" * 100000), ("-X", "BREW")):
            with self.subTest(options=options[:2]):
                status, headers, _ = self.curl(place, "/metrics", *options)
                self.assertEqual((status, headers.get("allow")), (405, "GET, HEAD"))

    def test_head_has_no_body(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        for path in ("/metrics", "/ready", "/nowhere"):
            with self.subTest(path=path):
                got, asked = self.curl(place, path), self.curl(place, path, "--head")
                self.assertEqual(asked[2], b"")
                self.assertEqual((asked[0], asked[1]["content-length"]), (got[0], str(len(got[2]))))

    def test_one_connection_takes_several_requests(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        done = tap.run(["curl", "--silent", "--write-out", "%{num_connects}\n", "http://%s/ready" % place, "http://%s/ready" % place])
        self.assertEqual(done.stdout, b"ready\n1\nready\n0\n")

    def test_on_a_unix_socket_that_goes_with_it(self):
        path = os.path.join(tap.temp_dir(self), "metrics")
        server = self.serve("unix", path)
        self.assertEqual(server.said[1], path)
        self.assertEqual(self.curl(path, "/ready")[::2], (200, b"ready\n"))
        self.tell(server, "stop")
        self.assertFalse(os.path.exists(path))

    def test_a_unix_socket_that_another_has_made_since_stays(self):
        path = os.path.join(tap.temp_dir(self), "metrics")
        first = self.serve("unix", path)
        os.remove(path)
        self.serve("unix", path)
        self.tell(first, "stop")
        self.assertEqual(self.curl(path, "/ready")[0], 200)

    def test_a_unix_socket_that_nobody_listens_on_is_replaced(self):
        path = os.path.join(tap.temp_dir(self), "metrics")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        self.serve("unix", path)
        self.assertEqual(self.curl(path, "/ready")[0], 200)

    def test_what_is_in_the_way_of_a_unix_socket_is_left_alone(self):
        folder = tap.temp_dir(self)
        live, file = os.path.join(folder, "live"), os.path.join(folder, "file")
        self.serve("unix", live)
        with open(file, "w") as out:
            out.write("kept")
        self.assertIn("another program listens there", self.refused("unix", live))
        self.assertEqual(self.curl(live, "/ready")[0], 200)
        self.assertIn("move that file away", self.refused("unix", file))
        with open(file) as kept:
            self.assertEqual(kept.read(), "kept")
        self.assertIn("make its folder first", self.refused("unix", os.path.join(folder, "none", "x")))

    def test_loopback_by_any_of_its_names(self):
        for host, place in (("127.0.0.1", r"127\.0\.0\.1:\d+"), ("127.8.9.10", r"127\.8\.9\.10:\d+"), ("::1", r"\[::1\]:\d+"),
                            ("localhost", r"(127\.0\.0\.1|\[::1\]):\d+")):
            with self.subTest(host=host):
                said = self.serve("tcp", host, "0").said[1]
                self.assertTrue(re.fullmatch(place, said), said)
                self.assertEqual(self.curl(said, "/ready")[0], 200)

    def test_no_other_address(self):
        for host in ("0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "2001:db8::1", "128.0.0.1", "::ffff:192.0.2.1", ""):
            with self.subTest(host=host):
                self.assertRegex(self.refused("tcp", host, "9180"), r"is no loopback address; write 127\.0\.0\.1:9180,")

    def test_a_port_in_use_is_a_sentence(self):
        port = self.serve("tcp", "127.0.0.1", "0").said[1].split(":")[1]
        self.assertIn("cannot listen on 127.0.0.1:%s: Address already in use" % port, self.refused("tcp", "127.0.0.1", port))


class Handed(unittest.TestCase):
    """A socket that a manager opened: passed as descriptor 3, as systemd does."""
    serve, tell, curl, refused = Admin.serve, Admin.tell, Admin.curl, Admin.refused

    def hand(self, listener, *place):
        self.addCleanup(listener.close)
        script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=metrics; exec "$@"' % listener.fileno()
        process = subprocess.Popen(["sh", "-c", script, "sh", PEER, *place], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   pass_fds=[listener.fileno()], text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.stdin.close)
        return process, process.stdout.readline()

    def test_is_used_and_stays_the_managers(self):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        process, said = self.hand(listener, "tcp", "127.0.0.1", "1")
        self.assertEqual(said, "place 127.0.0.1:%d\n" % port)
        self.assertEqual(self.curl("127.0.0.1:%d" % port, "/ready")[0], 200)
        process.stdin.write("stop\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "did stop\n")
        listener.settimeout(10)  # it was not shut down: the manager still takes connections on it
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            pass

    def test_of_unix_stays_in_its_folder(self):
        path = os.path.join(tap.temp_dir(self), "metrics")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        process, said = self.hand(listener, "unix", path)
        self.assertEqual(said, "place %s\n" % path)
        self.assertEqual(self.curl(path, "/ready")[0], 200)
        process.stdin.write("stop\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "did stop\n")
        self.assertTrue(os.path.exists(path))

    def test_that_other_machines_reach_is_refused(self):
        process, said = self.hand(socket.create_server(("0.0.0.0", 0)), "tcp", "127.0.0.1", "1")
        self.assertIn("is no loopback address; change ListenStream=", said)
        self.assertEqual(process.wait(10), 1)


class Abuse(unittest.TestCase):
    serve, tell, curl = Admin.serve, Admin.tell, Admin.curl

    def test_nonsense_ends_its_connection_alone(self):
        place = self.serve("tcp", "127.0.0.1", "0").said[1]
        port = int(place.split(":")[1])
        for bytes_sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\0" * 4096, b"GET /metrics\r\n\r\n",
                           b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20000 + b"\r\n", b"GET /" + b"y" * 100000 + b" HTTP/1.1\r\n\r\n"):
            with self.subTest(sent=bytes_sent[:12]), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                try:
                    client.sendall(bytes_sent)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except OSError:
                    pass  # it hung up early: its right
                self.assertEqual(self.curl(place, "/ready")[0], 200)

    def test_those_who_say_nothing_are_bounded_and_do_not_stay(self):
        server = self.serve("tcp", "127.0.0.1", "0")
        port = int(server.said[1].split(":")[1])
        silent = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(CONNECTIONS_MAX)]
        for client in silent:
            self.addCleanup(client.close)
        self.assertEqual(self.curl(server.said[1], "/ready", "--retry", "3")[0], 200, "once the silent ones are sent away")
        self.assertEqual(silent[0].recv(1), b"", "its time is up")


if __name__ == "__main__":
    tap.main()
