// SPDX-License-Identifier: Apache-2.0
// Health of one pool: a state machine for each backend, outlier detection over all of them with its
// limits, and panic. Answers who takes new flows and who keeps the ones it has.
//
// Threads: slow path. No clock and no chance of its own: the same calls give the same changes.
#pragma once

#include "base/address.hpp"
#include "config/configuration.hpp"
#include "health/machine.hpp"
#include "health/outlier.hpp"
#include "health/signals.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::health {

/// What is kept of a pool: by names of backends.
using KeptPool = std::map<std::string, Kept>;

/// How one backend stands.
struct Standing {
  std::string name;
  State state = State::kStarting;    ///< What counts: `checked` under `wish`.
  Wish wish = Wish::kServe;          ///< The operator's.
  State checked = State::kStarting;  ///< By checks alone.
  Time since{};                      ///< When `state` became so.
  bool takes_new_flows = false;
  bool keeps_flows = false;
  bool changing = false;        ///< The next probes may change it: ask at the fast interval.
  std::optional<Outcome> last;  ///< Of probes; none yet.
  unsigned good = 0;            ///< Good answers in a row,
  unsigned bad = 0;             ///< or failures in a row.
  unsigned ejections = 0;       ///< Not forgotten yet: the next one lasts the longer.
  std::optional<Time> ejected_until;
  unsigned flaps = 0;                ///< Times it fell since the daemon started.
  std::chrono::milliseconds hold{};  ///< How long it has to answer well before it comes up.
};

class PoolHealth {
 public:
  PoolHealth(const config::Pool& pool, Time now);
  PoolHealth(const PoolHealth&) = delete;  // order_ points into members_
  PoolHealth& operator=(const PoolHealth&) = delete;
  PoolHealth(PoolHealth&&) = default;
  PoolHealth& operator=(PoolHealth&&) = default;

  /// Takes up what was kept `away` ago; backends of other names stay as they are. Call it, and
  /// assume(), before anything else.
  void restore(const KeptPool& kept, std::chrono::milliseconds away, Time now);
  void assume(const std::function<Wish(std::string_view backend)>& wish);
  [[nodiscard]] KeptPool kept(Time now) const;

  // Each of these returns the changes that it made, in the order in which they came about: of
  // backends, then of the pool. Names that are not in the pool change nothing. `now` never goes
  // back.

  /// Another configuration of this pool. Backends keep their health by name, but one of another
  /// address or port begins anew.
  std::vector<Change> replace(const config::Pool& pool, Time now);
  std::vector<Change> wish(std::string_view backend, Wish wish, Time now);
  std::vector<Change> probed(std::string_view backend, const Outcome& outcome, Time now);
  /// Totals of a backend's traffic, every 100 ms or more often. Needs no call where the pool has no
  /// outlier detection.
  std::vector<Change> observed(std::string_view backend, const Signals& totals, Time now);
  std::vector<Change> tick(Time now);
  /// When tick() does something at the earliest; std::nullopt: never, as things are.
  [[nodiscard]] std::optional<Time> next_tick() const;

