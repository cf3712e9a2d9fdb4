#!/usr/bin/python3
"""deb_test: the packages' descriptions keep up with the tree: every header, page and library goes into one package, what the
build needs is what `./dev` installs, and the version is the project's.  Whether the packages work: tests/packages/."""
import glob
import importlib.util
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

SPEC = importlib.util.spec_from_file_location("deb", os.path.join(tap.ROOT, "tools", "deb.py"))
deb = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(deb)


def packages():
    """The packages of debian/control: the fields of each, by name."""
    found = {}
    for paragraph in deb.text("debian/control").split("\n\n")[1:]:
        fields = dict(re.findall(r"^(\S+): *((?:.*\n?)(?:[ \t].*\n?)*)", paragraph, re.M))
        found[fields["Package"].strip()] = fields
    return found


def installs():
    """(package, path as debian/*.install says it)"""
    for name in glob.glob(os.path.join(tap.ROOT, "debian", "*.install")):
        for line in deb.text(name).splitlines():
            yield os.path.basename(name)[:-len(".install")], line.split()[0]


class Contents(unittest.TestCase):
    def owners(self, path):
        return [package for package, pattern in installs() if pattern == path]

    def test_each_header_is_in_one_package_with_its_page(self):
        for header in os.listdir(os.path.join(tap.ROOT, "include", "lastword")):
            with self.subTest(header=header):
                name = header[:-2]
                owners = self.owners("usr/include/lastword/" + header)
                self.assertEqual(len(owners), 1, owners)
                self.assertTrue(owners[0].endswith("-dev"))
                self.assertEqual(self.owners("usr/share/man/man3/lastword-%s.3" % name), owners)

    def test_what_is_installed_belongs_to_a_package_that_is_described(self):
        self.assertEqual({package for package, _ in installs()} - set(packages()), set())

    def test_each_library_has_both_packages_and_the_development_one_brings_all_it_takes(self):
        known = packages()
        for name in glob.glob(os.path.join(tap.ROOT, "src", "adapter", "*.c")):
            library = os.path.basename(name)[:-2].split("_")[0]
            with self.subTest(library=library):
                depends = known["liblastword-%s-dev" % library]["Depends"]
                self.assertRegex(depends, r"liblastword-%s0 \(= \$\{binary:Version\}\)" % library)
                self.assertRegex(depends, r"liblastword-dev \(= \$\{binary:Version\}\)")
                self.assertIn("liblastword0 (= ${binary:Version})", known["liblastword-%s0" % library]["Depends"])

    def test_the_build_needs_what_dev_installs(self):
        table = re.search(r"^needs_build='\n(.*?)^'", deb.text("dev"), re.M | re.S)[1]
        wanted = {line.split()[1] for line in table.splitlines()} - {
            "gcc", "libc6-dev", "ninja-build",  # of every build, and of meson
            "libcmocka-dev", "python3"}         # of the tests
        source = deb.text("debian/control").split("\n\n")[0]
        named = set(re.findall(r"^ ([a-z0-9.+-]+)", source.split("Build-Depends:")[1], re.M)) - {"debhelper-compat", "python3"}
        self.assertEqual(named, wanted)


class Version(unittest.TestCase):
    def test_is_the_projects(self):
        title, points = deb.newest_section(deb.text("CHANGELOG.md"))
        version = deb.project_version(deb.text("meson.build"))
        self.assertIn("version: '%s'" % version, deb.text("meson.build"))
        self.assertIn(version, title)
        self.assertTrue(points)
        self.assertTrue(all(point == point.strip() and point for point in points))

    def test_of_a_release_is_its_number(self):
        self.assertEqual(deb.package_version("1.2.3", "1.2.3 - 2027-01-31", ("20270131.1200", "abcdef0", False)), "1.2.3")

    def test_before_a_release_is_older_than_it_and_grows(self):
        first = deb.package_version("1.2.3", "Unreleased (1.2.3)", ("20270131.1200", "abcdef0", False))
        later = deb.package_version("1.2.3", "Unreleased (1.2.3)", ("20270131.1201", "0000000", False))
        edited = deb.package_version("1.2.3", "Unreleased (1.2.3)", ("20270131.1201", "0000000", True))
        rows = [deb.package_version("1.2.3", "Unreleased (1.2.3)", None)]
        if os.path.exists("/usr/bin/dpkg"):
            for older, newer in ((first, later), (later, edited), (edited, "1.2.3"), ("1.2.2", first), (rows[0], "1.2.3")):
                with self.subTest(older=older, newer=newer):
                    self.assertEqual(tap.run(["dpkg", "--compare-versions", older, "lt", newer]).returncode, 0)

    def test_that_the_changelog_does_not_know_is_refused(self):
        with self.assertRaisesRegex(deb.Trouble, "make them agree"):
            deb.package_version("1.2.4", "1.2.3 - 2027-01-31", None)


class Changelog(unittest.TestCase):
    def test_is_debians(self):
        lines = deb.debian_changelog("1.0", ["`new`: " + "word " * 30, "short"], "Some One <one@example.org>", 0).splitlines()
        self.assertEqual(lines[0], "lastword (1.0) unstable; urgency=medium")
        self.assertTrue(lines[2].startswith("  * new: word"))
        self.assertTrue(all(len(line) <= 78 for line in lines))
        self.assertEqual(lines[-1], " -- Some One <one@example.org>  Thu, 01 Jan 1970 00:00:00 +0000")

    def test_takes_the_newest_sections_points_alone(self):
        title, points = deb.newest_section("# C\n\n## Unreleased (2.0)\n\n### Added\n- one,\n  and on\n- two\n\n### Fixed\n- three\n\n## 1.0\n- old\n")
        self.assertEqual((title, points), ("Unreleased (2.0)", ["one, and on", "two", "three"]))


class Word(unittest.TestCase):
    def test_refuses_what_it_does_not_know(self):
        done = tap.run([os.path.join(tap.ROOT, "tools", "deb.py"), "--frobnicate"])
        self.assertEqual((done.returncode, done.stdout), (2, b""))


if __name__ == "__main__":
    tap.main()
