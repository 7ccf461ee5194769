# SPDX-License-Identifier: Apache-2.0
"""Makes the traces and figures of this folder: make.py REFERENCE

REFERENCE is the folder of the reference simulator (autoscale_sim.py). The traces are made up, from a fixed
seed; figures.jsonl has a line for each run: what the simulator was told, and every figure that it printed.
"""
import csv
import json
import math
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
POLICIES = ["static", "oracle", "hpa", "hpa-queue", "kpa", "reactive", "forecast-lr", "holt-winters"]


def burst(rng):
    """Two hours of 10 s: level, a burst of four times the load for ten minutes, another level."""
    for i in range(720):
        level = 50 if i < 300 else 200 if i < 360 else 80
        yield 10 * i, max(0, round(rng.gauss(level, level ** 0.5)))


def silence(rng):
    """Half an hour of 1 s: silences of a minute or two, then a crowd at once."""
    crowd = 0
    for i in range(1800):
        if rng.random() < 0.008:
            crowd = rng.randint(20, 60)
        now = min(crowd, rng.randint(0, 6))
        crowd -= now
        yield i, now


def ramp(rng):
    """An hour of 5 s with fractions of requests, rising to its end: the queue is not empty then."""
    for i in range(720):
        yield 5 * i, round(3 + i / 12 + rng.random(), 3)


def days(rng):
    """36 hours of 5 min: the season of a day, with noise."""
    for i in range(432):
        level = 2000 + 1500 * math.sin(2 * math.pi * i / 288)
        yield 300 * i, max(0, round(rng.gauss(level, 120)))


TRACES = {
    "burst": (burst, ["--capacity", "1", "--service-time", "5"]),
    "silence": (silence, ["--capacity", "0.5", "--service-time", "2", "--drain", "0"]),
    "ramp": (ramp, ["--capacity", "0.7", "--service-time", "3", "--slo-wait", "8", "--min", "2", "--target", "0.6"]),
    "days": (days, ["--capacity", "1.25", "--service-time", "10", "--slo-wait", "3"]),
}


def main():
    sys.path.insert(0, sys.argv[1])
    import autoscale_sim as reference
    with open(HERE / "figures.jsonl", "w") as out:
        for seed, (name, (make, told)) in enumerate(TRACES.items()):
            file = HERE / f"{name}.csv"
            with open(file, "w", newline="") as f:
                rows = csv.writer(f, lineterminator="\n")
                rows.writerow(["t_seconds", "requests"])
                rows.writerows(make(random.Random(seed)))
            for cold in (10, 60, 180):
                for policy in POLICIES:
                    options = reference.parser().parse_args(
                        ["--trace", str(file), "--policy", policy, "--cold-start", str(cold), *told])
                    figures = reference.run(options)
                    out.write(json.dumps({"drain": options.drain, **figures}) + "\n")


if __name__ == "__main__":
    main()
