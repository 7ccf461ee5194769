// SPDX-License-Identifier: Apache-2.0
// Answers of a healthy node, in the shapes of docs/reference/api.md.
#include "client/run.hpp"

namespace sluice::client {
namespace {

constexpr auto kStatus =
    R"({"node": "edge-1", "version": "0.1.0", "isa": "x86-64-v2", "pid": 4711, "uptime_s": 241.5,
 "ready": true, "not_ready_because": "", "stopping": false, "generation": 7, "generation_age_s": 3.2,
 "configuration": {"file": "/etc/sluice/sluice.json", "loaded_at": "2026-11-21T10:00:00Z", "operator_changes": 1,
                   "last_reload": {"ok": true, "at": "2026-11-21T10:00:00Z", "faults": []}},
 "state": {"directory": "/var/lib/sluice", "writable": true, "problem": ""},
 "books": {"rx": 123456, "forward": 123450, "host": 1, "answer": 0, "drop": 5, "in_flight": 0, "balanced": true},
 "ports": [{"name": "front", "device": "net_af_xdp0,iface=lb0", "interface": "lb0", "mac": "02:00:00:00:00:01",
            "mtu": 1500, "queues": 1, "link": "up", "rx_packets": 123456, "rx_missed": 0, "rx_errors": 0,
            "tx_packets": 123450, "tx_errors": 0,
            "xdp": {"mode": "native", "counters": {"redirect": 123456, "pass": 7,
             "fragment": 0, "malformed": 0, "no_socket": 0, "refused": 0, "unserved": 0, "answered": 0,
             "silent": 0, "denied": 0, "syn_limited": 0}}}],
 "huge_pages": true, "workers": 1, "services": 1, "pools": 1,
 "backends": {"total": 4, "up": 3, "draining": 1, "down": 0}})";

constexpr auto kServices =
    R"({"services": [{"name": "chat", "address": "203.0.113.10", "port": 443, "protocol": "tcp",
 "pool": "llama", "forwarding": "ipip", "backends_up": 3, "backends_total": 4, "packets": 123450, "bytes": 98765432,
 "new_flows": 2000}]})";

constexpr auto kPools =
    R"({"pools": [{"name": "llama", "forwarding": "ipip", "policy": "maglev", "affinity": "5tuple",
 "table_size": 65537, "backends": ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]}]})";

constexpr auto kBackends = R"({"backends": [
 {"pool": "llama", "name": "gpu-1", "address": "10.0.1.11", "number": 0, "weight": 200, "configured_weight": 200,
  "state": "up", "operator": "none", "origin": "configuration",
  "next_hop": {"resolved": true, "mac": "02:00:00:00:01:11", "port": "front", "source": "kernel", "problem": ""},
  "slots": 37450, "slots_share": 0.57143, "weight_share": 0.571428, "packets": 61725, "bytes": 49382716, "new_flows": 1004, "active_flows": 88},
 {"pool": "llama", "name": "gpu-2", "address": "10.0.1.12", "number": 1, "weight": 100, "configured_weight": 100,
  "state": "draining", "operator": "drain", "origin": "configuration",
  "next_hop": {"resolved": true, "mac": "02:00:00:00:01:12", "port": "front", "source": "kernel", "problem": ""},
  "slots": 0, "slots_share": 0, "weight_share": 0, "packets": 30863, "bytes": 24691358, "new_flows": 496, "active_flows": 12},
 {"pool": "llama", "name": "gpu-3", "address": "10.0.1.13", "number": 2, "weight": 50, "configured_weight": 100,
  "state": "up", "operator": "none", "origin": "configuration",
  "next_hop": {"resolved": true, "mac": "02:00:00:00:01:13", "port": "front", "source": "configuration", "problem": ""},
  "slots": 9362, "slots_share": 0.14285, "weight_share": 0.142857, "packets": 30862, "bytes": 24691358, "new_flows": 500, "active_flows": 90},
 {"pool": "llama", "name": "gpu-4", "address": "10.0.1.14", "number": 3, "weight": 100, "configured_weight": 100,
  "state": "up", "operator": "none", "origin": "operator",
  "next_hop": {"resolved": false, "mac": "", "port": "", "source": "kernel", "problem": "no answer to ARP on lb0"},
  "slots": 18725, "slots_share": 0.28571, "weight_share": 0.285714, "packets": 0, "bytes": 0, "new_flows": 0, "active_flows": 0}]})";

