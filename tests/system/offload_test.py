# SPDX-License-Identifier: Apache-2.0
"""Checksums on the wire, made by a device and in software, by scapy's arithmetic.

The device is net_tap, which offers to: frames go in and out by its interface.
"""
import collections
import os
import random
import re
import socket
import unittest

import checksums_test as checksums
import lab
from case import LabTest

PACKETS = 1000
INTERFACE = "dtap0"  # what net_tap calls it
MAC = bytes.fromhex("020000000001")
OUTER, OUTER6 = "10.0.1.11", "2001:db8:a::1:b"


class Wire:
    """Raw frames of an interface in the balancer's namespace, from a process of its own there."""

    PROGRAM = """
import select, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
s.bind((sys.argv[1], 0))
wanted = bytes.fromhex(sys.argv[2])  # source address of the frames to keep
frames = [bytes.fromhex(line) for line in sys.stdin]
got, sent = [], 0
while len(got) < len(frames):
    if sent < len(frames) and sent - len(got) < 64:
        s.send(frames[sent])
        sent += 1
    elif not select.select([s], [], [], 5)[0]:
        break
    while select.select([s], [], [], 0)[0]:
        frame = s.recv(65536)
        if frame[6:12] == wanted:
            got.append(frame)
for frame in got:
    print(frame.hex())
"""

    @classmethod
    def exchange(cls, interface, frames):
        done = lab.run("lb", "/usr/bin/python3", "-c", cls.PROGRAM, interface, MAC.hex(),
                       input="\n".join(frame.hex() for frame in frames), timeout=120)
        return [bytes.fromhex(line) for line in done.stdout.split()]


@unittest.skipIf(checksums.checksum is None, "needs python3-scapy")
class Offload(LabTest):
    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("the kernel has no TAP devices")

    def pools(self, variant):
        """One pool of either outer family, for services of either inner one."""
        made = []
        for name, address, source in (("four", OUTER, {"source": "10.0.0.1"}), ("six", OUTER6, {"source": "2001:db8:a::1"})):
            made.append({"name": name, "forwarding": "gue", "encapsulation": {**source, "variant": variant, "port": checksums.GUE},
                         "backends": [{"name": "gpu-1", "address": address}]})
        return made

    def services(self):
        """TCP goes to the pool of outer IPv4, UDP to that of outer IPv6: both families in each."""
        made = []
        for number, vip in enumerate((checksums.VIP, checksums.VIP6)):
            text = socket.inet_ntop(socket.AF_INET if len(vip) == 4 else socket.AF_INET6, vip)
            made.append({"name": f"tcp{number}", "address": text, "port": 80, "protocol": "tcp", "pool": "four"})
            made.append({"name": f"udp{number}", "address": text, "port": 53, "protocol": "udp", "pool": "six"})
        return made

    def frames(self, seed):
        """From a client, with right checksums; none that is answered by the node itself."""
        rng = random.Random(seed)
        made = []
        while len(made) < PACKETS:
            frame = checksums.frame(checksums.random_packet(rng.random() < 0.5, rng), rng)
            if self.l4_of(frame) in (6, 17):
                made.append(MAC + frame[6:])
        return made

    @staticmethod
    def ip_of(frame):
        at = 12
        while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        return frame[at + 2:]

    def l4_of(self, frame):
        packet = self.ip_of(frame)
        return packet[9] if packet[0] >> 4 == 4 else packet[6]

    def judged(self, offload, variant):
        port = {"name": "front", "device": "net_tap0", "mac": "02:00:00:00:00:01", "mtu": 1500, "queues": 1, "offload": offload}
        neighbours = [{"address": address, "mac": "02:00:00:00:01:11", "port": "front"} for address in (OUTER, OUTER6)]
        balancer = self.balancer(ports=[port], neighbours=neighbours, services=self.services(), pools=self.pools(variant))
        made_by = re.search(r"checksums port=front made_by=(\w+)", balancer.log.read_text())
        frames = self.frames(variant)
        got = Wire.exchange(INTERFACE, frames)
        self.assertEqual(len(got), len(frames))
        seen, wrong = collections.Counter(), []
        for frame in got:
            packet = self.ip_of(frame)
            self.assertEqual(checksums.parts(packet)[2], 17)  # every one in gue
            wrong += checksums.wrong_checksums(packet, seen)
        balancer.balanced()
        self.end(balancer)
        balancer.log.unlink()  # the next one writes to the same
        self.assertEqual(wrong, [])
        self.assertGreater(seen["UDP"], PACKETS)  # the outer ones, and those of UDP inside
        self.assertGreater(seen["TCP"], 100)
        return made_by[1] if made_by else None, got

    def test_they_are_right_and_the_same_whoever_makes_them(self):
        for variant in (0, 1):
            with self.subTest(variant=variant):
                by_device, with_offload = self.judged("auto", variant)
                by_software, without = self.judged("off", variant)
                self.assertEqual((by_device, by_software), ("device", None))
                differ = set(with_offload) ^ set(without)
                self.assertEqual(len(differ), 0, "\n".join(sorted(frame.hex() for frame in differ)[:4]))

    def test_a_device_that_checks_spares_nobody_a_wrong_one(self):
        port = {"name": "front", "device": "net_tap0", "mac": "02:00:00:00:00:01", "mtu": 1500, "queues": 1}
        neighbours = [{"address": address, "mac": "02:00:00:00:01:11", "port": "front"} for address in (OUTER, OUTER6)]
        balancer = self.balancer(ports=[port], neighbours=neighbours, services=self.services(), pools=self.pools(1),
                                 protection={"bad_checksum": True})
        self.assertRegex(balancer.log.read_text(), "checked_by=device")
        good = self.frames(7)[:50]  # fewer than may be under way
        bad = [frame[:-1] + bytes([frame[-1] ^ 0xFF]) for frame in good if self.has_sum(frame)]
        got = Wire.exchange(INTERFACE, [frame for pair in zip(good, bad) for frame in pair])
        self.assertEqual(len(got), min(len(good), len(bad)))
        drops = {d["reason"]: d["packets"] for d in lab.ctl("drops")["drops"]}
        self.assertEqual(drops["bad_checksum"], min(len(good), len(bad)))

    def has_sum(self, frame):
        """It has a checksum over its last byte."""
        packet = self.ip_of(frame)
        _, _, protocol, payload = checksums.parts(packet)
        return protocol == 6 or payload[6:8] != b"\0\0"
