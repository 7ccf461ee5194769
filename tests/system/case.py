# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: a balancer in the lab, and small clients for what is not HTTP."""
import subprocess
import sys
import unittest
import urllib.parse

import lab

EQUAL = {f"gpu-{i}": 100 for i in range(1, 11)}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--"]
PING = """
import os, select, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
body = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, 1)
s.sendto(body[:2] + struct.pack("!H", -sum(struct.unpack("!4H", body)) % 0xffff) + body[4:], (sys.argv[1], 0))
while select.select([s], [], [], 5)[0]:
    answer = s.recv(1500)
    if answer[20] == 0 and answer[24:26] == body[4:6]:
        sys.exit(0)
sys.exit("no answer to the echo request")
"""
LISTEN = """
import socket
s = socket.create_server(("10.0.0.1", 22))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"SSH-2.0-lab\\r\\n")
    c.close()
"""
GREET = """
import socket
c = socket.create_connection(("10.0.0.1", 22), timeout=5)
c.settimeout(5)
assert c.recv(64).startswith(b"SSH-"), "no greeting"
"""


class LabTest(unittest.TestCase):
    """Each test gets a balancer by self.balancer(...) and leaves none."""

    maxDiff = None

    def setUp(self):
        subprocess.run(["rm", "-rf", lab.HERE / "state"], check=True)

    def balancer(self, backends=None, start=True, **changes):
        config = lab.configuration(backends or EQUAL, **changes)
        balancer = lab.Balancer(config, name=self.id().rsplit(".", 1)[-1][:60])
        balancer.config = config
        self.addCleanup(self.end, balancer)
        return balancer.start() if start else balancer

    def end(self, balancer):
        """Stops it in good order, so that the next test meets a clean node; kills what does not stop."""
        if balancer.process is not None and balancer.process.poll() is None:
            try:
                balancer.stop()
            except lab.Failure as failure:
                balancer.kill()
                self.fail(str(failure))

    def refused(self, balancer, *words, statuses=(1,)):
        """It ends by itself with one of the statuses, and one line of what it says holds all words."""
        balancer.launch()
        self.assertIn(balancer.wait(60), statuses, balancer.tail())
        lines = balancer.log.read_text().splitlines()
        for line in lines:
            if all(word in line for word in words):
                return line
        self.fail(f"no line with {words} in:\n" + "\n".join(lines[-10:]))

    def serve(self, count=200):
        """All of `count` requests are answered; returns who served how many."""
        result = lab.requests(count)
        self.assertEqual(result["failed"], 0, result["errors"])
        self.assertEqual(result["answered"], count)
        return result["by_backend"]

    def changed(self, *arguments):
        """`sluicectl backend ...`: what moved, as shares of the table."""
        answer = lab.ctl("backend", *arguments)
        moved = answer["moved"]
        return moved["slots"] / moved["of"], moved["least"] / moved["of"]

    def backends(self):
        return {b["name"]: b for b in lab.ctl("backends")["backends"]}

    def traced(self, count):
        """Where each of `count` flows would go if it were new."""
        found = []
        for i in range(count):
            flow = {"protocol": "tcp", "source": f"198.51.{i // 200 % 200}.{1 + i % 200}", "source_port": 1024 + i,
                    "destination": lab.VIP, "destination_port": 80}
            status, answer = lab.api(f"/api/v1/trace?{urllib.parse.urlencode(flow)}")
            self.assertEqual(status, 200, answer)
            found.append(answer["backend"])
        return found

    def ping(self):
        """The balancer's own address answers an echo request."""
        lab.run("client", sys.executable, "-c", PING, lab.BALANCER)

    def listen(self):
        """A server on port 22 of the balancer's own address, until the test ends; see greet()."""
        server = subprocess.Popen(lab.inside("lb", sys.executable, "-c", LISTEN), stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertEqual(server.stdout.readline(), "listening\n")

    def greet(self):
        lab.run("client", sys.executable, "-c", GREET)
