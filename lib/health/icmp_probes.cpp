// SPDX-License-Identifier: Apache-2.0
#include "health/icmp_probes.hpp"

#include "health/nonce.hpp"
#include "packet/checksum.hpp"
#include "packet/headers.hpp"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sluice::health {
namespace {

constexpr int kReadsPerTurn = 64;  // the rest in the next turns
constexpr std::size_t kLongestRead = 512;

using Echo = std::array<std::byte, sizeof(wire::Icmp) + sizeof(Nonce)>;

Echo echo_request(bool v4, std::uint16_t id, std::uint16_t sequence, const Nonce& nonce) {
  wire::Icmp header{};
  header.type = v4 ? wire::kIcmpEcho : wire::kIcmp6Echo;
  header.rest = Be32::from_host(std::uint32_t{id} << 16 | sequence);
  Echo echo{};
  std::ranges::copy(nonce, echo.begin() + sizeof header);
  wire::store(echo.data(), header);
  if (v4) {  // of ICMPv6 the kernel makes it
    header.checksum = checksum(echo);
    wire::store(echo.data(), header);
  }
  return echo;
}

IpAddress address_in(const std::byte* at, bool v4) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), at, v4 ? 4 : 16);
  return v4 ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
}

// The request that an error quotes, after its eight bytes.
std::optional<IcmpAnswer> read_quote(std::span<const std::byte> quote, bool v4, std::uint8_t code) {
  std::size_t header = sizeof(wire::Ipv6);
  if (v4) {
    if (quote.size() < sizeof(wire::Ipv4)) return std::nullopt;
    const auto ip = wire::load<wire::Ipv4>(quote.data());
    header = std::size_t{ip.version_length & 0xfU} * 4;
    if (header < sizeof(wire::Ipv4) || ip.protocol != wire::kIpProtoIcmp) return std::nullopt;
  }
  if (quote.size() < header + sizeof(wire::Icmp)) return std::nullopt;
  if (!v4 && wire::load<wire::Ipv6>(quote.data()).next_header != wire::kIpProtoIcmp6)
    return std::nullopt;
  const auto request = wire::load<wire::Icmp>(quote.data() + header);
  if (request.type != (v4 ? wire::kIcmpEcho : wire::kIcmp6Echo)) return std::nullopt;
  const std::uint32_t rest = request.rest.to_host();
  IcmpAnswer answer{false, code, static_cast<std::uint16_t>(rest >> 16),
                    static_cast<std::uint16_t>(rest & 0xffffU)};
  answer.asked = address_in(
      quote.data() + (v4 ? offsetof(wire::Ipv4, destination) : offsetof(wire::Ipv6, destination)),
      v4);
  return answer;
}

}  // namespace

std::optional<IcmpAnswer> read_icmp(std::span<const std::byte> packet, bool v4) {
  if (v4) {
    if (packet.size() < sizeof(wire::Ipv4)) return std::nullopt;
    const std::size_t header = std::to_integer<std::size_t>(packet[0] & std::byte{0xf}) * 4;
    if (header < sizeof(wire::Ipv4) || packet.size() < header) return std::nullopt;
    packet = packet.subspan(header);
  }
  if (packet.size() < sizeof(wire::Icmp)) return std::nullopt;
  const auto icmp = wire::load<wire::Icmp>(packet.data());
  packet = packet.subspan(sizeof(wire::Icmp));
  if (icmp.type == (v4 ? wire::kIcmpUnreachable : wire::kIcmp6Unreachable))
    return read_quote(packet, v4, icmp.code);
  if (icmp.type != (v4 ? wire::kIcmpEchoReply : wire::kIcmp6EchoReply)) return std::nullopt;
  const std::uint32_t rest = icmp.rest.to_host();
  IcmpAnswer answer{true, 0, static_cast<std::uint16_t>(rest >> 16),
                    static_cast<std::uint16_t>(rest & 0xffffU)};
  answer.payload = packet;
  return answer;
}

/// One target's ping.
class IcmpProbes::Question final : public Probe {
 public:
  Question(IcmpProbes& probes, const IpAddress& address, Answered answered)
      : to(address), probes_(probes), answered_(std::move(answered)) {}
  ~Question() override { give_up(); }

