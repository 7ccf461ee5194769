// SPDX-License-Identifier: Apache-2.0
#include "doctor/who_has.hpp"

#include "base/byte_order.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::doctor {
namespace {

constexpr std::size_t kFrame = 42;  // Ethernet and ARP for IPv4
// Where fields of it lie.
constexpr std::size_t kType = 12;
constexpr std::size_t kOperation = 20;
constexpr std::size_t kSenderMac = 22;
constexpr std::size_t kSenderAddress = 28;
constexpr std::size_t kTargetAddress = 38;
constexpr std::array<std::uint8_t, 8> kEthernetIpv4{0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4};
constexpr std::byte kRequest{1};
constexpr std::byte kReply{2};

}  // namespace

std::vector<std::byte> arp_probe(const MacAddress& own, const IpAddress& address) {
  std::vector<std::byte> frame(kFrame);
  std::memset(frame.data(), 0xff, 6);
  std::memcpy(&frame[6], own.bytes.data(), 6);
  std::memcpy(&frame[kType], kEthernetIpv4.data(), kEthernetIpv4.size());
  frame[kOperation + 1] = kRequest;
  std::memcpy(&frame[kSenderMac], own.bytes.data(), 6);
  std::memcpy(&frame[kTargetAddress], address.bytes().data(), 4);
  return frame;
}

std::optional<std::pair<IpAddress, MacAddress>> read_arp_reply(std::span<const std::byte> frame) {
  if (frame.size() < kFrame ||
      std::memcmp(&frame[kType], kEthernetIpv4.data(), kEthernetIpv4.size()) != 0 ||
      frame[kOperation] != std::byte{0} || frame[kOperation + 1] != kReply)
    return std::nullopt;
  std::array<std::uint8_t, 4> address{};
  MacAddress mac;
  std::memcpy(address.data(), &frame[kSenderAddress], address.size());
  std::memcpy(mac.bytes.data(), &frame[kSenderMac], mac.bytes.size());
  return std::pair(IpAddress::v4(address), mac);
}

WhoHas::~WhoHas() {
  for (const auto& place : places_) loop_.remove(place->socket.get());
}

bool WhoHas::ask(const std::string& interface, const std::set<IpAddress>& addresses) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  auto place = std::make_unique<Place>();
  place->interface = interface;
  place->socket = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (index == 0 || !place->socket || interface.size() >= IFNAMSIZ) return false;
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = Be16::from_host(ETH_P_ARP).wire();
  at.sll_ifindex = static_cast<int>(index);
  ifreq request{};
  std::memcpy(request.ifr_name, interface.data(), interface.size());
  if (::bind(place->socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::ioctl(place->socket.get(), SIOCGIFHWADDR, &request) != 0 ||
      request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return false;
  std::memcpy(place->own.bytes.data(), request.ifr_hwaddr.sa_data, place->own.bytes.size());
  const auto* const here = place.get();
  if (!loop_.add(place->socket.get(), EPOLLIN, [this, here](std::uint32_t) { receive(*here); }))
    return false;
  for (const auto& address : addresses) {
    if (!address.is_v4()) continue;
    asked_.insert(address);
    const auto frame = arp_probe(place->own, address);
    (void)::send(place->socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  }
  places_.push_back(std::move(place));
  return true;
}

void WhoHas::receive(const Place& place) {
  std::array<std::byte, 64> frame;
  for (int reads = 0; reads < 256; ++reads) {
    const ssize_t n = ::recv(place.socket.get(), frame.data(), frame.size(), 0);
    if (n < 0) return;
    const auto reply = read_arp_reply(std::span(frame).first(static_cast<std::size_t>(n)));
    if (reply && asked_.contains(reply->first) && reply->second != place.own)
      claimants_.insert({reply->first, reply->second, place.interface});
  }
}

}  // namespace sluice::doctor
