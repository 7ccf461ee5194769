# SPDX-License-Identifier: Apache-2.0
"""Nodes in states worth looking at."""
from node import State, backend, drops, scaled

HOSTILE = "<img src=x onerror=window.hacked=1>"


def healthy():
    return State()


def one_down():
    state = State()
    state.backends[1] = backend(
        2,
        state="down",
        health={
            "since_s": 42.0,
            "last": {"ok": False, "fault": "time_out", "took_ms": 500.2, "detail": "no answer in 500 ms"},
        },
    )
    return state


def draining():
    state = State()
    state.backends[1] = backend(2, state="draining", operator="drain")
    state.backends[2] = backend(3, state="maintenance", operator="maintenance")
    state.backends[3] = backend(4, weight_now=40)
    return state


def stuck_worker():
    state = State()
    state.worker_turns = [True, False]
    state.status = {"ready": False, "not_ready_because": "worker 1 has not turned for more than 1000 ms"}
    return state


def in_trouble():
    state = one_down()
    state.reload = {
        "ok": False,
        "faults": ["/pools/0/table_size: 65536 is not a prime number; the nearest are 65521 and 65537"],
    }
    state.books = {"in_flight": 4096, "balanced": False}
    state.panic = True
    state.link = "down"
    state.drops = drops(no_next_hop=2, malformed=1, no_backend=350)
    return state


def empty():
    state = State(0)
    state.services = False
    state.events = []
    state.drops = drops()
    state.status = {"ready": False, "not_ready_because": "no service is configured"}
    return state


def thousand():
    state = State(1000)
    words = ["down", "ejected", "degraded", "starting", "draining", "maintenance"]
    for i, word in enumerate(words):
        state.backends[100 * i + 37]["state"] = word
    return state


def hostile():
    state = State(3)
    state.node = HOSTILE
    for one in state.backends:
        one["pool"] = '"><script>window.hacked=1</script>'
    state.backends[0]["name"] = HOSTILE
    state.backends[1]["name"] = "\u202egpu-2 \u0000\u0007__proto__"
    state.backends[1]["state"] = "constructor"
    state.backends[2]["name"] = "x" * 400
    state.backends[2]["health"]["last"]["detail"] = "</td></tr><svg onload=window.hacked=1>" + "y" * 300
    state.reload = {"ok": False, "faults": [HOSTILE]}
    state.events = [
        ("error", HOSTILE, "a_b", "<b>" + "z" * 2000),
        ("constructor", "a", "b", "javascript:window.hacked=1"),
    ]
    return state


def autoscaling():
    state = State()
    state.scale = scaled
    return state


ALL = {
    "healthy": healthy,
    "one_down": one_down,
    "draining": draining,
    "stuck_worker": stuck_worker,
    "in_trouble": in_trouble,
    "empty": empty,
    "thousand": thousand,
    "hostile": hostile,
    "autoscaling": autoscaling,
}
