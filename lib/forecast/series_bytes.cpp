// SPDX-License-Identifier: Apache-2.0
// A series as bytes: "SLSR", version 1, the newest second, the seconds of the day and then the
// minutes, oldest first, and FNV-1a of all that. Values come in stretches: a varint of four times
// the length plus a kind, then no value (gaps), one (all the same) or one each. Numbers are little
// endian.
#include "forecast/forecaster.hpp"
#include "forecast/series.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace sluice::forecast {
namespace {

constexpr std::array<unsigned char, 5> kMagic = {'S', 'L', 'S', 'R', 1};
constexpr std::size_t kShortestSame = 3;  // values: fewer are shorter one by one

enum Kind : std::uint64_t { kGaps, kSame, kEach, kKinds };

std::uint64_t fnv1a(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::byte one : bytes) {
    hash ^= static_cast<std::uint64_t>(one);
    hash *= 0x100000001B3U;
  }
  return hash;
}

class Writer {
 public:
  void fixed(std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) fixed((value & 0x7FU) | 0x80U, 1);
    fixed(value, 1);
  }
  void number(float value) { fixed(std::bit_cast<std::uint32_t>(value), 4); }

  void values(std::span<const float> all) {
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t alike = alike_from(all, at);
      if (std::isnan(all[at])) {
        varint(alike * 4 + kGaps);
        at += alike;
      } else if (alike >= kShortestSame) {
        varint(alike * 4 + kSame);
        number(all[at]);
        at += alike;
      } else {
        std::size_t end = at;
        while (end < all.size() && !std::isnan(all[end]) && alike_from(all, end) < kShortestSame)
          ++end;
        varint((end - at) * 4 + kEach);
        for (; at < end; ++at) number(all[at]);
      }
    }
  }
  [[nodiscard]] std::vector<std::byte> done() && {
    fixed(fnv1a(out_), 8);
    return std::move(out_);
  }

 private:
  static std::size_t alike_from(std::span<const float> all, std::size_t at) {
    const bool gap = std::isnan(all[at]);
    std::size_t end = at + 1;
    while (end < all.size() && (gap ? std::isnan(all[end]) : all[end] == all[at])) ++end;
    return end - at;
  }
  std::vector<std::byte> out_;
};

// Reads no further than there is; after the first failure everything fails.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}

  std::uint64_t fixed(unsigned bytes) {
    if (in_.size() - at_ < bytes) {
      ok_ = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(in_[at_++]) << (8 * i);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 35 && ok_; shift += 7) {
      const std::uint64_t part = fixed(1);
      value |= (part & 0x7FU) << shift;
      if (part < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  float number() {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(fixed(4)));
    if (!(value >= 0 && static_cast<double>(value) <= 1.001 * kMostValue)) ok_ = false;
    return value;
  }
  bool values(std::span<float> all) {
    for (std::size_t at = 0; at < all.size() && ok_;) {
      const std::uint64_t token = varint();
      const std::uint64_t length = token / 4;
      if (!ok_ || length == 0 || length > all.size() - at || token % 4 >= kKinds) return false;
      const float same = token % 4 == kSame ? number() : std::nanf("");
      for (std::uint64_t i = 0; i < length && ok_; ++i)
        all[at++] = token % 4 == kEach ? number() : same;
    }
    return ok_;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] bool ended() const noexcept { return at_ == in_.size(); }

 private:
  std::span<const std::byte> in_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace

std::vector<std::byte> Series::checkpoint() const {
  Writer writer;
  for (const unsigned char one : kMagic) writer.fixed(one, 1);
  writer.fixed(static_cast<std::uint64_t>(newest_ + 1), 8);
  // Rings are written from the place after the newest on, which is the oldest.
  std::vector<float> sorted;
  const auto turned = [&](const std::vector<float>& ring, std::int64_t oldest) {
    sorted.clear();
    for (std::size_t i = 0; i < ring.size(); ++i)
      sorted.push_back(ring[(static_cast<std::size_t>(oldest) + i) % ring.size()]);
    return std::span<const float>(sorted);
  };
  writer.values(turned(seconds_, newest_ + 1));
  writer.values(turned(minutes_, newest_ < 0 ? 0 : newest_ / 60));
  return std::move(writer).done();
}

bool Series::begins_checkpoint(std::span<const std::byte> head) noexcept {
  return head.size() >= kHead && std::memcmp(head.data(), kMagic.data(), kHead) == 0;
}

Result<Series> Series::restore(std::span<const std::byte> bytes) {
  if (bytes.size() < kMagic.size() + 16)
    return fail(Errc::kInvalid, "", "{} bytes are too few for a series", bytes.size());
  const auto body = bytes.first(bytes.size() - 8);
  Reader reader(body);
  for (const unsigned char one : kMagic)
    if (reader.fixed(1) != one)
      return fail(Errc::kInvalid, "byte 0", "is no series, or one of another version");
  if (Reader(bytes.last(8)).fixed(8) != fnv1a(body))
    return fail(Errc::kInvalid, "", "the series does not match its checksum");
  const std::uint64_t after = reader.fixed(8);
  if (after > static_cast<std::uint64_t>(kMostTime) + 1)
    return fail(Errc::kInvalid, "byte 5", "second {} is beyond {}", after, kMostTime);
  Series series;
  series.newest_ = static_cast<std::int64_t>(after) - 1;
  std::vector<float> sorted(series.seconds_.size());
  const auto turn_back = [&](std::vector<float>& ring, std::int64_t oldest) {
    for (std::size_t i = 0; i < ring.size(); ++i)
      ring[(static_cast<std::size_t>(oldest) + i) % ring.size()] = sorted[i];
  };
  const auto refuse = [&] {
    return fail(Errc::kInvalid, fmt::format("byte {}", reader.at()), "is no value of a series");
  };
  if (!reader.values(sorted)) return refuse();
  turn_back(series.seconds_, series.newest_ + 1);
  sorted.resize(series.minutes_.size());
  if (!reader.values(sorted)) return refuse();
  turn_back(series.minutes_, series.newest_ < 0 ? 0 : series.newest_ / 60);
  if (!reader.ended())
    return fail(Errc::kInvalid, fmt::format("byte {}", reader.at()), "more than a series");
  // Of nothing, and of times before 0, nothing is known.
  for (std::int64_t i = series.newest_ + 1; i < kSeconds; ++i) series.second(i) = std::nanf("");
  for (std::int64_t m = std::max<std::int64_t>(series.newest_ / 60, 0); m < kMinutes; ++m)
    if (series.newest_ < 60 * kMinutes) series.minute(m) = std::nanf("");
  return series;
}

}  // namespace sluice::forecast
