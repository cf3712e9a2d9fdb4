#!/usr/bin/python3
"""measure: every client of clients.py before every answer and ending of server.c; what they tell, as data and as a table.

    measure.py [--only PART-OF-A-NAME] [--json FILE] [--write]

It prints the tables of docs/relay.md.  --write puts them there, and their data into results.json beside this file.  The build
folder is LASTWORD_BUILD, else `build`.  Clients that are not installed are left out, and --write then refuses."""
import argparse
import collections
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import clients
import tap

SERVER = tap.built("tests/relay/abort_clients_server")
RESULTS = os.path.join(clients.HERE, "results.json")
PAGE = os.path.join(tap.ROOT, "docs", "relay.md")
BEGIN, END = "<!-- clients: made by ./dev clients, from tests/relay/abort_clients/results.json -->\n", "<!-- clients: end -->\n"

CHOSEN = "alert-fin"  # the default of abortWith
WAYS = ("alert-fin", "alert-rst", "rst")
MAIN = ("close", "fin") + WAYS
OTHER_ALERTS = ("unexpected-message-fin", "bad-record-mac-fin", "internal-error-fin", "user-canceled-fin")
TITLES = {"close": "close_notify + FIN", "fin": "bare FIN", "alert-fin": "alert + FIN", "alert-rst": "alert + RST", "rst": "bare RST",
          "unexpected-message-fin": "unexpected_message", "bad-record-mac-fin": "bad_record_mac", "internal-error-fin": "internal_error",
          "user-canceled-fin": "user_canceled"}
CUT = ("open", "length", "chunks", "h2", "rows")
COMPLETE = ("complete", "all-rows")


class Server:
    """The server under way; .cells are what it serves, .place is what clients need to know."""

    def __init__(self, seconds=1800):
        self.folder = tempfile.TemporaryDirectory(prefix="lastword-test.", ignore_cleanup_errors=True)
        certificate = os.path.join(self.folder.name, "certificate.pem")
        self.process = tap.Process([SERVER, certificate, seconds])
        self.process.wait_line(r"^ready$")
        self.cells = [clients.Cell(version, answer, ending, int(port)) for version, answer, ending, port in
                      re.findall(r"^cell (\S+) (\S+) (\S+) (\d+)$", self.process.out.decode(), re.M)]
        self.place = Place(self.folder.name, certificate, self.cells)

    def close(self):
        self.process.end()
        self.folder.cleanup()


Place = collections.namedtuple("Place", "folder certificate cells")


def wanted(cells, endings=MAIN + OTHER_ALERTS):
    """Other alerts are tried where no message's length helps the client."""
    return [cell for cell in cells if cell.ending in endings and
            (cell.ending in MAIN or cell.answer in ("open", "file-open", "rows"))]


def measure(server, rows, endings=MAIN + OTHER_ALERTS):
    """A list of {"client", "version", "results"}."""
    found = []
    for row in rows:
        print("measure: " + row.name, file=sys.stderr, flush=True)
        results = row.ask(wanted(server.cells, endings), server.place)
        found.append({"client": row.name, "version": row.version(), "results": [r._asdict() for r in results]})
    return found


# ---- from results to words

def outcome(r):
    """Of one result: what the table says."""
    if r["answer"] in COMPLETE:
        return "fine" if r["end"] == "whole" else "error"
    if r["end"] == "failed":
        return "told"
    return "console" if r["words"] else "silent"


def outcome_of(client, answer, ending):
    """Of both versions: one word, or two where they differ; None where it was not asked."""
    by_version = {r["version"]: outcome(r) for r in client["results"] if (r["answer"], r["ending"]) == (answer, ending)}
    if not by_version:
        return None
    if len(set(by_version.values())) == 1:
        return next(iter(by_version.values()))
    return ", ".join("%s: %s" % (version, word) for version, word in sorted(by_version.items()))


def mark(word):
    return "**silent**" if word == "silent" else word


