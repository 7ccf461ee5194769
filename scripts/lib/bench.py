# SPDX-License-Identifier: Apache-2.0
"""The work of scripts/bench, which says what it does; run by it, as root, with huge pages reserved or refused."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import struct
import sys
import tempfile
import time

import bench_pktgen
import bench_plot
from bench_programs import Failure, Program, Sluiced, Testpmd, missing, tsc_hz

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", TOP / "build"))
MAC = "02:00:00:00:00:01"
VIP, PORT = "203.0.113.10", 80
FLOWS_OF_FILE = 6250  # a port of sluiced has 8,191 buffers, and net_pcap keeps one for each packet of its file
FLOWGEN_FLOWS = 1024
RIVALS = ("macswap", "5tswap")
MODES = ("ipip", "l2dsr")
DEVICES = ("memif", "vhost", "pcap-1k", "pcap-100k")
FLOWS = {"memif": 10_000, "vhost": 10_000, "pcap-1k": 1_000, "pcap-100k": 100_000}
BARS = {"memif": 0.85, "vhost": 0.85, "pcap-1k": 0.5, "pcap-100k": 0.5}  # of macswap's packets/s
WHOLE_CORE = 0.97  # a worker that had less of its core shared it with somebody: the rate says little then
NO_LATENCY = "testpmd stamps no packets; perf/pktgen/latency.lua tells, with Pktgen-DPDK"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def write_capture(path, first, count, size):
    """A packet of each of `count` flows: TCP to the service, `size` bytes on the wire. The order is scattered."""
    station = bytes.fromhex(MAC.replace(":", "")) + bytes.fromhex("020000000099") + b"\x08\x00"
    vip, length = bytes(map(int, VIP.split("."))), size - 4 - 14
    with open(path, "wb", 1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i in range(first, first + count):
            source = struct.pack("!I", 1 << 28 | (i * 2654435761 & 0xfffffff))
            port, spare = 1024 + i % 50_000, bytes(length - 40)
            ip = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, 6, 0) + source + vip
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            tcp = struct.pack("!HHIIBBHHH", port, PORT, 0, 0, 0x50, 0x10, 0xffff, 0, 0)
            pseudo = source + vip + struct.pack("!HH", 6, len(tcp) + len(spare)) + tcp
            tcp = tcp[:16] + struct.pack("!H", checksum(pseudo)) + tcp[18:]
            file.write(struct.pack("<IIII", 0, 0, size - 4, size - 4) + station + ip + tcp + spare)


class Setting:
    """What all runs share."""

    def __init__(self, chosen, place):
        self.chosen, self.place = chosen, place
        cpus = sorted(os.sched_getaffinity(0))
        self.generator_cpu, self.forwarder_cpu = cpus[0], cpus[min(1, len(cpus) - 1)]
        self.huge = chosen.huge_mb > 0
        self.runs = 0

    def memory(self, megabytes):
        return ["--in-memory", "-m", str(megabytes)] if self.huge else ["--no-huge", "-m", str(megabytes)]

    def captures(self, flows):
        """Files that hold the flows between them, FLOWS_OF_FILE at most in each."""
        files = []
        for first in range(0, flows, FLOWS_OF_FILE):
            path = self.place / f"{flows}-{first}.pcap"
            if not path.exists():
                write_capture(path, first, min(FLOWS_OF_FILE, flows - first), self.chosen.size)
            files.append(path)
        return files

    def sluiced(self, mode, ports, out, memory_mb):
        backends = [(f"b{i}", f"10.0.1.{i}", f"02:00:00:00:01:{i:02x}") for i in range(1, 101)]
        pool = {"name": "p", "forwarding": mode,
                "backends": [{"name": name, "address": address, "weight": 100} for name, address, _ in backends]}
        if mode in ("ipip", "gue"):
            pool["encapsulation"] = {"source": "10.0.0.1"}
        dpdk = {"lcores": f"0@{self.generator_cpu},1@{self.forwarder_cpu}", "main_lcore": 0, "huge_pages": self.huge,
                "memory_mb": memory_mb}
        services = [{"name": "s", "address": VIP, "port": PORT, "protocol": "tcp", "pool": "p"}]
        if self.chosen.generator == "flowgen":  # its flows differ in nothing but the destination
            services = [{"name": f"s{i}", "address": f"10.253.{i // 256}.{i % 256}", "port": 1001, "protocol": "udp",
                         "pool": "p"} for i in range(FLOWGEN_FLOWS)]
        return Sluiced(BUILD / "app/sluiced/sluiced", self.place, {
            "dpdk": dpdk, "services": services, "pools": [pool],
            "ports": [{"name": name, "device": device, "mac": MAC, "mtu": 1500, "queues": 1} for name, device in ports],
            "neighbours": [{"address": address, "mac": mac, "port": out} for _, address, mac in backends]})

    def testpmd(self, prefix, devices, cpu, memory_mb, rx, tx, buffers, more=(), options=()):
        # One process's name is not another's that still leaves.
        self.runs += 1
        eal = [*self.memory(memory_mb), *(f"--vdev={device}" for device in devices), *more]
        return Testpmd(f"{prefix}-{os.getpid()}-{self.runs}", self.place, (self.generator_cpu, cpu), eal,
                       ["--no-flush-rx", f"--total-num-mbufs={buffers}", *options], rx, tx)


class Source:
    """Packets from files into a device that drops them, all in the forwarder's process: nobody else is in the way."""

    def __init__(self, setting, device):
        self.setting, self.files = setting, setting.captures(FLOWS[device])
        self.sources = [f"net_pcap{i},rx_pcap={file},infinite_rx=1" for i, file in enumerate(self.files)]

    def begin(self, mode):
        count, setting = len(self.files), self.setting
        if mode in RIVALS:
            devices = [d for i, source in enumerate(self.sources) for d in (source, f"net_null{i},no-rx=1")]
            program = setting.testpmd("rival", devices, setting.forwarder_cpu, 128 + 24 * count, range(0, 2 * count, 2),
                                      range(1, 2 * count, 2), 8192 * (count + 1))
        else:
            ports = [(f"in{i}", source) for i, source in enumerate(self.sources)] + [("out", "net_null0,no-rx=1")]
            program = setting.sluiced(mode, ports, "out", 160 + 24 * (count + 1))
        return program, None

    @staticmethod
    def lost(before, after):
        """Of what the forwarder received, what it did not send."""
        received, sent = (after[key] - before[key] for key in ("received", "sent"))
        return max(0.0, 1 - sent / received) if received else 1.0


