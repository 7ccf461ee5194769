# SPDX-License-Identifier: Apache-2.0
"""NAT under a crowd: 60,000 connections at once through one VIP to four backends."""
import json
import subprocess
import sys

import lab
from peers import BACKENDS, MODES, OVERLOAD, PEER, VIP6, PeersTest, configuration

CROWDS, SOURCES, EACH = 5, 2, 6000  # of processes, of addresses of each, of connections of each


class Crowd(PeersTest):
    def crowd(self, vip, sources):
        return subprocess.Popen(lab.inside("client", sys.executable, PEER, "crowd", vip, MODES["nat"], "--sources", ",".join(sources),
                                           "--each", EACH), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def opened(self, crowd):
        line = crowd.stdout.readline()
        self.assertEqual(line, "open\n", self.drops())

    def test_sixty_thousand_connections_stay_where_they_are(self):
        balancer = self.started(configuration(2, modes=["nat"]), 2)
        crowds = [self.crowd(lab.VIP, [f"10.0.9.{2 + n * SOURCES + i}" for i in range(SOURCES)]) for n in range(CROWDS)]
        for crowd in crowds:
            self.addCleanup(crowd.stdout.close)
            self.addCleanup(crowd.wait)
            self.addCleanup(crowd.kill)
        for crowd in crowds:
            self.opened(crowd)
        served = {}
        for crowd in crowds:  # all of them are open now; each asks a second time
            crowd.stdin.write("\n")
            crowd.stdin.flush()
        for crowd in crowds:
            made = json.loads(crowd.stdout.readline() or '{"wrong": ["no result"]}')
            self.assertEqual(made["wrong"], [])
            self.assertEqual(made["answered"], 2 * made["connections"])
            for name, count in made["servers"].items():
                served[name] = served.get(name, 0) + count
        self.assertEqual(sum(served.values()), CROWDS * SOURCES * EACH)
        for name in BACKENDS:
            self.assertAlmostEqual(served[name] / (CROWDS * SOURCES * EACH), 1 / len(BACKENDS), delta=0.03)
        packets = [w["packets"] for w in lab.ctl("workers")["workers"]]
        self.assertEqual(len(packets), 2)
        self.assertGreater(min(packets), 10_000, packets)
        balancer.balanced()
        self.assertEqual(set(self.drops()) - OVERLOAD, set())
