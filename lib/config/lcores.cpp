// SPDX-License-Identifier: Apache-2.0
#include "config/lcores.hpp"

#include <fmt/format.h>

#include <array>
#include <bitset>
#include <charconv>

namespace sluice::config {
namespace {

tl::unexpected<LcoreFlaw> flaw(std::string what, std::string remedy) {
  return tl::unexpected(LcoreFlaw{std::move(what), std::move(remedy)});
}

}  // namespace

tl::expected<std::vector<Lcore>, LcoreFlaw> parse_lcores(std::string_view list) {
  std::bitset<kMostLcores> member;
  std::array<unsigned, kMostLcores> cpu{};
  const char* at = list.data();
  const char* const end = at + list.size();
  for (;;) {
    unsigned first = 0;
    auto [next, error] = std::from_chars(at, end, first);
    unsigned last = first;
    unsigned runs_on = first;
    const char sign = error == std::errc{} && next != end ? *next : ',';
    if (sign == '-' || sign == '@') {
      const auto second = std::from_chars(next + 1, end, sign == '-' ? last : runs_on);
      next = second.ptr;
      error = second.ec;
    }
    if (error != std::errc{} || (next != end && *next != ','))
      return flaw("not a list of lcores",
                  "give numbers, ranges and numbers with a CPU, with ',' between, as in 0-3,6 or "
                  "0@0,1@0");
    if (last < first)
      return flaw(fmt::format("the range {}-{} runs backwards", first, last),
                  fmt::format("give {}-{}", last, first));
    if (last >= kMostLcores)
      return flaw(fmt::format("lcore {} does not exist", last),
                  fmt::format("DPDK numbers lcores from 0 to {}", kMostLcores - 1));
    for (unsigned i = first; i <= last; ++i) {
      if (member[i]) return flaw(fmt::format("lcore {} is named twice", i), "name it once");
      member.set(i);
      cpu[i] = sign == '@' ? runs_on : i;
    }
    if (next == end) break;
    at = next + 1;
  }
  std::vector<Lcore> lcores;
  for (unsigned i = 0; i < kMostLcores; ++i)
    if (member[i]) lcores.push_back({i, cpu[i]});
  return lcores;
}

}  // namespace sluice::config
