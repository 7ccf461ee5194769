// SPDX-License-Identifier: Apache-2.0
// A pool of backends as a model: fluid, in steps of one second. A ready backend completes at most
// its capacity; what does not fit waits in one queue without a bound; one asked for serves after
// its cold start and is billed from the start, one taken away stops at once and is billed its drain
// more. Nothing in it is random.
//
// Threads: values; simulate() touches nothing but its arguments.
#pragma once

#include "plan/scaler.hpp"
#include "plan/trace.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sluice::plan {

constexpr std::uint32_t kMostBackends = 1'000'000;

/// A class of the pool, in whole seconds.
struct ClassModel {
  std::string name;
  double capacity = 1;  ///< Requests/s of one backend; above 0.
  double service_time_s = 1;
  std::uint32_t cold_start_s = 0;
  std::uint32_t wake_s = 0;  ///< From asleep to its first answer.
  std::uint32_t asleep = 0;  ///< Kept asleep rather than stopped, at most.
  std::uint32_t max = 0;     ///< 0: as many as the pool may have.
  double price_per_hour = 0;
  double asleep_price_per_hour = 0;
};

struct PoolModel {
  std::vector<ClassModel> classes;  ///< At least one. The first is what rivals scale.
  std::uint32_t min = 1;
  std::uint32_t max = 1;
  std::uint32_t slo_wait_s = 5;  ///< A request that waits longer is late; at least 1.
  std::uint32_t drain_s = 30;
  double target = 0;  ///< Utilisation that rivals aim at; 0: the default of each.

  /// The pool as rivals have it: of the first class alone.
  [[nodiscard]] PoolModel of_first_class() const;
};

/// Arrivals of a trace by second, and their sums: an interval's are spread evenly.
class Arrivals {
 public:
  /// @param factor  that every count is multiplied by; above 0.
  explicit Arrivals(const Trace& trace, double factor = 1.0);

  [[nodiscard]] std::size_t seconds() const noexcept { return cumulative_.size() - 1; }
  [[nodiscard]] double at(std::size_t second) const noexcept { return rate_[second / step_s_]; }
  /// Sums: the `t`-th is what came before second t; seconds() + 1 values.
  [[nodiscard]] const std::vector<double>& cumulative() const noexcept { return cumulative_; }
  [[nodiscard]] double total() const noexcept { return cumulative_.back(); }
  [[nodiscard]] std::uint32_t step_s() const noexcept { return step_s_; }
  /// Requests by interval.
  [[nodiscard]] const std::vector<double>& requests() const noexcept { return requests_; }

 private:
  std::uint32_t step_s_;
  std::vector<double> requests_;
  std::vector<double> rate_;  // requests/s by interval
  std::vector<double> cumulative_;
};

/// A change of the count wanted.
struct Action {
  std::int64_t t = 0;
  std::int64_t change = 0;  ///< Of all classes together; 0: an exchange between classes.
  std::uint32_t wanted = 0;
};

/// What came of a run, second by second.
struct Course {
  std::vector<double> served;         ///< Cumulative, as Arrivals::cumulative().
  std::vector<std::uint32_t> ready;   ///< Backends that serve.
  std::vector<double> capacity;       ///< Their requests/s; empty with one class only.
  std::vector<std::uint32_t> billed;  ///< Ready, starting and draining.
  std::vector<Action> actions;
  std::vector<std::uint64_t> billed_seconds;  ///< By class.
  std::vector<std::uint64_t> asleep_seconds;  ///< By class.
  std::vector<std::uint32_t> last_ready;      ///< By class, at the end.
  double underserved = 0;  ///< Requests that came in a second whose capacity was too small.

  [[nodiscard]] double capacity_at(std::size_t second, const PoolModel& pool) const {
    return capacity.empty() ? ready[second] * pool.classes.front().capacity : capacity[second];
  }
};

/// Told how many seconds are done, now and then (some hundred times a run).
using Progress = std::function<void(std::size_t)>;

/// Runs `scaler` against the pool. At the start as many backends of the first classes are ready as
/// 70 % of their capacity takes for the mean rate of the first 300 s.
/// Cost: some 15 ns a second and what the scaler takes; 30 bytes a second.
[[nodiscard]] Course simulate(const Arrivals& arrivals, const PoolModel& pool, Scaler& scaler,
                              const Progress& progress = nullptr);

/// The same for counts that are known beforehand; of the first class.
[[nodiscard]] Course follow(const Arrivals& arrivals, const PoolModel& pool,
                            std::vector<std::uint32_t> ready, std::vector<std::uint32_t> billed);

}  // namespace sluice::plan
