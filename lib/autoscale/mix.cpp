// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix.hpp"

#include "autoscale/decision.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

namespace sluice::autoscale {
namespace {

constexpr std::size_t kMostNodes = 200'000;
constexpr double kGrain = 1e-9;  // relative: what differs by less is the same

class Search {
 public:
  Search(std::span<const MixClass> classes, const MixBounds& bounds)
      : classes_(classes), bounds_(bounds), order_(classes.size()), counts_(classes.size()) {
    const bool priced = std::ranges::any_of(classes, [](const auto& c) { return c.price > 0; });
    for (const auto& c : classes) price_.push_back(priced ? c.price : 1);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // The best value first: the first leaf is a good one, and bounds are sharp.
    std::ranges::stable_sort(order_, [&](std::size_t a, std::size_t b) {
      const double value_a = price_[a] * classes_[b].capacity;
      const double value_b = price_[b] * classes_[a].capacity;
      return value_a != value_b ? value_a < value_b : classes_[a].capacity > classes_[b].capacity;
    });
    best_value_.resize(order_.size() + 1, 0);
    least_after_.resize(order_.size() + 1, 0);
    for (std::size_t at = order_.size(); at-- > 0;) {
      const auto& c = classes_[order_[at]];
      best_value_[at] = price_[order_[at]] / c.capacity;  // ascending order: the best of the rest
      least_after_[at] = least_after_[at + 1] + c.least;
    }
  }

  Mix run() {
    descend(0, 0, 0, 0);
    Mix mix;
    mix.exact = nodes_ < kMostNodes;
    mix.counts = found_ ? best_counts_ : floor_counts();
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      mix.capacity += mix.counts[i] * classes_[i].capacity;
      mix.price += mix.counts[i] * classes_[i].price;
    }
    mix.uncovered = std::max(0.0, bounds_.capacity - mix.capacity);
    if (mix.uncovered <= bounds_.capacity * kGrain) mix.uncovered = 0;
    return mix;
  }

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

  [[nodiscard]] std::vector<unsigned> floor_counts() const {
    std::vector<unsigned> counts;
    for (const auto& c : classes_) counts.push_back(c.least);
    return counts;
  }

  [[nodiscard]] double covered(double capacity) const {
    const double open = bounds_.capacity - capacity;
    return open <= bounds_.capacity * kGrain ? 0 : open;
  }

  // What a node can lead to at best: the rest is bought at the best price there is, in fractions.
  [[nodiscard]] bool hopeless(std::size_t at, double capacity, double price) const {
    if (!found_) return false;
    double open = covered(capacity);
    double able = std::numeric_limits<double>::infinity();
    if (bounds_.budget > 0 && at < order_.size() && best_value_[at] > 0)
      able = std::max(0.0, bounds_.budget - price) / best_value_[at];
    const double uncovered = std::max(0.0, open - able);
    if (uncovered > best_.uncovered * (1 + kGrain)) return true;
    if (uncovered < best_.uncovered * (1 - kGrain)) return false;
    open -= uncovered;
    const double least = price + (at < order_.size() ? open * best_value_[at] : 0);
    return least > best_.price * (1 + kGrain);
  }

  void descend(std::size_t at, double capacity, double price, unsigned total) {
    if (nodes_ >= kMostNodes) return;
    ++nodes_;
    if (hopeless(at, capacity, price)) return;
    if (at == order_.size()) return weigh(capacity, price, total);
    const std::size_t i = order_[at];
    const auto& c = classes_[i];
    const unsigned room = bounds_.most > total + least_after_[at + 1]
                              ? bounds_.most - total - least_after_[at + 1]
                              : 0;
    unsigned most = std::max(c.least, std::min(c.most, room));
    // More than cover the need with this class alone are never of use, but for `least` in all.
    const double open = covered(capacity);
    const double enough = std::ceil(open / c.capacity - kGrain * open);
    const unsigned fill = bounds_.least > total ? bounds_.least - total : 0;
    const double useful =
        std::max({enough, static_cast<double>(fill), static_cast<double>(c.least)});
    if (useful < most) most = static_cast<unsigned>(useful);
    for (unsigned n = most;; --n) {
      counts_[i] = n;
      descend(at + 1, capacity + n * c.capacity, price + n * price_[i], total + n);
      if (n == c.least) break;
    }
  }

  void weigh(double capacity, double price, unsigned total) {
    if (total < bounds_.least && total < reachable()) return;
    if (!affordable(total) || !spread(total)) return;
    unsigned changes = 0;
    for (std::size_t i = 0; i < classes_.size(); ++i)
      changes += counts_[i] > classes_[i].present ? counts_[i] - classes_[i].present
                                                  : classes_[i].present - counts_[i];
    Worth worth{covered(capacity), price, changes, total};
    if (found_) {
      // Sums in another order differ in the last digits.
      if (std::abs(worth.uncovered - best_.uncovered) <= best_.uncovered * kGrain)
        worth.uncovered = best_.uncovered;
      if (std::abs(worth.price - best_.price) <= best_.price * kGrain) worth.price = best_.price;
      if (worth >= best_) return;
    }
    found_ = true;
    best_ = worth;
    best_counts_ = counts_;
  }

  [[nodiscard]] unsigned reachable() const {
    std::uint64_t sum = 0;
    for (const auto& c : classes_) sum += c.most;
    return static_cast<unsigned>(std::min<std::uint64_t>(sum, bounds_.most));
  }

  // What `least` asks for is paid in any case.
  [[nodiscard]] bool affordable(unsigned total) const {
    if (bounds_.budget <= 0) return true;
    double price = 0;
    bool more = false;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      price += counts_[i] * classes_[i].price;
      more |= counts_[i] > classes_[i].least;
    }
    return price <= bounds_.budget * (1 + kGrain) || !more || total <= bounds_.least;
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
  const MixBounds& bounds_;
  std::vector<std::size_t> order_;
  std::vector<double> price_;
  std::vector<double> best_value_;
  std::vector<unsigned> least_after_;
  std::vector<unsigned> counts_;
  std::vector<unsigned> best_counts_;
  Worth best_{};
  bool found_ = false;
  std::size_t nodes_ = 0;
};

constexpr std::uint16_t bit(Limit limit) { return static_cast<std::uint16_t>(limit); }

}  // namespace

Mix cheapest_mix(std::span<const MixClass> classes, const MixBounds& bounds) {
  Mix mix = Search(classes, bounds).run();
  if (mix.uncovered == 0) return mix;
  // Which bounds bit: those without which more would be covered.
  const auto less_open = [&](std::span<const MixClass> with, const MixBounds& within) {
    return Search(with, within).run().uncovered < mix.uncovered * (1 - kGrain);
  };
  if (bounds.budget > 0) {
    MixBounds free = bounds;
    free.budget = 0;
    if (less_open(classes, free)) mix.limits |= bit(Limit::kBudget);
  }
  if (bounds.domain_share < 1) {
    MixBounds free = bounds;
    free.domain_share = 1;
    if (less_open(classes, free)) mix.limits |= bit(Limit::kDomain);
  }
  const auto total = std::accumulate(mix.counts.begin(), mix.counts.end(), 0U);
  if (total >= bounds.most) mix.limits |= bit(Limit::kMax);
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (mix.counts[i] >= classes[i].most && classes[i].most < bounds.most)
      mix.limits |= bit(Limit::kClass);
  return mix;
}

}  // namespace sluice::autoscale
