#!/usr/bin/python3
"""fuzz: runs every libFuzzer target of a build folder for some seconds, as many at once as there are processors.

    tools/fuzz.py BUILD SECONDS

Prints TAP, one case a target: it passes if no claim broke and no sanitizer spoke.  What it learned stays in BUILD/corpus;
what it found is BUILD/NAME-crash-…, to be mended and kept in tests/fuzz/corpus.  It must not know what the targets do.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAST_LINES = 24


def run(build, name, seconds):
    """What a target said, and whether it passed."""
    learned, given = os.path.join(build, "corpus", name), os.path.join(ROOT, "tests", "fuzz", "corpus", name)
    os.makedirs(learned, exist_ok=True)
    log = os.path.join(build, name + ".log")
    argv = [os.path.join(build, "tests", "fuzz", name + "_fuzz"), "-max_total_time=%d" % seconds, "-max_len=4096",
            "-artifact_prefix=" + os.path.join(build, name + "-"), "-print_final_stats=1", "-timeout=30", learned, given]
    with open(log, "w+b") as out:
        try:
            status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=seconds * 2 + 120).returncode
        except subprocess.TimeoutExpired:
            status = "no end in time"
        out.seek(0)
        return out.read().decode(errors="replace"), status == 0


def main(argv):
    build, seconds = argv[0], int(argv[1])
    names = [os.path.basename(path)[:-len("_fuzz")] for path in sorted(glob.glob(os.path.join(build, "tests", "fuzz", "*_fuzz")))]
    failed = not names
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(run, build, name, seconds) for name in names]
        for number, (name, done) in enumerate(zip(names, runs), 1):
            said, passed = done.result()
            tried = re.search(r"^stat::number_of_executed_units: *(\d+)", said, re.M)
            print("%s %d - fuzz %s for %d s: %s inputs" % ("ok" if passed else "not ok", number, name, seconds,
                                                           tried[1] if tried else "some"), flush=True)
            if not passed:
                print("\n".join("#   " + line for line in said.splitlines()[-LAST_LINES:]))
                failed = True
    print("1..%d" % len(names))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
