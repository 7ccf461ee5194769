// SPDX-License-Identifier: Apache-2.0
// How well somebody's promises at a horizon were kept of late: the mean of their absolute errors,
// the older the less. What members of an ensemble and candidates for parameters are chosen by.
//
// Threads: values.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/window.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sluice::forecast {

class Record {
 public:
  /// @param ahead   steps between a promise and its truth, at least 1.
  /// @param memory  errors, about, that count.
  Record(std::size_t ahead, std::size_t memory) : memory_(memory), promises_(ahead) {}

  /// @param truth    value of the step that has just ended.
  /// @param promise  made now, for `ahead` steps later.
  void step(double truth, double promise) {
    if (promises_.full()) {
      last_ = std::abs(truth - promises_.oldest());
      count_ = std::min(count_ + 1, memory_);
      error_ += (last_ - error_) / static_cast<double>(count_);
    }
    promises_.push(promise);
  }
  [[nodiscard]] double error() const noexcept { return error_; }
  [[nodiscard]] double last() const noexcept { return last_; }  ///< The newest error.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t ahead() const noexcept { return promises_.capacity(); }

  /// Promises for the horizon before are forgotten; what is known of errors stays.
  void set_horizon(std::size_t ahead) {
    if (ahead != promises_.capacity()) promises_ = Window(ahead);
  }

  /// The horizon is the owner's to keep and to set before this is read.
  void fields(Fields& fields) {
    promises_.fields(fields, "promises", -kMostKept, kMostKept);
    fields.whole("count", count_, memory_);
    fields.number("error", error_, 0, kMostKept);
    fields.number("last", last_, 0, kMostKept);
  }

 private:
  std::size_t memory_;
  Window promises_;
  std::size_t count_ = 0;
  double error_ = 0;
  double last_ = 0;
};

}  // namespace sluice::forecast
