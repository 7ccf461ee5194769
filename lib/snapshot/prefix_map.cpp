// SPDX-License-Identifier: Apache-2.0
#include "snapshot/prefix_map.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace sluice::snapshot {
namespace {

/// A prefix as the range of keys that it holds.
template <class Key>
struct Span {
  Key first;
  Key last;
  std::uint32_t value;
};

template <class Key>
Span<Key> span_of(Key address, unsigned length, std::uint32_t value) {
  constexpr unsigned kBits = std::numeric_limits<Key>::digits;
  const Key host = length == 0       ? std::numeric_limits<Key>::max()
                   : length >= kBits ? Key{0}
                                     : static_cast<Key>(std::numeric_limits<Key>::max() >> length);
  return {static_cast<Key>(address & static_cast<Key>(~host)), static_cast<Key>(address | host),
          value};
}

/// Cuts nested spans into disjoint ranges, the innermost winning; `outside` is the value of what no
/// span holds. Neighbours of one value become one range.
template <class Key>
class Cutter {
 public:
  explicit Cutter(std::uint32_t outside) : outside_(outside) {}

  std::vector<typename RangeTree<Key>::Range> cut(std::vector<Span<Key>> spans) {
    // An outer span comes before those that it holds; of equal ones the last one given is
    // innermost.
    std::ranges::stable_sort(spans, [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : a.last > b.last;
    });
    for (const auto& span : spans) {
      while (!open_.empty() && open_.back().last < span.first) close();
      if (span.first > from_) emit(static_cast<Key>(span.first - 1), inside());
      open_.push_back(span);
    }
    while (!open_.empty()) close();
    emit(std::numeric_limits<Key>::max(), outside_);
    return std::move(ranges_);
  }

 private:
  [[nodiscard]] std::uint32_t inside() const {
    return open_.empty() ? outside_ : open_.back().value;
  }
  void close() {
    emit(open_.back().last, open_.back().value);
    open_.pop_back();
  }
  /// The keys from where the last range ended up to `last` have `value`.
  void emit(Key last, std::uint32_t value) {
    if (complete_ || last < from_) return;
    if (!ranges_.empty() && ranges_.back().value == value)
      ranges_.back().last = last;
    else
      ranges_.push_back({last, value});
    complete_ = last == std::numeric_limits<Key>::max();
    from_ = static_cast<Key>(last + 1);
  }

  std::uint32_t outside_;
  std::vector<Span<Key>> open_;
  std::vector<typename RangeTree<Key>::Range> ranges_;
  Key from_ = 0;
  bool complete_ = false;
};

std::uint32_t word(const IpAddress& address, std::size_t i) {
  return Be32::from_wire(address.words()[i]).to_host();
}

std::uint64_t half(const IpAddress& address, std::size_t first_word) {
  return std::uint64_t{word(address, first_word)} << 32 | word(address, first_word + 1);
}

}  // namespace

template <class Key>
RangeTree<Key>::RangeTree(std::span<const Range> ranges) {
  constexpr Key kLargest = std::numeric_limits<Key>::max();
  SLUICE_ASSERT(!ranges.empty() && ranges.back().last == kLargest, "ranges cover every key");
  leaves_.resize((ranges.size() + kRanges - 1) / kRanges);
  std::vector<Key> last_of_node;  // of the level below the one that is being built
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    leaves_[i].last.fill(kLargest);  // no key is beyond: what is left over is never reached
    leaves_[i].value.fill(ranges.back().value);
    const auto part = ranges.subspan(i * kRanges, std::min(kRanges, ranges.size() - i * kRanges));
    for (std::size_t j = 0; j < part.size(); ++j) {
      leaves_[i].last[j] = part[j].last;
      leaves_[i].value[j] = part[j].value;
    }
    last_of_node.push_back(part.back().last);
  }

  std::vector<std::vector<Inner>> upwards;
  while (last_of_node.size() > 1) {
    std::vector<Inner> level((last_of_node.size() + kKeys) / (kKeys + 1));
    std::vector<Key> last_of_level;
    for (std::size_t i = 0; i < level.size(); ++i) {
      level[i].last.fill(kLargest);
      const std::size_t first = i * (kKeys + 1);
      const std::size_t children = std::min(kKeys + 1, last_of_node.size() - first);
      for (std::size_t j = 0; j < std::min(children, kKeys); ++j)
        level[i].last[j] = last_of_node[first + j];
      last_of_level.push_back(last_of_node[first + children - 1]);
    }
    upwards.push_back(std::move(level));
    last_of_node = std::move(last_of_level);
  }
  SLUICE_ASSERT(upwards.size() <= kMostLevels, "a tree of ranges has few levels");
  inner_levels_ = upwards.size();
  for (std::size_t level = 0; level < inner_levels_; ++level) {
    first_[level] = inner_.size();
    const auto& nodes = upwards[inner_levels_ - 1 - level];
    inner_.insert(inner_.end(), nodes.begin(), nodes.end());
  }
}

template class RangeTree<std::uint32_t>;
template class RangeTree<std::uint64_t>;

PrefixMap::PrefixMap(std::span<const Entry> entries) {
  std::vector<Span<std::uint32_t>> spans;
  for (const auto& entry : entries) {
    SLUICE_ASSERT(entry.value < kNone, "values of a prefix map are below kNone");
    if (entry.prefix.address.is_v4())
      spans.push_back(span_of(word(entry.prefix.address, 0), entry.prefix.length, entry.value));
  }
  if (!spans.empty())
    v4_ = RangeTree<std::uint32_t>(Cutter<std::uint32_t>(kNone).cut(std::move(spans)));
  build_v6(entries);
}

// A /64 that holds longer prefixes becomes a tree of its own, in which what they leave out has the
// value that the /64 would have had.
void PrefixMap::build_v6(std::span<const Entry> entries) {
  constexpr unsigned kHalf = 64;
  std::vector<Span<std::uint64_t>> upper;
  std::map<std::uint64_t, std::vector<Span<std::uint64_t>>> lower;
  for (const auto& [prefix, value] : entries) {
    if (prefix.address.is_v4()) continue;
    const std::uint64_t high = half(prefix.address, 0);
    if (prefix.length <= kHalf)
      upper.push_back(span_of(high, prefix.length, value));
    else
      lower[high].push_back(span_of(half(prefix.address, 2), prefix.length - kHalf, value));
  }
  if (upper.empty() && lower.empty()) return;
  const RangeTree<std::uint64_t> shallow(Cutter<std::uint64_t>(kNone).cut(upper));
  for (auto& [high, spans] : lower) {
    upper.push_back({high, high, kDeeper + static_cast<std::uint32_t>(deeper_.size())});
    deeper_.emplace_back(Cutter<std::uint64_t>(shallow.find(high)).cut(std::move(spans)));
  }
  v6_ = RangeTree<std::uint64_t>(Cutter<std::uint64_t>(kNone).cut(std::move(upper)));
}

}  // namespace sluice::snapshot
