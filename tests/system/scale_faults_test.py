# SPDX-License-Identifier: Apache-2.0
"""A pool that follows its load serves on while its actuator fails and hangs."""
import pathlib

import elastic
import lab
from scale_case import ScaleTest


class Actuator(ScaleTest):
    def suffers(self, how, **actuator):
        """With one server up, another is wanted while starts suffer; all requests are served by the one."""
        self.scaled(actuator={"timeout_ms": 4000, **actuator})
        self.fault(start=how)
        self.scale("set", count=2)
        lab.wait_until("the order", lambda: len(self.orders("start")) >= 2)
        with lab.Open("4x2", first=10000) as load:
            seen = load.result()
        self.assertEqual((seen["failed"], set(seen["by_backend"])), (0, {"llama-small-1"}), seen["errors"])
        self.assertEqual(self.up(), {"llama-small-1"})

    def tried_again(self):
        """Waits until the order that suffers has been given twice: under one id."""
        lab.wait_until("another attempt", lambda: len(self.orders("start")) >= 3, 30)
        self.assertEqual(len({o["id"] for o in self.orders("start")[1:]}), 1)

    def mended(self):
        self.fault()
        self.up_to(2)
        self.assertEqual(len(elastic.members()), 2)
        self.scale("set", count=1)
        self.lived(1)
        self.ended_well()

    def running(self):
        """Actuators that run now."""
        found = []
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [file.parent.name] if str(elastic.ACTUATOR).encode() in file.read_bytes() else []
            except OSError:
                continue
        return found

    def test_that_fails_is_asked_again_by_the_same_id_until_it_works(self):
        self.suffers("fail")
        self.tried_again()
        self.mended()

    def test_that_fails_for_good_is_counted_and_told_and_the_start_is_ordered_anew_later(self):
        self.suffers("fail", retries=0)
        lab.wait_until("the failure to be counted",
                       lambda: self.metric("sluice_autoscale_actuator_failures_total", pool="llama") >= 1)
        self.assertTrue(self.said("a fault that was asked for"), "in the actuator's own words")
        self.fault()
        self.up_to(2)
        self.assertEqual(len({o["id"] for o in self.orders("start")}), len(self.orders("start")))

    def test_that_hangs_is_ended_in_time(self):
        self.suffers("hang")
        self.tried_again()
        self.fault()
        lab.wait_until("no actuator that hangs", lambda: not self.running())
        self.mended()
