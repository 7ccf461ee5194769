// SPDX-License-Identifier: Apache-2.0
// Routing netlink as bytes: what the kernel says about links, neighbours and routes, and the few
// questions put to it. Pure functions; every length is checked against the buffer.
//
// Threads: values.
#pragma once

#include "base/address.hpp"

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>

namespace sluice::netlink {

struct Link {
  int index = 0;
  std::string name;
  MacAddress mac;
  std::uint32_t mtu = 0;  ///< Bytes of the largest IP packet; 0: not said.
  bool ethernet = false;  ///< Its link-layer addresses are six bytes long.
  bool up = false;        ///< Set up by the operator.
  bool carrier = false;   ///< The other end is there.
  bool arp = false;       ///< It asks for link-layer addresses.
  bool gone = false;
};

struct Neighbour {
  int interface_index = 0;
  IpAddress address;
  std::optional<MacAddress> mac;
  std::uint16_t state = 0;     ///< NUD_REACHABLE, NUD_STALE, ...: one bit.
  bool kept_by_other = false;  ///< Somebody else looks after it (managed, or learned elsewhere).
  bool gone = false;
};

/// The kernel's decision for one address.
struct Route {
  std::uint8_t type = 0;  ///< RTN_UNICAST, RTN_LOCAL, ...
  int interface_index = 0;
  std::optional<IpAddress> gateway;  ///< Of either family; absent: the address is on the link.
  std::uint32_t mtu = 0;             ///< Of the route or of the path behind it; 0: the interface's.
};

/// An address of an interface. That it comes or goes changes routes as well.
struct Assigned {
  int interface_index = 0;
  IpAddress address;
  unsigned prefix_length = 0;  ///< Bits, at most the address's.
  std::uint8_t protocol = 0;   ///< Who put it there (IFA_PROTO); 0: not said.
  bool gone = false;
};

struct RoutesChanged {};  ///< A route, a rule or a next-hop object: ask again.
struct Done {};           ///< End of a dump that went well.
struct Outcome {
  int error;  ///< A positive errno, 0 for an acknowledgement.
};
struct Lost {};     ///< The kernel had to leave messages out.
struct Ignored {};  ///< Well-formed, not for us.
struct Broken {};   ///< Not well-formed.

struct Message {
  std::uint32_t sequence = 0;
  bool interrupted = false;  ///< The table changed under a dump, which is to be asked for again.
  std::variant<Ignored, Broken, Link, Neighbour, Route, Assigned, RoutesChanged, Done, Outcome,
               Lost>
      content;
};

/// Calls `take` for each message of a datagram, in order; `datagram` starts at a multiple of four.
/// Bytes that are no whole message give one Broken and end it.
void decode(std::span<const std::byte> datagram, const std::function<void(const Message&)>& take);

/// A message to the kernel.
class Request {
 public:
  [[nodiscard]] static Request dump_links() noexcept;
  [[nodiscard]] static Request dump_neighbours() noexcept;  ///< Of all families.
  [[nodiscard]] static Request route_to(const IpAddress& address) noexcept;
  /// Makes the kernel find out who has `address` there, as if a packet had to be sent to it. It
  /// also ends an entry's being permanent or managed: not for such.
  [[nodiscard]] static Request use_neighbour(int interface_index,
                                             const IpAddress& address) noexcept;

  [[nodiscard]] static Request dump_addresses() noexcept;  ///< Of all interfaces and families.
  /// Gives an interface the address alone (/32, /128), usable at once, marked with `protocol`.
  /// Refused with EEXIST when it has it.
  [[nodiscard]] static Request add_address(int interface_index, const IpAddress& address,
                                           std::uint8_t protocol) noexcept;
  /// Refused with EADDRNOTAVAIL when the interface does not have it.
  [[nodiscard]] static Request remove_address(int interface_index,
                                              const IpAddress& address) noexcept;
  [[nodiscard]] static Request set_up(int interface_index) noexcept;

  void set_sequence(std::uint32_t sequence) noexcept { header()->nlmsg_seq = sequence; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept;

 private:
  Request() noexcept = default;
  [[nodiscard]] nlmsghdr* header() noexcept { return reinterpret_cast<nlmsghdr*>(room_.data()); }
  alignas(nlmsghdr) std::array<std::byte, 128> room_{};
};

}  // namespace sluice::netlink
