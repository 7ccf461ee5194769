// SPDX-License-Identifier: Apache-2.0
#include "plan/oracle.hpp"

#include "plan/rounding.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <set>

namespace sluice::plan {
namespace {

struct Point {
  std::int64_t x;
  double y;
};

// What a slope towards a point at the same time counts as.
constexpr double kUp = std::numeric_limits<double>::infinity();
constexpr double kDown = -kUp;

double slope(const Point& from, const Point& to, double vertical) {
  const auto width = to.x - from.x;
  return width > 0 ? (to.y - from.y) / static_cast<double>(width) : vertical;
}

// The string between an upper and a lower curve: points of both come from left to right, and it
// keeps the part of the funnel that may still be touched.
class Funnel {
 public:
  Funnel() { path_.push_back(apex_); }

  void add_upper(const Point& p) {
    while (!upper_.empty() &&
           slope(before(upper_), upper_.back(), kUp) >= slope(upper_.back(), p, kUp))
      upper_.pop_back();
    upper_.push_back(p);
    if (upper_.size() == 1)
      while (!lower_.empty() && slope(apex_, p, kUp) < slope(apex_, lower_.front(), kDown))
        advance(lower_);
  }

  void add_lower(const Point& q) {
    while (!lower_.empty() &&
           slope(before(lower_), lower_.back(), kDown) <= slope(lower_.back(), q, kDown))
      lower_.pop_back();
    lower_.push_back(q);
    if (lower_.size() == 1)
      while (!upper_.empty() && slope(apex_, q, kDown) > slope(apex_, upper_.front(), kUp))
        advance(upper_);
  }

  std::vector<Point> finish() {
    const auto& rest = upper_.size() > lower_.size() ? upper_ : lower_;
    path_.insert(path_.end(), rest.begin(), rest.end());
    return std::move(path_);
  }

 private:
  const Point& before(const std::deque<Point>& side) const {
    return side.size() > 1 ? side[side.size() - 2] : apex_;
  }

  void advance(std::deque<Point>& side) {
    apex_ = side.front();
    side.pop_front();
    path_.push_back(apex_);
  }

  Point apex_{0, 0.0};
  std::vector<Point> path_;
  std::deque<Point> upper_;
  std::deque<Point> lower_;
};

// Arrivals before a moment, by sums over whole intervals.
class Curve {
 public:
  explicit Curve(const Arrivals& arrivals)
      : arrivals_(arrivals), end_(static_cast<std::int64_t>(arrivals.seconds())) {
    sums_.push_back(0.0);
    for (const double requests : arrivals.requests()) sums_.push_back(sums_.back() + requests);
  }

  [[nodiscard]] double at(std::int64_t t) const {
    if (t <= 0) return 0.0;
    if (t >= end_) return sums_.back();
    const auto interval = static_cast<std::size_t>(t) / arrivals_.step_s();
    const auto into = static_cast<std::size_t>(t) - interval * arrivals_.step_s();
    return sums_[interval] +
           arrivals_.requests()[interval] * static_cast<double>(into) / arrivals_.step_s();
  }

