// SPDX-License-Identifier: Apache-2.0
#include "health/tcp_probe.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <cerrno>

namespace sluice::health {
namespace {

constexpr std::string_view kDoing = "connect";

class TcpProbe final : public Probe {
 public:
  TcpProbe(EventLoop& loop, const Target& target, Answered answered)
      : loop_(loop), to_(target.address, target.port), answered_(std::move(answered)) {}
  ~TcpProbe() override { give_up(); }

  void ask() override {
    UniqueFd fd(::socket(to_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return answered_({Fault::kLocal, failed_by(errno, "make a socket").detail});
    // Closed by a reset, so that no TIME_WAIT stays here; and the handshake's last ACK is held back
    // for data to go with, so that the reset comes first and no server has to accept anything.
    const linger reset{1, 0};
    const int off = 0;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    if (::connect(fd.get(), to_.get(), to_.length) == 0)
      return answered_({Fault::kNone, "connected"});
    if (errno != EINPROGRESS) return answered_(failed_by(errno, kDoing));
    if (auto added = loop_.add(fd.get(), EPOLLOUT, [this](std::uint32_t) { ready(); }); !added)
      return answered_({Fault::kLocal, added.error().text()});
    fd_ = std::move(fd);
  }

  void give_up() noexcept override {
    if (!fd_) return;
    loop_.remove(fd_.get());
    fd_.reset();
  }

 private:
  void ready() {
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    give_up();
    answered_(error == 0 ? Finding{Fault::kNone, "connected"} : failed_by(error, kDoing));
  }

  EventLoop& loop_;
  SocketAddress to_;
  Answered answered_;
  UniqueFd fd_;
};

}  // namespace

std::unique_ptr<Probe> make_tcp_probe(EventLoop& loop, const Target& target,
                                      Probe::Answered answered) {
  return std::make_unique<TcpProbe>(loop, target, std::move(answered));
}

}  // namespace sluice::health
