# SPDX-License-Identifier: Apache-2.0
"""Whole transfers, checked to the byte: every mode, both families, TCP and UDP, one worker and two.

The client is behind a router whose way takes 1,400 bytes, so that packets of either direction are refused there
and both ends must hear of it; in one direction through the balancer.
"""
import json

import lab
from peers import MODES, OVERLOAD, QUIC_PORT, VIP6, BACKENDS, PeersTest, backend_address6, configuration

WHOLE = 64 << 20
PART = 4 << 20


def counted(namespace, *names):
    """Sum of the kernel's counters with these names."""
    lines = lab.run(namespace, "nstat", "-asz", *names).stdout.splitlines()
    return sum(int(line.split()[1]) for line in lines if not line.startswith("#"))


def tag_counts():
    """Tags pushed before the balancer, and popped behind it; each hook has a map of its own."""
    maps = json.loads(lab.run("lb", "bpftool", "-j", "map", "dump", "name", "tag_counts").stdout)
    counts = [element["formatted"]["value"] for each in maps for element in each["elements"]]
    return sum(counts[0::2]), sum(counts[1::2])


class Matrix(PeersTest):
    def forget_paths(self):
        """What an earlier test taught both ends of the narrow way: they remember it for ten minutes."""
        for place in ("far", "client", "lb", *BACKENDS):
            for family in ("-4", "-6"):
                lab.run(place, "ip", family, "route", "flush", "cache")

    def transfers(self, where, size, modes):
        """Every cell of the matrix from one client."""
        for mode in modes:
            for family, vip in ((4, lab.VIP), (6, VIP6)):
                with self.subTest(mode=mode, family=family, client=where, protocol="tcp"):
                    made = self.client(where, "tcp", vip, MODES[mode], "--bytes", size)
                    print(f"{where} {mode} v{family}: {size >> 20} MiB up in {made['up_s']} s, down in {made['down_s']} s", flush=True)
                    self.assertIn(made["server"], BACKENDS)
                with self.subTest(mode=mode, family=family, client=where, protocol="udp"):
                    made = self.client(where, "udp", vip, MODES[mode])
                    self.assertEqual(len(made["servers"]), 1, "datagrams of one flow, whole and in fragments, have one backend")
                    self.assertLess(made["again"], 30)

    def matrix(self, workers):
        balancer = self.started(configuration(workers), workers)
        self.forget_paths()
        refused = counted("rt", "IpFragFails", "Ip6FragFails", "Icmp6OutPktTooBigs")
        self.transfers("far", WHOLE, [m for m in MODES if "crossed" not in m])
        self.assertGreater(counted("rt", "IpFragFails", "Ip6FragFails", "Icmp6OutPktTooBigs"), refused, "the narrow way refused nothing")
        self.transfers("far", PART, [m for m in MODES if "crossed" in m])
        self.transfers("client", PART, MODES)
        busy = [w for w in lab.ctl("workers")["workers"] if w["packets"] > 1000]
        self.assertEqual(len(busy), workers)
        balancer.balanced()
        self.assertEqual(set(self.drops()) - {"too_big", "no_nat_session"} - OVERLOAD, set())
        return balancer

    def test_every_transfer_is_intact_with_one_worker(self):
        self.matrix(1)

    def test_every_transfer_is_intact_with_two_workers(self):
        self.matrix(2)

    def test_tagged_frames_are_forwarded_with_their_tag(self):
        lab.run_script("vlan", "on")
        self.addCleanup(lab.run_script, "vlan", "off")
        balancer = self.started(configuration(1))
        self.transfers("client", PART, MODES)
        pushed, popped = tag_counts()
        self.assertGreater(pushed, 1000)
        self.assertGreater(popped, 1000)
        balancer.balanced()

    def test_a_quic_client_keeps_its_backend_whatever_port_it_comes_from(self):
        config = configuration(1, modes=["l2dsr"], quic_lb=[{"rotation": 2, "server_id_bytes": 4, "nonce_bytes": 4}])
        for family, vip in ((4, lab.VIP), (6, VIP6)):
            backends = [{"name": n, "address": backend_address6(n) if family == 6 else lab.backend_address(n), "server_id": f"0a0b0c{i:02x}"}
                        for i, n in enumerate(BACKENDS)]
            config["pools"].append({"name": f"quic-{family}", "forwarding": "ipip", "affinity": "quic_cid", "backends": backends,
                                    "encapsulation": {"source": lab.BALANCER, "source6": "2001:db8:a::1"}})
            config["services"].append({"name": f"quic-{family}", "address": vip, "port": QUIC_PORT, "protocol": "quic",
                                       "pool": f"quic-{family}"})
        self.started(config)
        for vip in (lab.VIP, VIP6):
            for i, name in enumerate(BACKENDS):
                made = self.client("client", "quic", vip, QUIC_PORT, "--cid", f"480a0b0c{i:02x}deadbeef", "--count", 20)
                self.assertEqual(made["servers"], [name])
