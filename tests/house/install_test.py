#!/usr/bin/python3
"""install_test: what `meson install` puts into an empty folder is enough to build the README's example, shared and
static, and shows the names of the public headers and no other."""
import glob
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import prefix
import tap

# What the README's lines stand in: a connection to 127.0.0.1:ARGV[1], a request sent, and a file.
AROUND = """#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <lastword/openssl.h>

bool save(SSL *ssl, FILE *out);

bool save(SSL *ssl, FILE *out)
{
%s
}

int main(int argc, char **argv)
{
	static const char request[] = "GET /page HTTP/1.0\\r\\n\\r\\n";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool saved;

	at.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	if (!ssl || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || SSL_set_fd(ssl, fd) != 1 ||
	    SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof(request) - 1) <= 0)
		return 3;
	saved = save(ssl, stdout);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return saved ? 0 : 1;
}
"""


def example():
    """The README's C, as it stands there."""
    with open(os.path.join(tap.ROOT, "README.md")) as file:
        return re.search(r"^```c\n(.*?)^```$", file.read(), re.M | re.S)[1]


def installed_files():
    with open(tap.built("meson-info/intro-installed.json")) as file:
        return json.load(file).values()


# Those that this build has: TLS libraries may be left out.
LIBRARIES = sorted({os.path.basename(name)[3:-3] for name in installed_files() if name.endswith(".so")})


def is_installed(header):
    return any(name.endswith("/lastword/" + header) for name in installed_files())


def declared_functions():
    """The names that the public headers declare, by header."""
    for name in glob.glob(os.path.join(tap.ROOT, "include", "lastword", "*.h")):
        with open(name) as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        yield os.path.basename(name), set(re.findall(r"LW_API\s[^;{]*?\b(lw_\w+)\s*\(", text))


