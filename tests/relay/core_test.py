#!/usr/bin/python3
"""core: what a session, a worker and the process owe an operator: backends that fail in every phase, ends that come at once, limits."""
import concurrent.futures
import os
import pwd
import signal
import smtplib
import socket
import ssl
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
from rig import Relay, servers, tap


def wait_until(is_so, seconds=10):
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError("it did not come about within %s s" % seconds)
        threading.Event().wait(0.02)


def with_files(case, files):
    """A command that runs another where these files of the system's say what is given here."""
    folder = tap.temp_dir(case)
    mounts = "".join("mount --bind %s %s; " % (servers.write(folder, path.replace("/", "-"), text), path) for path, text in files.items())
    within = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "sh", "-ec", mounts + "exec \"$@\"", "sh"]
    if tap.run([*within, "true"]).returncode != 0:
        case.skipTest("no mount namespace here")
    return within


class Answerer:
    """A plain server: answers a line with its name, then ends."""

    def __init__(self, case, name=b"yes"):
        self.name = name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        case.addCleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                piece = b"."
                while piece and not piece.endswith(b"\n"):
                    piece = connection.recv(100)
                if piece:
                    connection.sendall(self.name)
            except OSError:
                pass


class Backends(unittest.TestCase):
    """One that fails is passed over, and leaves nothing behind for the next."""

    def setUp(self):
        self.folder = tap.temp_dir(self)
        self.right = servers.Certificate(self.folder, name="right")
        self.wrong = servers.Certificate(self.folder, name="wrong")

    def ask(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"go\n")
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read()

    def two_servers(self, more=""):
        """Two relays as TLS servers, of which only the second has the right certificate."""
        service = "[%s]\naccept = tls:127.0.0.1:0\nconnect = tcp:127.0.0.1:%d\ncert = %s\nkey = %s\n" + more
        answerer = Answerer(self)
        config = "".join(service % (name, answerer.port, c.certificate, c.key) for name, c in (("one", self.wrong), ("two", self.right)))
        relay = Relay(self, config=config)
        return relay.port("one"), relay.port("two")

    def relay(self, one, two, *flags):
        return Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tls:localhost:%d" % one, "--connect", "tls:localhost:%d" % two,
                     "--CAfile", self.right.certificate, *flags)

    def test_behind_a_failed_handshake_the_next_ones_verdict_is_told(self):
        relay = self.relay(*self.two_servers())
        self.assertEqual(self.ask(relay.port()), b"yes")
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["server_end"]), ("whole", "closed"), line.text)
        self.assertEqual(relay.end(), 0)

    def test_behind_a_failed_handshake_the_next_one_is_asked_for_tls_too(self):
        relay = self.relay(*self.two_servers("protocol = smtp\n"), "--protocol", "smtp")
        with socket.create_connection(("127.0.0.1", relay.port()), timeout=20) as client:
            self.assertTrue(client.recv(3).startswith(b"220"))

    def test_a_handshake_has_its_own_time(self):
        """Not what is left of the time to connect, which is shorter here than the server is slow."""
        slow = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(slow.close)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.right.certificate, self.right.key)

        def serve():
            raw, _ = slow.accept()
            threading.Event().wait(1.5)
            with context.wrap_socket(raw, server_side=True) as server:
                server.sendall(server.recv(100))
                server.unwrap()
        threading.Thread(target=serve, daemon=True).start()
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tls:localhost:%d" % slow.getsockname()[1],
                      "--CAfile", self.right.certificate, "--TIMEOUTconnect", "1", "--TIMEOUTbusy", "20")
        self.assertEqual(self.ask(relay.port()), b"go\n")

    def test_each_address_of_a_name_has_its_own_time(self):
        within = with_files(self, {"/etc/hosts": "127.0.0.1 localhost\n127.0.0.2 twice\n127.0.0.3 twice\n"})
        for silent, good in (("127.0.0.2", "127.0.0.3"), ("127.0.0.3", "127.0.0.2")):
            with self.subTest(silent=silent), socket.create_server((silent, 0), backlog=0) as full, \
                    socket.create_server((good, full.getsockname()[1])) as listener, \
                    socket.create_connection(full.getsockname()):  # no room for another
                relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:twice:%d" % full.getsockname()[1],
                              "--TIMEOUTconnect", "1", within=within)
                with socket.create_connection(("127.0.0.1", relay.port())) as client:
                    client.sendall(b"here")
                    listener.settimeout(5)
                    connection, _ = listener.accept()
                    with connection:
                        self.assertEqual(connection.recv(4), b"here")


