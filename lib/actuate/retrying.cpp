// SPDX-License-Identifier: Apache-2.0
#include "actuate/retrying.hpp"

#include <algorithm>
#include <utility>

namespace sluice::actuate {

Retrying::Retrying(EventLoop& loop, OnReport report, unsigned retries, std::uint64_t seed)
    : loop_(loop), report_(std::move(report)), retries_(retries), random_(seed) {}

Retrying::~Retrying() {
  *alive_ = false;
  for (const auto& [id, waiting] : orders_) loop_.cancel(waiting.timer);
}

void Retrying::order(const Order& order) {
  if (orders_.contains(order.id)) return;  // it is under way
  if (orders_.size() >= kMostPending)
    return report_({.order_id = order.id,
                    .end = Report::End::kRefused,
                    .error = fmt::format("{} orders wait already", orders_.size())});
  orders_[order.id].order = order;
  turn_.push_back(order.id);
  next();
}

void Retrying::next() {
  while (under_way_ < kMostAtOnce && !turn_.empty()) {
    const std::string id = std::move(turn_.front());
    turn_.pop_front();
    Waiting& waiting = orders_.at(id);
    waiting.under_way = true;
    ++waiting.attempts;
    ++under_way_;
    // Not from within: an attempt may end at once, and its report may bring the next order. By
    // then the actuator may be gone, too.
    const Order order = waiting.order;
    attempt(order, [this, id, alive = alive_](Outcome outcome) {
      loop_.defer([this, id, alive, outcome = std::move(outcome)] {
        if (*alive) ended(id, outcome);
      });
    });
  }
}

void Retrying::ended(const std::string& id, const Outcome& outcome) {
  const auto found = orders_.find(id);
  if (found == orders_.end()) return;
  Waiting& waiting = found->second;
  waiting.under_way = false;
  --under_way_;
  using How = Outcome::How;
  const unsigned most = waiting.order.verb == Verb::kList ? 1 : retries_ + 1;
  if ((outcome.how == How::kAgain || outcome.how == How::kTimedOut) && waiting.attempts < most) {
    const auto least = std::min<std::chrono::milliseconds>(outcome.after, kLongestPause);
    waiting.timer = loop_.after(std::max(pause(waiting.attempts), least), [this, id] {
      turn_.push_back(id);
      next();
    });
    return next();
  }
  Report report = outcome.report;
  report.order_id = id;
  report.error = outcome.error;
  report.end = outcome.how == How::kDone      ? Report::End::kDone
               : outcome.how == How::kRefused ? Report::End::kRefused
               : outcome.how == How::kAgain   ? Report::End::kFailed
                                              : Report::End::kTimedOut;
  if (waiting.attempts > 1 && report.end != Report::End::kDone)
    report.error += fmt::format(" ({} attempts)", waiting.attempts);
  orders_.erase(found);
  const auto alive = alive_;
  report_(report);
  if (*alive) next();
}

// A quarter more or less, so that what failed together does not come back together.
std::chrono::milliseconds Retrying::pause(unsigned attempts) {
  const auto doubled = kFirstPause * (1U << std::min(attempts - 1, 10U));
  const auto whole = std::min<std::chrono::milliseconds>(doubled, kLongestPause).count();
  return std::chrono::milliseconds(
      whole * 3 / 4 + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(whole / 2)));
}

}  // namespace sluice::actuate