class Link:
    """A device between two processes: the generator's, and the forwarder's, which sends everything back."""

    def __init__(self, setting, device):
        self.setting, self.device = setting, device
        self.path = setting.place / f"{device}.sock"

    def begin(self, mode):
        setting, socket = self.setting, self.path
        socket.unlink(missing_ok=True)
        here, there, more = {
            "memif": (f"net_memif0,role=server,socket={socket},socket-abstract=no",
                      f"net_memif0,role=client,socket={socket},socket-abstract=no", []),
            "vhost": (f"net_vhost0,iface={socket},queues=1", f"net_virtio_user0,path={socket},queues=1,queue_size=1024",
                      ["--single-file-segments"] if setting.huge else []),
        }[self.device]
        if mode in RIVALS:
            forwarder = setting.testpmd("rival", [here], setting.forwarder_cpu, 128, [0], [0], 16384)
        else:
            forwarder = setting.sluiced(mode, [("wire", here)], "wire", 192)
        try:
            generator = self.generator(there, more)
        except BaseException:
            forwarder.stop()
            raise
        return forwarder, generator

    def generator(self, there, more):
        setting, flows = self.setting, FLOWS[self.device]
        if setting.chosen.generator == "flowgen":
            generator = setting.testpmd("generator", [there], setting.generator_cpu, 128, [0], [0], 16384, more,
                                        [f"--flowgen-flows={FLOWGEN_FLOWS}", f"--txpkts={setting.chosen.size - 4}"])
            generator.forward("flowgen")
            return generator
        whole = setting.place / f"{flows}.pcap"
        if not whole.exists():
            write_capture(whole, 0, flows, setting.chosen.size)
        devices = [f"net_pcap0,rx_pcap={whole},infinite_rx=1", there]
        generator = setting.testpmd("generator", devices, setting.generator_cpu, 128 + flows // 400, [1], [1],
                                    flows + 16384, more)
        generator.forward("io")
        return generator

    @staticmethod
    def lost(before, after):
        """Of what the generator sent, what did not come back to it."""
        sent, back = (after[key] - before[key] for key in ("generated", "returned"))
        return max(0.0, 1 - back / sent) if sent else 1.0


