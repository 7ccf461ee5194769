#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An actuator of type `command` for the lab: stand-in inference servers in the backends' namespaces.

    lab_actuator.py SPEC

SPEC is a JSON file:

    {"home": DIRECTORY, "vip": ADDRESS, "port": N, "places": {CLASS: [NAMESPACE...]},
     "servers": {CLASS: OPTIONS of inference_server.py}}

One order comes as a JSON object on standard input, {"action", "id", "pool", "class", "name"}; the answer goes
to standard output, {"backends": [{"name", "address", "class", "state"}]}: the one that was started, or all of
a `list`. (No "port": with `ipip` and `l2dsr` it is the service's.) Orders may be repeated. In HOME: NAME.json
for each backend, NAME.log of its server, orders.jsonl with each order and what became of it, and fault.json,
which a test may put there: {ACTION: FAULT}, one of FAULTS.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

SERVER = pathlib.Path(__file__).with_name("inference_server.py")
STOP_S = 30.0
FAULTS = {
    "fail": "status 1, and nothing is done",
    "hang": "it does not end, and nothing is done",
    "idle": "status 0 and a good answer, but nothing is done",
    "wrong_name": "done, but answered under another name",
    "wrong_address": "done, but answered with an address where nobody is",
    "twice": "done, and the answer is written twice",
    "double": "done, and the answer has the backend twice",
    "garbage": "done, and the answer is no JSON",
    "flood": "done, and the answer is longer than anybody should read",
    "two": "two are started for one order, and the answer has both",
}


class Failure(Exception):
    """The order cannot be carried out; the text goes to standard error."""


class Fleet:
    def __init__(self, spec):
        self.spec = spec
        self.home = pathlib.Path(spec["home"])
        self.home.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def alone(self):
        """No other order is in its critical part meanwhile."""
        with open(self.home / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fault(self, action):
        try:
            return json.loads((self.home / "fault.json").read_text()).get(action)
        except FileNotFoundError:
            return None

    def members(self):
        """Records of the backends whose process lives."""
        return [r for r in map(self.record, sorted(self.home.glob("*-[0-9]*.json"))) if r is not None]

    def record(self, file):
        try:
            record = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        return record if born(record["pid"]) == record["born"] else None

    def named(self, name):
        return self.record(self.home / f"{name}.json")

    def start(self, order):
        with self.alone():
            record = self.named(order["name"])
            if record is not None:
                return record
            places = self.spec["places"].get(order["class"])
            if places is None:
                raise Failure(f"no such class: {order['class']}")
            taken = {r["place"] for r in self.members()}
            place = next((p for p in places if p not in taken), None)
            if place is None:
                raise Failure(f"every place of the class {order['class']} is taken")
            return self.keep(self.launch(order, place))

    def keep(self, record):
        new = self.home / f"{record['name']}.new"
        new.write_text(json.dumps(record))
        new.rename(self.home / f"{record['name']}.json")
        return record

    def launch(self, order, place):
        address, port = f"10.0.1.{10 + int(place.removeprefix('gpu-'))}", self.spec["port"]
        options = {**self.spec["servers"][order["class"]], "name": order["name"],
                   "listen": [f"{self.spec['vip']}:{port}", f"{address}:{port}"],
                   "log": str(self.home / f"{order['name']}.log")}
        config = self.home / f"{order['name']}.options"
        config.write_text(json.dumps(options))
        with open(self.home / f"{order['name']}.out", "a") as out:
            # A session of its own: it outlives this program, and the group that is killed at the time limit.
            server = subprocess.Popen(["nsenter", f"--net=/run/netns/{place}", "--", sys.executable, SERVER,
                                       "--config", config], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      start_new_session=True)
        return {"name": order["name"], "class": order["class"], "address": address, "port": port,
                "place": place, "pid": server.pid, "born": born(server.pid), "state": "awake"}

    def stop(self, order):
        record = self.named(order["name"])
        if record is not None:
            os.kill(record["pid"], signal.SIGTERM)
            end = time.monotonic() + STOP_S
            while born(record["pid"]) == record["born"]:
                if time.monotonic() > end:
                    os.kill(record["pid"], signal.SIGKILL)
                    end += STOP_S
                time.sleep(0.02)
        with contextlib.suppress(FileNotFoundError):
            (self.home / f"{order['name']}.json").unlink()
        return record

    def ask(self, order, path, state):
        record = self.named(order["name"])
        if record is None:
            raise Failure(f"there is no {order['name']}")
        url = f"http://{record['address']}:{record['port']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=STOP_S):
            return self.keep({**record, "state": state})

    def carry_out(self, order):
        """What the order's answer lists."""
        action = order["action"]
        if action == "list":
            return self.members()
        made = {"start": self.start, "stop": self.stop,
                "sleep": lambda o: self.ask(o, "/sleep?level=1", "asleep"),
                "wake": lambda o: self.ask(o, "/wake_up", "awake")}.get(action)
        if made is None:
            raise Failure(f"no such action: {action}")
        record = made(order)
        return [record] if action in ("start", "wake") else []


def born(pid):
    """When a process began, in ticks; None when it is gone or only waits to be collected."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def answer(members, fault):
    """What is written for them, true or, by the fault, not."""
    told = [{key: m[key] for key in ("name", "address", "class", "state")} for m in members]
    if fault == "wrong_name":
        told = [{**m, "name": f"{m['name']}0"} for m in told]
    if fault == "wrong_address":
        told = [{**m, "address": "10.0.1.250"} for m in told]
    if fault == "double":
        told *= 2
    text = json.dumps({"backends": told})
    if fault == "garbage":
        text = "started it\0" + text[:-2]
    if fault == "flood":
        text += " " * (4 << 20)
    return (text + "\n") * (2 if fault == "twice" else 1)


def run(fleet, order, fault):
    if fault == "fail":
        raise Failure("a fault that was asked for")
    while fault == "hang":
        signal.pause()
    if fault == "idle":
        nobody = {"name": order["name"], "class": order["class"], "address": "10.0.1.249",
                  "state": "awake"}
        members = [nobody] if order["action"] == "start" else []
    else:
        members = fleet.carry_out(order)
        if fault == "two":
            prefix, _, number = order["name"].rpartition("-")
            members += fleet.carry_out({**order, "name": f"{prefix}-{int(number) + 1}"})
    sys.stdout.write(answer(members, fault))
    sys.stdout.flush()


def main():
    fleet = Fleet(json.loads(pathlib.Path(sys.argv[1]).read_text()))
    order = json.loads(sys.stdin.read())
    fault = fleet.fault(order["action"])
    line = {"at": round(time.time(), 4), **order, "fault": fault}
    with open(fleet.home / "orders.jsonl", "a") as orders:
        orders.write(json.dumps({**line, "end": None}) + "\n")
    try:
        run(fleet, order, fault)
        end, status = "done", 0
    except (Failure, OSError) as error:
        print(f"lab_actuator.py: {error}", file=sys.stderr)
        end, status = str(error), 1
    with open(fleet.home / "orders.jsonl", "a") as orders:
        orders.write(json.dumps({**line, "end": end}) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
