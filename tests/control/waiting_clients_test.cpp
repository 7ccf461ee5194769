// SPDX-License-Identifier: Apache-2.0
#include "control/waiting_clients.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::control {
namespace {

// Attempts in (t - passed, t] of a client that began at 0.
double attempts(double t, double passed) {
  double n = 0;
  for (int i = 0; i < 8; ++i)
    if (const double at = std::exp2(i) - 1; at > t - passed && at <= t) ++n;
  return n;
}

TEST(WaitingClients, OneClientIsOneHoweverOftenHeTries) {
  for (const double tick : {0.5, 1.0, 2.0, 5.0, 15.0})
    for (const double late : {0.05, 0.3, 0.6})
      for (const double then : {0.5, 1.0, 3.0, 4.9}) {
        WaitingClients clients;
        // Found by the watch, then at the ticks.
        ASSERT_EQ(clients.see(late, 5, 1), 1);
        double before = late;
        for (double t = then + late; t < 64; t += tick) {
          const double passed = t - before;
          ASSERT_EQ(clients.see(t, passed, attempts(t, passed)), 1) << t << ' ' << tick;
          before = t;
        }
      }
}

TEST(WaitingClients, ACrowdIsAsManyAsCameAndNotAsTheyTry) {
  WaitingClients clients;
  EXPECT_EQ(clients.see(1, 1, 50), 50);
  EXPECT_EQ(clients.see(2, 1, 50), 50) << "the same again";
  EXPECT_EQ(clients.see(3, 1, 0), 50);
  EXPECT_EQ(clients.see(4, 1, 80), 80) << "thirty more";
}

TEST(WaitingClients, WhoDoesNotComeAgainHasGivenUp) {
  WaitingClients clients;
  EXPECT_EQ(clients.see(1, 1, 1), 1);
  EXPECT_EQ(clients.see(3, 2, 0), 1);
  EXPECT_EQ(clients.see(5, 2, 0), 0);
  EXPECT_EQ(clients.see(6, 1, 1), 1) << "another one";
}

TEST(WaitingClients, WhenSomebodyTakesFlowsNobodyWaits) {
  WaitingClients clients;
  EXPECT_EQ(clients.see(1, 1, 5), 5);
  clients.clear();
  EXPECT_EQ(clients.see(2, 1, 0), 0);
}

}  // namespace
}  // namespace sluice::control
