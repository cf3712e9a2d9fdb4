#!/usr/bin/python3
"""The bench of the relay and its soak work, in sizes that measure nothing: what is timed is not judged here."""
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "relay"), HERE]
import relay
import schema
import tap

LOAD, LASTWORD = tap.built("tests/bench/relay_load"), tap.built("lastword")


def program(name):
    return [sys.executable, os.path.join(HERE, name)]


class Bench(unittest.TestCase):
    def test_measures_whatever_is_installed_and_launders_nothing(self):
        path = os.path.join(tap.temp_dir(self), "bench.json")
        done = tap.run(program("relay.py") + ["--quick", "--json", path, LOAD, LASTWORD], seconds=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(path) as file:
            found = json.load(file)
        self.assertEqual(schema.Schema("bench-relay.json").problems(found), [])
        mine = found["proxies"][0]
        self.assertEqual(mine["name"], "lastword")
        self.assertEqual(found["laundered"], 0)
        self.assertEqual(len(mine["cuts"]), len(relay.CUTS))
        for cut in mine["cuts"]:
            self.assertEqual(sum(cut[end] for end in relay.ENDS), found["sizes"]["cuts"], cut)
            self.assertEqual(cut["open"], 0, cut)

    def test_a_proxy_that_launders_is_seen(self):
        """As every proxy does that passes a FIN on as an end: here, whatever of them is installed."""
        done = tap.run(program("relay.py") + ["--quick", "--only", "lastword,nginx,haproxy,stunnel,hitch", LOAD, LASTWORD], seconds=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        forged = re.search(r"^FIN forged on the client's leg, plain backend (.*)$", done.stdout.decode(), re.M)[1].split()
        self.assertEqual(forged, ["0"] + ["5"] * (len(forged) - 1))

    def test_a_bound_that_is_exceeded_is_told(self):
        rounds = {"lastword": [{"down": 1.0, "up": 0.5, "new": 3.0}] * 3, "haproxy": [{"down": 1.0, "up": 1.0, "new": 1.0}] * 3}
        told = {row["figure"]: row["over"] for row in relay.judge(rounds, {"lastword": 100, "haproxy": 100}, False)}
        self.assertEqual(told, {"down": True, "up": False, "idle": False})


class Soak(unittest.TestCase):
    def test_loses_nothing(self):
        # So short a time has no busiest moment, and the memory of a sanitizer is another matter.
        done = tap.run(program("relay_soak.py") + ["--minute", "1", "--slack", 1 << 30, LOAD, LASTWORD, "2"], seconds=120)
        said = done.stdout.decode()
        self.assertEqual(done.returncode, 0, said + done.stderr.decode())
        self.assertIn("no connection was lost, nothing grew", said)
        self.assertEqual(len(re.findall(r"^ +\d+ +\d+ +\d+ +\d+ +200 ", said, re.M)), 2, said)


if __name__ == "__main__":
    tap.main()
