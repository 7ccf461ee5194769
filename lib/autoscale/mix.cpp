// SPDX-License-Identifier: Apache-2.0
#include "autoscale/mix.hpp"

#include "autoscale/decision.hpp"
#include "autoscale/mix_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace sluice::autoscale {
namespace {

constexpr std::size_t kMostNodes = 100'000;  // for the cheapest mix
constexpr std::size_t kTieNodes = 20'000;    // for the calmest of those that are as cheap
constexpr std::size_t kNodesOfASearch = 50;  // that setting one up costs

constexpr double kCoarse = 1e-6;  // relative: a measure below that is none

// The greatest number of which all are multiples, by Euclid; 0 where there is none but a tiny one.
double common_measure(std::span<const double> values) {
  const double greatest = std::ranges::max(values);
  const double nothing = greatest * 1e-12;  // what is left by rounding
  double measure = 0;
  for (double value : values) {
    while (value > nothing) {
      const double rest = measure > 0 ? std::fmod(value, measure) : 0;
      if (measure <= 0) std::swap(value, measure);
      if (rest <= nothing || measure - rest <= nothing) break;
      value = std::exchange(measure, rest);
    }
    if (measure > 0 && measure < greatest * 1e-3) return 0;
  }
  return measure;
}

using Best = std::optional<Found>;

// Mixes within bounds; with a share of domains, one search for each number of backends in all, as
// that decides how many of them one domain may have.
class Mixing {
 public:
  Mixing(std::span<const MixClass> classes, const MixBounds& bounds) : bounds_(bounds) {
    const bool priced = std::ranges::any_of(classes, [](const auto& c) { return c.price > 0; });
    if (!priced) bounds_.budget = 0;
    double reach = 0;
    std::uint64_t all = 0;
    std::map<std::string_view, int> domains;
    for (const auto& c : classes) {
      const unsigned most = std::max(c.least, c.most);
      reach += most * c.capacity;
      all += most;
      least_ += c.least;
      SearchClass one{.capacity = c.capacity,
                      .price = priced ? c.price : 1,
                      .least = c.least,
                      .most = most,
                      .present = c.present};
      if (!c.domain.empty())
        one.domain = domains.try_emplace(c.domain, static_cast<int>(domains.size())).first->second;
      classes_.push_back(one);
    }
    round();
    // What is needed beyond reach would only blur the differences that are left.
    bounds_.capacity = std::min(bounds_.capacity, reach);
    most_ = static_cast<unsigned>(std::min<std::uint64_t>(all, bounds_.most));
    bounds_.least = std::max(std::min(bounds_.least, most_), least_);
  }

  /// Nothing where no mix keeps all bounds.
  [[nodiscard]] Best run() {
    if (least_ > most_) return std::nullopt;
    if (bounds_.domain_share >= 1 ||
        std::ranges::all_of(classes_, [](const SearchClass& c) { return c.domain < 0; })) {
      auto search = search_of(bounds_.least, most_, 0);
      search.cheapest(best_, nodes_);
      exact_ = nodes_ > 0 || (best_ && search.certain(*best_));
      search.calmest(best_, ties_);
    } else {
      const unsigned start = likely_total();
      each_total(
          start, [&](MixSearch& search) { search.cheapest(best_, nodes_); }, nodes_);
      exact_ = nodes_ > 0;
      if (best_)
        each_total(
            start, [&](MixSearch& search) { search.calmest(best_, ties_); }, ties_);
    }
    return best_;
  }
  [[nodiscard]] bool exact() const noexcept { return exact_; }

 private:
  // Sums of sizes that have a common measure are multiples of it: the next one is what is needed.
  // Likewise what a budget can be spent on.
  void round() {
    std::vector<double> sizes;
    std::vector<double> prices;
    for (const auto& c : classes_) {
      sizes.push_back(c.capacity);
      prices.push_back(c.price);
    }
    price_step_ = common_measure(prices);
    if (price_step_ > bounds_.budget * kCoarse && price_step_ <= bounds_.budget)
      bounds_.budget = price_step_ * std::floor(bounds_.budget / price_step_ * (1 + kSameWorth));
    const double step = common_measure(sizes);
    if (step > bounds_.capacity * kCoarse)
      bounds_.capacity = step * std::ceil(bounds_.capacity / step * (1 - kSameWorth));
  }

