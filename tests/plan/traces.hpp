// SPDX-License-Identifier: Apache-2.0
// Traces and pools for tests.
//
// Threads: values.
#pragma once

#include "plan/simulated_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace sluice::plan {

inline Trace trace_of(std::uint32_t step_s, std::vector<double> requests) {
  return {step_s, std::move(requests)};
}

/// `count` intervals of 1 s with the same number of requests.
inline Trace steady(double requests_per_second, std::size_t count) {
  return {1, std::vector<double>(count, requests_per_second)};
}

/// One class of one request/s.
inline PoolModel pool_of(std::uint32_t cold_start_s, std::uint32_t max = 100) {
  PoolModel pool;
  pool.classes = {{.name = "one", .capacity = 1, .cold_start_s = cold_start_s}};
  pool.max = max;
  return pool;
}

using Wants = std::vector<std::vector<std::int64_t>>;  ///< By tick, by class.

/// Wants what a list says: the k-th number at the k-th tick, the last one from then on.
class Scripted final : public Scaler {
 public:
  explicit Scripted(Wants wanted, std::uint32_t tick_s = 1)
      : wanted_(std::move(wanted)), tick_s_(tick_s) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return tick_s_; }
  void want(const View& view, std::span<std::int64_t> wanted) override {
    views.push_back(view.t);
    counts.emplace_back(view.classes.begin(), view.classes.end());
    const auto& now = wanted_[std::min(at_++, wanted_.size() - 1)];
    std::copy(now.begin(), now.end(), wanted.begin());
  }

  std::vector<std::int64_t> views;
  std::vector<std::vector<Count>> counts;

 private:
  Wants wanted_;
  std::uint32_t tick_s_;
  std::size_t at_ = 0;
};

}  // namespace sluice::plan
