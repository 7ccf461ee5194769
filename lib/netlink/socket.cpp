// SPDX-License-Identifier: Apache-2.0
#include "netlink/socket.hpp"

#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace sluice::netlink {
namespace {

constexpr int kReceiveBuffer =
    1 << 20;  // bytes of news the kernel keeps for us before it loses some

tl::unexpected<Error> system_failure(std::string_view doing, int reason) {
  return fail(Errc::kIo, "netlink", "cannot {}: {}", doing, std::strerror(reason));
}

}  // namespace

void Socket::Close::operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }

Socket::Socket(mnl_socket* socket)
    : socket_(socket), room_(std::make_unique_for_overwrite<std::byte[]>(kRoom)) {}

int Socket::fd() const noexcept { return mnl_socket_get_fd(socket_.get()); }

Result<Socket> Socket::open(std::span<const unsigned> groups) {
  mnl_socket* const opened = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (opened == nullptr) return system_failure("open a socket", errno);
  Socket socket(opened);
  const timeval second{.tv_sec = 1, .tv_usec = 0};
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) != 0)
    return system_failure("bound its waits", errno);
  if (!groups.empty() && ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
                                      sizeof kReceiveBuffer) != 0)
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (mnl_socket_bind(opened, 0, MNL_SOCKET_AUTOPID) != 0)
    return system_failure("bind the socket", errno);
  for (unsigned group : groups)
    if (mnl_socket_setsockopt(opened, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0 &&
        errno != EINVAL)
      return system_failure("hear of changes", errno);
  return socket;
}

long Socket::receive(int flags) {
  for (;;) {
    sockaddr_nl from{};
    iovec room{room_.get(), kRoom};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(fd(), &message, flags);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (from.nl_pid != 0) continue;  // another process may send to us; only the kernel is believed
    if ((message.msg_flags & MSG_TRUNC) != 0) return -ENOBUFS;
    return n;
  }
}

Result<void> Socket::ask(Request request, const Take& take, int* refusal) {
  request.set_sequence(++sequence_);
  const auto bytes = request.bytes();
  if (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0)
    return system_failure("ask the kernel", errno);
  const bool dump =
      (reinterpret_cast<const nlmsghdr*>(bytes.data())->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  Result<void> result;
  for (bool ended = false; !ended;) {
    const long n = receive(0);
    if (n < 0) return system_failure("hear the kernel's answer", static_cast<int>(-n));
    decode({room_.get(), static_cast<std::size_t>(n)}, [&](const Message& message) {
      if (std::holds_alternative<Broken>(message.content)) {
        ended = true;
        result = fail(Errc::kInvalid, "netlink", "the kernel's answer is not well-formed");
        return;
      }
      if (message.sequence != sequence_) return;  // the rest of an answer that was given up
      if (const auto* const outcome = std::get_if<Outcome>(&message.content)) {
        ended = true;
        if (refusal != nullptr)
          *refusal = outcome->error;
        else if (outcome->error != 0)
          result = system_failure("have an answer", outcome->error);
        return;
      }
      ended = ended || !dump || std::holds_alternative<Done>(message.content);
      take(message);
    });
  }
  return result;
}

Socket::News Socket::hear(const Take& take) {
  const long n = receive(MSG_DONTWAIT);
  if (n == -EAGAIN) return News::kNone;
  if (n < 0) return News::kLost;
  News news = News::kSome;
  decode({room_.get(), static_cast<std::size_t>(n)}, [&](const Message& message) {
    if (std::holds_alternative<Broken>(message.content) ||
        std::holds_alternative<Lost>(message.content))
      news = News::kLost;
    else
      take(message);
  });
  return news;
}

}  // namespace sluice::netlink
