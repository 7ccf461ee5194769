// SPDX-License-Identifier: Apache-2.0
#include "actuate/simple.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::actuate {

Standby::Standby(const std::vector<config::StandbyBackend>& backends, OnReport report)
    : report_(std::move(report)) {
  for (const auto& backend : backends)
    ability_.known.push_back({.name = backend.name,
                              .address = backend.address,
                              .port = backend.port,
                              .backend_class = backend.backend_class});
}

void Standby::order(const Order& order) {
  Report report{.order_id = order.id};
  if (order.verb == Verb::kStart) {
    const auto known = std::ranges::find(ability_.known, order.name, &Member::name);
    if (known == ability_.known.end()) {
      report.end = Report::End::kRefused;
      report.error = order.name + " is not on standby";
    } else {
      report.members.push_back(*known);
    }
  } else if (order.verb != Verb::kStop) {
    report.end = Report::End::kRefused;
    report.error = fmt::format("backends on standby know no '{}'", name_of(order.verb));
  }
  report_(report);
}

void MetricCount::order(const Order& order) {
  Report report{.order_id = order.id};
  if (order.verb == Verb::kCount) {
    count_ = order.count;
    report.count = order.count;
  } else {
    report.end = Report::End::kRefused;
    report.error = fmt::format("a metric knows no '{}'", name_of(order.verb));
  }
  report_(report);
}

std::string keda_text(std::string_view pool, std::optional<unsigned> count) {
  // A pool's name needs no escape.
  return count ? fmt::format(R"({{"pool":"{}","desired":{}}})", pool, *count)
               : fmt::format(R"({{"pool":"{}"}})", pool);
}

}  // namespace sluice::actuate
