# SPDX-License-Identifier: Apache-2.0
"""What bounds a pool that follows its load: a budget, the operator's word, advice only."""
import elastic
import lab
from scale_case import ScaleTest


class Limits(ScaleTest):
    def test_a_budget_binds_and_says_so(self):
        self.scaled(budget_per_hour=2)
        most = 0
        with lab.Open("20x8") as load:
            while load.last["phase"] < 0 or load.process.poll() is None and load.last["sent"] < 120:
                most = max(most, len(elastic.members()))
                lab.wait_until("more requests", lambda now=load.last["sent"]: load.last["sent"] >= now + 10)
            self.assertEqual(self.metric("sluice_autoscale_budget_limited", pool="llama"), 1)
            seen = load.finish()
        self.assertEqual(most, 2, "what the budget pays for, and no more")
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        self.assertTrue(self.said("budget"))

    def test_an_override_ends_by_itself(self):
        self.scaled()
        self.scale("set", count=3, for_s=4)
        self.up_to(3)
        self.lived(1)
        self.assertTrue(self.said("override"))
        self.assertEqual(self.ended_well(), 2)

    def test_a_paused_pool_stays_as_it_is_and_goes_on_when_it_is_resumed(self):
        self.scaled()
        self.scale("set", count=2)
        self.up_to(2)
        self.scale("pause")
        with lab.Open("20x60", first=10000) as load:
            lab.wait_until("a burst", lambda: load.last["sent"] >= 50)
            self.assertEqual(len(self.orders("start")), 2)
            self.scale("resume")
            lab.wait_until("a third one", lambda: len(self.orders("start")) > 2, 30)
            seen = load.finish()
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))

    def test_advice_changes_nothing(self):
        config = {"backends": [{"name": "gpu-1", "address": "10.0.1.11", "class": "small"}]}
        self.order("start", "llama-small-1")
        self.scaled(pool=config, mode="advise")
        self.fault(start="fail", stop="fail")
        with lab.Open("20x4", first=20000) as load:
            lab.wait_until("advice to have more",
                           lambda: self.metric("sluice_autoscale_desired_backends") > 1)
            seen = load.finish()
        self.assertEqual(seen["failed"], 0)
        self.assertEqual([o["action"] for o in self.orders() if o["action"] != "list"], ["start"], "the test's")
