# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran: prints "PASSED FAILED SKIPPED", then one line for each that did not pass.

    count_tests.py BUILD

A Google Test program counts by its cases, as its last words give them; any other test, and one that died
before it could count, counts as one.
"""
import json
import pathlib
import re
import sys

SUM = re.compile(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) tests?\b", re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \] (\S+)(?:, where .*)? \(\d+ ms\)$", re.MULTILINE)
SKIPPED = re.compile(r": Skipped\n(.*?)\n+(?:Stack trace:.*?)?\[  SKIPPED \] (\S+)", re.DOTALL)


def main():
    passed, failed, skipped = 0, [], []
    log = pathlib.Path(sys.argv[1]) / "meson-logs/testlog.json"
    for line in log.read_text(errors="replace").splitlines():
        test = json.loads(line)
        name, result, said = test["name"], test["result"], test.get("stdout") or ""
        count = {what: int(number) for what, number in SUM.findall(said)}
        if "PASSED" not in count:  # no Google Test, or no end
            if result == "OK":
                passed += 1
            elif result == "SKIP":
                skipped.append((name, "as a whole"))
            else:
                failed.append(f"{name} ({result.lower()})")
            continue
        passed += count["PASSED"]
        bad = FAILED.findall(said)
        failed += bad
        if result not in ("OK", "SKIP") and not bad:
            failed.append(f"{name} ({result.lower()} after its cases)")
        reasons = {case: " ".join(why.split()) for why, case in SKIPPED.findall(said)}
        skipped += [(case, why) for case, why in reasons.items()]
        skipped += [(name, "no reason given")] * (count.get("SKIPPED", 0) - len(reasons))
    print(passed, len(failed), len(skipped))
    for name in failed:
        print("failed:", name)
    for name, why in skipped:
        print("skipped:", name, why)


if __name__ == "__main__":
    main()
