#!/usr/bin/python3
"""What the table of docs/relay.md says of clients is still so, for those that are quick to ask; and the way that the relay ends
connections by default is one that they tell."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "abort_clients"))
import clients
import measure
import tap

DEAF = {("Node fetch()", "open")}  # takes any end for the end of a document without a length
KNOW_NO_MESSAGES = ("openssl s_client", "gnutls-cli")


def outcomes(client):
    return {(r["version"], r["answer"], r["ending"]): measure.outcome(r) for r in client["results"] if r["ending"] in measure.MAIN}


class QuickClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rows = [row for row in clients.ROWS if row.is_quick]
        server = measure.Server(seconds=200)
        try:
            cls.found = measure.measure(server, rows, measure.MAIN)
        finally:
            server.close()

    def test_all_were_asked(self):
        self.assertGreaterEqual(len(self.found), 6)
        for client in self.found:
            self.assertGreaterEqual(len(outcomes(client)), 2 * 2 * len(measure.MAIN), client["client"])

    def test_a_cut_answer_is_told_by_the_chosen_way(self):
        for client in self.found:
            for (version, answer, ending), word in outcomes(client).items():
                if ending == measure.CHOSEN and answer in measure.CUT and (client["client"], answer) not in DEAF:
                    with self.subTest(client=client["client"], version=version, answer=answer):
                        self.assertEqual(word, "told")

    def test_a_complete_answer_is_fine_by_every_way(self):
        for client in self.found:
            for (version, answer, ending), word in outcomes(client).items():
                if answer in measure.COMPLETE and client["client"] not in KNOW_NO_MESSAGES:
                    with self.subTest(client=client["client"], version=version, ending=ending):
                        self.assertEqual(word, "fine")

    def test_they_do_as_the_page_says(self):
        with open(measure.RESULTS, encoding="utf-8") as file:
            written = {client["client"]: outcomes(client) for client in json.load(file)["clients"]}
        for client in self.found:
            with self.subTest(client=client["client"]):
                self.assertEqual(outcomes(client), written[client["client"]])


class Page(unittest.TestCase):
    def setUp(self):
        with open(measure.RESULTS, encoding="utf-8") as file:
            self.results = json.load(file)

    def test_is_made_of_the_results(self):
        with open(measure.PAGE, encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(measure.put_into(page, measure.render(self.results["clients"])), page)

    def test_has_all_clients(self):
        self.assertEqual([row.name for row in clients.ROWS], [client["client"] for client in self.results["clients"]])

    def test_no_way_is_told_by_more_than_the_chosen_one(self):
        told = {way: len(measure.tellers(self.results["clients"], measure.CUT, way)[0]) for way in measure.WAYS}
        self.assertEqual(told[measure.CHOSEN], max(told.values()), told)
        self.assertEqual(self.results["chosen"], measure.CHOSEN)


if __name__ == "__main__":
    tap.main(seconds=200)
