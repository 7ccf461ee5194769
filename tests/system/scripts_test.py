# SPDX-License-Identifier: Apache-2.0
"""The scripts themselves: help, wrong use, counting, steps that fail or are interrupted, a lab's end."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import lab

SCRIPTS = lab.TOP / "scripts"
STEPS = f"""#!/bin/bash
set -euo pipefail
source {SCRIPTS}/lib/common.sh
source {SCRIPTS}/lib/steps.sh
step_good() {{ count 3 0 0; }}
step_cut() {{ false; count 1 0 0; }}
step_bad() {{ count 1 2 0; }}
step_blamed() {{ echo "failed: A.b" | blame; echo "much else"; count 1 1 0; }}
step_left_out() {{ skip "no such thing here"; }}
step_long() {{ sleep infinity & echo $! >"$HERE/child"; wait; }}
if [[ ${{1:-}} == --step ]]; then
  "step_$2"
  exit
fi
steps_logs=$HERE
trap stop_step EXIT
trap 'exit 130' INT TERM
for step; do run_step "$step"; done
sum_up
"""


class Usage(unittest.TestCase):
    def test_every_script_explains_itself_and_refuses_what_it_does_not_know(self):
        for script in ("bench", "lab", "quickstart", "test", "lint", "package"):
            text = subprocess.run([SCRIPTS / script, "--help"], capture_output=True, text=True, check=True).stdout
            self.assertIn(f"scripts/{script}", text)
            wrong = subprocess.run([SCRIPTS / script, "--nonsense"], capture_output=True, text=True)
            self.assertEqual(wrong.returncode, 2, wrong.stderr)
            self.assertIn("--help", wrong.stderr)


class Steps(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.script = self.place / "steps"
        self.script.write_text(STEPS)
        self.script.chmod(0o755)
        self.environment = {**os.environ, "HERE": str(self.place)}

    def run_steps(self, *steps):
        done = subprocess.run([self.script, *steps], capture_output=True, text=True, env=self.environment, timeout=30)
        return done.returncode, done.stdout.splitlines()

    def test_what_passes_is_counted(self):
        status, lines = self.run_steps("good", "left_out")
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed, 1 skipped"))

    def test_a_step_that_ends_early_is_a_failure_and_the_next_one_runs(self):
        status, lines = self.run_steps("cut", "good")
        self.assertEqual((status, lines[-1]), (1, "3 passed, 1 failed, 0 skipped"))

    def test_counted_failures_are_failures(self):
        status, lines = self.run_steps("bad")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 2 failed, 0 skipped"))

    def test_what_failed_is_printed_and_not_the_log_s_end(self):
        status, lines = self.run_steps("blamed")
        self.assertEqual((status, lines[1]), (1, "  | failed: A.b"))
        self.assertNotIn("  | much else", lines)

    def test_nothing_tested_is_no_success(self):
        self.assertEqual(self.run_steps("left_out")[0], 1)

    def test_an_interruption_ends_the_step_and_its_children(self):
        process = subprocess.Popen([self.script, "long"], stdout=subprocess.DEVNULL, env=self.environment)
        child = lab.wait_until("the step's child", self.child)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 130)
        # Gone, or a zombie that nobody has collected yet.
        lab.wait_until("the child to end", lambda: self.state(child) in (None, "Z"))

    def child(self):
        try:
            return int((self.place / "child").read_text())
        except (OSError, ValueError):
            return None

    def state(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return None


class Counting(unittest.TestCase):
    def count(self, *tests):
        with tempfile.TemporaryDirectory() as build:
            logs = pathlib.Path(build) / "meson-logs"
            logs.mkdir()
            (logs / "testlog.json").write_text("\n".join(json.dumps(t) for t in tests))
            done = subprocess.run([sys.executable, SCRIPTS / "lib/count_tests.py", build], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def test_cases_are_counted_as_the_program_gives_them(self):
        said = ("[ RUN      ] A.b\nx_test.cpp:3: Skipped\nneeds root\n\n[  SKIPPED ] A.b (0 ms)\n"
                "[==========] 4 tests from 1 test suite ran. (5 ms total)\n[  PASSED  ] 3 tests.\n"
                "[  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] A.b\n")
        self.assertEqual(self.count({"name": "x", "result": "OK", "stdout": said}), ["3 0 1", "skipped: A.b needs root"])

    def test_failed_cases_are_named(self):
        said = "[  FAILED  ] A.c (1 ms)\n[  PASSED  ] 2 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.c\n\n 1 FAILED TEST\n"
        self.assertEqual(self.count({"name": "x", "result": "FAIL", "stdout": said}), ["2 1 0", "failed: A.c"])

    def test_a_program_that_dies_or_fails_after_its_cases_is_a_failure(self):
        self.assertEqual(self.count({"name": "x", "result": "ERROR", "stdout": "[ RUN      ] A.b\n"})[0], "0 1 0")
        self.assertEqual(self.count({"name": "x", "result": "FAIL", "stdout": "[  PASSED  ] 2 tests.\n"})[0], "2 1 0")
        self.assertEqual(self.count({"name": "y", "result": "TIMEOUT"}, {"name": "z", "result": "OK"})[0], "1 1 0")


class Lab(unittest.TestCase):
    def test_a_newcomer_s_build_has_every_program_that_the_lab_loads(self):
        loaded = set(re.findall(r"SLUICE_BUILD/(lib/xdp/\w+\.bpf\.o)", (SCRIPTS / "lib/topology.sh").read_text()))
        self.assertGreater(len(loaded), 1)
        for program in loaded:
            self.assertIn(f" {program}", (SCRIPTS / "quickstart").read_text())

    def test_every_backend_answers_by_itself(self):
        for i in range(1, 11):
            answer = lab.run("client", "curl", "-sf", f"http://{lab.backend_address(f'gpu-{i}')}/health").stdout
            self.assertIn(f'"gpu-{i}"', answer)

    def test_every_backend_is_reached_over_ipv6_and_through_the_router(self):
        for where in ("client", "far"):
            for address in ("10.0.1.11", "[2001:db8:a::1:b]"):
                answer = lab.run(where, "curl", "-sf", "--globoff", f"http://{address}/health").stdout
                self.assertIn('"gpu-1"', answer)

    def test_the_balancer_has_as_many_queues_as_asked_for(self):
        for count in ("2", "1"):
            lab.run_script("queues", count)
            channels = lab.run("lb", "ethtool", "-l", "lb0").stdout.split("Current", 1)[1]
            self.assertIn(f"RX:\t\t{count}\n", channels)
        for wrong in (("queues", "3"), ("vlan", "maybe")):
            done = subprocess.run([SCRIPTS / "lab", *wrong], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_a_lab_in_a_lab_is_refused(self):
        done = subprocess.run([SCRIPTS / "lab", "up"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("inside of a lab", done.stderr)
