#!/usr/bin/python3
"""machines_test: docs/machines.md shows the tables that ship."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap


class Machines(unittest.TestCase):
    maxDiff = None

    def test_the_drawing_is_that_of_the_shipping_tables(self):
        done = tap.run([os.path.join(tap.ROOT, "tools", "machines.py"), tap.built("tests/house/machines_dump")])
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        with open(os.path.join(tap.ROOT, "docs", "machines.md")) as file:
            self.assertEqual(file.read(), done.stdout.decode(), "\nrun: tools/machines.py %s >docs/machines.md"
                             % os.path.relpath(tap.built("tests/house/machines_dump"), tap.ROOT))


if __name__ == "__main__":
    tap.main()
