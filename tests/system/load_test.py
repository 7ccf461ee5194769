# SPDX-License-Identifier: Apache-2.0
"""Backends that tell different loads, by a health check's header or by their metrics: new flows follow."""
import subprocess
import sys

import lab
from case import LabTest

FOUR = {f"gpu-{i}": 100 for i in range(1, 5)}
PORT = 9100
ASKS = 400
FEW = 0.03  # a client that takes an old flow's port again stays with that one's backend
# What a server tells stands in a file, read at each question; an empty one: nothing.
SERVER = f"""
import http.server, pathlib, sys
told = pathlib.Path(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        load = told.read_text()
        body = b""
        if self.path == "/metrics" and load:
            body = (f"vllm:num_requests_running {{load}}\\nvllm:num_requests_waiting 0\\n"
                    "vllm:request_success_total 1\\nnonsense\\n").encode()
        self.send_response(200)
        if self.path == "/health" and load:
            self.send_header("X-Load", load)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_): pass  # a probe resets its connection when it has what it wants
server = Server(("", {PORT}), Handler)
print("listening", flush=True)
server.serve_forever()
"""
TIMES = {"interval_ms": 200, "timeout_ms": 150}
HEALTH = {"type": "http", "port": PORT, "path": "/health", **TIMES}
METRICS = {"type": "vllm", "port": PORT, **TIMES}


class LoadTest(LabTest):
    def setUp(self):
        super().setUp()
        for name in FOUR:
            self.tell(name, 0)
            command = lab.inside(name, sys.executable, "-c", SERVER, lab.HERE / f"{name}.load")
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.addCleanup(server.stdout.close)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            self.assertEqual(server.stdout.readline(), "listening\n")

    def start(self, **pool):
        config = lab.configuration(FOUR)
        config["pools"][0].update(policy="least_load", **pool)
        return self.balancer(FOUR, pools=config["pools"])

    def tell(self, name, load):
        """From its next answer on a backend tells that load; None: nothing at all."""
        file = lab.HERE / f"{name}.load"
        fresh = file.with_suffix(".fresh")
        fresh.write_text("" if load is None else str(load))
        fresh.rename(file)  # never read half

    def tell_all(self, *loads):
        for name, load in zip(FOUR, loads):
            self.tell(name, load)

    def wait_until_spared(self, name):
        """Until of 40 requests none goes to a backend: the busiest of four is never the better of two."""
        lab.wait_until(f"{name} to be spared", lambda: name not in self.serve(40))

    def shares(self):
        served = self.serve(ASKS)
        return [served.get(name, 0) / ASKS for name in FOUR]

    def follows(self):
        """New flows follow what is told, and follow it when it turns about. Of two at random the less
        busy one is taken: the idlest of four gets a half, then a third and a sixth, the busiest nothing."""
        self.tell_all(0, 10, 20, 40)
        self.wait_until_spared("gpu-4")
        shares = self.shares()
        self.assertLess(shares[3], FEW, shares)
        self.assertGreater(shares[0], 0.35, shares)
        self.assertGreater(shares[1], shares[2], shares)
        self.tell_all(40, 20, 10, 0)
        self.wait_until_spared("gpu-1")
        shares = self.shares()
        self.assertLess(shares[0], FEW, shares)
        self.assertGreater(shares[3], 0.35, shares)

    def settles(self):
        """While loads stay as they are no table is built."""
        before = lab.ctl("status")["generation"]
        self.serve(100)
        self.serve(100)
        self.assertLessEqual(lab.ctl("status")["generation"] - before, 1)

    def test_new_flows_follow_the_header_of_health_checks(self):
        self.start(health={**HEALTH, "load_header": "X-Load"})
        self.follows()
        self.settles()

    def test_new_flows_follow_scraped_metrics_which_come_before_the_header(self):
        # The file tells both; the header's name is one that nobody sends.
        self.start(health={**HEALTH, "load_header": "X-Other"}, metrics=METRICS)
        self.follows()
        self.settles()
        lines = [e["text"] for e in lab.ctl("events")["events"] if e["event"] == "bad_line"]
        self.assertEqual(len(lines), len(FOUR), lines)
        self.assertTrue(all("line 4" in line for line in lines), lines)

    def test_backend_that_tells_nothing_counts_as_the_busiest_and_is_told_once(self):
        self.start(health=HEALTH, metrics=METRICS)
        self.tell_all(0, 10, 20, 40)
        self.wait_until_spared("gpu-4")
        self.tell("gpu-1", None)

        def silent():
            return [e["text"] for e in lab.ctl("events")["events"]
                    if e["event"] == "metrics" and "gpu-1" in e["text"]]

        lab.wait_until("the event", silent)
        # As busy as gpu-4 it is only ever taken before that one: a twelfth.
        lab.wait_until("gpu-2 to be the idlest", lambda: self.shares()[1] > 0.35)
        shares = self.shares()
        self.assertLess(shares[0], 0.2, shares)
        self.assertEqual(len(silent()), 1, silent())
        self.tell("gpu-1", 0)
        lab.wait_until("gpu-1 to be the idlest again", lambda: self.shares()[0] > 0.35)
        self.assertIn("tells its load again", silent()[-1])
