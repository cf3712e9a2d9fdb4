#!/usr/bin/python3
"""manager_test: sockets from systemd's own socket-activate find the place or the service they are for, each once; what the
manager is told arrives on its NOTIFY_SOCKET as it expects it; without a manager nothing happens."""
import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PEER = tap.built("tests/relay/manager_peer")
ACTIVATE = "/usr/bin/systemd-socket-activate"


@unittest.skipUnless(os.path.exists(ACTIVATE), "no systemd-socket-activate (package systemd)")
class Sockets(unittest.TestCase):
    def activate(self, listen, asked, names=()):
        """What the peer says that systemd-socket-activate starts on the first connection.  `listen`: places as systemd writes
        them; `asked`: what the peer asks for."""
        words = [word for place in listen for word in ("--listen", place)]
        words += ["--fdname=" + ":".join(names)] if names else []
        starter = tap.start(self, [ACTIVATE, *words, PEER, *asked], stdin=subprocess.PIPE)
        self.connect(listen[0], starter)
        starter.wait_line(r"^watchdog \d+$")
        starter.stdin.close()
        self.assertEqual(starter.wait(), 0)
        return [line for line in starter.out.decode().splitlines() if not line.startswith("watchdog")]

    def connect(self, place, starter):
        if place.startswith("/"):
            starter.wait_line("Listening on")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(place)
            return
        port = int(place.rsplit(":", 1)[1])
        starter.wait_listening(port)
        with socket.create_connection(("127.0.0.1" if "[" not in place else "::1", port)):
            pass

    def test_is_found_by_its_address(self):
        one, two, other = tap.free_port(), tap.free_port(), tap.free_port()
        said = self.activate(["127.0.0.1:%d" % one, "127.0.0.1:%d" % two],
                             ["b", "tcp", "127.0.0.1", two, "a", "tcp", "127.0.0.1", one, "c", "tcp", "127.0.0.1", other])
        self.assertEqual(said, ["b 127.0.0.1:%d" % two, "a 127.0.0.1:%d" % one, "c none", "rest 0", "LISTEN_FDS is gone"])

    def test_of_another_address_with_the_same_port_is_not_taken(self):
        port = tap.free_port()
        said = self.activate(["127.0.0.1:%d" % port], ["a", "tcp", "127.0.0.2", port])
        self.assertEqual(said[:2], ["a none", "rest 1"])

    def test_is_found_by_a_hosts_name(self):
        port = tap.free_port()
        self.assertEqual(self.activate(["127.0.0.1:%d" % port], ["a", "tcp", "localhost", port])[0], "a 127.0.0.1:%d" % port)

    def test_on_every_address_is_for_a_place_without_a_host(self):
        port = tap.free_port(socket.AF_INET6)
        self.assertEqual(self.activate(["[::]:%d" % port], ["a", "tcp", "", port])[0], "a [::]:%d" % port)

    def test_of_unix_is_found_by_its_path(self):
        path = os.path.join(tap.temp_dir(self), "web")
        self.assertEqual(self.activate([path], ["x", "unix", path + ".not", "web", "unix", path])[:3],
                         ["x none", "web " + path, "rest 0"])

    def test_is_found_by_the_services_name(self):
        one, two = tap.free_port(), tap.free_port()
        said = self.activate(["127.0.0.1:%d" % one, "127.0.0.1:%d" % two], ["web", "tcp", "", "443", "mail", "tcp", "::", "0"],
                             names=["mail", "web"])
        self.assertEqual(said[:3], ["web 127.0.0.1:%d" % two, "mail 127.0.0.1:%d" % one, "rest 0"])

    def test_of_another_kind_is_not_taken_by_name(self):
        port = tap.free_port()
        self.assertEqual(self.activate(["127.0.0.1:%d" % port], ["web", "unix", "/nowhere"], names=["web"])[:2], ["web none", "rest 1"])

    def test_is_given_once(self):
        port = tap.free_port()
        asked = ["web", "tcp", "127.0.0.1", port]
        self.assertEqual(self.activate(["127.0.0.1:%d" % port], asked + asked, names=["web"])[:2],
                         ["web 127.0.0.1:%d" % port, "web none"])

    def test_that_nobody_wants_is_counted_and_closed(self):
        ports = [tap.free_port() for _ in range(3)]
        said = self.activate(["127.0.0.1:%d" % port for port in ports], ["a", "tcp", "127.0.0.1", ports[1]])
        self.assertEqual(said[1], "rest 2")


