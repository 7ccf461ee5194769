// SPDX-License-Identifier: Apache-2.0
#include "health/http_probe.hpp"

#include "health/http_answer.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <optional>

namespace sluice::health {
namespace {

constexpr std::size_t kReadAtOnce = 16384;

class HttpProbe final : public Probe {
 public:
  HttpProbe(EventLoop& loop, const Target& target, Answered answered)
      : loop_(loop),
        to_(target.address, target.port),
        check_(target.check),
        answered_(std::move(answered)),
        body_(target.check.expect_body) {
    request_ = fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sluice-health\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n",
        check_.path_asked(),
        check_.host.empty() ? host_and_port(target.address, target.port) : check_.host);
  }
  ~HttpProbe() override { give_up(); }

  void ask() override {
    UniqueFd fd(::socket(to_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return answered_({Fault::kLocal, failed_by(errno, "make a socket").detail});
    const linger reset{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (::connect(fd.get(), to_.get(), to_.length) != 0 && errno != EINPROGRESS)
      return answered_(failed_by(errno, "connect"));
    const auto added =
        loop_.add(fd.get(), EPOLLOUT, [this](std::uint32_t events) { ready(events); });
    if (!added) return answered_({Fault::kLocal, added.error().text()});
    fd_ = std::move(fd);
    sent_ = 0;
    reader_.emplace(body_, check_.load_header);
  }

  void give_up() noexcept override {
    if (!fd_) return;
    loop_.remove(fd_.get());
    fd_.reset();
    body_.clear();
  }

 private:
  void ready(std::uint32_t) {
    const auto finding = sent_ < request_.size() ? send() : receive();
    if (!finding) return;
    give_up();
    answered_(*finding);
  }

  std::optional<Finding> send() {
    const ssize_t n = ::send(fd_.get(), request_.data() + sent_, request_.size() - sent_,
                             MSG_NOSIGNAL);  // tells of a failed connection, too
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) return std::nullopt;
      return failed_by(errno, sent_ == 0 ? "connect" : "send");
    }
    sent_ += static_cast<std::size_t>(n);
    if (sent_ < request_.size()) return std::nullopt;
    if (auto changed = loop_.change(fd_.get(), EPOLLIN); !changed)
      return Finding{Fault::kLocal, changed.error().text()};
    return std::nullopt;
  }

  std::optional<Finding> receive() {
    std::array<char, kReadAtOnce> part;
    const ssize_t n = ::recv(fd_.get(), part.data(), part.size(), 0);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) return std::nullopt;
      return failed_by(errno, "receive");
    }
    const auto bytes = std::string_view(part.data(), static_cast<std::size_t>(n));
    switch (n == 0 ? reader_->end() : reader_->take(bytes)) {
      case HttpReader::Progress::kMore:
        return std::nullopt;
      case HttpReader::Progress::kWhole: {
        Finding finding = judge_http(check_, reader_->status(), body_.kept());
        finding.load = reader_->load();
        return finding;
      }
      case HttpReader::Progress::kTooLong:
        return Finding{Fault::kProtocol, "a longer answer than is read"};
      case HttpReader::Progress::kNotHttp:
        return Finding{Fault::kProtocol, "an answer that is not HTTP/1"};
      case HttpReader::Progress::kCut:
        break;
    }
    return Finding{Fault::kReset, "closed before the answer was whole"};
  }

  EventLoop& loop_;
  SocketAddress to_;
  config::Health check_;
  Answered answered_;
  std::string request_;
  std::size_t sent_ = 0;
  AnswerBody body_;
  std::optional<HttpReader> reader_;
  UniqueFd fd_;
};

}  // namespace

std::unique_ptr<Probe> make_http_probe(EventLoop& loop, const Target& target,
                                       Probe::Answered answered) {
  return std::make_unique<HttpProbe>(loop, target, std::move(answered));
}

}  // namespace sluice::health
