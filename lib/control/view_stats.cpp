// SPDX-License-Identifier: Apache-2.0
#include "control/view_stats.hpp"

#include "control/api_parse.hpp"
#include "control/view_parts.hpp"
#include "control/view_scale.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::control {
namespace {

constexpr std::size_t kMostEvents = 1000;  // in one answer; the next asks from "next"

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

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Of the running configuration; std::nullopt: it is gone since it was last seen.
std::optional<std::size_t> find_pool(const Scene& scene, const std::string& name) {
  const auto& pools = scene.model.running().pools;
  const auto at = std::ranges::find(pools, name, &config::Pool::name);
  if (at == pools.end()) return std::nullopt;
  return static_cast<std::size_t>(at - pools.begin());
}

}  // namespace

StatsText::StatsText(const Scene& scene, const EventLog& events, const StatsFilter& filter)
    : pools_(filter.pools.value_or(std::vector<std::string>{})) {
  if (!filter.pools)
    for (const auto& pool : scene.model.running().pools) pools_.push_back(pool.name);
  const auto next = events.next();
  const auto last = next > StatsFilter::kLastEvents ? next - StatsFilter::kLastEvents : 1;
  Json happened = view_events(events, filter.since.value_or(last), kMostEvents);
  // Not the wall clock, which may be set: rates divide by the difference of two of these.
  const std::chrono::duration<double> clock = std::chrono::steady_clock::now().time_since_epoch();
  head_ = text_of({{"clock_s", clock.count()},
                   {"status", view_status(scene)},
                   {"traffic", traffic(scene.fast_path)},
                   {"services", part(view_services(scene), "services")},
                   {"pools", part(view_pools(scene), "pools")},
                   {"workers", part(view_workers(scene), "workers")},
                   {"drops", view_drops(scene)},
                   {"scale", scale(scene)},
                   {"events", std::move(happened)}});
  head_.pop_back();  // its brace is closed at the end
}

void StatsText::go_on(std::size_t pool_size) {
  from_ += kBackendsPerPiece;
  if (from_ < pool_size) return;
  from_ = 0;
  ++pool_;
}

void StatsText::put_backends(const Scene& scene, std::string& out) {
  const auto pool = find_pool(scene, pools_[pool_]);
  if (!pool) return go_on(0);
  const auto text = text_of(backends_of(scene, *pool, {from_, kBackendsPerPiece}));
  if (text.size() > 2) {  // more than its brackets
    if (!std::exchange(first_, false)) out += ',';
    out.append(text, 1, text.size() - 2);
  }
  go_on(scene.model.running().pools[*pool].backends.size());
}

// A pool's object is left open while its backends come.
void StatsText::put_health(const Scene& scene, std::string& out) {
  const auto pool = find_pool(scene, pools_[pool_]);
  const auto said = pool ? health_of(scene, *pool, {from_, kBackendsPerPiece}) : Json(nullptr);
  const bool begins = from_ == 0;
  if (said.is_null()) {
    if (!begins) out += "]}";
    return go_on(0);
  }
  const auto& backends = said.at("backends");
  if (begins) {
    if (!std::exchange(first_, false)) out += ',';
    out += text_of(said);
    out.resize(out.size() - 2);
  } else if (!backends.empty()) {
    const auto text = text_of(backends);
    out += ',';
    out.append(text, 1, text.size() - 2);
  }
  go_on(scene.model.running().pools[*pool].backends.size());
  if (from_ == 0) out += "]}";
}

bool StatsText::next(const Scene& scene, std::string& out) {
  const auto end_of_list = [&](Part part) {
    part_ = part;
    pool_ = from_ = 0;
    first_ = true;
  };
  switch (part_) {
    case Part::kHead:
      out += std::exchange(head_, {}) + R"(,"backends":[)";
      part_ = Part::kBackends;
      break;
    case Part::kBackends:
      if (pool_ < pools_.size()) {
        put_backends(scene, out);
      } else {
        out += R"(],"health":[)";
        end_of_list(Part::kHealth);
      }
      break;
    case Part::kHealth:
      if (pool_ < pools_.size()) {
        put_health(scene, out);
      } else {
        end_of_list(Part::kTail);
      }
      break;
    case Part::kTail:
      out += "]}\n";
      part_ = Part::kNone;
      break;
    case Part::kNone:
      return false;
  }
  return true;
}

}  // namespace sluice::control
