// SPDX-License-Identifier: Apache-2.0
#include "health/syn_probes.hpp"

#include "health/nonce.hpp"
#include "packet/headers.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::health {
namespace {

constexpr int kReadsPerTurn = 64;  // the rest in the next turns
constexpr std::size_t kLongestRead = 128;

// Passes TCP with RST, or with SYN and ACK, of IPv4 (first fragments, any options) and IPv6
// (without extension headers). Offsets are from the IP header; jumps count instructions.
std::array<sock_filter, 19> answers_only() {
  const auto op = [](int code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
    return sock_filter{static_cast<std::uint16_t>(code), yes, no, k};
  };
  constexpr int kByte = BPF_LD | BPF_B | BPF_ABS;
  constexpr int kEqual = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr int kAnyBit = BPF_JMP | BPF_JSET | BPF_K;
  return {
      op(BPF_LD | BPF_H | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL)),
      op(kEqual, ETH_P_IPV6, 6, 0),
      op(kEqual, ETH_P_IP, 0, 14),
      op(kByte, 9),
      op(kEqual, IPPROTO_TCP, 0, 12),
      op(BPF_LD | BPF_H | BPF_ABS, 6),
      op(kAnyBit, wire::kIpOffsetMask, 10, 0),
      op(BPF_JMP | BPF_JA, 4),
      op(kByte, 6),  // IPv6
      op(kEqual, IPPROTO_TCP, 0, 7),
      op(kByte, 40 + offsetof(wire::Tcp, flags)),
      op(BPF_JMP | BPF_JA, 2),
      op(BPF_LDX | BPF_B | BPF_MSH, 0),  // IPv4: X = length of its header
      op(BPF_LD | BPF_B | BPF_IND, offsetof(wire::Tcp, flags)),
      op(kAnyBit, wire::kTcpRst, 3, 0),
      op(BPF_ALU | BPF_AND | BPF_K, wire::kTcpSyn | wire::kTcpAck),
      op(kEqual, wire::kTcpSyn | wire::kTcpAck, 1, 0),
      op(BPF_RET | BPF_K, 0),
      op(BPF_RET | BPF_K, kLongestRead),
  };
}

// The address of ours that the kernel would speak from to `to`.
std::optional<IpAddress> source_towards(const IpAddress& to) {
  const SocketAddress there(to, 9);
  const UniqueFd fd(::socket(there.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  auto* const generic = reinterpret_cast<sockaddr*>(&own);
  if (!fd || ::connect(fd.get(), there.get(), there.length) != 0 ||
      ::getsockname(fd.get(), generic, &length) != 0)
    return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (own.ss_family == AF_INET) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(own).sin_addr, 4);
    return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(own).sin6_addr, 16);
  return IpAddress::v6(bytes);
}

Finding ours(std::string_view doing) { return {Fault::kLocal, failed_by(errno, doing).detail}; }

}  // namespace

/// One target's SYN.
class SynProbes::Question final : public Probe {
 public:
  Question(SynProbes& probes, const Target& target, Answered answered)
      : probes_(probes), target_(target), answered_(std::move(answered)) {
    ++probes_.probes_;
  }
  ~Question() override {
    give_up();
    if (--probes_.probes_ == 0) probes_.close();
  }

  void ask() override {
    if (auto failure = start()) {
      give_up();
      answered_(std::move(*failure));
    }
  }

  void give_up() noexcept override {
    const auto found = probes_.open_.find(sequence_ + 1);
    if (found != probes_.open_.end() && found->second == this) probes_.open_.erase(found);
    port_.reset();
  }

  /// An answer with our acknowledgement: of our connection, or a chance hit.
  void take(const TcpAnswer& answer) {
    if (answer.pair != TcpPair{pair_.to, pair_.from, pair_.to_port, pair_.from_port}) return;
    const bool accepted = (answer.flags & wire::kTcpRst) == 0;
    // Closed by the same road: what the kernel sends by its own need not reach this backend.
    if (accepted) (void)probes_.send(target_, tcp_packet(pair_, sequence_ + 1, wire::kTcpRst));
    give_up();
    answered_(accepted ? Finding{Fault::kNone, "connected at the service's address"}
                       : Finding{Fault::kRefused, "refused at the service's address"});
  }

