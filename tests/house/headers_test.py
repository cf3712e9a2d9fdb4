#!/usr/bin/python3
"""headers_test: each public header compiles by itself, and twice, as C11 and as C++11, with every warning an error."""
import glob
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

INCLUDE = os.path.join(tap.ROOT, "include")
HEADERS = sorted(os.path.relpath(name, INCLUDE) for name in glob.glob(os.path.join(INCLUDE, "lastword", "*.h")))
COMMON = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-I" + INCLUDE]
AS_C = ["-x", "c", "-std=c11", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"]
# Without -Wshadow: for C++ a function lw_verdict() beside a struct lw_verdict is legal, as stat is, and shadows.
AS_CXX = ["-x", "c++", "-std=c++11", "-Wold-style-cast"]


class Headers(unittest.TestCase):
    def compile_each(self, compiler, flags):
        if not shutil.which(compiler):
            self.skipTest(compiler + " is not installed")
        self.assertTrue(HEADERS)
        for header in HEADERS:
            with self.subTest(header=header):
                done = tap.run([compiler, *flags, *COMMON, "-"],
                               input="#include <%s>\n#include <%s>\n" % (header, header))
                self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_compile_as_c11_with_gcc(self):
        self.compile_each("gcc", AS_C)

    def test_compile_as_cxx11_with_gcc(self):
        self.compile_each("g++", AS_CXX)

    def test_compile_as_c11_with_clang(self):
        self.compile_each("clang", AS_C)

    def test_compile_as_cxx11_with_clang(self):
        self.compile_each("clang++", AS_CXX)

    def test_include_nothing_of_the_rooms(self):
        for header in HEADERS:
            with open(os.path.join(INCLUDE, header)) as file:
                self.assertNotIn('#include "', file.read(), header)


if __name__ == "__main__":
    tap.main()
