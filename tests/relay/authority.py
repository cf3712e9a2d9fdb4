"""authority: a CA for a case: certificates of any name and age, and its revocation list."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import servers

CONFIG = """
[ca]
default_ca = own
[own]
dir = %(folder)s
database = %(folder)s/index
serial = %(folder)s/serial
new_certs_dir = %(folder)s
certificate = %(folder)s/ca.pem
private_key = %(folder)s/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
"""


class Issued:
    """.certificate and .key are paths, .both has the two in one file."""

    def __init__(self, folder, name):
        self.certificate, self.key, self.both = (os.path.join(folder, name + end) for end in (".pem", ".key", ".both"))


class Authority:
    """.certificate is the path of its own certificate, .crl that of its list."""

    def __init__(self, folder, name="ca"):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.config = servers.write(self.folder, "config", CONFIG % {"folder": self.folder})
        servers.write(self.folder, "index", "")
        servers.write(self.folder, "serial", "01\n")
        self.certificate, self.crl = os.path.join(self.folder, "ca.pem"), os.path.join(self.folder, "crl.pem")
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-days", "2",
                 "-keyout", os.path.join(self.folder, "ca.key"), "-out", self.certificate)

    @staticmethod
    def run(*words):
        done = subprocess.run(["openssl", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", dates=()):
        """`dates`: from when to when, as openssl-ca takes them."""
        issued, request = Issued(self.folder, name), os.path.join(self.folder, name + ".csr")
        self.run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=Example/CN=" + name, "-addext",
                 "subjectAltName=" + names, "-keyout", issued.key, "-out", request)
        ages = ["-startdate", dates[0], "-enddate", dates[1]] if dates else []
        self.run("ca", "-batch", "-config", self.config, "-notext", "-preserveDN", *ages, "-in", request, "-out", issued.certificate)
        with open(issued.both, "wb") as out:
            os.chmod(issued.both, 0o600)
            for path in (issued.certificate, issued.key):
                with open(path, "rb") as part:
                    out.write(part.read())
        return issued

    def revoke(self, *issued):
        for one in issued:
            self.run("ca", "-config", self.config, "-revoke", one.certificate)
        self.run("ca", "-config", self.config, "-gencrl", "-out", self.crl)
