# SPDX-License-Identifier: Apache-2.0
"""A pool that follows its load: real processes come and go under real requests, and no request is lost."""
import time

import elastic
import lab
from scale_case import ScaleTest


class Burst(ScaleTest):
    def test_ten_times_the_load_in_five_seconds_brings_servers_and_their_going_costs_no_stream(self):
        balancer = self.scaled()
        with lab.Open("2x2", "20x5", "2x120") as load:
            load.reached(1)
            began = time.monotonic()
            lab.wait_until("three servers that serve", lambda: len(self.up()) >= 3, 30)
            took = time.monotonic() - began
            lab.wait_until("two to go, under load", lambda: self.ended_well() >= 2, 90)
            seen = load.finish()
        self.assertEqual((seen["failed"], seen["errors"]), (0, []))
        self.assertEqual(seen["answered"], seen["sent"])
        self.assertGreaterEqual(len(seen["by_backend"]), 3)
        self.ended_well()
        started = self.each_start_was_one()
        self.assertTrue(self.said("requests"), "every decision is an event with its reason")
        balancer.balanced()
        print(f"2 to 20 requests/s: three servers after {took:.1f} s, {started} started in all, "
              f"{seen['answered']} streams, first word p50 {seen['first_token_s']['p50']} s, "
              f"p95 {seen['first_token_s']['p95']} s, none failed")


class Zero(ScaleTest):
    def curl(self):
        """One request through the VIP, as a person makes it: how long it took."""
        began = time.monotonic()
        answer = lab.run("client", "curl", "-sS", "--max-time", "40", "-H", "Content-Type: application/json",
                         "--data", '{"prompt": "six times seven is", "max_tokens": 3}',
                         f"http://{lab.VIP}:{elastic.PORT}/v1/completions")
        self.assertIn('"finish_reason"', answer.stdout)
        return time.monotonic() - began

    def test_one_curl_brings_a_pool_back_from_zero_and_it_goes_to_zero_again(self):
        self.scaled(min=0, idle_s=2, ready=False)
        self.lived(0)
        first = self.curl()
        started = len(elastic.members())
        self.assertIn(started, (1, 2), "for one request")
        again = self.curl()
        self.lived(0)
        self.assertEqual(self.ended_well(), started)
        once_more = self.curl()
        self.each_start_was_one()
        print(f"from zero: {first:.1f} s and {once_more:.1f} s; from one: {again:.2f} s")
