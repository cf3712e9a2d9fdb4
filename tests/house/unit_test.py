#!/usr/bin/python3
"""unit_test: what dist/ brings to a service manager: systemd accepts the units without a word, finds the sandbox tight, and
makes the user; the unit runs what is installed and ends it no sooner than the relay would by itself."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import unit_file

UNIT = tap.built("dist/lastword-relay.service")
SOCKET = os.path.join(tap.ROOT, "dist", "lastword-relay.socket")
EXPOSURE_MAX = 2.0  # of 10, as `systemd-analyze security` counts; sockets to other machines alone cost 1.2


@unittest.skipUnless(os.path.exists("/usr/bin/systemd-analyze"), "no systemd-analyze (package systemd)")
class Systemd(unittest.TestCase):
    def lay(self):
        """Both units in a folder, as if the command were installed; the folder."""
        folder = tap.temp_dir(self)
        with open(UNIT) as file:
            text = re.sub(r"(?m)^(Exec\w+=)\S*/lastword ", r"\g<1>%s " % tap.built("lastword"), file.read())
        with open(os.path.join(folder, "lastword-relay.service"), "w") as file:
            file.write(text)
        with open(SOCKET) as file, open(os.path.join(folder, "lastword-relay.socket"), "w") as copy:
            copy.write(file.read())
        return folder

    def test_has_nothing_to_say_about_the_units(self):
        folder = self.lay()
        for name in ("lastword-relay.service", "lastword-relay.socket"):
            with self.subTest(unit=name):
                done = tap.run(["systemd-analyze", "verify", "--man=no", os.path.join(folder, name)])
                self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))

    def test_finds_the_sandbox_tight(self):
        done = tap.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=%d" % (EXPOSURE_MAX * 10),
                        os.path.join(self.lay(), "lastword-relay.service")])
        told = done.stdout.decode()
        self.assertEqual(done.returncode, 0, told)
        self.assertLessEqual(float(re.search(r"exposure level for \S+: ([\d.]+)", told)[1]), EXPOSURE_MAX)

    def test_makes_the_user_that_the_unit_names(self):
        root = tap.temp_dir(self)
        os.mkdir(os.path.join(root, "etc"))
        done = tap.run(["systemd-sysusers", "--root", root, os.path.join(tap.ROOT, "dist", "lastword.sysusers")])
        self.assertEqual(done.returncode, 0, done.stderr)
        service = unit_file.read(UNIT)["Service"]
        for file, name in (("passwd", service["User"]), ("group", service["Group"])):
            with open(os.path.join(root, "etc", file)) as rows:
                self.assertEqual([row.split(":")[0] for row in rows if row.startswith("lastword:")], name)


class Unit(unittest.TestCase):
    def test_runs_the_command_that_is_installed_with_it(self):
        service, prefix = unit_file.read(UNIT)["Service"], self.prefix()
        command, conf = os.path.join(prefix, "bin/lastword"), "/lastword/relay.conf"
        for key in ("ExecStart", "ExecReload"):
            with self.subTest(key=key):
                words = service[key][0].split()
                self.assertEqual(words[:2], [command, "relay"])
                self.assertTrue(words[-1].endswith(conf), words)

    def prefix(self):
        done = tap.run(["meson", "introspect", "--buildoptions", tap.build_dir()])
        return re.search(r'"name": "prefix", "value": "([^"]+)"', done.stdout.decode())[1]

    def test_checks_the_configuration_before_it_reloads_it(self):
        check, hang_up = unit_file.read(UNIT)["Service"]["ExecReload"]
        self.assertIn(" relay --check ", check)
        self.assertEqual(hang_up, "/bin/sh -c 'kill -HUP $$MAINPID'")  # not everybody has a /bin/kill

    def test_may_open_what_the_relay_opens(self):
        service = unit_file.read(UNIT)["Service"]
        self.assertEqual(service["RestrictAddressFamilies"], ["AF_INET AF_INET6 AF_UNIX"])
        self.assertEqual(service["AmbientCapabilities"], service["CapabilityBoundingSet"])


if __name__ == "__main__":
    tap.main()
