// SPDX-License-Identifier: Apache-2.0
#include "maglev/race.hpp"

#include "maglev/mix.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::maglev {
namespace {

// Neither changes a table, only the time it takes; found by trying.
constexpr std::uint32_t kPassesForAll = 4;   // of one visit an entry
constexpr std::uint32_t kShortestPass = 32;  // steps of the average member

/// The `n`-th uniform number below `limit` that follows from `id`.
[[nodiscard]] constexpr std::uint32_t draw(std::uint64_t id, unsigned n,
                                           std::uint32_t limit) noexcept {
  return static_cast<std::uint32_t>(((mix(id + n * kGolden) >> 32) * limit) >> 32);
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
  const auto last = rest.begin() + static_cast<std::ptrdiff_t>(left);
  std::ranges::nth_element(rest, last);
  for (auto one = rest.begin(); one != last; ++one) ++quota[one->second];
  return quota;
}

/// x, below twice the size, mod size. No branch: of a number too small the difference is large.
[[nodiscard]] constexpr std::uint32_t less(std::uint32_t x, std::uint32_t size) noexcept {
  return std::min(x, x - size);
}

}  // namespace

Race::Race(std::span<const Member> members, const Course& course)
    : members_(members),
      course_(course),
      claims_(course.size(), kOpen),
      unclaimed_(course.size() / 32 + 1, ~std::uint32_t{0}),
      unsettled_(unclaimed_.size()),
      open_(course.size()) {
  const std::uint32_t size = course.size();
  unclaimed_.back() = (1U << size % 32) - 1;  // beyond the end there is none
  unsettled_ = unclaimed_;
  const auto quota = quotas(members, size);
  double weights = 0;
  runners_.reserve(members.size());
  running_.reserve(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& m = members[i];
    weights += m.weight;
    runners_.push_back({.stride = 1 + draw(m.id, 1, size - 1),
                        .offset = draw(m.id, 2, size),
                        .origin = draw(m.id, 3, size),
                        .step = 0,
                        .wanted = quota[i],
                        .pace = 1.0F / static_cast<float>(m.weight)});
    if (quota[i] != 0) running_.push_back(static_cast<std::uint16_t>(i));
  }
  const auto count = static_cast<std::uint32_t>(members.size());
  const std::uint32_t steps = std::max(kShortestPass, size / kPassesForAll / count);
  pass_time_ = static_cast<float>(static_cast<double>(steps) * count / weights * (1U << 27) / size);
}

std::vector<Slot> Race::run() {
  float until = 0;
  while (!running_.empty()) {
    // Every open entry is somebody's wish: there are no more members in it than entries, and no
    // more pairs of both than entries in all.
    if (std::uint64_t{open_} * open_ <= course_.size()) {
      finish();
      break;
    }
    // Late in the race one step of a slow member can take longer than a whole pass.
    until = std::max(until, earliest()) + pass_time_;
    pass(until);
  }
  std::vector<Slot> values;
  for (const auto& m : members_) values.push_back(m.value);
  std::vector<Slot> slots(course_.size());
  std::ranges::transform(claims_, slots.begin(), [&](Claim c) { return values[c & 0xffff]; });
  return slots;
}

float Race::arrival(const Runner& r, std::uint32_t step) const noexcept {
  return course_.times()[step] * r.pace;
}

Race::Claim Race::claim(const Runner& r, std::uint16_t i, std::uint32_t step) const noexcept {
  // Times are not negative: their bits are in their order.
  return Claim{std::bit_cast<std::uint32_t>(arrival(r, step))} << 16 | i;
}

float Race::earliest() const noexcept {
  float first = std::numeric_limits<float>::infinity();
  for (const auto i : running_) first = std::min(first, arrival(runners_[i], runners_[i].step));
  return first;
}

/// How many steps a member does until a time, those that it has done included.
std::uint32_t Race::steps_until(const Runner& r, float until) noexcept {
  if (r.pace == due_pace_) return std::max(due_step_, r.step);  // often all have one weight
  std::uint32_t low = 0;  // it has done those; galloping, since it is not far
  std::uint32_t reach = kBlock;
  while (low + reach < course_.size() && arrival(r, low + reach - 1) <= until) {
    low += reach;
    reach *= 2;
  }
  std::uint32_t high = std::min(low + reach, course_.size());
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (arrival(r, middle) <= until)
      low = middle + 1;
    else
      high = middle;
  }
  due_pace_ = r.pace;
  due_step_ = low;
  return std::max(low, r.step);
}

/// Lets everyone run until `until`. running_ then holds those who still want entries.
void Race::pass(float until) {
  due_pace_ = 0;
  std::size_t kept = 0;
  for (std::size_t at = 0; at < running_.size(); ++at) {  // grows while members are displaced
    const auto i = running_[at];
    run_one(i, steps_until(runners_[i], until));
    if (runners_[i].wanted != 0) running_[kept++] = i;
  }
  running_.resize(kept);
  open_ = 0;
  for (std::size_t word = 0; word < unclaimed_.size(); ++word) {
    unsettled_[word] = unclaimed_[word];
    open_ += static_cast<std::uint32_t>(std::popcount(unclaimed_[word]));
  }
}

