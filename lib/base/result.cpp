// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

namespace sluice {

std::string_view name(Errc code) noexcept {
  switch (code) {
    case Errc::kInvalid:
      return "invalid";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kConflict:
      return "conflict";
    case Errc::kExhausted:
      return "exhausted";
    case Errc::kIo:
      return "io";
    case Errc::kUnsupported:
      return "unsupported";
  }
  return "unknown";
}

int exit_status(Errc code) noexcept { return code == Errc::kInvalid ? 2 : 1; }

int http_status(Errc code) noexcept {
  switch (code) {
    case Errc::kInvalid:
      return 400;
    case Errc::kNotFound:
      return 404;
    case Errc::kConflict:
      return 409;
    case Errc::kExhausted:
      return 507;
    case Errc::kIo:
      return 500;
    case Errc::kUnsupported:
      return 501;
  }
  return 500;
}

}  // namespace sluice
