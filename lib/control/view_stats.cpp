// SPDX-License-Identifier: Apache-2.0
#include "control/view_stats.hpp"

#include "control/api_parse.hpp"
#include "control/view_scale.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::control {
namespace {

constexpr std::size_t kMostEvents = 1000;  // in one answer; the next asks from "next"

void append(Json& list, Json more) {
  for (auto& one : more) list.push_back(std::move(one));
}

// The list that a view answers with, alone.
Json part(Json view, const char* key) { return std::move(view.at(key)); }

// What the workers took in and gave out, all together.
Json traffic(const FastPath& fast_path) {
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  for (const auto& worker : fast_path.workers()) {
    rx_bytes += worker->counters().rx_bytes.value();
    tx_bytes += worker->counters().tx_bytes.value();
  }
  const auto books = fast_path.books();
  return {{"rx_packets", books.rx},
          {"rx_bytes", rx_bytes},
          {"tx_packets", books.total(Outcome::kForward) + books.total(Outcome::kAnswer)},
          {"tx_bytes", tx_bytes}};
}

Json scale(const Scene& scene) {
  if (scene.scale == nullptr) return Json::array();
  Json pools = part(view_scale(*scene.scale, ""), "pools");
  for (auto& pool : pools) pool.erase("decisions");
  return pools;
}

}  // namespace

Json view_stats(const Scene& scene, const EventLog& events, const StatsFilter& filter) {
  Json backends = Json::array();
  Json health = Json::array();
  if (!filter.pools) {
    backends = part(*view_backends(scene, ""), "backends");
    health = part(view_health(scene, ""), "pools");
  }
  for (const auto& pool : filter.pools.value_or(std::vector<std::string>{})) {
    auto listed = pool.empty() ? Result<Json>() : view_backends(scene, pool);
    if (!listed || listed->is_null()) continue;  // gone since it was last seen
    append(backends, part(std::move(*listed), "backends"));
    append(health, part(view_health(scene, pool), "pools"));
  }
  const auto next = events.next();
  const auto last = next > StatsFilter::kLastEvents ? next - StatsFilter::kLastEvents : 1;
  Json happened = view_events(events, filter.since.value_or(last), kMostEvents);
  // Not the wall clock, which may be set: rates divide by the difference of two of these.
  const std::chrono::duration<double> clock = std::chrono::steady_clock::now().time_since_epoch();
  return {{"clock_s", clock.count()},
          {"status", view_status(scene)},
          {"traffic", traffic(scene.fast_path)},
          {"services", part(view_services(scene), "services")},
          {"pools", part(view_pools(scene), "pools")},
          {"backends", std::move(backends)},
          {"health", std::move(health)},
          {"workers", part(view_workers(scene), "workers")},
          {"drops", view_drops(scene)},
          {"scale", scale(scene)},
          {"events", std::move(happened)}};
}

}  // namespace sluice::control