  [[nodiscard]] MixSearch search_of(unsigned least, unsigned most, double domain_most) const {
    return {classes_,
            {.capacity = bounds_.capacity,
             .least = least,
             .most = most,
             .budget = bounds_.budget,
             .price_step = price_step_,
             .domain_most = domain_most}};
  }

  // The limit for so many in all, had a domain a place more and in fractions: it is convex in the
  // number.
  [[nodiscard]] MixSearch::Limit loose(unsigned total) const {
    return search_of(total, total, bounds_.domain_share * total + 1).limit();
  }

  [[nodiscard]] unsigned likely_total() const {
    unsigned low = bounds_.least;
    unsigned high = most_;
    while (low < high) {
      const unsigned middle = low + (high - low) / 2;
      const auto here = loose(middle);
      const auto next = loose(middle + 1);
      if (std::pair(next.uncovered, next.price) < std::pair(here.uncovered, here.price))
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  // The likely number, and from there to both sides while there is something to hope for.
  void each_total(unsigned start, const auto& search, std::size_t& nodes) {
    for (const bool up : {true, false}) {
      std::optional<MixSearch::Limit> before;
      for (unsigned total = up ? start : start - 1; nodes > 0; up ? ++total : --total) {
        if (total > most_ || total < bounds_.least) break;
        const auto limit = loose(total);
        if (best_ && before && limit.price < kNever) {
          const auto& worth = best_->worth;
          const double grain = bounds_.capacity * kSameWorth;
          const bool open = limit.uncovered > worth.uncovered + grain;
          const bool dear = worth.uncovered <= 0 && limit.price > worth.price * (1 + kSameWorth);
          if (open && limit.uncovered > before->uncovered + grain) break;
          if (dear && limit.uncovered <= 0 && limit.price > before->price) break;
          before = limit;
          if (open || dear) continue;
        }
        before = limit;
        const unsigned most =
            std::max(1U, static_cast<unsigned>(bounds_.domain_share * total + kSameWorth * total));
        auto one = search_of(total, total, most);
        search(one);
        nodes -= std::min(nodes, kNodesOfASearch);
      }
    }
  }

  static constexpr double kNever = std::numeric_limits<double>::infinity();

  std::vector<SearchClass> classes_;
  MixBounds bounds_;
  double price_step_ = 0;
  unsigned least_ = 0;  ///< Of the classes, in all.
  unsigned most_ = 0;   ///< That there may be.
  Best best_;
  std::size_t nodes_ = kMostNodes;
  std::size_t ties_ = kTieNodes;
  bool exact_ = true;
};

// The best mix; where none keeps all bounds, the cheapest that `least` asks for: it comes before
// the budget, and both come before what domains may have.
Mix best_mix(std::span<const MixClass> classes, const MixBounds& bounds) {
  MixBounds within = bounds;
  Mix mix;
  for (int dropped = 0; dropped < 3; ++dropped) {
    if (dropped == 1) within.capacity = within.budget = 0;
    if (dropped == 2) within.domain_share = 1;
    Mixing mixing(classes, within);
    auto best = mixing.run();
    mix.exact = mix.exact && mixing.exact();
    if (!best) continue;
    mix.counts = std::move(best->counts);
    break;
  }
  if (mix.counts.empty())  // the classes' least is more than there may be
    for (const auto& c : classes) mix.counts.push_back(c.least);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    mix.capacity += mix.counts[i] * classes[i].capacity;
    mix.price += mix.counts[i] * classes[i].price;
  }
  mix.uncovered = std::max(0.0, bounds.capacity - mix.capacity);
  if (mix.uncovered <= bounds.capacity * kSameWorth) mix.uncovered = 0;
  return mix;
}

constexpr std::uint16_t bit(Limit limit) { return static_cast<std::uint16_t>(limit); }

}  // namespace

Mix cheapest_mix(std::span<const MixClass> classes, const MixBounds& bounds) {
  Mix mix = best_mix(classes, bounds);
  if (mix.uncovered == 0) return mix;
  // Which bounds bit: those without which more would be covered.
  const auto more_covered = [&](std::span<const MixClass> with, const MixBounds& within) {
    return best_mix(with, within).capacity > mix.capacity * (1 + kSameWorth);
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