  void ask() override {
    if (const auto failure = probes_.send(*this)) answered_(*failure);
  }
  void give_up() noexcept override {
    const auto found = probes_.open_.find(sequence);
    if (found != probes_.open_.end() && found->second == this) probes_.open_.erase(found);
  }
  void answer(Finding finding) {
    give_up();
    answered_(std::move(finding));
  }

  const IpAddress to;
  Nonce nonce{};
  std::uint16_t sequence = 0;

 private:
  IcmpProbes& probes_;
  Answered answered_;
};

IcmpProbes::IcmpProbes(EventLoop& loop) noexcept : loop_(loop) {
  const Nonce nonce = make_nonce();
  std::memcpy(&id_, nonce.data(), sizeof id_);
}

IcmpProbes::~IcmpProbes() {
  for (const UniqueFd* const fd : {&v4_, &v6_})
    if (*fd) loop_.remove(fd->get());
}

std::unique_ptr<Probe> IcmpProbes::make(const Target& target, Probe::Answered answered) {
  return std::make_unique<Question>(*this, target.address, std::move(answered));
}

std::optional<Finding> IcmpProbes::open(bool v4) {
  UniqueFd& fd = v4 ? v4_ : v6_;
  if (fd) return std::nullopt;
  UniqueFd made(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  if (!made) return Finding{Fault::kLocal, failed_by(errno, "make a raw socket").detail};
  // Everything else that the node is told by ICMP would wake us in vain.
  int filtered = 0;
  if (v4) {
    const icmp_filter pass{~(1U << wire::kIcmpEchoReply | 1U << wire::kIcmpUnreachable)};
    filtered = ::setsockopt(made.get(), SOL_RAW, ICMP_FILTER, &pass, sizeof pass);
  } else {
    icmp6_filter pass;
    ICMP6_FILTER_SETBLOCKALL(&pass);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &pass);
    ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &pass);
    filtered = ::setsockopt(made.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &pass, sizeof pass);
  }
  if (filtered != 0) return Finding{Fault::kLocal, failed_by(errno, "filter").detail};
  const auto added = loop_.add(made.get(), EPOLLIN, [this, v4](std::uint32_t) { receive(v4); });
  if (!added) return Finding{Fault::kLocal, added.error().text()};
  fd = std::move(made);
  return std::nullopt;
}

std::optional<Finding> IcmpProbes::send(Question& question) {
  const bool v4 = question.to.is_v4();
  if (auto failure = open(v4)) return failure;
  if (open_.size() > 0xf000) return Finding{Fault::kLocal, "too many pings wait for an answer"};
  do ++last_sequence_;
  while (open_.contains(last_sequence_));
  question.sequence = last_sequence_;
  question.nonce = make_nonce();
  const Echo echo = echo_request(v4, id_, question.sequence, question.nonce);
  const SocketAddress to(question.to, 0);
  if (::sendto((v4 ? v4_ : v6_).get(), echo.data(), echo.size(), MSG_NOSIGNAL, to.get(),
               to.length) < 0)
    return failed_by(errno, "send");
  open_[question.sequence] = &question;
  return std::nullopt;
}

void IcmpProbes::receive(bool v4) {
  std::array<std::byte, kLongestRead> packet;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom((v4 ? v4_ : v6_).get(), packet.data(), packet.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) return;
    const auto* const at = reinterpret_cast<const std::byte*>(&from);
    take(std::span(packet).first(static_cast<std::size_t>(n)), v4,
         address_in(at + (v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr)),
                    v4));
  }
}

void IcmpProbes::take(std::span<const std::byte> packet, bool v4, const IpAddress& from) {
  const auto answer = read_icmp(packet, v4);
  if (!answer || answer->id != id_) return;
  const auto found = open_.find(answer->sequence);
  if (found == open_.end()) return;
  Question& question = *found->second;
  if (answer->echo && from == question.to && std::ranges::equal(answer->payload, question.nonce))
    question.answer({Fault::kNone, "echoed"});
  else if (!answer->echo && answer->asked == question.to)
    question.answer({Fault::kUnreachable,
                     fmt::format("{} says: unreachable, code {}", from.text(), answer->code)});
}

}  // namespace sluice::health
