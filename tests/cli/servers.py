"""servers: real servers on the loopback for tests of the command, each in a folder of its own and ended with its case.
A function starts one and returns its port.  It must not know what the tests conclude."""
import grp
import os
import pwd
import socket
import subprocess
import threading

import tap

PAGE = bytes(i * 7 % 251 for i in range(50000))
LARGE = PAGE * 160  # more than all buffers on the way


class Certificate:
    """A self-signed certificate: .certificate and .key are paths."""

    def __init__(self, folder, names="DNS:localhost,IP:127.0.0.1,IP:::1", days=2, name="c"):
        self.certificate, self.key = (os.path.join(folder, name + end) for end in (".pem", ".key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=localhost", "-days", str(days), "-addext", "subjectAltName=" + names,
                        "-keyout", self.key, "-out", self.certificate],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=30)


class Shared:
    """Stands for a case where servers serve all cases of a class."""

    def __init__(self, cls):
        self.addCleanup = cls.addClassCleanup


def write(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())
    return path


def nginx(case, certificate, backend=None, protocols="TLSv1.2 TLSv1.3"):
    """nginx: / and /large have a length; /open has none (an SSI page), so in HTTP/1.0 its end is the connection's, and in 1.1 it comes
    in chunks; /late is passed to `backend` with HTTP/1.0 and is no longer than its connection; /204 and /304 have no body."""
    folder, port = tap.temp_dir(case), tap.free_port()
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "www"), 0o755)
    write(os.path.join(folder, "www"), "index.html", PAGE)
    write(os.path.join(folder, "www"), "large", LARGE)
    user = "user root;" if os.geteuid() == 0 else ""
    proxy = "location /late { proxy_pass http://127.0.0.1:%d; proxy_buffering off; }" % backend if backend else ""
    config = write(folder, "nginx.conf", """
        daemon off; master_process off; %(user)s pid %(folder)s/pid; error_log %(folder)s/error.log;
        events { worker_connections 64; }
        http {
          access_log off; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
          uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
          server {
            listen 127.0.0.1:%(port)d ssl; ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
            ssl_protocols %(protocols)s; root %(folder)s/www; %(proxy)s
            location /open { alias %(folder)s/www/index.html; ssi on; ssi_types *; default_type text/plain; }
            location /204 { return 204; } location /304 { return 304; }
          }
        }""" % {"folder": folder, "port": port, "cert": certificate.certificate, "key": certificate.key, "user": user, "protocols": protocols,
                "proxy": proxy})
    tap.start(case, ["nginx", "-c", config, "-p", folder, "-e", os.path.join(folder, "error.log")], port=port)
    return port


def apache(case, certificate):
    """Apache httpd: / and /large have a length."""
    folder, port = tap.temp_dir(case), tap.free_port()
    os.chmod(folder, 0o755)
    write(folder, "index.html", PAGE)
    write(folder, "large", LARGE)
    modules = "".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n" % (name, name) for name in
                      ("mpm_event", "authz_core", "ssl", "socache_shmcb", "dir"))
    config = write(folder, "httpd.conf", modules + """
        ServerName localhost
        ServerRoot %(folder)s
        PidFile %(folder)s/pid
        DefaultRuntimeDir %(folder)s
        ErrorLog %(folder)s/error.log
        User www-data
        Group www-data
        Listen 127.0.0.1:%(port)d
        SSLEngine on
        SSLCertificateFile %(cert)s
        SSLCertificateKeyFile %(key)s
        DocumentRoot %(folder)s
        DirectoryIndex index.html
        """ % {"folder": folder, "port": port, "cert": certificate.certificate, "key": certificate.key})
    tap.start(case, ["apache2", "-X", "-f", config], port=port)
    return port


def s_server(case, certificate, *options):
    """openssl s_server; -WWW serves the folder's `page` and `large`, without a length."""
    folder, port = tap.temp_dir(case), tap.free_port()
    write(folder, "page", PAGE)
    write(folder, "large", LARGE)
    tap.start(case, ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", certificate.certificate,
                     "-key", certificate.key, *options], port=port, cwd=folder, stdin=subprocess.PIPE)
    return port


def gnutls_serv(case, certificate, *options):
    port = tap.free_port()
    tap.start(case, ["gnutls-serv", "--port", port, "--x509certfile", certificate.certificate, "--x509keyfile",
                     certificate.key, *options], port=port)
    return port


