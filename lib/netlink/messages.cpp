// SPDX-License-Identifier: Apache-2.0
#include "netlink/messages.hpp"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

namespace sluice::netlink {
namespace {

// IFA_PROTO of Linux 5.18, which the headers of Debian 12 may lack. Older kernels pass it by.
constexpr std::uint16_t kAddressProtocol = 11;

std::optional<IpAddress> address_from(int family, const void* bytes, std::size_t size) {
  if (family == AF_INET && size == 4) {
    std::array<std::uint8_t, 4> v4{};
    std::memcpy(v4.data(), bytes, 4);
    return IpAddress::v4(v4);
  }
  if (family == AF_INET6 && size == 16) {
    std::array<std::uint8_t, 16> v6{};
    std::memcpy(v6.data(), bytes, 16);
    return IpAddress::v6(v6);
  }
  return std::nullopt;
}

std::optional<MacAddress> mac_from(const nlattr* attribute) {
  MacAddress mac;
  if (mnl_attr_get_payload_len(attribute) != mac.bytes.size()) return std::nullopt;
  std::memcpy(mac.bytes.data(), mnl_attr_get_payload(attribute), mac.bytes.size());
  return mac;
}

std::optional<std::uint32_t> number_from(const nlattr* attribute) {
  if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0) return std::nullopt;
  return mnl_attr_get_u32(attribute);
}

/// The fixed part of a message; null when the message is too short for it.
template <class Fixed>
const Fixed* fixed_part(const nlmsghdr* message) {
  return mnl_nlmsg_get_payload_len(message) >= sizeof(Fixed)
             ? static_cast<const Fixed*>(mnl_nlmsg_get_payload(message))
             : nullptr;
}

/// Calls f(type, attribute) for each attribute behind the fixed part, until it says false.
/// @return whether all were well-formed and taken. The library's own walk over a message rounds its
/// length up, which may be past the end of the buffer.
template <class Fixed, class F>
bool each_attribute(const nlmsghdr* message, F f) {
  constexpr std::size_t kOffset = MNL_ALIGN(sizeof(Fixed));
  const std::size_t size = mnl_nlmsg_get_payload_len(message);
  if (size <= kOffset) return size >= sizeof(Fixed);
  const auto* const first = static_cast<const std::byte*>(mnl_nlmsg_get_payload(message)) + kOffset;
  const auto call = [](const nlattr* attribute, void* taker) {
    return (*static_cast<F*>(taker))(mnl_attr_get_type(attribute), attribute) ? MNL_CB_OK
                                                                              : MNL_CB_ERROR;
  };
  return mnl_attr_parse_payload(first, size - kOffset, call, &f) == MNL_CB_OK;
}

using Content = decltype(Message::content);

Content decode_link(const nlmsghdr* message) {
  const auto* const about = fixed_part<ifinfomsg>(message);
  if (about == nullptr) return Broken{};
  // Bridges report their ports as links of another family; "gone" then only means "left the
  // bridge".
  if (about->ifi_family != AF_UNSPEC) return Ignored{};
  Link link;
  link.index = about->ifi_index;
  link.ethernet = about->ifi_type == ARPHRD_ETHER;
  link.up = (about->ifi_flags & IFF_UP) != 0;
  link.carrier = (about->ifi_flags & IFF_LOWER_UP) != 0;
  link.arp = (about->ifi_flags & (IFF_NOARP | IFF_LOOPBACK)) == 0;
  link.gone = message->nlmsg_type == RTM_DELLINK;
  const bool whole = each_attribute<ifinfomsg>(message, [&](int type, const nlattr* attribute) {
    if (type == IFLA_IFNAME) {
      if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0) return false;
      link.name = mnl_attr_get_str(attribute);
    } else if (type == IFLA_MTU) {
      const auto mtu = number_from(attribute);
      link.mtu = mtu.value_or(0);
      return mtu.has_value();
    } else if (type == IFLA_ADDRESS) {
      link.mac = mac_from(attribute).value_or(MacAddress{});
    }
    return true;
  });
  if (!whole || link.index <= 0) return Broken{};
  return link;
}

