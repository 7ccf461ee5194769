// SPDX-License-Identifier: Apache-2.0
// A copy of some bytes whose end is the end of accessible memory: a read beyond it is a fault
// (signal) in any build, with or without a sanitizer.
//
// Threads: one owner.
#pragma once

#include <cstddef>
#include <span>

namespace sluice::test {

class Guarded {
 public:
  /// Maps pages for `bytes` and an inaccessible one behind them; throws std::system_error.
  explicit Guarded(std::span<const std::byte> bytes);
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::span<std::byte> bytes_;
};

}  // namespace sluice::test
