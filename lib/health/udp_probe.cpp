// SPDX-License-Identifier: Apache-2.0
#include "health/udp_probe.hpp"

#include "health/nonce.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace sluice::health {
namespace {

class UdpProbe final : public Probe {
 public:
  UdpProbe(EventLoop& loop, const Target& target, Answered answered)
      : loop_(loop), to_(target.address, target.port), answered_(std::move(answered)) {}
  ~UdpProbe() override { give_up(); }

  void ask() override {
    UniqueFd fd(::socket(to_.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return answered_({Fault::kLocal, failed_by(errno, "make a socket").detail});
    nonce_ = make_nonce();
    // Connected: what others send does not come in, and an ICMP error does.
    if (::connect(fd.get(), to_.get(), to_.length) != 0)
      return answered_(failed_by(errno, "connect"));
    if (::send(fd.get(), nonce_.data(), nonce_.size(), MSG_NOSIGNAL) < 0)
      return answered_(failed_by(errno, "send"));
    if (auto added = loop_.add(fd.get(), EPOLLIN, [this](std::uint32_t) { ready(); }); !added)
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
    std::array<std::byte, sizeof(Nonce) + 1> answer;  // one more, to see that it is too long
    const ssize_t n = ::recv(fd_.get(), answer.data(), answer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const Finding failure = n < 0 ? failed_by(errno, "receive") : Finding{};
    give_up();
    if (n < 0) return answered_(failure);
    const auto got = std::span(answer).first(static_cast<std::size_t>(n));
    if (std::ranges::equal(got, nonce_)) return answered_({Fault::kNone, "echoed"});
    answered_({Fault::kProtocol, "an answer other than what was sent"});
  }

  EventLoop& loop_;
  SocketAddress to_;
  Answered answered_;
  Nonce nonce_{};
  UniqueFd fd_;
};

}  // namespace

std::unique_ptr<Probe> make_udp_probe(EventLoop& loop, const Target& target,
                                      Probe::Answered answered) {
  return std::make_unique<UdpProbe>(loop, target, std::move(answered));
}

}  // namespace sluice::health
