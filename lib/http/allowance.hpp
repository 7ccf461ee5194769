// SPDX-License-Identifier: Apache-2.0
// How much of the event loop's time clients of the TCP listener may cost: each address a share, all
// together another. What they cost is measured, so that a cheap request may come often and a dear
// one may not.
//
// Threads: the event loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>

namespace sluice::http {

class Allowance {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Cost = std::chrono::nanoseconds;

  struct Limits {
    Cost burst = std::chrono::milliseconds{400};  ///< What an address may cost at once.
    double share = 0.2;                           ///< Of the time, for each address.
    Cost burst_of_all = std::chrono::milliseconds{1000};
    double share_of_all = 0.3;
    std::size_t addresses = 1024;  ///< Remembered; who asked longest ago is forgotten first.
  };

  Allowance() : Allowance(Limits{}) {}
  explicit Allowance(Limits limits) : limits_(limits) {}

  /// Whether a request of that address may be answered now; else how long it should wait.
  [[nodiscard]] std::chrono::seconds wait(const std::string& address, Time now);
  /// Notes what a request has cost.
  void charge(const std::string& address, Cost cost, Time now);
  [[nodiscard]] std::size_t addresses() const noexcept { return debts_.size(); }

 private:
  struct Debt {
    Cost left{0};  ///< What is not paid off yet.
    Time at{};
  };
  static void settle(Debt& debt, double share, Time now);

  Limits limits_;
  Debt all_;
  std::map<std::string, Debt, std::less<>> debts_;
};

}  // namespace sluice::http
