# SPDX-License-Identifier: Apache-2.0
"""Every checksum of 10,000 random packets in every mode is right, by scapy's arithmetic: `sluiced replay`, no network."""
import collections
import random
import struct
import sys
import unittest

import lab

sys.path.insert(0, str(lab.TOP / "tests/conformance"))
import katran  # noqa: E402 (its folder is known only now)

try:
    from scapy.utils import checksum
except ImportError:
    checksum = None

PACKETS = 10_000
VIP, VIP6 = bytes([203, 0, 113, 10]), bytes.fromhex("20010db8000f00000000000000000010")
REAL, REAL6 = "10.0.1.11", "2001:db8:a::1:b"
NAT, NAT6 = "10.0.0.2", "2001:db8:a::2"
SERVED = {6: 80, 17: 53}
GUE = 6080


def l4_sum(source, destination, protocol, segment):
    """What the checksum field of a segment with 0 in it has to hold."""
    return checksum(source + destination + struct.pack("!IBBBB", len(segment), 0, 0, 0, protocol) + segment)


def ip(source, destination, protocol, payload, rng):
    """An IP packet, with a right header checksum."""
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28 | rng.getrandbits(28), len(payload), protocol, rng.randrange(2, 256)) + source + destination + payload
    options = bytes([1]) * (4 * rng.randrange(1, 11)) if rng.random() < 0.05 else b""
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, rng.getrandbits(8), 20 + len(options) + len(payload),
                         rng.getrandbits(16), rng.choice((0, 0x4000)), rng.randrange(2, 256), protocol, 0) + source + destination + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def segment(source, destination, protocol, ports, rng, flags=None):
    """TCP or UDP with a right checksum; UDP over IPv4 sometimes without one."""
    payload = rng.randbytes(rng.randrange(0, 300 if rng.random() < 0.9 else 1300))
    if protocol == 6:
        flags = rng.choice((0x02, 0x10, 0x18, 0x11)) if flags is None else flags
        head = struct.pack("!HHIIBBHHH", *ports, rng.getrandbits(32), rng.getrandbits(32), 0x50, flags, rng.getrandbits(16), 0, 0)
        whole = head + payload
        return whole[:16] + struct.pack("!H", l4_sum(source, destination, 6, whole)) + whole[18:]
    whole = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    if len(source) == 4 and rng.random() < 0.1:
        return whole
    return whole[:6] + struct.pack("!H", l4_sum(source, destination, 17, whole) or 0xFFFF) + whole[8:]


def icmp(source, destination, kind, body):
    if len(source) == 4:
        whole = kind + b"\0\0" + body
        return 1, whole[:2] + struct.pack("!H", checksum(whole)) + whole[4:]
    whole = kind + b"\0\0" + body
    return 58, whole[:2] + struct.pack("!H", l4_sum(source, destination, 58, whole)) + whole[4:]


def frame(packet, rng):
    tags = b"".join(struct.pack("!HH", 0x8100, rng.randrange(1, 4095)) for _ in range(rng.choice((0, 0, 0, 0, 1, 2))))
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return bytes.fromhex("020000000001020000000902") + tags + kind + packet


def random_packet(v6, rng):
    """From a client to the service: mostly TCP and UDP, some echo requests and errors about the service's answers."""
    vip = VIP6 if v6 else VIP
    client = (bytes.fromhex("20010db8000b0000") + rng.randbytes(8)) if v6 else bytes([198, 51, rng.randrange(256), rng.randrange(1, 255)])
    protocol = rng.choice((6, 6, 17))
    ports = rng.randrange(1024, 65536), SERVED[protocol]
    kind = rng.random()
    if kind < 0.9:
        return ip(client, vip, protocol, segment(client, vip, protocol, ports, rng, flags=2 if protocol == 6 and kind < 0.5 else None), rng)
    if kind < 0.95:
        return ip(client, vip, *icmp(client, vip, b"\x80\0" if v6 else b"\x08\0", rng.randbytes(4 + rng.randrange(200))), rng)
    quoted = ip(vip, client, protocol, segment(vip, client, protocol, ports[::-1], rng), rng)
    code = b"\x02\0" if v6 else b"\x03\x04"
    return ip(client, vip, *icmp(client, vip, code, struct.pack("!I", 1400) + quoted[:rng.randrange(48 if v6 else 68, 500)]), rng)


def parts(packet):
    """(source, destination, protocol, payload) of an IP packet; raises when a length lies."""
    if packet[0] >> 4 == 4:
        header, total = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        assert total <= len(packet), "IPv4 total length"
        return packet[12:16], packet[16:20], packet[9], packet[header:total]
    total = 40 + struct.unpack("!H", packet[4:6])[0]
    assert total <= len(packet), "IPv6 payload length"
    return packet[8:24], packet[24:40], packet[6], packet[40:total]


