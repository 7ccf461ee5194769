// SPDX-License-Identifier: Apache-2.0
// A counter with one writer and any number of readers.
//
// Threads: add() from the owning thread only; value() from any.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

/// add() is a relaxed load and a relaxed store: no data race with readers, and no locked
/// instruction for the writer. Put counters of one writer on cache lines of their own.
class Counter {
 public:
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

  /// add() that comes last: who reads the sum with last() sees what the writer added elsewhere
  /// before. No locked instruction either.
  void add_last(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t last() const noexcept {
    return value_.load(std::memory_order_acquire);  // pairs with the store in add_last()
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

static_assert(sizeof(Counter) == 8 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace sluice
