// SPDX-License-Identifier: Apache-2.0
#include "control/waiting_clients.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

constexpr double kFirstGap = 1;  // s before the first retry; RFC 6298, 2.1. Each gap is twice that
constexpr double kMostGap = 128;
constexpr double kSlack = 0.7;  // s between a packet and the look that finds it, at most

// Retries between `from` and `to` of one whose first attempt was seen at 0, at most.
double retries(double from, double to) noexcept {
  double n = 0;
  double at = 0;
  for (double gap = kFirstGap; gap <= kMostGap; gap *= 2) {
    at += gap;
    if (at - kSlack <= to && at + kSlack > from) ++n;
  }
  return n;
}

}  // namespace

double WaitingClients::see(double t, double passed, double attempts) noexcept {
  if (attempts <= 0) {
    if (t > until_) clear();
    return waiting_;
  }
  if (waiting_ <= 0) {
    began_ = t;
    waiting_ = attempts;
  } else {
    const double own = waiting_ * retries(t - passed - began_, t - began_);
    waiting_ += std::max(attempts - own, 0.0);
  }
  // The gap after an attempt is as long as all the time before it and a second more.
  until_ = t + (t - began_) + kFirstGap + 2 * kSlack;
  return waiting_;
}

}  // namespace sluice::control
