// SPDX-License-Identifier: Apache-2.0
// Metrics of the node and of its workers.
#include "control/metrics.hpp"

namespace sluice::control {
namespace {

using telemetry::Exposition;

void put_standing(Exposition& out, const Scene& scene) {
  begin(out, "sluice_build_info");
  out.sample(std::uint64_t{1}, {{"version", SLUICE_VERSION}, {"isa", SLUICE_ISA}});
  begin(out, "sluice_ready");
  out.sample(std::uint64_t{not_ready_because(scene).empty() ? 1U : 0U});
  begin(out, "sluice_snapshot_generation");
  out.sample(scene.model.snapshot().generation);
  begin(out, "sluice_config_last_reload_successful");
  out.sample(std::uint64_t{scene.standing.last_reload.ok ? 1U : 0U});
}

void put_verdicts(Exposition& out, const Scene& scene) {
  const auto books = scene.fast_path.books();
  begin(out, "sluice_rx_packets");
  for (const auto& w : scene.fast_path.workers())
    for (std::size_t port = 0; port < scene.model.ports().size(); ++port)
      out.sample(w->counters().rx_by_port[port].value(),
                 {{"port", scene.model.ports()[port].name},
                  {"worker", std::to_string(w->settings().number)}});
  begin(out, "sluice_tx_packets");
  out.sample(books.total(Outcome::kForward) + books.total(Outcome::kAnswer));
  const auto each_worker = [&](auto counter) {
    std::uint64_t sum = 0;
    for (const auto& w : scene.fast_path.workers()) sum += counter(w->counters()).value();
    return sum;
  };
  begin(out, "sluice_rx_bytes");
  out.sample(each_worker([](const auto& c) -> const Counter& { return c.rx_bytes; }));
  begin(out, "sluice_tx_bytes");
  out.sample(each_worker([](const auto& c) -> const Counter& { return c.tx_bytes; }));
  begin(out, "sluice_packets");
  for (const auto o : {Outcome::kForward, Outcome::kHost, Outcome::kAnswer, Outcome::kDrop})
    out.sample(books.total(o), {{"outcome", name(o)}});
  const auto each_reason = [&](Outcome wanted) {
    for (std::size_t v = 0; v < kVerdicts; ++v)
      if (const auto verdict = static_cast<Verdict>(v); outcome(verdict) == wanted)
        out.sample(books.verdicts[v], {{"reason", text(verdict).name}});
  };
  begin(out, "sluice_answered_packets");
  each_reason(Outcome::kAnswer);
  begin(out, "sluice_dropped_packets");
  each_reason(Outcome::kDrop);
}

void put_loops(Exposition& out, const Scene& scene) {
  const auto each = [&](auto value) {
    for (const auto& w : scene.fast_path.workers()) value(*w, std::to_string(w->settings().number));
  };
  begin(out, "sluice_worker_polls");
  each([&](const auto& w, const auto& id) {
    out.sample(w.counters().polls.value(), {{"worker", id}});
  });
  begin(out, "sluice_worker_cycles");
  each([&](const auto& w, const auto& id) {
    out.sample(w.counters().busy_cycles.value(), {{"worker", id}, {"state", "busy"}});
    out.sample(w.counters().idle_cycles.value(), {{"worker", id}, {"state", "idle"}});
  });
  begin(out, "sluice_flow_cache_lookups");
  each([&](const auto& w, const auto& id) {
    out.sample(w.cache().stats().hits.value(), {{"worker", id}, {"result", "hit"}});
    out.sample(w.cache().stats().misses.value(), {{"worker", id}, {"result", "miss"}});
  });
  begin(out, "sluice_flow_cache_capacity");
  each([&](const auto& w, const auto& id) {
    out.sample(std::uint64_t{w.cache().capacity()}, {{"worker", id}});
  });
  begin(out, "sluice_flow_cache_flows");
  each([&](const auto& w, const auto& id) {
    out.sample(w.cache().stats().held(), {{"worker", id}});
  });
  begin(out, "sluice_flow_cache_evictions");
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
  begin(out, "sluice_nat_capacity");
  each([&](const auto& nat, const auto& id) {
    out.sample(std::uint64_t{nat.capacity()}, {{"worker", id}});
  });
  begin(out, "sluice_nat_sessions");
  each([&](const auto& nat, const auto& id) { out.sample(nat.stats().held(), {{"worker", id}}); });
  begin(out, "sluice_nat_opened_sessions");
  each([&](const auto& nat, const auto& id) {
    out.sample(nat.stats().opened.value(), {{"worker", id}});
  });
  begin(out, "sluice_nat_ended_sessions");
  each([&](const auto& nat, const auto& id) {
    out.sample(nat.stats().expired.value(), {{"worker", id}, {"why", "expired"}});
    out.sample(nat.stats().evicted.value(), {{"worker", id}, {"why", "evicted"}});
  });
}

}  // namespace

void put_node(Exposition& out, const Scene& scene) {
  put_standing(out, scene);
  put_verdicts(out, scene);
}

void put_workers(Exposition& out, const Scene& scene) {
  put_loops(out, scene);
  put_nat(out, scene);
}

}  // namespace sluice::control
