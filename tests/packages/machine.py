"""machine: Debian systems to install packages in: a base that is made once and kept, and machines that are a layer over it,
with processes, mounts and a loopback network of their own.  Root only.  It must not know what is tested.

Invariants: the base never changes but for what apt has fetched; a machine leaves nothing behind, however its test ends;
nothing but the base's making and fetching needs a network.
"""
import os
import shutil
import socket
import subprocess
import tempfile

import tap

HERE = os.path.dirname(os.path.abspath(__file__))
APT = ("apt-get", "-q", "-y", "--no-install-recommends")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class NoBase(Exception):
    """Why there is no base here; a reason to skip."""


def release():
    """The name of Debian's release that this machine runs: what is built here is for that."""
    with open("/etc/os-release") as file:
        names = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return names["VERSION_CODENAME"].strip('"')


class Base:
    """A minimal system in `folder`, and in its cache all that is needed to install `packages` (paths and names)."""

    def __init__(self, folder, packages):
        self.root, self.shared = os.path.join(folder, release()), os.path.join(folder, "shared")
        if os.geteuid() != 0:
            raise NoBase("only root can make a clean system")
        probe = tap.run(["unshare", "--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--net", "--propagation", "private",
                         "sh", "-ec", "mount -t tmpfs tmpfs /mnt; mount -t cgroup2 cgroup2 /mnt"])
        if probe.returncode:
            raise NoBase("no namespaces of our own: " + probe.stderr.decode(errors="replace"))
        if not os.path.exists(self.root):
            self.make()
        os.makedirs(self.shared, exist_ok=True)
        self.fetch(packages)

    def make(self):
        if not shutil.which("debootstrap"):
            raise NoBase("no debootstrap")
        new = self.root + ".new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        done = tap.run(["debootstrap", "--variant=minbase", release(), new], seconds=600)
        if done.returncode:
            raise NoBase("debootstrap cannot make one: " + done.stdout.decode(errors="replace").strip().split("\n")[-1])
        with open(os.path.join(new, "etc/hosts"), "w") as file:  # the installer's work, not debootstrap's
            file.write("127.0.0.1 localhost\n::1 localhost\n")
        os.rename(new, self.root)

    def fetch(self, packages):
        """Fetches what is not there yet; asks for news only where that fails."""
        shutil.copy("/etc/resolv.conf", os.path.join(self.root, "etc/resolv.conf"))
        words = [*APT, "install", "--download-only", *packages]
        for attempt in ("known", "news"):
            done = self.chroot(words if attempt == "known" else ["sh", "-c", "apt-get -q update && exec \"$@\"", "sh", *words], packages)
            if done.returncode == 0:
                return
        raise AssertionError("apt cannot fetch what the packages need\n" + done.stdout.decode() + done.stderr.decode())

    def chroot(self, words, packages):
        """In the base itself, with the network; files among `packages` are seen at their own paths."""
        folders = sorted({os.path.dirname(name) for name in packages if name.startswith("/")})
        for folder in folders:
            os.makedirs(self.root + folder, exist_ok=True)
        script = 'root=$1 n=$2; shift 2; mount -t proc proc "$root/proc"; while [ "$n" -gt 0 ]; do ' \
                 'mount --bind "$1" "$root$1"; shift; n=$((n - 1)); done; exec chroot "$root" "$@"'
        return tap.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", self.root, len(folders),
                        *folders, *words], seconds=600, env=QUIET)


class Machine:
    """A machine over `base` that ends with `cls` (a TestCase class).  Its process 1 waits until it is told to boot."""

    def __init__(self, cls, base):
        self.scratch = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lastword-machine."))
        self.shared = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lastword-shared."))
        self.news = cls.enterClassContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.news.bind(os.path.join(self.shared, "notify"))
        os.mkfifo(os.path.join(self.shared, "go"))
        self.process = tap.Process(["sh", os.path.join(HERE, "machine.sh"), base.root, self.scratch, self.shared,
                                    "sh", "-c", "read -r _ </run/host/go; exec /lib/systemd/systemd --show-status=no"],
                                   stdin=subprocess.PIPE)
        cls.addClassCleanup(self.end)
        parent = self.process.wait_line(r"^child (\d+)$")[1]
        self.process.wait_line("^ready$")
        with open("/proc/%s/task/%s/children" % (parent, parent)) as file:
            self.pid = int(file.read().split()[0])

    def boot(self):
        """Lets systemd, which must be installed by now, be process 1; returns when all that it starts is up."""
        with open(os.path.join(self.shared, "go"), "w") as go:
            go.write("\n")
        self.news.settimeout(60)
        while b"READY=1" not in self.news.recv(4096):
            pass

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.end()

    def words(self, *argv):
        """The words that run a program in it."""
        return ["nsenter", "--target", self.pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "env", "-i", "-C", "/",
                *("%s=%s" % row for row in QUIET.items()), *argv]

    def near(self, *argv):
        """The words that run a program of this machine in the other's network."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.pid, *argv]

    def run(self, *argv, **options):
        return tap.run(self.words(*argv), **options)

    def output(self, *argv, **options):
        """What a program says that has to succeed."""
        done = self.run(*argv, **options)
        if done.returncode:
            raise AssertionError("%s: exit status %d\n%s%s" % (" ".join(argv), done.returncode, done.stdout.decode(), done.stderr.decode()))
        return done.stdout.decode()

    def write(self, path, text, mode=0o644):
        self.output("sh", "-c", 'mkdir -p "${1%/*}"; cat >"$1"; chmod "$2" "$1"', "sh", path, "%o" % mode, input=text)

    def install(self, *packages):
        """With apt, which takes files and names; from files that the base has fetched.  Services are not started by it."""
        for name in packages:
            if name.startswith("/"):
                shutil.copy(name, self.shared)
        places = ["/run/host/" + os.path.basename(name) if name.startswith("/") else name for name in packages]
        return self.output(*APT, "install", *places, seconds=120)
