"""apart: a test program in a network and a file system of its own, so that ports and paths that are named elsewhere can be used.  It takes root."""
import os
import subprocess
import sys

MARK = "LASTWORD_TEST_APART"  # in the environment: we are there
WHY_NOT = "a network of its own takes root, and unshare(1)"


def is_apart():
    return MARK in os.environ


def go():
    """Runs this program anew there, where that is possible; loopback is up then."""
    argv = ["unshare", "--net", "--mount"]
    if not is_apart() and os.geteuid() == 0 and subprocess.run([*argv, "true"], check=False).returncode == 0:
        os.environ[MARK] = "yes"
        os.execvp(argv[0], [*argv, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])
    if is_apart():
        ip("link set lo up")


def ip(words):
    subprocess.run(["ip", *words.split()], check=True, timeout=20)


def mount(case, source, target):
    """Shows a file or folder of ours at a path, for a case."""
    subprocess.run(["mount", "--bind", source, target], check=True, timeout=20)
    case.addCleanup(subprocess.run, ["umount", target], check=True, timeout=20)
