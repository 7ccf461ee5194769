// SPDX-License-Identifier: Apache-2.0
// The socket that systemd would listen on: what the daemon tells it.
#pragma once

#include "base/unique_fd.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

namespace sluice::control {

class NotifySocketTest : public testing::Test {
 protected:
  void SetUp() override {
#ifndef SLUICE_SYSTEMD
    GTEST_SKIP() << "built without libsystemd";
#endif
    path = testing::TempDir() + "sluice-notify-" + std::to_string(::getpid());
    socket.reset(::socket(AF_UNIX, SOCK_DGRAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof address.sun_path);
    std::copy(path.begin(), path.end(), address.sun_path);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unlink(path.c_str());
  }
  std::string received() {
    std::array<char, 256> text{};
    const auto n = ::recv(socket.get(), text.data(), text.size(), MSG_DONTWAIT);
    return n < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(n));
  }

  std::string path;
  UniqueFd socket;
};

}  // namespace sluice::control
