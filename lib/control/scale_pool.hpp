// SPDX-License-Identifier: Apache-2.0
// One pool under the autoscaler: what is seen of it goes to the controller, what that wants to the
// fleet, and what the fleet asks for to the actuator and into the tables.
//
// Threads: slow path.
#pragma once

#include "actuate/actuator.hpp"
#include "actuate/fleet.hpp"
#include "autoscale/controller.hpp"
#include "base/event_loop.hpp"
#include "config/configuration.hpp"
#include "control/event_log.hpp"
#include "control/load_history.hpp"
#include "control/waiting_clients.hpp"
#include "health/state.hpp"
#include "scrape/demand.hpp"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::control {

/// What the node sees of a pool. Counts are of all time: a backend's, of its number's time.
struct PoolSight {
  struct Flows {
    std::uint64_t begun = 0;
    std::uint64_t unanswered = 0;  ///< First packets that no answer came to.
    bool takes_new = false;        ///< New flows may go to it.
  };
  std::vector<actuate::Seen> backends = {};
  std::vector<Flows> flows = {};  ///< Beside `backends`.
  std::uint64_t unserved = 0;     ///< Attempts at a flow that found no backend.
};

/// What all pools share. Functions are never empty.
struct ScaleParts {
  EventLoop& loop;
  EventLog& events;
  std::function<PoolSight(const std::string& pool)> sight;
  /// Only the attempts of a sight that found no backend: cheap, asked often.
  std::function<std::uint64_t(const std::string& pool)> unserved;
  std::function<scrape::Demand*(const std::string& pool)> demand;
  // Changes of the tables, as an operator makes them.
  std::function<Result<void>(const std::string& pool, const config::Backend& backend)> add;
  std::function<Result<void>(const std::string& pool, const std::string& backend)> remove;
  std::function<Result<void>(const std::string& pool, const std::string& backend, health::Wish)>
      wish;
  std::function<Result<std::unique_ptr<actuate::Actuator>>(const config::Actuator& settings,
                                                           const actuate::Context& context,
                                                           actuate::Actuator::OnReport report)>
      actuator;
  std::function<std::chrono::system_clock::time_point()> wall;
  /// Whether clients of a pool should be kept waiting has changed, see ScalePool::awaits().
  std::function<void()> awaiting_changed;
  std::string node = {};  ///< Its name: with the pool's the owner of what is started.
};

/// A decision that was told.
struct ToldDecision {
  std::chrono::system_clock::time_point at;
  autoscale::Decision decision;
};

/// What was done for a pool since the daemon started.
struct ScaleCounts {
  std::array<std::uint64_t, 6> orders{};                     ///< By actuate::Verb.
  std::uint64_t failures = 0;                                ///< Orders that came to nothing.
  std::map<autoscale::Cause, std::uint64_t> decisions = {};  ///< Ticks, by cause.
  std::uint64_t late_ticks = 0;
};

class ScalePool {
 public:
  static constexpr std::size_t kMostTold = 100;
  /// Between ticks out of turn and the one before, s: of a shorter time rates are chance.
  static constexpr double kLeastGap = 0.5;

  /// @param parts      lives longer.
  /// @param id_prefix  of orders; another one in each life of the daemon.
  /// @param pool       with `autoscale`.
  ScalePool(const ScaleParts& parts, std::string id_prefix, const config::Pool& pool);
  ScalePool(const ScalePool&) = delete;
  ScalePool& operator=(const ScalePool&) = delete;
  ~ScalePool();

  /// Another configuration takes effect; what was learned stays.
  void configure(const config::Pool& pool);
  /// Looks, decides, and does what is to be done.
  void tick();
  /// Whether somebody has asked for a pool at zero since the last tick: the next one is due then.
  /// @param unserved  as ScaleParts::unserved says now.
  [[nodiscard]] bool asked(std::uint64_t unserved) const;

