# SPDX-License-Identifier: Apache-2.0
"""`sluicectl capture` on real traffic, its file read by scapy."""
import contextlib
import json
import logging
import signal
import struct
import subprocess
import time
import unittest

import lab
from case import LabTest

try:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.utils import RawPcapNgReader
except ImportError:
    RawPcapNgReader = None

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it warns of comments; see records()


@unittest.skipIf(RawPcapNgReader is None, "needs python3-scapy")
class Capture(LabTest):
    REQUESTS = 50

    def capture(self, *options, traffic):
        """Runs a capture around `traffic()`; returns its summary and the records: (interface, comment, bytes)."""
        file = lab.HERE / "tmp/capture.pcapng"
        process = subprocess.Popen(
            lab.inside("lb", lab.SLUICECTL, "--socket", lab.SOCKET, "--json", "capture", "--out", file, *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lab.wait_until("the capture's start", lambda: any(
            e["event"] == "started" and e["component"] == "capture" for e in lab.ctl("events")["events"]))
        traffic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, err)
        return json.loads(out), self.records(file)

    def records(self, file):
        """Of each packet its interface and comment, read here, and its bytes, read by scapy."""
        blocks, names, told, packets = file.read_bytes(), [], [], []
        while blocks:
            kind, length = struct.unpack_from("<II", blocks)
            if kind == 1:  # its first option is the name
                code, size = struct.unpack_from("<HH", blocks, 16)
                self.assertEqual(code, 2)
                names.append(blocks[20:20 + size].decode())
            elif kind == 6:  # its first option is the comment, which scapy 2.5 takes only with a line feed
                interface, captured = struct.unpack_from("<I8xI", blocks, 8)
                at = 28 + (captured + 3) // 4 * 4
                code, size = struct.unpack_from("<HH", blocks, at)
                self.assertEqual(code, 1)
                told.append((names[interface], blocks[at + 4:at + 4 + size].decode()))
            blocks = blocks[length:]
        self.assertEqual(names, ["before", "after"])
        with contextlib.closing(RawPcapNgReader(str(file))) as reader:
            for data, about in reader:
                self.assertAlmostEqual((about.tshigh << 32 | about.tslow) / about.tsresol, time.time(), delta=300)
                self.assertGreaterEqual(about.wirelen, len(data))
                packets.append(data)
        self.assertEqual(len(packets), len(told))
        return [(*words, data) for words, data in zip(told, packets)]

    def test_every_packet_of_real_requests_is_there_before_and_after(self):
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100})
        summary, records = self.capture("--service", "chat", traffic=lambda: self.serve(self.REQUESTS))
        books = balancer.balanced()
        self.assertEqual(books["drop"], 0)
        before = [(comment, Ether(data)) for name, comment, data in records if name == "before"]
        after = [(comment, Ether(data)) for name, comment, data in records if name == "after"]
        self.assertEqual(summary["lost"], 0)
        self.assertEqual(summary["packets"], lab.ctl("services")["services"][0]["packets"])
        self.assertEqual(len(before), summary["packets"])
        self.assertEqual(len(after), summary["packets"])
        opened = [p for _, p in before if p[TCP].flags == "S"]
        self.assertEqual(len({p[TCP].sport for p in opened}), self.REQUESTS)
        for (said, packet), (said_too, sent) in zip(before, after):
            self.assertEqual(said, said_too)
            self.assertRegex(said, r"^forward service=chat backend=\w+/gpu-[12] port=\w+ worker=\d+$")
            self.assertEqual(packet[IP].dst, lab.VIP)
            self.assertEqual(sent[IP].proto, 4)
            self.assertEqual(sent[IP].dst, lab.backend_address(said.split("backend=")[1].split()[0].split("/")[1]))
            self.assertEqual(sent[IP].payload[IP].src, packet[IP].src)
            self.assertEqual(bytes(sent[IP].payload[TCP]), bytes(packet[TCP]))
        # libpcap, which tcpdump and replay read with, takes both interfaces as one.
        place = lab.HERE / "tmp"
        replayed = lab.run("lb", lab.SLUICED, "replay", "--config", balancer.file, "--in", place / "capture.pcapng",
                           "--out", place / "replayed.pcap", "--verdicts", place / "verdicts")
        self.assertIn(f"rx {2 * summary['packets']} = ", replayed.stdout)

    def test_filters_choose_what_is_captured(self):
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100})
        pool = balancer.config["pools"][0]["name"]
        summary, records = self.capture("--backend", f"{pool}/gpu-2", traffic=lambda: self.serve(self.REQUESTS))
        self.assertGreater(summary["packets"], 0)
        self.assertEqual({comment.split("backend=")[1].split()[0] for _, comment, _ in records}, {f"{pool}/gpu-2"})
        self.assertLess(summary["packets"], lab.ctl("services")["services"][0]["packets"])
        balancer.balanced()
