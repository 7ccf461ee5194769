# SPDX-License-Identifier: Apache-2.0
"""How long a change takes from the call of the API to the first packet by the new table: printed."""
import selectors
import statistics
import subprocess
import sys
import time

import lab
from case import LabTest

# Says when each SYN of a client came, decapsulated or not yet, in ns of a clock that all of a machine share.
LISTEN = """
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
print("listening", flush=True)
while True:
    p = s.recv(200)
    now = time.monotonic_ns()
    at = 34 if len(p) > 34 and p[23] == 4 else 14
    tcp = at + 4 * (p[at] & 15)
    if len(p) >= tcp + 14 and p[at + 9] == 6 and p[tcp + 13] & 0x12 == 0x02:
        print(now, flush=True)
"""
CHANGES = 20


class FirstPacket(LabTest):
    def watch(self, backend):
        """A function that waits for the next time at which the backend is sent a SYN, behind a time."""
        command = lab.inside(backend, sys.executable, "-c", LISTEN)
        listener = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        self.addCleanup(listener.stdout.close)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        self.assertEqual(listener.stdout.readline(), b"listening\n")
        ready = selectors.DefaultSelector()
        ready.register(listener.stdout, selectors.EVENT_READ)
        self.addCleanup(ready.close)

        def after(begun):
            while ready.select(timeout=20):
                came = int(listener.stdout.readline())
                if came > begun:
                    return came
            self.fail(f"{backend} was sent no new flow")

        return after

    def ask(self, verb):
        status, answer = lab.api(f"/api/v1/backends/llama/gpu-2/{verb}", "POST")
        self.assertEqual(status, 200, answer)
        return answer

    def test_a_backend_gets_flows_soon_after_the_call_that_lets_it(self):
        balancer = self.balancer({"gpu-1": 1, "gpu-2": 10000})
        self.ask("drain")
        first_syn = self.watch("gpu-2")
        packet, answered = [], []
        with lab.Steady("--concurrency", "4") as load:
            load.more(50)
            for _ in range(CHANGES):
                begun = time.monotonic_ns()
                self.ask("undrain")
                answered.append((time.monotonic_ns() - begun) / 1e6)
                packet.append((first_syn(begun) - begun) / 1e6)
                self.ask("drain")
                load.more(20)  # who began before the drain is through
            result = load.finish()
        self.assertEqual(result["failed"], 0, result["errors"])
        for what, times in (("first packet by the new table", packet), ("answer of the API", answered)):
            print(f"{what}: {statistics.median(times):.1f} ms after the call (worst {max(times):.1f})")
        balancer.balanced()
