#!/usr/bin/python3
"""relay_soak: one relay under mixed load for minutes; it must end with the memory and the descriptors it had after its first minute.

    relay_soak.py [--minute SECONDS] [--slack BYTES] RELAY_LOAD LASTWORD MINUTES

Short connections, long transfers compared byte by byte, slow readers on either side, cuts and resets on either leg, garbage, connections
that idle all the time, and SIGHUP every third of a minute with a configuration that differs.  The load is bounded: each kind runs a batch
of fixed size, then rests.  At the end of each minute all kinds rest at once, so that what is measured is the relay with its idle
connections alone: its memory (Pss), its descriptors, what it counts.

Fails, with exit status 1, if after the last minute it holds more memory than after the first and SLACK_BYTES more, or more descriptors; if a
connection was lost that nobody cut; or if an ending was laundered.
"""
import argparse
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import relay
import relay_proxies

# What the allocator keeps of busy moments goes up and down by 2 MiB.  In ten minutes there are some 200,000 connections: a leak of the
# smallest block that there is, 32 bytes, in each would be 6 MiB.
SLACK_BYTES = 4 << 20
SETTLE_S = 30  # descriptors of peers that say nothing are held until the relay's own deadlines

IDLE = 200
SLOW_BYTES, SLOW_PIECE, SLOW_REST_S = 2 << 20, 64 << 10, 0.01

# kind of the load, leg behind the relay, connections, concurrent, bytes, rest in seconds
BATCHES = (
    ("new", "to_tcp", 100, 8, 1, 0.6),
    ("new", "to_tls", 40, 4, 1, 0.8),
    ("compare", "to_tcp", 4, 2, 3 << 20, 0.9),
    ("compare", "to_tls", 4, 2, 3 << 20, 1.1),
    ("down", "to_tcp", 4, 4, 16 << 20, 1.2),
    ("up", "to_tcp", 4, 4, 16 << 20, 1.3),
    ("exchange", "to_tcp", 4, 4, 200, 0.7),
    ("backend-reset", "to_tcp", 20, 10, 1, 1.0),
    ("backend-fin", "to_tls", 20, 10, 1, 1.0),
    ("backend-reset", "to_tls", 20, 10, 1, 1.0),
    ("client-fin", "to_tcp", 20, 10, 1, 1.0),
    ("client-reset", "to_tcp", 20, 10, 1, 1.0),
    ("client-fin", "to_tls", 20, 10, 1, 1.0),
    ("client-reset", "to_tls", 20, 10, 1, 1.0),
)

GARBAGE = (
    b"",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x00\xd8\x01\x00",
    b"\x16\x03\x01\xff\xff" + b"\x01" * 200,
    b"\x17\x03\x03\x00\x10" + b"x" * 16,
    b"SSH-2.0-nobody\r\n",
    bytes(range(256)) * 8,
)


