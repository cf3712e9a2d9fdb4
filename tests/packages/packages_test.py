#!/usr/bin/python3
"""packages_test: what `./dev deb` made is installed into a clean Debian and does what it is for: the command runs with what
apt brings along, and a program is built on each library.

Where no clean system can be made, everything is skipped with the reason."""
import gzip
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine
import made
import tap

TLS_LIBRARIES = ("openssl", "gnutls", "mbedtls", "wolfssl")
BASE = None


def setUpModule():
    global BASE
    BASE = made.base()


def version():
    with open(os.path.join(tap.ROOT, "meson.build")) as file:
        return re.search(r"version: '([\d.]+)'", file.read())[1]


class Command(unittest.TestCase):
    """The command's package alone."""

    @classmethod
    def setUpClass(cls):
        cls.machine = machine.Machine(cls, BASE)
        cls.machine.install(made.deb("lastword"))

    def test_is_the_projects_version(self):
        self.assertEqual(self.machine.output("lastword", "--version"), "lastword %s\n" % version())

    def test_runs_with_what_apt_brought_along(self):
        self.assertIn("the stream:", self.machine.output("lastword", "demo"))

    def test_has_a_page_for_each_verb(self):
        verbs = re.findall(r"^  ([a-z][a-z-]*)\s{2,}\S", self.machine.output("lastword", "--help"), re.M)
        self.assertIn("connect", verbs)
        for page in ["lastword"] + ["lastword-" + verb for verb in verbs]:
            with self.subTest(page=page):
                done = self.machine.run("cat", "/usr/share/man/man1/%s.1.gz" % page)
                self.assertIn(b".Dd", gzip.decompress(done.stdout))

    def test_completes_in_bash(self):
        path = "/usr/share/bash-completion/completions/lastword.bash"
        self.machine.output("bash", "-n", path)

    def test_brings_a_user_who_owns_nothing_and_cannot_log_in(self):
        name, secret, _, _, _, home, shell = self.machine.output("getent", "passwd", "lastword").strip().split(":")
        self.assertEqual((secret, home, shell), ("x", "/nonexistent", "/usr/sbin/nologin"))
        self.assertRegex(self.machine.output("getent", "shadow", "lastword"), "^lastword:[!*]")
        self.assertEqual(self.machine.output("find", "/", "-xdev", "-user", name), "")

    def test_neither_starts_nor_enables_the_relay(self):
        self.assertEqual(self.machine.run("systemctl", "is-enabled", "lastword-relay").returncode, 127, "no systemd came along")
        self.assertEqual(self.machine.output("find", "/etc/systemd", "-name", "lastword*"), "")

    def test_is_as_it_was_packed(self):
        self.assertEqual(self.machine.output("dpkg", "--verify", "lastword"), "")


class Conffile(unittest.TestCase):
    def setUp(self):
        self.machine = machine.Machine(type(self), BASE)
        self.addCleanup(self.doClassCleanups)
        self.machine.install(made.deb("lastword"))

    def test_of_the_operator_outlives_an_upgrade_and_goes_with_a_purge(self):
        conf = "/etc/lastword/relay.conf"
        self.machine.write(conf, "; mine\n")
        self.machine.output(*machine.APT, "install", "--reinstall", made.seen("lastword"))
        self.assertEqual(self.machine.output("cat", conf), "; mine\n")
        self.machine.output(*machine.APT, "remove", "lastword")
        self.assertEqual(self.machine.output("cat", conf), "; mine\n")
        self.machine.output(*machine.APT, "purge", "lastword")
        left = self.machine.output("find", "/", "-xdev", "-path", "/run", "-prune", "-o", "-name", "*lastword*", "-print").split()
        self.assertEqual([name for name in left if not name.startswith("/var/cache/")], [])


# A program that attaches to nothing: it has to be compiled, linked and loaded.
PROGRAM = """#include <lastword/%(library)s.h>
#include <stdio.h>

int main(void)
{
	struct lw_stream *(*volatile attach)() = (struct lw_stream *(*)())lw_%(library)s_attach;

	printf("%%s %%d\\n", lw_ending_name(LW_ENDING_TRUNCATED), attach != NULL);
	return 0;
}
"""


class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = machine.Machine(cls, BASE)
        names = ["liblastword0", "liblastword-dev"]
        names += ["liblastword-%s%s" % (library, kind) for library in TLS_LIBRARIES for kind in ("0", "-dev")]
        cls.machine.install(*map(made.deb, names), made.deb("lastword"), *made.COMPILER, "man-db", "openssl")

    def compile(self, source, made, package):
        self.machine.output("sh", "-ec", 'cc -Wall -Werror "$1" -o "$2" $(pkg-config --cflags --libs "$3")', "sh", source, made, package)

    def test_is_what_a_program_is_built_on(self):
        for library in TLS_LIBRARIES:
            with self.subTest(library=library):
                self.machine.write("/tmp/%s.c" % library, PROGRAM % {"library": library})
                self.compile("/tmp/%s.c" % library, "/tmp/" + library, "lastword-" + library)
                self.assertEqual(self.machine.output("/tmp/" + library), "truncated 1\n")
                self.assertRegex(self.machine.output("ldd", "/tmp/" + library), r"liblastword-%s\.so\.0 => /lib/" % library)

    def test_is_there_for_static_linking(self):
        self.compile("/usr/share/doc/liblastword-dev/examples/client.c", "/tmp/shared", "lastword-openssl")
        self.machine.output("sh", "-ec", "cc /usr/share/doc/liblastword-dev/examples/client.c -o /tmp/static "
                            "-Wl,-Bstatic -llastword-openssl -llastword -Wl,-Bdynamic -lssl -lcrypto -lpthread")
        self.assertNotIn("liblastword", self.machine.output("ldd", "/tmp/static"))
        self.assertIn("liblastword", self.machine.output("ldd", "/tmp/shared"))

    def test_example_tells_a_whole_upload_from_the_packaged_command(self):
        self.compile("/usr/share/doc/liblastword-dev/examples/server.c", "/tmp/server", "lastword-openssl")
        self.machine.output("sh", "-c", "cd /tmp && " + made.CERTIFICATE % {"name": "web"})
        server = tap.start(self, self.machine.words("/tmp/server", "127.0.0.1:8443", "/tmp/web.pem", "/tmp/web.key"), line="listens on port")
        self.machine.output("lastword", "connect", "--half-close", "--cacert", "/tmp/web.pem", "localhost:8443", input="all of it\n")
        self.assertEqual((server.wait(), server.out), (0, b"all of it\n"))

    def test_has_pages_that_man_shows(self):
        for page in ("stream", "verdict", "profile", "closer", "adapter", *TLS_LIBRARIES):
            with self.subTest(page=page):
                self.assertIn("LASTWORD-" + page.upper(), self.machine.output("man", "3", "lastword-" + page))


if __name__ == "__main__":
    tap.main(seconds=120)