def wrong_checksums(packet, seen):
    """Names of the checksums of an IP packet, and of those inside it, that are wrong; counts all in `seen`."""
    wrong = []

    def see(name, right):
        seen[name] += 1
        if not right:
            wrong.append(name)

    if packet[0] >> 4 == 4:
        see("IPv4", checksum(packet[:(packet[0] & 15) * 4]) == 0)
    source, destination, protocol, payload = parts(packet)
    if protocol in (4, 41):
        return wrong + wrong_checksums(payload, seen)
    if protocol == 1:
        see("ICMP", checksum(payload) == 0)
    elif protocol == 17 and payload[6:8] == b"\0\0":
        see("UDP without", len(source) == 4)
    else:
        see({6: "TCP", 17: "UDP", 58: "ICMPv6"}[protocol], l4_sum(source, destination, protocol, payload) == 0)
    if protocol == 17 and struct.unpack("!H", payload[2:4])[0] == GUE:
        return wrong + wrong_checksums(payload[8 if payload[8] >> 6 == 1 else 12:], seen)
    return wrong


def packet_of(sent):
    at = 12
    while sent[at:at + 2] == b"\x81\x00":
        at += 4
    return sent[at + 2:]


def configuration(forwarding, v6_backend, v6_service, **more):
    real = REAL6 if v6_backend else REAL
    pool = {"name": "p", "forwarding": forwarding, "backends": [{"name": "b", "address": real}], **more}
    address = "2001:db8:f::10" if v6_service else "203.0.113.10"
    return {"ports": [{"name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01", "mtu": 9000}],
            "neighbours": [{"address": real, "mac": "02:00:00:00:01:0b", "port": "front"}],
            "services": [{"name": name, "address": address, "port": SERVED[p], "protocol": name, "pool": "p"}
                         for name, p in (("tcp", 6), ("udp", 17))], "pools": [pool]}


@unittest.skipIf(checksum is None, "needs python3-scapy")
class Checksums(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rng = random.Random(11)
        cls.given = {v6: [frame(random_packet(v6, rng), rng) for _ in range(PACKETS)] for v6 in (False, True)}
        cls.place = lab.HERE / "checksums"
        cls.place.mkdir(exist_ok=True)

    def right(self, config, frames, forwarded=0.8):
        """Replays, and finds no wrong checksum in what is sent. Returns what each packet became."""
        became = katran.replay(lab.SLUICED, config, frames, self.place)
        seen, sent = collections.Counter(), 0
        for i, (verdict, out) in enumerate(became):
            if out is None:
                continue
            sent += 1
            wrong = wrong_checksums(packet_of(out), seen)
            self.assertEqual(wrong, [], f"packet {i}, {verdict}:\n  given {frames[i].hex()}\n  sent  {out.hex()}")
        verdicts = collections.Counter((v["verdict"], v.get("reason", "")) for v, _ in became)
        self.assertGreater(sent, forwarded * len(frames), verdicts)
        for name in ("TCP", "UDP"):
            self.assertGreater(seen[name], len(frames) // 10, seen)
        return became

    def test_the_packets_themselves_and_the_judge_are_sound(self):
        for v6, frames in self.given.items():
            seen = collections.Counter()
            for one in frames:
                self.assertEqual(wrong_checksums(packet_of(one), seen), [])
            self.assertGreater(min(seen.values()), 100, seen)
            damaged = bytearray(packet_of(frames[0]))
            damaged[-1] ^= 1
            self.assertNotEqual(wrong_checksums(bytes(damaged), seen), [])

    def test_every_tunnel_of_either_family_in_either(self):
        tunnels = [("ipip", {}), ("gue", {"variant": 1}), ("gue", {"variant": 0}), ("l2dsr", None)]
        for forwarding, more in tunnels:
            for v6_service in (False, True):
                for v6_backend in (False, True):
                    if forwarding == "l2dsr" and v6_backend != v6_service:
                        continue
                    encapsulation = {} if more is None else {"encapsulation": {"source": "10.0.0.1", "source6": "2001:db8:a::1", **more}}
                    with self.subTest(forwarding, more=more, service=6 if v6_service else 4, backend=6 if v6_backend else 4):
                        self.right(configuration(forwarding, v6_backend, v6_service, **encapsulation), self.given[v6_service])

    def test_nat_of_both_families_and_both_directions(self):
        for v6 in (False, True):
            with self.subTest(family=6 if v6 else 4):
                config = configuration("nat", v6, v6, nat={"sources": [NAT6 if v6 else NAT]})
                config["pools"][0]["backends"][0]["port"] = 8080
                config["neighbours"].append({"address": NAT6 if v6 else NAT, "mac": "02:00:00:00:01:0c", "port": "front"})
                there = self.given[v6]
                became = self.right(config, there, forwarded=0.6)
                back, rng = [], random.Random(12)
                for verdict, out in became:
                    if verdict["verdict"] != "forward":
                        continue
                    source, destination, protocol, payload = parts(packet_of(out))
                    if protocol in SERVED:
                        ports = struct.unpack("!HH", payload[:4])[::-1]
                        self.assertEqual(ports[0], 8080)
                        answer = segment(destination, source, protocol, ports, rng, flags=0x12 if protocol == 6 else None)
                        back.append(frame(ip(destination, source, protocol, answer, rng), rng))
                both = self.right(config, there + back)
                returned = [parts(packet_of(out)) for verdict, out in both[len(there):] if verdict["verdict"] == "forward"]
                self.assertGreater(len(returned), 0.95 * len(back))
                for source, _, protocol, payload in returned:
                    self.assertEqual((source, struct.unpack("!H", payload[:2])[0]), (VIP6 if v6 else VIP, SERVED[protocol]))
