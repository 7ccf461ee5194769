// SPDX-License-Identifier: Apache-2.0
// Where decoding stands in a document, and the faults it has found so far.
//
// Threads: one decoding at a time each.
#pragma once

#include "config/fault.hpp"
#include "config/value.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::config {

inline constexpr std::size_t kMostFaults = 1000;  ///< Further ones are not looked for.

class Reader {
 public:
  /// Runs `f` one step deeper in the document.
  template <class F>
  void at(std::string_view key, F&& f) {
    const auto length = pointer_.size();
    pointer_ += '/';
    pointer_ += pointer_token(key);
    std::forward<F>(f)();
    pointer_.resize(length);
  }
  template <class F>
  void at(std::size_t index, F&& f) {
    const auto length = pointer_.size();
    pointer_ += fmt::format("/{}", index);
    std::forward<F>(f)();
    pointer_.resize(length);
  }

  void fault(std::string what, std::string remedy, Layer layer = Layer::kField) {
    if (full()) return;
    faults_.push_back({place(), std::move(what), std::move(remedy), layer});
  }
  /// Something that is allowed and may still surprise.
  void warning(std::string what, std::string remedy) {
    if (warnings_.size() < kMostFaults)
      warnings_.push_back({place(), std::move(what), std::move(remedy), Layer::kRule});
  }
  /// There is no point in going on.
  [[nodiscard]] bool full() const noexcept { return faults_.size() >= kMostFaults; }
  /// JSON pointer of where it stands.
  [[nodiscard]] std::string place() const { return pointer_.empty() ? "/" : pointer_; }
  [[nodiscard]] std::vector<Fault> take_faults() noexcept { return std::move(faults_); }
  [[nodiscard]] std::vector<Fault> take_warnings() noexcept { return std::move(warnings_); }

 private:
  std::string pointer_;
  std::vector<Fault> faults_;
  std::vector<Fault> warnings_;
};

}  // namespace sluice::config
