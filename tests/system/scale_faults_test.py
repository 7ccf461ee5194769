# SPDX-License-Identifier: Apache-2.0
"""Pools that follow their load serve on while actuators fail, hang and lie, and backends tell untruths."""
import pathlib

import elastic
import lab
from scale_case import PLACES, ScaleTest

# What starts suffer from, and how many backends the pool has before. Pools are named after it.
SUFFERED = {"fail": 1, "hang": 1, "twice": 0, "double": 0, "two": 0, "wrong_name": 0, "wrong_address": 0,
            "idle": 0}
PORTS = {how: 8010 + i for i, how in enumerate(SUFFERED)}


class Actuators(ScaleTest):
    """A pool for each fault, all at once: what they wait for is the same time."""

    def setUp(self):
        super().setUp()
        config, pools = lab.configuration({}), []
        for how, port in PORTS.items():
            spec = elastic.tell_actuator(PLACES, {"small": elastic.SMALL}, self.home(how), port)
            actuator = elastic.command(spec, timeout_ms=4000 if how == "hang" else 30000)
            pools.append(elastic.pool(how, port=port, min=0, actuator=actuator))
        services = [{**config["services"][0], "name": how, "port": port, "pool": how}
                    for how, port in PORTS.items()]
        self.node = self.balancer(start=False, services=services, pools=pools)
        self.node.launch()
        lab.wait_until("the balancer's answer", self.node.status, 60)

    @staticmethod
    def home(how):
        return elastic.HOME.with_name(f"{elastic.HOME.name}-{how}")

    def set(self, how, count):
        status, answer = lab.api(f"/api/v1/scale/{how}", "POST", {"action": "set", "count": count})
        self.assertEqual(status, 200, answer)

    def states(self, how):
        return {b["name"]: b["state"] for b in lab.ctl("backends")["backends"] if b["pool"] == how}

    def up_of(self, how):
        return [name for name, state in self.states(how).items() if state == "up"]

    def starts(self, how):
        return [o for o in self.orders("start", home=self.home(how)) if o["fault"] == how]

    def served(self, how, count, seconds=150):
        """So many live and serve, and the daemon knows no other. A list that fails comes again in 60 s."""
        def reached():
            states = list(self.states(how).values())
            return states == ["up"] * count and len(elastic.members(self.home(how))) == count
        lab.wait_until(f"{count} backends of {how}", reached, seconds)

    def actuators(self, how):
        """Programs of that pool's actuator that run now."""
        found, spec = [], str(self.home(how).with_suffix(".json")).encode()
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [file.parent.name] if spec in file.read_bytes().split(b"\0") else []
            except OSError:
                continue
        return found

    def test_that_fail_hang_lie_or_answer_twice_cost_no_request_and_start_nothing_twice(self):
        for how, servers in SUFFERED.items():
            self.set(how, servers)
        for how, servers in SUFFERED.items():
            self.served(how, servers)
        for how, servers in SUFFERED.items():
            self.fault(self.home(how), start=how)
            self.set(how, servers + 1)
        for how in PORTS:
            lab.wait_until(f"the order of {how}", lambda h=how: self.starts(h), 30)

        # Who has a server serves on by it.
        for i, how in enumerate(("fail", "hang")):
            with lab.Open("4x2", target=f"{lab.VIP}:{PORTS[how]}", first=10000 * (i + 1)) as load:
                seen = load.result()
            self.assertEqual((seen["failed"], set(seen["by_backend"])), (0, {f"{how}-small-1"}))
        # Asked again, by the same id: it may have been done.
        for how in ("fail", "hang", "twice", "double"):
            lab.wait_until(f"another order of {how}", lambda h=how: len(self.starts(h)) >= 2, 60)
            self.assertEqual(len({o["id"] for o in self.starts(how)}), 1, how)
        for how, word in (("two", "2 backends instead of one"), ("wrong_name", "of another backend")):
            lab.wait_until(f"the event of {how}", lambda h=how, w=word: self.said("start_failed", h, w), 30)
        # What nobody is at gets no flows.
        for how in ("idle", "wrong_address"):
            lab.wait_until(f"the table of {how}", lambda h=how: self.states(h), 30)
            self.assertEqual(len(self.starts(how)), 1, "said to be done, and not asked for again")
            self.assertEqual(self.up_of(how), [])
            self.set(how, 0)

        for how in PORTS:
            self.fault(self.home(how))
        # Where one order has started two, the other one is found by a list: each life begins with one.
        lab.wait_until("the start of two anew", lambda: self.up_of("two"), 60)
        self.node.kill()
        self.node.start()
        for how, servers in SUFFERED.items():
            self.served(how, 0 if how in ("idle", "wrong_address") else servers + 1)
        lab.wait_until("no actuator that hangs", lambda: not self.actuators("hang"), 30)


class Metrics(ScaleTest):
    FAULTS = {"llama-small-2": "nan", "llama-small-3": "hang", "llama-small-4": "backwards",
              "llama-small-5": "frozen"}

    def ticks(self, count):
        """Waits for so many decisions more, of which each leaves all of the five."""
        now = self.metric("sluice_autoscale_decisions_total")
        lab.wait_until("ticks", lambda: self.metric("sluice_autoscale_decisions_total") >= now + count, 60)
        self.assertEqual((len(elastic.members()), self.orders("stop"), self.said("drain_begun")), (5, [], []))

    def test_that_are_not_true_are_told_and_nothing_is_taken_away_while_one_backend_tells_none(self):
        self.scaled()
        self.scale("set", count=5)
        self.up_to(5)
        members = {m["name"]: m for m in elastic.members()}
        with lab.Open("14x120", first=10000) as load:
            # Each has served somebody: one that counts nothing cannot go backwards.
            lab.wait_until("answers of all", lambda: len(load.last["by_backend"]) == 5, 60)
            for name, how in self.FAULTS.items():
                self.server(members[name], "POST", "/fault", {"metrics": how})
            for name in self.FAULTS:
                lab.wait_until(f"the event of {name}", lambda n=name: self.said(f"{n} tells no load"), 60)
            self.assertTrue(self.said("small-4", "went back"))
            self.assertTrue(self.said("small-5", "stand still"))
            self.assertTrue(self.said("present for capacity and as busy for new flows"))
            seen = load.finish()
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        # Without load two are too many by far, and are not known to be.
        self.scale("auto")
        self.ticks(12)
        for name in list(self.FAULTS)[:-1]:
            self.server(members[name], "POST", "/fault", {"metrics": "none"})
            lab.wait_until(f"{name} to tell again", lambda n=name: self.said(f"{n} tells its load"), 60)
        self.ticks(8)
        self.server(members["llama-small-5"], "POST", "/fault", {"metrics": "none"})
        lab.wait_until("one to go", lambda: self.said("drain_begun"), 60)
