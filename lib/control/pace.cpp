// SPDX-License-Identifier: Apache-2.0
#include "control/pace.hpp"

#include <chrono>

namespace sluice::control {

void Pace::ask() {
  if (running_) {
    again_ = true;
    return;
  }
  if (waits()) return;
  if (loop_.now() < rested_)
    run_later();
  else
    run();
}

void Pace::run_later() {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(rested_ - loop_.now());
  timer_ = loop_.after(left, [this] {
    timer_ = EventLoop::TimerId::kNone;
    run();
  });
}

void Pace::run() {
  running_ = true;
  again_ = false;
  const auto begun = loop_.now();
  work_();
  const auto ended = loop_.now();
  rested_ = ended + (ended - begun) * rest_;
  running_ = false;
  if (again_) run_later();
}

}  // namespace sluice::control