class Gate:
    """All kinds of load pass it before each batch; closed, it waits until nobody is behind it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.is_open, self.inside, self.is_over = True, 0, False

    def enter(self):
        with self.changed:
            self.changed.wait_for(lambda: self.is_open or self.is_over)
            self.inside += not self.is_over
            return not self.is_over

    def leave(self):
        with self.changed:
            self.inside -= 1
            self.changed.notify_all()

    def close(self, seconds=120):
        with self.changed:
            self.is_open = False
            if not self.changed.wait_for(lambda: self.inside == 0, seconds):
                raise RuntimeError("a batch of the load does not end")

    def open(self):
        with self.changed:
            self.is_open = True
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.is_over = True
            self.changed.notify_all()


class Soak:
    """The relay, its configuration and what was noticed."""

    def __init__(self, args, base):
        self.args, self.base, self.gate, self.complaints = args, base, Gate(), []
        self.batches, self.lock, self.threads = {}, threading.Lock(), []
        self.loads, self.services = [], []
        self.metrics_path = os.path.join(base, "metrics")
        self.config_path = os.path.join(base, "relay.conf")
        self.generation = 0
        relay.make_certificate(base)
        self.certificate, self.key = os.path.join(base, "c.pem"), os.path.join(base, "k.pem")

    def service(self, leg, backend):
        """One more service; the port where it listens."""
        port = relay_proxies.free_port()
        self.services.append("[s%d]\naccept = tls:127.0.0.1:%d\nconnect = %s:127.0.0.1:%d\n%s" % (
            len(self.services), port, "tls" if leg == "to_tls" else "tcp", backend, "backendVerifyChain = no\n" if leg == "to_tls" else ""))
        return port

    def write_config(self):
        self.generation += 1
        text = "workers = 1\ndebug = warning\ncert = %s\nkey = %s\nmetrics = unix:%s\nTIMEOUTidle = %d\n%s" % (
            self.certificate, self.key, self.metrics_path, 3600 + self.generation % 2, "".join(self.services))
        with open(self.config_path + ".new", "w") as out:
            out.write(text)
        os.rename(self.config_path + ".new", self.config_path)

    def start(self):
        self.write_config()
        self.log = open(os.path.join(self.base, "log"), "w+b")
        self.process = subprocess.Popen([os.path.abspath(self.args.lastword), "relay", self.config_path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.log)
        until = time.monotonic() + 20
        while not os.path.exists(self.metrics_path):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the relay does not start:\n" + self.said())
            time.sleep(0.05)

    def said(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()[-2000:]

    def reload(self):
        self.write_config()
        self.process.send_signal(signal.SIGHUP)

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)
            print("relay_soak: " + text, file=sys.stderr, flush=True)

    def counted(self, name, number):
        with self.lock:
            self.batches[name] = self.batches.get(name, 0) + number

    # ---- what is measured

    def metrics(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.metrics_path)
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as answer:
                text = answer.read().decode()
        return {name: int(value) for name, value in re.findall(r"^lastword_relay_(\S+) (\d+)$", text, re.M)}

    def memory_bytes(self):
        with open("/proc/%d/smaps_rollup" % self.process.pid) as file:
            return 1024 * int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])

    def descriptors(self):
        """The least of a second: the port for metrics closes in its own time."""
        found = []
        for _ in range(10):
            found.append(len(os.listdir("/proc/%d/fd" % self.process.pid)))
            time.sleep(0.1)
        return min(found)

    def settle(self, seconds=SETTLE_S):
        """Until only the idle connections are left."""
        until = time.monotonic() + seconds
        while self.metrics()["connections_open"] > IDLE and time.monotonic() < until:
            time.sleep(0.1)

    # ---- load

    def loop(self, name, rest_s, batch):
        """A kind of load, in a thread of its own, until the end."""
        def run():
            while self.gate.enter():
                try:
                    self.counted(name, batch())
                except Exception as error:  # whatever it is, the soak tells it and fails
                    self.complain("%s: %s: %s" % (name, type(error).__name__, error))
                finally:
                    self.gate.leave()
                time.sleep(rest_s)
        self.threads.append(threading.Thread(target=run, daemon=True))

    def load(self):
        self.loads.append(relay.Load(os.path.abspath(self.args.load), []))
        return self.loads[-1]

    def plan_batch(self, row):
        kind, leg, connections, concurrent, size, rest_s = row
        load = self.load()
        port = self.service(leg, load.backends["tls" if leg == "to_tls" else "plain"])
        is_cut = kind.startswith(("backend-", "client-"))

        def batch():
            told = load.run(kind, port, connections, concurrent, size, 100)
            if is_cut:
                witness = "client" if kind.startswith("backend") else "backend"
                laundered = told[witness + "_closed"] + (told[witness + "_fin"] if witness == "backend" and leg == "to_tcp" else 0)
                if laundered or told[witness + "_open"]:
                    self.complain("%s, %s: laundered or lost: %s" % (kind, leg, told))
            elif told["failed"] or told["differing"] or told["short"] or told["client_open"] or told["over"] != connections:
                self.complain("%s, %s: not every connection did well: %s" % (kind, leg, told))
            return connections
        self.loop("%s %s" % (kind, leg), rest_s, batch)

    def plan_idle(self):
        self.idle_load = self.load()
        self.idle_port = self.service("to_tcp", self.idle_load.backends["plain"])

    def begin_idle(self):
        told = self.idle_load.run("idle", self.idle_port, IDLE, 16, 1, 1000000)
        if "held" not in told:
            raise RuntimeError("the idle connections do not stand: %s" % told)

    def end_idle(self):
        told = self.idle_load.say("go on")
        if told["failed"] or told["differing"] or told["client_open"] or told["over"] != IDLE:
            self.complain("idle: not every connection did well: %s" % told)

    def plan_slow(self):
        listener = socket.create_server(("127.0.0.1", 0))
        port = self.service("to_tcp", listener.getsockname()[1])
        context = ssl.create_default_context(cafile=self.certificate)

        def slowly(connection):
            got = 0
            while True:
                piece = connection.recv(SLOW_PIECE)
                if not piece:
                    return got
                got += len(piece)
                time.sleep(SLOW_REST_S)

        def serve(connection, got):
            with connection:
                connection.settimeout(100)
                if connection.recv(1) == b"d":
                    connection.sendall(b"x" * SLOW_BYTES)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                else:
                    got.append(slowly(connection))

        def one(is_down):
            got = []
            with socket.create_connection(("127.0.0.1", port), timeout=100) as plain:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as client:
                    client.sendall(b"d" if is_down else b"u")
                    server = threading.Thread(target=serve, args=(listener.accept()[0], got), daemon=True)
                    server.start()
                    if is_down:
                        got.append(slowly(client))
                    else:
                        client.sendall(b"x" * SLOW_BYTES)
                    client.settimeout(100)
                    client.unwrap()
            server.join(100)
            if got != [SLOW_BYTES]:
                self.complain("slow readers: %s of %d bytes came" % (got, SLOW_BYTES))

        def batch():
            one(True)
            one(False)
            return 2
        self.loop("slow readers", 1.0, batch)

    def plan_garbage(self):
        load = self.load()
        port = self.service("to_tcp", load.backends["plain"])

        def batch():
            for garbage in GARBAGE:
                with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                    try:
                        connection.sendall(garbage)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(4096):
                            pass
                    except TimeoutError:
                        self.complain("garbage: its connection is not ended")
                    except OSError:  # it was refused, before or after all was said
                        pass
            return len(GARBAGE)
        self.loop("garbage", 1.5, batch)

    # ---- the whole

    def plan(self):
        for row in BATCHES:
            self.plan_batch(row)
        self.plan_idle()
        self.plan_slow()
        self.plan_garbage()

    def pass_minute(self):
        for third in range(3):
            time.sleep(self.args.minute / 3)
            if self.process.poll() is not None:
                raise RuntimeError("the relay is gone:\n" + self.said())
            self.reload()

    def measure(self, minute):
        self.gate.close()
        self.settle()
        counts, found = self.metrics(), (self.memory_bytes(), self.descriptors())
        self.gate.open()
        print("%6d %12d %12d %10d %10d %12d %12d %8d %8d" % (
            minute, found[0] >> 10, found[1], counts["accepted_total"], counts["connections_open"],
            counts['bytes_total{direction="in"}'] >> 20, counts['bytes_total{direction="out"}'] >> 20,
            counts["laundering_prevented_total"], counts['reloads_total{result="ok"}']), flush=True)
        return found

    def run(self):
        self.plan()
        self.start()
        self.begin_idle()
        for thread in self.threads:
            thread.start()
        print("%6s %12s %12s %10s %10s %12s %12s %8s %8s" % ("minute", "memory, KiB", "descriptors", "accepted", "open", "in, MiB", "out, MiB",
                                                            "cut", "reloads"), flush=True)
        first = last = None
        for minute in range(1, self.args.minutes + 1):
            self.pass_minute()
            last = self.measure(minute)
            first = first or last
        self.gate.end()
        for thread in self.threads:
            thread.join(120)
        self.end_idle()
        if last[0] > first[0] + self.args.slack:
            self.complain("memory grew by %d KiB" % ((last[0] - first[0]) >> 10))
        if last[1] > first[1]:
            self.complain("descriptors grew from %d to %d" % (first[1], last[1]))
        print("; ".join("%s %d" % pair for pair in sorted(self.batches.items())))

    def end(self):
        self.gate.end()
        for load in self.loads:
            load.stop()
        if getattr(self, "process", None) and self.process.poll() is None:
            self.process.terminate()
            try:
                if self.process.wait(30) != 0:
                    self.complain("the relay's exit status is %d" % self.process.returncode)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                self.complain("the relay did not end")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minute", type=float, default=60, help="seconds that count as a minute")
    parser.add_argument("--slack", type=int, default=SLACK_BYTES, help="bytes that it may have grown by")
    parser.add_argument("load")
    parser.add_argument("lastword")
    parser.add_argument("minutes", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        soak = Soak(args, base)
        try:
            soak.run()
        finally:
            soak.end()
    print("%d complaints" % len(soak.complaints) if soak.complaints else "no connection was lost, nothing grew")
    sys.exit(1 if soak.complaints else 0)


if __name__ == "__main__":
    main()
