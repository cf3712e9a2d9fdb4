#!/usr/bin/python3
"""xmpp_sessions_test: Prosody, followed: whole where expat says that an element of the stream has ended and nothing is asked."""
import base64
import os
import sys
import unittest
from xml.parsers import expat

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

CONFIGURATION = """
run_as_root = {root}
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}"
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
modules_enabled = {{ "roster", "saslauth", "disco", "ping" }}
modules_disabled = {{ "s2s", "tls" }}
c2s_ports = {{ {port} }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "insecure"
insecure_open_authentication = "Yes please, I know what I'm doing!"
VirtualHost "localhost"
authentication = "internal_plain"
"""

HEADER = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          b"to='localhost' version='1.0'>")


def depth_of(document):
    """Elements that expat has open behind these octets, given to it at once: it may put off what comes singly."""
    parser, depth = expat.ParserCreate(), [0]
    parser.StartElementHandler = lambda *_: depth.__setitem__(0, depth[0] + 1)
    parser.EndElementHandler = lambda *_: depth.__setitem__(0, depth[0] - 1)
    parser.Parse(document, False)
    return depth[0]


def ends_of_elements(document):
    """The offsets behind which expat stands between two elements of a stream, whitespace aside."""
    ends = []
    for offset, octet in enumerate(document, 1):
        if octet == ord(">"):
            before, depth = depth_of(document[:offset - 1]), depth_of(document[:offset])
            if depth <= 1 and (before != depth or depth == 1):
                ends.append(offset)
    return ends


class Xmpp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder, cls.port = tap.temp_dir(sessions.Shared(cls)), tap.free_port()
        path = os.path.join(folder, "prosody.cfg.lua")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(folder=folder, port=cls.port, root="true" if os.geteuid() == 0 else "false"))
        os.makedirs(os.path.join(folder, "localhost", "accounts"))
        with open(os.path.join(folder, "localhost", "accounts", "a.dat"), "w") as file:
            file.write('return { ["password"] = "secret" };\n')
        tap.start(sessions.Shared(cls), ["prosody", "--config", path, "-F"], port=cls.port, seconds=20)

    def log_in(self, talk):
        talk.say(HEADER, b"</stream:features>")
        talk.say(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.b64encode(b"\0a\0secret") + b"</auth>", b"<success", b">")
        talk.say(HEADER, b"</stream:features>")
        talk.say(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", b"</iq>")

    def test_a_session_is_whole_behind_each_answer(self):
        recorder = sessions.Recorder(self, self.port)
        with sessions.Talk(recorder.port) as talk:
            self.log_in(talk)
            talk.say(b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", b"</iq>")
            talk.say(b"<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", b"</iq>")
            talk.say(b"<iq type='get' id='n' to='localhost'><nothing xmlns='no:such'/></iq>", b"</iq>")
            talk.say(b" </stream:stream>", b"</stream:stream>")
        runs = recorder.session()
        self.assertEqual(sessions.shape(sessions.follow("xmpp", "client", runs)), "c S c s c S c S c S c S c S c+ S")

    def test_messages_to_oneself_are_whole_where_expat_says_so(self):
        recorder = sessions.Recorder(self, self.port)
        with sessions.Talk(recorder.port) as talk:
            self.log_in(talk)
            talk.say(b"<presence/>", b"<presence", b">")
            for text in (b"hello", b"&lt;/message&gt; '&quot;", b"\xe2\x82\xac > ]]", b"x" * 3000):
                talk.say(b"<message to='a@localhost' type='chat'><body>" + text + b"</body><a><b c='/>'/></a></message>", b"</message>")
            talk.say(b"</stream:stream>", b"</stream:stream>")
        runs = recorder.session()
        followed = sessions.follow("xmpp", "client", runs)
        second = 5  # the run with the server's second header
        document, at = b"", []
        for (direction, run), told in list(zip(runs, followed))[second:]:
            if direction == "S":
                at += [len(document) + offset for offset in told.at]
                document += run
        expected = ends_of_elements(document)
        header = expected.index(document.index(b"</stream:features>") + 18)
        self.assertEqual(at, expected[header:])
        self.assertGreater(len(at), 6)


if __name__ == "__main__":
    tap.main()
