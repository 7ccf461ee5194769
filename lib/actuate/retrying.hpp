// SPDX-License-Identifier: Apache-2.0
// What actuators that may fail have in common: orders wait for their turn, and are tried again.
//
// Threads: the event loop's.
#pragma once

#include "actuate/actuator.hpp"

#include <deque>
#include <map>
#include <memory>
#include <random>

namespace sluice::actuate {

class Retrying : public Actuator {
 public:
  static constexpr std::size_t kMostAtOnce = 16;     ///< Others wait.
  static constexpr std::size_t kMostPending = 4096;  ///< Beyond it an order is refused.
  static constexpr std::chrono::milliseconds kFirstPause{1000};
  static constexpr std::chrono::milliseconds kLongestPause{30'000};

  void order(const Order& order) final;
  [[nodiscard]] std::size_t pending() const noexcept final { return orders_.size(); }
  ~Retrying() override;

 protected:
  /// How one attempt ended.
  struct Outcome {
    enum class How : std::uint8_t {
      kDone,
      kAgain,
      kTimedOut,  ///< Likewise tried again.
      kRefused,
    };
    How how = How::kDone;
    Report report = {};               ///< Of kDone.
    std::string error = {};           ///< Of all else.
    std::chrono::seconds after = {};  ///< Least pause that was asked for.
  };
  using Ended = std::function<void(Outcome)>;

  /// @param retries  of each order but of a list, which is asked for again anyway.
  Retrying(EventLoop& loop, OnReport report, unsigned retries, std::uint64_t seed);
  /// Begins one attempt. `ended` is called once, from within or later, but never once the actuator
  /// is being destroyed.
  virtual void attempt(const Order& order, Ended ended) = 0;

 private:
  struct Waiting {
    Order order;
    unsigned attempts = 0;
    bool under_way = false;
    EventLoop::TimerId timer = EventLoop::TimerId::kNone;
  };
  void next();
  void ended(const std::string& id, const Outcome& outcome);
  [[nodiscard]] std::chrono::milliseconds pause(unsigned attempts);

  EventLoop& loop_;
  OnReport report_;
  unsigned retries_;
  std::mt19937_64 random_;
  std::map<std::string, Waiting> orders_;  // by id
  std::deque<std::string> turn_;           // ids that may be tried now
  std::size_t under_way_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::actuate
