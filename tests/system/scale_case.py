# SPDX-License-Identifier: Apache-2.0
"""What the tests of scaling share: stand-in servers that an actuator starts, and what became of each."""
import json
import re
import subprocess
import sys

import elastic
import lab
from case import LabTest

# Six places for the small, four for the large.
PLACES = {"small": [f"gpu-{i}" for i in range(1, 7)], "large": [f"gpu-{i}" for i in range(7, 11)]}


class ScaleTest(LabTest):
    """Each test begins without servers and leaves none."""

    def setUp(self):
        super().setUp()
        self.clear()
        self.addCleanup(self.clear)

    def clear(self):
        """Ends every server, and forgets all of them."""
        elastic.end_all()
        elastic.tell_actuator(PLACES, {"small": elastic.SMALL, "large": elastic.LARGE})

    def order(self, action, name="", kind="small", timeout=30):
        """One order, given as the daemon gives it: the finished process."""
        order = {"action": action, "id": f"test-{action}-{name}", "pool": "llama", "class": kind,
                 "name": name}
        command = lab.inside("lb", sys.executable, elastic.ACTUATOR, elastic.SPEC)
        return subprocess.run(command, input=json.dumps(order), text=True, capture_output=True, timeout=timeout)

    def fault(self, home=elastic.HOME, **faults):
        """What the actuator suffers from, by action; none: it is mended."""
        new = home / "fault.new"
        new.write_text(json.dumps(faults))
        new.rename(home / "fault.json")

    def orders(self, action=None, ended=False, home=elastic.HOME):
        """What the actuator was told, in order; ended: what became of it."""
        file = home / "orders.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [o for o in lines if action in (None, o["action"]) and (o["end"] is not None) == ended]

    def server(self, member, method, path, body=None):
        """One request to a server by its own address: what it answers."""
        request = f"http://{member['address']}:{elastic.PORT}{path}"
        data = [] if body is None else ["--data", json.dumps(body)]
        return lab.run("client", "curl", "-sS", "--max-time", "10", "-X", method, *data, request).stdout

    def told(self, name=None):
        """What servers wrote of themselves, those that are gone too."""
        lines = []
        for file in sorted(elastic.HOME.glob("*.log")):
            lines += [json.loads(line) for line in file.read_text().splitlines()]
        return sorted((line for line in lines if name in (None, line["name"])), key=lambda line: line["at"])

    def ended_well(self):
        """No server was stopped before its last stream had ended. Returns how many were stopped."""
        told = self.told()
        for line in told:
            if line["event"] == "stopping":
                self.assertEqual((line["running"], line["waiting"]), (0, 0), line)
            if line["event"] == "stopped":
                self.assertEqual(line["cut"], 0, line)
            if line["event"] == "request":
                self.assertIn(line["reason"], ("stop", "length"), line)
        return sum(line["event"] == "stopped" for line in told)

    # The daemon and its pool.

    def scaled(self, pool=None, ready=True, **changes):
        """A daemon with one pool, see elastic.pool(); `pool`: keys of it that are replaced."""
        config = lab.configuration({})
        config["services"][0]["port"] = elastic.PORT
        pools = [{**elastic.pool("llama", **changes), **(pool or {})}]
        balancer = self.balancer(start=False, services=config["services"], pools=pools)
        balancer.launch()
        lab.wait_until("the balancer's answer", balancer.status, 60)
        if ready:
            lab.wait_until("a backend that serves", lambda: balancer.ready() and self.up(), 60)
        return balancer

    def scale(self, action, **more):
        """An operator's word on the pool."""
        status, answer = lab.api("/api/v1/scale/llama", "POST", {"action": action, **more})
        self.assertEqual(status, 200, answer)
        return answer

    def up(self):
        """Names of the backends that take new flows."""
        return {name for name, b in self.backends().items() if b["state"] in ("up", "degraded")}

    def up_to(self, count, seconds=40):
        lab.wait_until(f"{count} backends that serve", lambda: len(self.up()) == count, seconds)

    def lived(self, count, seconds=40):
        """Waits until so many servers live, and the daemon has no other backend."""
        lab.wait_until(f"{count} servers", lambda: len(elastic.members()) == count == len(self.backends()),
                       seconds)

    def metric(self, name, **labels):
        """The sum of the samples of a metric that have the labels."""
        link = lab.Connection(lab.SOCKET)
        try:
            link.request("GET", "/metrics")
            text = link.getresponse().read().decode()
        finally:
            link.close()
        samples = [line for line in text.splitlines() if re.match(rf"{name}[{{ ]", line)]
        self.assertTrue(samples, f"no sample of {name}")
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in samples if all(w in line for w in wanted))

    def said(self, *words):
        """The events of scaling, and of the load that it goes by, which hold all the words."""
        events = [e for e in lab.ctl("events")["events"] if e["component"] in ("scale", "load")]
        return [e["text"] for e in events if all(w in f"{e['event']} {e['text']}" for w in words)]

    def each_start_was_one(self):
        """No order started two servers, and no two orders started one."""
        ids = {o["id"] for o in self.orders("start", ended=True) if o["end"] == "done"}
        started = [line["name"] for line in self.told() if line["event"] == "start"]
        self.assertEqual(len(ids), len(started), (ids, started))
        return len(started)
