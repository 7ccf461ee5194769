# SPDX-License-Identifier: Apache-2.0
"""A node that is made up, and what its daemon would answer.

An answer is a function of the turn, the number of the question: a second passes and counters grow by a known
amount from one to the next, so a test knows every rate. The shapes are compared with a live daemon's in
tests/system/page_test.py.
"""
import datetime
import math

START = 50_000  # turns that passed before the first
AT = 1_795_255_200  # s since 1970 of the first turn


def at(turn):
    """RFC 3339."""
    return datetime.datetime.fromtimestamp(AT + turn, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def backend(number, pool="llama", **changes):
    name = f"gpu-{number}"
    made = {
        "pool": pool,
        "name": name,
        "address": f"10.0.{1 + number // 250}.{1 + number % 250}",
        "number": number,
        "weight": 100,
        "weight_now": 100,
        "configured_weight": 100,
        "state": "up",
        "operator": "none",
        "origin": "configuration",
        "next_hop": {
            "resolved": True,
            "mac": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
            "port": "front",
            "source": "kernel",
            "problem": "",
        },
        "slots": 0,
        "slots_share": 0.0,
        "weight_share": 0.0,
        "packets": 0,
        "bytes": 0,
        "new_flows": 0,
        "active_flows": 0,
        "per_turn": 1000 + 10 * number,
        "health": {
            "since_s": 3600.0 + number,
            "last": {"ok": True, "fault": "none", "took_ms": 0.8 + number % 7 / 10, "detail": "200 OK"},
        },
    }
    health = {**made["health"], **changes.pop("health", {})}
    return {**made, **changes, "health": health}


def drops(**packets):
    remedies = {
        "malformed": "Capture some on the ingress port: a version or length field lies, so either a device "
        "on the way damages packets or somebody probes the service.",
        "no_backend": "Look at `sluicectl backends`: the pool of the service has no backend that takes new "
        "flows, so bring one up, undrain it or give it a weight.",
        "no_next_hop": "Look at `ip neigh` and `ip route get BACKEND` on this node: the backend is silent.",
        "ttl_expired": "Look for a routing loop or a traceroute through the service.",
    }
    return {reason: (packets.get(reason, 0), remedy) for reason, remedy in remedies.items()}


class State:
    """A healthy node; the functions below change one."""

    def __init__(self, backends=4):
        self.node = "edge-1"
        self.pid = 4711
        self.backends = [backend(i + 1) for i in range(backends)]
        self.forwarding, self.policy = "ipip", "maglev"
        self.status = {}  # replaces members
        self.reload = {"ok": True, "faults": []}
        self.books = {"in_flight": 0, "balanced": True}
        self.link = "up"
        self.worker_turns = [True, True]
        self.panic = False
        self.drops = drops(no_next_hop=2)
        self.services = True
        self.scale = None
        self.events = [
            ("info", "daemon", "started", "node edge-1 generation 1 workers 2"),
            ("info", "health", "up", "backend=gpu-1 pool=llama"),
            ("warning", "next_hops", "unresolved", "backend gpu-3: no answer to ARP on lb0"),
            ("info", "config", "reloaded", "generation 7, 120 of 65537 slots moved"),
        ]
        self.restarted_at = None  # a turn at which all counters begin anew

    def count(self, turn, per_turn):
        since = 0 if self.restarted_at is None or turn < self.restarted_at else self.restarted_at + START
        return per_turn * (START + turn - since)

    def answer(self, turn, pools=None, since=None):
        """What GET /api/v1/stats answers at that turn."""
        count = lambda per_turn: self.count(turn, per_turn)  # noqa: E731
        listed, health = [], []
        up = [b for b in self.backends if b["state"] in ("up", "degraded")]
        whole = sum(b["weight"] for b in up)
        for one in self.backends:
            one = dict(one)
            per_turn, checked = one.pop("per_turn"), one.pop("health")
            takes = one["state"] in ("up", "degraded")
            share = one["weight"] / whole if takes and whole else 0.0
            one.update(
                slots=round(share * 65537),
                slots_share=share,
                weight_share=share,
                packets=count(per_turn if takes else 0),
                bytes=count(800 * per_turn if takes else 0),
                new_flows=count(per_turn // 100 if takes else 0),
                active_flows=per_turn if one["state"] != "down" else 0,
            )
            listed.append(one)
            health.append(
                {
                    "name": one["name"],
                    "state": one["state"],
                    "since_s": checked["since_s"] + turn,
                    "operator": one["operator"],
                    "checked": one["state"],
                    "takes_new_flows": takes,
                    "keeps_flows": one["state"] != "down",
                    "active_flows": one["active_flows"],
                    "last": checked["last"],
                    "good_in_a_row": 10,
                    "failed_in_a_row": 0,
                    "probes": {"good": 100, "failed": 1},
                    "ejections": 0,
                    "ejected_for_s": 0.0,
                    "flaps": 0,
                    "hold_s": 0.0,
                }
            )
        pool = self.backends[0]["pool"] if self.backends else "llama"
        wanted = pools is None or pool in pools
        rx = sum(b["packets"] for b in listed)
        total = sum(count(packets) for packets, _ in self.drops.values())
        flows = sum(b["new_flows"] for b in listed)
        services = (
            [
                {
                    "name": "chat",
                    "address": "203.0.113.10",
                    "port": 443,
                    "protocol": "tcp",
                    "pool": pool,
                    "forwarding": self.forwarding,
                    "backends_up": len(up),
                    "backends_total": len(listed),
                    "packets": rx,
                    "bytes": 800 * rx,
                    "new_flows": flows,
                }
            ]
            if self.services
            else []
        )
        happened = [
            {
                "id": i + 1,
                "at": at(-60 + i),
                "level": level,
                "component": component,
                "event": event,
                "text": text,
            }
            for i, (level, component, event, text) in enumerate(self.events)
        ]
        return {
            "clock_s": 1000.25 + turn,
            "status": self.status_at(turn, rx, total, listed),
            "traffic": {
                "rx_packets": rx + total,
                "rx_bytes": 800 * (rx + total),
                "tx_packets": rx,
                "tx_bytes": 820 * rx,
            },
            "services": services,
            "pools": [
                {
                    "name": pool,
                    "forwarding": self.forwarding,
                    "policy": self.policy,
                    "affinity": "5tuple",
                    "table_size": 65537,
                    "max_load_ratio": 0,
                    "overflow": "",
                    "slow_start_s": 0,
                    "backends": [b["name"] for b in listed],
                }
            ]
            if self.services
            else [],
            "backends": listed if wanted else [],
            "health": [
                {
                    "name": pool,
                    "state": "down" if not up else "up" if len(up) == len(listed) else "degraded",
                    "since_s": 60.0,
                    "probed": True,
                    "watched": False,
                    "panic": self.panic,
                    "backends": health,
                }
            ]
            if wanted and self.services
            else [],
            "workers": self.workers_at(turn, rx + total),
            "drops": {
                "drops": [
                    {"reason": reason, "packets": count(packets), "remedy": remedy}
                    for reason, (packets, remedy) in self.drops.items()
                ],
                "total": total,
                "answers": [
                    {"reason": "answered_echo", "packets": 3},
                    {"reason": "answered_too_big", "packets": 0},
                ],
            },
            "scale": [] if self.scale is None else [self.scale(turn)],
            "events": {
                "events": [e for e in happened if since is None or e["id"] >= since],
                "next": len(happened) + 1,
                "lost": 0,
            },
        }

    def status_at(self, turn, rx, dropped, listed):
        up = sum(b["state"] in ("up", "degraded") for b in listed)
        draining = sum(b["state"] == "draining" for b in listed)
        made = {
            "node": self.node,
            "version": "0.1.0",
            "isa": "x86-64-v3",
            "pid": self.pid,
            "uptime_s": 3600.5 + turn,
            "ready": True,
            "not_ready_because": "",
            "stopping": False,
            "generation": 7,
            "generation_age_s": 3.2 + turn,
            "configuration": {
                "file": "/etc/sluice/sluice.json",
                "loaded_at": at(-3600),
                "operator_changes": 1,
                "last_reload": {"ok": True, "at": at(-3600), **self.reload},
            },
            "state": {"directory": "/var/lib/sluice", "writable": True, "problem": ""},
            "books": {
                "rx": rx + dropped,
                "forward": rx,
                "host": 0,
                "answer": 0,
                "drop": dropped,
                **self.books,
            },
            "ports": [
                {
                    "name": "front",
                    "device": "net_af_xdp0,iface=lb0",
                    "interface": "lb0",
                    "mac": "02:00:00:00:00:01",
                    "mtu": 1500,
                    "queues": 2,
                    "link": self.link,
                    "rx_packets": rx + dropped,
                    "rx_missed": 0,
                    "rx_errors": 0,
                    "tx_packets": rx,
                    "tx_errors": 0,
                    "xdp": {
                        "mode": "native",
                        "counters": {"redirect": rx + dropped, "pass": 7, "drop_denied": 0},
                    },
                }
            ],
            "huge_pages": True,
            "workers": 2,
            "services": 1,
            "pools": 1,
            "backends": {
                "total": len(listed),
                "up": up,
                "draining": draining,
                "down": len(listed) - up - draining,
            },
            "announced": None,
        }
        return {**made, **self.status}

    def workers_at(self, turn, packets):
        return [
            {
                "id": i,
                "lcore": i + 1,
                "queues": [{"port": "front", "queue": i}],
                "polls": self.count(turn, 2_000_000) if turns else 10,
                "empty_polls": self.count(turn, 1_990_000),
                "packets": packets // 2,
                "bursts": self.count(turn, 500),
                "busy_cycles": self.count(turn, 600_000_000 + 300_000_000 * i),
                "idle_cycles": self.count(turn, 2_400_000_000 - 300_000_000 * i),
                "packets_per_burst": 4.1,
                "busy_ratio": 0.024,
                "cycles_per_packet": 212.4,
                "flow_cache": {
                    "capacity": 1048576,
                    "flows": 1988,
                    "hits": 121456,
                    "misses": 2000,
                    "inserts": 2000,
                    "evictions_new": 0,
                    "evictions_closing": 0,
                    "evictions_established": 0,
                    "expired": 12,
                },
                "nat": {
                    "capacity": 0,
                    "sessions": 0,
                    "opened": 0,
                    "expired": 0,
                    "evicted": 0,
                    "reopened": 0,
                    "no_port": 0,
                    "table_full": 0,
                },
            }
            for i, turns in enumerate(self.worker_turns)
        ]

    def decisions(self, turn):
        """Pools of GET /api/v1/scale."""
        return [] if self.scale is None else [{**self.scale(turn), "decisions": past_decisions(turn)}]

    def history(self, start):
        """What GET /api/v1/scale/history answers: of ten minutes, all but the first of which are known."""
        means = [None] * 60 + [demand(second) for second in range(540)]
        return {
            "pool": "llama",
            "step_s": 1,
            "from_s": start,
            "newest_s": None,
            "requests_per_s": means,
            "next_s": None,
        }


def demand(turn):
    return 30 + 12 * math.sin(turn / 120) + 2 * math.sin(turn / 7)


def decision(turn, desired=4, before=4):
    ahead = demand(turn + 95)
    return {
        "desired": desired,
        "wanted": {"h100": desired},
        "before": before,
        "cause": "forecast",
        "limits": ["budget"],
        "reason": f"{before} to {desired} backends: {ahead:.1f} requests/s are expected in 95 s, "
        f"{demand(turn):.1f} come now",
        "demand_per_s": demand(turn),
        "backlog": 0,
        "capacity_per_s": 12.5 * desired,
        "saturation": demand(turn) / (12.5 * desired),
        "horizon_s": 95,
        "forecast_per_s": ahead,
        "forecast_low_per_s": ahead - 4,
        "forecast_high_per_s": ahead + 5,
        "margin_per_s": 4.1,
        "forecast_error_per_s": 2.2,
        "forecaster": "holt_winters",
        "needed_per_s": ahead + 5,
        "provided_per_s": 12.5 * desired,
        "uncovered_per_s": 0,
        "cost_per_hour": 2.4 * desired,
    }


def past_decisions(turn):
    past, before = [], 3
    for then in range(-840, turn + 1, 20):
        desired = math.ceil((demand(then + 95) + 5) / 12.5)
        if desired != before:
            past.append({"time": at(then), **decision(then, desired, before)})
            before = desired
    return past


def scaled(turn):
    return {
        "name": "llama",
        "standing": "auto",
        "override_left_s": None,
        "mode": "act",
        "policy": "predictive",
        "min": 1,
        "max": 8,
        "budget_per_hour": 20.0,
        "awaits": False,
        "decision": decision(turn),
        "classes": [
            {
                "name": "h100",
                "ready": 3,
                "starting": 1,
                "draining": 0,
                "asleep": 0,
                "price_per_hour": 2.4,
                "cold_start_s": 88.5,
                "capacity_per_s": 12.5,
                "starts_seen": 7,
                "starts_failed_in_a_row": 0,
                "held_back_s": 0,
            }
        ],
        "backends": [
            {
                "name": "llama-h100-4",
                "class": "h100",
                "address": None,
                "port": 0,
                "phase": "ordered",
                "since_s": 12.0,
            }
        ],
        "actuator": {
            "type": "command",
            "ready": True,
            "pending": 1,
            "failures": 0,
            "trouble": None,
            "published": None,
        },
        "late_ticks": 0,
    }
