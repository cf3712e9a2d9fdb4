"""tap: unittest for tests that drive programs as a person would, told as TAP so that every case is counted.

    import os, sys, unittest
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import tap

    class Connect(unittest.TestCase):
        def test_says_who_refused(self):
            done = tap.run([tap.built("lastword"), "connect", "127.0.0.1:%d" % tap.free_port()], seconds=10)
            self.assertEqual(done.returncode, 3)

    if __name__ == "__main__":
        tap.main()

It must not know any protocol or any verb.  Invariants: a case is one `ok` or `not ok` line whatever happens in it;
nothing waits without a deadline; only processes started here are ever ended, each by its own pid.
"""
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# ---- the runner

class Overtime(BaseException):
    """A case ran past its deadline.  No Exception, so that no `except Exception` in a test swallows it."""


class Result(unittest.TestResult):
    """Prints one TAP line a case; failed subtests and clean-ups count against their case."""

    def __init__(self, out):
        super().__init__()
        self.out, self.number, self.failed = out, 0, 0
        self.notes, self.reason = [], None

    def startTest(self, test):
        super().startTest(test)
        self.notes, self.reason = [], None

    def stopTest(self, test):
        super().stopTest(test)
        self.tell(title(test))

    def addError(self, test, err):
        super().addError(test, err)
        self.notes.append("".join(traceback.format_exception(*err)))
        if not isinstance(test, unittest.TestCase):  # setUpClass, setUpModule: no case of its own
            self.tell(str(test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.notes.append("".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.notes.append(subtest._subDescription() + "\n" + "".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.reason = reason
        if not isinstance(test, unittest.TestCase):
            self.tell(str(test))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.notes.append("was expected to fail")

    def tell(self, name):
        self.number += 1
        self.failed += bool(self.notes)
        skip = "" if self.notes or self.reason is None else " # SKIP " + " ".join(self.reason.split())
        self.out.write("%s %d - %s%s\n" % ("not ok" if self.notes else "ok", self.number, name, skip))
        for line in "".join(self.notes).splitlines():
            self.out.write("# %s\n" % line)
        self.out.flush()
        self.notes, self.reason = [], None


def title(test):
    """The case's name as a claim: `Connect: says who refused`."""
    name = test.id().split(".")
    return "%s: %s" % (name[-2], re.sub(r"^test_?", "", name[-1]).replace("_", " ").replace("#", ""))


def all_cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_cases(item)
        else:
            yield item


def with_deadline(case, seconds):
    """Gives a case its own deadline: set-up, test and clean-up together."""
    bare = case.run

    def overtime(*_):
        raise Overtime("%s ran longer than %d s" % (case.id(), seconds))

    def run(result=None):
        before = signal.signal(signal.SIGALRM, overtime)
        signal.alarm(seconds)
        try:
            return bare(result)
        except Overtime:  # unittest lets a BaseException of the set-up through
            result.addError(case, sys.exc_info())
            result.stopTest(case)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
    case.run = run


def run_suite(suite, out, seconds):
    """Runs `suite`, TAP on `out`; the Result."""
    result = Result(out)
    for case in all_cases(suite):
        with_deadline(case, seconds)
    suite.run(result)
    out.write("1..%d\n" % result.number)
    out.flush()
    return result


def main(seconds=60):
    """Runs every TestCase of the program (or those named on its command line); `seconds` is a case's deadline.
    Never returns: exit status 1 if a case failed or none was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the runner's deadline: clean up what we started
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    suite = loader.loadTestsFromNames(sys.argv[1:], module) if sys.argv[1:] else loader.loadTestsFromModule(module)
    result = run_suite(suite, sys.stdout, seconds)
    sys.stdout.flush()
    sys.exit(bool(result.failed or not result.number))


# ---- where things are

def build_dir():
    """The build folder under test: LASTWORD_BUILD, which Meson sets, else `build` in the tree."""
    return os.environ.get("LASTWORD_BUILD") or os.path.join(ROOT, "build")


def built(name):
    """The path of something in the build folder."""
    return os.path.join(build_dir(), name)


def temp_dir(case):
    """A folder that goes with the case."""
    folder = tempfile.TemporaryDirectory(prefix="lastword-test.")
    case.addCleanup(folder.cleanup)
    return folder.name


def environment(**changes):
    """This environment with changes; None takes a variable away."""
    env = dict(os.environ, LC_ALL="C.UTF-8")
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


# ---- ports

def free_port(family=socket.AF_INET):
    """A port that nothing listens on, for programs that cannot bind to port 0 and tell.  It is none of those that the
    system gives to clients: one of them may be taken again before the program binds to it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as ports:
        lowest = int(ports.read().split()[0])
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1" if family == socket.AF_INET else "::1", random.randrange(1024, max(lowest, 10000))))
            except OSError:
                continue
            return probe.getsockname()[1]


def is_listening(port):
    """Looks, without connecting: a server that takes one connection keeps it."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as rows:
                for row in list(rows)[1:]:
                    column = row.split()
                    if column[3] == "0A" and int(column[1].rsplit(":", 1)[1], 16) == port:
                        return True
        except FileNotFoundError:
            pass
    return False


# ---- processes

class Process:
    """A program under way.  Its output is read all the time, so it never blocks on us:
    `.out` and `.err` are the bytes so far.  A context manager; `end()` at the latest on leaving."""

    def __init__(self, argv, stdin=subprocess.DEVNULL, env=None, cwd=None):
        self.argv = [str(word) for word in argv]
        self.child = subprocess.Popen(self.argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=env or environment(), cwd=cwd)
        self.news = threading.Condition()
        self.kept = {"out": b"", "err": b""}
        self.open = 2
        self.readers = [threading.Thread(target=self._collect, args=row, daemon=True)
                        for row in (("out", self.child.stdout), ("err", self.child.stderr))]
        for reader in self.readers:
            reader.start()

    def _collect(self, name, stream):
        while True:
            try:
                piece = os.read(stream.fileno(), 65536)
            except (OSError, ValueError):
                piece = b""
            with self.news:
                self.kept[name] += piece
                self.open -= not piece
                self.news.notify_all()
            if not piece:
                return

    pid = property(lambda self: self.child.pid)
    stdin = property(lambda self: self.child.stdin)
    out = property(lambda self: self.kept["out"])
    err = property(lambda self: self.kept["err"])
    is_over = property(lambda self: self.child.poll() is not None)

    def wait_line(self, pattern, seconds=10):
        """Waits until either output holds `pattern` (a regular expression); the match, of str."""
        def look():
            return (re.search(pattern, self.out.decode(errors="replace"), re.M) or
                    re.search(pattern, self.err.decode(errors="replace"), re.M))
        with self.news:
            self.news.wait_for(lambda: look() or not self.open, seconds)
            found = look()
        if not found:
            raise AssertionError("%s did not say %r within %s s\n%s" % (self.argv[0], pattern, seconds, self.tell()))
        return found

    def wait_listening(self, port, seconds=10):
        """Waits until something listens on `port`, without connecting; itself."""
        until = time.monotonic() + seconds
        while not is_listening(port):
            try:  # its end is news at once; else look again
                self.child.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                if time.monotonic() < until:
                    continue
            raise AssertionError("%s does not listen on %d\n%s" % (self.argv[0], port, self.tell()))
        return self

    def wait(self, seconds=30):
        """Waits for its end, all output read; the exit status, negative for a signal."""
        try:
            status = self.child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still runs after %s s\n%s" % (self.argv[0], seconds, self.tell())) from None
        for reader in self.readers:
            reader.join(timeout=5)
        return status

    def end(self, seconds=5):
        """Ends it: SIGTERM, after `seconds` SIGKILL.  Does nothing to a program that is over."""
        if not self.is_over:
            self.child.terminate()
            try:
                self.child.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for reader in self.readers:
            reader.join(timeout=1)
        if not any(reader.is_alive() for reader in self.readers):  # else a grandchild holds the pipe
            self.child.stdout.close()
            self.child.stderr.close()
        if self.child.stdin:
            try:
                self.child.stdin.close()
            except OSError:
                pass

    def tell(self):
        """What it was and said so far, for messages."""
        return "command: %s\nstatus: %s\nstdout: %s\nstderr: %s" % (
            " ".join(self.argv), self.child.poll(), self.out[-2000:].decode(errors="replace"),
            self.err[-2000:].decode(errors="replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def start(case, argv, port=None, line=None, seconds=10, **popen):
    """Starts a program for `case` and ends it with the case.  Returns when it listens on `port`, or has
    said `line` (a regular expression; the match is `.said`), if given."""
    process = Process(argv, **popen)
    case.addCleanup(process.end)
    if port is not None:
        process.wait_listening(port, seconds)
    process.said = process.wait_line(line, seconds) if line is not None else None
    return process


def run(argv, input=b"", seconds=30, env=None, cwd=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    """Runs a program to its end: .returncode, .stdout, .stderr (bytes).  Past the deadline it is ended, and AssertionError."""
    argv = [str(word) for word in argv]
    if isinstance(input, str):
        input = input.encode()
    try:
        return subprocess.run(argv, input=input, stdout=stdout, stderr=stderr, timeout=seconds,
                              env=env or environment(), cwd=cwd)
    except subprocess.TimeoutExpired as late:
        raise AssertionError("still runs after %s s: %s\nstdout: %s\nstderr: %s" % (
            seconds, " ".join(argv), (late.stdout or b"")[-2000:].decode(errors="replace"),
            (late.stderr or b"")[-2000:].decode(errors="replace"))) from None
