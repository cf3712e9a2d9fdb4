#!/usr/bin/python3
"""database_sessions_test: psql talks with PostgreSQL and mariadb with MariaDB, followed: whole behind each last answer, and nowhere before."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

USER = "nobody"  # neither server runs as root


def give(folder):
    """The folder, to whom the server runs as."""
    os.chmod(folder, 0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    return folder


def as_user(argv):
    return ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", *argv] if os.geteuid() == 0 else argv


def ends(followed):
    """The server's runs, from the first to the last, as a word: w for whole behind the last octet and nowhere before, else n or x."""
    word = ""
    for run in followed:
        if run.direction == "S":
            word += "w" if run.at == [run.octets] else "x" if run.at else "n"
    return word


class Case(unittest.TestCase):
    def talk(self, kind, argv, input=""):
        recorder = sessions.Recorder(self, self.port)
        done = tap.run([word % recorder.port if "%d" in word else word for word in argv], input, env=tap.environment(PGPASSWORD="secret"))
        self.assertEqual(done.returncode, 0, done.stderr)
        runs = recorder.session()
        followed = sessions.follow(kind, "client", runs)
        for run in followed:
            if run.direction == "C":  # only the farewell asks nothing
                self.assertIn(run.at, ([], [run.octets]), followed)
        return followed, done.stdout.decode()


class PostgreSQL(Case):
    @classmethod
    def setUpClass(cls):
        shared = sessions.Shared(cls)
        binaries = "/usr/lib/postgresql/15/bin"
        cls.pgbench = os.path.join(binaries, "pgbench")
        folder, cls.port = give(tap.temp_dir(shared)), tap.free_port()
        data = os.path.join(folder, "data")
        with open(os.path.join(folder, "password"), "w") as file:
            file.write("secret\n")
        done = tap.run(as_user([os.path.join(binaries, "initdb"), "-D", data, "-U", "tester", "-A", "scram-sha-256", "--no-sync",
                                "--no-instructions", "--pwfile", os.path.join(folder, "password")]), seconds=50)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        tap.start(shared, as_user([os.path.join(binaries, "postgres"), "-D", data, "-p", str(cls.port), "-F", "-c", "listen_addresses=127.0.0.1",
                                   "-c", "unix_socket_directories="]), line="ready to accept connections", seconds=30)

    PSQL = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "host=127.0.0.1 port=%d user=tester dbname=postgres sslmode=prefer gssencmode=disable"]

    def test_queries_are_whole_behind_their_last_answer(self):
        followed, said = self.talk("postgresql", self.PSQL, "select 1;\nselect repeat('x', 100000);\nselect * from generate_series(1, 500);\nnotify a;\n")
        self.assertIn("x" * 100000, said)
        # no TLS; the password in two steps; ready; four answers
        self.assertEqual(ends(followed), "w" + "nn" + "w" + "wwww")

    def test_a_copy_is_half_a_request_to_its_end(self):
        followed, said = self.talk("postgresql", self.PSQL, "create temp table t (a int);\ncopy t from stdin;\n1\n2\n\\.\nselect sum(a) from t;\ncopy t to stdout;\n")
        self.assertEqual(said.split(), ["3", "1", "2"])
        self.assertEqual(ends(followed), "w" + "nn" + "w" + "w" + "nw" + "ww")

    def test_errors_and_notices_are_told_from_the_end(self):
        followed, _ = self.talk("postgresql", [word.replace("STOP=1", "STOP=0") for word in self.PSQL],
                                "select nonsense;\ndo $$ begin raise notice 'n'; end $$;\nlisten b;\nnotify b;\n")
        self.assertEqual(ends(followed), "w" + "nn" + "w" + "wwww")

    def test_the_extended_protocol_is_whole_behind_each_sync(self):
        script = os.path.join(tap.temp_dir(self), "script")
        with open(script, "w") as file:
            file.write("select :client_id::int;\nselect 7;\n")
        os.chmod(os.path.dirname(script), 0o755)
        followed, _ = self.talk("postgresql", [self.pgbench, "-n", "-M", "prepared", "-t", "3", "-f", script,
                                               "host=127.0.0.1 port=%d user=tester dbname=postgres sslmode=disable gssencmode=disable"])
        self.assertRegex(ends(followed), "^nnw+$")


