// SPDX-License-Identifier: Apache-2.0
// The last so many values of a series, newest first by index.
//
// Threads: values.
#pragma once

#include "base/assert.hpp"
#include "forecast/fields.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace sluice::forecast {

class Window {
 public:
  /// @param capacity  at least 1; the oldest value goes when another comes.
  explicit Window(std::size_t capacity) : capacity_(capacity) {
    SLUICE_ASSERT(capacity > 0, "a window holds something");
  }

  void push(double value) {
    if (values_.size() < capacity_) {
      values_.push_back(value);
    } else {
      values_[head_] = value;
      head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
    }
  }
  /// `age` steps before the newest one; below size().
  [[nodiscard]] double operator[](std::size_t age) const {
    const std::size_t oldest_first = values_.size() - 1 - age + head_;
    return values_[oldest_first < values_.size() ? oldest_first : oldest_first - values_.size()];
  }
  [[nodiscard]] double oldest() const { return (*this)[values_.size() - 1]; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  [[nodiscard]] bool full() const noexcept { return values_.size() == capacity_; }

  /// Oldest first.
  [[nodiscard]] std::vector<double> values() const {
    std::vector<double> sorted(values_);
    std::rotate(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(head_), sorted.end());
    return sorted;
  }
  /// The newest of these, oldest first, become the content.
  void assign(std::vector<double> values) {
    if (values.size() > capacity_)
      values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(capacity_));
    values_ = std::move(values);
    head_ = 0;
  }
  void clear() noexcept {
    values_.clear();
    head_ = 0;
  }

  void fields(Fields& fields, std::string_view name, double low, double high) {
    std::vector<double> sorted = values();
    fields.numbers(name, sorted, 0, capacity_, low, high);
    assign(std::move(sorted));
  }

 private:
  std::size_t capacity_;
  std::size_t head_ = 0;  ///< Of the oldest value, once the window is full.
  std::vector<double> values_;
};

}  // namespace sluice::forecast
