// SPDX-License-Identifier: Apache-2.0
// docs/reference/limits.md says the numbers that the code has.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "actuate/order.hpp"
#include "actuate/retrying.hpp"
#include "base/child_process.hpp"
#include "config/lcores.hpp"
#include "config/reader.hpp"
#include "config/tables.hpp"
#include "config/value.hpp"
#include "control/capture.hpp"
#include "control/webhook.hpp"
#include "dataplane/flow_rules.hpp"
#include "dataplane/held_fragments.hpp"
#include "http/server.hpp"
#include "packet/parse.hpp"
#include "scrape/reading.hpp"
#include "snapshot/rules.hpp"
#include "snapshot/snapshot.hpp"
#include "xdp/filter.hpp"

namespace sluice::control {
namespace {

// "65535" as the page has it: "65,535".
std::string grouped(double value) {
  auto digits = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

TEST(LimitsPage, SaysTheNumbersThatTheCodeHas) {
  std::ifstream file(SLUICE_LIMITS_PAGE);
  ASSERT_TRUE(file) << SLUICE_LIMITS_PAGE;
  std::stringstream page;
  page << file.rdbuf();

  struct Row {
    std::string what;
    double limit;
    std::string unit = {};
  };
  constexpr double kMebi = 1U << 20U;
  constexpr double kKibi = 1U << 10U;
  constexpr http::Server::Limits kHttp{};
  const std::vector<Row> rows{
      {"services", snapshot::kMostServices},
      {"pools", snapshot::kMostPools},
      {"backends, those at rest after removal included", snapshot::kMostBackends},
      {"workers", config::kMostLcores - 1},
      {"values in one configuration file", config::kMostValues},
      {"faults told of one file", config::kMostFaults},
      {"shards or denied prefixes of a service", config::kMostPrefixes},
      {"prefixes denied by the XDP filter", xdp::kMostDenied},
      {"services with limits, and limits of sources", snapshot::kMostLimiters},
      {"`rte_flow` rules of a port", dataplane::FlowRules::kMost},
      {"VLAN tags", kMostVlanTags},
      {"IPv6 extension headers", kMostExtensions},
      {"fragments that wait for the first of their datagram, a worker",
       dataplane::HeldFragments::kMost, ", for a second"},
      {"body of a request", static_cast<double>(kHttp.body_bytes) / kMebi, " MiB"},
      {"bodies of all requests at once", static_cast<double>(kHttp.all_body_bytes) / kMebi, " MiB"},
      {"path and query", static_cast<double>(kHttp.target_bytes) / kKibi, " KiB"},
      {"headers", static_cast<double>(kHttp.header_bytes) / kKibi, " KiB"},
      {"connections of a listener", kHttp.connections},
      {"requests that wait for events", kHttp.deferred, ", for 30 s each"},
      {"bytes of a capture that wait for their client", Capture::kMostBytes / kMebi, " MiB"},
      {"packets in one answer of a capture", Capture::kMostInAnswer},
      {"events in one webhook request", Webhook::kMostEvents},
      {"backends in an actuator's answer", actuate::kMostMembers},
      {"programs that run at once (checks and actuators)", ChildProcesses::kMostAtOnce},
      {"requests that a server may report as running or waiting", scrape::kMostInside},
  };
  for (const auto& row : rows) {
    const auto line = fmt::format("| {} | {}{} |", row.what, grouped(row.limit), row.unit);
    EXPECT_NE(page.str().find(line), std::string::npos) << line;
  }
  EXPECT_NE(page.str().find(fmt::format("| {} at once, {} waiting |",
                                        grouped(actuate::Retrying::kMostAtOnce),
                                        grouped(actuate::Retrying::kMostPending))),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::control
