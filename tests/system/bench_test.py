# SPDX-License-Identifier: Apache-2.0
"""scripts/bench for a short while: every device, every program, figures that can be."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import lab

BENCH = lab.TOP / "scripts/bench"
DEVICES = {"memif": 10_000, "vhost": 10_000, "pcap-1k": 1_000, "pcap-100k": 100_000}
PROGRAMS = ("sluiced ipip", "sluiced l2dsr", "macswap", "5tswap")


def programs():
    """Processes that were told of a file in a bench's temporary folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b"/sluice-bench-" in word for word in words) and b"bench.py" not in b" ".join(words):
            found.append(process.name)
    return found


def huge_pages():
    return int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages").read_text())


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("dpdk-testpmd") is None:
            raise cls.failureException("dpdk-testpmd is missing; run: scripts/packages")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.place = pathlib.Path(folder.name)
        done = subprocess.run([BENCH, "--seconds", "1", "--repetitions", "1", "--json", cls.place / "b.json",
                               "--plot", cls.place / "b.svg"], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise cls.failureException(f"exit {done.returncode}:\n{done.stdout}{done.stderr}")
        cls.said, cls.found = done.stdout, json.loads((cls.place / "b.json").read_text())

    def test_every_program_is_measured_on_every_device(self):
        rows = [(row["device"], row["flows"], row["program"]) for row in self.found["rows"]]
        self.assertEqual(rows, [(d, flows, p) for d, flows in DEVICES.items() for p in PROGRAMS])

    def test_packets_flow_and_their_loss_is_a_share(self):
        for row in self.found["rows"]:
            with self.subTest(device=row["device"], program=row["program"]):
                self.assertGreater(row["packets_per_second"]["median"], 10_000)
                self.assertGreater(row["cycles_per_packet"]["median"], 10)
                self.assertGreater(row["share_of_core"]["median"], 0)
                self.assertLess(row["share_of_core"]["median"], 1.1)
                self.assertGreaterEqual(row["loss"]["low"], 0)
                # What one process takes from a file and drops in a device, it cannot lose on the way; two processes
                # are stopped and counted one after the other, and what is under way then is not lost either.
                self.assertLess(row["loss"]["high"], 0.02 if row["device"].startswith("pcap") else 0.5)

    def test_ratios_are_to_rivals_of_the_same_repetition(self):
        rates = {(row["device"], row["program"]): row["packets_per_second"]["all"] for row in self.found["rows"]}
        for row in self.found["rows"]:
            mine, rival = (rates[row["device"], program][0] for program in (row["program"], "macswap"))
            self.assertAlmostEqual(row["packets_per_second_to_macswap"]["median"], mine / rival)
            if row["program"].startswith("sluiced"):
                self.assertEqual(row["bar"]["met"], mine / rival >= row["bar"]["packets_per_second_to_macswap"])

    def test_what_cannot_be_told_is_said(self):
        for row in self.found["rows"]:
            self.assertIsNone(row["latency"])
            self.assertIn("Pktgen", row["latency_missing"])
        self.assertIn("latency:", self.said)
        self.assertIn("CPU", self.found["machine"]["cores"])

    def test_the_table_and_the_chart_show_all_of_it(self):
        for program in PROGRAMS:
            self.assertEqual(self.said.count(f"| {program} |"), len(DEVICES))
        bars = [r for r in xml.etree.ElementTree.parse(self.place / "b.svg").iter("{http://www.w3.org/2000/svg}rect")
                if len(r)]
        self.assertEqual(len(bars), len(self.found["rows"]))

    def test_it_leaves_no_process_and_no_file_of_dpdk(self):
        left = [p.name for p in pathlib.Path("/var/run/dpdk").iterdir() if p.name.startswith(("rival-", "generator-"))]
        self.assertEqual(left, [])


class Usage(unittest.TestCase):
    def test_what_it_does_not_know_it_refuses(self):
        for wrong in (["--devices", "floppy"], ["--modes", "magic"], ["--size", "10"], ["--repetitions", "0"]):
            done = subprocess.run([BENCH, *wrong], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_one_that_is_told_to_end_takes_its_programs_along(self):
        before = huge_pages()
        with tempfile.TemporaryDirectory() as folder:
            bench = subprocess.Popen([BENCH, "--devices", "pcap-1k", "--seconds", "60", "--json", f"{folder}/b.json"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                lab.wait_until("a program under test", programs, 60)
                bench.terminate()
                self.assertEqual(bench.wait(60), 130)
                self.assertEqual(programs(), [])
            finally:
                bench.kill()
                bench.wait()
        self.assertEqual(huge_pages(), before)


if __name__ == "__main__":
    unittest.main()