 private:
  std::optional<Finding> start() {
    if (auto failure = probes_.open()) return failure;
    const IpAddress& service = target_.tunnel->service;
    const bool same_family = service.family() == target_.address.family();
    const auto source = source_towards(same_family ? target_.address : service);
    if (!source || *source == service)
      return Finding{Fault::kLocal, "no address of this node for the answer to come to"};
    pair_ = {*source, service, 0, target_.port};
    if (auto failure = take_port()) return failure;
    const Nonce nonce = make_nonce();
    std::memcpy(&sequence_, nonce.data(), sizeof sequence_);
    if (!probes_.open_.emplace(sequence_ + 1, this).second)
      return Finding{Fault::kLocal, "two probes drew the same number"};
    return probes_.send(target_, tcp_packet(pair_, sequence_, wire::kTcpSyn));
  }

  // A port that no other socket gets meanwhile, and another one the next time.
  std::optional<Finding> take_port() {
    const SocketAddress any(pair_.from, 0);
    port_ = UniqueFd(::socket(any.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!port_) return ours("make a socket");
    sockaddr_in6 bound{};  // the port is in the same place in both families
    socklen_t length = sizeof bound;
    if (::bind(port_.get(), any.get(), any.length) != 0 ||
        ::getsockname(port_.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
      return ours("take a port");
    pair_.from_port = ntohs(bound.sin6_port);
    return std::nullopt;
  }

  SynProbes& probes_;
  Target target_;
  Answered answered_;
  TcpPair pair_;
  std::uint32_t sequence_ = 0;
  UniqueFd port_;
};

SynProbes::~SynProbes() { close(); }

std::unique_ptr<Probe> SynProbes::make(const Target& target, Probe::Answered answered) {
  return std::make_unique<Question>(*this, target, std::move(answered));
}

std::optional<Finding> SynProbes::open() {
  if (answers_) return std::nullopt;
  // Protocol 0: nothing comes before the filter is there.
  UniqueFd made(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return ours("make a packet socket");
  auto filter = answers_only();
  const sock_fprog program{static_cast<std::uint16_t>(filter.size()), filter.data()};
  const int on = 1;
  sockaddr_ll all{};
  all.sll_family = AF_PACKET;
  all.sll_protocol = htons(ETH_P_ALL);
  if (::setsockopt(made.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
      ::setsockopt(made.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
      ::bind(made.get(), reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0)
    return ours("listen for answers");
  if (auto added = loop_.add(made.get(), EPOLLIN, [this](std::uint32_t) { receive(); }); !added)
    return Finding{Fault::kLocal, added.error().text()};
  answers_ = std::move(made);
  return std::nullopt;
}

void SynProbes::close() noexcept {
  if (answers_) loop_.remove(answers_.get());
  answers_.reset();
  v4_.reset();
  v6_.reset();
}

std::optional<Finding> SynProbes::send(const Target& target, std::span<const std::byte> packet) {
  const Tunnel& tunnel = *target.tunnel;
  if (tunnel.forwarding == config::Forwarding::kL2dsr) {
    const unsigned interface = ::if_nametoindex(tunnel.interface.c_str());
    if (interface == 0 || tunnel.mac.is_zero())
      return Finding{Fault::kUnreachable, "its MAC address is not known"};
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(tunnel.service.is_v4() ? ETH_P_IP : ETH_P_IPV6);
    to.sll_ifindex = static_cast<int>(interface);
    to.sll_halen = ETH_ALEN;
    std::memcpy(to.sll_addr, tunnel.mac.bytes.data(), ETH_ALEN);
    if (::sendto(answers_.get(), packet.data(), packet.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
      return failed_by(errno, "send");
    return std::nullopt;
  }
  const auto outer = tunnelled(tunnel, target.address, packet);
  if (outer.empty()) return Finding{Fault::kLocal, "the tunnel has no source of that family"};
  UniqueFd& fd = target.address.is_v4() ? v4_ : v6_;
  const SocketAddress to(target.address, 0);
  if (!fd) {
    fd = UniqueFd(::socket(to.storage.ss_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           IPPROTO_RAW));  // with it comes the right to give the IP header
    if (!fd) return ours("make a raw socket");
  }
  if (::sendto(fd.get(), outer.data(), outer.size(), 0, to.get(), to.length) < 0)
    return failed_by(errno, "send");
  return std::nullopt;
}

void SynProbes::receive() {
  std::array<std::byte, kLongestRead> packet;
  for (int i = 0; i < kReadsPerTurn && answers_; ++i) {
    const ssize_t n = ::recv(answers_.get(), packet.data(), packet.size(), 0);
    if (n < 0) return;
    take(std::span(packet).first(static_cast<std::size_t>(n)));
  }
}

void SynProbes::take(std::span<const std::byte> packet) {
  const auto answer = read_tcp(packet);
  if (!answer || (answer->flags & wire::kTcpAck) == 0) return;
  const auto found = open_.find(answer->acknowledgement);
  if (found != open_.end()) found->second->take(*answer);
}

}  // namespace sluice::health
