# SPDX-License-Identifier: Apache-2.0
"""scripts/bench --pktgen: the scripts of perf/pktgen under Pktgen-DPDK, on NICs that a balancer stands behind."""
import json
import os
import pathlib
import pty
import shlex
import shutil
import subprocess

from bench_programs import Failure

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "perf/pktgen"
KNOWN = ("throughput", "flows", "latency", "flood", "change", "imix")
PERCENTILES = ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "worst_ns")
LONGEST_S = 4 * 3600  # of one script: seven sizes, some ten trials each, a minute to confirm


def available():
    """What is missing, or None."""
    return None if shutil.which("pktgen") else "pktgen is missing: Debian has none; build Pktgen-DPDK"


def play(script, arguments, place):
    """The results of one script, a list of dicts. Pktgen refuses to run without a terminal: it gets one."""
    results, log = place / f"{script}.jsonl", place / f"{script}.log"
    command = ["pktgen", *shlex.split(arguments), "-f", str(SCRIPTS / f"{script}.lua")]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                               env={**os.environ, "SLUICE_RESULTS": str(results), "TERM": "dumb"})
    os.close(theirs)
    try:
        with open(log, "wb") as out:
            while True:
                try:
                    said = os.read(ours, 65536)
                except OSError:  # how a terminal's end looks when its last program is gone
                    break
                if not said:
                    break
                out.write(said)
        status = process.wait(LONGEST_S)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
        process.wait()
    if status != 0 or not results.exists():
        raise Failure(f"exit {status} of {shlex.join(command)}:\n{log.read_text(errors='replace')[-1500:]}")
    return [json.loads(line) for line in results.read_text().splitlines()]


def rows(scripts, arguments, place):
    """Every result as a row; `latency` has percentiles in nanoseconds where the script takes them, else is null."""
    found = []
    for script in scripts:
        for result in play(script, arguments, place):
            latency = {key.removesuffix("_ns"): result[key] for key in PERCENTILES if key in result}
            found.append({"script": script, "latency": latency or None, **result})
    return found


def table(found):
    lines = ["| script | what | frame | flows | load, % | packets/s | loss | p50 / p99 / p99.9 / worst, us |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in found:
        if "packets_per_second" not in row:  # a sum of what came before
            rest = ", ".join(f"{key} {value:g}" for key, value in row.items() if isinstance(value, (int, float)))
            lines.append(f"| {row['script']} | {row['what']} | | | | {rest} | | |")
            continue
        latency = row["latency"]
        shown = " / ".join(f"{latency[key] / 1000:.1f}" for key in ("p50", "p99", "p999", "worst")) if latency else "-"
        lines.append(f"| {row['script']} | {row['what']} | {row.get('size', '-')} | {row.get('flows', '-')} "
                     f"| {row['rate']:.2f} | {row['packets_per_second'] / 1e6:.3f} M | {row['share']:.4%} | {shown} |")
    return "\n".join(lines)
