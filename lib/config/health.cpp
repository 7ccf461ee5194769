// SPDX-License-Identifier: Apache-2.0
#include "config/health.hpp"

namespace sluice::config {
namespace {

// The number that `text` begins with, of three digits; what follows stays in `text`.
unsigned take_status(std::string_view& text) {
  unsigned status = 0;
  for (int digit = 0; digit < 3 && !text.empty(); ++digit, text.remove_prefix(1))
    status = 10 * status + static_cast<unsigned>(text.front() - '0');
  return status;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

bool accepts_status(std::string_view list, unsigned status) noexcept {
  if (list.empty()) return status >= 200 && status <= 299;
  do {
    const unsigned from = take_status(list);
    const unsigned to = take(list, '-') ? take_status(list) : from;
    if (status >= from && status <= to) return true;
  } while (take(list, ','));
  return false;
}

bool Health::is_http() const noexcept {
  switch (type) {
    case CheckType::kTcp:
    case CheckType::kGrpc:
    case CheckType::kIcmp:
    case CheckType::kUdp:
    case CheckType::kCommand:
      return false;
    default:
      return true;
  }
}

std::string_view Health::path_asked() const noexcept {
  if (!path.empty()) return path;
  switch (type) {
    case CheckType::kVllm:
    case CheckType::kSglang:
    case CheckType::kTgi:
    case CheckType::kLlamaCpp:
      return "/health";
    case CheckType::kTriton:
      return "/v2/health/ready";
    default:
      return "/";
  }
}

}  // namespace sluice::config
