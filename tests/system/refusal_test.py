# SPDX-License-Identifier: Apache-2.0
"""What a node lacks: one line with the remedy and an exit status, or going on without."""
import pathlib
import signal
import subprocess
import unittest

import lab
from case import NOBODY, LabTest


class Refusal(LabTest):
    @unittest.skipIf(lab.af_xdp_missing(), lab.af_xdp_missing())
    def test_a_foreign_xdp_program_is_refused_by_its_name(self):
        for mode in ("xdpdrv", "xdpgeneric"):
            lab.run("lb", "ip", "link", "set", "dev", "lb0", mode, "object", lab.DECAP, "program", "sluice_pass")
            try:
                self.refused(self.balancer(start=False), "lb0", "sluice_pass")
                self.assertIn("sluice_pass", lab.run("lb", "ip", "-details", "link", "show", "lb0").stdout)
            finally:
                lab.run("lb", "ip", "link", "set", "dev", "lb0", mode, "off")
        self.balancer()
        self.serve(50)

    def test_a_missing_interface_is_named(self):
        ports = [{"name": "front", "device": "net_af_xdp0,iface=nowhere0", "mtu": 1500, "queues": 1}]
        self.refused(self.balancer(start=False, ports=ports), "nowhere0")

    def test_missing_privileges_name_what_is_needed(self):
        balancer = self.balancer(start=False)
        balancer.file.chmod(0o644)
        copy = lab.HERE / "sluiced"
        subprocess.run(["install", "-m755", lab.SLUICED, copy], check=True)
        done = lab.run("lb", *NOBODY, copy, "run", "--config", balancer.file, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"root|CAP_")
        self.assertLessEqual(len(done.stderr.strip().splitlines()), 3, done.stderr)

    def test_too_few_huge_pages_name_the_remedy(self):
        dpdk = {"lcores": "0-1", "main_lcore": 0, "huge_pages": True, "memory_mb": 65536}
        line = self.refused(self.balancer(start=False, dpdk=dpdk), "huge")
        self.assertRegex(line, r"nr_hugepages|huge_pages")

    def test_a_bad_configuration_at_the_start_ends_with_2_and_every_fault(self):
        balancer = self.balancer(start=False)
        config = lab.configuration({"gpu-1": 100})
        config["pools"][0]["table_size"] = 65536
        config["services"][0]["pool"] = "lama"
        config["nod"] = config.pop("node")
        balancer.write(config)
        balancer.launch()
        self.assertEqual(balancer.wait(), 2)
        said = balancer.log.read_text()
        for pointer in ("/pools/0/table_size: ", "/services/0/pool: ", "/nod: "):
            self.assertIn(pointer, said)

    def test_check_needs_no_root_and_tells_the_same(self):
        balancer = self.balancer(start=False)
        balancer.file.chmod(0o644)
        copy = lab.HERE / "sluiced"
        subprocess.run(["install", "-m755", lab.SLUICED, copy], check=True)
        good = lab.run("lb", *NOBODY, copy, "check", "--config", balancer.file, check=False)
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        balancer.write('{"node": "lab", "node": "lab"}')
        balancer.file.chmod(0o644)
        bad = lab.run("lb", *NOBODY, copy, "check", "--config", balancer.file, check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertIn("node", bad.stderr)

    def test_a_file_that_is_not_there_is_named(self):
        balancer = self.balancer(start=False)
        balancer.file.unlink()
        self.refused(balancer, str(balancer.file), statuses=(1, 2))


class GoesOn(LabTest):
    def mounted(self, options):
        """A state directory on a small file system of its own."""
        place = lab.HERE / "small"
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", place], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return place

    def test_a_state_directory_that_cannot_be_written_is_told_and_traffic_flows(self):
        place = self.mounted("ro,size=64k")
        balancer = self.balancer(state_dir=str(place))
        self.assertFalse(balancer.status()["state"]["writable"])
        self.assertIn(str(place), balancer.status()["state"]["problem"] + balancer.log.read_text())
        self.serve()
        self.changed("drain", "llama", "gpu-1")
        self.assertNotIn("gpu-1", self.serve())
        balancer.balanced()

    def test_a_full_disk_is_told_and_traffic_flows(self):
        place = self.mounted("size=16k")
        balancer = self.balancer(state_dir=str(place))
        self.assertTrue(balancer.status()["state"]["writable"])
        with open(place / "filler", "wb", buffering=0) as filler:
            with self.assertRaises(OSError):
                while True:
                    filler.write(bytes(4096))
        self.changed("drain", "llama", "gpu-1")
        state = balancer.status()["state"]
        self.assertFalse(state["writable"], state)
        self.assertNotEqual(state["problem"], "")
        self.assertNotIn("gpu-1", self.serve())
        (place / "filler").unlink()
        self.changed("undrain", "llama", "gpu-1")
        self.assertTrue(balancer.status()["state"]["writable"])
        balancer.balanced()

    def test_without_huge_pages_it_runs_when_told_to(self):
        dpdk = {"lcores": "0-1", "main_lcore": 0, "huge_pages": False, "memory_mb": 128}
        balancer = self.balancer(dpdk=dpdk)
        self.assertFalse(balancer.status()["huge_pages"])
        self.serve()

    @unittest.skipIf(lab.af_xdp_missing(), lab.af_xdp_missing())
    def test_generic_xdp_serves_too_when_asked_for(self):
        ports = [{"name": "front", "device": "net_af_xdp0,iface=lb0", "mtu": 1500, "queues": 1, "xdp": "generic"}]
        balancer = self.balancer(ports=ports)
        self.assertEqual(balancer.status()["ports"][0]["xdp"]["mode"], "generic")
        self.serve()

    def test_nothing_that_was_written_stays_open_to_others(self):
        balancer = self.balancer()
        self.assertEqual(pathlib.Path(lab.SOCKET).stat().st_mode & 0o7, 0)
        balancer.signal(signal.SIGHUP)
        self.serve(20)
