// SPDX-License-Identifier: Apache-2.0
// Builds the lookup table: exact quotas, then a race of all members for the entries.
#include "maglev/table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace sluice::maglev {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::size_t kMostMembers = 65535;
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: splitmix64's step
constexpr unsigned kStepsInPass = 32;  // of the average member; any number gives the same table

/// Stafford's mix 13: a bijection in which every bit of x moves every bit of the result.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// The `n`-th uniform number below `limit` that follows from `id`.
[[nodiscard]] constexpr std::uint32_t draw(std::uint64_t id, unsigned n,
                                           std::uint32_t limit) noexcept {
  return static_cast<std::uint32_t>(((mix(id + n * kGolden) >> 32) * limit) >> 32);
}

/// x / size as a fraction of 2^64, rounded up. The rounding of a sum of such fractions stays far
/// below 1 / size, so the product with `size` still has the exact remainder in its upper half.
[[nodiscard]] std::uint64_t fraction(std::uint32_t x, std::uint32_t size) noexcept {
  return static_cast<std::uint64_t>(((Wide{x} << 64) + size - 1) / size);
}

/// A fixed permutation of 0 .. size-1 without arithmetic structure: a bijection of the next power
/// of two with what is too large left out.
[[nodiscard]] std::vector<std::uint32_t> scrambled(std::uint32_t size) {
  const auto bits = static_cast<unsigned>(std::bit_width(size - 1));
  const std::uint32_t mask = (1U << bits) - 1;
  const unsigned half = (bits + 1) / 2;
  std::vector<std::uint32_t> order(std::size_t{size} + 1);  // one more, for what is left out last
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i <= mask; ++i) {
    std::uint32_t x = (i + 0x2545f491U) & mask;
    x ^= x >> half;
    x = (x * 0x9e3779b1U) & mask;
    x ^= x >> half;
    x = (x * 0x85ebca6bU) & mask;
    x ^= x >> half;
    order[found] = x;
    found += x < size ? 1 : 0;  // no branch: nothing could predict it
  }
  return order;
}

/// Time at which a member of weight 1 takes its k-th step, in 2^-27: the expected time by which k+1
/// of `size` independent exponential clocks have rung. With it a member of weight w is first at an
/// entry with probability w / (sum of all weights), whatever the weights. Integers, because a
/// logarithm differs between mathematical libraries, and all nodes must agree.
[[nodiscard]] std::vector<std::uint32_t> step_times(std::uint32_t size) {
  std::vector<std::uint32_t> times(size);
  std::uint32_t sum = 0;
  for (std::uint32_t k = 0; k < size; ++k) times[k] = sum += (1U << 27) / (size - k);
  return times;
}

/// Entries of each member: the largest remainder gets what rounding down leaves; of equal ones the
/// lower id. `members`: sorted by id, all with weight.
[[nodiscard]] std::vector<std::uint32_t> quotas(std::span<const Member> members,
                                                std::uint32_t size) {
  std::uint64_t total = 0;
  for (const auto& m : members) total += m.weight;
  std::vector<std::uint32_t> quota;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> rest;  // total - remainder, position
  quota.reserve(members.size());
  rest.reserve(members.size());
  std::uint64_t left = size;
  for (const auto& m : members) {
    const std::uint64_t share = std::uint64_t{m.weight} * size;
    rest.emplace_back(total - share % total, static_cast<std::uint32_t>(quota.size()));
    quota.push_back(static_cast<std::uint32_t>(share / total));
    left -= quota.back();
  }
  std::ranges::sort(rest);
  for (std::uint64_t i = 0; i < left; ++i) ++quota[rest[i].second];
  return quota;
}

/// A member on its way through its permutation of the entries.
struct Runner {
  std::uint64_t stride;  ///< Fraction that multiplies the scrambled number.
  std::uint64_t offset;  ///< Fraction added to it.
  std::uint32_t origin;  ///< Where in the scrambled order the member began.
  std::uint32_t step;    ///< Steps done.
  std::uint32_t wanted;  ///< Entries still to win.
  float pace;            ///< Time it takes for a unit of step time: 1 / weight.
};

