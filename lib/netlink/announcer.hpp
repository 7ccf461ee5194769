// SPDX-License-Identifier: Apache-2.0
// Addresses on a link that a routing daemon watches: there while the node can serve them, gone
// otherwise. No routing protocol is spoken here; bird or FRR export what the link has.
//
// Threads: one at a time.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "netlink/socket.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>

namespace sluice::netlink {

class Announcer {
 public:
  /// How addresses of ours are marked (IFA_PROTO, Linux 5.18 and later), so that a later start
  /// knows those that a predecessor left.
  static constexpr std::uint8_t kMark = 0x53;

  /// Takes the link, and from it what a predecessor left there.
  ///
  /// @param create  make the link where there is none: a TUN device, which the kernel removes with
  ///   its addresses when this process ends in whatever way, so that a dead node is withdrawn.
  /// @return kNotFound (no such link, and not to be made), kIo (not permitted: needs
  ///   CAP_NET_ADMIN; or what the system says), kInvalid (a name of more than 15 bytes).
  [[nodiscard]] static Result<std::unique_ptr<Announcer>> open(std::string link, bool create);
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;
  ~Announcer();  ///< Withdraws all.

  /// Makes the link have exactly these of our addresses, each alone (/32, /128); none withdraws
  /// all. What others gave the link stays. Call it again at times: it mends what others removed.
  /// Cost: two dumps and a system call for each difference.
  /// @return kNotFound (the link is gone), kIo (the first address that was refused; the others
  ///   are done).
  [[nodiscard]] Result<void> set(std::span<const IpAddress> addresses);

  [[nodiscard]] const std::string& link() const noexcept { return link_; }

 private:
  Announcer(std::string link, UniqueFd made, Socket socket) noexcept
      : link_(std::move(link)), made_(std::move(made)), socket_(std::move(socket)) {}
  [[nodiscard]] Result<int> find_link();
  [[nodiscard]] Result<std::set<IpAddress>> ours_on(int interface_index);

  std::string link_;
  UniqueFd made_;  ///< Holds the TUN device; empty when the link was there.
  Socket socket_;
  std::set<IpAddress> put_;  ///< By this process: known without a mark.
};

}  // namespace sluice::netlink