  [[nodiscard]] std::vector<Standing> standings() const;  ///< In the order of the configuration.
  /// What of a backend is asked for often, without a copy.
  struct Glance {
    const std::string& name;
    const Machine& machine;
    bool takes_new_flows;
    bool keeps_flows;
  };
  /// Calls see(const Glance&) for each backend, in the order of the configuration.
  void each(auto&& see) const {
    for (const auto* member : order_)
      see(Glance{member->first, member->second.machine, takes(member->second.part, panic_),
                 keeps(member->second.part, panic_)});
  }
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  /// No backend has not been heard of yet.
  [[nodiscard]] bool all_known() const noexcept { return tally_.unheard == 0; }
  /// Whether a backend's next probes may change it; false for one that is not in the pool.
  [[nodiscard]] bool changing(std::string_view backend) const;
  /// Fewer backends are usable than the pool's threshold asks for: all that may answer take flows.
  [[nodiscard]] bool panic() const noexcept { return panic_; }
  /// Of the pool: kUp; kDegraded in panic; kDown when no backend takes new flows; kStarting when
  /// none does yet, and some have not been heard of.
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] Time since() const noexcept { return since_; }
  /// Grows whenever takes_new_flows or keeps_flows of a backend changes: only then the data path's
  /// tables do.
  [[nodiscard]] std::uint64_t table_version() const noexcept { return table_version_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Backends looked at since the pool was made: what its calls cost. wish(), probed() and
  /// observed() look at a few whatever the size of the pool, all others at each.
  [[nodiscard]] std::uint64_t looked_at() const noexcept { return looked_at_; }

 private:
  /// What of a backend the pool goes by.
  struct Part {
    State state = State::kStarting;
    State checked = State::kStarting;
    Wish wish = Wish::kServe;
    bool proven = false;
    bool hopeless = false;
    friend bool operator==(const Part&, const Part&) = default;
    /// Who never was up yet, as one that loads its model, is neither missed nor sent to.
    [[nodiscard]] bool counts() const noexcept { return wish == Wish::kServe && proven; }
    /// Takes flows in panic only. A client that is refused or gets nowhere has nothing from it.
    [[nodiscard]] bool spare() const noexcept {
      return counts() && !takes_new_flows(state) && !hopeless;
    }
  };
  /// How many there are of each kind.
  struct Tally {
    std::size_t usable = 0;    ///< Take new flows, were there no panic.
    std::size_t counted = 0;   ///< Part::counts().
    std::size_t spare = 0;     ///< Part::spare().
    std::size_t ejected = 0;   ///< By checks, whatever is wished.
    std::size_t unheard = 0;   ///< Not heard of yet, likewise.
    std::size_t starting = 0;  ///< Of those that shall serve, not heard of yet,
    std::size_t judged = 0;    ///< or heard of.
    void add(const Part& part, std::size_t times) noexcept;
  };
  struct Member {
    IpAddress address;
    std::uint16_t port;
    Machine machine;
    Part part = {};                              ///< As it is in tally_.
    Part judged = {};                            ///< As it was when the pool was judged last.
    bool touched = false;                        ///< It is in touched_.
    bool is_new = true;                          ///< It is not in tally_ yet.
    std::optional<Time> readmissible_from = {};  ///< It is in readmissible_ with that time.
  };
  using Members = std::map<std::string, Member, std::less<>>;

  /// After each call of a member's machine. @return whether what the pool goes by has changed.
  bool recount(Members::value_type& member);
  void recount_all();
  [[nodiscard]] static bool takes(const Part& part, bool panic) noexcept {
    return takes_new_flows(part.state) || (panic && part.spare());
  }
  [[nodiscard]] static bool keeps(const Part& part, bool panic) noexcept {
    return takes(part, panic) || keeps_flows(part.state);
  }
  void settle(std::vector<Change>& changes, Time now);
  void limit_ejections(std::vector<Change>& changes, Time now);
  bool readmit_one(std::string_view why, std::vector<Change>& changes, Time now);
  void judge_pool(std::vector<Change>& changes, Time now);
  void act(Members::value_type& member, const Suspicion& suspicion, std::vector<Change>& changes,
           Time now);
  void add(std::vector<Change>& changes, std::string_view backend, std::optional<Change> change);
  [[nodiscard]] bool may_eject() const noexcept;
  [[nodiscard]] std::size_t most_ejected() const noexcept;
  [[nodiscard]] std::size_t least_usable() const noexcept;
  [[nodiscard]] Machine::Rules rules() const;
  template <class Step>
  std::vector<Change> step(std::string_view backend, Time now, Step step);

  std::string name_;
  std::optional<config::Health> check_;
  std::optional<config::Outlier> outlier_;
  unsigned panic_threshold_ = 0;
  unsigned min_healthy_ = 1;

  std::vector<const Members::value_type*> order_;  ///< Of the configuration.
  Members members_;
  std::optional<OutlierDetector> detector_;
  Tally tally_;
  std::vector<Members::value_type*> touched_;  ///< Changed since the pool was judged last.
  /// Ejected ones that may come back before their time, soonest first.
  std::set<std::pair<Time, std::string_view>> readmissible_;
  std::uint64_t looked_at_ = 0;
  bool panic_ = false;
  State state_ = State::kStarting;
  Time since_;
  std::uint64_t table_version_ = 0;
};

}  // namespace sluice::health
