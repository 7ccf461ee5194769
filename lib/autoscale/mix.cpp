// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix.hpp"

#include "autoscale/decision.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::autoscale {
namespace {

constexpr std::size_t kMostNodes = 200'000;
constexpr double kGrain = 1e-9;  // relative: what differs by less is the same

class Search {
 public:
  Search(std::span<const MixClass> classes, const MixBounds& bounds)
      : classes_(classes), bounds_(bounds), order_(classes.size()), counts_(classes.size()) {
    const bool priced = std::ranges::any_of(classes, [](const auto& c) { return c.price > 0; });
    if (!priced) bounds_.budget = 0;
    double reach = 0;
    for (const auto& c : classes) {
      price_.push_back(priced ? c.price : 1);
      reach += std::max(c.least, c.most) * c.capacity;
    }
    // What is needed beyond reach would only blur the differences that are left.
    bounds_.capacity = std::min(bounds_.capacity, reach);
    grain_ = bounds_.capacity * kGrain;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // The best value first: the first leaf is a good one, and bounds are sharp.
    std::ranges::stable_sort(order_, [&](std::size_t a, std::size_t b) {
      const double value_a = price_[a] * classes_[b].capacity;
      const double value_b = price_[b] * classes_[a].capacity;
      return value_a != value_b ? value_a < value_b : classes_[a].capacity > classes_[b].capacity;
    });
    rest_.resize(order_.size() + 1);
    for (std::size_t at = order_.size(); at-- > 0;) {
      const auto& c = classes_[order_[at]];
      const double price = price_[order_[at]];
      const Rest& after = rest_[at + 1];
      rest_[at] = {.value = price / c.capacity,  // ascending order: the best of the rest
                   .price = at + 1 < order_.size() ? std::min(price, after.price) : price,
                   .reach = after.reach + std::max(c.least, c.most) * c.capacity,
                   .greatest = std::max(after.greatest, c.capacity),
                   .least = after.least + c.least,
                   .least_price = after.least_price + c.least * price};
    }
  }

  /// Nothing where no mix keeps all bounds.
  [[nodiscard]] std::optional<std::vector<unsigned>> run() {
    descend(0, {});
    if (!found_) return std::nullopt;
    return best_counts_;
  }
  [[nodiscard]] bool exact() const noexcept { return nodes_ < kMostNodes; }

 private:
  // Smaller is better, in this order.
  struct Worth {
    double uncovered;
    double price;
    unsigned changes;
    unsigned total;
    friend auto operator<=>(const Worth& a, const Worth& b) {
      return std::tie(a.uncovered, a.price, a.changes, a.total) <=>
             std::tie(b.uncovered, b.price, b.changes, b.total);
    }
  };
  // Of the classes from one on, in the order of the search.
  struct Rest {
    double value = 0;     ///< Least price of a request/s.
    double price = 0;     ///< Least price of a backend.
    double reach = 0;     ///< Requests/s of all that there may be.
    double greatest = 0;  ///< Requests/s of the greatest backend.
    unsigned least = 0;
    double least_price = 0;
  };
  struct Node {
    double capacity = 0;
    double price = 0;
    unsigned total = 0;
    unsigned changes = 0;
  };

  [[nodiscard]] double open(double capacity) const {
    const double open = bounds_.capacity - capacity;
    return open <= grain_ ? 0 : open;
  }

  // What a node can lead to at best: the rest is bought at the best price there is, in fractions.
  [[nodiscard]] bool hopeless(std::size_t at, const Node& node) const {
    const Rest& rest = rest_[at];
    if (bounds_.budget > 0 && node.price + rest.least_price > bounds_.budget * (1 + kGrain))
      return true;
    if (!found_) return false;
    const unsigned room = bounds_.most > node.total ? bounds_.most - node.total : 0;
    double able = std::min(rest.reach, std::max(room, rest.least) * rest.greatest);
    if (bounds_.budget > 0 && rest.value > 0)
      able = std::min(able, std::max(0.0, bounds_.budget - node.price) / rest.value);
    const double missing = open(node.capacity);
    const double uncovered = std::max(0.0, missing - able);
    if (uncovered > best_.uncovered + grain_) return true;
    if (uncovered < best_.uncovered - grain_) return false;
    const double fill = bounds_.least > node.total ? bounds_.least - node.total : 0;
    const double least =
        node.price + std::max({(missing - uncovered) * rest.value,
                               std::min<double>(fill, room) * rest.price, rest.least_price});
    if (least > best_.price * (1 + kGrain)) return true;
    return least >= best_.price * (1 - kGrain) && node.changes > best_.changes;
  }

  void descend(std::size_t at, const Node& node) {
    if (at == order_.size()) return weigh(node);
    const std::size_t i = order_[at];
    const auto& c = classes_[i];
    const unsigned taken = node.total + rest_[at + 1].least;
    const unsigned room = bounds_.most > taken ? bounds_.most - taken : 0;
    const unsigned most = std::max(c.least, std::min(c.most, room));
    // More than cover the need with this class alone are of no use, but for `least` in all, and to
    // make the share of another domain smaller.
    const double missing = open(node.capacity);
    const double enough = std::ceil(missing / c.capacity - kGrain * missing);
    const double fill = bounds_.least > node.total ? bounds_.least - node.total : 0;
    const double useful = std::max({enough, fill, static_cast<double>(c.least)});
    const unsigned first = useful < most ? static_cast<unsigned>(useful) : most;
    for (unsigned n = first;; --n) {
      take(at, node, n);
      if (n == c.least || nodes_ >= kMostNodes) break;
    }
    if (bounds_.domain_share >= 1) return;
    for (unsigned n = first + 1; n <= most && nodes_ < kMostNodes; ++n)
      if (!take(at, node, n) && price_[i] > 0) break;  // from here on it only becomes dearer
  }

