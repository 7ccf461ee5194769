# SPDX-License-Identifier: Apache-2.0
"""Next hops from the kernel: learned, followed, and missed."""
import lab
from case import LabTest


class Neighbours(LabTest):
    def forget(self):
        """The balancer's kernel knows no neighbour."""
        lab.run("lb", "ip", "neigh", "flush", "all")

    def next_hop(self, name):
        return self.backends()[name]["next_hop"]

    def test_next_hops_are_learned_from_an_empty_table(self):
        self.forget()
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100})
        lab.wait_until("both next hops", lambda: all(b["next_hop"]["resolved"] for b in self.backends().values()))
        hop = self.next_hop("gpu-1")
        self.assertEqual((hop["mac"], hop["port"], hop["source"]), ("02:00:00:00:01:0b", "front", "kernel"))
        self.serve()
        balancer.balanced()

    def test_a_backend_that_changes_its_mac_is_followed(self):
        balancer = self.balancer({"gpu-1": 100})
        self.serve(50)
        lab.run("gpu-1", "sysctl", "-qw", "net.ipv4.conf.eth0.arp_notify=1")
        for mac in ("02:00:00:00:77:01", "02:00:00:00:01:0b"):
            lab.run("gpu-1", "ip", "link", "set", "dev", "eth0", "address", mac)
            lab.wait_until(f"the MAC address {mac}", lambda: self.next_hop("gpu-1")["mac"] == mac, 60)
            self.serve(50)
        balancer.balanced()

    def test_a_configured_neighbour_overrides_the_kernel(self):
        entry = {"address": lab.backend_address("gpu-1"), "mac": "02:00:00:00:01:0b", "port": "front"}
        self.balancer({"gpu-1": 100}, neighbours=[entry])
        hop = self.next_hop("gpu-1")
        self.assertEqual((hop["resolved"], hop["source"]), (True, "configuration"))
        self.serve(50)

    def test_a_backend_without_a_next_hop_costs_counted_drops_until_it_comes(self):
        lab.run("gpu-2", "ip", "link", "set", "dev", "eth0", "down")
        self.forget()
        try:
            balancer = self.balancer({"gpu-2": 100})
            self.assertFalse(self.next_hop("gpu-2")["resolved"])
            self.assertNotEqual(self.next_hop("gpu-2")["problem"], "")
            with self.assertRaises(lab.Failure):
                lab.run("client", "curl", "-s", "--max-time", "1", f"http://{lab.VIP}/v1/models")
            drops = {d["reason"]: d for d in lab.ctl("drops", "--all")["drops"]}
            self.assertGreater(drops["no_next_hop"]["packets"], 0)
            self.assertNotEqual(drops["no_next_hop"]["remedy"], "")
            balancer.balanced()
        finally:
            lab.run("gpu-2", "ip", "link", "set", "dev", "eth0", "up")
            # The kernel dropped the connected route's options with the link.
            lab.run("gpu-2", "ip", "route", "replace", "10.0.0.0/16", "dev", "eth0", "src", lab.backend_address("gpu-2"), "advmss", "1440")
        lab.wait_until("the next hop to be found", lambda: self.next_hop("gpu-2")["resolved"], 60)
        self.serve(50)
        balancer.balanced()
