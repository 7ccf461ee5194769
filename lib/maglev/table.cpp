// SPDX-License-Identifier: Apache-2.0
// Ids of members, and what a table is not built of; who gets which entry is decided in race.cpp.
#include "maglev/table.hpp"

#include "maglev/mix.hpp"
#include "maglev/race.hpp"

#include <algorithm>

namespace sluice::maglev {
namespace {

constexpr std::size_t kMostMembers = 65535;  // a position has 16 bits, and all ones are nobody's
constexpr std::uint32_t kLargestCourseKept = 1U << 20;  // beyond 12 MiB memory is worth more

}  // namespace

std::uint64_t member_id(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix(hash);  // FNV leaves the upper bits of short names alike
}

bool is_prime(std::uint32_t size) noexcept {
  if (size < 4) return size >= 2;
  if (size % 2 == 0) return false;
  for (std::uint64_t d = 3; d * d <= size; d += 2)
    if (size % d == 0) return false;
  return true;
}

std::pair<std::uint32_t, std::uint32_t> nearest_primes(std::uint32_t size) noexcept {
  constexpr std::uint32_t kSmallest = 2;
  constexpr std::uint32_t kLargest = 4294967291;  // of 32 bits
  std::uint32_t below = std::clamp(size, kSmallest, kLargest);
  std::uint32_t above = below;
  while (!is_prime(below)) --below;
  while (!is_prime(above)) ++above;
  return {below, above};
}

namespace {

[[nodiscard]] Result<void> check_size(std::uint32_t size) {
  if (size > kLargestSize)
    return fail(Errc::kInvalid, "", "{} entries are too many; the largest table has {}", size,
                kLargestSize);
  if (is_prime(size)) return {};
  const auto [below, above] = nearest_primes(size);
  if (below == above)
    return fail(Errc::kInvalid, "", "{} is not a prime number; the nearest is {}", size, below);
  return fail(Errc::kInvalid, "", "{} is not a prime number; the nearest are {} and {}", size,
              below, above);
}

/// Members with weight, sorted by id.
[[nodiscard]] Result<std::vector<Member>> check_members(std::span<const Member> members,
                                                        std::uint32_t size) {
  if (members.size() > kMostMembers)
    return fail(Errc::kInvalid, "", "{} members are too many; a table has at most {}",
                members.size(), kMostMembers);
  std::vector<Member> sorted(members.begin(), members.end());
  if (!std::ranges::is_sorted(sorted, {}, &Member::id)) std::ranges::sort(sorted, {}, &Member::id);
  const auto twin = std::ranges::adjacent_find(sorted, {}, &Member::id);
  if (twin != sorted.end())
    return fail(Errc::kInvalid, "", "two members have the id {:#018x}; each must have its own",
                twin->id);
  std::erase_if(sorted, [](const Member& m) { return m.weight == 0; });
  if (sorted.empty())
    return fail(Errc::kNotFound, "", "none of {} members has weight; give one at least 1",
                members.size());
  if (sorted.size() > size)
    return fail(Errc::kInvalid, "",
                "{} members with weight do not fit {} entries; the next larger size is {}",
                sorted.size(), size,
                nearest_primes(static_cast<std::uint32_t>(sorted.size())).second);
  return sorted;
}

}  // namespace

Result<Table> Table::build(std::span<const Member> members, std::uint32_t size) {
  if (const auto sound = check_size(size); !sound) return forward_error(sound);
  const auto sorted = check_members(members, size);
  if (!sorted) return forward_error(sorted);
  auto course = Course::of(size);
  auto slots = Race(*sorted, *course).run();
  if (size > kLargestCourseKept) course.reset();
  return Table(std::move(slots), std::move(course));
}

}  // namespace sluice::maglev
