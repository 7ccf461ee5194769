# SPDX-License-Identifier: Apache-2.0
"""`sluiced replay` on a capture of 100,000 packets, good, bad and none of ours, as an ordinary user."""
import collections
import hashlib
import json
import random
import struct
import subprocess

import lab
from case import EQUAL, NOBODY, LabTest

PACKETS = 100_000
VIP = bytes([203, 0, 113, 10])


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(rng):
    """One frame: for the service, for another port or address, of another kind, fragmented, lying or cut short."""
    kind = rng.random()
    protocol = 6 if kind < 0.85 else 17
    source = bytes([198, 51, rng.randrange(256), rng.randrange(1, 255)])
    destination = VIP if kind < 0.9 else bytes([192, 0, 2, rng.randrange(256)])
    port = 80 if rng.random() < 0.95 else rng.randrange(1, 65536)
    payload = bytes(rng.randrange(0, 64))
    if protocol == 6:
        l4 = struct.pack("!HHIIBBHHH", rng.randrange(1024, 65536), port, rng.getrandbits(32), 0, 0x50,
                         rng.choice((0x02, 0x10, 0x18, 0x11, 0x04)), 8192, 0, 0) + payload
    else:
        l4 = struct.pack("!HHHH", rng.randrange(1024, 65536), port, 8 + len(payload), 0) + payload
    fragment = 0x2000 if rng.random() < 0.01 else rng.randrange(1, 100) if rng.random() < 0.01 else 0x4000
    ttl = 1 if rng.random() < 0.01 else 64
    length = 20 + len(l4) + (rng.randrange(1, 2000) if rng.random() < 0.01 else 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, length, rng.getrandbits(16), fragment, ttl, protocol, 0) + source + destination
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tag = b"\x81\x00" + struct.pack("!H", rng.randrange(1, 4095)) if rng.random() < 0.1 else b""
    kind_of_frame = b"\x08\x00" if rng.random() < 0.98 else rng.choice((b"\x08\x06", b"\x86\xdd", b"\x88\xcc"))
    whole = bytes.fromhex("020000000001020000000902") + tag + kind_of_frame + ip + l4
    return whole if rng.random() < 0.98 else whole[: rng.randrange(1, len(whole))]


def write_capture(path, packets, seed=1):
    rng = random.Random(seed)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(packets):
            data = frame(rng)
            file.write(struct.pack("<IIII", 1_700_000_000 + i // 10_000, i % 10_000 * 100, len(data), len(data)) + data)


def frames(path):
    """The frames of a pcap file of either byte order."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at < len(data):
        captured = struct.unpack_from(order + "I", data, at + 8)[0]
        yield data[at + 16: at + 16 + captured]
        at += 16 + captured


class Replay(LabTest):
    def setUp(self):
        super().setUp()
        self.place = lab.HERE / "replay"
        self.place.mkdir(exist_ok=True)
        subprocess.run(["chown", "65534:65534", self.place], check=True)
        subprocess.run(["install", "-m755", lab.SLUICED, self.place / "sluiced"], check=True)
        config = lab.configuration(EQUAL)
        config["neighbours"] = [{"address": lab.backend_address(n), "mac": f"02:00:00:00:01:{i:02x}", "port": "front"}
                                for i, n in enumerate(EQUAL, 11)]
        (self.place / "sluice.json").write_text(json.dumps(config))

    def replay(self, capture, name, check=True):
        """Runs it as nobody: (finished process, output capture, verdicts)."""
        out, verdicts = self.place / f"{name}.pcap", self.place / f"{name}.jsonl"
        done = lab.run("lb", *NOBODY, self.place / "sluiced", "replay", "--config", self.place / "sluice.json", "--in", capture,
                       "--out", out, "--verdicts", verdicts, check=check, timeout=120, cwd=self.place)
        return done, out, verdicts

    def test_a_hundred_thousand_packets_balance_and_give_the_same_bytes_twice(self):
        capture = self.place / "in.pcap"
        write_capture(capture, PACKETS)
        _, out, verdicts = self.replay(capture, "first")
        lines = [json.loads(line) for line in verdicts.read_text().splitlines()]
        self.assertEqual([line["index"] for line in lines], list(range(PACKETS)))
        count = collections.Counter(line["verdict"] for line in lines)
        print(dict(count), dict(collections.Counter(line["reason"] for line in lines)))
        self.assertEqual(sum(count.values()), PACKETS)
        self.assertLessEqual(set(count), {"forward", "host", "answer", "drop"})
        self.assertEqual(sum(1 for _ in frames(out)), count["forward"] + count["answer"])
        self.assertGreater(count["forward"], PACKETS * 0.6)
        self.assertGreater(count["host"], PACKETS * 0.05)
        self.assertGreater(count["drop"], 0)
        for line in lines:
            if line["verdict"] == "drop":
                self.assertTrue(line["reason"], line)
        served = collections.Counter(line["backend"] for line in lines if line["verdict"] == "forward")
        for name in EQUAL:
            self.assertAlmostEqual(served[name] / count["forward"], 0.1, delta=0.01)

        _, out2, verdicts2 = self.replay(capture, "second")
        for a, b in ((out, out2), (verdicts, verdicts2)):
            self.assertEqual(hashlib.sha256(a.read_bytes()).digest(), hashlib.sha256(b.read_bytes()).digest(), a.name)

    def test_what_is_sent_is_the_packet_in_a_tunnel_to_the_backend_that_the_verdict_names(self):
        capture = self.place / "in-few.pcap"
        write_capture(capture, 500, seed=2)
        _, out, verdicts = self.replay(capture, "few")
        given = list(frames(capture))
        told = [line for line in map(json.loads, verdicts.read_text().splitlines()) if line["verdict"] in ("forward", "answer")]
        for line, sent in zip(told, frames(out), strict=True):
            if line["verdict"] == "answer":
                self.assertEqual(sent[:6], given[line["index"]][6:12], "back to whom it came from")
                continue
            tagged = 4 if given[line["index"]][12:14] == b"\x81\x00" else 0
            at = 14 + (4 if sent[12:14] == b"\x81\x00" else 0)
            self.assertEqual(sent[at + 9], 4)
            self.assertEqual(checksum(sent[at: at + 20]), 0)
            self.assertEqual(".".join(map(str, sent[at + 16: at + 20])), lab.backend_address(line["backend"]))
            inner, original = sent[at + 20:], given[line["index"]][14 + tagged:]
            self.assertEqual(inner[12:20], original[12:20])
            self.assertEqual(inner[8], original[8] - 1)  # TTL
            self.assertEqual(checksum(inner[:20]), 0)

    def test_a_capture_that_is_not_there_or_cut_short_is_named(self):
        done, _, _ = self.replay(self.place / "nothing.pcap", "none", check=False)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("nothing.pcap", done.stderr)
        short = self.place / "in-short.pcap"
        write_capture(short, 100)
        short.write_bytes(short.read_bytes()[:-7])
        done, _, verdicts = self.replay(short, "short", check=False)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("in-short.pcap", done.stderr)
        self.assertEqual(len(verdicts.read_text().splitlines()), 99)
