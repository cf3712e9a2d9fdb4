#!/usr/bin/python3
"""reproduce_test: the same commit, built in another folder at another time, gives the same packages, octet for octet."""
import hashlib
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made
import tap


def sums(folder):
    """The SHA-256 of each package in a folder, by name."""
    found = {}
    for name in os.listdir(folder):
        if name.endswith(".deb"):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


class Packages(unittest.TestCase):
    def test_are_the_same_when_they_are_built_again(self):
        folder = os.path.join(tap.temp_dir(self), "elsewhere")
        done = tap.run([os.path.join(tap.ROOT, "tools", "deb.py"), folder], seconds=500)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        first, second = sums(made.FOLDER), sums(folder)
        self.assertTrue(first)
        self.assertEqual(second, first)


if __name__ == "__main__":
    tap.main(seconds=600)
