# SPDX-License-Identifier: Apache-2.0
"""`dpdk-dumpcap` on a daemon that other processes may attach to, its file read by scapy."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import lab
from case import LabTest

try:
    from scapy.layers.inet import IP, TCP
    from scapy.utils import rdpcap
except ImportError:
    rdpcap = None

PREFIX = "sluice-lab"  # "sluice-" and the node's name
SHARED = pathlib.Path("/run/hugepages")
PAGE = lab.TOP / "docs/operate/devices.md"


def free_pages():
    return int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())


def shared_files():
    return [file.name for file in SHARED.iterdir() if file.name.startswith(PREFIX)]


@unittest.skipIf(rdpcap is None, "needs python3-scapy")
class Dumpcap(LabTest):
    REQUESTS = 50

    @classmethod
    def setUpClass(cls):
        if shutil.which("dpdk-dumpcap") is None:
            raise cls.failureException("dpdk-dumpcap is missing; run: scripts/packages")

    def setUp(self):
        super().setUp()
        try:
            lab.wait_until("the huge pages of the test before", lab.huge_pages, seconds=5)  # the kernel takes its time
        except lab.Failure:
            self.skipTest("256 MiB of huge pages are not to be had here")
        self.free = free_pages()

    def shared(self, start=True, **dpdk):
        changes = {"lcores": "0-1", "main_lcore": 0, "huge_pages": True, "memory_mb": 192, "multi_process": True}
        return self.balancer({"gpu-1": 100, "gpu-2": 100}, start=start, dpdk={**changes, **dpdk})

    def dumpcap(self, command):
        """Starts it as the page says, and waits until it captures."""
        self.log = lab.HERE / "tmp/dumpcap.log"
        with open(self.log, "w") as log:
            process = subprocess.Popen(lab.inside("lb", "bash", "-c", "exec " + command), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, cwd=lab.HERE / "tmp")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lab.wait_until("the capture's start", lambda: "Packets captured" in self.log.read_text() or process.poll() is not None)
        self.assertIsNone(process.poll(), self.log.read_text())
        return process

    def page_command(self):
        """The page's, for this lab's device."""
        command = re.search(r"^```sh capture\n(.*)\n```$", PAGE.read_text(), re.MULTILINE)[1]
        self.assertIn("net_af_xdp0", command)
        return command.replace("net_af_xdp0", lab.device().split(",")[0]).replace("sluice-edge-1", PREFIX)

    def test_it_reads_what_a_port_receives_and_sends(self):
        balancer = self.shared()
        capture = self.dumpcap(self.page_command())
        self.serve(self.REQUESTS)
        books = balancer.balanced()
        capture.send_signal(signal.SIGINT)
        self.assertEqual(capture.wait(30), 0, self.log.read_text())
        packets = [p for p in rdpcap(str(lab.HERE / "tmp/front.pcapng")) if IP in p]
        received = [p for p in packets if p[IP].dst == lab.VIP and TCP in p]
        sent = [p for p in packets if p[IP].proto == 4]
        opened = [p for p in received if p[TCP].flags == "S"]
        self.assertEqual(len({p[TCP].sport for p in opened}), self.REQUESTS)
        # Both sides of the same packets: nothing of what the books call forwarded is missing.
        self.assertEqual(books["drop"], 0)
        self.assertEqual(len(received), books["forward"])
        self.assertEqual(len(sent), books["forward"])
        self.assertEqual([bytes(p[TCP]) for p in received], [bytes(p[IP].payload[TCP]) for p in sent])

    def test_one_may_follow_another(self):
        balancer = self.shared()
        for _ in range(2):
            capture = self.dumpcap(self.page_command())
            self.serve(10)
            capture.send_signal(signal.SIGINT)
            self.assertEqual(capture.wait(30), 0)
        self.serve(self.REQUESTS)
        self.assertEqual(balancer.balanced()["drop"], 0)

    def test_serving_goes_on_when_it_is_killed(self):
        balancer = self.shared()
        capture = self.dumpcap(self.page_command())
        self.serve(10)
        capture.kill()
        capture.wait(30)
        self.serve(500)  # more packets than it had room for
        self.assertEqual(balancer.balanced()["drop"], 0)

    def test_nothing_is_left_after_a_good_end(self):
        balancer = self.shared()
        self.assertNotEqual(shared_files(), [])
        self.assertEqual(balancer.stop(), 0)
        self.assertEqual(shared_files(), [])
        self.assertFalse(os.path.exists(f"/run/dpdk/{PREFIX}"))
        lab.wait_until("the huge pages to be free again", lambda: free_pages() >= self.free)

    def test_the_next_start_takes_back_what_a_killed_daemon_left(self):
        balancer = self.shared()
        balancer.kill()
        self.assertLess(free_pages(), self.free)
        balancer.start()
        self.serve(self.REQUESTS)
        self.assertEqual(balancer.stop(), 0)
        lab.wait_until("the huge pages to be free again", lambda: free_pages() >= self.free)

    def test_nobody_attaches_to_a_daemon_that_does_not_say_so(self):
        balancer = self.shared(multi_process=False)
        tried = lab.run("lb", "bash", "-c", self.page_command(), check=False, cwd=lab.HERE / "tmp")
        self.assertNotEqual(tried.returncode, 0)
        self.serve(self.REQUESTS)
        self.assertEqual(balancer.balanced()["drop"], 0)

    def test_without_hugetlbfs_it_is_refused_with_the_remedy(self):
        balancer = self.shared(start=False)
        config = balancer.file
        done = subprocess.run(lab.inside("lb", "unshare", "--mount", "bash", "-c", f"umount {SHARED} && exec {lab.SLUICED} run --config {config}"),
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"/dpdk/multi_process: .*mount -t hugetlbfs")
