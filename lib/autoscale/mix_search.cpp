// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace sluice::autoscale {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr std::size_t kManyNodes = 2000;  // from here on it pays to remember where it was
constexpr std::size_t kRemembered = 1U << 14U;
constexpr double kCertain = 1e-6;  // relative: what is so near to the limit is as good as the best
constexpr std::size_t kMostDomains = 64;  // that are weighed; more are left out of bounds

// What is bought in fractions.
struct Purchase {
  double capacity = 0;
  double price = 0;
  double count = 0;
};

}  // namespace

MixSearch::MixSearch(std::span<const SearchClass> classes, const SearchBounds& bounds)
    : bounds_(bounds), grain_(bounds.capacity * kSameWorth), counts_(classes.size()) {
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto& c = classes[i];
    items_.push_back({.capacity = c.capacity,
                      .price = c.price,
                      .most = c.most - c.least,
                      .least = c.least,
                      .present = c.present,
                      .domain = c.domain,
                      .index = i});
    base_.capacity += c.least * c.capacity;
    base_.price += c.least * c.price;
    base_.total += c.least;
    if (bounds.domain_most <= 0 || c.domain < 0) continue;
    const auto domain = static_cast<std::size_t>(c.domain);
    if (rooms_.size() <= domain) rooms_.resize(domain + 1, bounds.domain_most);
    rooms_[domain] -= c.least;
  }
  // The best value first: the first leaf is a good one, and limits are sharp.
  std::ranges::stable_sort(items_, [](const Item& a, const Item& b) {
    const double value_a = a.price * b.capacity;
    const double value_b = b.price * a.capacity;
    return value_a != value_b ? value_a < value_b : a.capacity > b.capacity;
  });
  const std::size_t size = items_.size();
  present_capacity_.resize(size + 1);
  present_price_.resize(size + 1);
  greatest_.resize(size + 1);
  dearest_.resize(size + 1);
  for (std::size_t at = size; at-- > 0;) {
    const auto& item = items_[at];
    const double more = std::max(item.present, item.least) - item.least;
    present_capacity_[at] = present_capacity_[at + 1] + more * item.capacity;
    present_price_[at] = present_price_[at + 1] + more * item.price;
    greatest_[at] = std::max(greatest_[at + 1], item.capacity);
    dearest_[at] = std::max(dearest_[at + 1], item.price);
  }
  by_price_ = weighing(0, 0, 1);
  by_capacity_ = weighing(0, -1, 0);
}

MixSearch::Weighing MixSearch::weighing(double factor, double by_capacity, double by_price) const {
  Weighing by;
  by.factor = factor;
  for (const auto& item : items_)
    by.weight.push_back(by_capacity * item.capacity + by_price * item.price);
  by.order.resize(items_.size());
  std::iota(by.order.begin(), by.order.end(), std::size_t{0});
  std::ranges::stable_sort(by.order, {}, [&](std::size_t i) { return by.weight[i]; });
  return by;
}

// The least weight of items from one on, at least `fill` and at most `room` of them. Bounds on
// items lie within those on domains, these within that on all: taking the lightest first is best.
double MixSearch::lightest(const Weighing& by, std::size_t from, unsigned fill,
                           unsigned room) const {
  std::array<double, kMostDomains> left;  // not initialised: the first ones are copied
  const std::size_t domains = std::min(rooms_.size(), kMostDomains);
  std::copy_n(rooms_.begin(), domains, left.begin());
  double sum = 0;
  double taken = 0;
  for (const std::size_t i : by.order) {
    if (i < from) continue;
    const double weight = by.weight[i];
    const double wanted = (weight < 0 ? room : fill) - taken;
    if (wanted <= 0) break;
    const auto& item = items_[i];
    double some = std::min<double>(item.most, wanted);
    const auto domain = static_cast<std::size_t>(item.domain);
    if (item.domain >= 0 && domain < domains) {
      some = std::min(some, std::max(0.0, left[domain]));
      left[domain] -= some;
    }
    sum += some * weight;
    taken += some;
  }
  return taken < fill - 1e-6 ? kNever : sum;
}