 private:
  const Arrivals& arrivals_;
  std::int64_t end_;
  std::vector<double> sums_;
};

// Moments at which one of the two curves may bend: ends of intervals, and `delay` after them.
std::vector<std::int64_t> bends(std::int64_t end, std::int64_t step, std::int64_t delay) {
  std::vector<std::int64_t> list;
  for (std::int64_t x = 0; x <= end; x += step) list.push_back(x);
  for (std::int64_t x = delay; x <= end + delay; x += step) list.push_back(x);
  std::ranges::sort(list);
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// Stays of backends, level by level: the k-th is on whenever more than k are needed.
class Stays {
 public:
  Stays(std::size_t seconds, std::uint32_t cold_s, std::uint32_t hold_s)
      : end_(static_cast<std::int64_t>(seconds)),
        cold_(cold_s),
        hold_(hold_s),
        ready_(seconds + 1),
        billed_(seconds + 1) {}

  void need(std::int64_t t, std::size_t count) {
    if (levels_.size() < count) levels_.resize(count);
    for (std::size_t k = before_; k < count; ++k) {
      auto& level = levels_[k];
      if (!level.start) {
        level.start = t;
      } else if (t - *level.end > hold_) {
        close(*level.start, *level.end);
        level.start = t;
      }
      level.end.reset();
    }
    for (std::size_t k = count; k < before_; ++k) levels_[k].end = t;
    before_ = count;
  }

  Schedule finish() {
    for (const auto& level : levels_)
      if (level.start) close(*level.start, level.end.value_or(end_));
    return {counts(ready_), counts(billed_), moments_.size()};
  }

 private:
  struct Level {
    std::optional<std::int64_t> start;  // on since
    std::optional<std::int64_t> end;    // last needed; absent: needed now
  };

  void close(std::int64_t start, std::int64_t end) {
    ++at(ready_, start);
    --at(ready_, end);
    const auto ordered = std::max<std::int64_t>(0, start - cold_);
    ++at(billed_, ordered);
    --at(billed_, std::min(end_, end + hold_ - cold_));
    if (start > 0) moments_.insert(ordered);
    if (end < end_) moments_.insert(end);
  }

  static std::int64_t& at(std::vector<std::int64_t>& series, std::int64_t t) {
    return series[static_cast<std::size_t>(t)];
  }

  static std::vector<std::uint32_t> counts(const std::vector<std::int64_t>& changes) {
    std::vector<std::uint32_t> list;
    list.reserve(changes.size() - 1);
    std::int64_t count = 0;
    for (std::size_t t = 0; t + 1 < changes.size(); ++t) {
      count += changes[t];
      list.push_back(static_cast<std::uint32_t>(count));
    }
    return list;
  }

  std::int64_t end_;
  std::int64_t cold_;
  std::int64_t hold_;
  std::vector<std::int64_t> ready_;  // changes at each second
  std::vector<std::int64_t> billed_;
  std::vector<Level> levels_;
  std::set<std::int64_t> moments_;
  std::size_t before_ = 0;
};

}  // namespace

std::vector<double> smoothest_service(const Arrivals& arrivals, std::uint32_t delay_s) {
  const Curve curve(arrivals);
  const auto end = static_cast<std::int64_t>(arrivals.seconds());
  Funnel funnel;
  for (const auto x : bends(end, arrivals.step_s(), delay_s)) {
    if (x == 0) continue;
    funnel.add_upper({x, curve.at(x)});
    funnel.add_lower({x, curve.at(x - delay_s)});
  }
  const auto path = funnel.finish();
  std::vector<double> rates;
  rates.reserve(arrivals.seconds());
  for (std::size_t i = 1; i < path.size(); ++i) {
    const auto width = path[i].x - path[i - 1].x;
    if (width <= 0) continue;
    const double rate = (path[i].y - path[i - 1].y) / static_cast<double>(width);
    const auto room = arrivals.seconds() - rates.size();
    rates.insert(rates.end(), std::min(room, static_cast<std::size_t>(width)), rate);
  }
  rates.resize(arrivals.seconds(), 0.0);
  return rates;
}

std::vector<std::uint32_t> backends_needed(const Arrivals& arrivals, const PoolModel& pool) {
  constexpr double kBackendRounding = 1e-6;  // of a backend
  std::vector<std::uint32_t> need;
  need.reserve(arrivals.seconds());
  for (const double rate : smoothest_service(arrivals, pool.slo_wait_s - 1)) {
    const auto count = ceil_count(rate / pool.classes.front().capacity - kBackendRounding);
    need.push_back(static_cast<std::uint32_t>(
        std::max<std::int64_t>(pool.min, std::min<std::int64_t>(count, kMostBackends))));
  }
  return need;
}

Schedule cheapest_schedule(std::span<const std::uint32_t> need, std::uint32_t cold_s,
                           std::uint32_t hold_s) {
  Stays stays(need.size(), cold_s, hold_s);
  for (std::size_t t = 0; t < need.size(); ++t) stays.need(static_cast<std::int64_t>(t), need[t]);
  return stays.finish();
}

}  // namespace sluice::plan