Content decode_neighbour(const nlmsghdr* message) {
  const auto* const about = fixed_part<ndmsg>(message);
  if (about == nullptr) return Broken{};
  if (about->ndm_family != AF_INET && about->ndm_family != AF_INET6) return Ignored{};
  if ((about->ndm_flags & NTF_PROXY) != 0) return Ignored{};
  Neighbour neighbour;
  std::optional<IpAddress> address;
  neighbour.interface_index = about->ndm_ifindex;
  neighbour.state = about->ndm_state;
  neighbour.kept_by_other = (about->ndm_flags & NTF_EXT_LEARNED) != 0;
  neighbour.gone = message->nlmsg_type == RTM_DELNEIGH;
  const bool whole = each_attribute<ndmsg>(message, [&](int type, const nlattr* attribute) {
    if (type == NDA_DST) {
      address = address_from(about->ndm_family, mnl_attr_get_payload(attribute),
                             mnl_attr_get_payload_len(attribute));
      return address.has_value();
    }
    if (type == NDA_LLADDR) neighbour.mac = mac_from(attribute);
    if (type == NDA_FLAGS_EXT) {
      const auto flags = number_from(attribute);
      neighbour.kept_by_other |= flags && (*flags & NTF_EXT_MANAGED) != 0;
      return flags.has_value();
    }
    return true;
  });
  if (!whole || !address || neighbour.interface_index <= 0) return Broken{};
  neighbour.address = *address;
  return neighbour;
}

// The MTU among a route's metrics; 0: none is set.
std::optional<std::uint32_t> mtu_of_metrics(const nlattr* metrics) {
  std::optional<std::uint32_t> mtu = 0;
  const auto take = [](const nlattr* attribute, void* to) {
    if (mnl_attr_get_type(attribute) == RTAX_MTU)
      *static_cast<std::optional<std::uint32_t>*>(to) = number_from(attribute);
    return MNL_CB_OK;
  };
  if (mnl_attr_parse_nested(metrics, take, &mtu) != MNL_CB_OK) return std::nullopt;
  return mtu;
}

Content decode_route(const nlmsghdr* message) {
  const auto* const about = fixed_part<rtmsg>(message);
  if (about == nullptr) return Broken{};
  Route route;
  route.type = about->rtm_type;
  const bool whole = each_attribute<rtmsg>(message, [&](int type, const nlattr* attribute) {
    const auto* const bytes = static_cast<const std::byte*>(mnl_attr_get_payload(attribute));
    const std::size_t size = mnl_attr_get_payload_len(attribute);
    if (type == RTA_OIF) {
      const auto index = number_from(attribute);
      route.interface_index = index ? static_cast<int>(*index) : 0;
      return route.interface_index > 0;
    }
    if (type == RTA_METRICS) {
      const auto mtu = mtu_of_metrics(attribute);
      route.mtu = mtu.value_or(0);
      return mtu.has_value();
    }
    if (type == RTA_GATEWAY) {
      route.gateway = address_from(about->rtm_family, bytes, size);
      return route.gateway.has_value();
    }
    if (type == RTA_VIA) {  // a gateway of the other family (RFC 5549): its family, then the bytes
      rtvia via{};
      if (size < sizeof via) return false;
      std::memcpy(&via, bytes, sizeof via);
      route.gateway = address_from(via.rtvia_family, bytes + sizeof via, size - sizeof via);
      return route.gateway.has_value();
    }
    return true;
  });
  if (!whole) return Broken{};
  return route;
}

Content decode_assigned(const nlmsghdr* message) {
  const auto* const about = fixed_part<ifaddrmsg>(message);
  if (about == nullptr) return Broken{};
  if (about->ifa_family != AF_INET && about->ifa_family != AF_INET6) return Ignored{};
  Assigned assigned;
  assigned.interface_index = static_cast<int>(about->ifa_index);
  assigned.prefix_length = about->ifa_prefixlen;
  assigned.gone = message->nlmsg_type == RTM_DELADDR;
  std::optional<IpAddress> local;
  std::optional<IpAddress> address;  // of a point-to-point link that of the other end
  const bool whole = each_attribute<ifaddrmsg>(message, [&](int type, const nlattr* attribute) {
    if (type == IFA_LOCAL || type == IFA_ADDRESS) {
      auto& to = type == IFA_LOCAL ? local : address;
      to = address_from(about->ifa_family, mnl_attr_get_payload(attribute),
                        mnl_attr_get_payload_len(attribute));
      return to.has_value();
    }
    if (type == kAddressProtocol && mnl_attr_get_payload_len(attribute) == 1)
      assigned.protocol = mnl_attr_get_u8(attribute);
    return true;
  });
  if (!whole || (!local && !address)) return Broken{};
  assigned.address = local ? *local : *address;
  if (assigned.prefix_length > assigned.address.bits()) return Broken{};
  return assigned;
}

Content decode_content(const nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case NLMSG_DONE: {
      const auto* const error = fixed_part<std::int32_t>(message);
      if (error == nullptr || *error >= 0) return Done{};
      return *error >= -4095 ? Content{Outcome{-*error}} : Content{Broken{}};
    }
    case NLMSG_OVERRUN:
      return Lost{};
    case NLMSG_ERROR: {
      const auto* const error = fixed_part<nlmsgerr>(message);
      if (error == nullptr || error->error > 0 || error->error < -4095) return Broken{};
      return Outcome{-error->error};
    }
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return decode_link(message);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return decode_neighbour(message);
    case RTM_NEWROUTE:
      return decode_route(message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return decode_assigned(message);
    case RTM_DELROUTE:
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return RoutesChanged{};
    default:
      return Ignored{};
  }
}

