#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints docs/design/autoscaling-figures.md: every policy and forecaster on every trace of a suite.

usage: figures.py SLUICECTL SUITE

SUITE is a JSON file: {"cold_starts": [...], "traces": [{"name", "file", "capacity", "service_time", "slo_wait"}]},
files relative to the folder above its own. Every run is `sluicectl plan`; `max` is 1.5 times the peak need.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

FORECASTERS = ["last_value", "quantile", "linear", "holt_winters", "arima", "kalman", "network"]
FLAT = ["target", "threshold"]
HEAD = """# What policies and forecasters are worth

Made by `perf/plan/figures.py` with `sluicectl plan` at commit COMMIT; the simulated pool is the reference
simulator's, figure by figure (`tests/plan/reference`). One configuration for all: policy `predictive`, everything
else at its default. Cost is what is billed against the oracle's, which knows the future; late is the share of
requests that wait over 5 s; actions and flaps (changes of direction within ten minutes) are summed over the traces.
`sluice` is the ensemble; `sluice, linear` is the same controller with that forecaster alone; `policy target` and
`policy threshold` do without a forecast; the others are rivals with their defaults. A cost below 1 is bought with
requests that wait.

The loads: `azure-conv` and `azure-code`, an hour of chat and of code completion by the second (Azure LLM inference traces
2023, CC-BY-4.0; Patel et al., "Splitwise", ISCA 2024); `servegen-l`, 14 days of a large model (ServeGen, m-large,
Apache-2.0; arXiv:2505.09999).
"""


def commit():
    """The one that the tree is at, on which SLUICECTL should have been built."""
    here = pathlib.Path(__file__).parent
    done = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def configuration(trace, policy):
    return {
        "ports": [{"name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01"}],
        "services": [{"name": "s", "address": "203.0.113.1", "port": 80, "protocol": "tcp", "pool": "p"}],
        "pools": [{
            "name": "p", "forwarding": "l2dsr", "backends": [],
            "classes": [{"name": "c", "capacity": trace["capacity"], "service_time_s": trace["service_time"]}],
            "autoscale": {"policy": policy, "min": 1, "max": 65535, "tick_s": 5, "slo_wait_s": trace["slo_wait"],
                          "actuator": {"type": "metric"}}}]}


class Suite:
    def __init__(self, sluicectl, file, folder):
        self.sluicectl, self.folder = sluicectl, pathlib.Path(folder)
        suite = json.loads(pathlib.Path(file).read_text())
        self.root = pathlib.Path(file).resolve().parent.parent
        self.traces, self.cold_starts = suite["traces"], suite["cold_starts"]

    def plan(self, trace, policy, *options):
        file = self.folder / "sluice.json"
        file.write_text(json.dumps(configuration(trace, policy)))
        done = subprocess.run([self.sluicectl, "--json", "plan", "--config", file, "--trace", self.root / trace["file"],
                               *options], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def runs(self, trace, cold):
        """Figures by policy, in the order of the table."""
        most = math.ceil(1.5 * sum(self.plan(trace, "predictive", "--needs")["all"]["backends"].values()))
        told = ["--cold-start", str(cold), "--max", str(most)]
        first = self.plan(trace, "predictive", *told, "--compare")
        rows = {"sluice": first}
        for forecaster in FORECASTERS:
            rows[f"sluice, {forecaster}"] = self.plan(trace, "predictive", *told, "--forecaster", forecaster)
        for policy in FLAT:
            rows[f"policy {policy}"] = self.plan(trace, policy, *told)
        rows.update({row["policy"]: row for row in first["compare"]})
        return rows

    def table(self, cold):
        by_trace = {trace["name"]: self.runs(trace, cold) for trace in self.traces}
        names = list(by_trace)
        print(f"\n## Cold start {cold} s\n")
        print("| | " + " | ".join(f"{name} cost | late %" for name in names) + " | actions | flaps |")
        print("| --- |" + " ---: |" * (2 * len(names) + 2))
        for policy in next(iter(by_trace.values())):
            rows = [by_trace[name][policy] for name in names]
            cells = []
            for name, row in zip(names, rows):
                least = by_trace[name]["oracle"]["cost_replica_seconds"]
                cells += [f"{row['cost_replica_seconds'] / least:.3f}", f"{100 * row['slo_violation_share']:.3f}"]
            cells += [sum(row[key] for row in rows) for key in ("scale_actions", "flaps_within_600s")]
            print(f"| {policy} | " + " | ".join(map(str, cells)) + " |")


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if "--help" in sys.argv or "-h" in sys.argv else 2)
    print(HEAD.replace("COMMIT", commit()), end="")
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(sys.argv[1], sys.argv[2], folder)
        for cold in suite.cold_starts:
            suite.table(cold)


if __name__ == "__main__":
    main()
