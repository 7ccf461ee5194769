// SPDX-License-Identifier: Apache-2.0
// State that is kept: each type names its fields and their bounds once, and is written and read by
// the same list, so that the two cannot come apart.
//
// Threads: values of one thread.
#pragma once

#include "base/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

namespace sluice::forecast {

constexpr double kMostKept = 1e18;  ///< Bound of what a forecaster makes out of values.

/// Keeps a part of a forecaster's state where it can be read again, whatever state it came from.
[[nodiscard]] constexpr double within_kept(double value) noexcept {
  return std::clamp(value, -kMostKept, kMostKept);
}

/// Writer or reader. A reader throws on anything missing, of another type or out of bounds; only
/// read_fields() calls one.
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void number(std::string_view name, double& value, double low, double high) = 0;
  virtual void whole(std::string_view name, std::size_t& value, std::size_t most) = 0;
  virtual void flag(std::string_view name, bool& value) = 0;
  /// As many numbers as there are when written: at least `least`, at most `most`.
  virtual void numbers(std::string_view name, std::vector<double>& values, std::size_t least,
                       std::size_t most, double low, double high) = 0;
  /// What must hold between fields read so far: a reader throws where it does not.
  virtual void require(bool holds, std::string_view name, std::string_view why) = 0;
  virtual void nested(std::string_view name, const std::function<void(Fields&)>& list) = 0;

 protected:
  Fields() = default;
  Fields(const Fields&) = default;
  Fields& operator=(const Fields&) = default;
};

/// The fields of `list` as an object.
[[nodiscard]] nlohmann::json write_fields(const std::function<void(Fields&)>& list);

/// Reads them. On failure some may have been read already: the caller undoes that.
/// @return kInvalid with the field's name and what was expected.
[[nodiscard]] Result<void> read_fields(const nlohmann::json& state,
                                       const std::function<void(Fields&)>& list);

}  // namespace sluice::forecast
