#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The alert rules of docs/operate/alerts.yml, in two parts.

    alerts_test.py rules TOP   promtool's judgement of them, of the configuration on alerts.md, and of
                               alerts_test.yml: when each fires; status 77 without promtool
    alerts_test.py names TOP   what they are about exists: every metric is one of the table in lib/control, every
                               alert has its test and its section on alerts.md, and no section is of none
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DESCRIBED = re.compile(r'\{"(sluice_\w+)", k(Counter|Gauge)')
METRIC = re.compile(r"\bsluice_\w+")
ALERT = re.compile(r"^ *- alert: (\w+)$", re.MULTILINE)


def rules(top, tests):
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped: promtool is missing; Debian has it in the package prometheus")
        return 77
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(top / "docs/operate/alerts.yml", place)
        config = pathlib.Path(place, "prometheus.yml")
        page = (top / "docs/operate/alerts.md").read_text()
        config.write_text(re.search(r"(?ms)^```yaml\n(.*?)^```$", page)[1])
        for words in (("check", "config", config), ("test", "rules", tests)):
            if subprocess.run([promtool, *words], check=False).returncode != 0:
                return 1
    return 0


def names(top, tests):
    table = (top / "lib/control/metric_families.hpp").read_text()
    described = {name + ("_total" if kind == "Counter" else "") for name, kind in DESCRIBED.findall(table)}
    alerts = (top / "docs/operate/alerts.yml").read_text()
    told = (top / "docs/operate/alerts.md").read_text()
    used = set(METRIC.findall(alerts)) | set(METRIC.findall(tests.read_text()))
    there = set(ALERT.findall(alerts))
    faults = [f"{name}: the table in lib/control has no such metric" for name in sorted(used - described)]
    faults += [f"{name}: alerts_test.yml does not test it"
               for name in sorted(there - set(re.findall(r"alertname: (\w+)", tests.read_text())))]
    sections = set(re.findall(r"^## (Sluice\w+)$", told, re.MULTILINE))
    faults += [f"{name}: alerts.md has no section" for name in sorted(there - sections)]
    faults += [f"{name}: a section of alerts.md without its alert" for name in sorted(sections - there)]
    if not used or not there:
        faults.append("no alert was found")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    part, place = sys.argv[1], pathlib.Path(sys.argv[2])
    judge = {"rules": rules, "names": names}[part]
    sys.exit(judge(place, pathlib.Path(__file__).with_name("alerts_test.yml")))
