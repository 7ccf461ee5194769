# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran: prints "PASSED FAILED SKIPPED", then one line for each that did not pass.

    count_tests.py BUILD

A Google Test program counts by its cases, as its closing lines tell them; any other test as one. A program
that died before it told them, or that says it passed and ended otherwise, counts as one failure.
"""
import json
import pathlib
import re
import sys

RAN = re.compile(r"^\[=+\] (\d+) tests? from \d+ test suites? ran\.", re.M)
PASSED = re.compile(r"^\[  PASSED  \] (\d+) tests?\.", re.M)
SKIPPED = re.compile(r"^(?P<why>.*)\n\[  SKIPPED \] (?P<name>[^ ,\n]+)(?:, where .*)? \(\d+ ms\)$", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (?P<name>[^ ,\n]+)(?:, where .*)? \(\d+ ms\)$", re.M)


def cases(stdout):
    """(passed, [failed], [(skipped, why)]) of a Google Test program; None when it did not come to its end."""
    ran, passed = RAN.search(stdout), PASSED.search(stdout)
    if not ran or not passed or int(ran[1]) == 0:
        return None
    failed = [m["name"] for m in FAILED.finditer(stdout)]
    skipped = [(m["name"], m["why"]) for m in SKIPPED.finditer(stdout)]
    if int(passed[1]) + len(failed) + len(skipped) != int(ran[1]):
        return None
    return int(passed[1]), failed, skipped


def main():
    build = pathlib.Path(sys.argv[1])
    passed, failed, skipped = 0, [], []
    for line in (build / "meson-logs/testlog.json").read_text(encoding="utf-8", errors="replace").splitlines():
        test = json.loads(line)
        result, counted = test["result"], cases(test.get("stdout") or "")
        if counted and (result in ("OK", "SKIP") or counted[1]):
            passed += counted[0]
            failed += counted[1]
            skipped += counted[2]
        elif result == "OK" and not RAN.search(test.get("stdout") or ""):
            passed += 1
        elif result == "SKIP":
            skipped.append((test["name"], "by itself"))
        else:
            failed.append(f"{test['name']} ({result.lower()})")
    print(passed, len(failed), len(skipped))
    for name in failed:
        print("failed:", name)
    for name, why in skipped:
        print("skipped:", name, why)


if __name__ == "__main__":
    main()