class Farewell(unittest.TestCase):
    """What comes to nothing before both legs stand is no end either."""

    def test_a_client_at_a_unix_socket_is_reset(self):
        path = os.path.join(tap.temp_dir(self), "front")
        Relay(self, "--accept", "unix:" + path, "--connect", "tcp:127.0.0.1:%d" % tap.free_port())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                client.recv(1)
            client.settimeout(20)
            client.sendall(b"hello")
            with self.assertRaises(ConnectionResetError):
                client.recv(1)

    def test_a_client_at_a_unix_socket_that_says_nothing_is_not_kept(self):
        path = os.path.join(tap.temp_dir(self), "front")
        Relay(self, "--accept", "unix:" + path, "--connect", "tcp:127.0.0.1:%d" % tap.free_port())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(10)
            self.assertEqual(client.recv(1), b"")

    def test_a_backend_that_was_told_who_comes_is_reset(self):
        certificate = servers.Certificate(tap.temp_dir(self))
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % listener.getsockname()[1], "--drain", "1",
                      "--cert", certificate.certificate, "--key", certificate.key, "--protocol", "smtp", "--proxyOut", "v1")
        with smtplib.SMTP("127.0.0.1", relay.port(), timeout=20) as client:
            client.starttls(context=ssl.create_default_context(cafile=certificate.certificate))
            backend, _ = listener.accept()  # and never greets
            with backend:
                self.assertTrue(backend.recv(200).endswith(b"\r\n"))
                relay.signal(signal.SIGTERM)
                backend.settimeout(20)
                with self.assertRaises(ConnectionResetError):
                    backend.recv(1)
                with self.assertRaises(ssl.SSLError):
                    client.sock.recv(1)
            client.close()


class Limits(unittest.TestCase):
    def test_whose_turn_comes_is_taken_at_once(self):
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % Answerer(self).port, "--maxConnections", "1")

        def ask(_):
            with socket.create_connection(("127.0.0.1", relay.port()), timeout=20) as client:
                client.sendall(b"go\n")
                client.shutdown(socket.SHUT_WR)
                return client.makefile("rb").read()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            self.assertEqual(set(clients.map(ask, range(120))), {b"yes"})
        self.assertLess(time.monotonic() - began, 4)  # looking every 50 ms takes six seconds

    def test_a_services_limit_counts_on_over_a_reload(self):
        config = """
            [one]
            accept = tcp:127.0.0.1:0
            connect = tcp:127.0.0.1:%d
            maxConnections = 1
            """ % Answerer(self).port
        relay = Relay(self, config=config)
        address = ("127.0.0.1", relay.port("one"))
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            first.sendall(b"half")
            relay.rewrite(config)
            relay.wait("^reloaded ")
            second.sendall(b"go\n")
            second.settimeout(1)
            with self.assertRaises(TimeoutError):
                second.recv(1)
            first.sendall(b" a line\n")
            self.assertEqual(first.recv(3), b"yes")
            first.close()
            second.settimeout(20)
            self.assertEqual(second.recv(3), b"yes")


