# SPDX-License-Identifier: Apache-2.0
"""Two balancers behind a router that spreads clients over them: who cannot serve is withdrawn, and nobody notices.

The routing daemons run what docs/operate/anycast.md shows.
"""
import contextlib
import json
import re
import shutil
import signal
import subprocess
import time

import lab
from case import LabTest

PAGE = lab.TOP / "docs/operate/anycast.md"
VIP6 = "2001:db8:f::10"
NODES = {"lb": ("10.0.0.1", "2001:db8:a::1"), "lb2": ("10.0.0.3", "2001:db8:a::3")}
BACKENDS = {f"gpu-{i}": 100 for i in range(1, 5)}
CHECK = {"type": "http", "path": "/health", "interval_ms": 2000, "fast_interval_ms": 50, "timeout_ms": 1900, "rise": 2, "fall": 2}
FAR = ("--network", "10.9.0")


def example(label):
    """The page's block of that label: there is exactly one."""
    (text,) = re.findall(rf"^```{label}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return text


def next_hops(address):
    """Where the router sends what is for an address."""
    family = "-6" if ":" in address else "-4"
    routes = json.loads(lab.run("rt", "ip", family, "-json", "route", "show", address).stdout or "[]")
    return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}


class Anycast(LabTest):
    @classmethod
    def setUpClass(cls):
        lab.run_script("add", "lb2")
        cls.addClassCleanup(subprocess.run, ["ip", "netns", "del", "lb2"], check=True)
        for address, via in (lab.VIP, NODES["lb"][0]), (VIP6, NODES["lb"][1]):
            lab.run("rt", "ip", "route", "del", address)  # the lab's own, put back at the end
            cls.addClassCleanup(lab.run, "rt", "ip", "route", "add", address, "via", via, "mtu", "lock", "1400")
        lab.run("rt", "sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1")

    def setUp(self):
        super().setUp()
        subprocess.run(["rm", "-rf", lab.HERE / "state2"], check=True)
        self.bird("rt", "bird router")

    def daemon(self, namespace, name, *command):
        """A routing daemon in a namespace, until the test ends."""
        log = lab.HERE / f"{name}.{namespace}.log"
        with open(log, "w") as out:
            process = subprocess.Popen(lab.inside(namespace, *command), stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def end():
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

        self.addCleanup(end)
        return process

    def bird(self, namespace, label):
        file, control = lab.HERE / f"bird.{namespace}.conf", lab.HERE / f"bird.{namespace}.ctl"
        file.write_text(example(label))
        process = self.daemon(namespace, "bird", "bird", "-f", "-c", file, "-s", control)

        def answers():
            if process.poll() is not None:
                raise lab.Failure((lab.HERE / f"bird.{namespace}.log").read_text())
            return lab.run(namespace, "birdc", "-s", control, "show", "status", check=False).returncode == 0

        lab.wait_until(f"bird in {namespace}", answers)

    def frr(self, namespace):
        place = lab.HERE / "frr"
        subprocess.run(["rm", "-rf", place], check=True)
        place.mkdir()
        file, log = place / "frr.conf", lab.HERE / f"bgpd.{namespace}.log"
        file.write_text(example("frr node"))
        shutil.chown(place, "frr", "frr")  # it gives root's rights up
        # FRR writes to /var/tmp/frr whatever it is told: in the lab's own mounts, so that nothing stays behind.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "lab", "/var/tmp"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/var/tmp"], check=True)
        for name, config, sign in ("zebra", "/dev/null", place / "zserv.api"), ("bgpd", file, place / "bgpd.vty"):
            self.daemon(namespace, name, f"/usr/lib/frr/{name}", "-f", config, "-z", place / "zserv.api", "-P", "0",
                        "--vty_socket", place, "-i", place / f"{name}.pid", "--log", "stdout")
            lab.wait_until(name, sign.exists)
        self.assertNotIn("config line", log.read_text())  # it goes on without lines that it does not know

    def node(self, namespace, backends=BACKENDS):
        """A balancer that announces, in a namespace of its own; ready when this returns."""
        address, _ = NODES[namespace]
        number = "" if namespace == "lb" else "2"
        config = lab.configuration(backends, node=f"lab{number}", state_dir=str(lab.HERE / f"state{number}"),
                                   admin={"socket": lab.SOCKET.replace("admin", f"admin{number}")},
                                   announce={"link": "sluice0", "create": True}, drain_timeout_s=20)
        config["pools"][0].update(encapsulation={"source": address}, health=CHECK, no_backend="drop")
        config["dpdk"]["huge_pages"] &= namespace == "lb"  # lab.huge_pages() answers for one daemon
        config["services"].append({**config["services"][0], "name": "chat6", "address": VIP6})
        balancer = lab.Balancer(config, name=f"announce{number}", namespace=namespace)
        self.addCleanup(self.end, balancer)
        return balancer.start()

    def routed_to(self, *namespaces, since=0.0):
        """Waits until the router's next hops are exactly these nodes; returns how many seconds that is `since`."""
        for which, address in enumerate((lab.VIP, VIP6)):
            wanted = {NODES[n][which] for n in namespaces}
            lab.wait_until(f"{address} by {sorted(wanted)}", lambda: next_hops(address) == wanted, 60)
        return time.monotonic() - since

    def two_nodes(self, backends=BACKENDS):
        self.bird("lb", "bird node")
        self.bird("lb2", "bird node")
        nodes = self.node("lb", backends), self.node("lb2", backends)
        self.routed_to("lb", "lb2")
        return nodes

    def served_by(self, *nodes, count=200):
        """A client behind the router is served, and each of the nodes has a part in it; IPv6 too."""
        before = [node.status()["books"]["forward"] for node in nodes]
        result = lab.requests(count, *FAR, "--first", 30000, namespace="far")
        self.assertEqual((result["failed"], result["answered"]), (0, count), result["errors"])
        for _ in range(5):
            lab.run("far", "curl", "-sSf", "--max-time", "10", f"http://[{VIP6}]/health")
        for node, was in zip(nodes, before):
            self.assertGreater(node.status()["books"]["forward"], was + count / 10, node.namespace)

    @contextlib.contextmanager
    def load(self):
        """Requests and streams from behind the router, none of which may fail."""
        with lab.Steady(*FAR, "--concurrency", "8", "--streams", "8", namespace="far") as load:
            load.more(100)
            yield load
            load.more(100)
            total = load.finish()
        self.assertEqual(total["failed"], 0, total["errors"])
        self.slow = total["slow"]

    def links(self, namespace):
        return [link["ifname"] for link in json.loads(lab.run(namespace, "ip", "-json", "link").stdout)]

    def test_clients_are_served_by_both_nodes(self):
        self.served_by(*self.two_nodes())

    def test_a_node_that_loses_its_last_backend_is_withdrawn_and_comes_back(self):
        # One alone: of several, the second node would move connections to those that it still believes in.
        one, two = self.two_nodes({"gpu-1": 100})
        with contextlib.ExitStack() as fault, self.load():
            start = time.monotonic()
            lab.run("lb2", "ip", "route", "add", "unreachable", lab.backend_address("gpu-1"))
            fault.callback(lab.run, "lb2", "ip", "route", "del", "unreachable", lab.backend_address("gpu-1"))
            took = self.routed_to("lb", since=start)
            self.assertFalse(two.status()["ready"])
            self.assertEqual(two.status()["announced"]["addresses"], [])
        print(f"no backend: withdrawn after {took * 1000:.0f} ms; {self.slow} answers took more than 0.9 s")
        self.routed_to("lb", "lb2")
        self.served_by(one, two)

    def test_a_node_that_stops_is_withdrawn_before_it_ends(self):
        one, two = self.two_nodes()
        with self.load():
            start = time.monotonic()
            two.signal(signal.SIGTERM)
            took = self.routed_to("lb", since=start)
            self.assertEqual(two.wait(), 0)
        print(f"stop: withdrawn after {took * 1000:.0f} ms; {self.slow} answers took more than 0.9 s")
        two.start()
        self.routed_to("lb", "lb2")
        self.served_by(one, two)

    def test_a_killed_node_is_withdrawn_by_the_kernel(self):
        one, two = self.two_nodes()
        self.assertIn("sluice0", self.links("lb"))
        with self.load():
            start = time.monotonic()
            one.kill()
            took = self.routed_to("lb2", since=start)
            self.assertNotIn("sluice0", self.links("lb"))
        print(f"kill -9: withdrawn after {took * 1000:.0f} ms; {self.slow} answers took more than 0.9 s")
        one.start()
        self.routed_to("lb", "lb2")
        self.served_by(one, two)

    def test_frr_announces_and_withdraws_as_bird_does(self):
        self.bird("lb", "bird node")
        self.frr("lb2")
        one, two = self.node("lb"), self.node("lb2")
        self.routed_to("lb", "lb2")
        self.served_by(one, two)
        start = time.monotonic()
        two.kill()
        print(f"kill -9 with FRR: withdrawn after {self.routed_to('lb', since=start) * 1000:.0f} ms")
        two.start()
        self.routed_to("lb", "lb2")
        self.served_by(one, two)