class Words(unittest.TestCase):
    """What is told to a manager: a datagram socket of ours."""

    def setUp(self):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.path = os.path.join(tap.temp_dir(self), "notify")
        self.manager.bind(self.path)
        self.manager.settimeout(10)

    def say(self, line, **changes):
        """What the manager hears when the peer is told `line`, by name."""
        tap.run([PEER], input=line + "\n", env=tap.environment(NOTIFY_SOCKET=self.path, **changes))
        return dict(row.split("=", 1) for row in self.manager.recv(4096).decode().strip("\n").split("\n"))

    def test_ready(self):
        self.assertEqual(self.say("ready 2 services"), {"READY": "1", "STATUS": "2 services"})

    def test_reloading_says_since_when(self):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        told = self.say("reloading")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertEqual(told["RELOADING"], "1")
        self.assertTrue(before <= int(told["MONOTONIC_USEC"]) <= after, told)

    def test_stopping_says_how_long_it_may_take(self):
        self.assertEqual(self.say("stopping drains 3 connections"),
                         {"STOPPING": "1", "STATUS": "drains 3 connections", "EXTEND_TIMEOUT_USEC": "130000000"})

    def test_status(self):
        self.assertEqual(self.say("status all is well"), {"STATUS": "all is well"})

    def test_alive(self):
        self.assertEqual(self.say("alive"), {"WATCHDOG": "1"})

    def test_a_status_cannot_become_another_word(self):
        self.assertEqual(self.say("status fine|STOPPING=1"), {"STATUS": "fine"})

    def test_a_long_status_is_cut(self):
        self.assertEqual(self.say("status " + "x" * 2000), {"STATUS": "x" * 512})


class Watchdog(unittest.TestCase):
    def interval(self, **changes):
        """As a manager sets it; WATCHDOG_PID is the peer's own where it is "$$"."""
        script = 'eval "export WATCHDOG_PID=$WATCHDOG_PID"; exec "$0"'
        return tap.run(["sh", "-c", script, PEER], env=tap.environment(**changes)).stdout.decode().splitlines()[-1]

    def test_is_told_twice_in_its_time(self):
        self.assertEqual(self.interval(WATCHDOG_USEC="30000000", WATCHDOG_PID="$$"), "watchdog 15000")

    def test_short_is_never_zero(self):
        self.assertEqual(self.interval(WATCHDOG_USEC="1", WATCHDOG_PID="$$"), "watchdog 1")

    def test_of_another_process_is_not_ours(self):
        self.assertEqual(self.interval(WATCHDOG_USEC="30000000", WATCHDOG_PID="1"), "watchdog 0")


class Nobody(unittest.TestCase):
    def test_without_a_manager_nothing_happens(self):
        done = tap.run([PEER, "web", "tcp", "127.0.0.1", "443"], input="ready x\nreloading\nstopping x\nstatus x\nalive\n",
                       env=tap.environment(NOTIFY_SOCKET=None, WATCHDOG_USEC=None, LISTEN_FDS=None))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode().splitlines(), ["web none", "rest 0", "LISTEN_FDS is gone", "watchdog 0"] + ["did"] * 5)

    def test_sockets_for_another_process_are_not_ours(self):
        done = tap.run([PEER, "web", "tcp", "", "443"], env=tap.environment(LISTEN_FDS="1", LISTEN_PID="1", LISTEN_FDNAMES="web"))
        self.assertEqual(done.stdout.decode().splitlines()[:2], ["web none", "rest 0"])

    def test_a_manager_that_is_gone_is_no_failure(self):
        done = tap.run([PEER], input="ready x\n", env=tap.environment(NOTIFY_SOCKET="/nowhere/notify"))
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    tap.main()
