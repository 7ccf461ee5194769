# SPDX-License-Identifier: Apache-2.0
"""Devices without a kernel interface, as the hosts of VMs and containers have them: memif and vhost-user.

dpdk-testpmd stands on the other side and carries frames between the device and the lab's wire. What is not
for a service goes to Linux by the exception path: a TAP interface with the port's name and MAC address.
"""
import os
import shutil
import subprocess
import sys

import lab
from case import PING, LabTest

MAC = "02:00:00:00:00:01"


def addresses():
    """Those of the balancer's interface."""
    return [line.split()[3] for line in lab.run("lb", "ip", "-o", "addr", "show", "dev", "lb0").stdout.splitlines()]


def restore(known):
    """Addresses and routes that went with the link."""
    for address in known:
        if not address.startswith("fe80:"):
            lab.run("lb", "ip", "addr", "replace", address, "dev", "lb0", *(["nodad"] if ":" in address else []))
    for network, router in (("10.9.0.0/24", "10.0.8.1"), ("2001:db8:b::/64", "2001:db8:a::8:1")):
        lab.run("lb", "ip", "route", "replace", network, "via", router, "dev", "lb0")


class Devices(LabTest):
    @classmethod
    def setUpClass(cls):
        if shutil.which("dpdk-testpmd") is None:
            raise cls.failureException("dpdk-testpmd is missing; run: scripts/packages")

    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("the kernel has no TAP devices")
        # The wire's end belongs to testpmd alone, in a namespace where no address answers on it.
        self.addresses = addresses()
        subprocess.run(["ip", "netns", "add", "carrier"], check=True)
        self.addCleanup(self.give_back)
        lab.run("lb", "ip", "link", "set", "lb0", "netns", "carrier")
        lab.run("carrier", "ip", "link", "set", "lb0", "up")

    def give_back(self):
        lab.run("carrier", "ip", "link", "set", "lb0", "netns", "lb", check=False)
        subprocess.run(["ip", "netns", "del", "carrier"], check=True)
        lab.run("lb", "ip", "link", "set", "lb0", "up")
        restore(self.addresses)

    def carry(self, device):
        """testpmd between lb0 and `device`, the other side of the balancer's."""
        log = open(lab.HERE / "tmp/testpmd.log", "w")
        self.addCleanup(log.close)
        carrier = subprocess.Popen(
            lab.inside("carrier", "dpdk-testpmd", "--lcores=0@0,1@1", "--no-huge", "-m", "128", "--no-pci",
                       "--file-prefix=carrier", "--vdev=net_af_packet0,iface=lb0", f"--vdev={device}", "--",
                       "--forward-mode=io", "--auto-start", "--total-num-mbufs=8192", "--no-flush-rx"),
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(self.end_carrier, carrier)

    @staticmethod
    def end_carrier(carrier):
        carrier.stdin.close()  # it ends when its input does
        try:
            carrier.wait(20)
        except subprocess.TimeoutExpired:
            carrier.kill()
            carrier.wait()

    def serves_through(self, device, other_side):
        port = {"name": "front", "device": device, "mac": MAC, "mtu": 1500, "queues": 1, "exception": "tap"}
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100}, ports=[port], start=False)
        balancer.launch()
        lab.wait_until("the exception path's interface",
                       lambda: lab.run("lb", "ip", "link", "show", "dev", "front", check=False).returncode == 0)
        self.carry(other_side)
        lab.run("lb", "ip", "addr", "add", f"{lab.BALANCER}/16", "dev", "front")
        lab.run("lb", "ip", "link", "set", "front", "up")
        shown = lab.run("lb", "ip", "-o", "link", "show", "dev", "front").stdout
        self.assertIn(MAC, shown, "ARP answers must name the port's own address")
        balancer.ready()
        # ARP and ping of the port's own address: Linux answers, by the exception path and back.
        lab.run("client", "ip", "neigh", "flush", "to", lab.BALANCER)
        lab.wait_until("an answer to ping", lambda: lab.run(
            "client", sys.executable, "-c", PING, lab.BALANCER, check=False).returncode == 0)
        lab.wait_until("the backends' next hops", lambda: all(
            b["next_hop"]["resolved"] for b in self.backends().values()))
        self.serve(200)
        books = balancer.balanced()
        self.assertGreater(books["host"], 0)
        self.assertGreater(books["forward"], 400)

    def test_memif_serves_and_linux_has_the_rest(self):
        socket = lab.HERE / "tmp/memif.sock"
        self.serves_through(f"net_memif0,role=server,socket-abstract=no,socket={socket}",
                            f"net_memif0,role=client,socket-abstract=no,socket={socket}")

    def test_vhost_user_serves_and_linux_has_the_rest(self):
        socket = lab.HERE / "tmp/vhost.sock"
        self.serves_through(f"net_vhost0,iface={socket}", f"virtio_user0,path={socket},mac=02:00:00:00:00:77")


class Links(LabTest):
    def test_a_link_that_goes_down_and_up_again_is_survived(self):
        balancer = self.balancer()
        self.serve(50)
        known = addresses()
        lab.run("lb", "ip", "link", "set", "lb0", "down")
        lab.wait_until("the link is told to be down", lambda: not self.link_is_up())
        lab.run("lb", "ip", "link", "set", "lb0", "up")
        lab.wait_until("the link is told to be up", self.link_is_up)
        restore(known)
        lab.wait_until("requests are answered again", lambda: lab.requests(5)["failed"] == 0)
        self.serve(100)
        self.assertEqual(balancer.balanced()["in_flight"], 0)

    @staticmethod
    def link_is_up():
        return lab.ctl("status")["ports"][0]["link"] == "up"
