# SPDX-License-Identifier: Apache-2.0
"""What the tests of whole data paths share: servers on the backends, and a configuration with every mode."""
import json
import pathlib
import subprocess
import sys

import lab
from case import LabTest

PEER = pathlib.Path(__file__).with_name("peer.py")
VIP6, BALANCER6 = "2001:db8:f::10", "2001:db8:a::1"
NAT, NAT6 = "10.0.0.2", "2001:db8:a::2"
BACKENDS = [f"gpu-{i}" for i in range(1, 5)]
MODES = {"l2dsr": 7001, "ipip": 7002, "gue": 7003, "nat": 7004, "ipip-crossed": 7012, "gue-crossed": 7013}
NAT_PORT = 7104  # where backends behind NAT listen
QUIC_PORT = 7020
# What two workers may drop that share two CPUs with all clients and servers: a worker that does not run takes no
# packets. The transfers are judged by their bytes; what was lost came again.
OVERLOAD = {"hand_over_full", "tx_full"}


def backend_address6(name):
    return f"2001:db8:a::1:{10 + int(name.removeprefix('gpu-')):x}"


def pool(mode, family):
    """The pool of a mode for services of a family; crossed ones go through a tunnel of the other family."""
    forwarding, _, crossed = mode.partition("-")
    v6 = (family == 6) != bool(crossed)
    backends = [{"name": n, "address": backend_address6(n) if v6 else lab.backend_address(n)} for n in BACKENDS]
    made = {"name": f"{mode}-{family}", "forwarding": forwarding, "backends": backends}
    if forwarding in ("ipip", "gue"):
        made["encapsulation"] = {"source": lab.BALANCER, "source6": BALANCER6}
    if forwarding == "nat":
        made["nat"] = {"sources": [NAT6 if v6 else NAT]}
        for backend in backends:
            backend["port"] = NAT_PORT
    return made


def configuration(workers, modes=MODES, **changes):
    """A service for each mode, family and protocol; `workers` 1 or 2."""
    vips = {4: lab.VIP, 6: VIP6}
    ports = [{"name": f"front-{i}", "device": f"net_af_xdp{i},iface=lb0,start_queue={i}", "mtu": 1500} for i in range(workers)]
    services = [{"name": f"{mode}-{family}-{protocol}", "address": vips[family], "port": MODES[mode], "protocol": protocol,
                 "pool": f"{mode}-{family}"} for mode in modes for family in vips for protocol in ("tcp", "udp")]
    return lab.configuration({}, dpdk={"lcores": "0@0,1@0,2@1" if workers == 2 else "0-1", "main_lcore": 0,
                                       "huge_pages": lab.huge_pages(), "memory_mb": 256},
                             ports=ports, services=services,
                             pools=[pool(mode, family) for mode in modes for family in vips], **changes)


class PeersTest(LabTest):
    """Every backend serves on every port, from the first test to the last."""

    @classmethod
    def setUpClass(cls):
        cls.servers = []
        cls.addClassCleanup(cls.end_servers)
        for name in BACKENDS:
            at = [lab.VIP, VIP6, lab.backend_address(name), backend_address6(name)]
            ports = [*MODES.values(), NAT_PORT, QUIC_PORT]
            cls.servers.append(subprocess.Popen(lab.inside(name, sys.executable, PEER, "serve", name, *ports, "--at", *at),
                                                stdout=subprocess.PIPE, text=True))
        for server in cls.servers:
            if server.stdout.readline() != "ready\n":
                raise lab.Failure("a server did not start")

    @classmethod
    def end_servers(cls):
        for server in cls.servers:
            server.kill()
            server.wait()
            server.stdout.close()

    def setUp(self):
        super().setUp()
        if lab.af_xdp_missing() is not None:
            self.skipTest(lab.af_xdp_missing())

    def started(self, config, queues=1):
        lab.run_script("queues", str(queues))
        balancer = lab.Balancer(config, name=self.id().rsplit(".", 1)[-1][:60])
        balancer.config = config
        self.addCleanup(self.end, balancer)
        balancer.start()
        lab.wait_until("every next hop", lambda: all(b["next_hop"]["resolved"] for b in lab.ctl("backends")["backends"]))
        return balancer

    def client(self, where, *arguments, timeout=120):
        """What a client of peer.py says."""
        return json.loads(lab.run(where, sys.executable, PEER, *arguments, timeout=timeout).stdout)

    def drops(self):
        return {d["reason"]: d["packets"] for d in lab.ctl("drops", "--all")["drops"] if d["packets"]}
