// SPDX-License-Identifier: Apache-2.0
#include "actuate/secret.hpp"

#include <nettle/hmac.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sluice::actuate {

Result<std::string> read_secret(const std::string& path, Readers readers) {
  auto file = read_private_file(path, kLongestSecret, readers);
  if (!file) return file;
  auto& text = *file;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return fail(Errc::kInvalid, path, "is empty");
  const auto odd = [](char c) { return c < ' ' || c > '~'; };
  if (std::ranges::any_of(text, odd))
    return fail(Errc::kInvalid, path, "has bytes that are not printable ASCII");
  return file;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  const auto bytes = [](std::string_view of) {
    return reinterpret_cast<const std::uint8_t*>(of.data());
  };
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.size(), bytes(key));
  hmac_sha256_update(&context, text.size(), bytes(text));
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  hmac_sha256_digest(&context, digest.size(), digest.data());
  std::string out;
  for (const auto byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace sluice::actuate
