// SPDX-License-Identifier: Apache-2.0
// The health of all pools as the daemon keeps it: asks the backends, judges their answers and their
// traffic, remembers over restarts, and says who takes flows.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "config/configuration.hpp"
#include "control/event_log.hpp"
#include "control/health_targets.hpp"
#include "control/operator_state.hpp"
#include "health/pool_health.hpp"
#include "health/prober.hpp"
#include "health/signals.hpp"
#include "health/store.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// Outcomes of the probes of one backend, or of a pool's, since the daemon started.
struct ProbeCounts {
  /// Upper bounds of the buckets below, in seconds; a last one has no bound.
  static constexpr std::array kBounds{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0};
  std::array<std::uint64_t, static_cast<std::size_t>(health::Fault::kLocal) + 1> by_fault{};
  std::array<std::uint64_t, kBounds.size() + 1> by_time{};
  std::chrono::microseconds time{};

  void add(const health::Outcome& outcome) noexcept;
};

class HealthKeeper {
 public:
  struct Parts {
    EventLoop& loop;
    EventLog& events;
    /// Totals of a backend's traffic over all workers; may be empty: traffic is not judged then.
    std::function<health::Signals(const std::string& pool, const std::string& backend)> signals;
    /// Flows that a backend has now, over all workers; may be empty: drains end by time alone.
    std::function<std::uint64_t(const std::string& pool, const std::string& backend)> active;
    /// Who takes or keeps flows has changed: called once a turn, at its end.
    std::function<void()> changed;
    /// When the driver last saw a good answer from an address; may be empty.
    std::function<std::optional<EventLoop::Clock::time_point>(const IpAddress&)> driver_saw;
    /// How each probe ended, for who wants more of it than health; may be empty.
    std::function<void(const health::Target&, const health::Outcome&)> probed = {};
  };

  /// How often traffic is judged and time counts.
  static constexpr std::chrono::milliseconds kStep{50};

  /// Reads what was kept in `directory`. @return kIo when libcurl does not start.
  [[nodiscard]] static Result<std::unique_ptr<HealthKeeper>> open(Parts parts,
                                                                  std::string directory);
  HealthKeeper(const HealthKeeper&) = delete;
  HealthKeeper& operator=(const HealthKeeper&) = delete;
  ~HealthKeeper();

  /// Other pools, wishes or next hops from now on. Does not call `changed`.
  void follow(const config::Configuration& running, const OperatorState& wishes,
              const Reaches& reaches, const std::vector<EgressPort>& ports);

  /// The driver saw something: who refused, reset or was unreachable is asked at once, and so is
  /// who answered and takes no flows yet.
  void look_at(const std::set<IpAddress>& doubtful, const std::set<IpAddress>& answering);

  /// What is to be done with a backend by its health; std::nullopt: nothing is known of it. The
  /// operator's wish is not in it, but that a drain whose time is over keeps no flow.
  [[nodiscard]] std::optional<Use> use(std::string_view pool, std::string_view backend) const;
  /// Null when there is no such pool.
  [[nodiscard]] const health::PoolHealth* pool(std::string_view name) const;
  [[nodiscard]] const ProbeCounts* counts(std::string_view pool, std::string_view backend) const;
  /// Of all its backends, also those that have left it since.
  [[nodiscard]] const ProbeCounts* counts(std::string_view pool) const;
  [[nodiscard]] std::size_t targets() const noexcept { return prober_->targets(); }
  /// No backend is still waiting for its first answer.
  [[nodiscard]] bool first_round_done() const;
  /// Who takes flows has changed in this turn, and `changed` is yet to be called for it.
  [[nodiscard]] bool has_news() const noexcept { return *notice_; }

  /// Writes what must outlive the daemon, when it differs from what was written last.
  void save();
  /// Why it could not be written or read; empty: it could.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  struct Backend {
    Use use = {};
    std::optional<ProbeCounts> counts = {};  ///< Absent: never asked.
    bool fast = false;                       ///< The prober was told to ask it fast.
  };
  struct Pool {
    health::PoolHealth health;
    bool watched = false;    ///< Its traffic is judged.
    bool stale = false;      ///< What `backends` say of its health is from before a change.
    std::uint64_t told = 0;  ///< Version of its table that `changed` was called for.
    std::map<std::string, Backend, std::less<>> backends = {};
    ProbeCounts counts = {};  ///< Of the pool: backends come and go, a counter never falls.
  };

  /// A backend that the operator drains.
  struct Drain {
    std::string pool;
    std::string backend;
    EventLoop::Clock::time_point since;
    std::chrono::seconds at_most;  ///< 0: as long as its flows last.
    bool empty = false;            ///< It has no flow left, and that was told.
    bool cut = false;              ///< Its time is over: it keeps none.
  };

  HealthKeeper(Parts parts, std::string directory, std::unique_ptr<health::Prober> prober);
  void probed(const health::Target& target, const health::Outcome& outcome);
  void step();
  /// Makes events of changes. @return whether there were any.
  bool note(const std::vector<health::Change>& changes);
  void refresh(Pool& pool, bool tell_all = false);
  void refresh_later(Pool& pool);
  void refresh_stale();
  void follow_drains(const config::Configuration& running, const OperatorState& wishes);
  bool step_drains(EventLoop::Clock::time_point now);
  /// A hash of what the file says, but for times, which never stand still. Cost: 20 ns a backend.
  [[nodiscard]] std::uint64_t essence() const;

  Parts parts_;
  std::string directory_;
  std::unique_ptr<health::Prober> prober_;
  std::map<std::string, Pool, std::less<>> pools_;
  std::map<std::string, Drain, std::less<>> drains_;
  health::KeptHealth kept_;             ///< Read at the start, for pools that come.
  std::optional<std::uint64_t> saved_;  ///< essence() of what was written last.
  std::string problem_;
  std::vector<std::string> left_out_;
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
  std::shared_ptr<bool> notice_ = std::make_shared<bool>(false);  ///< A pool is stale.
};

}  // namespace sluice::control
