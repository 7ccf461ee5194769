# SPDX-License-Identifier: Apache-2.0
"""Somebody new, with the package and its pages alone: installs, writes a configuration as an editor helps to, checks and
starts it, and finds by what is installed why a backend gets no traffic. Each remedy is carried out as it is printed.
"""
import contextlib
import json
import re
import subprocess

import jsonschema
import lab
from package_test import CONFIG, OnMachine

SCHEMA = "/usr/share/sluice/sluice.schema.json"
HEALTH = {"type": "tcp", "port": 80, "interval_ms": 200, "fast_interval_ms": 20, "timeout_ms": 150, "rise": 1, "fall": 2}


def offered(schema, place, root):
    """What an editor offers at a place of the document: the keys and what is said of each."""
    while "$ref" in schema:
        found = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    if place:
        inner = schema["items"] if isinstance(place[0], int) else schema["properties"][place[0]]
        return offered(inner, place[1:], root)
    return {key: each.get("description") or offered(each, [], root) for key, each in schema.get("properties", {}).items()}


def places(document, at=()):
    """Every object of a document with the way to it."""
    if isinstance(document, dict):
        yield list(at), document
    for key, inner in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*at, key))


class Newcomer(OnMachine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("dpkg", "--force-unsafe-io", "-i", *(deb.name for deb in cls.debs.values()))

    def setUp(self):
        self.run_in = self.machine.run
        self.addCleanup(self.run_in, "systemctl", "stop", "sluiced")

    def write(self, **health):
        config = lab.configuration({"gpu-1": 100, "gpu-2": 100}, state_dir="/var/lib/sluice")
        config["dpdk"] = {**config["dpdk"], "huge_pages": False}  # the lab's are for its own daemons
        config["pools"][0]["health"] = {**HEALTH, **health}
        config = {"$schema": SCHEMA, **config}
        self.machine.path(CONFIG).write_text(json.dumps(config, indent=2))
        return config

    def start(self, **health):
        self.write(**health)
        self.run_in("sluiced", "check", "--config", CONFIG)
        self.run_in("systemctl", "start", "sluiced")
        self.both_up()

    def both_up(self):
        self.machine.wait_until("both backends", lambda: [b["state"] for b in self.health()] == ["up", "up"])

    def health(self):
        return json.loads(self.run_in("sluicectl", "--json", "health").stdout)["pools"][0]["backends"]

    def findings(self, words):
        done = self.run_in("sluicectl", "--json", "doctor", check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return [f for f in json.loads(done.stdout)["findings"] if words in f["what"]]

    def cured(self, words, remedy, *more):
        """The examination names the fault once; what its remedy says is done, and the fault is gone."""
        found = self.findings(words)
        self.assertEqual(len(found), 1, words)
        match = re.search(remedy, found[0]["remedy"])
        self.assertIsNotNone(match, found[0]["remedy"])
        where, command = match.groups() if match.re.groups == 2 else (None, match[1])
        for word, meant in more:
            command = command.replace(word, meant)
        if where is None:
            self.run_in("bash", "-c", command)
        else:
            lab.run(where, "bash", "-c", command)
        self.assertEqual(self.findings(words), [])

    def test_an_editor_offers_every_key_that_is_needed_and_marks_a_slip(self):
        schema = json.loads(self.machine.path(SCHEMA).read_text())
        config = self.write()
        judge = jsonschema.Draft202012Validator(schema)
        self.assertEqual(list(judge.iter_errors(config)), [])
        for place, inner in places(config):
            said = offered(schema, place, schema)
            for key in inner:
                self.assertTrue(said.get(key), f"{place}: nothing is said of {key}")
        config["pools"][0]["forwardin"] = config["pools"][0].pop("forwarding")
        self.assertIn("forwardin", "".join(e.message for e in judge.iter_errors(config)))
        self.machine.path(CONFIG).write_text(json.dumps(config))
        done = self.run_in("sluiced", "check", "--config", CONFIG, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"(?m)^/pools/0/forwardin: .*'forwarding'")

    def test_the_vip_is_missing_on_a_backend(self):
        self.start()
        subprocess.run(["ip", "-n", "gpu-2", "addr", "del", f"{lab.VIP}/32", "dev", "lo"], check=True)
        self.cured(f"VIP {lab.VIP} is missing", r"on (gpu-\d): ([^;,]+)")
        self.served()

    def test_the_mtu_towards_a_backend_is_wrong(self):
        self.start()
        subprocess.run(["ip", "-n", "gpu-2", "link", "set", "eth0", "mtu", "1400"], check=True)
        self.addCleanup(subprocess.run, ["ip", "-n", "gpu-2", "link", "set", "eth0", "mtu", "1500"], check=True)
        self.cured("wrong MTU", r"on (gpu-\d) and on the way: (ip link set [^;,]+)", ("DEVICE", "eth0"))

    def test_the_health_port_is_wrong(self):
        self.write(port=8001)
        self.run_in("systemctl", "start", "--no-block", "sluiced")  # no backend is ever up: it waits for one
        self.machine.wait_until("the daemon", lambda: self.run_in("sluicectl", "status", check=False).returncode == 0, 60)
        self.machine.wait_until("checks", lambda: all("nobody listens on port 8001" in b["remedy"] for b in self.health()))
        found = self.findings("health port 8001 is wrong")
        self.assertEqual([f["check"] for f in found], ["health llama/gpu-1", "health llama/gpu-2"])
        port = re.search(r'set "port" of the health check of pool llama to (\d+)', found[0]["remedy"])[1]
        self.write(port=int(port))
        self.run_in("sluicectl", "reload")
        self.both_up()
        self.served()

    def test_a_weight_is_nothing(self):
        self.start()
        self.run_in("sluicectl", "backend", "weight", "llama", "gpu-2", "0")
        self.addCleanup(self.run_in, "rm", "-f", "/var/lib/sluice/operator.json")
        self.cured("weight 0", r"(sluicectl backend weight [^;,]+)")
        self.served()

    def test_a_neighbour_is_unresolved(self):
        with contextlib.ExitStack() as back:
            subprocess.run(["ip", "-n", "sw", "link", "set", "to-gpu-2", "down"], check=True)
            back.callback(subprocess.run, ["ip", "-n", "sw", "link", "set", "to-gpu-2", "up"], check=True)
            subprocess.run(["ip", "-n", "lb", "neigh", "flush", "all"], check=True)
            self.write()
            self.run_in("systemctl", "start", "--no-block", "sluiced")
            self.machine.wait_until("the daemon", lambda: self.run_in("sluicectl", "status", check=False).returncode == 0, 60)
            found = self.findings("neighbour unresolved")
            self.assertEqual([f["check"] for f in found], ["backend llama/gpu-2"])
            look = re.search(r"ip neigh show \S+ dev \w+", found[0]["remedy"])[0]
            self.assertNotIn("lladdr", self.run_in(*look.split()).stdout)
        self.both_up()
        self.assertEqual(self.findings("neighbour unresolved"), [])
        self.served()
