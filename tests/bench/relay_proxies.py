"""relay_proxies: the proxies that are measured side by side, each with one worker, TLS 1.3, AES-128-GCM and the same certificate.

A row says how one is configured and started; everything that it does not say is the proxy's own default: 16 KiB of buffer a direction
(HAProxy, nginx, stunnel 18 KiB, hitch a ring of 3 x 32 KiB), tickets as OpenSSL gives them, no log of connections.  It must not know what
is measured.  Only processes started here are ever ended, each by its own pid.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

SUITE = "TLS_AES_128_GCM_SHA256"
START_S = 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def haproxy(p):
    p.write("haproxy.cfg", """
global
    nbthread 1
    maxconn 9500
    ssl-default-bind-ciphersuites %(suite)s
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-server-ciphersuites %(suite)s
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen to_tcp
    bind 127.0.0.1:%(to_tcp)d ssl crt %(both)s
    server s 127.0.0.1:%(plain)d
listen to_tls
    bind 127.0.0.1:%(to_tls)d ssl crt %(both)s
    server s 127.0.0.1:%(tls)d ssl verify none
""")
    return ["haproxy", "-db", "-f", p.path("haproxy.cfg")]


def nginx(p):
    p.write("nginx.conf", """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; worker_rlimit_nofile 20000; %(user)s
pid %(folder)s/nginx.pid; error_log %(folder)s/nginx.log crit;
events { worker_connections 20000; }
stream {
  proxy_timeout 10m;
  ssl_certificate %(certificate)s; ssl_certificate_key %(key)s;
  ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites %(suite)s;
  server { listen 127.0.0.1:%(to_tcp)d ssl; proxy_pass 127.0.0.1:%(plain)d; }
  server { listen 127.0.0.1:%(to_tls)d ssl; proxy_pass 127.0.0.1:%(tls)d; proxy_ssl on; proxy_ssl_protocols TLSv1.3; }
}
""")
    return ["nginx", "-c", p.path("nginx.conf"), "-p", p.folder, "-e", p.path("nginx.log")]


def stunnel(p):
    """A service speaks TLS on one leg only, so that TLS on both takes two, one behind the other."""
    p.write("stunnel.conf", """
foreground = quiet
pid =
debug = crit
output = %(folder)s/stunnel.log
sslVersionMin = TLSv1.3
ciphersuites = %(suite)s
[to_tcp]
accept = 127.0.0.1:%(to_tcp)d
connect = 127.0.0.1:%(plain)d
cert = %(certificate)s
key = %(key)s
[to_tls]
accept = 127.0.0.1:%(to_tls)d
connect = 127.0.0.1:%(between)d
cert = %(certificate)s
key = %(key)s
[onward]
client = yes
accept = 127.0.0.1:%(between)d
connect = 127.0.0.1:%(tls)d
""")
    return ["stunnel", p.path("stunnel.conf")]


def hitch(p):
    """It speaks TLS on one leg only."""
    p.ports.pop("to_tls")
    p.write("hitch.conf", """
frontend = { host = "127.0.0.1" port = "%(to_tcp)d" }
backend = "[127.0.0.1]:%(plain)d"
pem-file = "%(both)s"
workers = 1
tls-protos = TLSv1.3
ciphersuites = "%(suite)s"
daemon = off
log-level = 0
%(hitch_user)s
""")
    return ["hitch", "--config=" + p.path("hitch.conf")]


def lastword(p):
    p.write("relay.conf", """
workers = 1
debug = warning
cert = %(certificate)s
key = %(key)s
ciphersuites = %(suite)s
sslVersionMin = TLSv1.3
[to_tcp]
accept = tls:127.0.0.1:%(to_tcp)d
connect = tcp:127.0.0.1:%(plain)d
[to_tls]
accept = tls:127.0.0.1:%(to_tls)d
connect = tls:127.0.0.1:%(tls)d
backendVerifyChain = no
""")
    return [p.program, "relay", p.path("relay.conf")]


# name, program, how to ask for its version, how it is started
ROWS = (
    ("lastword", None, "--version", lastword),
    ("haproxy", "haproxy", "-v", haproxy),
    ("nginx", "nginx", "-v", nginx),
    ("stunnel", "stunnel", "-version", stunnel),
    ("hitch", "hitch", "--version", hitch),
)


class Proxy:
    """One of them, running: .ports names where it listens, "to_tcp" and, where it can, "to_tls"."""

    def __init__(self, name, program, configure, base, backends, core):
        self.name, self.program, self.configure, self.core = name, program, configure, core
        self.folder = os.path.join(base, name)
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.base, self.backends, self.process = base, backends, None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        root = os.geteuid() == 0
        values = {"folder": self.folder, "suite": SUITE, "between": free_port(), "certificate": os.path.join(self.base, "c.pem"),
                  "key": os.path.join(self.base, "k.pem"), "both": os.path.join(self.base, "both.pem"),
                  "user": "user root;" if root else "", "hitch_user": 'user = "nobody"' if root else ""}
        values.update(self.backends)
        values.update({"to_tcp": 0, "to_tls": 0})
        values.update(self.ports)
        with open(self.path(name), "w") as out:
            out.write(text % values)

    def start(self):
        self.ports = {"to_tcp": free_port(), "to_tls": free_port()}
        argv = self.configure(self)
        with open(self.path("out"), "ab") as out:
            self.process = subprocess.Popen(self.core + argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder)
        until = time.monotonic() + START_S
        for port in self.ports.values():
            while not self.listens(port):
                if self.process.poll() is not None or time.monotonic() > until:
                    self.stop()
                    with open(self.path("out"), errors="replace") as out:
                        raise RuntimeError("%s does not start: %s" % (self.name, out.read()[-1000:]))
                time.sleep(0.02)

    @staticmethod
    def listens(port):
        with open("/proc/net/tcp") as table:
            return any(re.match(r"\s*\d+: 0100007F:%04X \S+ 0A" % port, line) for line in table)

    def pids(self):
        """The process and all below it."""
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/stat" % name) as stat:
                        parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
                except OSError:
                    pass
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_s(self):
        """User and system time, of threads that are gone too, to the nanosecond: the CPU clock of each process."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids())

    def memory_bytes(self):
        """Pss: what is shared counts in parts."""
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += 1024 * int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])
        return total

    def stop(self):
        if self.process is None:
            return
        pids = self.pids() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(10)
        for pid in pids[1:]:  # what is left of its own children
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process = None


def is_there(name, program):
    if name == "nginx" and not os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"):
        return False
    return shutil.which(program) is not None


def version_of(program, option):
    done = subprocess.run([program, option], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    found = re.search(r"\d+(\.\d+)+", re.sub(r"(?m)^Init.*\n", "", done.stdout + done.stderr))
    return found[0] if found else ""
