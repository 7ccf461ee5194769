# SPDX-License-Identifier: Apache-2.0
"""Changes of pools and configuration while traffic runs: what moves, and that nothing breaks."""
import json
import os
import re
import signal
import subprocess
import time

import lab
from case import EQUAL, LabTest

FLOWS = 3000


class Moves(LabTest):
    def test_removing_one_of_ten_moves_its_tenth_and_at_most_one_percent_of_the_others(self):
        balancer = self.balancer()
        before = self.traced(FLOWS)
        slots, least = self.changed("remove", "llama", "gpu-4")
        after = self.traced(FLOWS)
        self.assertAlmostEqual(least, 0.1, delta=0.0001)
        self.assertLessEqual(slots - least, 0.01 * 0.9)
        others = [(a, b) for a, b in zip(before, after) if a != "gpu-4"]
        self.assertLessEqual(sum(a != b for a, b in others), 0.01 * len(others))
        self.assertNotIn("gpu-4", after)
        self.assertNotIn("gpu-4", self.serve(500))
        balancer.balanced()

    def test_adding_an_eleventh_moves_its_share_and_at_most_one_percent_of_the_others(self):
        self.balancer({name: 100 for name in list(EQUAL)[:9]})
        before = self.traced(FLOWS)
        slots, least = self.changed("add", "llama", "gpu-10", lab.backend_address("gpu-10"))
        after = self.traced(FLOWS)
        self.assertAlmostEqual(least, 0.1, delta=0.0001)
        self.assertLessEqual(slots - least, 0.01 * 0.9)
        stray = sum(a != b and b != "gpu-10" for a, b in zip(before, after))
        self.assertLessEqual(stray, 0.01 * FLOWS)
        self.assertIn("gpu-10", self.serve(500))

    def test_a_weight_of_half_moves_at_most_what_it_must_and_one_percent(self):
        self.balancer()
        slots, least = self.changed("weight", "llama", "gpu-1", "50")
        self.assertLessEqual(slots - least, 0.01)
        self.assertAlmostEqual(self.backends()["gpu-1"]["slots_share"], 50 / 950, delta=0.0001)


class Drain(LabTest):
    def test_a_draining_backend_keeps_its_flows_and_gets_no_new_ones(self):
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100})
        with lab.Steady("--streams", "24") as load:
            load.more(100)
            self.changed("drain", "llama", "gpu-1")
            load.more(100)
            # Those that were under way at the drain are through: there were fewer.
            served_then = load.last["by_backend"]["gpu-1"]
            load.more(300)
            self.assertEqual(load.last["by_backend"]["gpu-1"], served_then)
            result = load.finish()
        self.assertEqual(result["failed"], 0, result["errors"])
        log = lab.HERE / "gpu-1/access.log"
        lab.wait_until("the streams it had in its log", lambda: "/v1/stream" in log.read_text())
        self.assertEqual(self.backends()["gpu-1"]["state"], "draining")
        self.changed("undrain", "llama", "gpu-1")
        self.assertIn("gpu-1", self.serve(100))
        balancer.balanced()

    def test_an_operators_drain_survives_a_restart(self):
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100})
        self.changed("drain", "llama", "gpu-1")
        self.assertEqual(balancer.stop(), 0)
        balancer.start()
        self.assertEqual(self.backends()["gpu-1"]["operator"], "drain")
        self.assertEqual(set(self.serve(100)), {"gpu-2"})