# As the manager does it: sockets from 3 on, for the process that the program becomes.
HANDING = """
import fcntl, os, socket, sys
ports, name = sys.argv[1].split(","), sys.argv[2]
listeners = [socket.create_server(("127.0.0.1", int(port))) for port in ports]
for i, high in enumerate([fcntl.fcntl(listener, fcntl.F_DUPFD_CLOEXEC, 50) for listener in listeners]):
    os.dup2(high, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(ports)), LISTEN_FDNAMES=":".join([name] * len(ports)))
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Process(unittest.TestCase):
    def setUp(self):
        self.folder = tap.temp_dir(self)

    def path(self, name):
        return os.path.join(self.folder, name)

    def refused(self, *flags):
        """A relay that does not start; what it says."""
        done = tap.run([rig.LASTWORD, "relay", "--connect", "tcp:127.0.0.1:9", *flags])
        self.assertEqual(done.returncode, 3, done.stderr)
        return done.stderr.decode()

    def test_serves_metrics_on_a_socket_that_was_handed_over(self):
        port = tap.free_port()
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:9", "--metrics", "127.0.0.1:%d" % port,
                      within=[sys.executable, "-c", HANDING, port, "metrics"])
        self.assertEqual(relay.place("metrics"), "127.0.0.1:%d" % port)
        with urllib.request.urlopen("http://127.0.0.1:%d/ready" % port, timeout=10) as answer:
            self.assertEqual(answer.read(), b"ready\n")
        self.assertNotIn("no service accepts", relay.process.err.decode())

    def test_takes_all_sockets_that_were_handed_over_for_a_service(self):
        ports = [tap.free_port(), tap.free_port()]
        config = "[web]\naccept = tcp:127.0.0.1:%d\nconnect = tcp:127.0.0.1:%d\n" % (ports[0], Answerer(self).port)
        relay = Relay(self, config=config, within=[sys.executable, "-c", HANDING, "%d,%d" % tuple(ports), "web"])
        self.assertNotIn("no service accepts", relay.process.err.decode())
        for port in ports:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(b"go\n")
                self.assertEqual(client.recv(3), b"yes")

    def test_that_does_not_start_leaves_no_path(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            place = "127.0.0.1:%d" % taken.getsockname()[1]
            said = self.refused("--accept", "unix:" + self.path("front"), "--metrics", place, "--pid", self.path("pid"))
            self.assertIn("cannot listen on " + place, said)
            config = servers.write(self.folder, "two.conf", "connect = tcp:127.0.0.1:9\n[a]\naccept = unix:%s\n[b]\naccept = tcp:%s\n" % (
                self.path("front"), place))
            self.assertIn("cannot listen on " + place, tap.run([rig.LASTWORD, "relay", config]).stderr.decode())
        self.assertEqual(os.listdir(self.folder), ["two.conf"])

    def test_listens_on_every_address_of_a_name(self):
        within = with_files(self, {"/etc/hosts": "127.0.0.2 twice\n127.0.0.3 twice\n127.0.0.2 twice\n"})
        config = "workers = 2\n[a]\naccept = tcp:twice:0\nconnect = tcp:127.0.0.1:%d\n" % Answerer(self).port
        relay = Relay(self, config=config, within=within)
        port = relay.port("a")
        self.assertEqual(relay.process.out.decode(), "a 127.0.0.2:%d\na 127.0.0.3:%d\n" % (port, port))
        for _ in range(2):
            for host in ("127.0.0.2", "127.0.0.3") * 8:
                with socket.create_connection((host, port), timeout=20) as client:
                    client.sendall(b"go\n")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.makefile("rb").read(), b"yes")
            relay.rewrite(config)
            relay.process.wait_line("^reloaded ")
        relay.rewrite(config.replace("twice:0", "127.0.0.1:0"))
        wait_until(lambda: not tap.is_listening(port))

    def test_does_not_listen_where_another_does(self):
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:9")
        self.assertIn("another program has that port", self.refused("--accept", "tcp:" + relay.place()))

    def test_two_services_do_not_share_a_place_by_two_names(self):
        port = tap.free_port()
        service = "[%s]\naccept = tcp:%s:%d\nconnect = tcp:127.0.0.1:9\n"
        one, two = service % ("one", "127.0.0.1", port), service % ("two", "localhost", port)
        relay = Relay(self, config=one)
        relay.rewrite(one + two)
        self.assertIn("[one] listens on 127.0.0.1:%d already" % port, relay.wait("^reload_failed")["reason"])
        relay.rewrite(two)  # the same place, by another name
        relay.wait("^reloaded ")

    def test_that_does_not_start_leaves_anothers_pid_file_alone(self):
        flags = ["--accept", "tcp:127.0.0.1:0", "--pid", self.path("pid"), "--metrics", "127.0.0.1:%d" % tap.free_port()]
        relay = Relay(self, "--connect", "tcp:127.0.0.1:9", *flags)
        self.refused(*flags)
        with open(self.path("pid"), encoding="ascii") as written:
            self.assertEqual(int(written.read()), relay.pid)
        relay.end()
        self.assertFalse(os.path.exists(self.path("pid")))

    def test_removes_the_pid_file_it_wrote_whatever_is_configured_by_then(self):
        config = "[a]\naccept = tcp:127.0.0.1:0\nconnect = tcp:127.0.0.1:9\n"
        for name, later in (("one", config), ("two", "pid = %s\n" % self.path("three") + config)):
            with self.subTest(later=later):
                relay = Relay(self, config="pid = %s\n" % self.path(name) + config)
                relay.rewrite(later)
                relay.wait("^restart_needed key=pid")
                relay.wait("^reloaded ")
                self.assertTrue(os.path.exists(self.path(name)))
                self.assertEqual(relay.end(), 0)
                self.assertEqual(os.listdir(self.folder), [])

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes somebody else")
    def test_that_becomes_a_user_keeps_no_group_of_roots(self):
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:9", "--setuid", "nobody")
        nobody = pwd.getpwnam("nobody")
        with open("/proc/%d/status" % relay.pid, encoding="ascii") as status:
            rows = dict(line.split(":", 1) for line in status)
        self.assertEqual(rows["Uid"].split(), [str(nobody.pw_uid)] * 4)
        self.assertEqual(rows["Gid"].split(), [str(nobody.pw_gid)] * 4)
        self.assertNotIn("0", rows["Groups"].split())

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes somebody else")
    def test_becomes_no_user_without_a_group(self):
        self.assertIn("write setgid, too", self.refused("--accept", "tcp:127.0.0.1:0", "--setuid", "54321"))
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:9", "--setuid", "54321", "--setgid", "12345")
        with open("/proc/%d/status" % relay.pid, encoding="ascii") as status:
            rows = dict(line.split(":", 1) for line in status)
        self.assertEqual([rows[name].split()[0] for name in ("Uid", "Gid", "Groups")], ["54321", "12345", "12345"])

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes somebody else")
    def test_becomes_nobody_by_a_number_that_is_none(self):
        self.assertIn("there is none of that name", self.refused("--accept", "tcp:127.0.0.1:0", "--setuid", "33x"))


class Drain(unittest.TestCase):
    def relay(self, *flags, port=None, **options):
        port = port or Answerer(self).port
        return Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % port, *flags, **options)

    def test_told_twice_it_ends_at_once(self):
        relay = self.relay("--drain", "50")
        with socket.create_connection(("127.0.0.1", relay.port()), timeout=20) as client:
            client.sendall(b"half a line")
            relay.signal(signal.SIGTERM)
            wait_until(lambda: not tap.is_listening(relay.port()))
            relay.signal(signal.SIGTERM)
            self.assertEqual(relay.process.wait(10), 1)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
        self.assertEqual(relay.wait_connection().outcome, "abandoned")

    def test_who_has_only_just_come_is_still_heard(self):
        relay = self.relay()
        with socket.create_connection(("127.0.0.1", relay.port()), timeout=20) as client:
            relay.signal(signal.SIGTERM)
            wait_until(lambda: not tap.is_listening(relay.port()))
            threading.Event().wait(0.1)  # as far away as that
            client.sendall(b"go\n")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.makefile("rb").read(), b"yes")
        self.assertEqual(relay.process.wait(10), 0)

    def test_who_says_nothing_does_not_hold_the_end_up(self):
        relay = self.relay("--drain", "40")
        with socket.create_connection(("127.0.0.1", relay.port()), timeout=20) as client:
            relay.signal(signal.SIGTERM)
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(relay.process.wait(10), 0)

    def test_a_backend_is_cut_off_without_waiting_for_the_client_to_close(self):
        certificate = servers.Certificate(tap.temp_dir(self))
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % listener.getsockname()[1],
                      "--cert", certificate.certificate, "--key", certificate.key, "--drain", "1")
        context = ssl.create_default_context(cafile=certificate.certificate)
        raw = socket.create_connection(("127.0.0.1", relay.port()), timeout=20)
        with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
            client.sendall(b"half a question")
            backend, _ = listener.accept()
            with backend:
                backend.recv(100)
                backend.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")
                relay.signal(signal.SIGTERM)
                backend.settimeout(3.5)
                with self.assertRaises(ConnectionResetError):
                    backend.recv(1)

    def test_a_name_server_that_is_silent_does_not_hold_the_end_up(self):
        name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(name_server.close)
        try:
            name_server.bind(("127.0.0.53", 53))
        except PermissionError:
            self.skipTest("only root is a name server")
        within = with_files(self, {"/etc/resolv.conf": "nameserver 127.0.0.53\noptions timeout:30 attempts:2\n",
                                   "/etc/nsswitch.conf": "hosts: files dns\n"})
        relay = Relay(self, "--accept", "tcp:127.0.0.1:0", "--connect", "tcp:silent.example.org:9", "--drain", "1", within=within)
        with socket.create_connection(("127.0.0.1", relay.port())):
            self.assertIn(b"silent", name_server.recv(1000))
            relay.signal(signal.SIGTERM)
            self.assertEqual(relay.process.wait(10), 1)
        self.assertIn("ended", relay.process.err.decode())

    def test_a_connection_that_said_nothing_is_no_connection_cut_off(self):
        folder = tap.temp_dir(self)
        certificate = servers.Certificate(folder)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % Answerer(self).port,
                      "--cert", certificate.certificate, "--key", certificate.key, "--drain", "1")
        with socket.create_connection(("127.0.0.1", relay.port())):
            relay.signal(signal.SIGTERM)
            self.assertEqual(relay.process.wait(10), 0)
        self.assertNotIn("action=", relay.process.err.decode())

    def test_connections_that_are_over_in_the_queue_do_not_end_it_before_those_behind_them(self):
        folder = tap.temp_dir(self)
        certificate = servers.Certificate(folder)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--connect", "tcp:127.0.0.1:%d" % Answerer(self).port,
                      "--cert", certificate.certificate, "--key", certificate.key, "--drain", "1", "--TIMEOUTbusy", "40")
        port = relay.port()
        relay.signal(signal.SIGSTOP)
        for _ in range(300):  # more than are taken in one turn
            socket.create_connection(("127.0.0.1", port)).close()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"\x16\x03\x01")
            relay.signal(signal.SIGTERM)
            relay.signal(signal.SIGCONT)
            relay.process.wait(10)


if __name__ == "__main__":
    tap.main()
