# SPDX-License-Identifier: Apache-2.0
"""Packets in, verdicts and packets out, of Katran's own tests, through `sluiced replay`.

Reads a directory with case files (*.jsonl, one case a line) and one *_config.json, whose README tells every
field. Each suite becomes one configuration and one capture: a suite's cases share the flow table, in order.
docs/design/conformance.md says what we decide otherwise, and why; DECIDED is the same table.
"""
import collections
import ipaddress
import json
import pathlib
import struct
import subprocess

FEATURES = {"source_prefix_routing", "icmp_toobig_generation"}  # of those that a case may require, what we have
FOREIGN = ("katran_protocol", "stale_fixture")
UNTOUCHED = ("pass_non_vip", "decap_not_for_us_pass")
NEEDLESS = ("gue_decap_stats-03",)  # its suite has the feature that it requires, and the packet no tunnel
NEXT_HOP_PORT = "front"

# Policy, or the id of one case: (what becomes of the packet with us, what else is compared, why).
Decision = collections.namedtuple("Decision", "action compared reason")
DECIDED = {
    "drop_ipv4_options": Decision("TX", "nothing", "a packet with IPv4 options is a packet: the options are the backend's to judge"),
    "drop_fragments": Decision("TX", "nothing", "fragments follow their first fragment or an L3 hash: never a drop"),
    "drop_oversize_frame": Decision("TX", "nothing", "the egress MTU judges, and the sender is told what fits"),
    "icmp_toobig_generation": Decision("TX", "nothing", "the MTU that is told is what the way to the backend holds, and more of the packet is quoted"),
    "base-14": Decision("PASS", "nothing", "its fragment header names protocol 122, of which there is no service"),
    "gue-12": Decision("PASS", "nothing", "its fragment header names protocol 122, of which there is no service"),
    "prefix_vip": Decision("PASS", "nothing", "a service has one address, which one look-up finds in the filter and in a worker: the rest of a prefix is Linux's"),
    "decap_pass_to_host": Decision("PASS", "nothing", "we are no tunnel's end: Linux gets the packet as it came, and takes the tunnel off itself"),
    "decap_drop_inner_ttl_expired": Decision("PASS", "nothing", "likewise, Linux judges what is inside its own tunnel"),
    "hash_dst_port_only": Decision("TX", "frame", "no affinity by destination port alone: one port would be one backend"),
}


class Mismatch(Exception):
    """A case that went otherwise; the text says what and where."""


