// SPDX-License-Identifier: Apache-2.0
// State machine of one backend: probes, suspicions of its traffic, the operator's wish and time go
// in; its state and the reasons of each change come out. See docs/design/health.md.
//
// Threads: slow path. No clock and no chance of its own: the same calls give the same changes.
#pragma once

#include "health/damper.hpp"
#include "health/outcome.hpp"
#include "health/state.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {

/// What of a backend's health outlives the daemon. Times are relative to when it was kept.
struct Kept {
  State checked = State::kStarting;
  bool proven = false;                      ///< It has been up.
  std::chrono::milliseconds age{};          ///< Time in its state.
  unsigned ejections = 0;                   ///< Remembered ones.
  std::chrono::milliseconds ejected_for{};  ///< Rest of its ejection.
  std::chrono::milliseconds hold{};         ///< As Machine::hold().
  double penalty = 0;                       ///< Of flap damping.

  friend bool operator==(const Kept&, const Kept&) = default;
};

class Machine {
 public:
  struct Rules {
    bool probed = false;  ///< There is an active check; else it counts as up.
    unsigned rise = 2;    ///< Good answers in a row that bring it up.
    unsigned fall = 3;    ///< Failures in a row that take it down.
    std::chrono::milliseconds forgiven_after{30'000};  ///< Calm that halves the next ejection.

    friend bool operator==(const Rules&, const Rules&) = default;
  };

  /// A backend that nothing is known of: starting, or up where nobody probes.
  Machine(const Rules& rules, Time now);

  /// Was so wished before; no change.
  void assume(Wish wish) noexcept { wish_ = wish; }

  // Each of these returns the change of state() that it made, if any, without names of pool and
  // backend. `now` never goes back.

  /// A probe ended. One that says nothing (Outcome::counts()) is only remembered.
  /// @param last_resort  no backend of the pool is usable: the first good answer counts.
  std::optional<Change> answered(const Outcome& outcome, bool last_resort, Time now);
  /// Its traffic is odd: degraded at least until then. Only a backend that takes new flows is
  /// suspected or ejected.
  std::optional<Change> suspect(std::string_view why, std::string evidence, Time until, Time now);
  /// Its traffic failed: no flows until then, and until it answers well if it is probed.
  std::optional<Change> eject(std::string_view why, std::string evidence, Time until, Time now);
  /// Ends an ejection early: the backend is suspected for the rest of it.
  std::optional<Change> readmit(std::string evidence, Time now);
  /// Ends an ejection, and all suspicion: the rules it came from are gone.
  std::optional<Change> pardon(Time now);
  std::optional<Change> wish(Wish wish, Time now);
  std::optional<Change> replace_rules(const Rules& rules, Time now);
  /// Another server has this name now: all that is known of the old one is void, but not the wish.
  std::optional<Change> restart(std::string evidence, Time now);
  /// What time alone does. @see next_tick()
  std::optional<Change> tick(Time now);
  /// When tick() does something at the earliest; std::nullopt: never, as things are.
  [[nodiscard]] std::optional<Time> next_tick() const;

  [[nodiscard]] State state() const noexcept;  ///< checked() under the wish.
  /// Health without the wish: starting, up, degraded, down or ejected.
  [[nodiscard]] State checked() const noexcept { return checked_; }
  [[nodiscard]] Wish wish() const noexcept { return wish_; }
  [[nodiscard]] Time since() const noexcept { return since_; }  ///< When state() became so.
  [[nodiscard]] bool proven() const noexcept { return proven_; }
  /// The next probes may change the state: ask faster.
  [[nodiscard]] bool changing() const noexcept;
  /// It fell because nobody listens or nothing leads there: no flow can do well.
  [[nodiscard]] bool hopeless() const noexcept;
  [[nodiscard]] const std::optional<Outcome>& last() const noexcept { return last_; }
  [[nodiscard]] unsigned good() const noexcept { return good_; }  ///< Good answers in a row.
  [[nodiscard]] unsigned bad() const noexcept { return bad_; }    ///< Failures in a row.
  [[nodiscard]] unsigned ejections() const noexcept { return ejections_; }
  [[nodiscard]] std::optional<Time> ejected_until() const noexcept;
  [[nodiscard]] unsigned flaps() const noexcept { return flaps_; }  ///< Times it fell, ever.
  /// How long it has to answer well before it comes up again; 0: no longer than `rise` answers
  /// take.
  [[nodiscard]] std::chrono::milliseconds hold() const noexcept { return hold_; }

  [[nodiscard]] Kept kept(Time now) const;
  /// Takes up what was kept, `away` ago. Only before anything else happens to it.
  void restore(const Kept& kept, std::chrono::milliseconds away, Time now);

 private:
  std::optional<Change> move(State to, std::string_view why, std::string evidence, Time now);
  std::optional<Change> shown(State before, std::string_view why, std::string evidence, Time now);
  std::optional<Change> well(bool last_resort, Time now);
  std::optional<Change> badly(const Outcome& outcome, Time now);
  [[nodiscard]] bool ejection_is_over(Time now) const noexcept;
  [[nodiscard]] bool steady(Time now) const noexcept;
  [[nodiscard]] std::string good_evidence() const;

  Rules rules_;
  State checked_;
  Wish wish_ = Wish::kServe;
  Time since_;
  bool proven_;

  std::optional<Outcome> last_;
  unsigned good_ = 0;
  unsigned bad_ = 0;
  Time good_since_{};
  Fault fell_by_ = Fault::kNone;

  std::optional<Time> suspected_until_;
  Time ejected_until_{};
  unsigned ejections_ = 0;
  Time calm_since_;

  Damper falls_;
  Damper unease_;                     ///< Of up to degraded and back.
  std::chrono::milliseconds hold_{};  ///< Good time that it owes, from up or degraded on.
  unsigned flaps_ = 0;
};

}  // namespace sluice::health
