// SPDX-License-Identifier: Apache-2.0
// The backends of one pool that the autoscaler started: from how many there should be, what is seen
// of them and what became of orders to what is to be done next.
//
// Threads: a value of one thread. No input and no output; time is what the caller says.
#pragma once

#include "actuate/action.hpp"
#include "actuate/order.hpp"
#include "actuate/unit.hpp"
#include "autoscale/controller.hpp"
#include "base/result.hpp"
#include "config/autoscale.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::actuate {

/// Each step compares what is with what should be, so that a report that never comes, a restart in
/// the middle of anything or a hand that interferes is made good by a later step. What holds at
/// each step:
/// - one start for one deficit: what is on its way counts, and no name has two orders under way;
/// - what drains is taken back before what sleeps is woken before anything is started;
/// - ready and starting ones together never pass `max`, of the pool and of each class; draining
///   ones come on top;
/// - a backend is stopped when it drains and has no flow, or has drained for the limit;
/// - nothing is started before the first list has come, so that what an earlier life of the daemon
///   left running is found first. All of that is taken on, up to `max`: the controller sees it, and
///   takes away what is too much by draining.
class Fleet {
 public:
  struct Options {
    std::string pool = {};
    /// Of what is started: "NODE/POOL". A backend that is told to be another's is not counted,
    /// not taken on and not stopped, whatever its name is.
    std::string owner = {};
    std::string id_prefix =
        {};  ///< Of orders: "NODE-BOOT", another one in each life of the daemon.
    std::vector<config::BackendClass> classes = {};  ///< At least one.
    unsigned max = 1;                                ///< Of the pool.
    double drain_limit_s = 600;
    Ability ability = {};
    /// An order without a report for so long counts as timed out: longer than all its retries.
    double order_limit_s = 300;
    double list_every_s = 60;  ///< By count, a tenth of it: there all that starts is found so.
    /// A backend that was ready and is down counts as on its way for so long; then it is replaced.
    double lost_after_s = 60;
    /// Least time from a drain to a stop: by then the workers and the counts of flows know of it.
    double settle_s = 3;
    /// After the first list of a fleet without a memory nothing is taken away for so long: what is
    /// wanted was decided without what has been found. Longer than two ticks.
    double found_hold_s = 30;
  };

  /// @param options  classes as config::check() accepts them.
  explicit Fleet(Options options);

  /// What is to be done. Call it each tick, and at once when a report has come.
  /// Cost: some microseconds for each backend.
  [[nodiscard]] std::vector<Action> step(const Input& input);

  /// By class, of all backends of the pool, as of the last step: for the controller. Backends that
  /// the fleet did not start count as ready, or as starting while they are new or briefly down.
  [[nodiscard]] const std::vector<autoscale::Fleet>& counts() const noexcept { return counts_; }
  [[nodiscard]] const Lessons& lessons() const noexcept { return lessons_; }  ///< Of the last step.
  /// Those that were started, are on their way or asleep, by name.
  [[nodiscard]] const std::map<std::string, Unit>& units() const noexcept { return units_; }
  /// Orders without a report.
  [[nodiscard]] std::size_t pending() const noexcept;
  /// Starts of the class are held back until then, after failures; 0: they are not.
  [[nodiscard]] double held_back_until(std::string_view backend_class) const noexcept;
  /// Failed starts of the class in a row.
  [[nodiscard]] unsigned failures(std::string_view backend_class) const noexcept;

  /// Another configuration takes effect. Backends of a class that is no more are drained.
  void configure(Options options);

  /// Everything that later steps depend on, but the options.
  [[nodiscard]] nlohmann::json save() const;
  /// Goes on from there. Orders without a report are given again, under the same ids, in the next
  /// step. Times are shifted by `t_now - t_saved`.
  /// @return kInvalid, and nothing has changed, when the state is not one of ours.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state, double t_now);

 private:
  struct Step;  // of one call of step(): what is seen by name, the actions so far

