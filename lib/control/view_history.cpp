// SPDX-License-Identifier: Apache-2.0
#include "control/view_history.hpp"

#include "base/nearest.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <string_view>
#include <vector>

namespace sluice::control {

Result<Json> view_history(const ScaleKeeper& keeper, const std::string& pool, std::uint64_t step_s,
                          std::optional<std::uint64_t> from_s) {
  const auto found = keeper.pools().find(pool);
  if (found == keeper.pools().end()) {
    std::vector<std::string_view> names;
    for (const auto& [name, one] : keeper.pools()) names.push_back(name);
    return fail(Errc::kNotFound, "pool " + pool, "is not scaled, or does not exist{}",
                did_you_mean(pool, names));
  }
  if (step_s != 1 && step_s != 60)
    return fail(Errc::kInvalid, "step",
                "{} is neither 1 (a day by the second) nor 60 (14 days by the minute)", step_s);
  if (from_s && *from_s > static_cast<std::uint64_t>(forecast::Series::kMostTime))
    return fail(Errc::kInvalid, "from", "{} is no time, in seconds since 1970", *from_s);
  const auto& history = found->second->history();
  const auto from =
      from_s ? std::optional(static_cast<std::int64_t>(*from_s)) : std::optional<std::int64_t>();
  const auto stretch = history.stretch(static_cast<std::int64_t>(step_s), from);
  Json values = Json::array();
  for (const double value : stretch.requests_per_s)
    values.push_back(std::isnan(value) ? Json() : Json(std::round(value * 1e4) / 1e4));
  const auto newest = history.series().newest();
  return Json{{"pool", pool},
              {"step_s", stretch.step_s},
              {"from_s", stretch.from_s},
              {"newest_s", newest ? Json(*newest) : Json()},
              {"requests_per_s", std::move(values)},
              {"next_s", stretch.next_s ? Json(*stretch.next_s) : Json()}};
}

}  // namespace sluice::control
