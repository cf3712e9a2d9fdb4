#!/usr/bin/python3
"""message_sessions_test: mosquitto, dnsmasq, the websockets of Python and logger, with their clients, followed: whole where each says so."""
import asyncio
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

import websockets

ROOT = ["--user=root"] if os.geteuid() == 0 else []


class Mqtt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = sessions.Shared(cls)
        folder, cls.port = tap.temp_dir(shared), tap.free_port()
        path = os.path.join(folder, "mosquitto.conf")
        with open(path, "w") as file:
            file.write("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n" % cls.port)
        tap.start(shared, ["mosquitto", "-c", path], port=cls.port)

    def publish(self, version, quality):
        recorder = sessions.Recorder(self, self.port)
        done = tap.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", recorder.port, "-V", version, "-q", quality, "-t", "a/b", "-m", "m" * 300])
        self.assertEqual(done.returncode, 0, done.stderr)
        return sessions.shape(sessions.follow("mqtt", "client", recorder.session()))

    def test_what_is_published_is_whole_behind_what_acknowledges_it(self):
        for version in ("mqttv311", "mqttv5"):
            for quality, shape in (("0", "c S C+"), ("1", "c S c S C"), ("2", "c S c S c S C")):
                with self.subTest(version=version, quality=quality):
                    self.assertEqual(self.publish(version, quality), shape)

    def test_a_subscriber_has_whole_messages(self):
        recorder = sessions.Recorder(self, self.port)
        subscriber = tap.start(self, ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(recorder.port), "-V", "mqttv5", "-q", "1", "-t", "c/#", "-C", "2"])
        recorder.connection().wait_for(lambda c: len(c.runs) > 3, "SUBACK")
        for text in ("x" * 5000, "y"):
            self.assertEqual(tap.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", self.port, "-t", "c/d", "-q", "1", "-m", text]).returncode, 0)
        self.assertEqual(subscriber.wait(), 0)
        followed = sessions.follow("mqtt", "client", recorder.session())
        answers = [run for run in followed if run.direction == "S"]
        self.assertEqual([run.at[-1:] for run in answers], [[run.octets] for run in answers])
        self.assertLessEqual(sum(len(run.at) for run in answers), 4)  # CONNACK, SUBACK, two messages


class Dns(unittest.TestCase):
    def ask(self, options, *words):
        """What kdig asks of a dnsmasq with these options, followed."""
        port = tap.free_port()
        tap.start(self, ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--bind-interfaces",
                         "--listen-address=127.0.0.1", "--port=%d" % port, "--pid-file=", *options, *ROOT], port=port)
        recorder = sessions.Recorder(self, port)
        done = tap.run(["kdig", "+tcp", "+keepopen", "@127.0.0.1", "-p", recorder.port, *words])
        self.assertEqual(done.returncode, 0, done.stderr)
        return sessions.follow("dns", "client", recorder.session())

    def test_every_query_has_its_answer(self):
        followed = self.ask(["--local=/example/", "--host-record=a.example,192.0.2.1", "--txt-record=b.example," + "t" * 200],
                            "a.example", "A", "b.example", "TXT", "nowhere.example", "A")
        self.assertEqual(sessions.shape(followed), "c S c S c S")

    def test_a_transfer_is_unsure(self):
        followed = self.ask(["--auth-zone=zone.example", "--auth-server=ns.example,127.0.0.1", "--auth-peer=127.0.0.1"], "zone.example", "AXFR")
        self.assertEqual([run.at for run in followed], [[]] * len(followed))
        self.assertEqual(followed[-1].why, "a zone transfer: its answers cannot be counted")


class WebSocket(unittest.TestCase):
    def serve(self):
        """A server that sends back what it gets, in pieces, and closes behind "end"; its port."""
        async def talk(connection, *_):
            async for text in connection:
                await connection.send([text[:1], text[1:]])
                if text == "end":
                    return

        async def run(port, ready, end):
            async with websockets.serve(talk, "127.0.0.1", port, compression=None):
                ready.set()
                await end.wait()

        loop, port, ready = asyncio.new_event_loop(), tap.free_port(), threading.Event()
        end = asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(run(port, ready, end),), daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(loop.call_soon_threadsafe, end.set)
        self.assertTrue(ready.wait(10))
        return port

    def talk(self, texts):
        recorder = sessions.Recorder(self, self.serve())

        async def run():
            async with websockets.connect("ws://127.0.0.1:%d/" % recorder.port, compression=None) as connection:
                for text in texts:
                    await connection.send(text)
                    self.assertEqual(await connection.recv(), text)
                if texts[-1] == "end":
                    await connection.wait_closed()
        asyncio.run(run())
        return recorder.session()

    def test_a_client_is_complete_with_the_close_frame_of_the_server(self):
        for texts in (["one", "two" * 30000], ["one", "end"]):
            with self.subTest(texts=len(texts[-1])):
                runs = self.talk(texts)
                for role, direction in (("client", "S"), ("server", "C")):
                    followed = sessions.follow("websocket", role, runs)
                    theirs = [run for run in followed if run.direction == direction]
                    self.assertEqual(theirs[-1].at[-1:], [theirs[-1].octets], followed)
                    # before it, only the request that asks for the upgrade is whole, for the server
                    self.assertEqual([run.at for run in theirs[1 if role == "server" else 0:-1]], [[]] * (len(theirs) - 1 - (role == "server")))


class Syslog(unittest.TestCase):
    def test_what_a_sender_counts_is_whole(self):
        with socket.create_server(("127.0.0.1", 0)) as sink:
            recorder = sessions.Recorder(self, sink.getsockname()[1])
            texts = ["short", "l" * 500, "three words here"]
            done = tap.run(["logger", "--tcp", "--octet-count", "--server", "127.0.0.1", "--port", recorder.port, "--rfc5424"], "\n".join(texts) + "\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            sink.settimeout(20)
            connection, _ = sink.accept()
            with connection:
                while connection.recv(65536):
                    pass
            runs = recorder.session()
        for role in ("server", "client"):
            followed = sessions.follow("syslog", role, runs)
            self.assertEqual([run.direction for run in followed], ["C"])
            places = followed[0].at
            self.assertEqual((len(places), places[-1]), (3, followed[0].octets))
            self.assertTrue(all(runs[0][1][:place].endswith(text.encode()) or runs[0][1][:place].rstrip(b"\n").endswith(text.encode())
                                for place, text in zip(places, texts)))


if __name__ == "__main__":
    tap.main()
