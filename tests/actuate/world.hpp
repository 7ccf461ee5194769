// SPDX-License-Identifier: Apache-2.0
// Backends, a table and an actuator that a fleet is tried on, second by second, with faults by
// chance; and what must hold at each step.
//
// Threads: a value of one thread.
#pragma once

#include "actuate/fleet.hpp"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace sluice::actuate::test {

/// Shares of orders, or of backends and seconds, that go wrong.
struct Faults {
  double fails = 0;       ///< With or without effect.
  double hangs = 0;       ///< No report.
  double twice = 0;       ///< Two reports.
  double lies = 0;        ///< Another name, class or address than asked for, or none, or two.
  double list_fails = 0;  ///< No list, or one with gaps.
  double crashes = 0;     ///< A second and backend.
  double flaps = 0;       ///< Likewise: down for some seconds.
  double restarts = 0;    ///< A second: the fleet goes on from its saved state.
};

class World {
 public:
  World(Fleet::Options options, Faults faults, std::uint32_t seed);

  /// One second: what happens, one step of the fleet, and its actions. Fails the test where
  /// something does not hold.
  void second();
  void want(std::vector<unsigned> wanted) { wanted_ = std::move(wanted); }
  void want_at_random();
  void be_good() { faults_ = {}; }
  void have_fixed(const std::string& backend_class, const std::string& name);

  /// Nothing is left over and nothing is missing: what runs is what is wanted and what is known.
  [[nodiscard]] std::string trouble() const;
  [[nodiscard]] const Fleet& fleet() const noexcept { return fleet_; }
  [[nodiscard]] unsigned starts() const noexcept { return starts_; }

 private:
  struct Backend {
    std::string backend_class;
    IpAddress address;
    bool asleep = false;
    bool crashed = false;
    double ready_at = 0;
    double down_until = 0;
  };
  struct Row {
    Seen seen;
    double drain_since = -1;
  };
  struct Due {
    Order order;
    double t = 0;
    bool reports = true;
    bool twice = false;
  };

  bool chance(double share) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < share;
  }
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  void live();
  [[nodiscard]] Input look();
  void carry_out(const Due& due, std::vector<Report>& reports);
  Report done(const Order& order);
  Report list(const Order& order);
  void lie(Report& report);
  void act(const Action& action, const Input& input);
  void take(const Order& order, const Input& input);
  void check_start(const Order& order, const Input& input);
  void check_counts() const;
  void compare_with_restored(const Fleet& before, const Input& input, std::vector<Action> actions);
  void restart();
  [[nodiscard]] unsigned want_of(const std::string& backend_class, const Input& input) const;

  Fleet::Options options_;
  Faults faults_;
  std::mt19937 random_;
  Fleet fleet_;
  std::vector<unsigned> wanted_;
  double t_ = 100;
  std::map<std::string, Backend> backends_;
  std::map<std::string, Row> table_;
  std::set<std::string> refused_;
  std::vector<Due> due_;
  std::map<std::string, Order> given_;        // by id
  std::map<std::string, double> open_names_;  // of orders without a report, since
  unsigned starts_ = 0;
  unsigned last_address_ = 0;
};

[[nodiscard]] Fleet::Options options_of(unsigned max);

}  // namespace sluice::actuate::test