class MariaDB(Case):
    @classmethod
    def setUpClass(cls):
        shared = sessions.Shared(cls)
        folder, cls.port = give(tap.temp_dir(shared)), tap.free_port()
        data, cls.folder = os.path.join(folder, "data"), folder
        files = os.path.join(folder, "rows")
        with open(files, "w") as file:
            file.write("".join("%d\n" % n for n in range(40000)))
        cls.file = files
        start = os.path.join(folder, "start.sql")
        with open(start, "w") as file:
            file.write("create user tester@'%' identified by 'secret';\ngrant all on *.* to tester@'%';\ncreate database d;\n")
        done = tap.run(as_user(["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
                                "--skip-test-db"]), seconds=50)
        if done.returncode != 0:
            raise AssertionError(done.stdout.decode() + done.stderr.decode())
        tap.start(shared, as_user(["mariadbd", "--no-defaults", "--datadir=" + data, "--port=%d" % cls.port, "--bind-address=127.0.0.1",
                                   "--socket=" + os.path.join(folder, "s"), "--pid-file=" + os.path.join(folder, "pid"), "--skip-name-resolve",
                                   "--skip-log-bin", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--local-infile=1",
                                   "--init-file=" + start]), port=cls.port, seconds=40)

    CLIENT = ["mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", "%d", "-u", "tester", "-psecret", "-N", "-B", "--local-infile=1"]

    def test_queries_are_whole_behind_their_last_answer(self):
        followed, said = self.talk("mysql", self.CLIENT, "select 1;\nselect repeat('x', 100000);\ncreate table d.a (a int);\nselect * from d.a;\ninsert into d.a values (1), (2);\nselect * from d.a;\n")
        self.assertIn("x" * 100000, said)
        self.assertRegex(ends(followed), "^w" + "w+$")  # the greeting, the login, and what was asked
        self.assertGreaterEqual(len(ends(followed)), 8)

    def test_several_results_are_whole_behind_the_last(self):
        followed, said = self.talk("mysql", self.CLIENT, "delimiter $\nselect 1; select 2; select * from mysql.user limit 0$\n"
                                   "create procedure d.p() begin select 3; select 4; end$\ncall d.p()$\n")
        self.assertEqual(said.split(), ["1", "2", "3", "4"])
        self.assertRegex(ends(followed), "^ww+$")

    def test_a_file_is_sent_before_the_answer(self):
        followed, said = self.talk("mysql", self.CLIENT, "create table d.f (a int);\nload data local infile '%s' into table d.f;\nselect count(*) from d.f;\n".replace("%s", self.file))
        self.assertEqual(said.split(), ["40000"])
        self.assertRegex(ends(followed), "^www+nww$")

    def test_an_error_is_an_answer(self):
        recorder = sessions.Recorder(self, self.port)
        done = tap.run([word % recorder.port if "%d" in word else word for word in self.CLIENT], "select nonsense;\n")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(ends(sessions.follow("mysql", "client", recorder.session())), "^www+$")

    def test_a_packet_of_the_highest_length_goes_on(self):
        self.talk("mysql", self.CLIENT, "set global max_allowed_packet = 64 * 1024 * 1024;\n")
        followed, said = self.talk("mysql", self.CLIENT + ["--max-allowed-packet=64M"], "select repeat('x', 16777300);\n")
        self.assertGreater(len(said), 16777300)
        self.assertRegex(ends(followed), "^www+$")


if __name__ == "__main__":
    tap.main(120)
