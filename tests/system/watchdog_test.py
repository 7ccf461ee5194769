# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells systemd: ready, reloading, alive only while every worker moves, stopping."""
import os
import signal
import socket

import lab
from case import LabTest
from health_test import stopped_alone

LIMIT = 2.0  # seconds, as WatchdogSec


class Told(LabTest):
    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        path = lab.HERE / "notify.sock"
        path.unlink(missing_ok=True)
        self.socket.bind(str(path))
        self.socket.settimeout(20)
        for name, value in (("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", int(LIMIT * 1e6))):
            os.environ[name] = str(value)
            self.addCleanup(os.environ.pop, name)

    def told(self, words):
        """Waits for a message with these words; returns it."""
        while True:
            message = self.socket.recv(4096).decode()
            if words in message:
                return message

    def alive_within(self, seconds):
        """Whether a sign of life comes within that time; all that is already there is passed over."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass
        self.socket.settimeout(seconds)
        try:
            self.told("WATCHDOG=1")
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(20)

    def test_the_watchdog_is_fed_only_while_every_worker_moves(self):
        balancer = self.balancer({"gpu-1": 100})
        self.told("READY=1")
        self.assertTrue(self.alive_within(20))
        worker = next(t for t in os.listdir(f"/proc/{balancer.process.pid}/task")
                      if open(f"/proc/{balancer.process.pid}/task/{t}/comm").read().startswith("rte-worker"))
        with stopped_alone(worker):
            self.assertIn("worker 0 has not turned", self.told("STATUS=worker"))
            self.assertFalse(self.alive_within(LIMIT))  # systemd would have ended it
            events = [e["event"] for e in lab.ctl("events")["events"] if e["component"] == "watchdog"]
            self.assertEqual(events, ["withheld"])
        self.assertTrue(self.alive_within(20))
        self.serve(20)

    def test_reloads_and_the_end_are_told(self):
        balancer = self.balancer({"gpu-1": 100})
        self.told("READY=1")
        balancer.write("no configuration")
        balancer.signal(signal.SIGHUP)
        self.assertIn("MONOTONIC_USEC=", self.told("RELOADING=1"))
        self.assertIn("the last reload was refused", self.told("READY=1"))
        balancer.signal(signal.SIGTERM)
        self.told("STOPPING=1")
        self.assertEqual(balancer.wait(30), 0)