constexpr auto kWorkers =
    R"({"workers": [{"id": 0, "lcore": 1, "queues": [{"port": "front", "queue": 0}],
 "polls": 48211034, "empty_polls": 48095214, "packets": 123456, "packets_per_burst": 1.07, "busy_ratio": 0.024,
 "cycles_per_packet": 212.4, "flow_cache": {"capacity": 1048576, "flows": 1988, "hits": 121456, "misses": 2000, "inserts": 2000,
 "evictions_new": 0, "evictions_closing": 0, "evictions_established": 0, "expired": 12},
 "nat": {"capacity": 65536, "sessions": 0, "opened": 0, "expired": 0, "evicted": 0, "reopened": 0, "no_port": 0,
 "table_full": 0}}]})";

constexpr auto kFlows = R"({"flows": [
 {"worker": 0, "state": "established", "idle_s": 2, "pool": "llama", "backend": "gpu-1", "number": 0, "tag": "8c3f0a51"},
 {"worker": 0, "state": "closing", "idle_s": 14, "pool": "llama", "backend": "gpu-2", "number": 1, "tag": "01d2b77e"}],
 "looked_at": 1048576, "capacity": 1048576})";

constexpr auto kDrops = R"({"drops": [
 {"reason": "truncated", "packets": 0, "remedy": "look for a broken sender or link"},
 {"reason": "no_backend", "packets": 1, "remedy": "give the pool a backend that is up and not drained"},
 {"reason": "no_next_hop", "packets": 4, "remedy": "see the backend's next hop in `sluicectl backends`"}], "total": 5,
 "answers": [{"reason": "answered_echo", "packets": 3}, {"reason": "answered_too_big", "packets": 0}]})";

constexpr auto kEvents = R"({"events": [
 {"id": 1, "at": "2026-11-21T09:59:59Z", "level": "info", "component": "control", "event": "started", "text": "node=edge-1 pid=4711"},
 {"id": 2, "at": "2026-11-21T10:00:00Z", "level": "info", "component": "control", "event": "published", "text": "generation=1"},
 {"id": 3, "at": "2026-11-21T10:02:57Z", "level": "warning", "component": "neighbour", "event": "unresolved", "text": "backend=gpu-4 no answer to ARP on lb0"}],
 "next": 4, "lost": 0})";

constexpr auto kLastEvent = R"({"events": [
 {"id": 3, "at": "2026-11-21T10:02:57Z", "level": "warning", "component": "neighbour", "event": "unresolved", "text": "backend=gpu-4 no answer to ARP on lb0"}],
 "next": 4, "lost": 0})";

constexpr auto kTrace =
    R"({"flow": "tcp 198.51.100.7:40000 203.0.113.10:443", "verdict": "forward", "service": "chat",
 "pool": "llama", "hash": "8c3f0a51d2b77e90", "slot": 35904, "table_size": 65537, "backend": "gpu-1", "number": 0,
 "state": "up", "forwarding": "ipip", "policy": "maglev", "affinity": "5tuple", "shard": null,
 "workers": [{"worker": 0, "cached": true, "state": "established", "idle_s": 2, "pool": "llama", "backend": "gpu-1",
 "number": 0, "tag": "8c3f0a51"}],
 "next_hop": {"resolved": true, "mac": "02:00:00:00:01:11", "port": "front", "source": "kernel", "problem": ""},
 "generation": 7, "why": "slot 35904 of pool llama belongs to gpu-1"})";

constexpr auto kCaptured = R"({"id": 1, "running": false, "lost": 0, "packets": [
 {"at_ns": 1795255200000000000, "worker": 0, "port": "front", "verdict": "forward", "service": "chat",
  "backend": "llama/gpu-1", "before": {"length": 74, "bytes": "0200"}, "after": {"length": 94, "bytes": "0200"}},
 {"at_ns": 1795255200000900000, "worker": 0, "port": "front", "verdict": "forward", "service": "chat",
  "backend": "llama/gpu-1", "before": {"length": 66, "bytes": "0200"}, "after": {"length": 86, "bytes": "0200"}}],
 "next": 2})";

