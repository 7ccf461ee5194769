// SPDX-License-Identifier: Apache-2.0
// A test body in network namespaces of its own: two, joined by a veth pair, gone with the thread.
//
// Threads: in_namespaces() runs the body on a thread of its own and waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace sluice::netlink {

/// The body's hands: commands and settings in either namespace. The body itself runs in "ours", on
/// whose side the interface "near" (10.0.0.1/24,
/// 2001:db8::1/64) is; in the other one is "far" (10.0.0.2/24, 2001:db8::2/64,
/// 02:00:00:00:00:02).
class Lab {
 public:
  explicit Lab(int ours, int theirs) : ours_(ours), theirs_(theirs) {}

  void ours(const std::string& command) const;  ///< Fails the test when the command fails.
  void theirs(const std::string& command) const;
  /// Calls `body` in theirs; sockets and devices that it makes stay there.
  void in_theirs(const std::function<void()>& body) const;
  [[nodiscard]] std::string output(const std::string& command) const;  ///< Of a command in ours.

 private:
  int ours_;
  int theirs_;
};

/// Runs `body` with a Lab in fresh namespaces; none is left behind, also when it fails.
/// @return why it could not run (skip the test then), or nothing.
[[nodiscard]] std::string in_namespaces(const std::function<void(const Lab&)>& body);

}  // namespace sluice::netlink
