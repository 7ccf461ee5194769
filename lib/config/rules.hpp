// SPDX-License-Identifier: Apache-2.0
// What the rules between fields share: walking a configuration by place, and passing by what could
// not be decoded. Each rule_* function looks at one subject.
//
// Threads: one check at a time each.
#pragma once

#include "base/nearest.hpp"
#include "config/configuration.hpp"
#include "config/damage.hpp"
#include "config/names.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice::config {

/// Hexadecimal digits as they are compared.
[[nodiscard]] inline std::string in_lower_case(std::string digits) {
  for (char& c : digits)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return digits;
}

/// Who has an address: "service 'chat'".
using AddressOwners = std::map<IpAddress, std::string>;

/// Pools that one pool may flow over to, one after the other.
inline constexpr unsigned kLongestOverflow = 4;

class Rules {
 public:
  Rules(const Configuration& of, const std::vector<Fault>& known) : of_(of), damage_(known) {}

  [[nodiscard]] const Configuration& configuration() const noexcept { return of_; }
  [[nodiscard]] Reader& reader() noexcept { return reader_; }

  void fault(std::string what, std::string remedy) {
    reader_.fault(std::move(what), std::move(remedy), Layer::kRule);
  }
  void warning(std::string what, std::string remedy) {
    reader_.warning(std::move(what), std::move(remedy));
  }

  /// Runs f(item) at every item of a list.
  void each(const auto& list, auto&& f) {
    for (std::size_t i = 0; i < list.size() && !reader_.full(); ++i)
      reader_.at(i, [&] { f(list[i]); });
  }

  /// Runs f at a field, unless the field could not be decoded.
  void at(std::string_view key, auto&& f) {
    reader_.at(key, [&] {
      if (!damage_.at(reader_.place())) f();
    });
  }

  /// Whether the field at `key` of the place, or at the place itself, could not be decoded.
  [[nodiscard]] bool damaged(std::string_view key) {
    bool damaged = false;
    reader_.at(key, [&] { damaged = damage_.at(reader_.place()); });
    return damaged;
  }
  /// Of a pair's two numbers.
  [[nodiscard]] bool damaged_within() { return damaged("0") || damaged("1"); }
  [[nodiscard]] bool damaged_here() const { return damage_.at(reader_.place()); }
  [[nodiscard]] bool damaged_at(std::string_view pointer) const { return damage_.at(pointer); }

  /// Every item's key, as `key_of` gives it, is its own. `what` names a kind: "port".
  void distinct(const auto& list, std::string_view key, std::string_view what, auto&& key_of) {
    const auto list_at = reader_.place();
    std::unordered_map<std::string, std::size_t> first;
    std::size_t i = 0;
    each(list, [&](const auto& item) {
      at(key, [&] {
        const std::string own = key_of(item);
        if (own.empty()) return;
        const auto [known, is_new] = first.emplace(own, i);
        if (!is_new)
          fault(fmt::format("{} is the {} of {}/{} too", quoted(own), what, list_at, known->second),
                "give each its own");
      });
      ++i;
    });
  }

  void distinct_names(const auto& list) {
    distinct(list, "name", "name", [](const auto& item) { return item.name; });
  }

  /// `name` at `key` is one of `names`. Silent while one of those is unknown.
  void refers(std::string_view key, std::string_view name, const Names& names) {
    if (names.contains(name) || !names.complete()) return;
    at(key, [&] {
      const bool suggest = suggestions_++ < kMostSuggestions;
      fault(fmt::format("there is no {} {}", names.what(), quoted(name)),
            fmt::format("name one that exists or add it{}",
                        suggest ? did_you_mean(name, names.some()) : std::string()));
    });
  }

 private:
  static constexpr int kMostSuggestions = 20;  // each may look at 1000 names

  const Configuration& of_;
  Damage damage_;
  Reader reader_;
  int suggestions_ = 0;
};

/// Lcores, ports and neighbours.
void check_node(Rules& rules);
/// What a node has room for, and server ids that two pools of a service share.
void check_limits(Rules& rules);
/// Services, their shards, and whether their pools can serve them.
void check_services(Rules& rules);
/// Active and passive checks of one pool, at its place.
void check_health(Rules& rules, const Pool& pool);
/// Classes, metrics and scaling of one pool, at its place.
void check_autoscale(Rules& rules, const Pool& pool, const AddressOwners& services);
/// Whether there is an XDP filter for what only it can do.
void check_filter(Rules& rules);
/// Each pool by itself, overflow among pools, and QUIC's connection ids.
void check_pools(Rules& rules);

}  // namespace sluice::config
