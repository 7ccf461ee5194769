// SPDX-License-Identifier: Apache-2.0
#include "control/grace_watch.hpp"

#include <algorithm>
#include <utility>

namespace sluice::control {

GraceWatch::GraceWatch(EventLoop& loop, std::function<std::size_t()> reclaim)
    : loop_(loop), reclaim_(std::move(reclaim)) {}

GraceWatch::~GraceWatch() {
  *asked_ = false;
  loop_.cancel(timer_);
}

void GraceWatch::published() {
  held_.push_back(loop_.now());
  wait_ = kFirstLook;
  // No timer: while ten thousand probes are due, one would come late, and that is no worker's
  // doing.
  if (std::exchange(*asked_, true)) return;
  loop_.defer([this, asked = asked_] {
    if (std::exchange(*asked, false)) look();
  });
}

void GraceWatch::look() {
  loop_.cancel(timer_);
  timer_ = EventLoop::TimerId::kNone;
  if (reclaim_() != 0) {
    timer_ = loop_.after(wait_, [this] { look(); });
    wait_ = std::min(2 * wait_, kLongestWait);
    return;
  }
  for (const auto since : std::exchange(held_, {})) times_.add(loop_.now() - since);
}

}  // namespace sluice::control