class Reload(LabTest):
    def reload(self, balancer, config):
        """SIGHUP with this file (None: with none); returns the status once the reload has been judged."""
        events = lab.api("/api/v1/events")[1]["next"]
        if config is None:
            balancer.file.unlink()
        else:
            balancer.write(config)
        balancer.signal(signal.SIGHUP)

        def judged():
            _, answer = lab.api(f"/api/v1/events?since={events}&wait=1")
            return any(e["component"] == "config" and e["event"] in ("changed", "reload_refused") for e in answer["events"])

        lab.wait_until("the reload to be judged", judged)
        return balancer.status()

    def test_a_reload_by_signal_is_in_the_audit_with_who_what_before_and_after(self):
        balancer = self.balancer()
        balancer.config["pools"][0]["backends"][0]["weight"] = 7
        self.reload(balancer, balancer.config)
        audits = [e["text"] for e in lab.api("/api/v1/events")[1]["events"] if e["component"] == "audit"]
        self.assertEqual(len(audits), 1, audits)
        self.assertRegex(audits[0], rf"^signal SIGHUP of user root \(uid 0, pid {os.getpid()}\): reload: "
                                    r"pools/llama/backends/gpu-1/weight from 100 to 7$")
        self.reload(balancer, {"pools": "none"})
        self.assertEqual(len([e for e in lab.api("/api/v1/events")[1]["events"] if e["component"] == "audit"]), 1,
                         "a refusal changes nothing")

    def test_a_hundred_reloads_in_ten_seconds_under_load_fail_no_request(self):
        balancer = self.balancer()
        first = balancer.status()["generation"]
        wrk = subprocess.Popen(lab.inside("client", "wrk", "-t1", "-c32", "-d14s", f"http://{lab.VIP}/v1/completions"),
                               stdout=subprocess.PIPE, text=True)
        self.addCleanup(wrk.stdout.close)
        self.addCleanup(wrk.kill)
        with lab.Steady("--concurrency", "4", "--streams", "4") as load:
            load.more(20)
            start = time.monotonic()
            for i in range(1, 101):
                balancer.config["pools"][0]["backends"][i % 10]["weight"] = 50 + i
                balancer.write(balancer.config)
                balancer.signal(signal.SIGHUP)
                lab.wait_until(f"generation {first + i}", lambda: balancer.status()["generation"] >= first + i)
                # The pace of the promise; a reload that takes longer than its tenth is not waited for twice.
                time.sleep(max(0, start + i * 0.1 - time.monotonic()))
            print(f"100 reloads in {time.monotonic() - start:.1f} s")
            result = load.finish()
        out, _ = wrk.communicate(timeout=30)
        self.assertEqual(result["failed"], 0, result["errors"])
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        self.assertGreater(int(re.search(r"(\d+) requests in", out)[1]), 100)
        self.assertEqual(balancer.balanced()["drop"], 0, lab.ctl("drops"))

    def test_a_bad_file_changes_nothing_and_status_says_so(self):
        balancer = self.balancer()
        generation = balancer.status()["generation"]
        bad = json.loads(json.dumps(balancer.config))
        bad["pools"][0]["table_size"] = 65536
        bad["services"][0]["prot"] = 80
        now = self.reload(balancer, bad)
        self.assertEqual(now["generation"], generation)
        self.assertFalse(now["configuration"]["last_reload"]["ok"])
        faults = "\n".join(now["configuration"]["last_reload"]["faults"])
        self.assertIn("/pools/0/table_size: ", faults)
        self.assertIn("/services/0/prot: ", faults)
        self.serve()
        now = self.reload(balancer, balancer.config)
        self.assertTrue(now["configuration"]["last_reload"]["ok"])

    def test_a_file_that_is_cut_short_or_gone_changes_nothing(self):
        balancer = self.balancer()
        whole = json.dumps(balancer.config)
        self.assertFalse(self.reload(balancer, whole[: len(whole) // 2])["configuration"]["last_reload"]["ok"])
        self.serve(50)
        gone = self.reload(balancer, None)["configuration"]["last_reload"]
        self.assertFalse(gone["ok"])
        self.assertIn(str(balancer.file), gone["faults"][0])
        self.serve(50)
        balancer.write(balancer.config)

    def test_a_reload_adds_a_service_and_takes_it_away(self):
        balancer = self.balancer()
        more = json.loads(json.dumps(balancer.config))
        more["services"].append({"name": "all", "address": "203.0.113.11", "port": 80, "protocol": "tcp", "pool": "llama"})
        self.assertTrue(self.reload(balancer, more)["configuration"]["last_reload"]["ok"])
        self.assertEqual([s["name"] for s in lab.ctl("services")["services"]], ["chat", "all"])
        self.assertTrue(self.reload(balancer, balancer.config)["configuration"]["last_reload"]["ok"])
        self.assertEqual([s["name"] for s in lab.ctl("services")["services"]], ["chat"])
        self.serve()
