// SPDX-License-Identifier: Apache-2.0
// Branch and bound for the cheapest counts of several classes: an integer covering problem with one
// need, a budget, bounds on counts and on what one domain may have. See docs/design/autoscaling.md.
//
// Threads: a value of one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::autoscale {

inline constexpr double kSameWorth = 1e-9;  ///< Relative: what differs by less is the same.

/// A class of the search; its `least` is always in.
struct SearchClass {
  double capacity = 1;  ///< Above 0.
  double price = 0;     ///< Not negative.
  unsigned least = 0;
  unsigned most = 0;  ///< Not less than `least`.
  unsigned present = 0;
  int domain = -1;  ///< Number of its domain, from 0 on; below 0: none.
};

struct SearchBounds {
  double capacity = 0;
  unsigned least = 0;  ///< Backends in all.
  unsigned most = 0;
  double budget = 0;       ///< 0: none.
  double price_step = 0;   ///< Prices are multiples of it; 0: of nothing.
  double domain_most = 0;  ///< Backends of one domain; 0: no bound.
};

/// Smaller is better, in this order.
struct Worth {
  double uncovered = 0;
  double price = 0;
  unsigned changes = 0;  ///< From what is present.
  unsigned total = 0;
};

struct Found {
  std::vector<unsigned> counts;  ///< By class.
  Worth worth;
};

class MixSearch {
 public:
  /// What no counts can better.
  struct Limit {
    double uncovered = 0;
    double price = 0;  ///< Infinite: no counts keep the bounds.
  };

  MixSearch(std::span<const SearchClass> classes, const SearchBounds& bounds);

  /// The solution in fractions. Cost: as of the constructor, some us.
  [[nodiscard]] Limit limit();
  /// Whether what is known cannot be bettered by more than a millionth.
  [[nodiscard]] bool certain(const Found& known);
  /// Puts the least uncovered, and of these the cheapest, in the place of what is known, if it is
  /// better than that.
  /// @param nodes  that may be looked at, some 50 ns each; those that were are taken off. At 0 the
  ///               search is cut off; where it takes long it ends as soon as the best is certain.
  void cheapest(std::optional<Found>& known, std::size_t& nodes);
  /// Of those worth as much as what is known: that which changes least, then the fewest.
  void calmest(std::optional<Found>& known, std::size_t& nodes);

 private:
  // In the order of the search; least is taken off.
  struct Item {
    double capacity;
    double price;
    unsigned most;
    unsigned least;
    unsigned present;
    int domain;
    std::size_t index;
  };
  struct Node {
    double capacity = 0;
    double price = 0;
    unsigned total = 0;
    unsigned changes = 0;
  };
  // Weights of backends, and the lightest first.
  struct Weighing {
    double factor = 0;
    std::vector<double> weight;
    std::vector<std::size_t> order;
  };
  // Where the sharpest multipliers were.
  struct Hints {
    std::size_t need = 0;
    std::size_t budget = 0;
  };
  // A node that was looked at, and the least it was reached with.
  struct Seen {
    std::size_t at = 0;  ///< 0: nothing.
    std::int64_t capacity = 0;
    std::int64_t price = 0;
    unsigned total = 0;  ///< 0 where numbers do not bind.
    unsigned changes = 0;
    unsigned backends = 0;
  };

  [[nodiscard]] Weighing weighing(double factor, double by_capacity, double by_price) const;
  [[nodiscard]] double lightest(const Weighing& by, std::size_t from, unsigned fill,
                                unsigned room) const;
  void find_factors();
  [[nodiscard]] static double highest(std::size_t& hint, std::size_t size, const auto& value);
  [[nodiscard]] double open(double capacity) const;
  [[nodiscard]] bool numbers_bind(std::size_t at, const Node& node) const;
  [[nodiscard]] unsigned fill(const Node& node) const;
  [[nodiscard]] Limit limit(std::size_t at, const Node& node);
  [[nodiscard]] bool too_dear(const Limit& limit) const;
  [[nodiscard]] bool hopeless(std::size_t at, const Node& node, const Limit& limit) const;
  [[nodiscard]] unsigned changes_from(std::size_t at, const Node& node) const;
  [[nodiscard]] bool seen_before(std::size_t at, const Node& node);
  void run(bool ties, std::optional<Found>& known, std::size_t& nodes);
  void descend(std::size_t at, const Node& node);
  void weigh(const Node& node);

  SearchBounds bounds_;
  double grain_ = 0;  ///< Requests/s that make no difference.
  std::vector<Item> items_;
  Node base_;
  std::vector<double> rooms_;             ///< What domains may still have; empty: no bound.
  std::vector<double> present_capacity_;  ///< Of what is present, from one item on.
  std::vector<double> present_price_;
  std::vector<double> greatest_;     ///< Greatest capacity of a backend, from one item on.
  std::vector<double> dearest_;      ///< Likewise the greatest price.
  Weighing by_price_;                ///< Prices alone.
  Weighing by_capacity_;             ///< Capacities alone, the greatest is the lightest.
  std::vector<Weighing> by_need_;    ///< Prices, less `factor` for each request/s.
  std::vector<Weighing> by_budget_;  ///< Minus capacities, and `factor` for what they cost.
  std::vector<Hints> hints_;         ///< By item.
  std::vector<unsigned> counts_;
  std::optional<Found>* best_ = nullptr;
  std::size_t* nodes_ = nullptr;
  std::size_t visited_ = 0;
  bool ties_ = false;
  bool near_ = false;       ///< The best is so near to the limit that it is time to stop.
  double coin_ = 1;         ///< What makes no difference in price.
  std::vector<Seen> seen_;  ///< By hash; a later one takes the place of another.
};

}  // namespace sluice::autoscale
