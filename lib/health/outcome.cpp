// SPDX-License-Identifier: Apache-2.0
#include "health/outcome.hpp"

#include <algorithm>

namespace sluice::health {

std::string_view name(Fault fault) noexcept {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kRefused:
      return "refused";
    case Fault::kTimeout:
      return "timeout";
    case Fault::kUnreachable:
      return "unreachable";
    case Fault::kReset:
      return "reset";
    case Fault::kTls:
      return "tls";
    case Fault::kStatus:
      return "status";
    case Fault::kBody:
      return "body";
    case Fault::kProtocol:
      return "protocol";
    case Fault::kCommand:
      return "command";
    case Fault::kLocal:
      return "local";
  }
  return "unknown";
}

std::string clean(std::string_view text, std::size_t limit) {
  constexpr std::string_view kMore = "...";
  std::string cleaned;
  cleaned.reserve(std::min(text.size(), limit));
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (blank && (cleaned.empty() || cleaned.back() == ' ')) continue;
    if (cleaned.size() == limit) {
      cleaned.resize(limit - std::min(limit, kMore.size()));
      return cleaned.append(kMore.substr(0, std::min(limit, kMore.size())));
    }
    cleaned += blank ? ' ' : (c > ' ' && c <= '~') ? c : '?';
  }
  while (cleaned.ends_with(' ')) cleaned.pop_back();
  return cleaned;
}

}  // namespace sluice::health