// Multipliers that sharpen limits: the value of a request/s where numbers bind, and of money where
// the budget does. A limit is concave in its multiplier, with corners where two weights are the
// same.
void MixSearch::find_factors() {
  std::vector<double> corners{0};
  for (const auto& a : items_) {
    corners.push_back(a.price / a.capacity);
    for (const auto& b : items_)
      if (a.capacity > b.capacity && a.price > b.price)
        corners.push_back((a.price - b.price) / (a.capacity - b.capacity));
  }
  std::ranges::sort(corners);
  corners.erase(std::unique(corners.begin(), corners.end()), corners.end());
  for (const double f : corners) {
    by_need_.push_back(weighing(f, -f, 1));
    if (bounds_.budget > 0 && f > 0) by_budget_.push_back(weighing(1 / f, -1, 1 / f));
  }
  hints_.assign(items_.size() + 1, {by_need_.size() / 2, by_budget_.size() / 2});
}

// The greatest value on a concave row, from where it was the last time.
double MixSearch::highest(std::size_t& hint, std::size_t size, const auto& value) {
  double best = value(hint);
  for (const bool up : {true, false}) {
    const std::size_t begin = hint;
    while (up ? hint + 1 < size : hint > 0) {
      const std::size_t next = up ? hint + 1 : hint - 1;
      const double there = value(next);
      if (there <= best) break;
      best = there;
      hint = next;
    }
    if (hint != begin) break;
  }
  return best;
}

double MixSearch::open(double capacity) const {
  const double open = bounds_.capacity - capacity;
  return open <= grain_ ? 0 : open;
}

unsigned MixSearch::fill(const Node& node) const {
  return bounds_.least > node.total ? bounds_.least - node.total : 0;
}

MixSearch::Limit MixSearch::limit() {
  if (base_.total > bounds_.most) return {.price = kNever};
  return limit(0, base_);
}

// What a node can lead to at best, the rest bought in fractions.
MixSearch::Limit MixSearch::limit(std::size_t at, const Node& node) {
  const unsigned room = bounds_.most - node.total;
  const unsigned least = fill(node);
  const double money = bounds_.budget > 0 ? bounds_.budget * (1 + kSameWorth) - node.price : kNever;
  if (money < 0 || std::ranges::any_of(rooms_, [](double left) { return left < 0; }))
    return {.price = kNever};
  // As if numbers did not bind: the best value first, within the budget.
  const double missing = open(node.capacity);
  const auto buy = [&](double target) {
    Purchase purchase;
    for (std::size_t i = at; i < items_.size() && purchase.capacity < target; ++i) {
      const auto& item = items_[i];
      double some = std::min<double>(item.most, (target - purchase.capacity) / item.capacity);
      if (item.price > 0) some = std::min(some, (money - purchase.price) / item.price);
      purchase.capacity += some * item.capacity;
      purchase.price += some * item.price;
      purchase.count += some;
    }
    return purchase;
  };
  Purchase free = buy(missing);
  const bool bound = !rooms_.empty() || free.count > room || free.count < least;
  double rest = 0;
  if (bound) {
    rest = lightest(by_price_, at, least, room);
    if (rest == kNever || rest > money) return {.price = kNever};
    if (by_need_.empty()) find_factors();
    double able = missing;
    if (missing > 0) {
      able = -lightest(by_capacity_, at, 0, room);
      if (!by_budget_.empty())
        able =
            std::min(able, -highest(hints_[at].budget, by_budget_.size(), [&](std::size_t i) {
                       return lightest(by_budget_[i], at, 0, room) - by_budget_[i].factor * money;
                     }));
    }
    if (able < free.capacity) free = buy(able);
  }
  Limit limit{.uncovered = std::max(0.0, missing - free.capacity)};
  if (limit.uncovered <= grain_) limit.uncovered = 0;
  rest = std::max(rest, free.price);
  if (bound && missing > limit.uncovered)
    rest = std::max(rest, highest(hints_[at].need, by_need_.size(), [&](std::size_t i) {
                      return by_need_[i].factor * (missing - limit.uncovered) +
                             lightest(by_need_[i], at, least, room);
                    }));
  limit.price = node.price + rest;
  return limit;
}

