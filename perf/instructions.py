#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions a packet of chosen rows of pipeline_bench, held against bounds.

    perf/instructions.py                     measures and judges: 1 when a row is over its bound, or far below it
    perf/instructions.py --write REASON      measures and makes what it found the bounds
    perf/instructions.py --save FILE         also writes what it measured, for --measured
    perf/instructions.py --measured FILE     judges that instead of measuring
    perf/instructions.py --measured FILE --prove   1 unless bounds a tenth lower, or higher, would fail

  --bench FILE    pipeline_bench of a build with the flags that the bounds name (build/perf/dataplane/pipeline_bench)
  --bounds FILE   perf/instructions.json

Counted by callgrind inside process() and count(): what 600 bursts cost more than 100, by the packets between.
That does not depend on the machine or its load, only on compiler and flags; with others it is no test, exit 77.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BURST = 32
SHORT, LONG = 100, 600
MARGIN = 0.01  # that a bound leaves above what was measured: a change of a trifle needs no reason
FAR = 0.05  # below its bound, a row no longer guards what was gained
SKIPPED = 77
COLLECTED = ("sluice::dataplane::process(*", "sluice::dataplane::count(*")
ROW_BEGINS = "sluice::dataplane::world(*"  # every row asks for its world once, first


class Failure(Exception):
    """No measurement; the text is for a person."""


def total(dump):
    found = re.search(r"^totals: (\d+)", dump.read_text(errors="replace"), re.MULTILINE)
    if not found:
        raise Failure(f"{dump} has no line of totals")
    return int(found[1])


def instructions(folder, bench, rows, bursts):
    """({row: instructions collected}, context). Callgrind makes a dump whenever a row begins."""
    out, listed = folder / f"dump-{bursts}", folder / f"rows-{bursts}.json"
    pattern = "^(" + "|".join(map(re.escape, rows)) + ")/iterations"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={ROW_BEGINS}",
               *(f"--toggle-collect={name}" for name in COLLECTED), str(bench), "--no-huge", f"--bursts={bursts}",
               f"--benchmark_filter={pattern}", f"--benchmark_out={listed}", "--benchmark_out_format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        raise Failure("valgrind is missing; install what scripts/packages lists") from None
    if done.returncode != 0:
        raise Failure(f"exit {done.returncode} of {' '.join(command)}:\n{(done.stdout + done.stderr)[-2000:]}")
    result = json.loads(listed.read_text())
    for row in result["benchmarks"]:
        if row.get("error_occurred"):
            raise Failure(f"{row['name']}: {row['error_message']}")
    names = [row["name"].split("/iterations")[0] for row in result["benchmarks"]]
    missing = set(rows) - set(names)
    if missing:
        raise Failure(f"{bench} has no row {', '.join(sorted(missing))}")
    # Dump 1 is what came before the first row; the last row ends with the program.
    dumps = [folder / f"{out.name}.{part}" for part in range(2, len(names) + 1)] + [out]
    if (folder / f"{out.name}.{len(names) + 1}").exists():
        raise Failure("more dumps than rows: a row asked for its world twice")
    return {name: total(dump) for name, dump in zip(names, dumps)}, result["context"]


def measure(bench, rows):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        short, context = instructions(place, bench, rows, SHORT)
        long, _ = instructions(place, bench, rows, LONG)
    packets = (LONG - SHORT) * BURST
    return {"isa": context["isa"], "compiler": context["compiler"],
            "rows": {row: round((long[row] - short[row]) / packets, 1) for row in rows}}


def faults(measured, bounds):
    """What is wrong, a line each."""
    found = []
    for row, bound in bounds["rows"].items():
        if row not in measured["rows"]:
            found.append(f"{row}: not measured")
            continue
        value, most = measured["rows"][row], bound["at_most"]
        if not bound.get("reason", "").strip():
            found.append(f"{row}: its bound has no reason")
        if value <= 0:
            found.append(f"{row}: {value} instructions a packet cannot be")
        elif value > most:
            found.append(f"{row}: {value} instructions a packet, at most {most} are allowed; find out where they "
                         "come from (docs/performance.md), or if they are worth it: perf/instructions.py --write REASON")
        elif value < most * (1 - FAR):
            found.append(f"{row}: {value} instructions a packet, and the bound is still {most}; "
                         "keep what was gained: perf/instructions.py --write REASON")
    return found