template <class Fixed>
Fixed* start(nlmsghdr* header, std::uint16_t type, unsigned flags) noexcept {
  header->nlmsg_len = MNL_NLMSG_HDRLEN;
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  return static_cast<Fixed*>(mnl_nlmsg_put_extra_header(header, sizeof(Fixed)));
}

std::uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

void decode(std::span<const std::byte> datagram, const std::function<void(const Message&)>& take) {
  while (!datagram.empty()) {
    const auto* const message = reinterpret_cast<const nlmsghdr*>(datagram.data());
    Message decoded;
    // Not mnl_nlmsg_ok(): it takes a length above 2^31 for a negative one, which fits anywhere.
    if (datagram.size() < sizeof(nlmsghdr) || message->nlmsg_len < sizeof(nlmsghdr) ||
        message->nlmsg_len > datagram.size()) {
      decoded.content = Broken{};
      take(decoded);
      return;
    }
    decoded.sequence = message->nlmsg_seq;
    decoded.interrupted = (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    decoded.content = decode_content(message);
    take(decoded);
    datagram = datagram.subspan(
        std::min<std::size_t>(MNL_ALIGN(std::size_t{message->nlmsg_len}), datagram.size()));
  }
}

Request Request::dump_links() noexcept {
  Request made;
  start<ifinfomsg>(made.header(), RTM_GETLINK, NLM_F_DUMP);
  mnl_attr_put_u32(made.header(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return made;
}

Request Request::dump_neighbours() noexcept {
  Request made;
  start<ndmsg>(made.header(), RTM_GETNEIGH, NLM_F_DUMP);
  return made;
}

Request Request::route_to(const IpAddress& address) noexcept {
  Request made;
  auto* const about = start<rtmsg>(made.header(), RTM_GETROUTE, 0);
  about->rtm_family = family_of(address);
  about->rtm_dst_len = static_cast<std::uint8_t>(address.bits());
  mnl_attr_put(made.header(), RTA_DST, address.bits() / 8, address.bytes().data());
  return made;
}

Request Request::use_neighbour(int interface_index, const IpAddress& address) noexcept {
  Request made;
  auto* const about = start<ndmsg>(made.header(), RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE);
  about->ndm_family = family_of(address);
  about->ndm_ifindex = interface_index;
  about->ndm_flags = NTF_USE;
  mnl_attr_put(made.header(), NDA_DST, address.bits() / 8, address.bytes().data());
  return made;
}

Request Request::dump_addresses() noexcept {
  Request made;
  start<ifaddrmsg>(made.header(), RTM_GETADDR, NLM_F_DUMP);
  return made;
}

Request Request::add_address(int interface_index, const IpAddress& address,
                             std::uint8_t protocol) noexcept {
  Request made;
  auto* const about =
      start<ifaddrmsg>(made.header(), RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  about->ifa_family = family_of(address);
  about->ifa_index = static_cast<unsigned>(interface_index);
  about->ifa_prefixlen = static_cast<std::uint8_t>(address.bits());
  if (!address.is_v4()) about->ifa_flags = IFA_F_NODAD;
  mnl_attr_put(made.header(), IFA_LOCAL, address.bits() / 8, address.bytes().data());
  mnl_attr_put(made.header(), IFA_ADDRESS, address.bits() / 8, address.bytes().data());
  mnl_attr_put_u8(made.header(), kAddressProtocol, protocol);
  return made;
}

Request Request::remove_address(int interface_index, const IpAddress& address) noexcept {
  Request made;
  auto* const about = start<ifaddrmsg>(made.header(), RTM_DELADDR, NLM_F_ACK);
  about->ifa_family = family_of(address);
  about->ifa_index = static_cast<unsigned>(interface_index);
  about->ifa_prefixlen = static_cast<std::uint8_t>(address.bits());
  mnl_attr_put(made.header(), IFA_LOCAL, address.bits() / 8, address.bytes().data());
  return made;
}

Request Request::set_up(int interface_index) noexcept {
  Request made;
  auto* const about = start<ifinfomsg>(made.header(), RTM_NEWLINK, NLM_F_ACK);
  about->ifi_index = interface_index;
  about->ifi_flags = about->ifi_change = IFF_UP;
  return made;
}

std::span<const std::byte> Request::bytes() const noexcept {
  return {room_.data(), reinterpret_cast<const nlmsghdr*>(room_.data())->nlmsg_len};
}

}  // namespace sluice::netlink
