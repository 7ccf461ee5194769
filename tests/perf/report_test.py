# SPDX-License-Identifier: Apache-2.0
"""What perf/report.py makes of runs: figures above the floor of the same run. report_test.py REPORT.PY"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPORT = pathlib.Path(sys.argv.pop(1)).resolve()


def run(floor, ipip, kept=1048576):
    rows = {"BM_Floor/v4/flows:1024": floor, "BM_Pipeline/ipip/v4/flows:1024": ipip,
            "BM_Pipeline/gue/v4/flows:1024": floor + 2 * (ipip - floor), "BM_Floor/v4/flows:1048576": floor + 5,
            "BM_Pipeline/ipip/v4/flows:1048576": ipip + 35}
    benchmarks = [{"name": name, "run_type": "iteration", "cycles_per_packet": value, "flows_kept": kept}
                  for name, value in rows.items()]
    benchmarks.append({"name": "BM_Worker/ipip/v4/flows:1024", "error_occurred": True, "error_message": "no memory"})
    return {"context": {"isa": "v3", "compiler": "12", "pages": "huge", "tsc_mhz": "1", "load_avg": [0.5]},
            "benchmarks": benchmarks}


class Report(unittest.TestCase):
    def report(self, *runs):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for number, one in enumerate(runs):
                files.append(pathlib.Path(folder) / f"{number}.json")
                files[-1].write_text(json.dumps(one))
            done = subprocess.run([sys.executable, REPORT, "--json", *files], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.said = done.stderr
        return done.stdout.splitlines()

    def line(self, lines, start):
        return next(line for line in lines if line.startswith(f"| {start} "))

    def test_a_row_stands_above_the_floor_of_its_own_run(self):
        # One run of a slow moment: its floor is slow as well.
        lines = self.report(run(20, 50), run(40, 71), run(20, 52))
        self.assertEqual(self.line(lines, "Pipeline/ipip/v4/flows:1024"),
                         "| Pipeline/ipip/v4/flows:1024 | 20 (20-40) | 52 (50-71) | 31 (30-32) |")

    def test_bars_are_judged_by_the_median(self):
        judged = {}
        for cycles in (44, 59, 61):
            lines = self.report(run(20, cycles), run(20, cycles), run(20, 500))
            judged[cycles] = self.line(lines, "ipip IPv4, 1 Ki flows known, cycles").split("|")[-2].strip()
        self.assertEqual(judged, {44: "goal", 59: "met", 61: "not met"})

    def test_ratios_are_of_figures_above_the_floor(self):
        self.assertIn("| 2.00 (2.00-2.00) | not met |", self.line(self.report(run(20, 50)), "gue of ipip's"))

    def test_forgotten_flows_are_a_share(self):
        self.assertIn("| 0.0100 (0.0100-0.0100) | not met |",
                      self.line(self.report(run(20, 50, kept=1048576 * 0.99)), "of 1 Mi flows in 2 Mi places, forgotten"))

    def test_rows_that_failed_are_named_and_bars_without_rows_left_out(self):
        lines = self.report(run(20, 50))
        self.assertIn("no memory", self.said)
        self.assertFalse([line for line in lines if line.startswith("| new flow")])


if __name__ == "__main__":
    unittest.main()
