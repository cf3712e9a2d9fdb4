#!/usr/bin/python3
"""ratios: what the stream costs beside bare OpenSSL, as ratios of instructions in one run.

    ratios.py RATIO_BENCH [JSON]

A close is the same work on both sides: close_notify out and in, FIN, and reading until the peer's FIN, without which the
last alert may be destroyed.  The row `leave` sets the same close of the stream beside bare OpenSSL that spares itself
the wait for the FIN; it has no bound, for it is less work.

Callgrind counts the instructions of the measured calls, which are the same in every run of the same binary.  Prints a
table, writes JSON if asked to, and exits 1 if a ratio is over its bound or a call allocates more than bare OpenSSL does.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

# what, bytes a call, calls, bound (None: only told)
ROWS = (
    ("read", 16384, 100, 1.01),
    ("read", 64, 400, 1.03),
    ("write", 16384, 100, 1.01),
    ("write", 64, 400, 1.03),
    ("close", 0, 40, 1.05),
    ("leave", 0, 40, None),
)


def count(bench, side, what, size, times):
    """Instructions and allocations of one side's measured calls."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=measured",
             "--callgrind-out-file=" + os.path.join(folder, "out"), bench, side, what, str(size), str(times)],
            capture_output=True, text=True, timeout=300)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    allocations = re.search(r"^allocations (\d+)$", done.stdout, re.M)
    if done.returncode or not collected or not allocations:
        sys.exit("ratios: %s %s %d failed:\n%s" % (side, what, size, done.stderr))
    return int(collected[1]), int(allocations[1])


def measure(bench):
    for what, size, times, bound in ROWS:
        bare, bare_allocations = count(bench, "bare", what, size, times)
        stream, stream_allocations = count(bench, "stream", what, size, times)
        yield {"what": what, "bytes": size, "calls": times,
               "bare_instructions": bare // times, "stream_instructions": stream // times,
               "ratio": round(stream / bare, 4), "bound": bound,
               "bare_allocations": bare_allocations, "stream_allocations": stream_allocations}


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print("instructions a call, TLS 1.3, AES-128-GCM, one TCP connection on loopback; a close is both sides',")
    print("until both have read the other's FIN; leave: the same beside bare OpenSSL that does not wait for it")
    print("%-6s %6s %12s %12s %8s %6s  %s" % ("", "bytes", "bare", "stream", "ratio", "bound", "allocations: bare, stream"))
    rows, over = [], False
    for row in measure(sys.argv[1]):
        rows.append(row)
        is_over = bool(row["bound"]) and row["ratio"] > row["bound"] or row["stream_allocations"] > row["bare_allocations"]
        over = over or is_over
        print("%-6s %6s %12d %12d %8.4f %6s  %d, %d%s" % (
            row["what"], row["bytes"] or "", row["bare_instructions"], row["stream_instructions"], row["ratio"],
            row["bound"] or "", row["bare_allocations"], row["stream_allocations"], "  OVER ITS BOUND" if is_over else ""),
            flush=True)
    if len(sys.argv) == 3:
        with open(sys.argv[2], "w") as file:
            json.dump({"schema": "lastword.bench/1", "rows": rows}, file, indent=1)
            file.write("\n")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
