// SPDX-License-Identifier: Apache-2.0
// From what a pool's backends tell to what the controller of the pool is told: requests that came
// and that were served, the queue, and how much is not known.
//
// Threads: one at a time. Time is what the caller says.
#pragma once

#include "base/result.hpp"
#include "scrape/reading.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scrape {

/// What the data path sees of a pool. It counts connections, of which one may carry many requests.
struct FlowSignals {
  double new_flows = 0;   ///< Since the tick before.
  double unanswered = 0;  ///< Likewise: first packets sent again, which nobody had answered.
  double refused = 0;     ///< Likewise: for want of a backend.
  double active = 0;      ///< Flows now.
};

/// A backend as it stands at a tick.
struct Member {
  std::string_view name;
  std::size_t backend_class = 0;  ///< Index among the pool's.
  bool ready = false;             ///< Takes new flows.
  double capacity = 0;            ///< Requests/s of its class; 0: not known.
  double service_time_s = 0;      ///< Of its class; 0: not known.
  double new_flows = 0;           ///< Of the data path, since the tick before.
  double active_flows = 0;        ///< Likewise, now.
};

/// What a backend of a class completed a second while it always had requests waiting.
struct Saturated {
  std::size_t backend_class = 0;
  double requests_per_second = 0;
};

/// What goes into autoscale::Observation, in its words and units.
struct Tick {
  double arrivals = 0;
  double served = 0;
  double queue = 0;
  double inflight = 0;
  double silent = 0;  ///< Share of the ready capacity that told nothing.
  std::vector<Saturated> saturated = {};
};

/// The demand on one pool.
///
/// Requests come as fast as they are completed and their number in the backends grows: L = d(done)
/// + d(running + waiting). Both are taken from the times of two readings, so that a late scrape is
/// no lull and the one after it no burst. Requests that no backend accepted (unanswered, refused)
/// wait as well. A pool without metrics goes by its flows.
///
/// A backend whose load is not known (stale, missing, NaN, negative, absurd) is silent. It counts
/// with the mean of those that tell while they are the greater part, else with its own last
/// figures, never above its capacity; and the share of silent ones is told, so that nothing is
/// taken away meanwhile. One that has told nothing twice has no rate yet, and is silent too. So is
/// one whose counter went back, for `stale_after`: another process answers now, or several in turn;
/// and one whose figures all stand still while flows begin and stay at it.
class Demand {
 public:
  struct Options {
    std::string pool = {};
    bool scraped = true;                          ///< False: by flows alone.
    std::chrono::milliseconds stale_after{3000};  ///< Age of a reading that counts no more.
  };

  /// Flows that began at a backend and stayed while it told the very same for so long: then it
  /// stands still. Fewer may be connections of which no request came yet.
  static constexpr double kUntoldFlows = 8;
  static constexpr std::chrono::seconds kUntoldFor{3};

  explicit Demand(Options options) : options_(std::move(options)) {}
  void configure(Options options) { options_ = std::move(options); }

  /// A scrape of a backend was read. One without any usable signal is a failure of its own.
  void read(const std::string& backend, const Reading& reading);
  /// A scrape of it failed.
  void failed(const std::string& backend, std::string why);
  /// Forgets all backends but those for which `stays`.
  void retain(const std::function<bool(const std::string& backend)>& stays);

  /// What happened since the tick before; the first one tells no arrivals. Backends of the pool
  /// that are not in `members` count for nothing.
  /// @param now  not before that of the last tick.
  /// Cost: linear in the backends, about 0.1 us each.
  [[nodiscard]] Tick tick(Time now, std::span<const Member> members, const FlowSignals& flows);

  /// Requests in a backend as last told; std::nullopt: it is silent.
  [[nodiscard]] std::optional<double> inside(std::string_view backend, Time now) const;
  /// Likewise the whole reading; null: there was none.
  [[nodiscard]] const Reading* last(std::string_view backend) const;
  /// Why the last scrape of a backend failed; empty: it did not.
  [[nodiscard]] std::string_view problem(std::string_view backend) const;

  /// One sentence for each backend that fell silent or tells in part since the last call, and for
  /// each that tells again.
  /// @param in_service  backends of which it matters: nobody expects a starting one to tell.
  [[nodiscard]] std::vector<std::string> notices(
      Time now, const std::function<bool(const std::string& backend)>& in_service);

  /// What later ticks depend on; times as ages.
  [[nodiscard]] nlohmann::json save(Time now) const;
  /// Goes on from there, `away` later. @return kInvalid, and nothing has changed, when the state is
  /// not one of ours.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state, Time now,
                                     std::chrono::milliseconds away);

 private:
  /// Requests a second.
  struct Rates {
    double arrivals = 0;
    double served = 0;
  };
  /// One backend's books.
  struct Account {
    std::optional<Reading> last = {};
    // Since the last tick that had readings to count.
    double completed = 0;
    double growth = 0;
    double running_seconds = 0;  ///< Of times without a counter.
    double seconds = 0;
    double lack = 0;  ///< Below 0: what the tick before saw too little of, set off once.
    std::optional<Rates> rates = {};
    // While it had requests waiting at both ends of each step.
    double full_completed = 0;
    double full_seconds = 0;
    Time doubted_until{};  ///< Its counter went back: until then it is silent.
    double untold = 0;     ///< Flows that began and stayed since a figure changed ...
    Time untold_since{};   ///< ... the first of them then.
    bool still = false;    ///< So many for so long that its figures are none.
    std::string problem = {};
    std::string told = {};  ///< Trouble that was told; empty: none.
  };
  using Accounts = std::map<std::string, Account, std::less<>>;

  [[nodiscard]] bool silent(const Account* account, Time now) const;
  [[nodiscard]] const Account* find(std::string_view backend) const;
  void step(Account& account, const Reading& reading) const;
  void look_whether_still(Account& account, const Reading& reading) const;
  static void count_untold(Account& account, const Member& member, Time now);
  static void settle(Account& account, const Member& member);
  static void learn(Account& account, const Member& member, std::vector<Saturated>& into);
  [[nodiscard]] Tick by_flows(const FlowSignals& flows);

  Options options_;
  Accounts accounts_;
  std::optional<Time> ticked_;
  double unserved_ = 0;  ///< At the tick before.
  double active_ = 0;
};

}  // namespace sluice::scrape
