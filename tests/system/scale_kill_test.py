# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon while its pool grows: the next one goes on from there; without its state it holds."""
import subprocess

import elastic
import lab
from scale_case import PLACES, ScaleTest

# They begin to serve when the test says so.
HELD = {**elastic.SMALL, "cold_start": "503", "cold_start_s": 600.0}


class Killed(ScaleTest):
    def pids(self):
        return {m["name"]: m["pid"] for m in elastic.members()}

    def shown(self):
        """What is told of the pool's scaling: the present, and the decisions of this life of the daemon."""
        return lab.ctl("scale", "show", "llama")["pools"][0]

    def serve_all(self, done, seconds=60):
        """Lets every server serve that has been started, until done()."""
        told = set()

        def released():
            for member in elastic.members():
                if member["pid"] not in told and self.server(member, "POST", "/fault", {"ready": True}):
                    told.add(member["pid"])
            return done()

        lab.wait_until("servers that serve", released, seconds)

    def server(self, *request):
        try:
            return super().server(*request)
        except lab.Failure:
            return ""  # it does not listen yet

    def test_in_mid_burst_it_goes_on_as_if_nothing_had_happened(self):
        elastic.tell_actuator(PLACES, {"small": HELD})
        balancer = self.scaled(min=2, max=5, ready=False)  # of six places
        self.serve_all(lambda: len(self.up()) == 2)
        with lab.Open("20x60", first=10000) as load:
            lab.wait_until("starts for the burst", lambda: len(self.orders("start")) > 2, 30)
            wanted = self.shown()["decision"]["desired"]
            balancer.kill()
            sent, under_way, before = load.last["sent"], load.last["open"], self.pids()
            # Somebody started one meanwhile, as an order may of which the daemon did not live to hear.
            self.assertEqual(self.order("start", "llama-small-9").returncode, 0)
            balancer.start()
            first = lab.wait_until("its first decision", lambda: self.shown()["decisions"], 30)[0]
            self.assertGreaterEqual(first["desired"], wanted, first)
            # What was under way had its backend in tables that are gone: no other one has come so far.
            lab.wait_until("the streams of before", lambda: load.last["oldest"] >= sent, 90)
            self.serve_all(lambda: self.up() >= set(before) and len(self.up()) >= 3)
            lab.wait_until("the orphan", lambda: self.said("orphan_", "llama-small-9"), 30)
            self.assertEqual([o["name"] for o in self.orders("stop") if o["name"] in before], [])
            seen = load.finish()
        now = self.pids()
        self.assertEqual({n: now.get(n) for n in before}, before, "none was lost or begun anew")
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        self.assertTrue(self.said("restored"))
        self.assertFalse(self.said("not_loaded"))
        self.each_start_was_one()
        self.ended_well()
        print(f"killed with {len(before)} servers and {under_way} streams under way: {seen['answered']} of "
              f"{seen['sent']} answered, {wanted} wanted before and {first['desired']} after")

    def test_without_its_state_it_takes_on_what_runs_and_takes_nothing_away_blind(self):
        balancer = self.scaled()
        self.scale("set", count=3)
        self.up_to(3)
        before = self.pids()
        balancer.kill()
        subprocess.run(["rm", "-rf", lab.HERE / "state"], check=True)
        balancer.start()
        lab.wait_until("all three", lambda: self.up() == set(before), 30)
        self.assertEqual(len(self.said("orphan_adopted")), 3)
        # Next to no load: one would do, for all that is known by now.
        with lab.Open("2x60", first=20000) as load:
            ticks = self.metric("sluice_autoscale_decisions_total")
            lab.wait_until("ticks", lambda: self.metric("sluice_autoscale_decisions_total") >= ticks + 12, 60)
            seen = load.finish()
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        self.assertEqual((self.orders("stop"), self.pids(), self.up()), ([], before, set(before)))