def counters(forwarder, generator):
    now = {"received": forwarder.received(), "sent": forwarder.sent(), "cpu": forwarder.cpu(), "time": time.monotonic()}
    if generator is not None:
        now |= {"generated": generator.sent(), "returned": generator.received()}
    return now


def sample(device, forwarder, generator, seconds):
    """One measurement of a program at work."""
    start = forwarder.sent()
    forwarder.until("packets", lambda: forwarder.sent() - start > 100_000, 60)
    before = counters(forwarder, generator)
    time.sleep(seconds)
    after = counters(forwarder, generator)
    packets, took = after["sent"] - before["sent"], after["time"] - before["time"]
    if packets == 0:
        raise Failure(f"{forwarder.prefix} sent nothing in {took:.1f} s")
    cpu = after["cpu"] - before["cpu"]
    return {"packets_per_second": packets / took, "loss": device.lost(before, after),
            "cycles_per_packet": cpu * tsc_hz() / packets, "share_of_core": cpu / took}


def repetition(device, modes, seconds):
    """{program: sample}, one after the other; the rivals in one process, since they are one program."""
    found = {}
    for mode in modes:
        if mode in RIVALS and any(rival in found for rival in RIVALS):
            continue
        forwarder, generator = device.begin(mode)
        try:
            for one in [m for m in modes if m in RIVALS] if mode in RIVALS else [mode]:
                forwarder.forward(one)
                found[one] = sample(device, forwarder, generator, seconds)
        finally:
            for program in (generator, forwarder):
                if program is not None:
                    program.stop()
    return found


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "all": values}


def rows(name, repetitions, modes, flows=None):
    """What the repetitions say of each program; ratios are of the same repetition."""
    found, flows = [], flows or FLOWS[name]
    for mode in modes:
        row = {"device": name, "flows": flows, "program": mode if mode in RIVALS else f"sluiced {mode}",
               "latency": None, "latency_missing": NO_LATENCY}
        for what in ("packets_per_second", "loss", "cycles_per_packet", "share_of_core"):
            row[what] = spread([r[mode][what] for r in repetitions])
        row["disturbed"] = sum(share < WHOLE_CORE for share in row["share_of_core"]["all"])
        for rival in [rival for rival in RIVALS if rival in modes]:
            for what in ("packets_per_second", "cycles_per_packet"):
                row[f"{what}_to_{rival}"] = spread([r[mode][what] / r[rival][what] for r in repetitions])
        if mode not in RIVALS and "macswap" in modes:
            ratio = row["packets_per_second_to_macswap"]["median"]
            row["bar"] = {"packets_per_second_to_macswap": BARS[name], "met": ratio >= BARS[name]}
        found.append(row)
    return found


