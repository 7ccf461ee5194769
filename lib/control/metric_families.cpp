// SPDX-License-Identifier: Apache-2.0
#include "control/metric_families.hpp"

#include <fmt/format.h>

namespace sluice::control {
namespace {

std::string labels_shown(std::string_view labels) {
  std::string shown;
  while (!labels.empty()) {
    const auto end = std::min(labels.find(','), labels.size());
    shown += fmt::format("{}`{}`", shown.empty() ? "" : ", ", labels.substr(0, end));
    labels.remove_prefix(std::min(end + 1, labels.size()));
  }
  return shown;
}

}  // namespace

std::string metrics_page() {
  std::string page =
      "# Metrics\n\n"
      "<!-- Generated from lib/control/metric_families.hpp: `meson compile -C BUILD "
      "metrics-reference` writes it anew. -->\n\n"
      "`GET /metrics` of the [admin API](../reference/api.md), in OpenMetrics. Counters count from "
      "the start of the\ndaemon. No label comes from what clients send.\n\n"
      "| name | kind | labels | what it is |\n| --- | --- | --- | --- |\n";
  for (const auto& family : kFamilies) {
    const auto* const ending = family.type == telemetry::Type::kCounter ? "_total" : "";
    page += fmt::format("| `{}{}` | {} | {} | {} |\n", family.name, ending,
                        telemetry::name(family.type), labels_shown(family.labels), family.help);
  }
  return page;
}

}  // namespace sluice::control