  bool take(std::size_t at, const Node& node, unsigned n) {
    const std::size_t i = order_[at];
    const auto& c = classes_[i];
    counts_[i] = n;
    const Node next{.capacity = node.capacity + n * c.capacity,
                    .price = node.price + n * price_[i],
                    .total = node.total + n,
                    .changes = node.changes + (n > c.present ? n - c.present : c.present - n)};
    ++nodes_;
    if (hopeless(at + 1, next)) return false;
    descend(at + 1, next);
    return true;
  }

  void weigh(const Node& node) {
    if (node.total < bounds_.least && node.total < reachable()) return;
    if (!spread(node.total)) return;
    Worth worth{open(node.capacity), node.price, node.changes, node.total};
    if (found_) {
      // Sums in another order differ in the last digits.
      if (std::abs(worth.uncovered - best_.uncovered) <= grain_) worth.uncovered = best_.uncovered;
      if (std::abs(worth.price - best_.price) <= best_.price * kGrain) worth.price = best_.price;
      if (worth >= best_) return;
    }
    found_ = true;
    best_ = worth;
    best_counts_ = counts_;
  }

  [[nodiscard]] unsigned reachable() const {
    std::uint64_t sum = 0;
    for (const auto& c : classes_) sum += std::max(c.least, c.most);
    return static_cast<unsigned>(std::min<std::uint64_t>(sum, bounds_.most));
  }

  [[nodiscard]] bool spread(unsigned total) const {
    if (bounds_.domain_share >= 1) return true;
    const unsigned most =
        std::max(1U, static_cast<unsigned>(bounds_.domain_share * total + kGrain * total));
    std::map<std::string_view, unsigned> domains;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      if (classes_[i].domain.empty()) continue;
      if ((domains[classes_[i].domain] += counts_[i]) > most) return false;
    }
    return true;
  }

  std::span<const MixClass> classes_;
  MixBounds bounds_;
  double grain_ = 0;  ///< Requests/s that make no difference.
  std::vector<std::size_t> order_;
  std::vector<double> price_;
  std::vector<Rest> rest_;  ///< The last one: of nothing.
  std::vector<unsigned> counts_;
  std::vector<unsigned> best_counts_;
  Worth best_{};
  bool found_ = false;
  std::size_t nodes_ = 0;
};

// The best mix; where none keeps all bounds, the cheapest that `least` asks for: it comes before
// the budget, and both come before what domains may have.
Mix best_mix(std::span<const MixClass> classes, const MixBounds& bounds) {
  MixBounds within = bounds;
  Mix mix;
  for (int dropped = 0; dropped < 3; ++dropped) {
    if (dropped == 1) within.capacity = within.budget = 0;
    if (dropped == 2) within.domain_share = 1;
    Search search(classes, within);
    auto counts = search.run();
    mix.exact = mix.exact && search.exact();
    if (!counts) continue;
    mix.counts = std::move(*counts);
    break;
  }
  if (mix.counts.empty())  // the classes' least is more than there may be
    for (const auto& c : classes) mix.counts.push_back(c.least);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    mix.capacity += mix.counts[i] * classes[i].capacity;
    mix.price += mix.counts[i] * classes[i].price;
  }
  mix.uncovered = std::max(0.0, bounds.capacity - mix.capacity);
  if (mix.uncovered <= bounds.capacity * kGrain) mix.uncovered = 0;
  return mix;
}

constexpr std::uint16_t bit(Limit limit) { return static_cast<std::uint16_t>(limit); }

}  // namespace

Mix cheapest_mix(std::span<const MixClass> classes, const MixBounds& bounds) {
  Mix mix = best_mix(classes, bounds);
  if (mix.uncovered == 0) return mix;
  // Which bounds bit: those without which more would be covered.
  const auto more_covered = [&](std::span<const MixClass> with, const MixBounds& within) {
    return best_mix(with, within).capacity > mix.capacity * (1 + kGrain);
  };
  if (bounds.budget > 0) {
    MixBounds free = bounds;
    free.budget = 0;
    if (more_covered(classes, free)) mix.limits |= bit(Limit::kBudget);
  }
  if (bounds.domain_share < 1) {
    MixBounds free = bounds;
    free.domain_share = 1;
    if (more_covered(classes, free)) mix.limits |= bit(Limit::kDomain);
  }
  const auto total = std::accumulate(mix.counts.begin(), mix.counts.end(), 0U);
  if (total >= bounds.most) mix.limits |= bit(Limit::kMax);
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (mix.counts[i] >= classes[i].most && classes[i].most < bounds.most)
      mix.limits |= bit(Limit::kClass);
  return mix;
}

}  // namespace sluice::autoscale
