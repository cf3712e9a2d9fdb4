#!/usr/bin/python3
"""manual_test: the pages of section 3: one a public header, each function is described as it is declared, each example
compiles and links against the libraries of this build."""
import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

INCLUDE = os.path.join(tap.ROOT, "include")
HEADERS = sorted(os.path.basename(name)[:-2] for name in glob.glob(os.path.join(INCLUDE, "lastword", "*.h")))
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Werror", "-D_POSIX_C_SOURCE=200809L"]


def text(*names):
    with open(os.path.join(tap.ROOT, *names), encoding="utf-8") as file:
        return file.read()


def page(header):
    return text("man", "lastword-%s.3" % header)


def declarations(header):
    """name -> the declaration's words, of every function a header shows."""
    code = re.sub(r"/\*.*?\*/", "", text("include", "lastword", header + ".h"), flags=re.S)
    return {found[2]: squeeze(found[1], found[2], found[3])
            for found in re.finditer(r"LW_API\s+(?:LW_MUST_CHECK\s+)?([^;{]*?)\b(lw_\w+)\s*\(([^;]*)\);", code)}


def described(header):
    synopsis = page(header).split(".Sh SYNOPSIS")[1].split(".Sh")[0]
    return {found[2]: squeeze(found[1], found[2], ", ".join(re.findall(r'"([^"]*)"', found[3])))
            for found in re.finditer(r"^\.Ft (.+)\n\.Fn (\w+)(.*)$", synopsis, re.M)}


def squeeze(kind, name, arguments):
    return re.sub(r"\s*([*(),])\s*", r"\1", "%s %s(%s)" % (" ".join(kind.split()), name, " ".join(arguments.split())))


def example(header):
    code = re.search(r"^\.Sh EXAMPLES\n.*?^\.Bd -literal\n(.*?)^\.Ed$", page(header), re.M | re.S)[1]
    return code.replace("\\e", "\\").replace("\\-", "-")


def adapters():
    return glob.glob(os.path.join(tap.build_dir(), "src", "adapter", "liblastword-*.so"))


class Pages(unittest.TestCase):
    maxDiff = None

    def test_each_public_header_has_a_page_and_no_other(self):
        pages = sorted(re.findall(r"lastword-(\w+)\.3", " ".join(os.listdir(os.path.join(tap.ROOT, "man")))))
        self.assertEqual(pages, HEADERS)

    def test_each_function_is_described_as_it_is_declared(self):
        for header in HEADERS:
            with self.subTest(header=header):
                declared = declarations(header)
                self.assertTrue(declared)
                self.assertEqual(described(header), declared)
                self.assertEqual(set(re.findall(r"^\.Nm (lw_\w+)", page(header), re.M)), set(declared))

    def test_each_example_compiles_and_links(self):
        for header in HEADERS:
            with self.subTest(header=header):
                if "lw_%s_attach" % header in declarations(header) and "liblastword-%s.so" % header not in " ".join(adapters()):
                    continue  # a TLS library that this build leaves out
                folder = tap.temp_dir(self)
                source = os.path.join(folder, "example.c")
                with open(source, "w") as file:
                    file.write(example(header))
                self.assertIn("<lastword/%s.h>" % header, example(header))
                libraries = [*adapters(), tap.built("src/stream/liblastword.so")]
                done = tap.run(["gcc", *WARNINGS, "-I" + INCLUDE, "-shared", "-fPIC", "-Wl,--no-undefined,--allow-shlib-undefined",
                                source, *libraries, "-o", os.path.join(folder, "example.so")])
                self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_each_status_of_SSL_get_error_is_mapped(self):
        told = page("openssl").split("COMING FROM SSL_get_error")[1].split(".Sh")[0]
        for word in ("SSL_ERROR_WANT_READ", "SSL_ERROR_WANT_WRITE", "SSL_ERROR_ZERO_RETURN", "SSL_ERROR_SYSCALL", "SSL_ERROR_SSL",
                     "LW_OK", "LW_AGAIN", "LW_END", "LW_TRUNCATED", "LW_ABORTED", "LW_ERROR", "LW_UNSUPPORTED"):
            self.assertIn(word, told)

    def test_the_readme_names_each_page(self):
        for header in HEADERS:
            self.assertIn("man/lastword-%s.3" % header, text("README.md"))


if __name__ == "__main__":
    tap.main()
