#!/usr/bin/python3
"""relay: lastword relay beside HAProxy, nginx's stream module, stunnel and hitch, in one run.

    relay.py [--json F] [--quick] [--rounds N] [--idle N] [--only NAME,...] RELAY_LOAD LASTWORD

Each proxy has one worker on processor 0; clients and backends are one process on processor 1.  The proxies are measured in turns, round
after round, and a ratio is the median of the rounds' own, so that what else the machine does meets all of them; where a bound is exceeded as
many rounds more are measured, once.  Prints a table, writes JSON (data/schema/bench-relay.json) if asked to, and exits 1 if a bound is
exceeded.  --quick proves that the harness works, and judges nothing but laundering.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading

import relay_proxies

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

GB = 1e9
OVERALL_S = 300  # for one command

# What is measured: its name, the unit, a divisor for printing, digits
FIGURES = (
    ("down", "CPU s per GB, backend to client", 1, 3),
    ("up", "CPU s per GB, client to backend", 1, 3),
    ("new", "CPU us per new connection", 1e-6, 0),
    ("idle", "bytes per idle connection", 1, 0),
    ("p50", "exchange of 64 bytes, p50, us", 1e-6, 1),
    ("p99", "exchange of 64 bytes, p99, us", 1e-6, 1),
)

# What is bounded, beside whom, by what ratio
BOUNDS = (
    ("down", "haproxy", 0.90),
    ("down", "nginx", 1.00),
    ("up", "haproxy", 0.90),
    ("up", "nginx", 1.00),
    ("new", "hitch", 1.00),
    ("idle", "haproxy", 1.10),
)

# A cut: the kind of the load, the leg behind the proxy, who sees what became of it, in words
CUTS = (
    ("backend-reset", "to_tcp", "client", "RST of a plain backend"),
    ("client-fin", "to_tcp", "backend", "FIN forged on the client's leg, plain backend"),
    ("client-reset", "to_tcp", "backend", "RST on the client's leg, plain backend"),
    ("backend-fin", "to_tls", "client", "FIN forged on the backend's TLS leg"),
    ("backend-reset", "to_tls", "client", "RST on the backend's TLS leg"),
    ("client-fin", "to_tls", "backend", "FIN forged on the client's leg, TLS backend"),
    ("client-reset", "to_tls", "backend", "RST on the client's leg, TLS backend"),
)
ENDS = ("open", "closed", "fin", "reset", "alert", "other")


class Sizes:
    def __init__(self, quick, rounds, idle):
        self.quick = quick
        self.rounds = rounds or (1 if quick else 7)
        self.streams = 2 if quick else 8
        self.bytes = 1 << 20 if quick else 1 << 27  # a stream
        self.new = 20 if quick else 2000
        self.concurrent = 4 if quick else 16
        self.exchanges = 50 if quick else 3000
        self.idle = idle or (20 if quick else 5000)
        self.idle_first = 10 if quick else 100  # before the idle ones, for what is only taken once
        self.cuts = 5 if quick else 200


class Load:
    """The process that is clients and backends; .backends are its ports."""

    def __init__(self, program, core):
        self.process = subprocess.Popen(core + [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.backends = self.answer()

    def answer(self):
        timer = threading.Timer(OVERALL_S, self.process.kill)
        timer.start()
        try:
            lines = []
            while True:
                line = self.process.stdout.readline()
                if not line:
                    raise RuntimeError("the load ended by itself, or took too long: %s" % self.process.wait())
                if line == "\n":
                    break
                lines.append(line.split())
        finally:
            timer.cancel()
        return {words[0]: int(words[1]) if len(words) > 1 else None for words in lines}

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, kind, port, connections, concurrent, size, seconds=120):
        return self.say(kind, port, connections, concurrent, size, seconds)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def without_fault(proxy, kind, told):
    if told["failed"] or told["differing"] or told["short"] or told["client_open"]:
        raise RuntimeError("%s, %s: not every connection did well: %s" % (proxy.name, kind, told))
    return told


def timed(load, proxy, kind, connections, concurrent, size):
    """What the load told, the CPU seconds of the proxy, and how busy it was."""
    before = proxy.cpu_s()
    told = without_fault(proxy, kind, load.run(kind, proxy.ports["to_tcp"], connections, concurrent, size))
    used = proxy.cpu_s() - before
    return told, used, used / (told["wall_ns"] / 1e9)


def measure_round(load, proxy, sizes):
    found = {}
    for kind in ("down", "up"):
        _, used, found[kind + "_busy"] = timed(load, proxy, kind, sizes.streams, sizes.streams, sizes.bytes)
        found[kind] = used / (sizes.streams * sizes.bytes / GB)
    _, used, found["new_busy"] = timed(load, proxy, "new", sizes.new, sizes.concurrent, 1)
    found["new"] = used / sizes.new
    told = without_fault(proxy, "exchange", load.run("exchange", proxy.ports["to_tcp"], 1, 1, sizes.exchanges))
    found["p50"], found["p99"] = told["p50_ns"] / 1e9, told["p99_ns"] / 1e9
    return found


def measure_idle(load, proxy, sizes):
    """Bytes a connection that has shaken hands, exchanged once and waits; of a process that did nothing before."""
    proxy.stop()
    proxy.start()
    port = proxy.ports["to_tcp"]
    without_fault(proxy, "new", load.run("new", port, sizes.idle_first, 16, 1))
    before = proxy.memory_bytes()
    told = load.run("idle", port, sizes.idle, 16, 1, OVERALL_S)
    if "held" not in told:
        raise RuntimeError("%s, idle: %s" % (proxy.name, told))
    grown = proxy.memory_bytes() - before
    without_fault(proxy, "idle", load.say("go on"))
    return grown / sizes.idle


def cut(load, proxy, sizes, row):
    """How the other leg ended, by kind; None: the proxy has no such leg."""
    kind, leg, witness, _ = row
    if leg not in proxy.ports:
        return None
    told = load.run(kind, proxy.ports[leg], sizes.cuts, 16, 1, 20)
    seen = {end: told["%s_%s" % (witness, end)] for end in ENDS}
    # A proper end as that leg knows it: close_notify, and FIN where there is no TLS.
    seen["laundered"] = seen["closed"] + (seen["fin"] if witness == "backend" and leg == "to_tcp" else 0)
    return seen


def ratio(rounds, figure, other):
    pairs = [(mine[figure], its[figure]) for mine, its in zip(rounds["lastword"], rounds[other])]
    return statistics.median(mine / its for mine, its in pairs)


def judge(rounds, idles, quick):
    for figure, other, bound in BOUNDS:
        if other not in rounds or "lastword" not in rounds:
            continue
        found = idles["lastword"] / idles[other] if figure == "idle" else ratio(rounds, figure, other)
        yield {"figure": figure, "beside": other, "ratio": round(found, 4), "bound": bound, "over": found > bound and not quick}


def median_of(rounds, figure):
    return statistics.median(row[figure] for row in rounds)


def print_figures(proxies, rounds, idles):
    names = [proxy.name for proxy in proxies]
    print("%-36s" % "" + "".join("%10s" % name for name in names))
    for figure, words, unit, digits in FIGURES:
        values = [idles[name] if figure == "idle" else median_of(rounds[name], figure) for name in names]
        print("%-36s" % words + "".join("%10.*f" % (digits, value / unit) for value in values))
    for figure in ("down", "up", "new"):
        print("%-36s" % ("%s: the proxy was busy, %%" % figure) +
              "".join("%10.0f" % (100 * median_of(rounds[name], figure + "_busy")) for name in names))


def print_cuts(proxies, cuts, of):
    print("\nlaundered, of %d cuts in the middle of a message" % of)
    for row in CUTS:
        print("%-46s" % row[3] + "".join("%10s" % ("-" if seen is None else seen["laundered"])
                                         for seen in (cuts[proxy.name][row] for proxy in proxies)))


def print_bounds(bounds):
    if bounds:
        print()
    for row in bounds:
        print("%-36s %8.3f x %-8s bound %.2f%s" % (dict((f[0], f[1]) for f in FIGURES)[row["figure"]], row["ratio"], row["beside"],
                                                   row["bound"], "  OVER ITS BOUND" if row["over"] else ""))


def write_json(path, args, sizes, proxies, versions, rounds, idles, cuts, bounds, laundered):
    content = {
        "schema": "lastword.bench-relay/1", "quick": args.quick, "rounds": len(rounds[proxies[0].name]),
        "sizes": {"streams": sizes.streams, "bytes": sizes.streams * sizes.bytes, "new": sizes.new, "exchanges": sizes.exchanges,
                  "idle": sizes.idle, "cuts": sizes.cuts},
        "proxies": [{
            "name": proxy.name, "version": versions[proxy.name],
            "down_cpu_s_per_gb": median_of(rounds[proxy.name], "down"), "up_cpu_s_per_gb": median_of(rounds[proxy.name], "up"),
            "new_cpu_s": median_of(rounds[proxy.name], "new"), "idle_bytes": idles[proxy.name],
            "p50_s": median_of(rounds[proxy.name], "p50"), "p99_s": median_of(rounds[proxy.name], "p99"),
            "rounds": rounds[proxy.name],
            "cuts": [{"cut": row[3], **seen} for row, seen in cuts[proxy.name].items() if seen is not None],
        } for proxy in proxies],
        "bounds": bounds, "laundered": laundered,
    }
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def make_certificate(base):
    certificate, key, both = (os.path.join(base, name) for name in ("c.pem", "k.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                    "-days", "2", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=30)
    with open(both, "w") as out:
        for path in (certificate, key):
            with open(path) as part:
                out.write(part.read())
    for path in (key, both):
        os.chmod(path, 0o600)


def pinned(core):
    return ["taskset", "-c", str(core)] if core in os.sched_getaffinity(0) else []


def chosen(args, base, backends):
    only = args.only.split(",") if args.only else None
    for name, program, ask, configure in relay_proxies.ROWS:
        program = program or os.path.abspath(args.lastword)
        if only and name not in only:
            continue
        if not relay_proxies.is_there(name, program):
            print("%s is not installed, and left out" % name, file=sys.stderr)
            continue
        yield relay_proxies.Proxy(name, program, configure, base, backends, pinned(0)), relay_proxies.version_of(program, ask)


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def take_turns(load, proxies, sizes, rounds):
    for i in range(sizes.rounds):
        for j in range(len(proxies)):
            proxy = proxies[(i + j) % len(proxies)]
            progress("round %d of %d: %s" % (i + 1, sizes.rounds, proxy.name))
            rounds[proxy.name].append(measure_round(load, proxy, sizes))


def measure(load, proxies, sizes):
    rounds = {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        proxy.start()
        without_fault(proxy, "compare", load.run("compare", proxy.ports["to_tcp"], 2, 2, 1 << 18))
    cuts = {proxy.name: {row: cut(load, proxy, sizes, row) for row in CUTS} for proxy in proxies}
    take_turns(load, proxies, sizes, rounds)
    idles = {}
    for proxy in proxies:
        progress("idle: %s" % proxy.name)
        idles[proxy.name] = measure_idle(load, proxy, sizes)
    if any(row["over"] for row in judge(rounds, idles, sizes.quick)):
        take_turns(load, proxies, sizes, rounds)
    progress("")
    return rounds, idles, cuts


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("load")
    parser.add_argument("lastword")
    return parser.parse_args()


def main():
    args = options()
    sizes = Sizes(args.quick, args.rounds, args.idle)
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        make_certificate(base)
        load = Load(os.path.abspath(args.load), pinned(1))
        found = list(chosen(args, base, load.backends))
        proxies, versions = [proxy for proxy, _ in found], {proxy.name: version for proxy, version in found}
        try:
            rounds, idles, cuts = measure(load, proxies, sizes)
        finally:
            for proxy in proxies:
                proxy.stop()
            load.stop()
    laundered = sum(seen["laundered"] for seen in cuts.get("lastword", {}).values() if seen)
    bounds = list(judge(rounds, idles, args.quick))
    print("TLS 1.3, AES-128-GCM, ECDSA P-256, one worker on one processor; medians of %d rounds, proxies in turns; %s" %
          (len(rounds[proxies[0].name]), ", ".join("%s %s" % pair for pair in versions.items())))
    print_figures(proxies, rounds, idles)
    print_cuts(proxies, cuts, sizes.cuts)
    print_bounds(bounds)
    if args.json:
        write_json(args.json, args, sizes, proxies, versions, rounds, idles, cuts, bounds, laundered)
    if laundered:
        print("lastword relay laundered %d endings" % laundered)
    sys.exit(1 if laundered or any(row["over"] for row in bounds) else 0)


if __name__ == "__main__":
    main()
