// SPDX-License-Identifier: Apache-2.0
// Who answers ARP requests for addresses that should be this node's alone (RFC 5227 probes).
//
// Threads: all on the event loop's thread.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "base/unique_fd.hpp"

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace sluice::doctor {

/// One who answered.
struct Claimant {
  IpAddress address;
  MacAddress mac;
  std::string interface;

  friend auto operator<=>(const Claimant&, const Claimant&) noexcept = default;
};

/// An ARP frame as a probe for `address`: no sender's address, so that nobody learns of it.
[[nodiscard]] std::vector<std::byte> arp_probe(const MacAddress& own, const IpAddress& address);
/// Who says in this frame that it has an IPv4 address; any bytes may come.
[[nodiscard]] std::optional<std::pair<IpAddress, MacAddress>> read_arp_reply(
    std::span<const std::byte> frame);

class WhoHas {
 public:
  explicit WhoHas(EventLoop& loop) noexcept : loop_(loop) {}
  ~WhoHas();
  WhoHas(const WhoHas&) = delete;
  WhoHas& operator=(const WhoHas&) = delete;

  /// Asks for IPv4 addresses on an interface; others are left out.
  /// @return false when it may not (needs CAP_NET_RAW) or cannot.
  bool ask(const std::string& interface, const std::set<IpAddress>& addresses);
  [[nodiscard]] const std::set<Claimant>& claimants() const noexcept { return claimants_; }

 private:
  struct Place {
    UniqueFd socket;
    std::string interface;
    MacAddress own;
  };
  void receive(const Place& place);

  EventLoop& loop_;
  std::vector<std::unique_ptr<Place>> places_;
  std::set<IpAddress> asked_;
  std::set<Claimant> claimants_;
};

}  // namespace sluice::doctor
