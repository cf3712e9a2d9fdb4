"""made: the packages that `./dev deb` made, and the clean system to install them in.

Takes the packages in LASTWORD_DEBS (build/deb), keeps the system in build/clean."""
import glob
import os
import unittest

import machine
import tap

FOLDER = os.path.abspath(os.environ.get("LASTWORD_DEBS", os.path.join(tap.ROOT, "build", "deb")))
COMPILER = ("gcc", "libc6-dev", "pkg-config")
FETCHED = (*COMPILER, "man-db", "systemd", "openssl")  # all that any test installs beside them

# A certificate for localhost, NAME.pem and NAME.key, in the working folder.
CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch -days 30 -subj /CN=localhost " \
              "-addext subjectAltName=DNS:localhost -keyout %(name)s.key -out %(name)s.pem 2>&1"


def base():
    """The system that all machines are a layer over; skips where none can be made."""
    packages = glob.glob(os.path.join(FOLDER, "*.deb"))
    if not packages:
        raise AssertionError("no packages in %s; `./dev deb` makes them" % FOLDER)
    try:
        return machine.Base(os.path.join(tap.ROOT, "build", "clean"), [*(name for name in packages if "-dbgsym_" not in name), *FETCHED])
    except machine.NoBase as reason:
        raise unittest.SkipTest(str(reason)) from None


def deb(package):
    """The path of a package."""
    found = glob.glob(os.path.join(FOLDER, package + "_*.deb"))
    assert len(found) == 1, (package, found)
    return found[0]


def seen(package):
    """Its path in a machine that has installed it."""
    return "/run/host/" + os.path.basename(deb(package))