def changed_without_reason(bounds, before):
    """Rows whose bound differs from `before` while the reason is the same."""
    return [f"{row}: the bound went from {old['at_most']} to {new['at_most']} with no new reason"
            for row, new in bounds["rows"].items() for old in [before["rows"].get(row)]
            if old and old["at_most"] != new["at_most"] and old["reason"] == new["reason"]]


def before_change(path):
    """The bounds as they were before the last change that git knows of or that is in the tree; None without git."""
    def git(*arguments):
        return subprocess.run(["git", "-c", "safe.directory=*", *arguments], cwd=path.parent, capture_output=True,
                              text=True)
    try:
        commits = git("log", "-2", "--format=%H", "--", path.name).stdout.split()
        dirty = git("diff", "--quiet", "HEAD", "--", path.name).returncode == 1
    except FileNotFoundError:
        return None
    at = 0 if dirty else 1
    if len(commits) <= at:
        return None
    shown = git("show", f"{commits[at]}:./{path.name}")
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def written(measured, bounds, reason):
    """The bounds that fit what was measured; rows that fit already keep bound and reason."""
    rows = {}
    for row, old in bounds["rows"].items():
        fits = not faults(measured, {"rows": {row: old}})
        rows[row] = old if fits else {"at_most": math.ceil(measured["rows"][row] * (1 + MARGIN)), "reason": reason}
    return {"isa": measured["isa"], "compiler": measured["compiler"], "rows": rows}


def proves(measured, bounds):
    """Whether bounds a tenth lower and a tenth higher would both fail in every row."""
    fitting = {row: {"at_most": value, "reason": "as measured"} for row, value in measured["rows"].items()}
    for row, bound in fitting.items():
        for factor in (0.9, 1.1):
            moved = {"rows": {**fitting, row: {**bound, "at_most": bound["at_most"] * factor}}}
            if len(faults(measured, moved)) != 1:
                return False
    return bool(bounds["rows"]) and set(bounds["rows"]) <= set(fitting)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=HERE.parent / "build/perf/dataplane/pipeline_bench")
    parser.add_argument("--bounds", type=pathlib.Path, default=HERE / "instructions.json")
    parser.add_argument("--write", metavar="REASON")
    parser.add_argument("--save", type=pathlib.Path)
    parser.add_argument("--measured", type=pathlib.Path)
    parser.add_argument("--prove", action="store_true")
    chosen = parser.parse_args()
    if chosen.write is not None and not chosen.write.strip():
        parser.error("--write needs a reason")
    bounds = json.loads(chosen.bounds.read_text())
    try:
        measured = (json.loads(chosen.measured.read_text()) if chosen.measured
                    else measure(chosen.bench, list(bounds["rows"])))
    except Failure as failure:
        print(f"instructions: {failure}", file=sys.stderr)
        return 1
    if chosen.save:
        chosen.save.write_text(json.dumps(measured, indent=2) + "\n")
    if chosen.prove:
        return 0 if proves(measured, bounds) else 1
    if chosen.write is not None:
        bounds = written(measured, bounds, chosen.write.strip())
        chosen.bounds.write_text(json.dumps(bounds, indent=2) + "\n")
    for what in ("isa", "compiler"):
        if measured[what] != bounds[what]:
            print(f"instructions: {what} is {measured[what]}, and the bounds are for {bounds[what]}")
            return SKIPPED
    wrong = faults(measured, bounds)
    before = before_change(chosen.bounds.resolve())
    if before:
        wrong += changed_without_reason(bounds, before)
    for row, bound in bounds["rows"].items():
        print(f"{measured['rows'].get(row, 0):8.1f} of {bound['at_most']:5}  {row}")
    for line in wrong:
        print(f"instructions: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
