// SPDX-License-Identifier: Apache-2.0
// Any bytes as an actuator's answer, as an API server's pages, and as a fleet's saved state: they
// are refused with a message that a terminal can show, or what they say is within bounds and a
// fleet goes on from it.
#include "actuate/fleet.hpp"
#include "actuate/message.hpp"
#include "actuate/slices.hpp"
#include "base/assert.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

namespace {

using namespace sluice;
using namespace sluice::actuate;

void check_error(const Error& error) {
  SLUICE_ASSERT(!error.message.empty(), "a refusal says why");
  SLUICE_ASSERT(std::ranges::all_of(error.text(), [](char c) { return c >= ' ' && c <= '~'; }),
                "a refusal is one line that a terminal can show");
}

void check_members(const std::vector<Member>& members) {
  SLUICE_ASSERT(members.size() <= kMostMembers, "as many as are read");
  std::set<std::string> names;
  for (const auto& member : members) {
    SLUICE_ASSERT(is_name(member.name), "a name that a backend may have");
    SLUICE_ASSERT(against_address(member.address).empty(), "an address that a host may have");
    SLUICE_ASSERT(names.insert(member.name).second, "each name once");
  }
}

Fleet fleet() {
  Fleet::Options options;
  options.pool = "llama";
  options.id_prefix = "edge-1";
  options.classes = {{.name = "h100", .cold_start_s = 30, .wake_s = 3, .asleep = 1},
                     {.name = "l4"}};
  options.max = 8;
  options.ability = {.lists = true, .can_sleep = true};
  return Fleet(options);
}

// Takes the backends as a list, and as the answer of each start.
void take(const std::vector<Member>& members) {
  Fleet of = fleet();
  Input input{.wanted = {2, 2}};
  for (int i = 0; i < 4; ++i) {
    input.t += 10;
    const auto actions = of.step(input);
    input.reports.clear();
    for (const auto& action : actions)
      if (action.kind == Action::Kind::kOrder)
        input.reports.push_back({.order_id = action.order.id, .members = members});
    for (const auto& each : of.counts())
      SLUICE_ASSERT(each.ready + each.starting <= 8, "never above max");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (const auto members = parse_members(text)) {
    check_members(*members);
    take(*members);
  } else {
    check_error(members.error());
  }
  if (const auto scale = parse_scale(text); !scale) check_error(scale.error());
  Slices slices;
  for (int page = 0; page < 2; ++page)
    if (const auto next = slices.add(text); !next) check_error(next.error());
  check_members(slices.members());
  take(slices.members());
  // Deeper than a state may be, writing the value would be our own recursion and not the parser's.
  if (std::ranges::count_if(text, [](char c) { return c == '[' || c == '{'; }) > 64) return 0;
  const auto state = nlohmann::json::parse(text, nullptr, false);
  Fleet of = fleet();
  if (state.is_discarded() || !of.restore(state, 1000)) return 0;
  Input input{.t = 1000, .wanted = {1, 1}};
  for (int i = 0; i < 4; ++i, input.t += 100) (void)of.step(input);
  SLUICE_ASSERT(fleet().restore(of.save(), 0).has_value(), "what a fleet saves can be restored");
  return 0;
}
