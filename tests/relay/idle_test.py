#!/usr/bin/python3
"""idle_test: fifteen thousand connections in TLS that say nothing: all are held, others are served meanwhile, the relay does next to nothing, and
each is ended properly.  What one takes is told, and bounded only so that nobody keeps a buffer."""
import os
import resource
import socket
import sys
import unittest

for folder in ("", "../bench"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), folder))
from limits_test import is_instrumented, resident
from operation_test import metric, speaker, until
from relay import Load
from rig import Relay, servers, tap

CONNECTIONS = 15000
OTHERS = 300  # descriptors that are no connection's
EACH_MAX = 40000  # bytes; a buffer for records alone would be 16 kB each way


def raise_limit():
    """As many open files as the test needs, or as it may have: two a connection, in either process."""
    wanted = 2 * CONNECTIONS + OTHERS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            hard = wanted
        except (OSError, ValueError):  # only an administrator may
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted), hard))
    return min(CONNECTIONS, (hard - OTHERS) // 2)


def cpu_s(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Idle(unittest.TestCase):
    CONFIG = """
workers = 2
debug = 4
metrics = 127.0.0.1:0
[idle]
accept = tls:127.0.0.1:0
connect = 127.0.0.1:%d
cert = %s
key = %s
[other]
accept = tcp:127.0.0.1:0
connect = 127.0.0.1:%d
"""

    def ask(self, port):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(b"go\n")
            self.assertEqual(client.recv(100), b"here 127.0.0.1\n")

    def test_many_are_held_and_cost_little(self):
        connections = raise_limit()
        certificate = servers.Certificate(tap.temp_dir(self))
        load = Load(tap.built("tests/bench/relay_load"), [])
        self.addCleanup(load.stop)
        relay = Relay(self, config=self.CONFIG % (load.backends["plain"], certificate.certificate, certificate.key,
                                                  speaker(self, "here").getsockname()[1]))
        self.assertEqual(load.run("new", relay.port("idle"), 50, 10, 1)["failed"], 0)  # what is only taken once
        before = resident(relay.pid)
        self.assertIn("held", load.run("idle", relay.port("idle"), connections, 32, 1))
        until(lambda: metric(relay, "connections_open") == connections, "so many at a time")
        each = (resident(relay.pid) - before) / connections
        print("# %d idle connections, %d bytes of memory each" % (connections, each))
        if not is_instrumented():
            self.assertLess(each, EACH_MAX)
        worked = cpu_s(relay.pid)
        for _ in range(50):
            self.ask(relay.port("other"))
        self.assertLess(cpu_s(relay.pid) - worked, 2, "seconds of the processor for fifty others")
        told = load.say("go on")
        self.assertEqual([told[name] for name in ("over", "failed", "differing", "short")], [connections, 0, 0, 0])
        until(lambda: metric(relay, "connections_open") == 0, "an end of all")
        self.assertEqual(metric(relay, 'connections_total{outcome="whole"}'), connections + 50 + 50)
        self.assertEqual(relay.end(), 0)


if __name__ == "__main__":
    tap.main(seconds=280)
