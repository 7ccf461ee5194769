// SPDX-License-Identifier: Apache-2.0
// A place to attach XDP programs in: network and mount namespaces of this process alone, which the
// kernel takes away with it, whatever a test did and however it ended.
//
// Threads: one; set up before any other thread exists.
#pragma once

#include "base/unique_fd.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::xdp::test {

/// Enters the namespaces at its first call; mounts a BPF file system of its own at /sys/fs/bpf.
/// @return nothing, or why XDP cannot be tested here.
[[nodiscard]] const std::optional<std::string>& enter_sandbox();

/// Skips its tests, with the reason, where XDP cannot be tested.
class Sandboxed : public testing::Test {
 protected:
  void SetUp() override {
    if (enter_sandbox()) GTEST_SKIP() << *enter_sandbox();
  }
};

/// Runs a command by the shell; false and its output on stderr when it fails.
[[nodiscard]] bool shell(const std::string& command);

/// What a command writes to its output and errors.
[[nodiscard]] std::string output_of(const std::string& command);

/// Two veth interfaces that are each other's cable, both up; gone with the object.
class Cable {
 public:
  Cable(std::string left, std::string right, unsigned queues = 1);
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;
  ~Cable();

 private:
  std::string left_;
};

/// Calls `done` until it returns true. @return false when `limit` passed first.
[[nodiscard]] bool wait_until(const std::function<bool()>& done,
                              std::chrono::seconds limit = std::chrono::seconds(20));

/// Another process that asks again and again whether something holds, from construction until
/// held().
class Watch {
 public:
  explicit Watch(const std::function<bool()>& holds);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { (void)held(); }
  [[nodiscard]] bool held();  ///< Ends the watch: whether it held every time.

 private:
  int child_ = -1;
  UniqueFd stop_;  ///< The child ends when this is closed, by us or with us.
  bool held_ = false;
};

/// A raw socket on one interface.
class RawSocket {
 public:
  explicit RawSocket(const std::string& interface);
  [[nodiscard]] bool send(std::span<const std::byte> frame) const;
  /// Frames received until now that satisfy `wanted`, added up over calls.
  [[nodiscard]] unsigned received(const std::function<bool(std::span<const std::byte>)>& wanted);

 private:
  UniqueFd fd_;
  unsigned count_ = 0;
};

/// An AF_XDP socket that is ready to stand in a socket map, and serves no interface.
class MapSocket {
 public:
  MapSocket();
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }  ///< -1 when it could not be made.

 private:
  UniqueFd fd_;
  std::vector<std::byte> memory_;
};

/// What BPF_PROG_TEST_RUN says of one frame.
struct Run {
  int error = 0;             ///< 0, or a negative errno: the program did not run.
  std::uint32_t action = 0;  ///< XDP_PASS, XDP_REDIRECT, ...
  sluice::test::Bytes frame;
};
[[nodiscard]] Run run(int program, std::span<const std::byte> frame);

/// Value of one entry of a per-CPU array, its first 64-bit word added over the CPUs.
[[nodiscard]] std::uint64_t sum_of(int map, std::uint32_t index, std::size_t value_size);

}  // namespace sluice::xdp::test