  // fleet.cpp
  static void tell(Step& step, bool warning, std::string event, std::string text);
  const std::string& give(Step& step, Order order);
  void order_unit(Step& step, Unit& unit, Verb verb);
  void enter(Unit& unit, Phase phase) const;
  void drain(Unit& unit, Unit::Next next, bool lost) const;
  void give_again(Step& step);
  void look(Step& step);
  void look_at_coming(Step& step, Unit& unit);
  void look_at_serving(Step& step, Unit& unit);
  void look_at_draining(Step& step, Unit& unit);
  [[nodiscard]] bool lacks_failing(const Step& step) const;
  void look_for_lost(Step& step);
  void keep_table(Step& step);
  void count(const Step& step);
  void count_unit(const Step& step, const Unit& unit);
  void count_other(const Seen& seen);
  [[nodiscard]] std::size_t index_of(std::string_view backend_class) const noexcept;
  [[nodiscard]] double start_limit(const Unit& unit) const;
  // fleet_reports.cpp
  void take_reports(Step& step);
  void take_report(Step& step, const Report& report);
  void take_end(Step& step, Unit& unit, const Report& report);
  void forget(const Unit& unit);
  void came_up(Step& step, Unit& unit, const Report& report);
  void start_failed(Step& step, const Unit& unit, const std::string& why, bool late);
  void try_later(Step& step, Unit& unit, const Report& report);
  [[nodiscard]] std::string against(const Step& step, const Unit& unit, Verb verb,
                                    const Report& report) const;
  [[nodiscard]] std::string user_of(const Step& step, const Member& member) const;
  // fleet_listing.cpp
  void ask_for_list(Step& step);
  void take_list(Step& step, const Report& report);
  [[nodiscard]] bool foreign(const Member& member) const;
  void leave_to_owner(Step& step, const Member& member);
  void take_known(Step& step, Unit& unit, const Member& member);
  void take_orphan(Step& step, const Member& member, std::size_t index);
  void take_counted(Step& step, const Member& member);
  void look_for_missed(Step& step, const std::set<std::string>& listed, double asked);
  // fleet_balance.cpp
  void balance(Step& step);
  void add_some(Step& step, std::size_t index, unsigned deficit);
  void take_away(Step& step, std::size_t index, unsigned surplus);
  void start(Step& step, std::size_t index, unsigned how_many);
  [[nodiscard]] unsigned take_back(Step& step, std::size_t index, unsigned deficit);
  [[nodiscard]] unsigned cancel(Step& step, std::size_t index, unsigned surplus);
  void drain_some(Step& step, std::size_t index, unsigned surplus);
  [[nodiscard]] std::optional<Member> next_member(const Step& step, std::size_t index) const;
  [[nodiscard]] unsigned room(std::size_t index) const;
  [[nodiscard]] bool sleeps_next(const Unit& unit) const;
  // fleet_counted.cpp
  void balance_counted(Step& step);
  void take_count(Step& step, const Report& report);
  void publish_count(Step& step, unsigned wanted);
  void add_counted(Step& step, unsigned deficit);
  void take_away_counted(Step& step, unsigned surplus);
  void stop_counted(Step& step);
  void order_count(Step& step, unsigned count, const std::string& victim);
  [[nodiscard]] unsigned expected() const;

  /// Of a class, what is remembered of its starts.
  struct Starts {
    unsigned failures = 0;  // in a row
    unsigned late = 0;      // of them, those that never became ready
    double not_before = 0;
    bool held_back_told = false;
  };
  struct Pending {
    std::string id;
    double t = 0;
  };

  Options options_;
  std::map<std::string, Unit> units_;
  std::map<std::string, Starts, std::less<>> starts_;  // by class
  std::map<std::string, double> down_since_;           // of all in the table
  std::vector<autoscale::Fleet> counts_;
  Lessons lessons_;
  std::uint64_t last_id_ = 0;
  double now_ = 0;
  // Lists.
  std::optional<Pending> list_;
  double next_list_ = 0;
  bool listed_ = false;  // once, or that has failed
  bool list_failing_ = false;
  bool stateless_ = true;            // nothing was restored, and no list has come
  double keep_until_ = 0;            // nothing is taken away before
  std::set<std::string> strangers_;  // told
  std::set<std::string> foreign_;    // names that others' backends have, by the last list
  std::set<std::string> ended_;      // names that ended since the list under way was asked for
  // By count.
  std::optional<Order> count_order_;
  double count_order_t_ = 0;
  std::optional<unsigned> asked_;  // that the actuator was last told, or told us
  double asked_since_ = 0;
  unsigned count_failures_ = 0;
  double count_not_before_ = 0;
  bool expected_told_ = false;
  unsigned others_ = 0;  // in the table, neither ours nor of the configuration file
  // Others.
  bool no_room_told_ = false;
  bool mass_loss_told_ = false;
  bool resend_ = false;
};

}  // namespace sluice::actuate
