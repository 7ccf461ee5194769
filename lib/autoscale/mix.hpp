// SPDX-License-Identifier: Apache-2.0
// The cheapest backends of several classes that have a capacity, within bounds.
//
// Threads: plain functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::autoscale {

struct MixClass {
  double capacity = 1;  ///< Requests/s of one backend, above 0.
  double price = 0;     ///< Per hour, not negative.
  unsigned least = 0;
  unsigned most = 0;
  unsigned present = 0;          ///< There now: among equals the mix that changes least wins.
  std::string_view domain = {};  ///< What fails as one; empty: itself.
};

struct MixBounds {
  double capacity = 0;  ///< Requests/s that are needed.
  unsigned least = 0;   ///< Backends in all.
  unsigned most = 0;
  double budget = 0;        ///< Per hour; 0: none.
  double domain_share = 1;  ///< Of the backends, that one domain may have; one always may.
};

struct Mix {
  std::vector<unsigned> counts = {};  ///< By class.
  double capacity = 0;
  double price = 0;
  double uncovered = 0;      ///< Requests/s needed that the bounds leave out.
  std::uint16_t limits = 0;  ///< Bits of Limit: which bounds bit.
  bool exact = true;         ///< False: the search was cut off, and a cheaper one may exist.
};

/// The mix with the least uncovered capacity, of these the cheapest, of these the one that changes
/// least, of these the one with the fewest backends; no class has more than would cover the need
/// alone. `least` of classes and in all comes before the budget, both before the share of a domain,
/// all of them before what is needed: where they cannot be kept together, the cheapest mix that
/// `least` asks for. Where no prices are given each backend costs the same, and no budget binds.
/// Differences of a thousand-millionth are none, nor, where the search takes long, of a millionth.
/// Of those that are as cheap, the one that changes least is sought for some ms only.
/// Cost: 3 us for eight classes with a thousand backends each; up to 10 ms where they cost the same
/// per request or have domains; the search is cut off after 100,000 nodes, some 50 ms.
[[nodiscard]] Mix cheapest_mix(std::span<const MixClass> classes, const MixBounds& bounds);

}  // namespace sluice::autoscale
