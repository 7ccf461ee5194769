# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment of an operator's work: what was acknowledged is there after the next start."""
import http.client
import random
import threading

import lab
from case import LabTest

KILLS = 50


class Kill(LabTest):
    def configuration(self):
        """A node without traffic, which starts in no time."""
        names = {f"gpu-{i}": 100 for i in range(1, 6)}
        return lab.configuration(
            names, dpdk={"lcores": "0-1", "main_lcore": 0, "huge_pages": False, "memory_mb": 128},
            ports=[{"name": "front", "device": "net_null0,no-rx=1", "mac": "02:00:00:00:00:01"}],
            flow_cache={"flows": 4096},
            neighbours=[{"address": "10.0.0.0/8", "mac": "02:00:00:00:00:fe", "port": "front"}])

    def change(self, number, model, chance):
        """One change by the API: (path, body), and what it makes of the model, which is changed once it is acknowledged."""
        name = chance.choice(sorted(model))
        kind = chance.choice(("add", "drain", "undrain", "maintenance", "weight", "remove"))
        if kind == "add" or (kind == "remove" and len(model) < 3):
            new = f"new-{number}"
            address = f"10.1.{number // 250}.{1 + number % 250}"
            return "", {"name": new, "address": address}, lambda: model.update({new: ("none", 100)})
        if kind == "weight":
            weight = chance.randrange(1, 1000)
            return f"/{name}/weight", {"weight": weight}, lambda: model.update({name: (model[name][0], weight)})
        if kind == "remove":
            return f"/{name}/remove", None, lambda: model.pop(name)
        wish = "none" if kind == "undrain" else kind
        return f"/{name}/{kind}", None, lambda: model.update({name: (wish, model[name][1])})

    def seen(self):
        return {b["name"]: (b["operator"], b["weight"]) for b in lab.api("/api/v1/backends")[1]["backends"]}

    def test_no_acknowledged_wish_is_lost_by_fifty_kills(self):
        chance = random.Random(20261121)
        balancer = lab.Balancer(self.configuration(), name="kill")
        self.addCleanup(balancer.kill)
        model = {f"gpu-{i}": ("none", 100) for i in range(1, 6)}
        pending = model
        number = acknowledged = 0
        for _ in range(KILLS):
            # It answers before it is ready, which it is not while the operator wishes all backends away.
            balancer.launch()
            lab.wait_until("the daemon to answer", balancer.status, 60)
            now = self.seen()
            self.assertIn(now, (model, pending), f"after {acknowledged} changes")
            model = now  # the change under way at the kill is there or not: both are right
            # The end comes by itself, while changes go on.
            end = threading.Timer(chance.uniform(0, 0.05), balancer.process.kill)
            end.start()
            try:
                while True:
                    pending = dict(model)
                    path, body, take = self.change(number, pending, chance)
                    number += 1
                    take()
                    status, _ = lab.api(f"/api/v1/backends/llama{path}", "POST", body)
                    self.assertEqual(status, 200)
                    model = pending
                    acknowledged += 1
            except (OSError, http.client.HTTPException, ValueError):
                pass  # killed before the answer was whole
            end.join()
            balancer.wait()
        log = balancer.log.read_text()
        self.assertNotIn("state_not_loaded", log)
        self.assertGreater(acknowledged, KILLS)
        print(f"{acknowledged} changes acknowledged, {KILLS} kills, none lost")
