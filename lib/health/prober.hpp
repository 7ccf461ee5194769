// SPDX-License-Identifier: Apache-2.0
// Asks every backend again and again whether it is well, by the check of its pool.
//
// Threads: all on the event loop's thread; nothing here waits.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "health/probe.hpp"
#include "health/schedule.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::health {

class CommandProbes;
class CurlProbes;
class IcmpProbes;
class SynProbes;

class Prober {
 public:
  using Clock = EventLoop::Clock;
  using OnOutcome = std::function<void(const Target&, const Outcome&)>;

  struct Options {
    /// Of spread and jitter; absent: a random one, so that nodes of a site do not probe in step.
    std::optional<std::uint64_t> seed = {};
    /// When the driver last saw a good answer from an address (a SYN-ACK, an echo); may be empty.
    std::function<std::optional<Clock::time_point>(const IpAddress&)> driver_saw = {};
  };

  /// @param loop  lives longer than the prober; its clock is the one that counts.
  /// @return kIo when libcurl does not start.
  [[nodiscard]] static Result<std::unique_ptr<Prober>> open(EventLoop& loop, Options options);
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober();

  /// From now on these and no others are asked. Those that stay as they were go on undisturbed;
  /// one that differs in anything begins anew. One target for each pool and backend.
  void set_targets(std::vector<Target> targets);

  /// Called for each outcome at the end of a turn; it may call anything here, and must not throw.
  void on_outcome(OnOutcome callback) { on_outcome_ = std::move(callback); }

  /// Whether a backend is asked in its fast interval: while answers may lead to a change.
  void hurry(std::string_view pool, std::string_view backend, bool fast);

  /// Asks now, and not when it is their turn, those for which `who` is true: something has been
  /// seen of them. Not who is being asked, or was less than kEarlyGap ago, so that signs that
  /// anybody can forge cost little.
  /// @return how many. Cost: a call of `who` for each target.
  std::size_t ask_early(const std::function<bool(const Target&)>& who);
  static constexpr std::chrono::milliseconds kEarlyGap{200};

  /// Outcomes that are told in one turn at most; the others wait for the next ones, in order. Who
  /// hears of them works for each.
  static constexpr std::size_t kOutcomesPerTurn = 128;

  [[nodiscard]] std::size_t targets() const noexcept { return watches_.size(); }
  [[nodiscard]] std::size_t asking() const noexcept { return asking_; }  ///< Questions open now.

 private:
  using Key = std::pair<std::string, std::string>;
  using Names = std::pair<std::string_view, std::string_view>;
  struct ByName {
    using is_transparent = void;
    bool operator()(const Names& a, const Names& b) const noexcept { return a < b; }
  };
  struct Watch : std::enable_shared_from_this<Watch> {
    Target target;
    std::unique_ptr<Probe> probe = {};
    EventLoop::TimerId timer = EventLoop::TimerId::kNone;  ///< Of the next probe, or its time-out.
    Clock::time_point asked_at{};
    bool asked = false;     ///< At least once.
    bool open = false;      ///< A question waits for its answer.
    bool extended = false;  ///< It was given more time because we were late.
    bool fast = false;
    std::optional<Outcome> outcome = {};  ///< Of the last question, until it is delivered.
  };

  Prober(EventLoop& loop, Options options);
  [[nodiscard]] std::unique_ptr<Probe> make_probe(const Target& target, Probe::Answered answered);
  void arm(Watch& watch, std::chrono::microseconds delay, void (Prober::*then)(Watch&));
  void arm_next(Watch& watch);
  void ask(Watch& watch);
  void time_out(Watch& watch);
  void answer(Watch& watch, Finding finding);
  void forget(Watch& watch);
  void deliver();
  void deliver_later();

  EventLoop& loop_;
  Options options_;
  Schedule schedule_;
  OnOutcome on_outcome_;
  std::unique_ptr<CurlProbes> curl_;
  std::unique_ptr<IcmpProbes> icmp_;
  std::unique_ptr<CommandProbes> commands_;
  std::unique_ptr<SynProbes> syn_;
  using Watches = std::map<Key, std::shared_ptr<Watch>, ByName>;
  Watches watches_;
  std::deque<std::weak_ptr<Watch>> finished_;  ///< With an outcome to deliver.
  std::size_t asking_ = 0;
  std::shared_ptr<Prober*> self_ = std::make_shared<Prober*>(this);  ///< For deferred tasks.
};

}  // namespace sluice::health
