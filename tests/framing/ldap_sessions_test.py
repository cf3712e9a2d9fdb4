#!/usr/bin/python3
"""ldap_sessions_test: OpenLDAP's clients and its server, followed: whole behind each last answer, and nowhere before."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

CONFIGURATION = """
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {0}/pid
database mdb
suffix "dc=example"
rootdn "cn=admin,dc=example"
rootpw secret
directory {0}
"""

BASE = """dn: dc=example
objectClass: dcObject
objectClass: organization
dc: example
o: {0}

"""

ENTRY = """dn: cn=n{0},dc=example
objectClass: organizationalRole
cn: n{0}
description: {1}

"""


class Ldap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tap.temp_dir(sessions.Shared(cls))
        path = os.path.join(folder, "slapd.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(folder))
        loaded = tap.run(["slapadd", "-f", path], BASE.format("x" * 300) + "".join(ENTRY.format(n, "y" * 40 * n) for n in range(9)))
        if loaded.returncode != 0:
            raise AssertionError(loaded.stderr.decode())
        cls.port = tap.free_port()
        tap.start(sessions.Shared(cls), ["slapd", "-f", path, "-h", "ldap://127.0.0.1:%d" % cls.port, "-d", "0"], port=cls.port)

    def talk(self, program, *arguments, input="", status=0):
        recorder = sessions.Recorder(self, self.port)
        done = tap.run([program, "-x", "-H", "ldap://127.0.0.1:%d" % recorder.port, *arguments], input)
        self.assertEqual(done.returncode, status, done.stderr)
        return sessions.follow("ldap", "client", recorder.session()), recorder.session()

    def test_a_search_is_whole_behind_its_last_answer(self):
        followed, runs = self.talk("ldapsearch", "-b", "dc=example")
        self.assertEqual(sessions.shape(followed), "c S c S C")
        self.assertGreater(len(runs[3][1]), 2000)

    def test_an_error_is_an_answer(self):
        followed, _ = self.talk("ldapsearch", "-b", "dc=nowhere", status=32)
        self.assertEqual(sessions.shape(followed), "c S c S C")

    def test_changes_are_answered_one_by_one(self):
        followed, _ = self.talk("ldapadd", "-D", "cn=admin,dc=example", "-w", "secret",
                                input="".join(ENTRY.format(n, "z") for n in range(20, 23)))
        self.assertEqual(sessions.shape(followed), "c S" + 3 * " c S" + " C")

    def test_extended_and_compare_operations_are_answered(self):
        followed, _ = self.talk("ldapwhoami")
        self.assertEqual(sessions.shape(followed), "c S c S C")
        followed, _ = self.talk("ldapcompare", "dc=example", "dc:example", status=6)
        self.assertEqual(sessions.shape(followed), "c S c S C")

    def test_a_search_in_pages_is_whole_behind_each_page(self):
        followed, _ = self.talk("ldapsearch", "-b", "dc=example", "-E", "pr=2/noprompt", "cn=n*")
        self.assertRegex(sessions.shape(followed), "^c S( c S){4,} C$")

    def test_the_server_has_whole_requests(self):
        _, runs = self.talk("ldapsearch", "-b", "dc=example")
        followed = sessions.follow("ldap", "server", runs)
        for run in followed:
            if run.direction == "C":
                self.assertEqual(run.at, [run.octets])


if __name__ == "__main__":
    tap.main()