bool MixSearch::too_dear(const Limit& limit) const {
  const double price = (*best_)->worth.price;
  if (ties_) return limit.price > price * (1 + kSameWorth);
  // One that is cheaper is so by a whole step.
  return limit.price > price - 0.999 * bounds_.price_step - price * kSameWorth;
}

bool MixSearch::hopeless(std::size_t at, const Node& node, const Limit& limit) const {
  if (limit.price == kNever) return true;
  if (!*best_) return false;
  const Worth& best = (*best_)->worth;
  if (limit.uncovered > best.uncovered + grain_) return true;
  if (limit.uncovered < best.uncovered - grain_) return false;
  if (too_dear(limit)) return true;
  if (!ties_) return false;
  const unsigned changes = node.changes + changes_from(at, node);
  return changes > best.changes ||
         (changes == best.changes && node.total + fill(node) >= best.total);
}

// How many changes there are at least from one item on: what is present does not cover the need, or
// is dearer than the best.
unsigned MixSearch::changes_from(std::size_t at, const Node& node) const {
  const Worth& best = (*best_)->worth;
  double changes = 0;
  const double missing = open(node.capacity) - best.uncovered - 2 * grain_;
  if (missing > present_capacity_[at] && greatest_[at] > 0)
    changes = (missing - present_capacity_[at]) / greatest_[at];
  const double money = best.price * (1 + 2 * kSameWorth) - node.price;
  if (money < present_price_[at] && dearest_[at] > 0)
    changes = std::max(changes, (present_price_[at] - money) / dearest_[at]);
  return static_cast<unsigned>(std::ceil(changes * (1 - kSameWorth) - kSameWorth));
}

// Whether the number of backends so far matters for what may come.
bool MixSearch::numbers_bind(std::size_t at, const Node& node) const {
  if (fill(node) > 0) return true;
  const double missing = open(node.capacity);
  double most = 0;
  for (std::size_t i = at; i < items_.size(); ++i)
    most += std::min<double>(items_[i].most, std::ceil(missing / items_[i].capacity));
  return most > bounds_.most - node.total;
}

// Sizes that are multiples of one another lead to the same sums on many ways.
bool MixSearch::seen_before(std::size_t at, const Node& node) {
  if (visited_ < kManyNodes || at == 0 || !rooms_.empty() || grain_ <= 0) return false;
  if (seen_.empty()) seen_.resize(kRemembered);
  Seen key{.at = at,
           .capacity = std::llround(std::min(1e15, node.capacity / grain_)),
           .price = std::llround(std::min(1e15, node.price / coin_)),
           .total = numbers_bind(at, node) ? node.total + 1 : 0,
           .changes = node.changes,
           .backends = node.total};
  std::uint64_t hash = 0;
  for (const auto one : {std::uint64_t{key.at}, static_cast<std::uint64_t>(key.capacity),
                         static_cast<std::uint64_t>(key.price), std::uint64_t{key.total}}) {
    hash = (hash ^ one) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29U;
  }
  Seen& place = seen_[hash % kRemembered];
  const bool same = place.at == key.at && place.capacity == key.capacity &&
                    place.price == key.price && place.total == key.total;
  if (same &&
      (!ties_ || std::pair(place.changes, place.backends) <= std::pair(key.changes, key.backends)))
    return true;
  place = key;
  return false;
}

