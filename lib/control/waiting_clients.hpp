// SPDX-License-Identifier: Apache-2.0
// How many clients wait for a pool that has nobody, from the attempts that its services count.
//
// Threads: a value of one thread.
#pragma once

namespace sluice::control {

/// Clients whose first packet was dropped send it again 1, 3, 7, 15 ... seconds after it. Whoever
/// has begun waits until his next attempt is overdue, and attempts that those who wait may have
/// made are theirs and nobody new's. So one client is one however often he tries, and of a crowd
/// that comes bit by bit some are taken for others until the first backend tells its load.
class WaitingClients {
 public:
  /// @param t  seconds, never less than before. @param attempts  since the call before, `passed`
  ///   seconds ago. The first of them came just now: the caller watches for it.
  /// @return clients that wait now.
  double see(double t, double passed, double attempts) noexcept;
  /// Somebody takes flows: nobody waits any more.
  void clear() noexcept { *this = WaitingClients(); }

 private:
  double waiting_ = 0;
  double began_ = 0;  ///< When the first of them was seen.
  double until_ = 0;  ///< Who has not come again by then has given up.
};

}  // namespace sluice::control
