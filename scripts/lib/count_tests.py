# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran: prints "PASSED FAILED SKIPPED", then one line for each that did not pass.

    count_tests.py BUILD RESULTS

RESULTS is the directory that GTEST_OUTPUT=xml:RESULTS/ named: a Google Test program counts by its cases,
any other test as one. A program that died before it wrote its results counts as one failure.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def parse(file):
    """Google Test writes a test's parameter as it is, whatever bytes it has; XML takes not every one."""
    text = file.read_bytes().decode("utf-8", "replace")
    return xml.fromstring(re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text))


def cases(results):
    """(passed, failed, [(case, why skipped)], [failed case]) over all result files."""
    passed, failed, skipped = 0, [], []
    for file in sorted(results.glob("*.xml")):
        for case in parse(file).iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None:
                failed.append(name)
            elif case.find("skipped") is not None:
                skipped.append((name, (case.find("skipped").get("message") or "").strip().splitlines()[-1:]))
            elif case.get("status") == "run":
                passed += 1
    return passed, failed, skipped


def main():
    build, results = map(pathlib.Path, sys.argv[1:])
    passed, failed, skipped = cases(results)
    for line in (build / "meson-logs/testlog.json").read_text().splitlines():
        test = json.loads(line)
        result, wrote = test["result"], "[==========]" in (test.get("stdout") or "")
        counted = wrote and "[==========] Running 0 tests" not in test["stdout"] and (
            "tests ran." in test["stdout"] or "test ran." in test["stdout"])
        if counted and (result in ("OK", "SKIP") or "FAILED TEST" in test["stdout"]):
            continue  # its cases are in the result files
        if result == "OK":
            passed += 1
        elif result == "SKIP":
            skipped.append((test["name"], ["by itself"]))
        else:
            failed.append(f"{test['name']} ({result.lower()})")
    print(passed, len(failed), len(skipped))
    for name in failed:
        print("failed:", name)
    for name, why in skipped:
        print("skipped:", " ".join([name, *why]))


if __name__ == "__main__":
    main()