void MixSearch::descend(std::size_t at, const Node& node) {
  if (at == items_.size()) return weigh(node);
  if (seen_before(at, node)) return;
  const auto& item = items_[at];
  const double missing = open(node.capacity);
  // More than cover the need with this class alone are of no use, but for `least` in all.
  const double enough = std::max(0.0, std::ceil((missing - grain_) / item.capacity));
  double most = std::max<double>(enough, fill(node));
  most = std::min(
      {most, static_cast<double>(item.most), static_cast<double>(bounds_.most - node.total)});
  double* room = nullptr;
  if (item.domain >= 0 && static_cast<std::size_t>(item.domain) < rooms_.size())
    room = &rooms_[static_cast<std::size_t>(item.domain)];
  if (room != nullptr) most = std::min(most, std::max(0.0, std::floor(*room + kSameWorth)));
  if (bounds_.budget > 0 && item.price > 0)
    most = std::min(
        most,
        std::max(0.0, std::floor((bounds_.budget * (1 + kSameWorth) - node.price) / item.price)));
  const auto try_count = [&](unsigned n) {
    const unsigned count = item.least + n;
    const unsigned off = count > item.present ? count - item.present : item.present - count;
    return Node{.capacity = node.capacity + n * item.capacity,
                .price = node.price + n * item.price,
                .total = node.total + n,
                .changes = node.changes + off};
  };
  const auto limit_with = [&](unsigned n) {
    if (room != nullptr) *room -= n;
    const Limit can = limit(at + 1, try_count(n));
    if (room != nullptr) *room += n;
    return can;
  };
  // Where numbers do not bind the most of the best value is best; else the limits say what is.
  // They are convex in the count.
  const auto last = static_cast<unsigned>(most);
  unsigned start = last;
  if (!by_need_.empty()) {
    unsigned low = 0;
    while (low < start) {
      const unsigned middle = low + (start - low) / 2;
      const Limit here = limit_with(middle);
      const Limit next = limit_with(middle + 1);
      if (next.price < kNever &&
          (here.price == kNever || next.uncovered < here.uncovered - grain_ ||
           (next.uncovered <= here.uncovered + grain_ && next.price < here.price)))
        low = middle + 1;
      else
        start = middle;
    }
  }
  for (const bool down : {true, false}) {
    Limit before{.uncovered = kNever, .price = kNever};
    for (unsigned n = down ? start : start + 1; n <= last; down ? --n : ++n) {
      if (*nodes_ == 0 || near_) return;
      --*nodes_;
      ++visited_;
      const Node next = try_count(n);
      counts_[item.index] = item.least + n;
      if (room != nullptr) *room -= n;
      const Limit can = limit(at + 1, next);
      const bool lost = hopeless(at + 1, next, can);
      if (!lost) descend(at + 1, next);
      if (room != nullptr) *room += n;
      if (down && n == 0) break;
      // What is hopeless and becomes worse stays so.
      if (lost && *best_ && can.price < kNever && before.price < kNever) {
        const double open_now = (*best_)->worth.uncovered;
        if (can.uncovered > before.uncovered + grain_ && can.uncovered > open_now + grain_) break;
        if (open_now <= 0 && can.uncovered <= 0 && too_dear(can) &&
            can.price > before.price * (1 + kSameWorth))
          break;
      }
      before = can;
    }
  }
}

void MixSearch::weigh(const Node& node) {
  if (node.total < bounds_.least) return;
  Worth worth{open(node.capacity), node.price, node.changes, node.total};
  if (*best_) {
    const Worth& best = (*best_)->worth;
    // Sums in another order differ in the last digits.
    if (std::abs(worth.uncovered - best.uncovered) <= grain_) worth.uncovered = best.uncovered;
    if (std::abs(worth.price - best.price) <= best.price * kSameWorth) worth.price = best.price;
    const auto rank = [](const Worth& w) {
      return std::tuple(w.uncovered, w.price, w.changes, w.total);
    };
    if (rank(worth) >= rank(best)) return;
  }
  *best_ = Found{counts_, worth};
  near_ = !ties_ && visited_ > kManyNodes && certain(**best_);
}

bool MixSearch::certain(const Found& known) {
  const Limit best = limit();
  return known.worth.uncovered <= best.uncovered + kCertain * bounds_.capacity &&
         known.worth.price <= best.price * (1 + kCertain);
}

void MixSearch::run(bool ties, std::optional<Found>& known, std::size_t& nodes) {
  if (base_.total > bounds_.most) return;
  ties_ = ties;
  best_ = &known;
  nodes_ = &nodes;
  visited_ = 0;
  near_ = false;
  seen_.clear();
  const Limit can = limit(0, base_);
  coin_ = std::max(can.price, 1e-9) * kSameWorth;
  if (!hopeless(0, base_, can)) descend(0, base_);
}

void MixSearch::cheapest(std::optional<Found>& known, std::size_t& nodes) {
  run(false, known, nodes);
}

void MixSearch::calmest(std::optional<Found>& known, std::size_t& nodes) {
  if (known) run(true, known, nodes);
}

}  // namespace sluice::autoscale
