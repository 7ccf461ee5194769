// SPDX-License-Identifier: Apache-2.0
#include "client/scripted_daemon.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sluice::client {
namespace {

// False when the client went away.
bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// A whole request, or what came of it.
std::string read_request(int fd) {
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const auto end = text.find("\r\n\r\n");
    if (end != text.npos) {
      std::size_t length = 0;
      const auto at = text.find("Content-Length: ");
      if (at < end) std::from_chars(text.data() + at + 16, text.data() + end, length);
      if (text.size() >= end + 4 + length) return text;
    }
    const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n <= 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

ScriptedDaemon::ScriptedDaemon() : wake_(::eventfd(0, EFD_CLOEXEC)) {
  std::string pattern = "/tmp/sluice-client-XXXXXX";
  SLUICE_ASSERT(::mkdtemp(pattern.data()) != nullptr, "/tmp takes a folder");
  folder_ = pattern;
  socket_ = folder_ + "/admin.sock";
  start();
}

ScriptedDaemon::~ScriptedDaemon() {
  stop(/*leave_socket=*/false);
  std::filesystem::remove_all(folder_);
}

void ScriptedDaemon::start() {
  std::filesystem::remove(socket_);
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  SLUICE_ASSERT(socket_.size() < sizeof name.sun_path, "the folder's name is short");
  std::memcpy(name.sun_path, socket_.c_str(), socket_.size() + 1);
  SLUICE_ASSERT(
      ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
          ::listen(listener_.get(), 16) == 0,
      "the socket can be made");
  thread_ = std::thread([this] { serve(); });
}

void ScriptedDaemon::stop(bool leave_socket) {
  if (thread_.joinable()) {
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
    eventfd_t woken = 0;
    ::eventfd_read(wake_.get(), &woken);
  }
  listener_.reset();
  held_.clear();
  if (!leave_socket) std::filesystem::remove(socket_);
}

void ScriptedDaemon::script(const std::string& what, Reply reply) {
  const std::lock_guard lock(mutex_);
  script_[what].push_back(std::move(reply));
}

bool ScriptedDaemon::wait_for(std::size_t requests) {
  std::unique_lock lock(mutex_);
  return arrived_.wait_for(lock, std::chrono::seconds(10),
                           [&] { return received_.size() >= requests; });
}

std::vector<Received> ScriptedDaemon::received() {
  const std::lock_guard lock(mutex_);
  return received_;
}

void ScriptedDaemon::serve() {
  for (;;) {
    std::array<pollfd, 2> ready{{{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    ::poll(ready.data(), ready.size(), -1);
    if (ready[1].revents != 0) return;
    if (ready[0].revents != 0)
      answer(UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
}

void ScriptedDaemon::answer(UniqueFd client) {
  const auto request = read_request(client.get());
  const auto what = request.substr(0, request.find(" HTTP/"));
  const auto end = request.find("\r\n\r\n");
  const auto reply = next_reply(what);
  {  // before the answer: a client that has it finds its request here
    const std::lock_guard lock(mutex_);
    received_.push_back({what, end == request.npos ? "" : request.substr(end + 4)});
    arrived_.notify_all();
  }
  if (reply.silent) {
    held_.push_back(std::move(client));
  } else if (!reply.raw.empty() || reply.endless) {
    bool listening = send_all(client.get(), reply.raw);
    const std::string zeros(1U << 20U, '0');
    while (reply.endless && listening) listening = send_all(client.get(), zeros);
  } else {
    send_all(client.get(), fmt::format("HTTP/1.1 {} Scripted\r\nContent-Type: application/json\r\n"
                                       "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                                       reply.status, reply.body.size(), reply.body));
  }
}

Reply ScriptedDaemon::next_reply(const std::string& what) {
  const std::lock_guard lock(mutex_);
  const auto at = script_.find(what);
  if (at == script_.end())
    return {
        404,
        R"({"error": {"code": "not_found", "where": "", "message": "nothing is scripted for ')" +
            what + "'\"}}"};
  auto& replies = at->second;
  Reply reply = replies.front();
  if (replies.size() > 1) replies.pop_front();
  return reply;
}

}  // namespace sluice::client
