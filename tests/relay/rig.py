"""rig: `lastword relay` started for a case, its places and its lines.  It must not know what a test concludes."""
import os
import re
import shlex
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import servers
import tap

LASTWORD = tap.built("lastword")


class Line(dict):
    """A line of the log: its first word as .outcome, its fields by name."""

    def __init__(self, text):
        words = shlex.split(text)
        super().__init__(word.split("=", 1) for word in words[1:] if "=" in word)
        self.outcome, self.text = words[0], text


class Relay:
    """One relay under way: flags, a configuration as text, or the path of a file with one; `within`: a command that becomes it; `line`:
    what it says when it runs."""

    def __init__(self, case, *flags, config=None, path=None, env=None, cwd=None, workers=1, within=(), line=r"^started "):
        self.case, self.path = case, path
        argv = [*within, LASTWORD, "relay"]
        if config is not None:
            self.path = servers.write(tap.temp_dir(case), "relay.conf", config)
        if self.path is not None:
            argv.append(self.path)
        argv += [str(flag) for flag in flags]
        if "--workers" not in flags and (config is None or "workers" not in config):
            argv += ["--workers", str(workers)]
        self.process = tap.start(case, argv, line=line, env=env, cwd=cwd)

    pid = property(lambda self: self.process.pid)

    def place(self, service="relay"):
        """Where a service listens, as it said: HOST:PORT or a path."""
        return self.process.wait_line(r"^%s (\S+)$" % re.escape(service))[1]

    def port(self, service="relay"):
        return int(self.place(service).rsplit(":", 1)[1])

    def lines(self):
        """All whole lines of the log so far."""
        text = self.process.err.decode(errors="replace")
        return [Line(line) for line in text[:text.rfind("\n") + 1].splitlines() if line]

    def wait(self, pattern, seconds=10):
        """Waits for a line of the log that holds `pattern`; that line."""
        found = self.process.wait_line(r"^.*(?:%s).*$" % pattern, seconds)
        return Line(found[0])

    def wait_connection(self, number=1, seconds=15):
        """Waits for the `number`th line about a connection; that line."""
        def told():
            return [line for line in self.lines() if "action" in line]
        with self.process.news:
            self.process.news.wait_for(lambda: len(told()) >= number or not self.process.open, seconds)
        if len(told()) < number:
            raise AssertionError("no line of connection %d within %s s\n%s" % (number, seconds, self.process.tell()))
        return told()[number - 1]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def rewrite(self, config):
        """Puts another configuration in place and has it read."""
        with open(self.path, "w", encoding="utf-8") as out:
            out.write(config)
        self.signal(signal.SIGHUP)

    def metrics(self):
        """What it counts, as it tells Prometheus; its metrics are served on a Unix socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.place("metrics"))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as answer:
                return answer.read().decode()

    def count(self, name):
        """One of its counts: "bytes_total{direction=\"in\"}"."""
        return int(re.search(r"^lastword_relay_%s (\d+)$" % re.escape(name), self.metrics(), re.M)[1])

    def end(self, seconds=15):
        """Drains it; the exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds)
