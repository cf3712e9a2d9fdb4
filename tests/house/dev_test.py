#!/usr/bin/python3
"""dev_test: the front door says what it can do, refuses what it cannot, and asks for nothing that is there.

The set-up on a bare system needs a bare system; it is tried in a chroot before a release, see CONTRIBUTING.md."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

DEV = os.path.join(tap.ROOT, "dev")
WORDS = ("demo", "check", "build", "lint", "asan", "tsan", "model", "fuzz", "bench", "clients", "soak", "cover", "install", "deb", "clean", "help")


class Dev(unittest.TestCase):
    def test_help_names_every_word(self):
        done = tap.run([DEV, "help"])
        self.assertEqual(done.returncode, 0)
        self.assertEqual(tuple(re.findall(r"^  ([a-z]+)(?: \[[-a-zA-Z]+\])?  ", done.stdout.decode(), re.M)), WORDS)

    def test_no_word_is_help(self):
        self.assertEqual(tap.run([DEV]).stdout, tap.run([DEV, "help"]).stdout)

    def test_an_unknown_word_is_a_usage_error_on_standard_error(self):
        done = tap.run([DEV, "frobnicate"])
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"usage: ./dev WORD", done.stderr)

    def test_fuzz_takes_seconds_and_nothing_else(self):
        for word in ("soon", "-1", "1s"):
            with self.subTest(word=word):
                self.assertEqual(tap.run([DEV, "fuzz", word]).returncode, 2)

    def test_model_takes_one_to_three_messages(self):
        for word in ("0", "4", "many", "-1"):
            with self.subTest(word=word):
                self.assertEqual(tap.run([DEV, "model", word]).returncode, 2)

    def test_deb_takes_one_option(self):
        self.assertEqual(tap.run([DEV, "deb", "--chek"]).returncode, 2)

    def test_works_from_any_folder(self):
        self.assertEqual(tap.run([DEV, "help"], cwd="/").returncode, 0)

    def test_without_root_and_sudo_it_says_what_root_has_to_run(self):
        folder = tap.temp_dir(self)
        for tool in ("dirname", "sort", "tr", "id", "cat", "apt-get"):
            path = next(os.path.join(place, tool) for place in ("/usr/bin", "/bin") if os.path.exists(os.path.join(place, tool)))
            os.symlink(path, os.path.join(folder, tool))
        os.remove(os.path.join(folder, "id"))
        with open(os.path.join(folder, "id"), "w") as file:  # somebody without rights
            file.write("#!/bin/sh\necho 1000\n")
        os.chmod(os.path.join(folder, "id"), 0o755)
        text = open(DEV).read().replace("PATH=$PATH:/usr/sbin:/sbin", "PATH=" + folder)
        copy = os.path.join(folder, "dev")
        with open(copy, "w") as file:
            file.write(text)
        done = tap.run(["/bin/sh", copy, "demo"], env=tap.environment(PATH=folder))
        self.assertEqual(done.returncode, 3)
        self.assertIn("needs root for that; as root: ./dev install-packages gcc libcmocka-dev", done.stderr.decode())

    def test_a_service_that_comes_with_a_package_is_neither_started_nor_enabled(self):
        """apt, as it is, but for a package that brings a service: it asks the administrator's switch before it starts one."""
        folder, root = tap.temp_dir(self), tap.temp_dir(self)
        services = os.path.join(root, "init.d")
        os.mkdir(services)
        self.script(services, "oldd", "")
        self.script(folder, "apt-get", """
            case "$*" in *update*) exit 0 ;; esac
            cp %(root)s/init.d/oldd %(root)s/init.d/newd
            for name in oldd oldd.service newd newd.service; do
              %(root)s/policy-rc.d --quiet "$name" start 2; echo "start $name: $?"
            done""" % {"root": root})
        for tool in ("update-rc.d", "systemctl"):
            self.script(folder, tool, 'echo %s "$@"' % tool)
        text = open(DEV).read()
        for path, instead in (("/usr/sbin/policy-rc.d", root + "/policy-rc.d"), ("/etc/init.d", services),
                              ("/lib/systemd/system /etc/systemd/system", root + "/units")):
            self.assertIn(path, text)
            text = text.replace(path, instead)
        self.script(folder, "dev", text)
        done = tap.run(["/bin/sh", os.path.join(folder, "dev"), "install-packages", "some"],
                       env=tap.environment(PATH=folder + ":" + os.environ["PATH"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        told = done.stdout.decode().splitlines()
        self.assertEqual(told, ["start oldd: 0", "start oldd.service: 0", "start newd: 101", "start newd.service: 101",
                                "update-rc.d newd disable", "systemctl --quiet disable newd"])
        self.assertIn(b"newd is installed, not started, and not enabled", done.stderr)
        self.assertEqual(sorted(os.listdir(root)), ["init.d"], "the switch is as it was")

    def test_an_administrators_switch_is_left_alone(self):
        folder, root = tap.temp_dir(self), tap.temp_dir(self)
        self.script(root, "policy-rc.d", "exit 101")
        self.script(folder, "apt-get", "")
        text = open(DEV).read().replace("/usr/sbin/policy-rc.d", root + "/policy-rc.d")
        self.script(folder, "dev", text)
        done = tap.run(["/bin/sh", os.path.join(folder, "dev"), "install-packages", "some"],
                       env=tap.environment(PATH=folder + ":" + os.environ["PATH"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(root, "policy-rc.d")) as file:
            self.assertEqual(file.read(), "#!/bin/sh\nexit 101\n")

    def script(self, folder, name, text):
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(text if text.startswith("#!") else "#!/bin/sh\n%s\n" % text)
        os.chmod(path, 0o755)


class Ci(unittest.TestCase):
    def test_runs_the_command_of_the_readme(self):
        with open(os.path.join(tap.ROOT, ".ci", "run")) as file:
            self.assertRegex(file.read(), r"exec \./dev check\n\Z")
        with open(os.path.join(tap.ROOT, "README.md")) as file:
            self.assertIn("\n    ./dev check ", file.read())


if __name__ == "__main__":
    tap.main()
