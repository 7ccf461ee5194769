# SPDX-License-Identifier: Apache-2.0
"""perf/pktgen's scripts on a stand-in for Pktgen-DPDK whose device has a known capacity. pktgen_test.py FOLDER"""
import ipaddress
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = pathlib.Path(sys.argv.pop(1)).resolve()
LUA = shutil.which("lua5.4")


def line_rate(size):
    return 10e9 / ((size + 20) * 8)


class Scripts(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def play(self, script, status=0, **settings):
        """(results by what they are, calls) of a script."""
        results, log = self.place / "results.jsonl", self.place / "calls"
        for file in (results, log):
            file.unlink(missing_ok=True)
        done = subprocess.run([LUA, HERE / "pktgen_standin.lua", SCRIPTS / script], capture_output=True, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "SLUICE_RESULTS": str(results), "STANDIN_LOG": str(log),
                                   **{name: str(value) for name, value in settings.items()}})
        self.assertEqual(done.returncode != 0, status != 0, done.stdout + done.stderr)
        self.said = done.stdout + done.stderr
        found = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
        return found, log.read_text().splitlines()

    def test_throughput_is_the_capacity_to_half_a_percent_of_the_link_in_either_version(self):
        for api in ("old", "new"):
            found, _ = self.play("throughput.lua", STANDIN_API=api, STANDIN_CAPACITY=3e6, SLUICE_SIZES="64,128")
            self.assertEqual([r["size"] for r in found], [64, 128])
            for result in found:
                best = min(3e6, line_rate(result["size"]))
                self.assertLessEqual(result["packets_per_second"], best * 1.0001)
                self.assertGreater(result["packets_per_second"], best - line_rate(result["size"]) * 0.005)
                self.assertEqual(result["lost"], 0)
                self.assertEqual(result["seconds"], 60)

    def test_a_device_as_fast_as_the_link_has_all_of_it(self):
        found, calls = self.play("throughput.lua", STANDIN_CAPACITY=1e9, SLUICE_SIZES=512)
        self.assertEqual(found[0]["rate"], 100)
        self.assertEqual(calls.count("start 0"), 2)  # the trial, and the long one

    def test_a_rate_that_does_not_hold_for_a_minute_is_lowered_until_one_does(self):
        found, _ = self.play("throughput.lua", SLUICE_SIZES=64, STANDIN_LOSS_OF_LONG=5, STANDIN_HELD_RATE=15)
        self.assertLessEqual(found[0]["rate"], 15)
        self.assertGreater(found[0]["rate"], 14)

    def test_a_device_that_passes_nothing_has_no_throughput(self):
        found, _ = self.play("throughput.lua", SLUICE_SIZES=64, STANDIN_CAPACITY=1)
        self.assertEqual(found[0]["rate"], 0)

    def test_a_tolerated_loss_is_made_use_of(self):
        found, _ = self.play("throughput.lua", SLUICE_SIZES=64, STANDIN_CAPACITY=3e6, SLUICE_TOLERANCE=0.1)
        self.assertGreater(found[0]["lost"], 0)
        self.assertLessEqual(found[0]["share"], 0.1)
        self.assertAlmostEqual(found[0]["rate"] / 100 * line_rate(64), 3e6 / 0.9, delta=line_rate(64) * 0.005)

    def test_as_many_flows_as_asked_for_come_before_the_first_comes_again(self):
        for wanted in (1, 2, 1000, 1024, 16384, 1048576, 4194304):
            found, calls = self.play("flows.lua", SLUICE_RANGES=wanted)
            ranges = {tuple(call.split()[:3]): call.split()[3] for call in calls
                      if call.startswith("range.") and len(call.split()) == 4}
            low, high = (int(ipaddress.ip_address(ranges["range.src_ip", "0", end])) for end in ("min", "max"))
            hosts = high - low + 1
            ports = int(ranges["range.src_port", "0", "max"]) - int(ranges["range.src_port", "0", "min"]) + 1
            # Both are counted on by one with each packet: they meet again after the least common multiple.
            self.assertEqual(math.lcm(hosts, ports), found[0]["flows"])
            self.assertGreaterEqual(found[0]["flows"], wanted)
            self.assertLessEqual(found[0]["flows"], max(wanted * 1.1, wanted + 64))
            self.assertLessEqual(1024 + ports, 65536)
            self.assertEqual(ranges["range.src_port", "0", "inc"], "1" if ports > 1 else "0")

    def test_latency_is_taken_at_three_loads_and_grows(self):
        for api in ("old", "new"):
            found, _ = self.play("latency.lua", STANDIN_API=api)
            self.assertEqual([r["load"] for r in found], [10, 50, 90])
            full = found[0]["rate"] * 10
            for result in found:
                self.assertAlmostEqual(result["rate"], full * result["load"] / 100, places=6)
                percentiles = [result[key] for key in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "worst_ns")]
                self.assertEqual(percentiles, sorted(percentiles))
                # The device's samples are base + 1 to base + 1000, each as often as the other.
                self.assertEqual(result["p99_ns"] - result["p50_ns"], 490)
                self.assertEqual(result["worst_ns"] - result["p50_ns"], 500)
            self.assertLess(found[0]["p50_ns"], found[1]["p50_ns"])
            self.assertLess(found[1]["p50_ns"], found[2]["p50_ns"])

    def test_a_given_rate_is_not_searched_for(self):
        found, calls = self.play("latency.lua", SLUICE_RATE=10)
        self.assertEqual([r["rate"] for r in found], [1, 5, 9])
        self.assertEqual(calls.count("start 0"), 3)

    def test_a_flood_costs_good_traffic_what_the_device_cannot_take(self):
        found, calls = self.play("flood.lua", STANDIN_CAPACITY=20e6)
        alone, beside, both = found
        self.assertEqual((alone["what"], beside["what"], both["what"]), ("alone", "beside_flood", "flood"))
        self.assertEqual(both["received_of_alone"], 1)
        self.assertGreater(beside["flood_packets_per_second"], 0.9 * line_rate(64) / 2)
        self.assertEqual(alone["flood_packets_per_second"], 0)
        found, _ = self.play("flood.lua", STANDIN_CAPACITY=4e6)
        want = line_rate(512) * 0.2 + line_rate(64) * 0.5
        self.assertAlmostEqual(found[2]["received_of_alone"], 4e6 / want, delta=0.01)
        self.assertIn("set_tcp_flags 2 syn", calls)
        mask = next(call for call in calls if call.startswith("rnd 2")).split()[-1]
        self.assertEqual((len(mask), mask.count("X")), (32, 28))

    def test_a_version_that_cannot_flood_is_told_so(self):
        self.play("flood.lua", status=1, STANDIN_API="old")
        self.assertIn("set_tcp_flags", self.said)

    def test_changes_cost_what_they_cost(self):
        settings = {"SLUICE_CHANGE": "one;two", "SLUICE_CHANGES": 4, "SLUICE_RATE": 10}
        for lost in (0, 25):
            found, calls = self.play("change.lua", STANDIN_LOST_BY_COMMAND=lost, **settings)
            self.assertEqual([call for call in calls if call.startswith("execute")], ["execute one", "execute two"] * 2)
            self.assertEqual(found[2]["lost_a_change"], lost)
            self.assertEqual((found[0]["changes"], found[1]["changes"]), (0, 4))
        # In the middle of the traffic, not before or after it.
        at = calls.index("execute one")
        self.assertEqual([c for c in calls[:at] if c.startswith(("start", "stop"))][-1], "start 0")

    def test_a_change_that_fails_is_no_result(self):
        found, _ = self.play("change.lua", status=1, SLUICE_CHANGE="fail", SLUICE_RATE=10)
        self.assertEqual([r["what"] for r in found], ["unchanged"])

    def test_the_mix_is_seven_to_four_to_one(self):
        found, calls = self.play("imix.lua", STANDIN_CAPACITY=1e9)
        sizes = [int(call.split()[-2]) for call in calls if call.startswith("seq ")]
        self.assertEqual({size: sizes.count(size) for size in sizes}, {64: 7, 594: 4, 1518: 1})
        self.assertIn("set 0 seq_cnt 12", calls)
        self.assertEqual(found[0]["flows"], 12)

    def test_every_script_ends_pktgen(self):
        for script in sorted(SCRIPTS.glob("*.lua")):
            if script.name != "load.lua":
                settings = {"SLUICE_CHANGE": "one", "SLUICE_RATE": 10}
                self.assertEqual(self.play(script.name, **settings)[1][-1], "quit", script.name)


if __name__ == "__main__":
    if LUA is None:
        print("lua5.4 is missing; scripts/packages lists it")
        sys.exit(77)
    unittest.main()
