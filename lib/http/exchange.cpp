// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.hpp"

#include "base/log.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>

namespace sluice::http {

Peer peer_of(int fd) {
  Peer peer;
  ucred who{};
  socklen_t length = sizeof who;
  sockaddr_storage address{};
  socklen_t address_length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(fd, generic, &address_length) != 0) return peer;
  if (address.ss_family == AF_UNIX) {
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0) {
      peer.process = who.pid;
      peer.user = who.uid;
      peer.group = who.gid;
      peer.text = fmt::format("pid {} uid {}", who.pid, who.uid);
    }
    return peer;
  }
  std::array<char, 64> host{};
  std::array<char, 16> port{};
  if (::getnameinfo(generic, address_length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return peer;
  peer.address = host.data();
  peer.text = address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host.data(), port.data())
                                            : fmt::format("{}:{}", host.data(), port.data());
  return peer;
}

MHD_Result add_parameter(void* query, MHD_ValueKind, const char* key, size_t key_size,
                         const char* value, size_t value_size) noexcept {
  static_cast<decltype(Request::query)*>(query)->emplace_back(
      std::string(key, key_size),
      value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

std::string header_of(MHD_Connection* connection, const char* name) {
  const char* const value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

void log_line(void*, const char* format, std::va_list arguments) noexcept {
  std::array<char, 512> line{};
  if (std::vsnprintf(line.data(), line.size(), format, arguments) < 0) return;
  const std::string_view text(line.data());
  log("http")->debug("libmicrohttpd {}", text.substr(0, text.find('\n')));
}

namespace {

constexpr std::size_t kBlock = std::size_t{16} << 10U;  // asked for at once, at most

/// A body on its way, piece by piece.
struct Body {
  Pieces pieces;
  std::string piece;
  std::size_t sent = 0;  ///< Of the piece.
};

ssize_t read_body(void* of, std::uint64_t, char* to, std::size_t room) noexcept {
  auto& body = *static_cast<Body*>(of);
  try {
    if (body.sent == body.piece.size()) {
      body.piece.clear();
      body.sent = 0;
      while (body.piece.empty())  // no bytes would mean that there are none yet
        if (!body.pieces(body.piece)) return MHD_CONTENT_READER_END_OF_STREAM;
    }
  } catch (const std::exception& error) {
    log("http")->error("body_failed what={}", error.what());
    return MHD_CONTENT_READER_END_WITH_ERROR;  // closes the connection: the client sees it is torn
  }
  const auto count = std::min(room, body.piece.size() - body.sent);
  body.piece.copy(to, count, body.sent);
  body.sent += count;
  return static_cast<ssize_t>(count);
}

void free_body(void* of) noexcept { delete static_cast<Body*>(of); }

MHD_Response* make(const Response& response) {
  if (!response.pieces)
    return MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()),  // copied, never written
        MHD_RESPMEM_MUST_COPY);
  auto body = std::make_unique<Body>(Body{.pieces = response.pieces, .piece = {}});
  MHD_Response* const made = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlock, &read_body,
                                                               body.get(), &free_body);
  if (made != nullptr) (void)body.release();
  return made;
}

}  // namespace

MHD_Result send(MHD_Connection* connection, const Response& response) {
  MHD_Response* const out = make(response);
  if (out == nullptr) return MHD_NO;
  MHD_add_response_header(out, "Content-Type", response.content_type.c_str());
  if (std::ranges::none_of(response.headers,
                           [](const auto& h) { return h.first == "Cache-Control"; }))
    MHD_add_response_header(out, "Cache-Control", "no-store");
  MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
  for (const auto& [key, value] : response.headers)
    MHD_add_response_header(out, key.c_str(), value.c_str());
  const auto queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return queued;
}

}  // namespace sluice::http