def proftpd(case, certificate):
    """proftpd with mod_tls: AUTH TLS, CCC; the user `somebody` with the password `secret`."""
    folder, port = tap.temp_dir(case), tap.free_port()
    os.chmod(folder, 0o755)
    secret = subprocess.run(["openssl", "passwd", "-1", "secret"], stdout=subprocess.PIPE, check=True, timeout=30)
    write(folder, "passwd", "somebody:%s:%d:%d::%s:/bin/sh\n" % (secret.stdout.decode().strip(), os.geteuid(), os.getegid(), folder))
    write(folder, "group", "people:x:%d:somebody\n" % os.getegid())
    for name in ("passwd", "group"):
        os.chmod(os.path.join(folder, name), 0o600)
    config = write(folder, "proftpd.conf", """
        ServerName here
        ServerType standalone
        DefaultServer on
        DefaultAddress 127.0.0.1
        Port %(port)d
        UseIPv6 off
        UseReverseDNS off
        PidFile %(folder)s/pid
        ScoreboardFile %(folder)s/scoreboard
        DelayTable none
        TransferLog none
        WtmpLog off
        User %(user)s
        Group %(group)s
        ModulePath /usr/lib/proftpd
        LoadModule mod_tls.c
        AuthOrder mod_auth_file.c
        AuthUserFile %(folder)s/passwd
        AuthGroupFile %(folder)s/group
        RequireValidShell off
        RootLogin on
        TLSEngine on
        TLSLog %(folder)s/tls.log
        TLSProtocol TLSv1.2 TLSv1.3
        TLSECCertificateFile %(cert)s
        TLSECCertificateKeyFile %(key)s
        """ % {"folder": folder, "port": port, "cert": certificate.certificate, "key": certificate.key, "user": pwd.getpwuid(os.geteuid()).pw_name,
               "group": grp.getgrgid(os.getegid()).gr_name})
    tap.start(case, ["proftpd", "-n", "-c", config], port=port)
    return port


def slapd(case, certificate):
    """slapd with StartTLS and an empty database."""
    folder, port = tap.temp_dir(case), tap.free_port()
    os.mkdir(os.path.join(folder, "db"))
    config = write(folder, "slapd.conf", """
include /etc/ldap/schema/core.schema
pidfile %(folder)s/pid
TLSCertificateFile %(cert)s
TLSCertificateKeyFile %(key)s
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=org"
directory %(folder)s/db
""" % {"folder": folder, "cert": certificate.certificate, "key": certificate.key})
    tap.start(case, ["slapd", "-d", "0", "-h", "ldap://127.0.0.1:%d/" % port, "-f", config], port=port)
    return port


NODE = """
const https = require('https'), fs = require('fs');
const page = Buffer.from(Array.from({length: 50000}, (_, i) => i * 7 % 251));
https.createServer({cert: fs.readFileSync(process.argv[1]), key: fs.readFileSync(process.argv[2])}, (ask, answer) => {
  if (ask.method === 'POST') {
    let n = 0;
    ask.on('data', piece => { n += piece.length; }).on('end', () => answer.end('took ' + n));
  } else if (ask.url === '/large') answer.end(Buffer.concat(Array(160).fill(page)));
  else if (ask.url === '/chunks') { answer.write(page.subarray(0, 20000)); answer.end(page.subarray(20000)); }
  else { answer.setHeader('Content-Length', page.length); answer.end(page); }
}).listen(0, '127.0.0.1', function () { console.log('port ' + this.address().port); });
"""


def node(case, certificate):
    """Node: / has a length, /large none in HTTP/1.0, /chunks comes in chunks, and a POST is answered with the number of its bytes."""
    process = tap.start(case, ["node", "-e", NODE, certificate.certificate, certificate.key], line=r"^port (\d+)$")
    return int(process.said.group(1))


class Raw:
    """A server in the clear: `talk(connection)` is called in a thread for each connection.  .port; .problem is what it raised."""

    def __init__(self, case, talk, host="127.0.0.1"):
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.talk, self.problem = talk, None
        case.addCleanup(self.listener.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection):
        with connection:
            connection.settimeout(20)
            try:
                self.talk(connection)
            except Exception as problem:  # told by the test that looks
                self.problem = problem


def late_backend(case, delay):
    """HTTP/1.0 in two halves with a pause that `delay()` makes; ended by FIN, so without a length."""
    def talk(connection):
        ask = b""
        while b"\r\n\r\n" not in ask:
            ask += connection.recv(4096) or b"\r\n\r\n"
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE[:20000])
        delay()
        connection.sendall(PAGE[20000:])
    return Raw(case, talk).port


def adversary(case, ending, version, *options):
    """The adversary as a server: (port, process)."""
    process = tap.start(case, [tap.built("tests/adversary/adversary_peer"), "-v", version, *options, ending],
                        line=r"^port (\d+)$")
    return int(process.said.group(1)), process
