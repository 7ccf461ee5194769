# SPDX-License-Identifier: Apache-2.0
"""Why a backend gets no traffic: faults are planted one by one, and each is named with its remedy."""
import contextlib
import json
import subprocess

import lab
from case import LabTest

TWO = {"gpu-1": 100, "gpu-2": 100}
CHECK = {"type": "tcp", "interval_ms": 200, "fast_interval_ms": 20, "timeout_ms": 150, "rise": 1, "fall": 2}
FLOW = ("tcp", "198.51.100.7:40000", f"{lab.VIP}:80")


@contextlib.contextmanager
def done_and_undone(namespace, done, undone):
    subprocess.run(["ip", "-n", namespace, *done.split()], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "-n", namespace, *undone.split()], check=True)


def without_vip(name):
    return done_and_undone(name, f"addr del {lab.VIP}/32 dev lo", f"addr add {lab.VIP}/32 dev lo")


class Faults(LabTest):
    def start(self, backends=None, ready=True, **check):
        backends = backends or TWO
        config = lab.configuration(backends)
        config["pools"][0]["health"] = {**CHECK, **check}
        balancer = self.balancer(backends, start=ready, pools=config["pools"])
        if not ready:
            balancer.launch()
            lab.wait_until("the daemon to answer", balancer.status, 60)
        return balancer

    def doctor(self, *more):
        """Exit status and findings."""
        done = lab.run("lb", lab.SLUICECTL, "--socket", lab.SOCKET, "doctor", "--json", *more, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, json.loads(done.stdout)["findings"]

    def named(self, what, remedy, *more):
        """`doctor` has exactly one finding with these words, it is no OK, and its remedy has those."""
        _, findings = self.doctor(*more)
        found = [f for f in findings if what in f["what"]]
        self.assertEqual(len(found), 1, json.dumps(findings, indent=1))
        self.assertNotEqual(found[0]["level"], "ok")
        self.assertIn(remedy, found[0]["remedy"])
        return found[0]

    def health(self, name):
        return {b["name"]: b for b in lab.ctl("health")["pools"][0]["backends"]}[name]

    def down(self, name):
        lab.wait_until(f"{name} to be down", lambda: self.health(name)["state"] == "down")

    def test_nothing_is_wrong_with_backends_of_a_sound_node(self):
        self.start()
        self.serve(50)
        _, findings = self.doctor()
        about = [f for f in findings if f["check"].startswith(("backend", "health", "address", "mtu llama/"))]
        self.assertEqual([f["level"] for f in about], ["ok", "ok"], about)
        for f in about:
            self.assertIn("answers as the service", f["what"])
            self.assertIn("1500 bytes come through", f["what"])

    def test_the_vip_is_missing_on_a_backend(self):
        self.start()
        with without_vip("gpu-2"):
            found = self.named(f"VIP {lab.VIP} is missing", f"on gpu-2: ip addr add {lab.VIP}/32 dev lo")
            self.assertEqual((found["check"], found["level"]), ("backend llama/gpu-2", "fail"))

    def test_the_vip_is_missing_and_checks_by_way_of_the_service_say_so(self):
        self.start(via="service")
        with without_vip("gpu-2"):
            self.down("gpu-2")
            self.assertIn(f"ip addr add {lab.VIP}/32 dev lo", self.health("gpu-2")["remedy"])
        lab.wait_until("gpu-2 to be back", lambda: self.health("gpu-2")["state"] == "up")
        self.assertEqual(self.health("gpu-2")["remedy"], "")

    def test_the_mtu_on_the_way_to_a_backend_is_wrong(self):
        self.start()
        with done_and_undone("gpu-2", "link set eth0 mtu 1400", "link set eth0 mtu 1500"):
            found = self.named("wrong MTU", "mtu 1500")
            self.assertEqual(found["check"], "mtu llama/gpu-2")

    def test_the_health_port_is_wrong(self):
        self.start(ready=False, port=8001)  # no backend is ever up: the node does not become ready
        self.down("gpu-2")
        self.assertIn("nobody listens on port 8001", self.health("gpu-2")["remedy"])
        shown = lab.run("lb", lab.SLUICECTL, "--socket", lab.SOCKET, "health").stdout
        self.assertIn("nobody listens on port 8001", shown)
        _, findings = self.doctor()
        found = [f for f in findings if "health port 8001 is wrong" in f["what"]]
        self.assertEqual([f["check"] for f in found], ["health llama/gpu-1", "health llama/gpu-2"])
        self.assertIn('set "port" of the health check of pool llama to 80', found[0]["remedy"])

    def test_a_weight_is_nothing(self):
        self.start({"gpu-1": 100, "gpu-2": 0})
        self.named("weight 0", "sluicectl backend weight llama gpu-2 100")
        self.assertEqual(self.health("gpu-2")["remedy"], "sluicectl backend weight llama gpu-2 100")
        lab.ctl("backend", "weight", "llama", "gpu-1", "0")
        self.assertIn("sluicectl backend weight llama gpu-1 100", lab.ctl("trace", *FLOW)["why"])
        lab.run("lb", "sh", "-c", f"{lab.SLUICECTL} --socket {lab.SOCKET} backend weight llama gpu-2 100")
        self.assertEqual(lab.ctl("trace", *FLOW)["backend"], "gpu-2")

    def test_a_neighbour_is_unresolved(self):
        with done_and_undone("sw", "link set to-gpu-2 down", "link set to-gpu-2 up"):
            subprocess.run(["ip", "-n", "lb", "neigh", "flush", "all"], check=True)
            self.start()
            found = self.named("neighbour unresolved",
                               f"ip neigh show {lab.backend_address('gpu-2')} dev lb0")
            self.assertEqual((found["check"], found["level"]), ("backend llama/gpu-2", "fail"))
            self.assertIn("neighbour unresolved", self.health("gpu-2")["remedy"])

    def test_faults_are_found_without_the_daemon(self):
        balancer = self.start()
        balancer.stop()
        with without_vip("gpu-2"):
            self.named(f"VIP {lab.VIP} is missing", "on gpu-2: ip addr add", "--config", balancer.file)
            status, findings = self.doctor("--config", balancer.file)
        self.assertEqual(status, 1)
        self.assertEqual([f["level"] for f in findings if f["check"] == "daemon"], ["warn"])

    def test_a_backend_that_answers_arp_for_the_vip_is_named(self):
        self.start()
        lab.run("gpu-2", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0")
        self.addCleanup(lab.run, "gpu-2", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        self.named("gpu-2 answers ARP requests", "on gpu-2: sysctl -w net.ipv4.conf.all.arp_ignore=1")


class DryRun(LabTest):
    def test_what_is_foretold_comes_true(self):
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100, "gpu-3": 100})
        self.serve(100)
        wanted = lab.configuration({"gpu-1": 100, "gpu-2": 100})
        candidate = lab.HERE / "candidate.json"
        candidate.write_text(json.dumps(wanted))
        before = balancer.status()["generation"]
        foretold = lab.ctl("config", "apply", "--dry-run", candidate)
        self.assertEqual(balancer.status()["generation"], before)
        self.assertEqual(set(self.backends()), {"gpu-1", "gpu-2", "gpu-3"})
        made = lab.ctl("config", "apply", candidate)
        self.assertEqual(foretold["moved"], made["moved"])
        self.assertEqual(foretold["generation"], made["generation"])
        self.assertGreater(made["moved"]["slots"], 0)
        self.assertEqual([p["name"] for p in made["pools"]], ["llama"])

    def test_a_change_that_needs_a_restart_is_named_by_diff(self):
        self.balancer({"gpu-1": 100})
        wanted = lab.configuration({"gpu-1": 100}, node="other")
        candidate = lab.HERE / "candidate.json"
        candidate.write_text(json.dumps(wanted))
        self.assertEqual(lab.ctl("config", "diff", candidate)["restart"], ["node"])
