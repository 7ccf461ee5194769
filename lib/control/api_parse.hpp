// SPDX-License-Identifier: Apache-2.0
// What the admin API takes apart and puts together: bodies, queries, and reports of changes. Every
// byte that comes in is checked here.
//
// Threads: slow path.
#pragma once

#include "config/difference.hpp"
#include "config/fault.hpp"
#include "control/event_log.hpp"
#include "control/model.hpp"
#include "control/views.hpp"
#include "http/message.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// {"name", "address", "weight", "class", "port", "max_connections", "server_id"}; all but the
/// first two have the configuration's defaults. Whether the pool can have it, Model says. @return
/// kInvalid.
[[nodiscard]] Result<config::Backend> parse_backend(std::string_view body);
/// {"weight": N}. @return kInvalid.
[[nodiscard]] Result<std::uint32_t> parse_weight(std::string_view body);
/// A number of the query, or `absent`. @return kInvalid.
[[nodiscard]] Result<std::uint64_t> parse_number(const http::Request& request, std::string_view key,
                                                 std::uint64_t absent);
/// protocol, source, source_port, destination, destination_port of the query. @return kInvalid.
[[nodiscard]] Result<FlowKey> parse_flow(const http::Request& request);

struct ParsedConfiguration {
  config::Configuration configuration;
  std::vector<config::Fault> faults;
  http::Response refusal;  ///< When there are faults.
};
[[nodiscard]] ParsedConfiguration parse_configuration(std::string_view body);

/// The changes that only a restart can make, by name, as a kConflict error; std::nullopt: none.
[[nodiscard]] std::optional<Error> needs_restart(const config::Configuration& file,
                                                 const config::Configuration& wanted);

[[nodiscard]] http::Response refusal_with_faults(const Error& error,
                                                 const std::vector<std::string>& faults);
/// The running configuration; without its secrets for who may only read.
[[nodiscard]] std::string encode_running(const Model& model, bool read_only);
[[nodiscard]] Json changes_json(const std::vector<config::Change>& changes);
/// {"generation", "changes", "moved"} of a change of the running configuration.
[[nodiscard]] Json change_report(const Published& published, const config::Configuration& before,
                                 const Model& after);
/// What the operator wishes, by path of the backend: "POOL/backends/NAME"; absent: to serve.
using Wishes = std::map<std::string, health::Wish>;
[[nodiscard]] Wishes wishes_of(const Model& model);
void add_wish_changes(Json& report, const Wishes& before, const Wishes& after);
[[nodiscard]] Json view_events(const EventLog& events, std::uint64_t since, std::size_t most);

}  // namespace sluice::control
