// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.hpp"

#include "control/health_keeper.hpp"
#include "control/traffic.hpp"

namespace sluice::control {
namespace {

using telemetry::Exposition;

void put_node(Exposition& out, const Scene& scene) {
  out.gauge("sluice_build_info", "Always 1; version and instruction set are its labels.");
  out.sample(std::uint64_t{1}, {{"version", SLUICE_VERSION}, {"isa", SLUICE_ISA}});
  out.gauge("sluice_ready", "1 when the node takes traffic.");
  out.sample(std::uint64_t{not_ready_because(scene).empty() ? 1U : 0U});
  out.gauge("sluice_snapshot_generation", "Generation of the tables in force.");
  out.sample(scene.model.snapshot().generation);
  out.gauge("sluice_config_last_reload_successful", "1 when the last reload was taken.");
  out.sample(std::uint64_t{scene.standing.last_reload.ok ? 1U : 0U});
}

void put_verdicts(Exposition& out, const Scene& scene) {
  const auto books = scene.fast_path.books();
  out.counter("sluice_rx_packets", "Packets that workers received.");
  out.sample(books.rx);
  const auto each_worker = [&](auto counter) {
    std::uint64_t sum = 0;
    for (const auto& w : scene.fast_path.workers()) sum += counter(w->counters()).value();
    return sum;
  };
  out.counter("sluice_rx_bytes", "Bytes of the frames that workers received.");
  out.sample(each_worker([](const auto& c) -> const Counter& { return c.rx_bytes; }));
  out.counter("sluice_tx_bytes", "Bytes of the frames that workers sent.");
  out.sample(each_worker([](const auto& c) -> const Counter& { return c.tx_bytes; }));
  out.counter("sluice_packets",
              "Packets by what became of them; they add up to sluice_rx_packets.");
  for (const auto o : {Outcome::kForward, Outcome::kHost, Outcome::kAnswer, Outcome::kDrop})
    out.sample(books.total(o), {{"outcome", name(o)}});
  const auto each_reason = [&](Outcome wanted) {
    for (std::size_t v = 0; v < kVerdicts; ++v)
      if (const auto verdict = static_cast<Verdict>(v); outcome(verdict) == wanted)
        out.sample(books.verdicts[v], {{"reason", text(verdict).name}});
  };
  out.counter("sluice_answered_packets", "Packets that the node answered itself, by reason.");
  each_reason(Outcome::kAnswer);
  out.counter("sluice_dropped_packets", "Dropped packets by reason.");
  each_reason(Outcome::kDrop);
}

void put_services(Exposition& out, const Scene& scene) {
  const auto& running = scene.model.running();
  const auto each = [&](std::uint64_t Traffic::*field) {
    for (const auto& s : running.services)
      out.sample(traffic_of_service(scene.fast_path, scene.model.number(s)).*field,
                 {{"service", s.name}});
  };
  out.counter("sluice_service_packets", "Packets forwarded for a service.");
  each(&Traffic::packets);
  out.counter("sluice_service_bytes", "Bytes of frames forwarded for a service, as received.");
  each(&Traffic::bytes);
  out.counter("sluice_service_new_flows", "Flows begun at a service.");
  each(&Traffic::new_flows);
  out.counter("sluice_service_unserved_flows", "Attempts at a flow that found no backend.");
  each(&Traffic::unserved);
}

void put_backends(Exposition& out, const Scene& scene) {
  const auto& running = scene.model.running();
  const auto each = [&](std::uint64_t Traffic::*field) {
    for (const auto& p : running.pools)
      for (const auto& b : p.backends)
        out.sample(traffic_of_backend(scene.fast_path, scene.model.number(p, b)).*field,
                   {{"pool", p.name}, {"backend", b.name}});
  };
  out.counter("sluice_backend_packets", "Packets forwarded to a backend.");
  each(&Traffic::packets);
  out.counter("sluice_backend_bytes", "Bytes of frames forwarded to a backend, as received.");
  each(&Traffic::bytes);
  out.counter("sluice_backend_new_flows", "Flows begun at a backend.");
  each(&Traffic::new_flows);
  out.gauge("sluice_backend_weight", "Weight in force.");
  for (const auto& p : running.pools)
    for (const auto& b : p.backends)
      out.sample(std::uint64_t{b.weight}, {{"pool", p.name}, {"backend", b.name}});
}

// A word of a set as 1, the others as 0: how OpenMetrics tells states.
void put_health(Exposition& out, const Scene& scene) {
  if (scene.health == nullptr) return;
  const auto& pools = scene.model.running().pools;
  const auto each = [&](auto value) {
    for (const auto& p : pools)
      if (const auto* pool = scene.health->pool(p.name))
        for (const auto& standing : pool->standings()) value(p, standing);
  };
  out.gauge("sluice_backend_up", "Whether a backend takes new flows.");
  each([&](const auto& p, const auto& standing) {
    out.sample(std::uint64_t{standing.takes_new_flows ? 1U : 0U},
               {{"pool", p.name}, {"backend", standing.name}});
  });
  out.gauge("sluice_backend_state", "State of a backend: 1 for the one it is in.");
  each([&](const auto& p, const auto& standing) {
    out.sample(
        std::uint64_t{1},
        {{"pool", p.name}, {"backend", standing.name}, {"state", health::name(standing.state)}});
  });
  out.counter("sluice_backend_falls", "Times a backend went down or was ejected.");
  each([&](const auto& p, const auto& standing) {
    out.sample(std::uint64_t{standing.flaps}, {{"pool", p.name}, {"backend", standing.name}});
  });
  out.gauge("sluice_pool_panic", "Whether too few backends are usable, so that all get flows.");
  for (const auto& p : pools)
    if (const auto* pool = scene.health->pool(p.name))
      out.sample(std::uint64_t{pool->panic() ? 1U : 0U}, {{"pool", p.name}});
  out.counter("sluice_health_checks", "Active checks of a backend by what they found.");
  each([&](const auto& p, const auto& standing) {
    const auto* counts = scene.health->counts(p.name, standing.name);
    if (counts == nullptr) return;
    for (std::size_t fault = 0; fault < counts->by_fault.size(); ++fault)
      if (const auto n = counts->by_fault[fault]; n != 0 || fault == 0)
        out.sample(n, {{"pool", p.name},
                       {"backend", standing.name},
                       {"result", fault == 0 ? "good" : name(static_cast<health::Fault>(fault))}});
  });
  // By pool, not by backend: ten series each would be too many for a thousand backends.
  out.histogram("sluice_health_check_duration_seconds",
                "Time from asking a pool's backends to their answer or its time-out.");
  for (const auto& p : pools)
    if (const auto* counts = scene.health->counts(p.name))
      out.buckets(ProbeCounts::kBounds, counts->by_time,
                  std::chrono::duration<double>(counts->time).count(), {{"pool", p.name}});
}

void put_workers(Exposition& out, const Scene& scene) {
  const auto each = [&](auto value) {
    for (const auto& w : scene.fast_path.workers()) value(*w, std::to_string(w->settings().number));
  };
  out.counter("sluice_worker_polls", "Passes over a worker's queues.");
  each([&](const auto& w, const auto& id) {
    out.sample(w.counters().polls.value(), {{"worker", id}});
  });
  out.counter("sluice_worker_cycles", "TSC cycles by whether the pass found packets.");
  each([&](const auto& w, const auto& id) {
    out.sample(w.counters().busy_cycles.value(), {{"worker", id}, {"state", "busy"}});
    out.sample(w.counters().idle_cycles.value(), {{"worker", id}, {"state", "idle"}});
  });
  out.counter("sluice_flow_cache_lookups", "Look-ups of the flow cache by result.");
  each([&](const auto& w, const auto& id) {
    out.sample(w.cache().stats().hits.value(), {{"worker", id}, {"result", "hit"}});
    out.sample(w.cache().stats().misses.value(), {{"worker", id}, {"result", "miss"}});
  });
  out.gauge("sluice_flow_cache_capacity", "Flows that a flow cache has room for.");
  each([&](const auto& w, const auto& id) {
    out.sample(std::uint64_t{w.cache().capacity()}, {{"worker", id}});
  });
  out.gauge("sluice_flow_cache_flows", "Flows that a flow cache holds.");
  each([&](const auto& w, const auto& id) {
    out.sample(w.cache().stats().held(), {{"worker", id}});
  });
  out.counter("sluice_flow_cache_evictions", "Flows pushed out of a full line by their state.");
  each([&](const auto& w, const auto& id) {
    const auto& stats = w.cache().stats();
    out.sample(stats.evictions_new.value(), {{"worker", id}, {"state", "new"}});
    out.sample(stats.evictions_closing.value(), {{"worker", id}, {"state", "closing"}});
    out.sample(stats.evictions_established.value(), {{"worker", id}, {"state", "established"}});
  });
}

void put_nat(Exposition& out, const Scene& scene) {
  const auto each = [&](auto value) {
    for (const auto& w : scene.fast_path.workers())
      value(w->nat(), std::to_string(w->settings().number));
  };
  out.gauge("sluice_nat_capacity", "Sessions that a worker can translate at once.");
  each([&](const auto& nat, const auto& id) {
    out.sample(std::uint64_t{nat.capacity()}, {{"worker", id}});
  });
  out.gauge("sluice_nat_sessions", "Sessions that a worker translates.");
  each([&](const auto& nat, const auto& id) { out.sample(nat.stats().held(), {{"worker", id}}); });
  out.counter("sluice_nat_opened_sessions", "Sessions begun.");
  each([&](const auto& nat, const auto& id) {
    out.sample(nat.stats().opened.value(), {{"worker", id}});
  });
  out.counter("sluice_nat_ended_sessions",
              "Sessions ended by why: their time was over, or they made room for another.");
  each([&](const auto& nat, const auto& id) {
    out.sample(nat.stats().expired.value(), {{"worker", id}, {"why", "expired"}});
    out.sample(nat.stats().evicted.value(), {{"worker", id}, {"why", "evicted"}});
  });
}

}  // namespace

std::string metrics(const Scene& scene) {
  Exposition out;
  put_node(out, scene);
  put_slow_path(out, scene);
  put_ports(out, scene);
  put_verdicts(out, scene);
  put_services(out, scene);
  put_backends(out, scene);
  put_tables(out, scene);
  put_health(out, scene);
  put_workers(out, scene);
  put_nat(out, scene);
  put_driver(out, scene.fast_path);
  if (scene.load != nullptr) put_load(out, *scene.load);
  if (scene.scale != nullptr) put_scale(out, *scene.scale);
  return out.finish();
}

}  // namespace sluice::control
