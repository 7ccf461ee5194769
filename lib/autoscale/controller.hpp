// SPDX-License-Identifier: Apache-2.0
// The autoscaling controller of one pool: what was seen goes in each tick, how many backends of
// each class there should be comes out, with the reason. It starts and stops nothing itself.
//
// Threads: a value of one thread. Time is what the caller says; nothing here reads a clock.
#pragma once

#include "autoscale/decision.hpp"
#include "base/result.hpp"
#include "config/autoscale.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::autoscale {

/// Backends of one class as they are now. Each is in one of the counts.
struct Fleet {
  unsigned ready = 0;     ///< Take new flows.
  unsigned starting = 0;  ///< Asked for, or waking, and not ready yet.
  unsigned draining = 0;  ///< Take no new flows, and may be taken back at once.
  unsigned asleep = 0;
};

/// What was seen of a pool since the tick before.
struct Observation {
  double t = 0;          ///< Seconds of a clock that never goes back.
  std::int64_t utc = 0;  ///< Seconds since 1970, for schedules.
  double arrivals = 0;   ///< Requests that came, since the tick before.
  double served = 0;     ///< Requests that were completed, likewise.
  double queue = 0;      ///< Requests that wait, now: those that no backend accepted included.
  double inflight = 0;   ///< Requests in service and waiting, now.
  std::vector<Fleet> fleet = {};  ///< By class, in the order of the controller's classes.
  /// Share of the ready capacity that told nothing; it counts as present, and nothing is taken away
  /// while it is above 0. 1: nothing is known, and the last decision holds.
  double silent = 0;
};

class Controller {
 public:
  struct Options {
    config::Autoscale autoscale = {};
    std::vector<config::BackendClass> classes = {};  ///< At least one.
    double drain_s = 30;  ///< What a stopped backend still costs: prior of what is learned.
  };

  /// @param options  as config::check() accepts them.
  explicit Controller(Options options);
  Controller(Controller&&) noexcept;
  Controller& operator=(Controller&&) noexcept;
  ~Controller();

  /// Decides. Ticks may be late, early or missed: rates are over the time that really passed.
  /// An observation out of bounds (not finite, negative, time that goes back) is refused whole: the
  /// decision before holds, and says so.
  /// Cost: some 10 us; now and then, when a forecaster fits itself anew, some ms.
  const Decision& tick(const Observation& seen);
  /// The last one; before the first tick: as many as `min`.
  [[nodiscard]] const Decision& decision() const noexcept;

  // The operator's hand; it comes before every policy but not before `min`, `max` of the pool.
  void override_with(unsigned count, std::optional<double> until_t);  ///< Backends in all.
  void resume() noexcept;  ///< By the policies again; ends a pause, too.
  void pause() noexcept;   ///< The last decision holds.
  [[nodiscard]] Standing standing() const noexcept;

  // What is learned of a class; absurd values are refused.
  void learn_start(std::size_t index, double seconds);  ///< One came up so long after the order.
  void learn_drain(double seconds);
  /// What one backend of the class completed a second while it had requests waiting.
  void learn_capacity(std::size_t index, double requests_per_second);
  [[nodiscard]] Learned learned(std::size_t index) const;

  /// Another configuration takes effect; what was learned and seen stays, by names of classes.
  void configure(Options options);

  /// Everything that the next decisions depend on.
  [[nodiscard]] nlohmann::json save() const;
  /// Goes on from there: with the same observations come the same decisions. Times are shifted by
  /// `t_now - t_saved`. @return kInvalid, and nothing has changed, when the state is not one of
  /// ours.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state, double t_now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::autoscale