constexpr auto kDiff = R"({"changes": [
 {"path": "pools/llama/backends/gpu-2/weight", "before": "100", "after": "50", "reloadable": true},
 {"path": "pools/llama/backends/gpu-5", "before": "", "after": "{\"name\":\"gpu-5\",\"address\":\"10.0.1.15\",\"weight\":100}", "reloadable": true}],
 "generation": 9, "restart": [], "moved": {"slots": 13107, "least": 13107, "of": 65537},
 "flows": {"now": 190, "move": 0, "kept": 34}, "pools": [
 {"name": "llama", "slots": 13107, "least": 13107, "of": 65537, "flows": {"now": 190, "move": 0, "kept": 34}}]})";

constexpr auto kApplied = R"({"generation": 9, "changes": [
 {"path": "pools/llama/backends/gpu-2/weight", "before": "100", "after": "50", "reloadable": true}],
 "moved": {"slots": 13107, "least": 13107, "of": 65537}})";

constexpr const char* kHealth = R"({"pools": [
 {"name": "llama", "state": "up", "since_s": 242.0, "probed": true, "watched": true, "panic": false, "backends": [
  {"name": "gpu-1", "state": "up", "since_s": 242.0, "operator": "none", "checked": "up",
   "takes_new_flows": true, "keeps_flows": true,
   "last": {"ok": true, "fault": "none", "took_ms": 1.24, "detail": ""},
   "good_in_a_row": 242, "failed_in_a_row": 0, "probes": {"good": 242, "failed": 0},
   "ejections": 0, "ejected_for_s": 0.0, "flaps": 0, "hold_s": 0.0},
  {"name": "gpu-2", "state": "draining", "since_s": 60.0, "operator": "drain", "checked": "up",
   "takes_new_flows": false, "keeps_flows": true,
   "last": {"ok": true, "fault": "none", "took_ms": 0.9, "detail": ""},
   "good_in_a_row": 242, "failed_in_a_row": 0, "probes": {"good": 242, "failed": 0},
   "ejections": 0, "ejected_for_s": 0.0, "flaps": 0, "hold_s": 0.0},
  {"name": "gpu-3", "state": "ejected", "since_s": 12.0, "operator": "none", "checked": "ejected",
   "takes_new_flows": false, "keeps_flows": false,
   "last": {"ok": true, "fault": "none", "took_ms": 1.1, "detail": ""},
   "good_in_a_row": 240, "failed_in_a_row": 0, "probes": {"good": 241, "failed": 1},
   "ejections": 1, "ejected_for_s": 18.0, "flaps": 1, "hold_s": 0.0},
  {"name": "gpu-4", "state": "down", "since_s": 3.2, "operator": "none", "checked": "down",
   "takes_new_flows": false, "keeps_flows": false,
   "last": {"ok": false, "fault": "refused", "took_ms": 0.1, "detail": "connect: Connection refused"},
   "good_in_a_row": 0, "failed_in_a_row": 3, "probes": {"good": 238, "failed": 4},
   "ejections": 0, "ejected_for_s": 0.0, "flaps": 5, "hold_s": 4.0}]}]})";

constexpr const char* kScaledPool =
    R"({"name": "llama", "standing": "auto", "override_left_s": null,
  "mode": "act", "policy": "predictive", "min": 1, "max": 8, "budget_per_hour": 20.0, "awaits": false,
  "decision": {"desired": 4, "wanted": {"h100": 3, "l4": 1}, "before": 3, "cause": "forecast",
   "limits": [], "reason": "3 to 4 backends: 41.0 requests/s expected in 95 s", "demand_per_s": 31.25,
   "backlog": 0, "capacity_per_s": 37.5, "saturation": 0.83, "horizon_s": 95, "forecast_per_s": 41.0,
   "uncovered_per_s": 0, "cost_per_hour": 8.0},
  "classes": [
   {"name": "h100", "ready": 2, "starting": 1, "draining": 0, "asleep": 0, "price_per_hour": 2.4,
    "cold_start_s": 88.5, "capacity_per_s": 12.5, "starts_seen": 7, "starts_failed_in_a_row": 0, "held_back_s": 0},
   {"name": "l4", "ready": 1, "starting": 0, "draining": 1, "asleep": 0, "price_per_hour": 0.8,
    "cold_start_s": 60, "capacity_per_s": 2.5, "starts_seen": 0, "starts_failed_in_a_row": 2, "held_back_s": 41.0}],
  "backends": [
   {"name": "llama-h100-3", "class": "h100", "address": null, "port": 0, "phase": "ordered", "since_s": 12.0}],
  "actuator": {"type": "command", "ready": true, "pending": 1, "failures": 2, "trouble": null, "published": null},
  "late_ticks": 0,
  "decisions": [
   {"time": "2026-11-21T10:02:48Z", "desired": 4, "cause": "forecast",
    "reason": "3 to 4 backends: 41.0 requests/s expected in 95 s"}]})";