def rows_of(found, answer):
    return [client for client in found if outcome_of(client, answer, "close")]


def table(found, answer, endings):
    yield "| client | " + " | ".join(TITLES[ending] for ending in endings) + " |"
    yield "|---|" + "---|" * len(endings)
    for client in rows_of(found, answer):
        yield "| " + " | ".join([client["client"]] + [mark(outcome_of(client, answer, ending)) for ending in endings]) + " |"


def tellers(found, answers, ending):
    """Who told in all answers named that they were asked for, and how many there are."""
    asked = [client for client in found if any(outcome_of(client, answer, "close") for answer in answers)]
    told = [client["client"] for client in asked
            if all(outcome_of(client, answer, ending) in ("told", None) for answer in answers)]
    return told, len(asked)


def pages(found):
    """The text between the marks of docs/relay.md."""
    def part(heading, text, answer, endings=MAIN):
        yield from ("", "### " + heading, text, "")
        yield from table(found, answer, endings)
    yield ""
    yield "Of all cut answers, every client that was asked for it told after:"
    yield ""
    for ending in MAIN:
        told, asked = tellers(found, CUT, ending)
        yield "- %s: %d of %d" % (TITLES[ending], len(told), asked)
    yield from part("Cut, and without a length", "Only the ending of the connection is the end of the document: HTTP/1.0, `Connection: close`, every "
                    "protocol that streams. This is where the way matters most.", "open")
    yield from part("Cut before its Content-Length", "The client could know by counting; not all count.", "length")
    yield from part("Cut between two chunks", "", "chunks")
    yield from part("Cut in a stream of HTTP/2", "", "h2")
    yield from part("Cut in the rows of a PostgreSQL query", "", "rows")
    yield from part("Complete, and then that ending", "A whole answer with its length. An error here would be a false alarm; the two clients that know no "
                    "protocol cannot know better.", "complete")
    yield from part("Complete rows, and then that ending", "", "all-rows")
    yield from part("Which alert", "The document without a length again, cut by other fatal alerts, each with FIN. `alert` above is record_overflow, which is "
                    "what leaves when a stream on OpenSSL is aborted.", "open", ("alert-fin",) + OTHER_ALERTS)
    yield from ("", "### Measured with", "")
    for client in found:
        yield "- %s: %s" % (client["client"], client["version"])
    yield ""


def render(found):
    return "\n".join(pages(found)).replace("\n\n\n", "\n\n") + "\n"


def put_into(page, text):
    before, rest = page.split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]


def without_noise(r):
    """How much a client handed over before it told is a race of its own."""
    return r if r["end"] == "whole" else {name: value for name, value in r.items() if name != "bytes"}


def to_json(found):
    """A line a result, so that a change can be read."""
    parts = ['{"client": %s, "version": %s, "results": [\n%s]}' % (
        json.dumps(client["client"]), json.dumps(client["version"]), ",\n".join(json.dumps(without_noise(r)) for r in client["results"])) for client in found]
    return '{"chosen": %s, "clients": [\n%s\n]}\n' % (json.dumps(CHOSEN), ",\n".join(parts))


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def main():
    parser = argparse.ArgumentParser(prog="measure.py")
    parser.add_argument("--only", default="", metavar="PART-OF-A-NAME")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [row for row in clients.ROWS if options.only.lower() in row.name.lower()]
    missing = [row.name for row in rows if not row.is_there()]
    if options.write and (missing or options.only):
        sys.exit("measure: the page tells of all clients; missing: %s" % (", ".join(missing) or "those left out by --only"))
    server = Server()
    try:
        found = measure(server, [row for row in rows if row.is_there()])
    finally:
        server.close()
    print(render(found).rstrip())
    if options.json:
        write(options.json, to_json(found))
    if options.write:
        write(RESULTS, to_json(found))
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        write(PAGE, put_into(page, render(found)))


if __name__ == "__main__":
    main()
