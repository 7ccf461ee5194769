# SPDX-License-Identifier: Apache-2.0
"""Pools of the lab that follow their load: stand-in inference servers, and the actuator that starts and stops them."""
import json
import os
import shutil
import signal
import sys

import lab

PORT = 8000
ACTUATOR = lab.TOP / "tests/support/lab_actuator.py"
HOME = lab.HERE / "fleet"
SPEC = lab.HERE / "fleet.json"
# Answers of 10 words on average, some much longer: 0.55 s each, so about 7 requests/s of 4 at once.
SMALL = {"slots": 4, "tokens": 10, "spread": 1.0, "tokens_per_second": 20.0, "first_token_s": 0.05,
         "cold_start_s": 0.5}
LARGE = {**SMALL, "slots": 12}
CLASSES = {
    "small": {"name": "small", "capacity": 7, "service_time_s": 0.55, "price_per_hour": 1, "cold_start_s": 2},
    "large": {"name": "large", "capacity": 21, "service_time_s": 0.55, "price_per_hour": 2.5, "cold_start_s": 2},
}


def tell_actuator(places, servers, home=HOME, port=PORT):
    """What it starts: {class: [namespace...]}, {class: options of inference_server.py}. Returns its SPEC."""
    home.mkdir(exist_ok=True)
    spec = home.with_suffix(".json")
    spec.write_text(json.dumps({"home": str(home), "vip": lab.VIP, "port": port, "places": places,
                                "servers": servers}))
    return spec


def command(spec=SPEC, **more):
    """The actuator of a pool."""
    return {"type": "command", "command": [sys.executable, str(ACTUATOR), str(spec)],
            "timeout_ms": 10000, **more}


def pool(name, classes=("small",), actuator=None, port=PORT, **autoscale):
    """A pool without a backend of its own, which the actuator's servers join; both are added to.

    Policy `target`: `predictive` keeps what recent bursts needed for minutes, which no lab waits for."""
    return {
        "name": name, "forwarding": "ipip", "policy": "maglev", "encapsulation": {"source": lab.BALANCER},
        "backends": [], "classes": [CLASSES[k] for k in classes],
        "health": {"type": "vllm", "port": port, "interval_ms": 200, "timeout_ms": 150, "rise": 1, "fall": 3},
        "metrics": {"type": "vllm", "port": port, "interval_ms": 200, "timeout_ms": 150},
        "autoscale": {"policy": "target", "min": 1, "max": 6, "tick_s": 0.5, "stabilisation_s": 3,
                      "hold_s": 2, "slo_wait_s": 1, "drain_limit_s": 30,
                      "actuator": actuator or command(), **autoscale},
    }


def members(home=HOME):
    """The servers whose process lives, by the actuator's own records."""
    found = []
    for file in home.glob("*-[0-9]*.json"):
        try:
            record = json.loads(file.read_text())
        except FileNotFoundError:
            continue  # stopped just now
        if alive(record["pid"]):
            found.append(record)
    return found


def end_all():
    """Ends every server that an actuator has started, and forgets all of them."""
    homes = [place for place in lab.HERE.glob(f"{HOME.name}*") if place.is_dir()]
    for member in [m for home in homes for m in members(home)]:
        os.kill(member["pid"], signal.SIGKILL)
        lab.wait_until("the end of a server", lambda pid=member["pid"]: not alive(pid))
    for home in homes:
        shutil.rmtree(home)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
