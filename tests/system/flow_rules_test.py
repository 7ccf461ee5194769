# SPDX-License-Identifier: Apache-2.0
"""`flow_rules` on a real driver that has rte_flow: net_tap, which needs the kernel's flower classifier for it."""
import os
import subprocess

import lab
from case import LabTest

ADDRESS = "10.0.1.11"


def has_flower():
    """The kernel takes a flower rule."""
    lab.run("lb", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    try:
        lab.run("lb", "tc", "qdisc", "add", "dev", "probe0", "clsact")
        return lab.run("lb", "tc", "filter", "add", "dev", "probe0", "ingress", "protocol", "ip", "flower",
                       "dst_ip", ADDRESS, "action", "drop", check=False).returncode == 0
    finally:
        subprocess.run(lab.inside("lb", "ip", "link", "del", "probe0"), check=True)


class FlowRules(LabTest):
    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("the kernel has no TAP devices")

    def tap(self, flow_rules, start=True):
        port = {"name": "front", "device": "net_tap0", "mac": "02:00:00:00:00:01", "mtu": 1500, "queues": 1, "flow_rules": flow_rules}
        neighbours = [{"address": ADDRESS, "mac": "02:00:00:00:01:11", "port": "front"}]
        return self.balancer({"gpu-1": 100}, ports=[port], neighbours=neighbours, start=start)

    def test_where_they_may_be_the_daemon_starts_without(self):
        balancer = self.tap("auto")
        self.assertNotIn("flow_rules is", balancer.log.read_text())

    def test_where_they_must_be_the_daemon_says_why_it_does_not_start(self):
        if has_flower():
            self.skipTest("this kernel has what the rules of net_tap need")
        self.refused(self.tap("on", start=False), "port front", "flow_rules is 'on'")

    def test_they_are_made_where_the_kernel_has_flower(self):
        if not has_flower():
            self.skipTest("the kernel has no flower classifier, of which net_tap makes rte_flow rules")
        balancer = self.tap("on")
        self.assertRegex(balancer.log.read_text(), r"flow_rules port=front by=(port|address)")
        filters = lab.run("lb", "tc", "filter", "show", "dev", "dtap0", "ingress").stdout
        self.assertIn(lab.VIP, filters)
