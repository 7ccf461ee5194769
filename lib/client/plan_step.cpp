// SPDX-License-Identifier: Apache-2.0
// `sluicectl plan --step`: lines of stdin to the controller, decisions to stdout.
#include "client/plan.hpp"
#include "plan/step.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::client {
namespace {

// Lines of stdin, without their line feeds; none longer than the protocol has.
class Lines {
 public:
  explicit Lines(int descriptor) : descriptor_(descriptor) {}

  /// @return false at the end; a line that is too long comes cut, but longer than allowed.
  Result<bool> next(std::string& line) {
    for (;;) {
      const auto end = buffer_.find('\n', seen_);
      if (end != buffer_.npos || (ended_ && !buffer_.empty())) {
        const auto size = std::min(end, buffer_.size());
        line.assign(buffer_, 0, size);
        buffer_.erase(0, std::min(size + 1, buffer_.size()));
        seen_ = 0;
        return true;
      }
      if (ended_) return false;
      seen_ = buffer_.size();
      if (buffer_.size() > plan::kLongestStepLine) ended_ = true;
      if (!ended_)
        if (auto read = fill(); !read) return forward_error(read);
    }
  }

 private:
  Result<void> fill() {
    std::array<char, 16 * 1024> chunk{};
    ssize_t n = -1;
    do n = ::read(descriptor_, chunk.data(), chunk.size());
    while (n < 0 && errno == EINTR);
    if (n < 0) return fail(Errc::kIo, "stdin", "cannot read it: {}", std::strerror(errno));
    if (n == 0) ended_ = true;
    buffer_.append(chunk.data(), static_cast<std::size_t>(n));
    return {};
  }

  int descriptor_;
  std::string buffer_;
  std::size_t seen_ = 0;  // bytes without a line feed
  bool ended_ = false;
};

}  // namespace

Result<void> plan_by_steps(autoscale::Controller::Options options, int in, Output& output) {
  plan::Step step(std::move(options));
  Lines lines(in);
  for (std::string line;;) {
    const auto more = lines.next(line);
    if (!more) return forward_error(more);
    if (!*more) return {};
    const auto answer = step.take(line);
    if (!answer) return forward_error(answer);
    if (!answer->empty()) output.print(*answer);
    if (output.failure() != 0) return {};
  }
}

}  // namespace sluice::client
