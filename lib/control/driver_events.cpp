// SPDX-License-Identifier: Apache-2.0
#include "control/driver_events.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <string_view>
#include <utility>

namespace sluice::control {
namespace {

using Kind = xdp::BackendEvent::Kind;

std::string_view what(Kind kind) {
  switch (kind) {
    case Kind::kRefuses:
      return "refuses connections";
    case Kind::kResets:
      return "resets connections";
    case Kind::kUnreachable:
      return "is said to be unreachable";
    case Kind::kAnswers:
      break;
  }
  return "answers";
}

}  // namespace

Result<std::unique_ptr<DriverEvents>> DriverEvents::open(Parts parts, int fd) {
  std::unique_ptr<DriverEvents> made(new DriverEvents(std::move(parts), fd));
  made->lost_ = made->parts_.lost();
  auto* const raw = made.get();
  if (auto done = raw->parts_.loop.add(fd, EPOLLIN, [raw](std::uint32_t) { raw->step(); }); !done) {
    made->fd_ = -1;
    return forward_error(done);
  }
  return made;
}

DriverEvents::~DriverEvents() {
  if (fd_ >= 0) parts_.loop.remove(fd_);
}

void DriverEvents::step() {
  std::set<IpAddress> doubtful;
  std::set<IpAddress> answering;
  for (const auto& event : parts_.poll(kMost)) {
    if (event.kind == Kind::kAnswers) {
      answering.insert(event.address);
    } else {
      doubtful.insert(event.address);
      tell(event);
    }
  }
  tell_lost();
  if (!doubtful.empty() || !answering.empty()) parts_.look(doubtful, answering);
}

void DriverEvents::tell(const DriverEvent& event) {
  const auto now = parts_.loop.now();
  std::erase_if(told_, [&](const auto& one) { return now - one.second >= kQuiet; });
  if (told_.size() >= kMostTold || !told_.emplace(event.address, now).second) return;
  parts_.events.add(Level::kInfo, "xdp", "backend_sign",
                    fmt::format("backend at {} {}, as the driver saw; it is asked at once",
                                event.address.text(), what(event.kind)));
}

void DriverEvents::tell_lost() {
  const auto lost = parts_.lost();
  const auto now = parts_.loop.now();
  if (lost <= lost_ || now - lost_told_ < kQuiet) return;
  parts_.events.add(Level::kWarn, "xdp", "signs_lost",
                    fmt::format("{} signs of backends found no room; health checks see by "
                                "themselves what they told",
                                lost - lost_));
  lost_ = lost;
  lost_told_ = now;
}

}  // namespace sluice::control