void Race::run_one(std::uint16_t i, std::uint32_t end) {
  Runner& r = runners_[i];
  const std::uint32_t* const unsettled = unsettled_.data();
  Claim* const claims = claims_.data();
  const Course& course = course_;
  const std::uint32_t size = course_.size();
  const std::uint64_t stride = r.stride;
  const std::uint64_t offset = r.offset;
  std::array<std::uint32_t, kBlock> entry;
  std::array<std::uint32_t, kBlock> open;  // of the block's steps, those to entries not settled
  while (r.wanted != 0 && r.step < end) {
    const std::uint32_t block = std::min(kBlock, end - r.step);
    const std::uint32_t* const number = course_.scrambled() + less(r.origin + r.step, size);
    // All of them, needed or not: a count that compilers know is done several at once.
    for (std::uint32_t n = 0; n < kBlock; ++n)
      entry[n] = course.modulo(stride * number[n] + offset);
    std::uint32_t count = 0;
    for (std::uint32_t from = 0; from < block; from += kLanes) {
#pragma GCC unroll 8
      for (std::uint32_t n = from; n < from + kLanes; ++n) {
        open[count] = n;
        // No branch: half of them would be mispredicted.
        count += unsettled[entry[n] / 32] >> (entry[n] % 32) & 1;
      }
    }
    const std::uint32_t first = r.step;
    r.step += block;
    while (count != 0 && open[count - 1] >= block) --count;
    for (std::uint32_t n = 0; n < count; ++n) __builtin_prefetch(&claims[entry[open[n]]], 1);
    for (std::uint32_t n = 0; n < count; ++n) {
      const std::uint32_t step = first + open[n];
      const Claim mine = claim(r, i, step);
      Claim& present = claims[entry[open[n]]];
      if (present <= mine) continue;
      take(entry[open[n]], std::exchange(present, mine));
      if (--r.wanted != 0) continue;
      r.step = step + 1;
      break;
    }
  }
}

/// Notes that an entry is another's now, and that its owner so far has one less.
inline void Race::take(std::uint32_t entry, Claim from) {
  if (from == kOpen) {
    unclaimed_[entry / 32] &= ~(1U << (entry % 32));
    return;
  }
  const auto loser = static_cast<std::uint16_t>(from & 0xffff);
  if (runners_[loser].wanted++ == 0) running_.push_back(loser);
}

std::vector<std::uint32_t> Race::open_entries() const {
  std::vector<std::uint32_t> open;
  open.reserve(open_);
  for (std::uint32_t word = 0; word < unsettled_.size(); ++word)
    for (std::uint32_t left = unsettled_[word]; left != 0; left &= left - 1)
      open.push_back(word * 32 + static_cast<std::uint32_t>(std::countr_zero(left)));
  return open;
}

/// The rest of the race: every member in it works out at which of its steps it comes to which of
/// the open entries, and takes the next one time and again.
void Race::finish() {
  constexpr std::uint32_t kTried = ~std::uint32_t{0};
  const auto open = open_entries();
  const std::size_t count = open.size();
  std::vector<std::uint32_t> steps(running_.size() * count);  // a row for each member
  std::vector<std::uint16_t> row(members_.size());
  for (std::size_t n = 0; n < running_.size(); ++n) {
    row[running_[n]] = static_cast<std::uint16_t>(n);
    steps_to(runners_[running_[n]], open, &steps[n * count]);
  }
  while (!running_.empty()) {
    const auto i = running_.back();
    running_.pop_back();
    const auto own = std::span(steps).subspan(row[i] * count, count);
    Runner& r = runners_[i];
    while (r.wanted != 0) {
      std::uint32_t next = kTried;
      for (const auto step : own) next = std::min(next, step);
      const auto at = static_cast<std::size_t>(std::ranges::find(own, next) - own.begin());
      own[at] = kTried;
      const Claim mine = claim(r, i, next);
      Claim& present = claims_[open[at]];
      if (present <= mine) continue;
      take(open[at], std::exchange(present, mine));
      --r.wanted;
    }
  }
}

/// At which of its steps a member comes to each of some entries.
void Race::steps_to(const Runner& r, std::span<const std::uint32_t> entry,
                    std::uint32_t* step) const noexcept {
  const std::uint32_t size = course_.size();
  const std::uint32_t* const places = course_.places();
  const std::uint64_t back = course_.inverse(r.stride);
  const std::uint32_t behind = size - r.offset;
  for (std::size_t n = 0; n < entry.size(); ++n) {
    const std::uint32_t at =
        places[course_.modulo(std::uint64_t{less(entry[n] + behind, size)} * back)];
    step[n] = less(at + size - r.origin, size);
  }
}

}  // namespace sluice::maglev
