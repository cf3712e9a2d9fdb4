#!/usr/bin/python3
"""redis_sessions_test: redis-cli and redis-server, followed: whole behind each last answer, and nowhere before."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap


class Redis(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = tap.free_port()
        tap.start(sessions.Shared(cls), ["redis-server", "--port", cls.port, "--bind", "127.0.0.1", "--save", "", "--dir", tap.temp_dir(sessions.Shared(cls))],
                  port=cls.port)

    def command(self, *arguments, input=b""):
        recorder = sessions.Recorder(self, self.port)
        done = tap.run(["redis-cli", "-p", recorder.port, *arguments], input)
        self.assertEqual(done.returncode, 0, done.stderr)
        return recorder.session()

    def shape(self, runs, role="client"):
        return sessions.shape(sessions.follow("resp", role, runs))

    def test_a_command_is_whole_behind_its_answer(self):
        for words in (("PING",), ("SET", "a", "b"), ("GET", "a"), ("GET", "none"), ("NOSUCH",), ("CONFIG", "GET", "*"), ("INFO",)):
            for version in ("-2", "-3"):
                with self.subTest(words=words, version=version):
                    runs = self.command(version, *words)
                    self.assertEqual(self.shape(runs), "c S" if version == "-2" else "c S c S")
                    self.assertEqual(set(self.shape(runs[::2], "server").split()), {"C"})

    def test_a_mass_insertion_is_whole_at_its_end(self):
        lines = b"".join(b"SET key%d %d\r\n" % (n, n) for n in range(500))
        runs = self.command("--pipe", input=lines)
        followed = sessions.follow("resp", "client", runs)
        self.assertEqual(sessions.shape(followed).split()[-1], "S")
        for told, (direction, run) in zip(followed, runs):
            if direction == "C" and told.at:  # before its last command it sends an empty line, which asks for nothing
                self.assertEqual((told.at, run[:2]), ([1, 2][2 - len(told.at):], b"\r\n"))

    def talk(self, *exchanges):
        recorder = sessions.Recorder(self, self.port)
        with sessions.Talk(recorder.port) as talk:
            for said, *heard in exchanges:
                talk.say(said, *heard)
        return recorder.session()

    def test_answers_in_one_another_are_whole_at_their_end(self):
        for hello in (b"HELLO 2\r\n", b"HELLO 3\r\n"):
            with self.subTest(hello=hello):
                runs = self.talk((hello, b"modules", b"\r\n", b"\r\n"), (b"COMMAND\r\nCOMMAND DOCS SET XADD CLIENT\r\nECHO 0ver-and-out\r\n", b"0ver-and-out\r\n"))
                self.assertEqual(self.shape(runs), "c S c S")
                self.assertGreater(len(runs[3][1]), 20000)

    def test_transactions_and_inline_lines(self):
        runs = self.talk((b"\r\nMULTI\r\nSET a 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\nEXEC\r\n", b":2\r\n"))
        self.assertEqual(self.shape(runs), "c S")

    def test_subscriptions_of_resp3_are_whole_when_confirmed(self):
        runs = self.talk((b"HELLO 3\r\n", b"modules", b"\r\n", b"\r\n"), (b"SUBSCRIBE one two\r\n", b"two\r\n:2\r\n"),
                         (b"PUBLISH one hello\r\nPING\r\n", b"PONG\r\n"),
                         (b"UNSUBSCRIBE one two\r\n", b"two\r\n:0\r\n"))
        self.assertEqual(self.shape(runs), "c S c S c S c S")

    def test_subscriptions_of_resp2_are_never_whole_again(self):
        runs = self.talk((b"PING\r\n", b"PONG\r\n"), (b"SUBSCRIBE one\r\n", b"one\r\n:1\r\n"))
        self.assertEqual(self.shape(runs), "c S c s")


if __name__ == "__main__":
    tap.main()