def load(directory):
    """(common settings and suites, cases by suite in order)."""
    directory = pathlib.Path(directory)
    configs = sorted(directory.glob("*_config.json"))
    if len(configs) != 1:
        raise ValueError(f"{directory}: one *_config.json is wanted, there are {len(configs)}")
    suites = collections.defaultdict(list)
    for file in sorted(directory.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            case = json.loads(line)
            suites[case["suite"]].append(case)
    for cases in suites.values():
        cases.sort(key=lambda case: case["seq"])
    return json.loads(configs[0].read_text()), dict(suites)


def skipped(case):
    """Why the case is not run; None when it is."""
    if case["portability"] in FOREIGN:
        return case["portability"]
    lacking = sorted(set(case["requires"]) - FEATURES)
    # What we decided otherwise, and what nobody does anything with, shows without the feature.
    if not lacking or decision(case) or case["policy"] in UNTOUCHED or case["id"] in NEEDLESS:
        return None
    return f"requires {' '.join(lacking)}"


def decision(case):
    return DECIDED.get(case["id"]) or DECIDED.get(case["policy"])


class Suite:
    """One suite: its configuration, and who is who in it."""

    def __init__(self, common, config, encap, mtu=1500):
        self.common, self.config, self.encap, self.mtu = common, config, encap, mtu
        self.address_of = {}  # backend's name -> address
        self.pools = []

    def pool(self, name, reals, down=()):
        backends = []
        for real in reals:
            backend = f"{name}-real-{len(backends)}"
            self.address_of[backend] = real
            backends.append({"name": backend, "address": real, "weight": 0 if real in down else 100})
        settings = {"name": name, "forwarding": self.encap, "policy": "maglev", "affinity": "5tuple",
                    "decrement_ttl": False, "backends": backends}
        if self.encap == "gue":
            gue = self.common["gue"]
            settings["encapsulation"] = {"source": gue["outer_src_ipv4"], "source6": gue["outer_src_ipv6"],
                                         "variant": gue["variant"], "port": gue["udp_dport"]}
        else:
            settings["encapsulation"] = {"source": "172.16.0.1", "source6": "100::1"}
        self.pools.append(settings)
        return name

    def shards(self, vip, name):
        """A pool of one for each source prefix that has a backend of its own."""
        family = ipaddress.ip_address(vip["address"]).version
        routes = self.config.get("src_routes", []) if "src_routing" in vip["flags"] else []
        return [{"source": route["prefix"], "pool": self.pool(f"{name}-source-{i}", [route["real"]])}
                for i, route in enumerate(routes) if ipaddress.ip_network(route["prefix"]).version == family]

    def configuration(self):
        services, neighbours = [], {}
        for i, vip in enumerate(self.config["vips"]):
            if "prefix_len" in vip:
                continue  # see DECIDED
            down = {d["real"] for d in self.config.get("down_reals", [])
                    if d["vip"] == [vip["address"], vip["port"], vip["proto"]]}
            name = f"vip-{i}"
            service = {"name": name, "address": vip["address"], "port": vip["port"], "protocol": vip["proto"],
                       "pool": self.pool(name, vip["reals"], down)}
            shards = self.shards(vip, name)
            services.append({**service, "shards": shards} if shards else service)
        for pool in self.pools:
            for backend in pool["backends"]:
                neighbours[backend["address"]] = {"address": backend["address"], "mac": self.common["next_hop_mac"],
                                                  "port": NEXT_HOP_PORT}
        return {
            "node": "conformance",
            "ports": [{"name": NEXT_HOP_PORT, "device": "net_null0", "mac": "02:00:00:00:00:00", "mtu": self.mtu}],
            "neighbours": list(neighbours.values()), "services": services, "pools": self.pools,
        }


def write_capture(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            file.write(struct.pack("<IIII", 1_700_000_000, i, len(frame), len(frame)) + frame)


def read_capture(path):
    data, at = pathlib.Path(path).read_bytes(), 24
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    while at < len(data):
        length = struct.unpack_from(order + "I", data, at + 8)[0]
        yield data[at + 16: at + 16 + length]
        at += 16 + length


def replay(sluiced, configuration, frames, place):
    """[(verdict object, frame that was sent or None)], one for each frame."""
    place = pathlib.Path(place)
    (place / "sluice.json").write_text(json.dumps(configuration, indent=1))
    write_capture(place / "in.pcap", frames)
    done = subprocess.run([sluiced, "replay", "--config", place / "sluice.json", "--in", place / "in.pcap",
                           "--out", place / "out.pcap", "--verdicts", place / "verdicts.jsonl"],
                          capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
        raise Mismatch(f"sluiced replay: exit {done.returncode}: {' / '.join(said)}")
    verdicts = [json.loads(line) for line in (place / "verdicts.jsonl").read_text(errors="replace").splitlines()]
    if len(verdicts) != len(frames):
        raise Mismatch(f"{len(frames)} packets, {len(verdicts)} verdicts")
    sent = read_capture(place / "out.pcap")
    return [(verdict, next(sent) if verdict["verdict"] in ("forward", "answer") else None) for verdict in verdicts]


ACTION = {"forward": "TX", "answer": "TX", "host": "PASS", "drop": "DROP"}


def masked(frame, case):
    frame = bytearray(frame)
    for part in case["mask"]:
        frame[part["offset"]: part["offset"] + part["length"]] = bytes(part["length"])
    return bytes(frame)


def internet_sum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def check_outer_checksums(frame):
    """Of the outer IP header, and of the UDP header behind it."""
    if frame[14] >> 4 == 4:
        header, pseudo = frame[14:34], frame[26:34]
        if internet_sum(header) != 0xFFFF:
            raise Mismatch(f"outer IPv4 header checksum is wrong: {header.hex()}")
        protocol, payload, may_be_zero = frame[23], frame[34:], True
    else:
        pseudo, protocol, payload, may_be_zero = frame[22:54], frame[20], frame[54:], False
    if protocol != 17:
        return
    if payload[6:8] == b"\0\0" and may_be_zero:
        return
    whole = pseudo + struct.pack("!HH", 17, len(payload)) + payload
    if internet_sum(whole) != 0xFFFF:
        raise Mismatch(f"outer UDP checksum is wrong: {payload[:8].hex()}")


def inner(frame):
    """What an untagged frame carries behind the outer header, and behind the UDP header of GUE variant 1."""
    v4 = frame[14] >> 4 == 4
    return frame[34 if v4 else 54:][8 if frame[23 if v4 else 20] == 17 else 0:]


def judge(case, verdict, sent, suite, backends):
    """Compares one case; `backends`: where earlier cases went, by id; grows."""
    decided = decision(case)
    wanted = decided.action if decided else case["expected_action"]
    if ACTION[verdict["verdict"]] != wanted:
        raise Mismatch(f"{wanted} is wanted, the verdict is {verdict['verdict']} ({verdict.get('reason', '')})")
    compared = decided.compared if decided else "all"
    if verdict["verdict"] == "forward":
        went = suite.address_of.get(verdict["backend"])
        if went is None:
            raise Mismatch(f"the verdict names a backend that is not there: {verdict['backend']!r}")
        backends[case["id"]] = went
        if case["backend"] and compared != "nothing":
            if went not in case["backend"]["candidates"]:
                raise Mismatch(f"went to {went}, candidates are {', '.join(case['backend']['candidates'])}")
            same = case["same_backend_as"]
            if same and compared == "all" and backends.get(same) != went:
                raise Mismatch(f"went to {went}, {same} to {backends.get(same)}")
    if wanted == "TX" and compared != "nothing":
        expected = bytes.fromhex(case["expected_output_hex"])
        if sent[12:14] == expected[12:14]:
            given, expected = masked(sent, case), masked(expected, case)
        else:  # a candidate of the other family: the outer header cannot be compared, what it carries can
            given, expected = inner(sent), inner(expected)
        if given != expected:
            at = next((i for i, (a, b) in enumerate(zip(given, expected)) if a != b), min(len(given), len(expected)))
            raise Mismatch(f"byte {at} of {len(given)} (expected {len(expected)}) differs:\n"
                           f"    sent     {given.hex()}\n    expected {expected.hex()}")
        if verdict["verdict"] == "forward":
            check_outer_checksums(sent)


def run(sluiced, directory, place):
    """Runs every suite. Returns (ids that passed, {id: what went otherwise}, {id: why it was skipped})."""
    config, suites = load(directory)
    passed, failed, left_out = [], {}, {}
    for cases in suites.values():
        left_out |= {case["id"]: why for case in cases if (why := skipped(case))}
        cases = [case for case in cases if not skipped(case)]
        if not cases:
            continue
        suite = Suite(config["common"], config["suites"][cases[0]["config"]], cases[0]["encap"])
        try:
            became = replay(sluiced, suite.configuration(), [bytes.fromhex(case["input_hex"]) for case in cases], place)
        except Mismatch as mismatch:
            failed |= {case["id"]: str(mismatch) for case in cases}
            continue
        backends = {}
        for case, (verdict, sent) in zip(cases, became, strict=True):
            try:
                judge(case, verdict, sent, suite, backends)
                passed.append(case["id"])
            except Mismatch as mismatch:
                failed[case["id"]] = str(mismatch)
    return passed, failed, left_out
