// SPDX-License-Identifier: Apache-2.0
// The names of a list's items, for what refers to them.
//
// Threads: values.
#pragma once

#include <cstddef>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace sluice::config {

class Names {
 public:
  /// @param what      kind of item, for messages: "pool".
  /// @param list      items with a member `name`; it must outlive this.
  /// @param complete  false when the list as a whole could not be decoded.
  Names(std::string_view what, const auto& list, bool complete) : what_(what), complete_(complete) {
    for (const auto& item : list) {
      if (item.name.empty()) complete_ = false;
      if (all_.insert(item.name).second && some_.size() < kMostCandidates)
        some_.push_back(item.name);
    }
  }

  [[nodiscard]] std::string_view what() const noexcept { return what_; }
  [[nodiscard]] bool contains(std::string_view name) const { return all_.contains(name); }
  /// Every item has a name, so that what is not among them does not exist.
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  /// Enough of them for a did-you-mean, in the order of the list.
  [[nodiscard]] const std::vector<std::string_view>& some() const noexcept { return some_; }

 private:
  static constexpr std::size_t kMostCandidates = 1000;

  std::string_view what_;
  bool complete_;
  std::unordered_set<std::string_view> all_;
  std::vector<std::string_view> some_;
};

}  // namespace sluice::config
