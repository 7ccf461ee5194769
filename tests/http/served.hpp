// SPDX-License-Identifier: Apache-2.0
// A server and its clients in one thread.
//
// Threads: one owner.
#pragma once

#include "http/server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::http {

using namespace std::chrono_literals;

/// A client in the same thread as the server: it never blocks, the loop turns while it waits.
class Client {
 public:
  Client(EventLoop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}

  void send(std::string_view bytes) {
    for (const auto give_up = std::chrono::steady_clock::now() + 10s; !bytes.empty();) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) return;  // the server has closed it: the test reads why
      loop_.turn(0ms);
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the server does not read";
    }
  }

  /// Turns the loop until `text` has come, or the server has closed the connection.
  std::string read_until(std::string_view text) {
    for (const auto give_up = std::chrono::steady_clock::now() + 10s;
         std::chrono::steady_clock::now() < give_up;) {
      if (receive(); !text.empty() && got_.find(text) != std::string::npos) return got_;
      if (closed_) return got_;
      loop_.turn(1ms);
    }
    ADD_FAILURE() << "nothing came in time; so far: " << got_;
    return got_;
  }
  std::string read_all() { return read_until(""); }

  void receive() {
    std::array<char, 65536> chunk;
    ssize_t n = 0;
    while ((n = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT)) > 0)
      got_.append(chunk.data(), static_cast<std::size_t>(n));
    closed_ = n == 0 || (n < 0 && errno != EAGAIN);
  }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] const std::string& got() const { return got_; }
  void close() { fd_.reset(); }

 private:
  EventLoop& loop_;
  UniqueFd fd_;
  std::string got_;
  bool closed_ = false;
};

/// The bodies of all chunks of an answer.
inline std::string unchunked(const std::string& answer) {
  std::string body;
  auto at = answer.find("\r\n\r\n") + 4;
  while (at < answer.size()) {
    const auto size = std::strtoull(answer.c_str() + at, nullptr, 16);
    if (size == 0) return body;
    at = answer.find("\r\n", at) + 2;
    body += answer.substr(at, size);
    at += size + 2;
  }
  ADD_FAILURE() << "the last chunk is missing";
  return body;
}

struct HttpServerTest : testing::Test {
  HttpServerTest() {
    std::string name = testing::TempDir() + "sluice-http-XXXXXX";
    folder = ::mkdtemp(name.data());
    options.socket = folder / "admin.sock";
  }
  ~HttpServerTest() override {
    server.reset();
    std::filesystem::remove_all(folder);
  }

  void start() {
    auto opened = Server::open(*loop, options, [this](const Request& request) -> Answer {
      asked.push_back(request);
      return handler(request);
    });
    ASSERT_TRUE(opened) << opened.error().text();
    server = std::move(*opened);
  }

  Client local() {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    options.socket.copy(to.sun_path, sizeof to.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return {*loop, std::move(fd)};
  }

  Client remote() {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server->tcp_port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return {*loop, std::move(fd)};
  }

  /// One request on a connection of its own, that the server closes after the answer.
  std::string ask(std::string_view line, std::string_view rest = "\r\n") {
    Client client = local();
    client.send(fmt::format("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}", line, rest));
    return client.read_all();
  }

  void turn_until(auto&& reached) {
    for (const auto give_up = std::chrono::steady_clock::now() + 10s; !reached();) {
      loop->turn(1ms);
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    }
  }

  std::filesystem::path folder;
  Server::Options options;
  EventLoop::Clock::duration ahead{0};  ///< Moves the loop's clock on.
  std::unique_ptr<EventLoop> loop =
      EventLoop::open([this] { return EventLoop::Clock::now() + ahead; }).value();
  Handler handler = [](const Request&) { return Response{200, "{}\n", "application/json", {}}; };
  std::deque<Request> asked;
  std::unique_ptr<Server> server;
};

}  // namespace sluice::http
