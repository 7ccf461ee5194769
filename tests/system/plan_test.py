# SPDX-License-Identifier: Apache-2.0
"""`sluicectl plan` against the reference simulator: alone it prints what the simulator prints when it drives --step.

The simulator is not part of this tree: SLUICE_AUTOSCALE_REFERENCE names its folder.
"""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest

import lab

REFERENCE = os.environ.get("SLUICE_AUTOSCALE_REFERENCE", "")
TRACES = lab.TOP / "tests/plan/reference"
CONFIGURATION = {
    "ports": [{"name": "front", "device": "net_null0", "mac": "02:00:00:00:00:01"}],
    "services": [{"name": "s", "address": "203.0.113.1", "port": 80, "protocol": "tcp", "pool": "p"}],
    "pools": [{
        "name": "p", "forwarding": "l2dsr", "backends": [],
        "classes": [{"name": "c", "capacity": 1.25, "service_time_s": 5, "cold_start_s": 60}],
        "autoscale": {"policy": "predictive", "min": 1, "max": 400, "tick_s": 5, "slo_wait_s": 5,
                      "actuator": {"type": "metric"}}}]}


@unittest.skipUnless(REFERENCE, "SLUICE_AUTOSCALE_REFERENCE does not name the reference simulator's folder")
class Reference(unittest.TestCase):
    def figures(self, trace, cold):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "sluice.json"
            file.write_text(json.dumps(CONFIGURATION))
            ours = [lab.SLUICECTL, "plan", "--config", file]
            step = shlex.join(map(str, [*ours, "--step"]))
            asked = [sys.executable, f"{REFERENCE}/autoscale_sim.py", "--trace", trace, "--policy", "exec", "--exec", step,
                     "--capacity", "1.25", "--service-time", "5", "--max", "400", "--cold-start", str(cold), "--tick", "5"]
            driven = subprocess.run(asked, check=True, capture_output=True, text=True)
            alone = subprocess.run([*ours, "--trace", trace, "--cold-start", str(cold), "--json"], check=True,
                                   capture_output=True, text=True)
            return json.loads(driven.stdout), json.loads(alone.stdout)

    def test_driven_line_by_line_it_decides_as_it_does_alone(self):
        for trace in sorted(TRACES.glob("*.csv")):
            for cold in (10, 60, 180):
                with self.subTest(trace=trace.name, cold_start=cold):
                    driven, alone = self.figures(trace, cold)
                    for key in driven.keys() - {"policy", "target", "trace"}:
                        self.assertEqual(driven[key], alone[key], key)
