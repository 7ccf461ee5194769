// SPDX-License-Identifier: Apache-2.0
#include "health/probe.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace sluice::health {
namespace {

class NoProbe final : public Probe {
 public:
  NoProbe(std::string why, Answered answered)
      : why_(std::move(why)), answered_(std::move(answered)) {}
  void ask() override { answered_({Fault::kLocal, why_}); }
  void give_up() noexcept override {}

 private:
  std::string why_;
  Answered answered_;
};

}  // namespace

std::unique_ptr<Probe> make_no_probe(std::string why, Probe::Answered answered) {
  return std::make_unique<NoProbe>(std::move(why), std::move(answered));
}

Fault fault_of(int error) noexcept {
  switch (error) {
    case 0:
      return Fault::kNone;
    case ECONNREFUSED:
      return Fault::kRefused;
    case ETIMEDOUT:
      return Fault::kTimeout;
    case ECONNRESET:
    case EPIPE:
      return Fault::kReset;
    case EPROTO:
      return Fault::kProtocol;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENOPROTOOPT:  // ICMP: protocol unreachable
    case EACCES:       // a route that prohibits
    case EINVAL:       // a route that drops
      return Fault::kUnreachable;
    default:
      return Fault::kLocal;
  }
}

Finding failed_by(int error, std::string_view doing) {
  return {fault_of(error), fmt::format("{}: {}", doing, std::strerror(error))};
}

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port) noexcept {
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.bytes().data(), sizeof v4.sin_addr);
    std::memcpy(&storage, &v4, length = sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, address.bytes().data(), sizeof v6.sin6_addr);
    std::memcpy(&storage, &v6, length = sizeof v6);
  }
}

std::string host_and_port(const IpAddress& address, std::uint16_t port) {
  return address.is_v4() ? fmt::format("{}:{}", address.text(), port)
                         : fmt::format("[{}]:{}", address.text(), port);
}

}  // namespace sluice::health
