// SPDX-License-Identifier: Apache-2.0
#include "client/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace sluice::client {
namespace {

// 0, or the errno that stopped it. A terminal shared with a program that made it non-blocking
// answers EAGAIN: wait for room then.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void Output::print(std::string_view text) {
  if (failure_ == 0) failure_ = write_all(out_, text);
}

void Output::complain(std::string_view text) {
  write_all(err_, "sluicectl: " + std::string(text) + "\n");
}

void Output::rewrite_line(std::string_view text) {
  write_all(err_, "\r\x1b[K" + std::string(text));
}

bool Output::reader_gone() const noexcept {
  if (failure_ == EPIPE) return true;
  pollfd end{out_, 0, 0};
  return ::poll(&end, 1, 0) == 1 && (end.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace sluice::client
