#!/usr/bin/python3
"""http2_sessions_test: nghttp and h2load talk with nginx, followed: whole at the ends of frames where no stream is open, and nowhere else."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

CONFIGURATION = """
daemon off; master_process off; {user} pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} http2; root {folder}; http2_max_concurrent_streams 4;
    location /204 {{ return 204; }}
    location /pushing {{ http2_push /pushed; alias {folder}/small; }}
  }}
}}"""

DATA, HEADERS, RST_STREAM, PUSH_PROMISE, CONTINUATION = 0, 1, 3, 5, 9
PREFACE = 24


def frames(stream):
    """(offset behind it, type, flags, stream, payload) of each frame."""
    at = 0
    while at + 9 <= len(stream):
        length = int.from_bytes(stream[at:at + 3], "big")
        yield at + 9 + length, stream[at + 3], stream[at + 4], int.from_bytes(stream[at + 5:at + 9], "big"), stream[at + 9:at + 9 + length]
        at += 9 + length


def places(runs):
    """The offsets of each run behind which the client has all it asked for, for a session without padding and GOAWAY in its midst."""
    said = {"C": b"".join(run for direction, run in runs if direction == "C")[PREFACE:], "S": b"".join(run for direction, run in runs if direction == "S")}
    ends = {direction: {at: (kind, flags, stream, payload) for at, kind, flags, stream, payload in frames(said[direction])} for direction in said}
    passed, opened, ended, found = {"C": -PREFACE, "S": 0}, set(), set(), []
    between = {"C": False, "S": False}
    for direction, run in runs:
        found.append([])
        for offset in range(1, len(run) + 1):
            passed[direction] += 1
            frame = ends[direction].get(passed[direction])
            between[direction] = frame is not None and (frame[0] not in (HEADERS, PUSH_PROMISE, CONTINUATION) or bool(frame[1] & 4))
            if frame is not None:
                kind, flags, stream, payload = frame
                if direction == "C" and kind == HEADERS:
                    opened.add(stream)
                if kind == PUSH_PROMISE:
                    opened.add(int.from_bytes(payload[:4], "big"))
                if kind == RST_STREAM or (direction == "S" and kind in (DATA, HEADERS) and flags & 1):
                    ended.add(stream)
            if opened and opened <= ended and all(between.values()):
                found[-1].append(offset)
    return found


class Http2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = sessions.Shared(cls)
        folder, cls.port = tap.temp_dir(shared), tap.free_port()
        os.chmod(folder, 0o755)
        for name, text in (("small", "small"), ("pushed", "pushed" * 999), ("large", "large " * 200000)):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(folder=folder, port=cls.port, user="user root;" if os.geteuid() == 0 else ""))
        tap.start(shared, ["nginx", "-c", path, "-p", folder, "-e", os.path.join(folder, "error.log")], port=cls.port)

    def talk(self, program, *arguments):
        recorder = sessions.Recorder(self, self.port)
        url = "http://127.0.0.1:%d" % recorder.port
        done = tap.run([program, *(url + word if word.startswith("/") and not os.path.exists(word) else word for word in arguments)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return recorder.session()

    def check(self, runs):
        followed = sessions.follow("http2", "client", runs)
        self.assertEqual([run.at for run in followed], places(runs))
        self.assertTrue(any(run.at for run in followed if run.direction == "S"), followed)
        return followed

    def test_one_answer_is_whole_behind_its_last_frame(self):
        for path in ("/small", "/large", "/204", "/nowhere"):
            with self.subTest(path=path):
                self.check(self.talk("nghttp", path))

    def test_several_answers_are_whole_behind_the_last(self):
        self.check(self.talk("nghttp", "-m", "9", "/large", "/small"))

    def test_a_long_header_section_comes_in_pieces(self):
        self.check(self.talk("nghttp", "--continuation", "/small"))

    def test_what_is_pushed_is_waited_for(self):
        runs = self.talk("nghttp", "/pushing")
        self.assertIn(PUSH_PROMISE, [kind for _, kind, *_ in frames(b"".join(run for direction, run in runs if direction == "S"))])
        self.check(runs)

    def test_many_streams_come_and_go(self):
        followed = self.check(self.talk("h2load", "-n", "700", "-c", "1", "-m", "9", "/small"))
        self.assertGreater(len(followed), 10)

    def test_the_server_has_whole_requests(self):
        body = os.path.join(tap.temp_dir(self), "body")
        with open(body, "w") as file:
            file.write("b" * 50000)
        runs = self.talk("nghttp", "-d", body, "/204")
        followed = sessions.follow("http2", "server", runs)
        whole = [run for run in followed if run.at]
        self.assertTrue(whole)
        self.assertEqual(whole[0].direction, "C")
        sent = sum(run.octets for run in followed[:followed.index(whole[0])] if run.direction == "C") + whole[0].at[0]
        self.assertGreater(sent, 50000)


if __name__ == "__main__":
    tap.main()
