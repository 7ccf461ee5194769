// SPDX-License-Identifier: Apache-2.0
#include "rig.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;

std::uint16_t port_of(int fd) {
  sockaddr_in6 about{};  // the port is in the same place in both families
  socklen_t length = sizeof about;
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&about), &length), 0);
  return ntohs(about.sin6_port);
}

UniqueFd bound(const IpAddress& address, int type) {
  const SocketAddress at(address, 0);
  UniqueFd fd(::socket(at.storage.ss_family, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), at.get(), at.length), 0);
  return fd;
}

}  // namespace

config::Health check_of(config::CheckType type) {
  config::Health check;
  check.type = type;
  check.interval = 60s;
  check.timeout = 15s;
  return check;
}

Target target_of(config::CheckType type, const IpAddress& address, std::uint16_t port) {
  return {"p", "b", address, port, check_of(type)};
}

bool Rig::wait(const std::function<bool()>& condition) {
  const auto end = EventLoop::Clock::now() + 20s;
  while (!condition()) {
    if (EventLoop::Clock::now() > end) return false;
    loop->turn(100ms);
  }
  return true;
}

Outcome Rig::ask(const Target& target) {
  std::optional<Outcome> got;
  prober->on_outcome([&](const Target&, const Outcome& outcome) { got = outcome; });
  prober->set_targets({});
  prober->set_targets({target});
  EXPECT_TRUE(wait([&] { return got.has_value(); })) << "no outcome in 20 seconds";
  prober->on_outcome({});
  return got.value_or(Outcome{Fault::kLocal});
}

Server::Server(Script script, const IpAddress& address)
    : listener_(bound(address, SOCK_STREAM)),
      port_(port_of(listener_.get())),
      script_(std::move(script)) {
  EXPECT_EQ(::listen(listener_.get(), 16), 0);
  thread_ = std::thread([this] {
    while (!ends_.load()) {
      const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) break;
      connection_.store(fd.get());
      if (ends_.load()) break;
      accepted_.fetch_add(1);
      script_(fd.get());
      connection_.store(-1);
    }
  });
}

Server::~Server() {
  ends_.store(true);
  ::shutdown(listener_.get(), SHUT_RDWR);
  if (const int fd = connection_.load(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string read_request(int fd) {
  std::string request;
  char byte = 0;
  while (!request.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) request += byte;
  return request;
}

Server::Script answer_with(std::string bytes) {
  return [bytes = std::move(bytes)](int fd) {
    (void)read_request(fd);
    send_all(fd, bytes);
  };
}

Server::Script stay_silent() {
  return [](int fd) {
    std::array<char, 512> ignored;
    while (::recv(fd, ignored.data(), ignored.size(), 0) > 0) {
    }
  };
}

std::string http(int status, std::string_view body, std::string_view headers) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                     headers, body);
}

NobodyThere::NobodyThere(int type) : fd_(bound(kLoopback, type)), port_(port_of(fd_.get())) {}

}  // namespace sluice::health
