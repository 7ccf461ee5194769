// SPDX-License-Identifier: Apache-2.0
// What the admin API's bodies and answers look like, as JSON Schema 2020-12.
#include "control/openapi.hpp"

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <string_view>
#include <utility>

namespace sluice::control {
namespace {

using Fields = std::initializer_list<std::pair<std::string_view, Json>>;

Json of_type(std::string_view type) { return {{"type", type}}; }
Json text() { return of_type("string"); }
Json truth() { return of_type("boolean"); }
Json number() { return of_type("number"); }
Json whole() { return {{"type", "integer"}, {"minimum", 0}}; }
Json ratio() { return {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}; }
Json when() { return {{"type", "string"}, {"format", "date-time"}}; }
Json words(std::initializer_list<std::string_view> all) {
  return {{"type", "string"}, {"enum", Json(all)}};
}
Json list(const Json& items) { return {{"type", "array"}, {"items", items}}; }
Json map_of(const Json& values) { return {{"type", "object"}, {"additionalProperties", values}}; }
Json or_null(const Json& schema) { return {{"anyOf", {schema, of_type("null")}}}; }
Json see(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

// An object with these fields, all of which are always there, and perhaps `optional` ones.
Json object(Fields fields, Fields optional = {}) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& [name, schema] : fields) {
    properties[std::string(name)] = schema;
    required.push_back(name);
  }
  for (const auto& [name, schema] : optional) properties[std::string(name)] = schema;
  Json out = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

// A body: what is not named is refused.
Json body(Fields fields, Fields optional = {}) {
  Json out = object(fields, optional);
  out["additionalProperties"] = false;
  return out;
}

Json state() {
  return words({"starting", "up", "degraded", "draining", "down", "ejected", "maintenance"});
}
Json wish() { return words({"none", "drain", "maintenance"}); }

void put_node(Json& all) {
  all["Status"] = object(
      {{"node", text()},
       {"version", text()},
       {"isa", text()},
       {"pid", whole()},
       {"uptime_s", number()},
       {"ready", truth()},
       {"not_ready_because", text()},
       {"stopping", truth()},
       {"generation", whole()},
       {"generation_age_s", number()},
       {"configuration",
        object({{"file", text()},
                {"loaded_at", when()},
                {"operator_changes", whole()},
                {"last_reload",
                 object({{"ok", truth()}, {"at", when()}, {"faults", list(text())}})}})},
       {"state", object({{"directory", text()}, {"writable", truth()}, {"problem", text()}})},
       {"books", object({{"rx", whole()},
                         {"forward", whole()},
                         {"host", whole()},
                         {"answer", whole()},
                         {"drop", whole()},
                         {"in_flight", whole()},
                         {"balanced", truth()}})},
       {"ports", list(see("Port"))},
       {"huge_pages", truth()},
       {"workers", whole()},
       {"services", whole()},
       {"pools", whole()},
       {"backends",
        object({{"total", whole()}, {"up", whole()}, {"draining", whole()}, {"down", whole()}})},
       {"announced",
        or_null(object({{"link", text()}, {"addresses", list(text())}, {"problem", text()}}))}});
  all["Port"] =
      object({{"name", text()},
              {"device", text()},
              {"interface", text()},
              {"mac", text()},
              {"mtu", whole()},
              {"queues", whole()},
              {"link", words({"up", "down"})},
              {"rx_packets", whole()},
              {"rx_missed", whole()},
              {"rx_errors", whole()},
              {"tx_packets", whole()},
              {"tx_errors", whole()},
              {"xdp", or_null(object({{"mode", text()}, {"counters", map_of(whole())}}))}});
  all["Workers"] = object(
      {{"workers", list(object({{"id", whole()},
                                {"lcore", whole()},
                                {"queues", list(object({{"port", text()}, {"queue", whole()}}))},
                                {"polls", whole()},
                                {"empty_polls", whole()},
                                {"packets", whole()},
                                {"bursts", whole()},
                                {"busy_cycles", whole()},
                                {"idle_cycles", whole()},
                                {"packets_per_burst", number()},
                                {"busy_ratio", ratio()},
                                {"cycles_per_packet", number()},
                                {"flow_cache", object({{"capacity", whole()},
                                                       {"flows", whole()},
                                                       {"hits", whole()},
                                                       {"misses", whole()},
                                                       {"inserts", whole()},
                                                       {"evictions_new", whole()},
                                                       {"evictions_closing", whole()},
                                                       {"evictions_established", whole()},
                                                       {"expired", whole()}})},
                                {"nat", object({{"capacity", whole()},
                                                {"sessions", whole()},
                                                {"opened", whole()},
                                                {"expired", whole()},
                                                {"evicted", whole()},
                                                {"reopened", whole()},
                                                {"no_port", whole()},
                                                {"table_full", whole()}})}}))}});
  all["Drops"] = object(
      {{"drops", list(object({{"reason", text()}, {"packets", whole()}, {"remedy", text()}}))},
       {"total", whole()},
       {"answers", list(object({{"reason", text()}, {"packets", whole()}}))}});
  all["Events"] = object({{"events", list(object({{"id", whole()},
                                                  {"at", when()},
                                                  {"level", words({"info", "warning", "error"})},
                                                  {"component", text()},
                                                  {"event", text()},
                                                  {"text", text()}}))},
                          {"next", whole()},
                          {"lost", whole()}});
  all["Stats"] = object({{"clock_s", number()},
                         {"status", see("Status")},
                         {"traffic", object({{"rx_packets", whole()},
                                             {"rx_bytes", whole()},
                                             {"tx_packets", whole()},
                                             {"tx_bytes", whole()}})},
                         {"services", see("Services/properties/services")},
                         {"pools", see("Pools/properties/pools")},
                         {"backends", see("Backends/properties/backends")},
                         {"health", see("Health/properties/pools")},
                         {"workers", see("Workers/properties/workers")},
                         {"drops", see("Drops")},
                         {"scale", list(of_type("object"))},  // ScaledPool without its past
                         {"events", see("Events")}});
  all["OpenApi"] = object({{"openapi", text()},
                           {"info", of_type("object")},
                           {"servers", list(of_type("object"))},
                           {"paths", of_type("object")},
                           {"components", of_type("object")}});
}

void put_pools(Json& all) {
  all["NextHop"] = object({{"resolved", truth()},
                           {"mac", text()},
                           {"port", text()},
                           {"source", text()},
                           {"problem", text()}});
  all["Services"] = object({{"services", list(object({{"name", text()},
                                                      {"address", text()},
                                                      {"port", whole()},
                                                      {"protocol", words({"tcp", "udp", "quic"})},
                                                      {"pool", text()},
                                                      {"forwarding", text()},
                                                      {"backends_up", whole()},
                                                      {"backends_total", whole()},
                                                      {"packets", whole()},
                                                      {"bytes", whole()},
                                                      {"new_flows", whole()}}))}});
  all["Pools"] = object({{"pools", list(object({{"name", text()},
                                                {"forwarding", text()},
                                                {"policy", text()},
                                                {"affinity", text()},
                                                {"table_size", whole()},
                                                {"max_load_ratio", number()},
                                                {"overflow", text()},
                                                {"slow_start_s", whole()},
                                                {"backends", list(text())}}))}});
  all["Backends"] =
      object({{"backends", list(object({{"pool", text()},
                                        {"name", text()},
                                        {"address", text()},
                                        {"number", whole()},
                                        {"weight", whole()},
                                        {"weight_now", whole()},
                                        {"configured_weight", whole()},
                                        {"state", state()},
                                        {"operator", wish()},
                                        {"origin", words({"configuration", "operator"})},
                                        {"next_hop", see("NextHop")},
                                        {"slots", whole()},
                                        {"slots_share", ratio()},
                                        {"weight_share", ratio()},
                                        {"packets", whole()},
                                        {"bytes", whole()},
                                        {"new_flows", whole()},
                                        {"active_flows", whole()}}))}});
  all["Health"] = object({{"pools", list(object({{"name", text()},
                                                 {"state", text()},
                                                 {"since_s", number()},
                                                 {"probed", truth()},
                                                 {"watched", truth()},
                                                 {"panic", truth()},
                                                 {"backends", list(see("BackendHealth"))}}))}});
  all["BackendHealth"] = object(
      {{"name", text()},
       {"state", state()},
       {"since_s", number()},
       {"operator", wish()},
       {"checked", text()},
       {"takes_new_flows", truth()},
       {"keeps_flows", truth()},
       {"active_flows", whole()},
       {"last",
        or_null(object(
            {{"ok", truth()}, {"fault", text()}, {"took_ms", number()}, {"detail", text()}}))},
       {"good_in_a_row", whole()},
       {"failed_in_a_row", whole()},
       {"probes", object({{"good", whole()}, {"failed", whole()}})},
       {"ejections", whole()},
       {"ejected_for_s", number()},
       {"flaps", whole()},
       {"hold_s", number()},
       {"remedy", text()}});
}

Json known_flow(Fields more) {
  Json out = object({{"state", text()},
                     {"idle_s", whole()},
                     {"pool", or_null(text())},
                     {"backend", or_null(text())},
                     {"number", whole()}});
  for (const auto& [name, schema] : more) {
    out["properties"][std::string(name)] = schema;
    out["required"].push_back(name);
  }
  return out;
}

void put_flows(Json& all) {
  all["Flows"] = object({{"flows", list(known_flow({{"tag", text()}, {"worker", whole()}}))},
                         {"looked_at", whole()},
                         {"capacity", whole()}});
  all["Trace"] = object(
      {{"flow", object({{"protocol", words({"tcp", "udp"})},
                        {"source", text()},
                        {"source_port", whole()},
                        {"destination", text()},
                        {"destination_port", whole()}})},
       {"generation", whole()},
       {"verdict", words({"forward", "drop", "host"})},
       {"why", text()}},
      {{"service", text()},
       {"shard", or_null(object({}, {{"source", text()}, {"hash_range", list(ratio())}}))},
       {"pool", text()},
       {"hash", text()},
       {"forwarding", text()},
       {"policy", text()},
       {"affinity", text()},
       {"table_size", whole()},
       {"slot", whole()},
       {"backend", text()},
       {"number", whole()},
       {"state", text()},
       {"next_hop", see("NextHop")},
       {"workers",
        list(object(
            {{"worker", whole()}, {"cached", truth()}},
            {{"state", text()},
             {"idle_s", whole()},
             {"pool", or_null(text())},
             {"backend", or_null(text())},
             {"number", whole()},
             {"tag", text()},
             {"source", or_null(known_flow({{"tag", text()}}))},
             {"session", or_null(known_flow({{"local", text()}, {"local_port", whole()}}))}}))}});
  const auto copy = object({{"length", whole()}, {"bytes", text()}});
  all["Captured"] = object({{"id", whole()},
                            {"running", truth()},
                            {"lost", whole()},
                            {"packets", list(object({{"at_ns", whole()},
                                                     {"worker", whole()},
                                                     {"port", or_null(text())},
                                                     {"verdict", text()},
                                                     {"service", or_null(text())},
                                                     {"backend", or_null(text())},
                                                     {"before", or_null(copy)},
                                                     {"after", or_null(copy)}}))},
                            {"next", whole()}});
  all["CaptureOrder"] = body({}, {{"service", text()},
                                  {"backend", text()},
                                  {"verdicts", list(text())},
                                  {"sample", whole()},
                                  {"snap", whole()},
                                  {"count", whole()}});
  all["CaptureStarted"] = object({{"id", whole()}, {"workers", whole()}, {"slots", whole()}});
  all["CaptureStopped"] = object({{"id", whole()}, {"running", truth()}, {"lost", whole()}});
}

void put_changes(Json& all) {
  all["Change"] =
      object({{"path", text()}, {"before", text()}, {"after", text()}, {"reloadable", truth()}});
  const auto moved = object({{"slots", whole()}, {"least", whole()}, {"of", whole()}});
  const auto flows = object({{"now", whole()}, {"move", whole()}, {"kept", whole()}});
  const auto pools = list(object({{"name", text()},
                                  {"slots", whole()},
                                  {"least", whole()},
                                  {"of", whole()},
                                  {"flows", flows}}));
  all["Difference"] = object({{"generation", whole()},
                              {"changes", list(see("Change"))},
                              {"restart", list(text())},
                              {"moved", moved},
                              {"flows", flows},
                              {"pools", pools}});
  all["Changed"] =
      object({{"generation", whole()}, {"changes", list(see("Change"))}, {"moved", moved}},
             {{"flows", flows}, {"pools", pools}});
  all["Backend"] = body({{"name", text()}, {"address", text()}}, {{"weight", whole()},
                                                                  {"class", text()},
                                                                  {"port", whole()},
                                                                  {"max_connections", whole()},
                                                                  {"server_id", text()}});
  all["Weight"] = body({{"weight", whole()}});
  all["Configuration"] = {
      {"type", "object"},
      {"description", "A configuration; `sluiced schema` prints the schema of it."}};
  all["Error"] =
      object({{"error", object({{"code", text()}, {"where", text()}, {"message", text()}})}},
             {{"faults", list(text())}});
}

void put_scaling(Json& all) {
  const Fields decision = {{"desired", whole()},
                           {"wanted", map_of(whole())},
                           {"before", whole()},
                           {"cause", text()},
                           {"limits", list(text())},
                           {"reason", text()},
                           {"demand_per_s", number()},
                           {"backlog", number()},
                           {"capacity_per_s", number()},
                           {"saturation", or_null(number())},
                           {"horizon_s", number()},
                           {"forecast_per_s", number()},
                           {"forecast_low_per_s", number()},
                           {"forecast_high_per_s", number()},
                           {"margin_per_s", number()},
                           {"forecast_error_per_s", number()},
                           {"forecaster", text()},
                           {"needed_per_s", number()},
                           {"provided_per_s", number()},
                           {"uncovered_per_s", number()},
                           {"cost_per_hour", number()}};
  all["Decision"] = object(decision, {{"time", when()}});
  all["ScaledPool"] = object({{"name", text()},
                              {"standing", words({"auto", "override", "paused"})},
                              {"override_left_s", or_null(number())},
                              {"mode", words({"act", "advise"})},
                              {"policy", text()},
                              {"min", whole()},
                              {"max", whole()},
                              {"budget_per_hour", number()},
                              {"awaits", truth()},
                              {"decision", or_null(see("Decision"))},
                              {"classes", list(object({{"name", text()},
                                                       {"ready", whole()},
                                                       {"starting", whole()},
                                                       {"draining", whole()},
                                                       {"asleep", whole()},
                                                       {"price_per_hour", number()},
                                                       {"cold_start_s", number()},
                                                       {"capacity_per_s", number()},
                                                       {"starts_seen", whole()},
                                                       {"starts_failed_in_a_row", whole()},
                                                       {"held_back_s", number()}}))},
                              {"backends", list(object({{"name", text()},
                                                        {"class", text()},
                                                        {"address", or_null(text())},
                                                        {"port", whole()},
                                                        {"phase", text()},
                                                        {"since_s", number()}}))},
                              {"actuator", object({{"type", text()},
                                                   {"ready", truth()},
                                                   {"pending", whole()},
                                                   {"failures", whole()},
                                                   {"trouble", or_null(text())},
                                                   {"published", or_null(whole())}})},
                              {"late_ticks", whole()},
                              {"decisions", list(see("Decision"))}});
  all["Scale"] = object({{"pools", list(see("ScaledPool"))}});
  all["ScaleHistory"] = object({{"pool", text()},
                                {"step_s", whole()},
                                {"from_s", whole()},
                                {"newest_s", or_null(whole())},
                                {"requests_per_s", list(or_null(number()))},
                                {"next_s", or_null(whole())}});
  all["ScaleOrder"] = body({{"action", words({"set", "auto", "pause", "resume"})}},
                           {{"count", whole()}, {"for_s", whole()}});
}

}  // namespace

Json api_schemas() {
  Json all = Json::object();
  put_node(all);
  put_pools(all);
  put_flows(all);
  put_changes(all);
  put_scaling(all);
  return all;
}

}  // namespace sluice::control