/// The race. Every member visits all entries in the order of its permutation at a speed in
/// proportion to its weight; an entry belongs to whoever comes first (of equals the lower id) among
/// those with room in their quota. When a member comes to an entry does not depend on who else is
/// there, so a change of the set disturbs only what it must: see docs/design/maglev.md.
///
/// Members run in any order here; one who comes earlier than the present owner displaces it, and
/// the displaced one runs on (deferred acceptance: the result does not depend on the order of
/// running). Passes of limited time keep displacements few and let one bit tell that an entry is
/// out of reach.
class Race {
 public:
  Race(std::span<const Member> members, std::uint32_t size)
      : members_(members),
        size_(size),
        scrambled_(scrambled(size)),
        times_(step_times(size)),
        claims_(size),
        settled_((size + 63) / 64) {
    const auto quota = quotas(members, size);
    double weights = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto& m = members[i];
      weights += m.weight;
      runners_.push_back({.stride = fraction(1 + draw(m.id, 1, size - 1), size),
                          .offset = fraction(draw(m.id, 2, size), size),
                          .origin = draw(m.id, 3, size),
                          .step = 0,
                          .wanted = quota[i],
                          .pace = 1.0F / static_cast<float>(m.weight)});
      if (quota[i] != 0) running_.push_back(static_cast<std::uint16_t>(i));
    }
    const auto members_with_weight = static_cast<double>(members.size());
    pass_time_ =
        static_cast<float>(kStepsInPass * members_with_weight / weights * (1U << 27) / size);
  }

  /// @return what each entry holds: the value of the member that won it.
  [[nodiscard]] std::vector<Slot> run() {
    float until = 0;
    while (!running_.empty()) {
      // Late in the race one step of a slow member can take longer than a whole pass.
      float earliest = kNever;
      for (const auto i : running_)
        earliest = std::min(earliest, arrival(runners_[i], runners_[i].step));
      until = std::max(until, earliest) + pass_time_;
      pass(until);
    }
    std::vector<Slot> slots(size_);
    std::ranges::transform(claims_, slots.begin(),
                           [&](const Claim& c) { return members_[c.owner].value; });
    return slots;
  }

 private:
  static constexpr float kNever = std::numeric_limits<float>::infinity();
  static constexpr std::uint16_t kNobody = 0xffff;  // no position: there are 65535 at most

  struct Claim {
    float arrival = kNever;  ///< When the owner came.
    std::uint16_t owner = kNobody;
  };

  struct Attempt {
    std::uint32_t entry;
    std::uint32_t step;
  };

  [[nodiscard]] float arrival(const Runner& r, std::uint32_t step) const noexcept {
    return static_cast<float>(times_[step]) * r.pace;
  }

  [[nodiscard]] std::uint32_t entry(const Runner& r, std::uint32_t step) const noexcept {
    std::uint32_t at = r.origin + step;
    if (at >= size_) at -= size_;
    const std::uint64_t part = r.stride * scrambled_[at] + r.offset;
    return static_cast<std::uint32_t>((Wide{part} * size_) >> 64);
  }

  /// Lets everyone run until `until`. running_ then holds those who still want entries.
  void pass(float until) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < running_.size(); ++at) {  // grows while members are displaced
      const auto i = running_[at];
      run_one(i, until);
      if (runners_[i].wanted != 0) running_[kept++] = i;
    }
    running_.resize(kept);
    for (const auto entry : won_) settled_[entry / 64] |= std::uint64_t{1} << (entry % 64);
    won_.clear();
  }

  void run_one(std::uint16_t i, float until) {
    Runner r = runners_[i];
    while (r.wanted != 0) {
      std::array<Attempt, kStepsInPass> attempts;
      const auto end = std::min(r.step + kStepsInPass, size_);
      std::size_t count = 0;
      std::uint32_t step = r.step;
      for (; step < end && arrival(r, step) <= until; ++step) {
        const std::uint32_t at = entry(r, step);
        attempts[count] = {at, step};
        const bool open = (settled_[at / 64] >> (at % 64) & 1) == 0;
        count += open ? 1 : 0;  // no branch: half of them would be mispredicted
        if (open) __builtin_prefetch(&claims_[at], 1);
      }
      if (step == r.step) break;
      r.step = step;
      for (std::size_t n = 0; n < count && r.wanted != 0; ++n) {
        if (claim(attempts[n], i, arrival(r, attempts[n].step))) --r.wanted;
        if (r.wanted == 0) r.step = attempts[n].step + 1;
      }
    }
    runners_[i] = r;
  }

  /// Gives the entry to member `i` if it is the first there so far.
  [[nodiscard]] bool claim(const Attempt& attempt, std::uint16_t i, float now) {
    Claim& present = claims_[attempt.entry];
    if (present.arrival < now || (present.arrival == now && present.owner < i)) return false;
    won_.push_back(attempt.entry);
    const auto loser = std::exchange(present, {now, i}).owner;
    if (loser != kNobody && runners_[loser].wanted++ == 0) running_.push_back(loser);
    return true;
  }

  std::span<const Member> members_;
  std::uint32_t size_;
  std::vector<std::uint32_t> scrambled_;
  std::vector<std::uint32_t> times_;
  std::vector<Runner> runners_;
  std::vector<std::uint16_t> running_;  ///< Positions of members that want entries.
  std::vector<Claim> claims_;           ///< One an entry.
  std::vector<std::uint64_t> settled_;  ///< One bit an entry: nobody can come earlier any more.
  std::vector<std::uint32_t> won_;      ///< Entries that changed hands in this pass.
  float pass_time_;
};

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
  std::ranges::sort(sorted, {}, &Member::id);
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
  return Table(Race(*sorted, size).run());
}

}  // namespace sluice::maglev
