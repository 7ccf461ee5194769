#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs pipeline_bench several times and prints medians as Markdown: each row above its floor, stages, bars.

    perf/report.py                     the rows that have bars, 5 runs, in some 2 minutes
    perf/report.py --rows all          every row; some 2 minutes a run
    perf/report.py --rows REGEX        as --benchmark_filter takes it
    perf/report.py --json RUN.json...  reports runs made before (--benchmark_out), instead of running

  --bench FILE    pipeline_bench (build/perf/dataplane/pipeline_bench)
  --runs N        (5)
  --seconds S     of a row in a run (0.1)

A figure above the floor is the row's cycles less those of the floor before it in the same run; the median is over
the runs, the lowest and the highest in brackets. Exit status 0 whatever the bars: a machine with neighbours decides
nothing; perf/instructions.py does.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BASE, MANY = "BM_Pipeline/ipip/v4/flows:1024", "BM_Pipeline/ipip/v4/flows:1048576"
# What, its bar and its goal, how a run's rows say it. Cycles are above the floor.
BARS = (
    ("ipip IPv4, 1 Ki flows known, cycles", 40, 25, lambda run: run.above(BASE)),
    ("the same, 1 Mi flows", 60, 40, lambda run: run.above(MANY)),
    ("IPv6 of IPv4's", 1.3, 1.1, lambda run: run.above("BM_Pipeline/ipip/v6/flows:1024") / run.above(BASE)),
    ("gue of ipip's", 1.3, 1.1, lambda run: run.above("BM_Pipeline/gue/v4/flows:1024") / run.above(BASE)),
    ("new flow, cycles", 90, 50, lambda run: run.above("BM_Pipeline/ipip/v4/new/flows:1024")),
    ("established beside a SYN flood, of alone", 1.2, 1.05,
     lambda run: run.value("BM_Established/ipip/v4/beside_flood/flows:16384", "slower")),
    ("of 1 Mi flows in 2 Mi places, forgotten", 0.001, 0,
     lambda run: 1 - run.value(MANY, "flows_kept") / 1048576),
    ("swap of 1,000 pools, delay of a burst (99 of 100), us", 50, 5,
     lambda run: (run.value("BM_Swap/ipip/v4/pools:1000/flows:131072", "after_swap_ns_p99")
                  - run.value("BM_Swap/ipip/v4/pools:1000/flows:131072", "burst_ns_p99")) / 1000),
)
ROWS_OF_BARS = (r"BM_(Floor|Pipeline/(ipip|gue|l2dsr))/v[46]/(new/)?flows:(1024|1048576)$"
                r"|BM_(Established|Swap)|BM_Stages/ipip/v4/(new/)?flows:|Device|Worker")


class Run:
    """One run's rows, in order. A row that came twice (a repetition) counts as it came last."""

    def __init__(self, document):
        self.rows, self.floors, floor = {}, {}, None
        for row in document["benchmarks"]:
            if row.get("run_type") == "aggregate" or row.get("error_occurred"):
                continue
            if row["name"].startswith(("BM_Floor/", "BM_DeviceFloor/")):
                floor = row
            elif row["name"].startswith(("BM_Pipeline/", "BM_Worker/")) and floor is not None:
                self.floors[row["name"]] = floor
            self.rows[row["name"]] = row

    def value(self, name, counter="cycles_per_packet"):
        return self.rows[name][counter]

    def above(self, name):
        return self.value(name) - self.floors[name]["cycles_per_packet"]


def median(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def pipeline(runs):
    lines = ["| row | floor | cycles | above the floor |", "| --- | --- | --- | --- |"]
    for name in runs[0].floors:
        have = [run for run in runs if name in run.floors]
        lines.append(f"| {re.sub('^BM_', '', name)} "
                     f"| {median([run.floors[name]['cycles_per_packet'] for run in have])} "
                     f"| {median([run.value(name) for run in have])} | {median([run.above(name) for run in have])} |")
    return lines


def stages(runs):
    names = [name for name in runs[0].rows if name.startswith("BM_Stages/")]
    order = ("rx", "parse", "classify", "admit", "look_up", "steer", "rewrite", "translate", "answer", "count", "tx",
             "sum", "process", "cycles_per_packet")
    lines = []
    if names:
        heads = [re.sub("^BM_Stages/", "", name) for name in names]
        lines = ["", f"| stage | {' | '.join(heads)} |", "| --- |" + " --- |" * len(names)]
    for stage in order if names else ():
        cells = [median([run.value(name, stage) for run in runs], 1) for name in names]
        lines.append(f"| {'whole' if stage == 'cycles_per_packet' else stage} | {' | '.join(cells)} |")
    return lines


def bars(runs):
    lines = ["", "| what | bar | goal | measured | |", "| --- | --- | --- | --- | --- |"]
    for what, bar, goal, of in BARS:
        try:
            values = [of(run) for run in runs]
        except KeyError:
            continue
        value = statistics.median(values)
        judged = "goal" if value <= goal else "met" if value <= bar else "not met"
        lines.append(f"| {what} | {bar} | {goal} | {median(values, 4 if bar < 0.1 else 2 if bar < 10 else 0)} | {judged} |")
    return lines


def measure(chosen):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.runs):
            print(f"run {number + 1} of {chosen.runs}", file=sys.stderr, flush=True)
            out = pathlib.Path(folder) / f"{number}.json"
            pattern = {"bars": ROWS_OF_BARS, "all": "."}.get(chosen.rows, chosen.rows)
            subprocess.run([chosen.bench, f"--benchmark_filter={pattern}", f"--benchmark_min_time={chosen.seconds}",
                            f"--benchmark_out={out}", "--benchmark_out_format=json"], check=True, capture_output=True)
            found.append(json.loads(out.read_text()))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=HERE.parent / "build/perf/dataplane/pipeline_bench")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--rows", default="bars")
    parser.add_argument("--json", type=pathlib.Path, nargs="+")
    chosen = parser.parse_args()
    documents = [json.loads(file.read_text()) for file in chosen.json] if chosen.json else measure(chosen)
    runs = [Run(document) for document in documents]
    for line in pipeline(runs) + stages(runs) + bars(runs):
        print(line)
    for document in documents:
        for row in document["benchmarks"]:
            if row.get("error_occurred"):
                print(f"{row['name']}: {row['error_message']}", file=sys.stderr)
    context = documents[0]["context"]
    print(f"\n{len(runs)} runs; {context['isa']}, GCC {context['compiler']}, pages: {context['pages']}, "
          f"TSC {context['tsc_mhz']} MHz, load {context['load_avg'][0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
