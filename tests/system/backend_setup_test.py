# SPDX-License-Identifier: Apache-2.0
"""scripts/backend-setup: a machine becomes a backend by it alone, and after --undo it is as before."""
import os
import re
import shutil
import subprocess
import unittest

import lab
from case import LabTest

SCRIPT = lab.TOP / "scripts/backend-setup"
VIP6 = "2001:db8:f::10"
VIPS = ("--vip", lab.VIP, "--vip", VIP6)
PAGE = lab.TOP / "docs/operate/backends.md"
SETTINGS = "net.ipv4.conf", "net.ipv6.conf"


def look(name):
    """All that the script may change, as text: links, addresses, routes and settings of a namespace."""
    links = lab.run(name, "ip", "-details", "link").stdout
    return {"links": [line.strip() for line in links.splitlines()],
            "addresses": lab.run(name, "ip", "-o", "addr").stdout.splitlines(),
            "routes": lab.run(name, "ip", "route", "show", "table", "all").stdout.splitlines(),
            "rules6": lab.run(name, "ip", "-6", "route", "show", "table", "all").stdout.splitlines(),
            "settings": [line for line in lab.run(name, "sysctl", "-a").stdout.splitlines() if line.startswith(SETTINGS)]}


class BackendSetup(LabTest):
    """gpu-1 loses what the lab gave it but the server, and gets from the script what it needs."""

    def setUp(self):
        super().setUp()
        self.state = lab.HERE / "backend-setup.state"
        for command in (f"ip addr del {lab.VIP}/32 dev lo", f"ip addr del {VIP6}/128 dev lo", "ip link set dev eth0 xdp off",
                        "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0"):
            lab.run("gpu-1", *command.split())
        self.addCleanup(self.restore)
        self.before = look("gpu-1")

    def restore(self):
        self.script("--undo", check=False)
        for command in (f"ip addr add {lab.VIP}/32 dev lo", f"ip addr add {VIP6}/128 dev lo nodad",
                        f"ip link set dev eth0 xdp object {lab.DECAP} program sluice_decap",
                        "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"):
            lab.run("gpu-1", *command.split())

    def script(self, *arguments, check=True):
        return lab.run("gpu-1", SCRIPT, "--state", self.state, *arguments, check=check)

    def served(self, count=20):
        result = lab.requests(count)
        self.assertEqual((result["failed"], result["answered"]), (0, count), result["errors"])

    def test_traffic_flows_through_a_backend_that_only_the_script_set_up_and_undo_leaves_nothing(self):
        for forwarding, more in (("l2dsr", {}), ("ipip", {"encapsulation": {"source": lab.BALANCER}}),
                                 ("gue", {"encapsulation": {"source": lab.BALANCER, "variant": 1, "port": 6080}})):
            with self.subTest(forwarding=forwarding):
                said = self.script(*VIPS, "--device", "eth0", "--mode", forwarding, "--object", lab.DECAP).stdout
                self.assertIn(lab.VIP, said)
                self.assertEqual("advmss" in said, forwarding != "l2dsr", said)
                config = lab.configuration({"gpu-1": 100}, forwarding=forwarding)
                config["pools"][0].update(more)
                with lab.Balancer(config, name=f"setup-{forwarding}") as balancer:
                    balancer.start()
                    self.served()
                    balancer.stop()
                self.script("--undo")
                self.assertEqual(look("gpu-1"), self.before)
                self.assertFalse(self.state.exists())

    def test_a_second_run_finds_all_there(self):
        arguments = (*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", lab.DECAP)
        self.script(*arguments)
        after = look("gpu-1")
        self.assertIn("all is there already", self.script(*arguments).stdout)
        self.assertEqual(look("gpu-1"), after)
        self.script("--undo")
        self.assertEqual(look("gpu-1"), self.before)
        self.assertIn("nothing to undo", self.script("--undo").stdout)

    def test_a_dry_run_tells_and_changes_nothing(self):
        said = self.script(*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", lab.DECAP, "--dry-run").stdout
        for words in (lab.VIP, VIP6, "arp_ignore", "sluice_decap"):
            self.assertIn(words, said)
        self.assertEqual(look("gpu-1"), self.before)
        self.assertFalse(self.state.exists())

    def test_strict_reverse_path_filters_become_loose_and_strict_again(self):
        lab.run("gpu-1", "sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1")
        self.addCleanup(lab.run, "gpu-1", "sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=0")
        before = look("gpu-1")
        self.script("--vip", lab.VIP, "--device", "eth0")
        self.assertEqual(lab.run("gpu-1", "sysctl", "-n", "net.ipv4.conf.eth0.rp_filter").stdout.strip(), "2")
        self.script("--undo")
        self.assertEqual(look("gpu-1"), before)

    def test_faults_are_named_before_anything_is_changed(self):
        usable = ("--device", "eth0", "--object", lab.DECAP, "--decap", "bpf", "--mode", "ipip")
        lab.run("gpu-1", "ip", "addr", "add", "203.0.113.77/32", "dev", "eth0")
        self.addCleanup(lab.run, "gpu-1", "ip", "addr", "del", "203.0.113.77/32", "dev", "eth0")
        before = look("gpu-1")
        for status, words, arguments in (
                (2, "--device is missing", VIPS), (2, "--vip is missing", usable),
                (2, "'203.0.113.300' is no address", ("--vip", "203.0.113.300", *usable)),
                (2, "--mode is", (*VIPS, *usable, "--mode", "nat")),
                (2, "--gue-port is", (*VIPS, *usable, "--gue-port", "65536")),
                (1, "there is no interface eth7", (*VIPS, *usable, "--device", "eth7")),
                (1, "ip addr del 203.0.113.77 dev eth0", ("--vip", "203.0.113.77", *usable)),
                (1, "the program is missing", (*VIPS, *usable, "--object", "/nowhere.o")),
                (1, "ports 6080 and 9886 only", (*VIPS, *usable, "--mode", "gue", "--gue-port", "7000"))):
            with self.subTest(words=words):
                done = self.script(*arguments, check=False)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(look("gpu-1"), before)

    def test_another_program_on_the_interface_is_never_replaced(self):
        lab.run("gpu-1", "ip", "link", "set", "dev", "eth0", "xdp", "object", lab.DECAP, "program", "sluice_pass")
        self.addCleanup(lab.run, "gpu-1", "ip", "link", "set", "dev", "eth0", "xdp", "off")
        done = self.script(*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", lab.DECAP, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another XDP program", done.stderr)
        self.assertIn("sluice_pass", done.stderr)

    def test_a_step_that_fails_takes_the_ones_before_it_back(self):
        broken = lab.HERE / "broken.bpf.o"
        broken.write_text("no program")
        done = self.script(*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", broken, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("undoing", done.stderr)
        self.assertEqual(look("gpu-1"), self.before)

    def test_the_kernel_s_own_tunnels_are_used_or_their_lack_is_named(self):
        arguments = (*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "kernel")
        done = self.script(*arguments, check=False)
        if done.returncode == 0:
            self.served()
            self.script("--undo")
        else:
            self.assertRegex(done.stderr, "no driver for such tunnels: modprobe (sit|ip6_tunnel)")
        self.assertEqual(look("gpu-1"), self.before)

    def test_the_page_s_commands_work(self):
        place = lab.HERE / "backend-setup"
        place.mkdir()
        self.addCleanup(shutil.rmtree, place)
        shutil.copy(SCRIPT, place)
        shutil.copy(lab.DECAP, place)
        route = lab.run("gpu-1", "ip", "-o", "route", "show", "10.0.0.0/16").stdout.split()
        self.addCleanup(lab.run, "gpu-1", "ip", "route", "change", *route)
        text = "".join(re.findall(r"^```sh setup\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
        self.assertGreater(text.count("backend-setup"), 2)
        done = lab.run("gpu-1", "env", f"PATH={place}:{os.environ['PATH']}", "bash", "-ex", "-c", text)
        self.assertIn("sluice_decap", done.stdout)
        lab.run("gpu-1", "ip", "route", "change", *route)
        self.assertEqual(look("gpu-1"), self.before)


class Alone(unittest.TestCase):
    """A machine that serves nobody, for what must not be tried on one that does."""

    NAME = "setup-backend"

    def setUp(self):
        self.state = lab.HERE / "alone.state"
        self.addCleanup(self.state.unlink, missing_ok=True)
        subprocess.run(["ip", "netns", "add", self.NAME], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", self.NAME], check=True)
        for command in ("ip link set lo up", "ip link add eth0 type veth peer name wire", "ip link set wire up",
                        "ip addr add 10.0.1.11/16 dev eth0", "ip addr add 2001:db8:a::1:b/64 dev eth0 nodad", "ip link set eth0 up"):
            lab.run(self.NAME, *command.split())
        self.before = look(self.NAME)

    def script(self, *arguments, path=""):
        return lab.run(self.NAME, "env", f"PATH={path}{os.environ['PATH']}", SCRIPT, "--state", self.state, *arguments, check=False)

    def test_an_interface_with_a_dot_in_its_name_has_its_settings_found(self):
        for command in ("ip link add eth0.100 type veth peer name wire100", "ip link set eth0.100 up",
                        "sysctl -qw net.ipv4.conf.eth0/100.rp_filter=1"):
            lab.run(self.NAME, *command.split())
        before = look(self.NAME)
        done = self.script("--vip", lab.VIP, "--device", "eth0.100")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(lab.run(self.NAME, "sysctl", "-n", "net.ipv4.conf.eth0/100.rp_filter").stdout.strip(), "2")
        self.assertEqual(self.script("--undo").returncode, 0)
        self.assertEqual(look(self.NAME), before)

    def test_words_that_a_shell_would_run_are_refused(self):
        for arguments in (("--vip", lab.VIP, "--device", "eth0;reboot"), ("--vip", lab.VIP, "--device", "../eth0"),
                          ("--vip", "::1/64", "--device", "eth0"), ("--vip", "::$(reboot)", "--device", "eth0"),
                          ("--vip", lab.VIP, "--device", "eth0", "--state", "/tmp/a b"),
                          ("--vip", lab.VIP, "--device", "eth0", "--local", "10.0.1.11", "--local", "10.0.1.12")):
            done = self.script(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(look(self.NAME), self.before)

    def test_a_later_run_that_fails_leaves_what_an_earlier_one_did(self):
        self.assertEqual(self.script("--vip", lab.VIP, "--device", "eth0").returncode, 0)
        between = look(self.NAME)
        broken = lab.HERE / "broken.bpf.o"
        broken.write_text("no program")
        done = self.script(*VIPS, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", broken)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(look(self.NAME), between)
        self.assertEqual(self.script("--undo").returncode, 0)
        self.assertEqual(look(self.NAME), self.before)
        self.assertFalse(self.state.exists())

    def test_what_cannot_be_undone_is_told_and_stays_noted(self):
        self.script("--vip", lab.VIP, "--device", "eth0")
        lab.run(self.NAME, "bash", "-c", f"ip link del sluice-vip 2>/dev/null || ip addr del {lab.VIP}/32 dev lo")
        done = self.script("--undo")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("still in", done.stderr)
        self.assertIn("del", self.state.read_text())
        self.assertEqual(look(self.NAME), self.before)  # all else is undone

    def test_a_state_file_of_somebody_else_is_not_run(self):
        self.state.write_text("touch /run/ran-it\n")
        os.chown(self.state, 65534, 65534)
        for arguments in (("--undo",), ("--vip", lab.VIP, "--device", "eth0")):
            done = self.script(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn("of root's", done.stderr)
        self.assertFalse(os.path.exists("/run/ran-it"))
        self.assertEqual(look(self.NAME), self.before)

    def test_undo_leaves_another_program_that_has_come_in_its_place(self):
        self.script("--vip", lab.VIP, "--device", "eth0", "--mode", "ipip", "--decap", "bpf", "--object", lab.DECAP)
        for command in ("xdp off", f"xdp object {lab.DECAP} program sluice_pass"):
            lab.run(self.NAME, "ip", "link", "set", "dev", "eth0", *command.split())
        self.assertEqual(self.script("--undo").returncode, 0)
        self.assertIn("sluice_pass", lab.run(self.NAME, "ip", "-details", "link", "show", "dev", "eth0").stdout)

    def test_a_kernel_with_drivers_gets_a_tunnel_end_for_each_family(self):
        """Played by an `unshare` to which every driver is there: what would be done is told."""
        fake = lab.HERE / "fake"
        fake.mkdir()
        self.addCleanup(shutil.rmtree, fake)
        (fake / "unshare").write_text("#!/bin/sh\nexit 0\n")
        (fake / "unshare").chmod(0o755)
        said = self.script(*VIPS, "--device", "eth0", "--mode", "gue", "--dry-run", path=f"{fake}:").stdout
        for words in ("sluice-in at 10.0.1.11", "sluice-in6 at 2001:db8:a::1:b", "GUE on UDP port 6080\n", "port 6080 (IPv6)"):
            self.assertIn(words, said)
        done = self.script("--vip", lab.VIP, "--device", "wire", "--mode", "ipip", "--decap", "kernel", path=f"{fake}:")
        self.assertEqual(done.returncode, 1)
        self.assertIn("wire has no address; give the tunnel's end by --local", done.stderr)
        self.assertEqual(look(self.NAME), self.before)

    def test_ipv6_that_is_switched_off_is_named_with_its_remedy(self):
        lab.run(self.NAME, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.lo.disable_ipv6=1")
        done = self.script("--vip", VIP6, "--device", "eth0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("sysctl -w net.ipv6.conf.", done.stderr)


class Usage(unittest.TestCase):
    def test_help_names_every_option(self):
        text = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
        for option in ("--vip", "--device", "--mode", "--decap", "--local", "--gue-port", "--object", "--persist", "--dry-run",
                       "--state", "--undo"):
            self.assertIn(option, text)
