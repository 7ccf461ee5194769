# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench makes of measurements: ratios, bars, charts, captures, Pktgen's results. bench_test.py SCRIPTS/LIB"""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(sys.argv.pop(1)).resolve()))
sys.dont_write_bytecode = True
import bench  # noqa: E402
import bench_pktgen  # noqa: E402
import bench_plot  # noqa: E402
from scapy.all import IP, TCP, rdpcap  # noqa: E402


def sample(rate, share=1.0):
    return {"packets_per_second": rate, "loss": 0.0, "cycles_per_packet": 2.6e9 / rate, "share_of_core": share}


class Rows(unittest.TestCase):
    def setUp(self):
        self.repetitions = [{"ipip": sample(i), "macswap": sample(m), "5tswap": sample(10e6)}
                            for i, m in ((8e6, 10e6), (9e6, 10e6), (1e6, 1e6))]

    def test_a_ratio_is_the_median_of_ratios_within_repetitions(self):
        row = bench.rows("memif", self.repetitions, ["ipip", *bench.RIVALS])[0]
        self.assertAlmostEqual(row["packets_per_second_to_macswap"]["median"], 0.9)
        self.assertEqual(row["packets_per_second"]["median"], 8e6)  # no ratio of medians

    def test_a_bar_is_met_or_not(self):
        for rate, met in ((8.5e6, True), (8.4e6, False)):
            row = bench.rows("memif", [{**self.repetitions[0], "ipip": sample(rate)}], ["ipip", *bench.RIVALS])[0]
            self.assertIs(row["bar"]["met"], met)

    def test_workers_that_shared_their_core_are_counted(self):
        found = [{**r, "ipip": sample(1e6, 0.5)} for r in self.repetitions]
        self.assertEqual([row["disturbed"] for row in bench.rows("memif", found, ["ipip", *bench.RIVALS])], [3, 0, 0])


class Loss(unittest.TestCase):
    def test_is_what_did_not_come_back(self):
        zero = {"generated": 0, "returned": 0, "received": 0, "sent": 0}
        after = {"generated": 1000, "returned": 900, "received": 1000, "sent": 990}
        self.assertAlmostEqual(bench.Link.lost(zero, after), 0.1)
        self.assertAlmostEqual(bench.Source.lost(zero, after), 0.01)
        self.assertEqual(bench.Source.lost(zero, zero), 1.0)


class Captures(unittest.TestCase):
    def test_every_packet_is_another_flow_with_right_checksums_and_of_the_size_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "c.pcap"
            bench.write_capture(file, 0, 50, 128)
            packets = list(rdpcap(str(file)))
        flows = set()
        for packet in packets:
            self.assertEqual(len(packet), 128 - 4)
            sums = packet[IP].chksum, packet[TCP].chksum
            again = packet.copy()
            del again[IP].chksum, again[TCP].chksum
            again = type(packet)(bytes(again))
            self.assertEqual(sums, (again[IP].chksum, again[TCP].chksum))
            self.assertEqual((packet[IP].dst, packet[TCP].dport), (bench.VIP, bench.PORT))
            flows.add((packet[IP].src, packet[TCP].sport))
        self.assertEqual(len(flows), 50)


FAKE = """#!/bin/sh
# Pktgen, as far as its command line goes: refuses to run without a terminal, takes -f.
test -t 0 || exit 3
while test $# -gt 1; do shift; test "$prev" = -f && break; prev=$1; done
exec lua5.4 STANDIN "$1"
"""


@unittest.skipUnless(shutil.which("lua5.4"), "lua5.4 is missing")
class Pktgen(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        program = self.place / "pktgen"
        program.write_text(FAKE.replace("STANDIN", str(pathlib.Path(__file__).parent / "pktgen_standin.lua")))
        program.chmod(0o755)
        self.enterContext(unittest.mock.patch.dict(os.environ, {"PATH": f"{self.place}:{os.environ['PATH']}"}))

    def test_results_of_its_scripts_become_rows_with_latency_where_there_is_one(self):
        self.assertIsNone(bench_pktgen.available())
        found = bench_pktgen.rows(["imix", "latency"], '-l 0-2 -- -P -m "1.0"', self.place)
        self.assertEqual([(row["script"], row.get("load")) for row in found],
                         [("imix", None), ("latency", 10), ("latency", 50), ("latency", 90)])
        self.assertIsNone(found[0]["latency"])
        self.assertEqual(set(found[1]["latency"]), {"p50", "p90", "p99", "p999", "worst"})
        lines = bench_pktgen.table(found).splitlines()
        self.assertEqual(len(lines), 2 + len(found))
        self.assertIn(" / ", lines[-1])

    def test_a_script_that_fails_is_told_with_its_last_words(self):
        with unittest.mock.patch.dict(os.environ, {"STANDIN_API": "old"}):
            with self.assertRaisesRegex(bench_pktgen.Failure, "set_tcp_flags"):
                bench_pktgen.rows(["flood"], "", self.place)


class Chart(unittest.TestCase):
    def test_bars_stand_in_proportion_below_the_scale(self):
        text = bench_plot.chart("a < b", [("memif", [("one", 1, 2, 3), ("two", 3, 4, 5)])], "million/s")
        root = xml.etree.ElementTree.fromstring(text)
        bars = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if len(r)]
        heights = [float(bar.get("height")) for bar in bars]
        self.assertAlmostEqual(heights[1] / heights[0], 2, places=2)
        self.assertTrue(all(float(bar.get("y")) >= bench_plot.TOP for bar in bars))

    def test_the_scale_ends_at_a_round_number_that_is_high_enough(self):
        self.assertEqual([bench_plot.ceiling(v) for v in (0.5, 1, 1.5, 4, 9, 14, 21)], [1, 1, 2, 5, 10, 20, 50])


if __name__ == "__main__":
    unittest.main()
