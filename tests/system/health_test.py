# SPDX-License-Identifier: Apache-2.0
"""Backends that fail in every way there is: found by the right signal, left by new connections, taken back when mended."""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import lab
from case import PING, LabTest

CHECK = {"type": "http", "path": "/health", "interval_ms": 200, "fast_interval_ms": 20, "timeout_ms": 150, "rise": 2,
         "fall": 2}
FOUR = {f"gpu-{i}": 100 for i in range(1, 5)}
SERVER = """
import http.server, socketserver, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(int(sys.argv[2]))
        self.send_response(int(sys.argv[1]))
        self.end_headers()
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    allow_reuse_address = True
server = Server(("", 80), Handler)
print("listening", flush=True)
server.serve_forever()
"""


def home(name):
    return lab.HERE / name


def pid_of(name):
    return int((home(name) / "nginx.pid").read_text())


def start_server(name):
    """The backend's nginx, as the lab starts it; returns when it answers."""
    place = home(name)
    subprocess.Popen(lab.inside(name, "setsid", "nginx", "-e", place / "error.log", "-p", f"{place}/", "-c",
                                place / "nginx.conf"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)
    lab.wait_until(f"nginx of {name}", lambda: lab.run(name, "curl", "-sf", "http://127.0.0.1/health", check=False).returncode == 0)


def stop_server(name):
    pid = pid_of(name)
    os.kill(pid, signal.SIGKILL)
    lab.wait_until(f"the end of nginx of {name}", lambda: not os.path.exists(f"/proc/{pid}") or
                   "Z (zombie)" in open(f"/proc/{pid}/status").read())


@contextlib.contextmanager
def killed(name):
    stop_server(name)
    try:
        yield
    finally:
        start_server(name)


@contextlib.contextmanager
def unplugged(name):
    subprocess.run(["ip", "-n", "sw", "link", "set", f"to-{name}", "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "-n", "sw", "link", "set", f"to-{name}", "up"], check=True)


@contextlib.contextmanager
def blackholed(name):
    subprocess.run(["ip", "-n", name, "route", "add", "blackhole", lab.BALANCER], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "-n", name, "route", "del", "blackhole", lab.BALANCER], check=True)


@contextlib.contextmanager
def frozen(name):
    os.kill(pid_of(name), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid_of(name), signal.SIGCONT)


@contextlib.contextmanager
def replaced(name, status, seconds):
    """Another server stands in its place, that takes some time and gives that status."""
    stop_server(name)
    server = subprocess.Popen(lab.inside(name, sys.executable, "-c", SERVER, status, seconds), stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    try:
        yield
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        start_server(name)


@contextlib.contextmanager
def stopped_alone(thread):
    """One thread stands still under a tracer while the rest of its process runs on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    seize, interrupt, detach = 0x4206, 0x4207, 17
    for request in (seize, interrupt):
        if libc.ptrace(request, int(thread), None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}")
    os.waitpid(int(thread), 0x40000000)  # __WALL
    try:
        yield
    finally:
        libc.ptrace(detach, int(thread), None, None)


def answering_503(name):
    return replaced(name, 503, 0)


def slow(name):
    return replaced(name, 200, 2)


class HealthTest(LabTest):
    def start(self, pool=None, backends=FOUR, **changes):
        config = lab.configuration(backends, **changes)
        config["pools"][0].update({"health": CHECK} if pool is None else pool)
        return self.balancer(backends, pools=config["pools"], **changes)

    def states(self):
        return {b["name"]: b for b in lab.ctl("health")["pools"][0]["backends"]}

    def wait_for(self, name, *states, seconds=20):
        """How long it took until the backend was in one of the states."""
        start = time.monotonic()
        lab.wait_until(f"{name} to be {' or '.join(states)}", lambda: self.states()[name]["state"] in states, seconds)
        return time.monotonic() - start

    def events(self, word):
        return [e["text"] for e in lab.ctl("events")["events"] if e["component"] == "health" and e["event"] == word]


class Faults(HealthTest):
    def found_and_taken_back(self, fault, *expected):
        self.start()
        self.assertEqual(set(self.serve(400)), set(FOUR))
        with fault("gpu-2"):
            took = self.wait_for("gpu-2", "down")
            # The first failure may be the moment in which one server has gone and the next not come.
            lab.wait_until(f"a check that fails by {expected}", lambda: self.states()["gpu-2"]["last"]["fault"] in expected)
            self.assertEqual(set(self.serve(400)), set(FOUR) - {"gpu-2"})
            down = self.events("down")
            self.assertEqual(len(down), 1, down)
            self.assertIn("backend llama/gpu-2 ", down[0])
        back = self.wait_for("gpu-2", "up")
        self.assertEqual(set(self.serve(400)), set(FOUR))
        print(f"{fault.__name__}: out after {took * 1000:.0f} ms, back {back * 1000:.0f} ms after it was mended")

    def test_a_killed_server(self):
        self.found_and_taken_back(killed, "refused")

    def test_a_link_that_is_down(self):
        self.found_and_taken_back(unplugged, "timeout", "unreachable")

    def test_a_route_that_leads_nowhere(self):
        self.found_and_taken_back(blackholed, "timeout")

    def test_a_frozen_server(self):
        self.found_and_taken_back(frozen, "timeout")

    def test_a_server_that_answers_503(self):
        self.found_and_taken_back(answering_503, "status")

    def test_a_server_that_takes_two_seconds(self):
        self.found_and_taken_back(slow, "timeout")

    def test_probes_each_20_ms_find_a_killed_server_at_once_and_it_returns_slowly(self):
        fast = {**CHECK, "interval_ms": 20, "timeout_ms": 15}
        self.start(pool={"health": fast, "slow_start_s": 3})
        with killed("gpu-2"):
            took = self.wait_for("gpu-2", "down")
        self.wait_for("gpu-2", "up")
        self.assertLess(self.backends()["gpu-2"]["weight_now"], 100, "a newcomer is spared")
        lab.wait_until("its whole weight", lambda: self.backends()["gpu-2"]["weight_now"] == 100)
        print(f"killed, probes each 20 ms: seen to be out {took * 1000:.0f} ms after the end of its process")

    def test_a_reload_of_the_check_asks_by_the_new_one(self):
        balancer = self.start()
        config = balancer.config
        config["pools"][0]["health"] = {**CHECK, "path": "/nowhere"}
        balancer.write(config)
        balancer.signal(signal.SIGHUP)
        self.wait_for("gpu-1", "down")
        self.assertEqual(self.states()["gpu-1"]["last"]["fault"], "status")
        lab.wait_until("the node to be unready", lambda: not balancer.status()["ready"])


class Traffic(HealthTest):
    """No probes: clients' packets alone tell."""

    def test_a_backend_that_answers_nobody_is_left_within_the_second_syn(self):
        self.start(pool={"outlier": {"silent_flows": 3, "max_ejection_percent": 50, "base_ejection_s": 5}})
        self.assertEqual(set(self.serve(400)), set(FOUR))
        subprocess.run(["ip", "-n", "gpu-2", "route", "add", "blackhole", "10.0.9.0/24"], check=True)
        began = time.monotonic()
        with lab.Steady("--streams", "0") as load:
            took = self.wait_for("gpu-2", "ejected")
            load.more(500)
        print(f"blackholed: ejected by traffic alone {took * 1000:.0f} ms after it fell silent")
        self.assertIn("silent", self.events("ejected")[0])
        subprocess.run(["ip", "-n", "gpu-2", "route", "del", "blackhole", "10.0.9.0/24"], check=True)
        self.wait_for("gpu-2", "up", "degraded", seconds=30)
        self.assertEqual(set(self.serve(400)), set(FOUR))


class Worker(HealthTest):
    def test_a_node_whose_worker_hangs_says_so_and_answers_no_probe(self):
        answer = {"icmp_echo": True, "max_age_ms": 200}
        balancer = self.balancer(FOUR, answer=answer, announce={"link": "vips", "create": True})
        self.assertIn(lab.VIP, lab.run("lb", "ip", "address", "show", "dev", "vips").stdout)
        lab.run("client", sys.executable, "-c", PING, lab.VIP)
        worker = next(t for t in os.listdir(f"/proc/{balancer.process.pid}/task")
                      if open(f"/proc/{balancer.process.pid}/task/{t}/comm").read().startswith("rte-worker"))
        with stopped_alone(worker):
            lab.wait_until("the node to be unready", lambda: not balancer.status()["ready"])
            self.assertIn("worker 0 has not turned", balancer.status()["not_ready_because"])
            done = lab.run("client", sys.executable, "-c", PING, lab.VIP, check=False)
            self.assertNotEqual(done.returncode, 0, "nobody may answer for a node that stands still")
            self.assertNotIn(lab.VIP, lab.run("lb", "ip", "address", "show", "dev", "vips").stdout)
        lab.wait_until("the node to be ready again", lambda: balancer.status()["ready"])
        lab.run("client", sys.executable, "-c", PING, lab.VIP)


class Drains(HealthTest):
    def test_a_drain_shows_its_flows_and_ends_in_time(self):
        self.start(pool={"drain_timeout_s": 2})
        with lab.Steady("--concurrency", "4") as load:
            lab.wait_until("streams everywhere", lambda: all(b["active_flows"] for b in self.backends().values()))
            lab.ctl("backend", "drain", "llama", "gpu-1")
            self.assertEqual(self.backends()["gpu-1"]["state"], "draining")
            self.assertGreater(self.backends()["gpu-1"]["active_flows"], 0)
            lab.wait_until("its time to be over", lambda: self.events("drain_timeout") or self.events("drained"))
            load.more(100)
        lab.ctl("backend", "undrain", "llama", "gpu-1")
        self.assertEqual(set(self.serve(400)), set(FOUR))


class Many(HealthTest):
    def test_half_of_the_backends_at_once(self):
        self.start()
        with killed("gpu-1"), killed("gpu-2"):
            self.wait_for("gpu-1", "down")
            self.wait_for("gpu-2", "down")
            self.assertEqual(set(self.serve(200)), {"gpu-3", "gpu-4"})
        self.wait_for("gpu-1", "up")
        self.wait_for("gpu-2", "up")
        self.assertEqual(set(self.serve(400)), set(FOUR))

    def test_all_at_once_refuses_clients_at_once_and_the_first_to_return_serves(self):
        two = {"gpu-1": 100, "gpu-2": 100}
        self.start(backends=two)
        with killed("gpu-1"):
            with killed("gpu-2"):
                self.wait_for("gpu-1", "down")
                self.wait_for("gpu-2", "down")
                answer = lab.run("client", "curl", "-s", "--max-time", "10", f"http://{lab.VIP}/health", check=False)
                self.assertEqual(answer.returncode, 7, "refused, not timed out")
            self.wait_for("gpu-2", "up")
            self.assertEqual(set(self.serve(50)), {"gpu-2"})

    def test_one_that_flaps_changes_the_tables_ever_less_often(self):
        balancer = self.start()
        before = balancer.status()["generation"]
        for _ in range(8):
            with killed("gpu-1"):
                lab.wait_until("a failed check", lambda: self.states()["gpu-1"]["failed_in_a_row"] > 0)
                self.wait_for("gpu-1", "down")
            start = time.monotonic()
            while time.monotonic() - start < 1 and self.states()["gpu-1"]["state"] != "up":
                time.sleep(0.05)
        changes = balancer.status()["generation"] - before
        hold = self.states()["gpu-1"]["hold_s"]
        print(f"8 falls: {changes} tables, the next return takes {hold:.0f} s of good answers")
        self.assertLessEqual(changes, 14)
        self.assertGreater(hold, 0)


class Wish(HealthTest):
    def test_maintenance_moves_all_flows_survives_a_restart_and_ends_by_undrain(self):
        balancer = self.start()
        lab.ctl("backend", "maintenance", "llama", "gpu-3")
        self.assertEqual(self.states()["gpu-3"]["state"], "maintenance")
        self.assertEqual(set(self.serve(200)), set(FOUR) - {"gpu-3"})
        self.assertEqual(balancer.stop(), 0)
        balancer.start()
        self.assertEqual(self.states()["gpu-3"]["operator"], "maintenance")
        self.assertEqual(self.states()["gpu-3"]["checked"], "up")
        lab.ctl("backend", "undrain", "llama", "gpu-3")
        self.assertEqual(set(self.serve(400)), set(FOUR))

    def test_what_was_down_is_down_after_a_kill_until_it_answers(self):
        balancer = self.start()
        with killed("gpu-1"):
            self.wait_for("gpu-1", "down")
            balancer.kill()
            balancer.start()
            self.assertEqual(self.states()["gpu-1"]["state"], "down")
            self.assertEqual(set(self.serve(200)), set(FOUR) - {"gpu-1"})
        self.wait_for("gpu-1", "up")

    def test_a_new_backend_gets_no_flow_before_it_has_answered(self):
        self.start(backends={"gpu-1": 100, "gpu-2": 100})
        with killed("gpu-3"):
            lab.ctl("backend", "add", "llama", "gpu-3", lab.backend_address("gpu-3"))
            self.assertEqual(set(self.serve(300)), {"gpu-1", "gpu-2"})
            self.wait_for("gpu-3", "down")
        self.wait_for("gpu-3", "up")
        self.assertEqual(set(self.serve(300)), {"gpu-1", "gpu-2", "gpu-3"})
