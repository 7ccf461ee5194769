// SPDX-License-Identifier: Apache-2.0
// A fleet of one class, step by step, for tests of single facts.
//
// Threads: one owner.
#pragma once

#include "actuate/fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::actuate {

inline IpAddress address_of(unsigned char n) { return IpAddress::v4({10, 0, 0, n}); }

/// A fleet, and a table that does as it is told; reports are the test's.
class OneFleet : public testing::Test {
 protected:
  OneFleet() {
    options_.pool = "llama";
    options_.id_prefix = "edge-1";
    options_.classes = {{.name = "h100", .cold_start_s = 30}};
    options_.max = 4;
    options_.drain_limit_s = 100;
    options_.order_limit_s = 50;
    options_.ability = {.can_sleep = true};
    fleet_.emplace(options_);
  }
  void begin(const Ability& ability) {
    options_.ability = ability;
    fleet_.emplace(options_);
  }
  /// One step, `after` seconds after the one before. The orders in it, as "verb name".
  std::vector<std::string> step(unsigned wanted, double after = 1) {
    Input input{.t = t_ += after, .wanted = {wanted}, .backends = table_};
    input.wanted.insert(input.wanted.end(), others_.begin(), others_.end());
    std::swap(input.reports, reports_);
    std::swap(input.refused, refused_);
    input.act = act_;
    events_.clear();
    std::vector<std::string> orders;
    for (const auto& action : fleet_->step(input)) {
      const auto row = std::ranges::find(table_, action.member.name, &Seen::name);
      if (action.kind == Action::Kind::kAdd && action.member.name == refuses_)
        refused_.push_back(refuses_);
      else if (action.kind == Action::Kind::kAdd)
        table_.push_back(
            {.name = action.member.name, .address = action.member.address, .flows = 0});
      if (action.kind == Action::Kind::kDrain) row->wish = Seen::Wish::kDrain;
      if (action.kind == Action::Kind::kUndrain) row->wish = Seen::Wish::kServe;
      if (action.kind == Action::Kind::kRemove) table_.erase(row);
      if (action.kind == Action::Kind::kEvent) events_.push_back(action.event);
      if (action.kind != Action::Kind::kOrder) continue;
      last_ = action.order;
      given_.push_back(action.order);
      orders.push_back(std::string(name_of(action.order.verb)) +
                       (action.order.name.empty() ? "" : " " + action.order.name));
    }
    return orders;
  }
  Report done(const Order& order) {
    Report report{.order_id = order.id};
    if (order.verb == Verb::kStart)
      report.members = {{.name = order.name, .address = address_of(++hosts_)}};
    return report;
  }
  Seen& row(const std::string& name) { return *std::ranges::find(table_, name, &Seen::name); }
  /// So many started, ready and with `flows` flows each.
  void grow(unsigned count, std::uint64_t flows = 0) {
    given_.clear();
    step(count);
    for (const auto& order : given_) reports_.push_back(done(order));
    step(count);
    for (auto& each : table_) {
      each.health = Seen::Health::kReady;
      each.flows = flows;
    }
    step(count);
    ASSERT_EQ(counts().ready, count);
  }
  [[nodiscard]] const autoscale::Fleet& counts() const { return fleet_->counts().front(); }

  Fleet::Options options_;
  std::optional<Fleet> fleet_;
  std::vector<Seen> table_;
  std::vector<Report> reports_;
  std::vector<unsigned> others_;  ///< Wanted of the second class and so on.
  std::string refuses_;           ///< What the table does not take.
  std::vector<std::string> refused_;
  std::vector<std::string> events_;
  std::vector<Order> given_;
  Order last_;
  unsigned char hosts_ = 0;
  double t_ = 0;
  bool act_ = true;
};

}  // namespace sluice::actuate
