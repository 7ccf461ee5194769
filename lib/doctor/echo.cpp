// SPDX-License-Identifier: Apache-2.0
#include "doctor/echo.hpp"

#include "health/probe.hpp"
#include "packet/checksum.hpp"

#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <span>

namespace sluice::doctor {
namespace {

constexpr std::size_t kIcmpHeader = 8;
constexpr unsigned kIp4 = 20;
constexpr unsigned kIp6 = 40;
constexpr std::size_t kMostOpen = 60'000;
constexpr std::uint8_t kRequest6 = 128;
constexpr std::uint8_t kReply6 = 129;

// Type, code, checksum, identifier and sequence; zeros behind.
std::vector<std::byte> request(bool v4, std::uint16_t id, std::uint16_t sequence, unsigned length) {
  std::vector<std::byte> icmp(std::max<std::size_t>(kIcmpHeader, length - (v4 ? kIp4 : kIp6)));
  icmp[0] = std::byte{v4 ? std::uint8_t{ICMP_ECHO} : kRequest6};
  std::memcpy(&icmp[4], &id, sizeof id);
  std::memcpy(&icmp[6], &sequence, sizeof sequence);
  if (v4) {  // of ICMPv6 the kernel makes it
    const auto sum = checksum(icmp).wire();
    std::memcpy(&icmp[2], &sum, sizeof sum);
  }
  return icmp;
}

}  // namespace

Echoes::~Echoes() {
  for (const UniqueFd* const fd : {&v4_, &v6_})
    if (*fd) loop_.remove(fd->get());
}

bool Echoes::open(bool v4) {
  UniqueFd& fd = v4 ? v4_ : v6_;
  if (fd) return true;
  UniqueFd made(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  if (!made) return false;
  // Whole packets only, whatever the kernel has learned of the path.
  const int probe = v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
  if (::setsockopt(made.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                   v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &probe, sizeof probe) != 0)
    return false;
  const int room = 1 << 20;  // many long answers come at once
  (void)::setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (!loop_.add(made.get(), EPOLLIN, [this, v4](std::uint32_t) { receive(v4); })) return false;
  if (id_ == 0) id_ = static_cast<std::uint16_t>(std::random_device()() | 1U);
  fd = std::move(made);
  return true;
}

bool Echoes::ask(const IpAddress& host, const std::vector<unsigned>& lengths) {
  const bool v4 = host.is_v4();
  if (!open(v4)) return false;
  const health::SocketAddress to(host, 0);
  for (const auto length : lengths) {
    if (open_.size() >= kMostOpen) return false;
    const auto packet = request(v4, id_, ++sequence_, length);
    // One that is too long for the interface already is refused here: it does not come through.
    if (::sendto((v4 ? v4_ : v6_).get(), packet.data(), packet.size(), MSG_NOSIGNAL, to.get(),
                 to.length) >= 0)
      open_[sequence_] = {host, length};
  }
  return true;
}

unsigned Echoes::longest(const IpAddress& host) const {
  const auto found = longest_.find(host);
  return found == longest_.end() ? 0 : found->second;
}

void Echoes::receive(bool v4) {
  std::array<std::byte, 128> packet;
  for (int reads = 0; reads < 256; ++reads) {
    const ssize_t n = ::recv((v4 ? v4_ : v6_).get(), packet.data(), packet.size(), 0);
    if (n < 0) return;
    std::span bytes = std::span(packet).first(static_cast<std::size_t>(n));
    if (v4 && !bytes.empty()) {  // only there the IP header comes, too
      const auto header = (std::to_integer<std::size_t>(bytes[0]) & 0xfU) * 4;
      bytes = bytes.subspan(std::min(header, bytes.size()));
    }
    if (bytes.size() < kIcmpHeader ||
        bytes[0] != std::byte{v4 ? std::uint8_t{ICMP_ECHOREPLY} : kReply6})
      continue;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    std::memcpy(&id, &bytes[4], sizeof id);
    std::memcpy(&sequence, &bytes[6], sizeof sequence);
    const auto found = open_.find(sequence);
    if (id != id_ || found == open_.end()) continue;
    auto& longest = longest_[found->second.host];
    longest = std::max(longest, found->second.length);
    open_.erase(found);
  }
}

}  // namespace sluice::doctor
