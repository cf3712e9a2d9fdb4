#!/usr/bin/python3
"""deb: Debian packages of this tree, in FOLDER (build/deb).  Its last lines are the paths of what it made.

    tools/deb.py [FOLDER]

Copies what git tracks or would track, writes debian/changelog from meson.build and CHANGELOG.md, and has dpkg-buildpackage
build the copy; lintian, where it is, has to find nothing.  The same commit gives the same packages, octet for octet.
It must not know what goes into which package: that stands in debian/.  It needs no network and changes nothing else.
"""
import datetime
import email.utils
import glob
import os
import re
import shutil
import subprocess
import sys
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINTIAN = ("lintian", "--fail-on", "error,warning", "--suppress-tags", "bad-distribution-in-changes-file")


class Trouble(Exception):
    """What could not be done; a sentence."""


def text(name, root=ROOT):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def git(*words):
    """What git says, or None: no git, or no repository."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, encoding="utf-8", check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def tracked_files():
    """All files of the tree but those that git ignores; without git, all but build folders."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is not None:
        return [name for name in listed.split("\0") if name and os.path.lexists(os.path.join(ROOT, name))]
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in (".git", "__pycache__") and not (folder == ROOT and name.startswith("build"))]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return found


# ---- the version

def project_version(meson):
    return re.search(r"^project\([^)]*?\bversion: '([\d.]+)'", meson, re.M | re.S)[1]


def newest_section(changelog):
    """The title of the changelog's first section, and its points as lists of lines below their headings."""
    found = re.search(r"^## (.+?)\n(.*?)(?=^## |\Z)", changelog, re.M | re.S)
    if not found:
        raise Trouble("CHANGELOG.md has no section")
    points = re.findall(r"^- (.*?)(?=^- |^#|^\n|\Z)", found[2], re.M | re.S)
    return found[1], [" ".join(point.split()) for point in points]


def package_version(version, title, commit):
    """A release has its number; what is not released is older than it, and newer with every commit.
    `commit`: its time as YYYYMMDD.HHMM, its short name, whether the tree differs from it; None without git."""
    if version not in title:
        raise Trouble("meson.build says version %s, CHANGELOG.md '%s'; make them agree" % (version, title))
    if not title.startswith("Unreleased"):
        return version
    if commit is None:
        return version + "~unreleased"
    time, name, is_changed = commit
    return "%s~%s.%s%s" % (version, time, name, "+local" if is_changed else "")


def commit_now():
    log = git("log", "-1", "--format=%cd %h", "--date=format-local:%Y%m%d.%H%M", "--abbrev=7")
    if log is None:
        return None
    time, name = log.split()
    return time, name, bool(git("status", "--porcelain"))


def moment():
    """When all of it was made, as far as a file's time can tell."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct")
    return int(given or os.path.getmtime(os.path.join(ROOT, "CHANGELOG.md")))


def debian_changelog(version, points, maintainer, seconds):
    lines = ["lastword (%s) unstable; urgency=medium" % version, ""]
    for point in points:
        lines += textwrap.wrap(point.replace("`", ""), 78, initial_indent="  * ", subsequent_indent="    ",
                               break_long_words=False, break_on_hyphens=False)
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return "\n".join(lines + ["", " -- %s  %s" % (maintainer, email.utils.format_datetime(when)), ""])


# ---- the build

def run(*words, cwd=None, log=None):
    with open(log or os.devnull, "ab") as out:
        done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        tail = [line[:300] for line in text(log).splitlines()[-40:]] if log else []
        raise Trouble("\n".join(tail + ["%s: exit status %d" % (" ".join(words), done.returncode)]))


def lay_tree(folder):
    """The copy that is built, with its changelog."""
    for name in tracked_files():
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, name), os.path.join(folder, name), follow_symlinks=False)
    title, points = newest_section(text("CHANGELOG.md"))
    version = package_version(project_version(text("meson.build")), title, commit_now())
    maintainer = re.search(r"^Maintainer: (.*)$", text("debian/control"), re.M)[1]
    with open(os.path.join(folder, "debian", "changelog"), "w", encoding="utf-8") as file:
        file.write(debian_changelog(version, points, maintainer, moment()))


def build(folder):
    shutil.rmtree(folder, ignore_errors=True)
    tree = os.path.join(folder, "tree", "lastword")
    os.makedirs(tree)
    log = os.path.join(folder, "build.log")
    lay_tree(tree)
    run("dpkg-buildpackage", "--build=binary", "--unsigned-changes", "--no-check-builddeps", cwd=tree, log=log)
    if shutil.which("lintian"):
        as_root = ["--allow-root"] if os.geteuid() == 0 else []
        run(*LINTIAN, *as_root, *glob.glob(os.path.join(folder, "tree", "*.changes")), log=log)
    made = sorted(os.path.join(folder, os.path.basename(name)) for name in glob.glob(os.path.join(folder, "tree", "*.*")))
    for name in made:
        os.rename(os.path.join(folder, "tree", os.path.basename(name)), name)
    shutil.rmtree(os.path.join(folder, "tree"))
    return made


def main(words):
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    folder = os.path.abspath(words[0] if words else os.path.join(ROOT, "build", "deb"))
    try:
        made = build(folder)
    except Trouble as trouble:
        print("deb: %s" % trouble, file=sys.stderr)
        return 3
    print("\n".join(os.path.relpath(name) for name in made if name.endswith(".deb") and "-dbgsym_" not in name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
