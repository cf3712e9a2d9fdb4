#!/usr/bin/python3
"""freestanding_test: closure/ is small, and needs nothing but the four mem functions."""
import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

TEXT_LIMIT = 8 * 1024
ALLOWED = {"memcpy", "memmove", "memset", "memcmp"}
CC = os.environ.get("LASTWORD_CC", "cc").split()


class Closure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sources = sorted(glob.glob(os.path.join(tap.ROOT, "src", "closure", "*.c")))
        folder = cls.enterClassContext(tap.tempfile.TemporaryDirectory())
        objects = [os.path.join(folder, os.path.basename(source) + ".o") for source in sources]
        for source, made in zip(sources, objects):
            done = tap.run([*CC, "-std=c11", "-Os", "-ffreestanding", "-Wall", "-Wextra", "-Werror",
                            "-I" + os.path.join(tap.ROOT, "src"), "-I" + os.path.join(tap.ROOT, "include"),
                            "-c", source, "-o", made])
            if done.returncode:
                raise AssertionError(done.stderr.decode())
        cls.sources, cls.whole = sources, os.path.join(folder, "closure.o")
        done = tap.run(["ld", "-r", "-o", cls.whole, *objects])
        if done.returncode:
            raise AssertionError(done.stderr.decode())

    def section_bytes(self, name):
        table = tap.run(["size", "-A", "-d", self.whole]).stdout.decode()
        rows = re.findall(r"^(\.\S+)\s+(\d+)\s+\d+$", table, re.M)
        return sum(int(size) for section, size in rows if section == name or section.startswith(name + "."))

    def test_is_at_most_8_kib_of_text(self):
        text, data = self.section_bytes(".text"), self.section_bytes(".rodata")
        print("# closure/: %d files, .text %d bytes, .rodata %d bytes" % (len(self.sources), text, data))
        self.assertGreater(text, 0)
        self.assertLessEqual(text, TEXT_LIMIT)

    def test_refers_to_no_symbol_but_the_four_mem_functions(self):
        needed = set(tap.run(["nm", "-u", "--format=posix", self.whole]).stdout.decode().replace(" U", "").split())
        self.assertLessEqual(needed, ALLOWED)

    def test_keeps_no_state_of_its_own(self):
        # .data.rel.ro holds const tables of pointers: written once by the loader, then read-only.
        relocated = self.section_bytes(".data.rel.ro")
        self.assertEqual(self.section_bytes(".data") - relocated + self.section_bytes(".bss"), 0)


if __name__ == "__main__":
    tap.main()
