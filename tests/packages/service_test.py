#!/usr/bin/python3
"""service_test: the relay as a service: a clean Debian is booted with systemd as its process 1, the package installed, and the
unit does what an operator expects of it.

Where no clean system can be made, everything is skipped with the reason."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine
import made
import tap

BASE = None
CONFIGURATION = """metrics = unix:/run/lastword/metrics
[web]
accept = 443
connect = 127.0.0.1:8080
cert = /etc/lastword/web.pem
key = /etc/lastword/web.key
"""
PAGE = bytes(range(256)) * 2000


def setUpModule():
    global BASE
    BASE = made.base()


class Service(unittest.TestCase):
    """The relay, run by systemd in a machine that it has booted."""

    @classmethod
    def setUpClass(cls):
        cls.machine = machine.Machine(cls, BASE)
        cls.machine.install("systemd", "openssl", made.deb("lastword"))
        cls.machine.output("sh", "-c", "cd /etc/lastword && " + made.CERTIFICATE % {"name": "web"} + " && chgrp lastword web.key && chmod 640 web.key")
        cls.machine.boot()
        cls.machine.output("systemctl", "--quiet", "enable", "lastword-relay")  # and so systemd keeps in mind how it ended
        cls.pages = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lastword-pages."))
        with open(os.path.join(cls.pages, "page"), "wb") as file:
            file.write(PAGE)

    def setUp(self):
        self.addCleanup(self.machine.run, "systemctl", "stop", "lastword-relay.socket", "lastword-relay.service")
        self.machine.run("systemctl", "reset-failed", "lastword-relay")
        self.machine.write("/etc/lastword/relay.conf", CONFIGURATION)

    def start(self):
        done = self.machine.run("systemctl", "start", "lastword-relay")
        self.assertEqual(done.returncode, 0, self.journal())

    def add(self, lines):
        """To the unit, as an operator does it."""
        self.machine.write("/run/systemd/system/lastword-relay.service.d/more.conf", lines)
        self.machine.output("systemctl", "daemon-reload")
        self.addCleanup(self.machine.output, "systemctl", "daemon-reload")
        self.addCleanup(self.machine.output, "rm", "-r", "/run/systemd/system/lastword-relay.service.d")

    def show(self, name, unit="lastword-relay.service"):
        return self.machine.output("systemctl", "show", "--property", name, "--value", unit).strip()

    def wait_shown(self, name, is_right, seconds=30):
        """Until systemd says so; what it says."""
        until = time.monotonic() + seconds
        while not is_right(self.show(name)):
            self.assertLess(time.monotonic(), until, "%s stays %s\n%s" % (name, self.show(name), self.journal()))
        return self.show(name)

    def journal(self):
        return self.machine.output("journalctl", "--unit=lastword-relay", "--output=cat", "--no-pager", "--lines=60")

    def serve(self):
        tap.start(self, self.machine.near("/usr/bin/python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", self.pages, "8080"),
                  line="Serving HTTP")

    def get(self):
        """curl of this machine, through the relay in the other."""
        with open(os.path.join(self.pages, "web.pem"), "w") as file:
            file.write(self.machine.output("cat", "/etc/lastword/web.pem"))
        return tap.run(self.machine.near("curl", "--silent", "--show-error", "--cacert", os.path.join(self.pages, "web.pem"),
                                         "--max-time", "20", "https://localhost/page"))

    def claim_serves(self):
        done = self.get()
        self.assertEqual((done.returncode, done.stderr), (0, b""), self.journal())
        self.assertEqual(done.stdout, PAGE)

    def test_is_ready_when_it_is_started(self):
        self.start()
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertNotEqual(self.show("StatusText"), "")
        self.serve()
        self.claim_serves()

    def test_ends_go_through_to_the_packaged_command(self):
        self.start()
        self.serve()
        told = self.machine.run("lastword", "connect", "--policy", "strict", "--cacert", "/etc/lastword/web.pem", "localhost:443",
                                input="GET /page HTTP/1.0\r\n\r\n")
        self.assertEqual((told.returncode, told.stdout[-len(PAGE):] == PAGE), (0, True), told.stderr)

    def test_has_no_right_but_low_ports(self):
        self.start()
        pid = self.show("MainPID")
        status = dict(line.split(":\t", 1) for line in self.machine.output("cat", "/proc/%s/status" % pid).splitlines())
        user = self.machine.output("id", "-u", "lastword").strip()
        self.assertEqual(set(status["Uid"].split()), {user})
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual({int(status[name], 16) for name in ("CapEff", "CapBnd", "CapAmb")}, {1 << 10})  # CAP_NET_BIND_SERVICE
        self.assertEqual(status["Groups"].split(), [self.machine.output("id", "-g", "lastword").strip()])

    def test_sees_a_system_that_it_cannot_write_to(self):
        self.start()
        there = ("nsenter", "--target", self.show("MainPID"), "--mount")
        for path in ("/etc/x", "/etc/lastword/x", "/usr/x", "/var/lib/x", "/boot/x"):
            with self.subTest(path=path):
                self.assertIn(b"Read-only file system", self.machine.run(*there, "touch", path).stderr)
        for path in ("/run/lastword/x", "/var/log/lastword/x", "/tmp/x"):
            with self.subTest(path=path):
                self.machine.output(*there, "touch", path)
        self.assertEqual(self.machine.output(*there, "ls", "-A", "/root", "/home").split(), ["/home:", "/root:"])
        self.assertNotEqual(self.machine.run("ls", "/tmp/x").returncode, 0, "its /tmp is its own")

    def test_tells_metrics_on_its_socket(self):
        self.start()
        self.assertIn("lastword_", tap.run(["curl", "--silent", "--unix-socket", "/proc/%d/root/run/lastword/metrics" % self.machine.pid,
                                            "http://localhost/metrics"]).stdout.decode())

    def test_reload_takes_a_new_certificate_and_keeps_the_process(self):
        self.start()
        self.serve()
        before = self.show("MainPID")
        self.machine.output("sh", "-c", "cd /etc/lastword && " + made.CERTIFICATE % {"name": "web"})
        self.assertEqual(self.get().returncode, 60, "it has the old one")
        self.machine.output("systemctl", "reload", "lastword-relay")
        self.wait_shown("ActiveState", lambda state: state == "active")
        self.claim_serves()
        self.assertEqual(self.show("MainPID"), before)

    def test_reload_of_a_wrong_file_fails_and_changes_nothing(self):
        self.start()
        self.serve()
        before = self.show("MainPID")
        self.machine.write("/etc/lastword/relay.conf", CONFIGURATION + "frobnicate = yes\n")
        self.assertNotEqual(self.machine.run("systemctl", "reload", "lastword-relay").returncode, 0)
        self.assertRegex(self.journal(), r"relay\.conf:\d+: .*frobnicate")
        self.claim_serves()
        self.assertEqual(self.show("MainPID"), before)

    def test_a_wrong_file_is_told_once(self):
        self.machine.write("/etc/lastword/relay.conf", CONFIGURATION + "frobnicate = yes\n")
        self.assertNotEqual(self.machine.run("systemctl", "start", "lastword-relay").returncode, 0)
        self.assertEqual((self.show("ActiveState"), self.show("NRestarts")), ("failed", "0"))
        self.assertRegex(self.journal(), r"relay\.conf:\d+: .*frobnicate")

    def test_the_sample_is_not_enough_to_start_and_says_so(self):
        self.machine.output("cp", "/usr/share/doc/lastword/examples/relay.conf", "/etc/lastword/relay.conf")
        self.assertNotEqual(self.machine.run("systemctl", "start", "lastword-relay").returncode, 0)
        self.assertIn("/etc/lastword/relay.conf: nothing to relay", self.journal())

    def test_stops_as_it_should(self):
        self.start()
        self.machine.output("systemctl", "stop", "lastword-relay")
        self.assertEqual((self.show("Result"), self.show("ExecMainStatus"), self.show("ActiveState")), ("success", "0", "inactive"))
        self.assertNotEqual(self.machine.run("ls", "/run/lastword").returncode, 0)

    def test_may_drain_for_longer_than_its_unit_says(self):
        self.machine.write("/etc/lastword/relay.conf", "drain = 4\n" + CONFIGURATION)
        self.add("[Service]\nTimeoutStopSec=1s\n")
        self.serve()
        self.start()
        client = tap.start(self, self.machine.near("openssl", "s_client", "-connect", "localhost:443", "-brief"), stdin=subprocess.PIPE,
                           line="CONNECTION ESTABLISHED")
        client.stdin.write(b"GET /page HTTP/1.1\r\n")  # and no more of it: this client has to be cut off
        client.stdin.flush()
        self.machine.output("systemctl", "stop", "lastword-relay")
        self.assertEqual((self.show("Result"), self.show("ExecMainStatus")), ("success", "1"), self.journal())

    def test_that_hangs_is_noticed_and_started_again(self):
        self.add("[Service]\nWatchdogSec=1s\nRestartSec=0\n")
        self.start()
        heard = self.show("WatchdogTimestampMonotonic")
        for _ in range(3):  # it says that it is alive, in time
            heard = self.wait_shown("WatchdogTimestampMonotonic", lambda now, before=heard: now != before)
        self.assertEqual(self.show("NRestarts"), "0")
        self.machine.output("systemctl", "kill", "--signal=STOP", "lastword-relay")
        self.wait_shown("NRestarts", lambda count: count == "1")
        self.wait_shown("ActiveState", lambda state: state == "active")
        self.serve()
        self.claim_serves()

    def test_takes_sockets_that_systemd_opens(self):
        self.machine.output("cp", "/usr/share/doc/lastword/examples/lastword-relay.socket", "/run/systemd/system/")
        self.machine.output("systemctl", "daemon-reload")
        self.addCleanup(self.machine.output, "systemctl", "daemon-reload")
        self.addCleanup(self.machine.output, "rm", "/run/systemd/system/lastword-relay.socket")
        self.machine.output("systemctl", "start", "lastword-relay.socket")
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.serve()
        self.claim_serves()  # and so starts it
        self.assertEqual(self.show("ActiveState"), "active")
        self.machine.output("systemctl", "stop", "lastword-relay.service")
        self.claim_serves()  # nobody was refused in between

    def test_an_upgrade_restarts_what_runs_and_nothing_else(self):
        again = (*machine.APT, "install", "--reinstall", made.seen("lastword"))
        self.machine.output(*again, seconds=60)
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.start()
        before = self.show("MainPID")
        self.machine.output(*again, seconds=60)
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertNotEqual(self.show("MainPID"), before)

    def test_goes_with_its_package(self):
        self.start()
        pid = self.show("MainPID")
        self.addCleanup(self.machine.output, *machine.APT, "install", made.seen("lastword"))
        self.machine.output(*machine.APT, "remove", "lastword")
        self.assertNotEqual(self.machine.run("ls", "/proc/" + pid).returncode, 0)


if __name__ == "__main__":
    tap.main(seconds=120)
