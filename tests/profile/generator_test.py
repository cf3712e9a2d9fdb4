"""generator: tools/profiles.py refuses every value it does not know, and names its line and column."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

TOOL = os.path.join(tap.ROOT, "tools", "profiles.py")
PROTOCOLS = os.path.join(tap.ROOT, "data", "protocols.tsv")
PROFILES = os.path.join(tap.ROOT, "data", "profiles.tsv")


def read(path):
    with open(path, encoding="utf-8") as f:
        return [line.split("\t") for line in f.read().split("\n")[:-1]]


class Generator(unittest.TestCase):
    def generate(self, protocols, profiles):
        """Runs the tool over two tables in memory."""
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, rows in (("protocols.tsv", protocols), ("profiles.tsv", profiles)):
                paths.append(os.path.join(folder, name))
                with open(paths[-1], "w", encoding="utf-8") as f:
                    f.write("".join("\t".join(row) + "\n" for row in rows))
            return tap.run([sys.executable, TOOL] + paths, seconds=20)

    def refuses(self, protocols, profiles, place):
        done = self.generate(protocols, profiles)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, b"")
        self.assertIn(place, done.stderr.decode())

    def test_takes_the_tables_as_they_are(self):
        self.assertEqual(self.generate(read(PROTOCOLS), read(PROFILES)).returncode, 0)

    def test_refuses_an_unknown_value_in_every_closed_column(self):
        columns = read(PROTOCOLS)[0]
        for index, column in enumerate(columns):
            if column in ("name", "spec", "note"):
                continue
            with self.subTest(column=column):
                protocols = read(PROTOCOLS)
                protocols[3][index] = "perhaps"
                self.refuses(protocols, read(PROFILES), f"protocols.tsv:4: {column}: ")

    def test_refuses_an_unknown_framing(self):
        profiles = read(PROFILES)
        profiles[1][1] = "guess"
        self.refuses(read(PROTOCOLS), profiles, 'profiles.tsv:2: framing: "guess" is none of')

    def test_refuses_a_port_out_of_range(self):
        profiles = read(PROFILES)
        profiles[1][2] = "65536"
        self.refuses(read(PROTOCOLS), profiles, 'profiles.tsv:2: tls_port: "65536" is no port')

    def test_refuses_a_protocol_without_a_profile(self):
        profiles = read(PROFILES)
        del profiles[5]
        self.refuses(read(PROTOCOLS), profiles, 'protocols.tsv:6: name: ')

    def test_refuses_a_profile_without_a_protocol(self):
        protocols = read(PROTOCOLS)
        del protocols[5]
        self.refuses(protocols, read(PROFILES), 'profiles.tsv:6: name: ')

    def test_refuses_a_row_that_stands_twice(self):
        protocols = read(PROTOCOLS)
        protocols.append(protocols[1])
        self.refuses(protocols, read(PROFILES), f"protocols.tsv:{len(protocols)}: name: ")

    def test_refuses_a_name_that_belongs_to_another(self):
        profiles = read(PROFILES)
        profiles[2][4] = "HTTP2"
        self.refuses(read(PROTOCOLS), profiles, 'profiles.tsv:3: names: "HTTP2" belongs to "http2" already')

    def test_refuses_an_alpn_id_that_belongs_to_another(self):
        profiles = read(PROFILES)
        profiles[4][3] = "h2,http/1.1"
        self.refuses(read(PROTOCOLS), profiles, 'profiles.tsv:5: alpn: "http/1.1" belongs to "https" already')

    def test_refuses_a_missing_column(self):
        protocols = read(PROTOCOLS)
        protocols[2].pop()
        self.refuses(protocols, read(PROFILES), "protocols.tsv:3: ")

    def test_refuses_an_empty_cell(self):
        protocols = read(PROTOCOLS)
        protocols[2][12] = ""
        self.refuses(protocols, read(PROFILES), "protocols.tsv:3: note: ")


if __name__ == "__main__":
    tap.main()
