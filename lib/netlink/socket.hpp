// SPDX-License-Identifier: Apache-2.0
// A routing netlink socket: questions that the kernel answers at once, or news that it sends.
//
// Threads: one at a time.
#pragma once

#include "base/result.hpp"
#include "netlink/messages.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

struct mnl_socket;

namespace sluice::netlink {

using Take = std::function<void(const Message&)>;

class Socket {
 public:
  /// A socket of the calling thread's network namespace.
  /// @param groups  RTNLGRP_* to hear of; none for questions only. Those that this kernel does not
  ///                know are left out.
  [[nodiscard]] static Result<Socket> open(std::span<const unsigned> groups);

  /// Asks, and hands each message of the answer to `take`; returns when the answer has ended. The
  /// kernel answers within the call, as a rule in microseconds; it is given a second.
  /// @param refusal  gets the errno of a refusal; without it a refusal is an error.
  /// @return kIo, kInvalid when the answer makes no sense.
  [[nodiscard]] Result<void> ask(Request request, const Take& take, int* refusal = nullptr);

  enum class News { kNone, kSome, kLost };
  /// Hands on what has come, without waiting: at most one datagram.
  /// @return kNone when there is nothing, kLost when news was lost and all must be asked again.
  [[nodiscard]] News hear(const Take& take);

  [[nodiscard]] int fd() const noexcept;

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept;
  };
  explicit Socket(mnl_socket* socket);
  /// @return bytes received, or a negative errno. Datagrams that are not the kernel's are skipped.
  [[nodiscard]] long receive(int flags);

  static constexpr std::size_t kRoom =
      64 * 1024;  // the kernel's own bound of a dump's datagram is 32 KiB
  std::unique_ptr<mnl_socket, Close> socket_;
  std::unique_ptr<std::byte[]> room_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sluice::netlink
