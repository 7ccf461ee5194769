# SPDX-License-Identifier: Apache-2.0
"""What the tests of scaling are made of works: the actuator, its servers behind the VIP, the open load."""
import json
import os
import subprocess

import elastic
import lab
from elastic import PORT, alive
from scale_case import ScaleTest


class ActuatorAlone(ScaleTest):
    def backends(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["backends"]

    def test_a_start_may_be_repeated_a_stop_too_and_a_list_tells_what_lives(self):
        one = self.backends(self.order("start", "llama-small-1"))
        there = {"name": "llama-small-1", "address": "10.0.1.11", "class": "small", "state": "awake"}
        self.assertEqual(one, [there])
        self.assertEqual(self.backends(self.order("start", "llama-small-1")), one)
        large = self.backends(self.order("start", "llama-large-1", kind="large"))
        self.assertEqual(large[0]["address"], "10.0.1.17")
        self.assertEqual(len(elastic.members()), 2)
        self.assertEqual(self.backends(self.order("list")), large + one)
        for _ in range(2):
            self.assertEqual(self.backends(self.order("stop", "llama-small-1")), [])
        self.assertEqual(self.backends(self.order("list")), large)
        pid = elastic.members()[0]["pid"]
        os.kill(pid, 9)
        lab.wait_until("its end", lambda: not alive(pid))
        self.assertEqual(self.backends(self.order("list")), [], "a dead one is none")

    def test_what_it_cannot_do_it_says(self):
        for done, word in ((self.order("start", "llama-odd-1", kind="odd"), "no such class: odd"),
                           (self.order("jump", "llama-small-1"), "no such action: jump"),
                           (self.order("wake", "llama-small-1"), "there is no llama-small-1")):
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stderr)
        for i in range(1, 5):
            self.order("start", f"llama-large-{i}", kind="large")
        self.assertIn("every place", self.order("start", "llama-large-5", kind="large").stderr)

    def test_its_faults_are_what_they_say(self):
        said = {}
        for how in ("fail", "idle", "wrong_name", "wrong_address", "twice", "double", "garbage", "flood"):
            self.fault(start=how)
            done = self.order("start", "llama-small-1")
            said[how] = done.stdout
            self.assertEqual(done.returncode, 1 if how == "fail" else 0, how)
            self.assertEqual(len(elastic.members()), 0 if how in ("fail", "idle") else 1, how)
            self.fault()
            self.order("stop", "llama-small-1")
        self.assertEqual(said["fail"], "")
        self.assertIn("llama-small-10", said["wrong_name"])
        self.assertIn("10.0.1.250", said["wrong_address"])
        self.assertEqual((said["twice"].count("\n"), said["double"].count("small-1")), (2, 2))
        self.assertGreater(len(said["flood"]), 1 << 20)
        self.assertRaises(ValueError, json.loads, said["garbage"])
        self.fault(start="hang")
        with self.assertRaises(subprocess.TimeoutExpired):
            self.order("start", "llama-small-1", timeout=1)
        self.assertEqual(elastic.members(), [])
        self.assertEqual(len(self.orders("start")), len(self.orders("start", ended=True)) + 1)

    def test_asleep_and_awake(self):
        member, = self.backends(self.order("start", "llama-small-1"))
        lab.wait_until("its start", lambda: any(line["event"] == "ready" for line in self.told()))
        self.assertEqual(self.backends(self.order("sleep", "llama-small-1")), [])
        self.assertEqual(json.loads(self.server(member, "GET", "/is_sleeping")), {"is_sleeping": True})
        self.assertEqual(self.backends(self.order("list")), [{**member, "state": "asleep"}])
        self.assertEqual(self.backends(self.order("wake", "llama-small-1")), [member])
        self.assertEqual(json.loads(self.server(member, "GET", "/is_sleeping")), {"is_sleeping": False})


class ServersBehindTheVip(ScaleTest):
    def balanced_over(self, names, forwarding="ipip"):
        config = lab.configuration({n: 100 for n in names}, forwarding)
        config["services"][0]["port"] = PORT
        config["pools"][0]["health"] = {"type": "vllm", "port": PORT, "interval_ms": 200, "timeout_ms": 150,
                                      "rise": 1, "fall": 2}
        balancer = self.balancer(services=config["services"], pools=config["pools"])
        # A start is done when the server was asked for, not when it serves.
        backends = lambda: lab.ctl("health")["pools"][0]["backends"]  # noqa: E731
        lab.wait_until("all to be up", lambda: all(b["state"] == "up" for b in backends()), 30)
        return balancer

    def test_an_open_load_is_served_whole_by_both_ways_and_a_stopped_server_ends_its_streams(self):
        for forwarding in ("ipip", "l2dsr"):
            for i in (1, 2):
                self.assertEqual(self.order("start", f"llama-small-{i}").returncode, 0)
            balancer = self.balanced_over(("gpu-1", "gpu-2"), forwarding)
            with lab.Open("10x3", first=10000 if forwarding == "ipip" else 20000) as load:
                seen = load.result()
            self.assertEqual((seen["failed"], seen["errors"]), (0, []))
            self.assertEqual(set(seen["by_backend"]), {"llama-small-1", "llama-small-2"})
            self.assertGreater(seen["answered"], 15)
            self.assertEqual(balancer.stop(), 0)
            for i in (1, 2):
                self.order("stop", f"llama-small-{i}")
        self.assertEqual(self.ended_well(), 4)

    def test_a_drained_server_keeps_its_streams_and_is_stopped_without_loss(self):
        for i in (1, 2):
            self.assertEqual(self.order("start", f"llama-small-{i}").returncode, 0)
        self.balanced_over(("gpu-1", "gpu-2"))
        with lab.Open("8x60", first=30000) as load:
            load.more(5)
            lab.ctl("backend", "drain", "llama", "gpu-2")
            lab.wait_until("its last stream", lambda: self.idle("llama-small-2"), 30)
            self.order("stop", "llama-small-2")
            load.more(10)
            seen = load.finish()
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        self.assertEqual(self.ended_well(), 1)

    def idle(self, name):
        member = next(m for m in elastic.members() if m["name"] == name)
        return json.loads(self.server(member, "GET", "/load"))["server_load"] == 0

    def test_a_load_on_nobody_fails_and_is_counted(self):
        with lab.Open("40x0.5", target=f"10.0.1.11:{PORT}") as load:
            seen = load.result()
        self.assertGreater(seen["sent"], 5)
        self.assertEqual((seen["failed"], seen["answered"], seen["open"]), (seen["sent"], 0, 0))
        self.assertIn("ConnectionRefusedError", seen["errors"][0])
