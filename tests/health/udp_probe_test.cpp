// SPDX-License-Identifier: Apache-2.0
#include "health/udp_probe.hpp"

#include "rig.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;

/// Sends back what a function makes of each datagram.
class Echo {
 public:
  using Change = std::function<std::string(std::string)>;
  Echo(const IpAddress& address, Change change) {
    const SocketAddress at(address, 0);
    fd_ = UniqueFd(::socket(at.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd_.get(), at.get(), at.length), 0);
    sockaddr_in6 about{};
    socklen_t length = sizeof about;
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&about), &length), 0);
    port_ = ntohs(about.sin6_port);
    thread_ = std::thread([this, change = std::move(change)] {
      std::array<char, 64> got;
      while (true) {
        sockaddr_in6 from{};
        socklen_t size = sizeof from;
        auto* const generic = reinterpret_cast<sockaddr*>(&from);
        const ssize_t n = ::recvfrom(fd_.get(), got.data(), got.size(), 0, generic, &size);
        if (n <= 0) return;  // shut down
        const std::string answer = change(std::string(got.data(), static_cast<std::size_t>(n)));
        (void)!::sendto(fd_.get(), answer.data(), answer.size(), 0, generic, size);
      }
    });
  }
  ~Echo() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(UdpProbe, EchoIsFineInBothFamilies) {
  Rig rig;
  for (const auto& address : {kLoopback, kLoopback6}) {
    const Echo echo(address, [](std::string s) { return s; });
    const Outcome outcome = rig.ask(target_of(CheckType::kUdp, address, echo.port()));
    EXPECT_TRUE(outcome.ok()) << outcome.detail;
  }
}

TEST(UdpProbe, AnotherAnswerIsNoEcho) {
  Rig rig;
  const std::vector<Echo::Change> wrong{[](std::string s) { return s + "x"; },
                                        [](std::string s) { return s.substr(1); },
                                        [](const std::string&) { return std::string(); },
                                        [](std::string s) {
                                          s.back() = static_cast<char>(s.back() ^ 1);
                                          return s;
                                        }};
  for (const auto& change : wrong) {
    const Echo echo(kLoopback, change);
    EXPECT_EQ(rig.ask(target_of(CheckType::kUdp, kLoopback, echo.port())).fault, Fault::kProtocol);
  }
}

TEST(UdpProbe, PortWhereNobodyListensIsRefused) {
  Rig rig;
  EXPECT_EQ(rig.ask(target_of(CheckType::kUdp, kLoopback, 1)).fault, Fault::kRefused);
}

TEST(UdpProbe, SilenceIsATimeOut) {
  Rig rig;
  const NobodyThere there(SOCK_DGRAM);
  Target target = target_of(CheckType::kUdp, kLoopback, there.port());
  target.check.timeout = 20ms;
  EXPECT_EQ(rig.ask(target).fault, Fault::kTimeout);
}

TEST(UdpProbe, AnswerIsAskedForWithOtherBytesEachTime) {
  Rig rig;
  std::vector<std::string> asked;
  const Echo echo(kLoopback, [&](std::string s) {
    asked.push_back(s);
    return s;
  });
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(rig.ask(target_of(CheckType::kUdp, kLoopback, echo.port())).ok());
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_NE(asked[0], asked[1]);
  EXPECT_NE(asked[1], asked[2]);
}

}  // namespace
}  // namespace sluice::health
