#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints how many packets a node forwards, by cores and lines, as Markdown: a model, of one core's figures.

    perf/scaling.py                  with the figures of perf/scaling.json
    perf/scaling.py RUN.json ...     with the medians of runs of pipeline_bench (--benchmark_out)
    perf/scaling.py --write RUN ...  the same, and keeps them in perf/scaling.json

  --check PAGE exits with 1 unless the page has what is printed
  --ghz F      clock of a core, in the unit that cycles were counted in (2.6)
  --driver N   cycles a packet that a NIC's driver takes beyond the benchmark's device (0)
  --bell N     cycles of asking whether another worker has handed anything over, once a burst of 32 (5)
  --gbps N     the line (100)

packets/s is the least of: cores * clock / cycles a packet; the line, in; the line, out, with the tunnel's
header; memory. Workers share no cache line that one of them writes, so cores multiply; what they share is the
line and memory.
"""
import argparse
import json
import pathlib
import statistics
import sys

KEPT = pathlib.Path(__file__).resolve().parent / "scaling.json"
ROWS = {1024: "BM_Worker/ipip/v4/flows:1024", 1048576: "BM_Worker/ipip/v4/flows:1048576"}
CORES = (1, 2, 4, 8, 16, 32)
FRAMES = (64, 512, 1500)
BURST = 32
GAP = 20  # preamble and pause around a frame on a line
TUNNEL = 20  # outer IPv4 header
# Bytes of a flow that come from memory: a thousand flows are all cached, of a million the flow's line and the
# backend's are not.
OF_FLOW = {1024: 0, 1048576: 128}
MEMORY_BYTES = 12.8e9  # a second of one channel: half of DDR4-3200's peak, since access is random
CHANNELS = 4


def measured(paths):
    """Median cycles a packet by flows, and how many runs they are of."""
    found = {flows: [] for flows in ROWS}
    for path in paths:
        rows = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["benchmarks"]
        for flows, name in ROWS.items():
            found[flows] += [row["cycles_per_packet"] for row in rows if row["name"] == name]
    missing = [ROWS[flows] for flows, values in found.items() if not values]
    if missing:
        sys.exit(f"no row {missing[0]} in {', '.join(map(str, paths))}")
    return {flows: round(statistics.median(values), 1) for flows, values in found.items()}


def limits(flows, frame, cores, cycles, options):
    """Packets/s by what limits them."""
    line = options.gbps * 1e9 / 8
    whole = cycles[flows] + options.driver + (options.bell / BURST if cores > 1 else 0)
    return {
        "cores": cores * options.ghz * 1e9 / whole,
        "line in": line / (frame + GAP),
        "line out": line / (frame + TUNNEL + GAP),
        # A NIC that does not write into a cache writes each frame to memory, and reads it from there.
        "memory": MEMORY_BYTES * CHANNELS / (2 * frame + OF_FLOW[flows]),
    }


def fills_line(flows, frame, cores, cycles, options):
    rates = limits(flows, frame, cores, cycles, options)
    return rates["cores"] >= min(rates["line in"], rates["line out"])


def report(cycles, options):
    lines = []
    lines.append("| flows | cycles a packet, measured | with a driver | packets/s of a core, millions |")
    lines.append("| --- | --- | --- | --- |")
    for flows, value in cycles.items():
        whole = value + options.driver
        lines.append(f"| {flows:,} | {value:.0f} | {whole:.0f} | {options.ghz * 1e3 / whole:.1f} |")
    lines.append(f"\nMillions of packets/s on a line of {options.gbps:.0f} Gb/s, and what limits them:\n")
    heads = [f"{n} cores" if n > 1 else "1 core" for n in CORES]
    lines.append("| flows | frame | " + " | ".join(heads) + " | line full with |")
    lines.append("| --- " * (len(CORES) + 3) + "|")
    for flows in cycles:
        for frame in FRAMES:
            cells = []
            for cores in CORES:
                rates = limits(flows, frame, cores, cycles, options)
                least = min(rates, key=rates.get)
                cells.append(f"{rates[least] / 1e6:.0f}" + ("" if least == "cores" else f" ({least})"))
            full = next((n for n in range(1, 129) if fills_line(flows, frame, n, cycles, options)), None)
            lines.append(f"| {flows:,} | {frame} B | " + " | ".join(cells) + f" | {full or 'none of 128'} |")
    return lines


def main():
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", type=pathlib.Path)
    parser.add_argument("--ghz", type=float, default=2.6)
    parser.add_argument("--driver", type=float, default=0)
    parser.add_argument("--bell", type=float, default=5)
    parser.add_argument("--gbps", type=float, default=100)
    options = parser.parse_args()
    if options.runs:
        cycles = measured(options.runs)
        if options.write:
            KEPT.write_text(json.dumps({"cycles_per_packet": cycles}, indent=2) + "\n", encoding="utf-8")
    else:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))["cycles_per_packet"]
        cycles = {int(flows): value for flows, value in kept.items()}

    text = "\n".join(report(cycles, options))
    print(text)
    if options.check and text not in options.check.read_text(encoding="utf-8"):
        sys.exit(f"{options.check} has other figures: put these there")


if __name__ == "__main__":
    main()