constexpr const char* kOverriddenPool =
    R"({"name": "llama", "standing": "override", "override_left_s": 7200.0,
  "mode": "act", "decision": {"desired": 6, "reason": "4 to 6 backends: set by hand"}})";

std::string moved(int generation, int slots) {
  return R"({"generation": )" + std::to_string(generation) +
         R"(, "changes": [{"path": "/pools/0/backends", "before": 1, "after": 2, "reloadable": true}], "moved": {"slots": )" +
         std::to_string(slots) + R"(, "least": )" + std::to_string(slots) + R"(, "of": 65537}})";
}

}  // namespace

void play_recorded(ScriptedDaemon& daemon) {
  const std::string api = "/api/v1";
  daemon.script("GET " + api + "/status", kStatus);
  daemon.script("GET " + api + "/services", kServices);
  daemon.script("GET " + api + "/pools", kPools);
  daemon.script("GET " + api + "/backends", kBackends);
  daemon.script("GET " + api + "/backends?pool=llama", kBackends);
  daemon.script("GET " + api + "/health", kHealth);
  daemon.script("GET " + api + "/health?pool=llama", kHealth);
  daemon.script("GET " + api + "/workers", kWorkers);
  daemon.script("GET " + api + "/flows?limit=100&pool=&backend=", kFlows);
  daemon.script("GET " + api + "/flows?limit=7&pool=p%2F1&backend=b", kFlows);
  daemon.script("GET " + api + "/drops", kDrops);
  daemon.script("GET " + api + "/events?since=0", kEvents);
  daemon.script("GET " + api + "/events?since=3", kLastEvent);
  daemon.script("GET " + api + "/events?since=4", R"({"events": [], "next": 4, "lost": 0})");
  daemon.script("GET " + api + "/events?since=4&wait=30", Reply{.silent = true});
  daemon.script("GET " + api + "/config",
                R"({"node": "edge-1", "services": [{"name": "chat", "port": 443}], "pools": []})");
  daemon.script(
      "GET " + api +
          "/trace?protocol=tcp&source=198.51.100.7&source_port=40000&destination=203.0.113.10"
          "&destination_port=443",
      kTrace);
  daemon.script("POST " + api + "/capture", R"({"id": 1, "workers": 1, "slots": 1024})");
  daemon.script("GET " + api + "/capture?id=1&from=0", kCaptured);
  daemon.script("GET " + api + "/capture?id=1&from=2",
                R"({"id": 1, "running": false, "lost": 0, "packets": [], "next": 2})");
  daemon.script("POST " + api + "/config/diff", kDiff);
  daemon.script("POST " + api + "/config/apply", kApplied);
  daemon.script("POST " + api + "/reload", kApplied);
  const auto scaled = std::string(R"({"pools": [)") + kScaledPool + "]}";
  daemon.script("GET " + api + "/scale", scaled);
  daemon.script("GET " + api + "/scale?pool=llama", scaled);
  daemon.script(
      "GET " + api + "/scale/history?pool=llama&step=60",
      R"({"pool": "llama", "step_s": 60, "from_s": 1795254900, "newest_s": 1795255379, "next_s": null,
                "requests_per_s": [27.2, 27.9, 28.1, 29.4, null, 30.2, 31, 31.2]})");
  daemon.script("GET " + api + "/scale?pool=other", R"({"pools": []})");
  daemon.script("POST " + api + "/scale/llama", kOverriddenPool);
  daemon.script("POST " + api + "/backends/llama", moved(8, 14564));
  daemon.script("POST " + api + "/backends/llama/gpu-2/remove", moved(8, 14564));
  daemon.script("POST " + api + "/backends/llama/gpu-2/drain", moved(8, 14564));
  daemon.script("POST " + api + "/backends/llama/gpu-2/maintenance", moved(8, 14564));
  daemon.script("POST " + api + "/backends/llama/gpu-2/undrain", moved(9, 14564));
  daemon.script("POST " + api + "/backends/llama/gpu-2/weight", moved(8, 6372));
}

}  // namespace sluice::client
