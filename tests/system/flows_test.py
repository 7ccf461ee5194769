# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of its workers' flows while they work: samples, and what is known of one flow."""
import collections
import json
import subprocess
import sys

import lab
from peers import MODES, NAT, PeersTest, configuration

CONNECTIONS = 60
# Opens connections, says from which port and to whose server each is, and keeps them until told to end.
HOLD = """
import json, socket, struct, sys
links = []
for _ in range(int(sys.argv[3])):
    link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
    link.sendall(struct.pack("!cQ", b"h", 7))
    answer = b""
    while len(answer) < 24:
        answer += link.recv(24 - len(answer)) or sys.exit("the server is gone")
    links.append((link, link.getsockname(), answer[:16].rstrip(b"\\0").decode()))
print(json.dumps([[*name[:2], server] for _, name, server in links]), flush=True)
sys.stdin.read()
"""


class Flows(PeersTest):
    def held(self, mode, count=CONNECTIONS):
        """Connections that stay open until the test ends, or end() is called: [(source, port, server)]."""
        client = subprocess.Popen(lab.inside("client", sys.executable, "-c", HOLD, lab.VIP, MODES[mode], count),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            client.stdin.close()
            self.assertEqual(client.wait(30), 0)
            client.stdout.close()
        held = json.loads(client.stdout.readline() or "[]")
        self.addCleanup(lambda: None if client.stdin.closed else end())
        self.assertEqual(len(held), count)
        return held, end

    def trace(self, mode, source, port):
        return lab.ctl("trace", "tcp", f"{source}:{port}", f"{lab.VIP}:{MODES[mode]}")

    def test_samples_are_the_flows_that_there_are(self):
        balancer = self.started(configuration(1, modes=["ipip"]))
        held, end = self.held("ipip")
        wanted = collections.Counter(server for _, _, server in held)
        answer = lab.ctl("flows", "--limit", "10000")
        self.assertEqual(answer["looked_at"], answer["capacity"])
        self.assertEqual(answer["capacity"], lab.ctl("workers")["workers"][0]["flow_cache"]["capacity"])
        flows = answer["flows"]
        self.assertEqual({f["state"] for f in flows}, {"established"})
        self.assertEqual({f["pool"] for f in flows}, {"ipip-4"})
        self.assertEqual(collections.Counter(f["backend"] for f in flows), wanted)
        self.assertLess(max(f["idle_s"] for f in flows), 120)
        one = held[0][2]
        self.assertEqual(len(lab.ctl("flows", "--backend", one, "--limit", "10000")["flows"]), wanted[one])
        self.assertEqual(lab.ctl("flows", "--pool", "ipip-6")["flows"], [])
        self.assertEqual(len(lab.ctl("flows", "--limit", "5")["flows"]), 5)
        end()
        ended = lab.wait_until("the ends of all connections", lambda: (
            lambda found: found if {f["state"] for f in found} == {"closing"} else None)(lab.ctl("flows", "--limit", "10000")["flows"]))
        self.assertEqual(len(ended), CONNECTIONS)
        balancer.balanced()

    def test_samples_are_taken_while_the_worker_works(self):
        balancer = self.started(configuration(1, modes=["ipip"]))
        transfer = subprocess.Popen(lab.inside("client", sys.executable, "tests/system/peer.py", "tcp", lab.VIP, MODES["ipip"],
                                               "--bytes", 256 << 20), cwd=lab.TOP, stdout=subprocess.PIPE, text=True)
        self.addCleanup(transfer.stdout.close)
        self.addCleanup(transfer.wait)
        self.addCleanup(transfer.kill)
        answers = 0
        while transfer.poll() is None:
            answer = lab.ctl("flows", "--limit", "10000")
            self.assertEqual(answer["looked_at"], answer["capacity"])
            self.assertLessEqual(len(answer["flows"]), 2)  # one connection each way
            answers += 1
        self.assertEqual(transfer.returncode, 0, transfer.stdout.read())
        self.assertGreater(answers, 0)
        balancer.balanced()

    def test_a_flow_is_known_to_its_worker_with_the_backend_that_serves_it(self):
        self.started(configuration(1, modes=["ipip"]))
        held, _ = self.held("ipip", 8)
        for source, port, server in held:
            traced = self.trace("ipip", source, port)
            known, = traced["workers"]
            self.assertTrue(known["cached"])
            self.assertEqual((known["backend"], known["state"]), (server, "established"))
            self.assertEqual(traced["backend"], server)  # the pool has not changed
            self.assertNotIn("source", known)
            self.assertNotIn("session", known)

    def test_the_backend_of_a_source_is_told_with_affinity_by_source(self):
        config = configuration(1, modes=["ipip"])
        for pool in config["pools"]:
            pool.update(affinity="source", policy="random")
        self.started(config)
        self.assertIsNone(self.trace("ipip", lab.CLIENT, 1)["workers"][0]["source"])
        held, _ = self.held("ipip", 8)
        server, = {server for _, _, server in held}
        known, = self.trace("ipip", held[0][0], 1)["workers"]  # a flow that nobody has opened
        self.assertFalse(known["cached"])
        self.assertEqual((known["source"]["pool"], known["source"]["backend"]), ("ipip-4", server))
        self.assertIsNone(self.trace("ipip", "198.51.100.7", 1)["workers"][0]["source"])

    def test_a_nat_session_is_told_with_what_the_backend_sees(self):
        self.started(configuration(1, modes=["nat"]))
        held, end = self.held("nat", 8)
        ports = set()
        for source, port, server in held:
            session = self.trace("nat", source, port)["workers"][0]["session"]
            self.assertEqual((session["pool"], session["backend"], session["state"]), ("nat-4", server, "established"))
            self.assertEqual(session["local"], NAT)
            ports.add((server, session["local_port"]))
            seen = lab.run(server, "ss", "-Htn", "state", "established", "dst", f"{NAT}:{session['local_port']}").stdout
            self.assertEqual(len(seen.splitlines()), 1, f"{server} sees {seen!r}")
        self.assertEqual(len(ports), len(held))
        self.assertIsNone(self.trace("nat", held[0][0], 1)["workers"][0]["session"])
        end()
        lab.wait_until("the end of the session", lambda: self.trace("nat", *held[0][:2])["workers"][0]["session"]["state"] == "closing")