@unittest.skipUnless(any("liblastword.so" in name for name in installed_files()), "the libraries are not built yet")
class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = prefix.Prefix(cls)
        cls.root, cls.one, cls.pkg_config = cls.prefix.root, cls.prefix.one, cls.prefix.pkg_config

    def dynamic_names(self, library):
        lines = self.output("nm", "-D", "--defined-only", "--format=posix", self.one("lib%s.so" % library)).splitlines()
        return {line.split()[0] for line in lines}

    output = staticmethod(prefix.output)

    def build_example(self, *flags):
        folder = tap.temp_dir(self)
        source, made = os.path.join(folder, "example.c"), os.path.join(folder, "example")
        with open(source, "w") as file:
            file.write(AROUND % example())
        self.output("gcc", "-std=c11", "-Wshadow", *prefix.WARNINGS, source, "-o", made, *flags)
        return made

    def test_installs_each_library_shared_static_and_for_pkg_config(self):
        for library in LIBRARIES:
            with self.subTest(library=library):
                for pattern in ("lib%s.so", "lib%s.a", "%s.pc"):
                    self.one(pattern % library)

    def test_installs_every_public_header(self):
        folder = os.path.dirname(self.one("verdict.h"))
        self.assertEqual(os.path.basename(folder), "lastword")
        headers = os.listdir(os.path.join(tap.ROOT, "include", "lastword"))
        self.assertEqual(sorted(os.listdir(folder)), sorted(name for name in headers if is_installed(name)))

    def test_installs_the_command_its_pages_and_its_completion(self):
        self.assertNotIn("liblastword", self.output("readelf", "-d", self.one("lastword")))  # runs from any prefix
        self.assertRegex(self.output(self.one("lastword"), "--version"), r"^lastword \d")
        for page in os.listdir(os.path.join(tap.ROOT, "man")):
            with self.subTest(page=page):
                self.assertEqual(os.path.basename(os.path.dirname(self.one(page))), "man" + page[-1])
        self.output("bash", "-n", self.one("lastword.bash"))

    def test_a_soname_has_its_major_number(self):
        for library in LIBRARIES:
            with self.subTest(library=library):
                table = self.output("readelf", "-d", self.one("lib%s.so" % library))
                self.assertRegex(table, r"SONAME.*\[lib%s\.so\.\d+\]" % library)

    def test_shared_libraries_show_names_of_ours_only(self):
        for library in LIBRARIES:
            with self.subTest(library=library):
                names = self.dynamic_names(library)
                self.assertTrue(names)
                self.assertEqual([name for name in sorted(names) if not name.startswith("lw_")], [])

    def test_shared_libraries_show_every_declared_function_and_no_other(self):
        declared = set().union(*(names for header, names in declared_functions() if is_installed(header)))
        shown = set().union(*(self.dynamic_names(library) for library in LIBRARIES))
        self.assertEqual(sorted(declared - shown), [], "declared, not in a library")
        self.assertEqual(sorted(shown - declared), [], "in a library, not declared")

    def test_static_libraries_bring_names_of_ours_only(self):
        for library in LIBRARIES:
            with self.subTest(library=library):
                lines = self.output("nm", "-g", "--defined-only", "--format=posix", self.one("lib%s.a" % library)).splitlines()
                names = {line.split()[0] for line in lines if line and not line.endswith(":")}
                self.assertTrue(names)
                self.assertEqual([name for name in sorted(names) if not name.startswith("lw_")], [])

    def test_pkg_config_files_know_nothing_of_the_build(self):
        for library in LIBRARIES:
            with open(self.one(library + ".pc")) as file:
                text = file.read()
            self.assertNotIn(tap.ROOT, text)
            self.assertRegex(text, r"(?m)^Description: .+")

    def test_the_example_is_eight_lines(self):
        self.assertEqual(len(example().splitlines()), 8)

    def serve_page(self):
        """`openssl s_server -WWW` with a page of 100,000 bytes and no length: its port, and the page."""
        folder, page = tap.temp_dir(self), bytes(range(256)) * 390 + b"the end"
        with open(os.path.join(folder, "page"), "wb") as file:
            file.write(page)
        self.output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch",
                    "-subj", "/CN=localhost", "-keyout", folder + "/key", "-out", folder + "/cert")
        server = tap.start(self, ["openssl", "s_server", "-WWW", "-accept", "127.0.0.1:0", "-key", folder + "/key",
                                  "-cert", folder + "/cert"], line=r"^ACCEPT \S+:(\d+)$", cwd=folder)
        return server.said[1], page

    def claim_example_is_right(self, made, env=None):
        port, page = self.serve_page()
        done = tap.run([made, port], env=env)
        self.assertEqual((done.returncode, done.stdout.split(b"\r\n\r\n", 1)[1]), (0, page), "the whole page")
        for how in ("fin", "inside", "rst"):
            with self.subTest(how=how):
                cut = tap.start(self, [tap.built("lastword"), "cut", "--to", "127.0.0.1:" + port, "--after", "5r",
                                       "--how", how], line=r":(\d+)$")
                done = tap.run([made, cut.said[1]], env=env)
                self.assertEqual(done.returncode, 1, "a cut page was taken for whole")
                self.assertTrue(how == "rst" or done.stdout, "what came before the cut is kept")

    def test_the_example_is_right_on_the_shared_libraries(self):
        made = self.build_example(*self.pkg_config("--cflags", "--libs", "lastword-openssl"))
        folder = os.path.dirname(self.one("liblastword.so"))
        self.assertIn("liblastword-openssl.so", self.output("readelf", "-d", made))
        self.claim_example_is_right(made, env=tap.environment(LD_LIBRARY_PATH=folder))

    def test_the_example_is_right_on_the_static_libraries(self):
        folder = os.path.dirname(self.one("liblastword.so"))
        for name in glob.glob(os.path.join(folder, "liblastword*.so*")):
            os.rename(name, name + ".away")
            self.addCleanup(os.rename, name + ".away", name)
        made = self.build_example(*self.pkg_config("--cflags", "--libs", "--static", "lastword-openssl"))
        self.assertNotIn("liblastword", self.output("readelf", "-d", made))
        self.claim_example_is_right(made)

    def test_the_core_alone_does_not_need_a_tls_library(self):
        self.assertNotRegex(self.output("readelf", "-d", self.one("liblastword.so")), r"NEEDED.*lib(ssl|crypto|uv|jansson)")
        self.assertEqual([word for word in self.pkg_config("--libs", "lastword") if word.startswith("-l")], ["-llastword"])


if __name__ == "__main__":
    tap.main()
