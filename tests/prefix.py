"""prefix: what `meson install` puts into an empty folder, and how a program that uses it is built against it.
It must not know what is built."""
import glob
import json
import os
import tempfile

import tap

C = ("gcc", "-std=c11", "-Wshadow", "-D_POSIX_C_SOURCE=200809L")
CXX = ("g++", "-std=c++17")
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]


def is_installed(header):
    """Whether this build installs it: TLS libraries may be left out."""
    with open(tap.built("meson-info/intro-installed.json")) as file:
        return any(name.endswith("/lastword/" + header) for name in json.load(file).values())


class Prefix:
    """An installation that goes with the class `cls` of cases; `.root` is its folder."""

    def __init__(self, cls):
        self.root = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lastword-install."))
        output("meson", "install", "-C", tap.build_dir(), "--no-rebuild", "--quiet", "--destdir", self.root)

    def one(self, pattern):
        """The one file of that name."""
        found = [name for name in glob.glob(os.path.join(self.root, "**", pattern), recursive=True) if os.path.isfile(name)]
        if len(found) != 1:
            raise AssertionError("%s: %s" % (pattern, found))
        return found[0]

    def library_folder(self):
        return os.path.dirname(self.one("liblastword.so"))

    def pkg_config(self, *argv):
        env = tap.environment(PKG_CONFIG_PATH=os.path.dirname(self.one("lastword.pc")), PKG_CONFIG_SYSROOT_DIR=self.root)
        return output("pkg-config", *argv, env=env).split()

    def build(self, source, made, *packages, compiler=C):
        """As a person builds it, but with every warning an error; finds the shared libraries by itself."""
        output(*compiler, *WARNINGS, source, "-o", made, "-Wl,-rpath," + self.library_folder(),
               *self.pkg_config("--cflags", "--libs", *packages))
        return made


def output(*argv, env=None):
    """What a program says that has to succeed."""
    done = tap.run(argv, env=env, seconds=60)
    if done.returncode:
        raise AssertionError(" ".join(argv) + "\n" + done.stdout.decode() + done.stderr.decode())
    return done.stdout.decode()
