#!/usr/bin/python3
"""mail_sessions_test: Exim and Dovecot with Python's clients, followed: whole behind each last answer, and nowhere before."""
import base64
import grp
import imaplib
import os
import poplib
import pwd
import shutil
import smtplib
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sessions
from sessions import tap

MESSAGE = "Subject: a\r\n\r\n.\r\n..\r\nhello {5}\r\nA1 OK\r\n+OK\r\n250 ok\r\n"

EXIM = """
keep_environment =
spool_directory = {folder}
log_file_path = {folder}/%slog
primary_hostname = localhost
acl_smtp_rcpt = take
acl_smtp_data = take
chunking_advertise_hosts = *
tls_advertise_hosts =
queue_only
begin acl
take:
  accept
begin authenticators
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if eq{{$auth2}}{{secret}}}}
  server_set_id = $auth1
"""

DOVECOT = """
protocols = imap pop3 sieve
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
ssl = no
auth_mechanisms = plain
mail_location = maildir:{folder}/mail
first_valid_uid = 1
default_vsz_limit = 0
{users}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    address = 127.0.0.1
    port = {sieve}
  }}
}}
"""


def own(folder, root_uses):
    """The user and the group that a server's files belong to: ours, but that of the package if we are root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    for path in [folder] + [os.path.join(folder, name) for name in os.listdir(folder)]:
        shutil.chown(path, root_uses, root_uses)
    return root_uses, root_uses


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def exim(case, port=None):
    """Exim without TLS, which keeps what it is given; its port."""
    folder, port = tap.temp_dir(case), port or tap.free_port()
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "spool"))
    path = write(folder, "exim.conf", EXIM.format(folder=os.path.join(folder, "spool")))
    own(os.path.join(folder, "spool"), "Debian-exim")
    tap.start(case, ["exim4", "-C", path, "-bdf", "-oX", "127.0.0.1.%d" % port, "-oP", os.path.join(folder, "spool", "pid")], port=port)
    return port


def dovecot(case, **ports):
    """Dovecot without TLS, and three messages for the user `a` with the password `secret`; its ports by protocol."""
    folder = tap.temp_dir(case)
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "mail"))
    user, group = own(folder, "mail")
    os.mkdir(os.path.join(folder, "run"))
    if os.geteuid() == 0:
        os.chown(os.path.join(folder, "run"), 0, 0)
    users = "" if os.geteuid() == 0 else "\n".join(
        ["default_internal_user = " + user, "default_login_user = " + user, "default_internal_group = " + group])
    ports = {name: ports.get(name) or tap.free_port() for name in ("imap", "pop3", "sieve")}
    path = write(folder, "dovecot.conf", DOVECOT.format(folder=folder, user=user, group=group, users=users, **ports))
    process = tap.start(case, ["dovecot", "-F", "-c", path], port=ports["imap"])
    for port in ports.values():
        process.wait_listening(port)
    client = imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=sessions.DEADLINE)
    client.login("a", "secret")
    for _ in range(3):
        client.append("INBOX", None, None, MESSAGE.encode())
    client.logout()
    return ports


class Session(unittest.TestCase):
    def shapes(self, kind, recorder, *more):
        """The session's shape for the client, and for the server the shape of the client's runs."""
        runs = recorder.session()
        server = [run for run in sessions.follow(kind, "server", runs, *more) if run.direction == "C"]
        return sessions.shape(sessions.follow(kind, "client", runs, *more)), sessions.shape(server)


class Smtp(Session):
    @classmethod
    def setUpClass(cls):
        cls.port = exim(sessions.Shared(cls))

    def test_a_mail_with_authentication_is_whole_behind_each_reply(self):
        recorder = sessions.Recorder(self, self.port)
        client = smtplib.SMTP("127.0.0.1", recorder.port, timeout=sessions.DEADLINE)
        client.login("a", "secret")
        client.sendmail("a@localhost", ["b@localhost", "c@localhost"], MESSAGE)
        client.quit()
        login, mail, content = " c s c S", " c S c S c S", " c s c S"
        self.assertEqual(self.shapes("smtp", recorder),
                         ("S c S" + login + mail + content + " c S", "C C C C C C C C C"))

    def test_a_pipeline_with_chunks_is_whole_behind_its_last_reply(self):
        recorder = sessions.Recorder(self, self.port)
        with sessions.Talk(recorder.port) as talk:
            talk.hear(b"\r\n")
            talk.say(b"EHLO localhost\r\n", b"250 HELP\r\n")
            talk.say(b"MAIL FROM:<>\r\nRCPT TO:<b@localhost>\r\nBDAT 14\r\nQUIT\r\n.\r\nQUIT\nBDAT 4 LAST\r\na\r\n\n", b"id=", b"\r\n")
            talk.say(b"QUIT\r\n", b"\r\n")
        self.assertEqual(self.shapes("smtp", recorder), ("S c S c S c S", "C C+ C"))


class Mailbox(Session):
    @classmethod
    def setUpClass(cls):
        cls.ports = dovecot(sessions.Shared(cls))

    def test_imap_is_whole_behind_each_completion(self):
        recorder = sessions.Recorder(self, self.ports["imap"])
        client = imaplib.IMAP4("127.0.0.1", recorder.port, timeout=sessions.DEADLINE)
        client.authenticate("PLAIN", lambda challenge: b"\0a\0secret")
        client.append("Drafts", None, None, MESSAGE.encode())
        client.create("Drafts")
        client.append("Drafts", None, None, MESSAGE.encode())
        client.select()
        self.assertEqual(client.fetch("1:3", "(RFC822 BODY.PEEK[HEADER] ENVELOPE BODYSTRUCTURE)")[0], "OK")
        client.search(None, "ALL")
        client.logout()
        prompted, refused, created = " c s c S", " c S", " c S"
        self.assertEqual(self.shapes("imap", recorder),
                         ("S c S" + prompted + refused + created + prompted + " c S c S c S c S", "C C C c C c C C C C C"))

    def test_imap_with_literals_that_are_not_awaited_and_idle(self):
        recorder = sessions.Recorder(self, self.ports["imap"])
        with sessions.Talk(recorder.port) as talk:
            talk.hear(b"ready.\r\n")
            talk.say(b"1 LOGIN {1+}\r\na {6+}\r\nsecret\r\n2 SELECT INBOX\r\n", b"\r\n2 OK", b"\r\n")
            talk.say(b"3 IDLE\r\n", b"+ idling\r\n")
            talk.say(b"DONE\r\n", b"3 OK", b"\r\n")
            talk.say(b"4 FETCH 1 BINARY[1]\r\n5 FETCH 2 RFC822\r\n", b"\r\n5 OK", b"\r\n")
            talk.say(b"6 LOGOUT\r\n", b"\r\n6 OK", b"\r\n")
        self.assertEqual(self.shapes("imap", recorder), ("S c S c s c S c S c S", "C+ C C C+ C"))

    def test_pop3_is_whole_behind_each_answer(self):
        recorder = sessions.Recorder(self, self.ports["pop3"])
        client = poplib.POP3("127.0.0.1", recorder.port, timeout=sessions.DEADLINE)
        for step in (client.capa, lambda: client.user("a"), lambda: client.pass_("secret"), client.stat, client.list,
                     lambda: client.list(1), client.uidl, lambda: client.uidl(2), lambda: client.retr(1), lambda: client.top(2, 1),
                     lambda: client.dele(3), client.rset, client.quit):
            step()
        self.assertEqual(self.shapes("pop3", recorder), ("S" + 13 * " c S", " ".join(13 * "C")))

    def test_pop3_in_a_pipeline_and_with_a_prompt(self):
        recorder = sessions.Recorder(self, self.ports["pop3"])
        with sessions.Talk(recorder.port) as talk:
            talk.hear(b"\r\n")
            talk.say(b"AUTH PLAIN\r\n", b"+ \r\n")
            talk.say(base64.b64encode(b"\0a\0secret") + b"\r\n", b"\r\n")
            talk.say(b"STAT\r\nLIST\r\nRETR 1\r\nLIST 9\r\nTOP 1 0\r\nXTND\r\nUIDL\r\nQUIT\r\n", b"\r\n+OK Logging out", b"\r\n")
        self.assertEqual(self.shapes("pop3", recorder), ("S c s c S c S", "C C C+"))

    def test_sieve_is_whole_behind_each_completion(self):
        recorder = sessions.Recorder(self, self.ports["sieve"])
        with sessions.Talk(recorder.port) as talk:
            talk.hear(b"\r\nOK", b"\r\n")
            talk.say(b'AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0a\0secret") + b'"\r\n', b"OK", b"\r\n")
            talk.say(b'PUTSCRIPT "a" {12+}\r\nkeep;\r\n#OK\r\n\r\nLISTSCRIPTS\r\n', b'"a"', b"\r\nOK", b"\r\n")
            talk.say(b'GETSCRIPT "a"\r\n', b"#OK\r\n", b"OK", b"\r\n")
            talk.say(b'GETSCRIPT "b"\r\n', b"NO", b"\r\n")
            talk.say(b"LOGOUT\r\n", b"OK", b"\r\n")
        self.assertEqual(self.shapes("sieve", recorder), ("S c S c S c S c S c S", "C C+ C C C"))


if __name__ == "__main__":
    tap.main()
