// SPDX-License-Identifier: Apache-2.0
// A pool of backends that tell what the test says.
//
// Threads: one owner.
#pragma once

#include "scrape/demand.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sluice::scrape {

using namespace std::chrono_literals;

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A pool of ready backends of one class; each step is a second.
struct Bench {
  Demand demand{{.pool = "llama", .scraped = true, .stale_after = 3000ms}};
  Time now = Time{} + 1h;
  std::vector<Member> members;
  FlowSignals flows = {};

  explicit Bench(std::vector<const char*> names, double capacity = 10) {
    for (const char* const name : names)
      members.push_back({.name = name, .ready = true, .capacity = capacity, .service_time_s = 2});
  }
  void tell(const std::string& backend, std::optional<double> running,
            std::optional<double> waiting, std::optional<double> completed) {
    Reading reading;
    reading.at = now;
    reading.running = running;
    reading.waiting = waiting;
    reading.completed = completed;
    const std::array<bool, kSignals> told{running.has_value(), waiting.has_value(),
                                          completed.has_value(), false};
    for (std::size_t i = 0; i < kSignals; ++i)
      reading.faults[i] = told[i] ? Fault::kNone : Fault::kMissing;
    demand.read(backend, reading);
  }
  Tick tick() { return demand.tick(now, members, flows); }
  std::vector<std::string> notices() {
    return demand.notices(now, [](const std::string&) { return true; });
  }
};

/// After a first reading and a first tick, a second ago.
inline Bench settled(std::vector<const char*> names) {
  Bench bench(names);
  for (const auto& member : bench.members) bench.tell(std::string(member.name), 4, 0, 100);
  (void)bench.tick();
  bench.now += 1s;
  return bench;
}

}  // namespace sluice::scrape
