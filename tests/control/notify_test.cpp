// SPDX-License-Identifier: Apache-2.0
#include "control/notify.hpp"

#include "notify_socket.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice::control {
namespace {

using NotifyTest = NotifySocketTest;

TEST_F(NotifyTest, StatesReachTheSocketThatSystemdNames) {
  notify("READY=1");
  EXPECT_EQ(received(), "READY=1");
}

TEST_F(NotifyTest, ReloadingCarriesTheMonotonicTime) {
  notify_reloading();
  EXPECT_EQ(received().rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0U);
}

TEST_F(NotifyTest, WithoutASocketNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  notify("READY=1");
  EXPECT_EQ(received(), "");
}

}  // namespace
}  // namespace sluice::control