def table(found):
    lines = ["| device | flows | program | packets/s | loss | cycles a packet | to macswap | to 5tswap | by cycles |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in found:
        rate, cycles = row["packets_per_second"], row["cycles_per_packet"]
        ratios = [f"{row[key]['median']:.2f}" if (key := f"packets_per_second_to_{rival}") in row else "-"
                  for rival in RIVALS]
        by_cycles = f"{1 / row['cycles_per_packet_to_macswap']['median']:.2f}"
        lines.append(f"| {row['device']} | {row['flows']:,} | {row['program']} | {rate['median'] / 1e6:.2f} M "
                     f"({rate['low'] / 1e6:.2f}-{rate['high'] / 1e6:.2f}) | {row['loss']['median']:.3%} "
                     f"| {cycles['median']:.0f} ({cycles['low']:.0f}-{cycles['high']:.0f}) | {' | '.join(ratios)} "
                     f"| {by_cycles} |")
    return "\n".join(lines)


def machine(setting):
    cpu = re.search(r"^model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"cpu": cpu[1] if cpu else "unknown", "kernel": platform.release(), "tsc_mhz": round(tsc_hz() / 1e6),
            "huge_pages": setting.huge, "forwarder_cpu": setting.forwarder_cpu, "generator_cpu": setting.generator_cpu,
            "cores": "the forwarder's worker has a CPU; the generator and all command threads share another"
                     if setting.forwarder_cpu != setting.generator_cpu else "everything shares one CPU",
            "load": os.getloadavg()[0]}


def measured(chosen, place):
    setting = Setting(chosen, place)
    modes = [*chosen.modes.split(","), *RIVALS]
    found = []
    for name in chosen.devices.split(","):
        device = (Source if name.startswith("pcap") else Link)(setting, name)
        repetitions = []
        for number in range(chosen.repetitions):
            print(f"{name}: {number + 1} of {chosen.repetitions}", file=sys.stderr, flush=True)
            repetitions.append(repetition(device, modes, chosen.seconds))
        made = not name.startswith("pcap") and chosen.generator == "flowgen"
        found += rows(name, repetitions, modes, FLOWGEN_FLOWS if made else None)
    return {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(setting),
            "settings": {"seconds": chosen.seconds, "repetitions": chosen.repetitions, "frame_bytes": chosen.size,
                         "generator": chosen.generator}, "rows": found}


def with_pktgen(parser, chosen):
    """--pktgen: what comes back over NICs; nothing of ours runs on this machine."""
    scripts = chosen.pktgen.split(",")
    for script in scripts:
        if script not in bench_pktgen.KNOWN:
            parser.error(f"there is no script '{script}'; they are {', '.join(bench_pktgen.KNOWN)}")
    lacking = bench_pktgen.available()
    if lacking:
        print(f"bench: {lacking}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        try:
            found = bench_pktgen.rows(scripts, chosen.pktgen_arguments, pathlib.Path(folder))
        except Failure as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
    print(bench_pktgen.table(found))
    chosen.json.write_text(json.dumps({"generator": "pktgen", "rows": found}, indent=2) + "\n")
    bars = [(" ".join(str(row[key]) for key in ("what", "load", "size") if key in row),
             [("packets", *[row["packets_per_second"] / 1e6] * 3)]) for row in found if "packets_per_second" in row]
    chosen.plot.write_text(bench_plot.chart("Packets per second by Pktgen-DPDK", bars, "million/s"))
    return 0


def main():
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--generator", choices=("pcap", "flowgen"), default="pcap")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("bench.json"))
    parser.add_argument("--plot", type=pathlib.Path, default=pathlib.Path("bench.svg"))
    parser.add_argument("--pktgen")
    parser.add_argument("--pktgen-arguments", default='-l 0-2 -- -P -m "1.0,2.1"')
    parser.add_argument("--huge-mb", type=int, default=0)
    chosen = parser.parse_args()
    for what, known, given in (("device", DEVICES, chosen.devices), ("mode", (*MODES, "gue"), chosen.modes)):
        for one in given.split(","):
            if one not in known:
                parser.error(f"there is no {what} '{one}'; they are {', '.join(known)}")
    if not (64 <= chosen.size <= 1500 and chosen.repetitions >= 1 and chosen.seconds > 0):
        parser.error("--size is 64 to 1500, --repetitions at least 1, --seconds above 0")
    if chosen.pktgen is not None:
        return with_pktgen(parser, chosen)
    lacking = missing() or (None if (BUILD / "app/sluiced/sluiced").exists() else f"{BUILD} has no sluiced; build it")
    if lacking:
        print(f"bench: {lacking}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # a background process of bash ignores SIGINT
        signal.signal(number, Program.told)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        try:
            result = measured(chosen, pathlib.Path(folder))
        except Failure as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
        finally:
            Program.end_all()
    print(table(result["rows"]))
    print(f"\nmedian (lowest-highest) of {chosen.repetitions}, {chosen.seconds:g} s each; {result['machine']['cores']}.\n"
          f"by cycles: macswap's cycles a packet over the program's.\nlatency: {NO_LATENCY}.")
    disturbed = sum(row["disturbed"] for row in result["rows"])
    if disturbed:
        print(f"{disturbed} of {len(result['rows']) * chosen.repetitions} samples were of a worker that had less than "
              f"{WHOLE_CORE:.0%} of its core: their packets/s say little, cycles a packet more.")
    chosen.json.write_text(json.dumps(result, indent=2) + "\n")
    groups = {}
    for row in result["rows"]:
        rate = row["packets_per_second"]
        groups.setdefault(row["device"], []).append(
            (row["program"], *(rate[key] / 1e6 for key in ("low", "median", "high"))))
    chosen.plot.write_text(bench_plot.chart("Packets per second and core", list(groups.items()), "million/s"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
