// SPDX-License-Identifier: Apache-2.0
#include "actuate/names.hpp"

#include "actuate/order.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace sluice::actuate {
namespace {

constexpr std::size_t kDigits = 6;
constexpr std::size_t kLongestPrefix = kLongestName - kDigits;
constexpr std::size_t kCut = (kLongestPrefix - 11) / 2;  // of each; 11: a hash and three dashes

std::uint32_t hash_of(std::string_view pool, std::string_view backend_class) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    hash *= 16777619U;  // the end of a text counts, too: "a", "bc" is not "ab", "c"
  };
  mix(pool);
  mix(backend_class);
  return hash;
}

}  // namespace

std::string name_prefix(std::string_view pool, std::string_view backend_class) {
  std::string whole = fmt::format("{}-{}-", pool, backend_class);
  if (whole.size() <= kLongestPrefix) return whole;
  return fmt::format("{}-{}-{:08x}-", pool.substr(0, kCut), backend_class.substr(0, kCut),
                     hash_of(pool, backend_class));
}

std::optional<unsigned> number_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  if (name.empty() || name.size() > kDigits || name.front() == '0') return std::nullopt;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

unsigned ordinal_of(std::string_view name) noexcept {
  const auto last = name.find_last_not_of("0123456789");
  name.remove_prefix(last == std::string_view::npos ? 0 : last + 1);
  unsigned number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace sluice::actuate