  // The operator's hand. @return kInvalid when the pool may not have so many.
  [[nodiscard]] Result<void> override_with(unsigned count,
                                           std::optional<std::chrono::seconds> lasts,
                                           std::string_view who);
  void resume(std::string_view who);
  void pause(std::string_view who);

  /// The pool has nobody to take flows because it was scaled to zero or is starting: its clients
  /// are kept waiting rather than refused, so that the first backend serves them.
  [[nodiscard]] bool awaits() const noexcept { return awaits_; }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const config::Autoscale& settings() const noexcept { return autoscale_; }
  [[nodiscard]] const std::vector<config::BackendClass>& classes() const noexcept {
    return classes_;
  }
  [[nodiscard]] const autoscale::Controller& controller() const noexcept { return controller_; }
  [[nodiscard]] const actuate::Fleet& fleet() const noexcept { return fleet_; }
  /// Null: it could not be made; see trouble().
  [[nodiscard]] const actuate::Actuator* actuator() const noexcept { return actuator_.get(); }
  /// Why there is no actuator, or else how the last order failed; empty: all is well.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }
  [[nodiscard]] const ScaleCounts& counts() const noexcept { return counts_; }
  /// Oldest first.
  [[nodiscard]] const std::deque<ToldDecision>& told() const noexcept { return told_; }
  [[nodiscard]] const LoadHistory& history() const noexcept { return history_; }
  [[nodiscard]] LoadHistory& history() noexcept { return history_; }
  [[nodiscard]] bool decided() const noexcept { return last_t_.has_value(); }
  [[nodiscard]] double now() const { return seconds(); }  ///< The clock of fleet and controller.
  /// Of an override by hand, seconds that are left; absent: it has no end, or there is none.
  [[nodiscard]] std::optional<double> override_left() const;

  /// What later ticks depend on.
  [[nodiscard]] nlohmann::json save() const;
  /// Goes on from there, `away` later. @return kInvalid; some of it may then have been taken over.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state, std::chrono::milliseconds away);
  /// Something was done that a restart must know of; the flag is lowered by asking.
  [[nodiscard]] bool take_changed() noexcept { return std::exchange(changed_, false); }

 private:
  [[nodiscard]] double seconds() const;
  void make_actuator();
  [[nodiscard]] actuate::Fleet::Options fleet_options() const;
  [[nodiscard]] scrape::Tick measure(const PoolSight& sight, double passed);
  void decide(const PoolSight& sight);
  void run_fleet(const PoolSight& sight, bool act);
  void carry_out(const std::vector<actuate::Action>& actions);
  void report(const actuate::Report& report);
  void look_for_waiting(const PoolSight& sight);
  void tell_decision(const autoscale::Decision& decision);
  void tell(Level level, std::string event, std::string_view text);
  void restore_override(const nlohmann::json& state, double t, std::chrono::milliseconds away);
  void changed_by_hand(std::string_view what, std::string_view who);

  const ScaleParts& parts_;
  std::string id_prefix_;
  std::string name_;
  config::Autoscale autoscale_;
  std::vector<config::BackendClass> classes_;
  autoscale::Controller controller_;
  std::unique_ptr<actuate::Actuator> actuator_;
  actuate::Fleet fleet_;
  std::vector<unsigned> wanted_;  ///< By class; empty: nothing was decided yet.
  std::vector<actuate::Report> reports_;
  std::vector<std::string> refused_;  ///< Backends that the table did not take.
  std::map<std::string, PoolSight::Flows, std::less<>> flows_before_;
  std::optional<std::uint64_t> unserved_before_;
  std::optional<double> last_t_;  ///< Of the last tick.
  std::optional<double> override_until_;
  unsigned override_count_ = 0;
  std::deque<ToldDecision> told_;
  LoadHistory history_;
  WaitingClients waiting_;
  ScaleCounts counts_;
  std::string trouble_;
  bool awaits_ = false;
  bool changed_ = false;
  /// A step is due for reports; false once this is gone.
  std::shared_ptr<bool> due_ = std::make_shared<bool>(false);
};

}  // namespace sluice::control
