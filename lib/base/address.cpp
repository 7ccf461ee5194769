// SPDX-License-Identifier: Apache-2.0
#include "base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sluice {
namespace {

constexpr std::size_t kLongestText =
    64;  // inet_pton wants a terminated string; no address is longer

bool bit(const std::array<std::uint8_t, 16>& bytes, unsigned i) noexcept {
  return ((bytes[i / 8] >> (7 - i % 8)) & 1U) != 0;
}

}  // namespace

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) {
    const char* pair = text.data() + i * 3;
    if (i != 0 && pair[-1] != ':' && pair[-1] != '-') return std::nullopt;
    const auto [end, error] = std::from_chars(pair, pair + 2, mac.bytes[i], 16);
    if (error != std::errc{} || end != pair + 2) return std::nullopt;
  }
  return mac;
}

std::string MacAddress::text() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2],
                     bytes[3], bytes[4], bytes[5]);
}

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) noexcept {
  IpAddress r;
  std::copy(bytes.begin(), bytes.end(), r.bytes_.begin());
  return r;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> bytes) noexcept {
  IpAddress r;
  r.family_ = Family::kV6;
  r.bytes_ = bytes;
  return r;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  if (text.size() >= kLongestText || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<char, kLongestText> terminated{};
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::uint8_t, 4> four{};
  if (inet_pton(AF_INET, terminated.data(), four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (inet_pton(AF_INET6, terminated.data(), sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

std::array<std::uint32_t, 4> IpAddress::words() const noexcept {
  std::array<std::uint32_t, 4> words{};
  std::memcpy(words.data(), bytes_.data(), sizeof words);
  return words;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

bool IpAddress::is_unspecified() const noexcept {
  return std::ranges::all_of(bytes_, [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_multicast() const noexcept {
  return is_v4() ? (bytes_[0] & 0xf0U) == 0xe0U : bytes_[0] == 0xffU;
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; });
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpPrefix r{*address, address->bits()};
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), r.length);
    if (error != std::errc{} || end != digits.data() + digits.size() || r.length > address->bits())
      return std::nullopt;
  }
  for (unsigned i = r.length; i < address->bits(); ++i)
    if (bit(address->bytes(), i)) return std::nullopt;
  return r;
}

bool IpPrefix::contains(const IpAddress& candidate) const noexcept {
  if (candidate.family() != address.family()) return false;
  for (unsigned i = 0; i < length; ++i)
    if (bit(candidate.bytes(), i) != bit(address.bytes(), i)) return false;
  return true;
}

std::string IpPrefix::text() const {
  return length == address.bits() ? address.text() : fmt::format("{}/{}", address.text(), length);
}

}  // namespace sluice
