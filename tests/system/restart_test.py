# SPDX-License-Identifier: Apache-2.0
"""The ends and beginnings of the daemon: stopped, stopped twice, killed, started over."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import unittest

import lab
from case import LabTest

PINS = pathlib.Path("/sys/fs/bpf/sluice/lab")
STREAM = ["curl", "-s", "--max-time", "30", "-o", "/dev/null", f"http://{lab.VIP}/v1/stream"]


def programs():
    """Names of the XDP programs on the balancer's interface."""
    text = lab.run("lb", "ip", "-details", "link", "show", "lb0").stdout
    return [line.split(" name ")[1].split()[0] if " name " in line else line.strip() for line in text.splitlines() if "prog/xdp" in line]


@unittest.skipIf(lab.af_xdp_missing(), lab.af_xdp_missing())
class Pins(LabTest):
    def test_maps_are_pinned_by_name_while_it_runs_and_gone_after_a_clean_stop(self):
        balancer = self.balancer()
        self.assertTrue(any(PINS.iterdir()))
        names = lab.run("lb", "bpftool", "map", "list").stdout
        self.assertIn("sluice_", names + " ".join(p.name for p in PINS.rglob("*")))
        self.assertTrue(programs())
        self.assertEqual(balancer.stop(), 0)
        self.assertFalse(PINS.exists())
        self.assertEqual(programs(), [])

    def test_a_node_that_runs_is_not_taken_over(self):
        first = self.balancer()
        second = lab.Balancer(first.config, name="second")
        self.addCleanup(second.kill)
        second.launch()
        self.assertEqual(second.wait(60), 1, second.tail())
        self.assertTrue(first.status()["ready"])
        self.serve()


class Stop(LabTest):
    def test_a_clean_stop_ends_with_0_and_removes_the_socket(self):
        balancer = self.balancer()
        self.serve(50)
        balancer.balanced()
        self.assertEqual(balancer.stop(), 0)
        self.assertFalse(os.path.exists(lab.SOCKET))

    def test_a_second_sigterm_stops_at_once(self):
        balancer = self.balancer()
        stream = subprocess.Popen(lab.inside("client", *STREAM))
        self.addCleanup(stream.wait)
        self.addCleanup(stream.kill)
        lab.wait_until("the stream to flow", lambda: balancer.status()["books"]["forward"] > 5)
        balancer.signal(signal.SIGTERM)
        balancer.signal(signal.SIGTERM)
        self.assertIn(balancer.wait(10), (0, 1), balancer.tail())
        self.assertFalse(os.path.exists(lab.SOCKET))

    def test_the_node_answers_pings_and_logins_after_a_stop(self):
        balancer = self.balancer()
        self.listen()
        self.assertEqual(balancer.stop(), 0)
        self.ping()
        self.greet()

    def test_ten_starts_in_a_row_leave_nothing_behind(self):
        balancer = self.balancer(start=False)
        for _ in range(10):
            balancer.start()
            self.assertEqual(balancer.stop(), 0)
        self.assertFalse(PINS.exists())


class Kill(LabTest):
    def test_the_next_start_after_a_kill_takes_over_maps_and_socket(self):
        balancer = self.balancer()
        self.listen()
        self.serve()
        for _ in range(2):
            balancer.kill()
            self.assertTrue(os.path.exists(lab.SOCKET))
            # The filter is still there, the worker is not: what is not for a service reaches Linux all along.
            self.ping()
            self.greet()
            balancer.start()
            self.serve()
            self.ping()
            self.greet()
        balancer.balanced()

    def test_streams_survive_a_kill_and_a_start(self):
        balancer = self.balancer()
        with lab.Steady("--concurrency", "1", "--streams", "16") as load:
            load.more(20)
            started = sum(log.read_text().count("/v1/completions") for log in lab.HERE.glob("gpu-*/access.log"))
            balancer.kill()
            balancer.start()
            load.more(20)
            result = load.finish()
        self.assertGreater(started, 0)
        # Maglev alone brings each packet to the backend it went to before: retransmissions do the rest.
        self.assertEqual([e for e in result["errors"] if "stream" in e], [])

    def test_sluicectl_tells_a_dead_daemon_from_none(self):
        balancer = self.balancer()
        balancer.kill()
        stale = lab.run("lb", lab.SLUICECTL, "--socket", lab.SOCKET, "status", check=False)
        none = lab.run("lb", lab.SLUICECTL, "--socket", "/run/sluice/none.sock", "status", check=False)
        self.assertEqual((stale.returncode, none.returncode), (1, 1))
        self.assertIn(lab.SOCKET, stale.stderr)
        self.assertIn("/run/sluice/none.sock", none.stderr)
        self.assertNotEqual(stale.stderr.replace(lab.SOCKET, ""), none.stderr.replace("/run/sluice/none.sock", ""))
        balancer.start()

    def test_a_daemon_on_af_packet_serves_too(self):
        ports = [{"name": "front", "device": "net_af_packet0,iface=lb0", "mtu": 1500, "queues": 1}]
        balancer = self.balancer(ports=ports)
        self.serve(100)
        self.assertEqual(balancer.stop(), 0)

    def test_a_restart_without_a_change_sends_flows_where_they_went(self):
        balancer = self.balancer()
        before = self.traced(500)
        balancer.kill()
        balancer.start()
        self.assertEqual(self.traced(500), before)


class Reader(LabTest):
    def test_events_are_followed_over_a_restart(self):
        balancer = self.balancer()
        follower = subprocess.Popen(lab.inside("lb", lab.SLUICECTL, "--json", "--socket", lab.SOCKET, "events", "--follow"),
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.assertTrue(json.loads(follower.stdout.readline()))
        self.assertEqual(balancer.stop(), 0)
        balancer.start()
        self.changed("drain", "llama", "gpu-1")
        told = threading.Event()

        def read():
            for line in follower.stdout:
                if "drain" in json.loads(line)["text"]:
                    return told.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.assertTrue(told.wait(30), "the drain after the restart was not told")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(10), 0)
        reader.join()
