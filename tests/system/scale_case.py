# SPDX-License-Identifier: Apache-2.0
"""What the tests of scaling share: stand-in servers that an actuator starts, and what became of each."""
import json
import os
import signal
import subprocess
import sys

import lab
from case import LabTest

PORT = 8000
ACTUATOR = lab.TOP / "tests/support/lab_actuator.py"
HOME = lab.HERE / "fleet"
SPEC = lab.HERE / "fleet.json"
# 4 at once, about 0.55 s each: some 7 requests/s a server.
SMALL = {"slots": 4, "tokens": 10, "spread": 1.0, "tokens_per_second": 20.0, "first_token_s": 0.05, "cold_start_s": 1.0}
LARGE = {**SMALL, "slots": 12}
CAPACITY = {"small": 7.0, "large": 21.0}


class ScaleTest(LabTest):
    """Each test begins without servers and leaves none."""

    def setUp(self):
        super().setUp()
        self.clear()
        self.addCleanup(self.clear)

    def clear(self):
        """Ends every server that an actuator has started, and forgets all of them."""
        for member in self.members():
            os.kill(member["pid"], signal.SIGKILL)
            lab.wait_until("the end of a server", lambda: not alive(member["pid"]))
        subprocess.run(["rm", "-rf", HOME], check=True)
        HOME.mkdir()
        self.spec()

    def spec(self, small=SMALL, large=LARGE):
        """Tells the actuator what servers are like. Six places for the small, four for the large."""
        places = {"small": [f"gpu-{i}" for i in range(1, 7)], "large": [f"gpu-{i}" for i in range(7, 11)]}
        SPEC.write_text(json.dumps({"home": str(HOME), "vip": lab.VIP, "port": PORT, "places": places,
                                    "servers": {"small": small, "large": large}}))

    def members(self):
        """The servers whose process lives, by the actuator's own records."""
        if not HOME.exists():
            return []
        found = []
        for file in HOME.glob("*-[0-9]*.json"):
            try:
                record = json.loads(file.read_text())
            except FileNotFoundError:
                continue  # stopped just now
            if alive(record["pid"]):
                found.append(record)
        return found

    def order(self, action, name="", kind="small", number="test", timeout=30):
        """One order, given as the daemon gives it: the finished process."""
        order = {"action": action, "id": f"{number}-{action}-{name}", "pool": "llama", "class": kind, "name": name}
        return subprocess.run(lab.inside("lb", sys.executable, ACTUATOR, SPEC), input=json.dumps(order), text=True,
                              capture_output=True, timeout=timeout)

    def fault(self, **faults):
        """What the actuator suffers from, by action; none: it is mended."""
        new = HOME / "fault.new"
        new.write_text(json.dumps(faults))
        new.rename(HOME / "fault.json")

    def orders(self, action=None, ended=False):
        """What the actuator was told, in order; ended: what became of it."""
        file = HOME / "orders.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [o for o in lines if (action is None or o["action"] == action) and (o["end"] is not None) == ended]

    def server(self, member, method, path, body=None):
        """One request to a server by its own address, as an operator beside it: the decoded body, or its text."""
        request = f"http://{member['address']}:{member['port']}{path}"
        data = [] if body is None else ["--data", json.dumps(body)]
        return lab.run("client", "curl", "-sS", "--max-time", "10", "-X", method, *data, request).stdout

    def told(self, name=None):
        """What servers wrote of themselves, those that are gone too."""
        lines = []
        for file in sorted(HOME.glob("*.log")):
            lines += [json.loads(line) for line in file.read_text().splitlines()]
        return sorted((line for line in lines if name in (None, line["name"])), key=lambda line: line["at"])

    def ended_well(self):
        """No server was stopped before its last stream had ended, and none cut one off; returns how many stopped."""
        told = self.told()
        for line in told:
            if line["event"] == "stopping":
                self.assertEqual((line["running"], line["waiting"], line["connections"]), (0, 0, 0), line)
            if line["event"] == "stopped":
                self.assertEqual(line["cut"], 0, line)
            if line["event"] == "request":
                self.assertIn(line["reason"], ("stop", "length"), line)
        return sum(line["event"] == "stopped" for line in told)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
