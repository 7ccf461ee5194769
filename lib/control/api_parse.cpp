// SPDX-License-Identifier: Apache-2.0
#include "control/api_parse.hpp"

#include "control/view_parts.hpp"

#include "base/nearest.hpp"
#include "config/decode.hpp"
#include "config/encode.hpp"
#include "packet/headers.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <limits>

namespace sluice::control {
namespace {

using Plain = nlohmann::json;

constexpr std::size_t kLongestBody = 4096;  // of a change to one backend

// An object of few plain values, whose keys are all in `known`.
Result<Plain> parse_object(std::string_view body, std::span<const std::string_view> known) {
  if (body.size() > kLongestBody)
    return fail(Errc::kInvalid, "body", "is longer than {} bytes", kLongestBody);
  const auto flat = [](int depth, Plain::parse_event_t event, const Plain&) {
    return depth < 1 || (event != Plain::parse_event_t::object_start &&
                         event != Plain::parse_event_t::array_start);
  };
  auto object = Plain::parse(body.begin(), body.end(), flat, /*allow_exceptions=*/false);
  if (object.is_discarded() || !object.is_object())
    return fail(Errc::kInvalid, "body", "is not a JSON object");
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return fail(Errc::kInvalid, "/" + key, "is not a key that is known here{}",
                  did_you_mean(key, known));
  return object;
}

Result<std::string> text_of(const Plain& object, const char* key, bool required) {
  const auto found = object.find(key);
  if (found == object.end()) {
    if (!required) return std::string();
    return fail(Errc::kInvalid, std::string("/") + key, "is missing");
  }
  if (!found->is_string()) return fail(Errc::kInvalid, std::string("/") + key, "is not a string");
  return found->get<std::string>();
}

template <class T>
Result<T> whole_of(const Plain& value, std::string where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<T>::max())
    return fail(Errc::kInvalid, std::move(where),
                "is not a whole number from 0 on that fits {} bits",
                std::numeric_limits<T>::digits);
  return value.get<T>();
}

// Leaves `into` as it is where there is no such key.
template <class T>
Result<void> read_whole(const Plain& object, const char* key, T& into) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  const auto value = whole_of<T>(*found, std::string("/") + key);
  if (!value) return forward_error(value);
  into = *value;
  return {};
}

Result<IpAddress> parse_address(const http::Request& request, std::string_view key) {
  const auto given = request.parameter(key).value_or("");
  const auto address = IpAddress::parse(given);
  if (!address) return fail(Errc::kInvalid, std::string(key), "'{}' is not an IP address", given);
  return *address;
}

Result<std::uint16_t> parse_port(const http::Request& request, std::string_view key) {
  const auto number = parse_number(request, key, 0);
  if (!number) return forward_error(number);
  if (*number > 65535)
    return fail(Errc::kInvalid, std::string(key), "{} is not a port; ports end at 65535", *number);
  return static_cast<std::uint16_t>(*number);
}

}  // namespace

Result<config::Backend> parse_backend(std::string_view body) {
  static constexpr std::string_view kKeys[] = {"name", "address",         "weight",   "class",
                                               "port", "max_connections", "server_id"};
  auto object = parse_object(body, kKeys);
  if (!object) return forward_error(object);
  config::Backend backend;
  auto name = text_of(*object, "name", true);
  if (!name) return forward_error(name);
  backend.name = std::move(*name);
  auto given = text_of(*object, "address", true);
  if (!given) return forward_error(given);
  const auto address = IpAddress::parse(*given);
  if (!address) return fail(Errc::kInvalid, "/address", "'{}' is not an IP address", *given);
  backend.address = *address;
  auto of_class = text_of(*object, "class", false);
  if (!of_class) return forward_error(of_class);
  backend.backend_class = std::move(*of_class);
  auto server_id = text_of(*object, "server_id", false);
  if (!server_id) return forward_error(server_id);
  backend.server_id = std::move(*server_id);
  if (auto r = read_whole(*object, "weight", backend.weight); !r) return forward_error(r);
  if (auto r = read_whole(*object, "port", backend.port); !r) return forward_error(r);
  if (auto r = read_whole(*object, "max_connections", backend.max_connections); !r)
    return forward_error(r);
  return backend;
}

Result<std::uint32_t> parse_weight(std::string_view body) {
  static constexpr std::string_view kKeys[] = {"weight"};
  const auto object = parse_object(body, kKeys);
  if (!object) return forward_error(object);
  if (!object->contains("weight")) return fail(Errc::kInvalid, "/weight", "is missing");
  return whole_of<std::uint32_t>((*object)["weight"], "/weight");
}

Result<std::uint64_t> parse_number(const http::Request& request, std::string_view key,
                                   std::uint64_t absent) {
  const auto given = request.parameter(key);
  if (!given) return absent;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
  if (error != std::errc{} || end != given->data() + given->size())
    return fail(Errc::kInvalid, std::string(key), "'{}' is not a whole number", *given);
  return number;
}

Result<FlowKey> parse_flow(const http::Request& request) {
  const auto protocol = request.parameter("protocol").value_or("");
  if (protocol != "tcp" && protocol != "udp")
    return fail(Errc::kInvalid, "protocol", "'{}' is neither tcp nor udp", protocol);
  const auto source = parse_address(request, "source");
  if (!source) return forward_error(source);
  const auto destination = parse_address(request, "destination");
  if (!destination) return forward_error(destination);
  if (source->family() != destination->family())
    return fail(Errc::kInvalid, "destination", "'{}' is not of the family of the source",
                destination->text());
  const auto source_port = parse_port(request, "source_port");
  if (!source_port) return forward_error(source_port);
  const auto destination_port = parse_port(request, "destination_port");
  if (!destination_port) return forward_error(destination_port);
  FlowKey key{};
  std::ranges::copy(source->words(), key.source);
  std::ranges::copy(destination->words(), key.destination);
  key.source_port = Be16::from_host(*source_port).wire();
  key.destination_port = Be16::from_host(*destination_port).wire();
  key.protocol = protocol == "tcp" ? wire::kIpProtoTcp : wire::kIpProtoUdp;
  key.family = source->is_v4() ? 4 : 6;
  return key;
}

ParsedConfiguration parse_configuration(std::string_view body) {
  auto decoded = config::decode(body);
  ParsedConfiguration parsed{std::move(decoded.configuration), std::move(decoded.faults), {}};
  if (parsed.faults.empty()) return parsed;
  std::vector<std::string> texts;
  for (const auto& fault : parsed.faults) texts.push_back(fault.text());
  parsed.refusal = refusal_with_faults(
      {Errc::kInvalid, parsed.faults.front().pointer,
       fmt::format("the configuration has {} fault{}", texts.size(), texts.size() == 1 ? "" : "s")},
      texts);
  return parsed;
}

std::optional<Error> needs_restart(const config::Configuration& file,
                                   const config::Configuration& wanted) {
  std::optional<Error> refused;
  std::string others;
  for (const auto& change : config::difference(file, wanted)) {
    if (change.reloadable) continue;
    if (refused) {
      others += (others.empty() ? ", and so does " : ", ") + change.path;
      continue;
    }
    refused = Error{Errc::kConflict, change.path,
                    fmt::format("changes only on restart (from {} to {})",
                                change.before.empty() ? "nothing" : change.before,
                                change.after.empty() ? "nothing" : change.after)};
  }
  if (refused)
    refused->message += others + "; nothing was changed: restart the node, or set it back";
  return refused;
}

http::Response refusal_with_faults(const Error& error, const std::vector<std::string>& faults) {
  Json body = {
      {"error", {{"code", name(error.code)}, {"where", error.where}, {"message", error.message}}},
      {"faults", faults}};
  return {.status = http_status(error.code),
          .body = body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
          .headers = {}};
}

std::string encode_running(const Model& model, bool read_only) {
  return config::encode(model.running(),
                        read_only ? config::Secrets::kHidden : config::Secrets::kShown);
}

Json changes_json(const std::vector<config::Change>& changes) {
  Json list = Json::array();
  for (const auto& c : changes)
    list.push_back(
        {{"path", c.path}, {"before", c.before}, {"after", c.after}, {"reloadable", c.reloadable}});
  return list;
}

Json change_report(const Published& published, const config::Configuration& before,
                   const Model& after) {
  return {{"generation", published.generation},
          {"changes", changes_json(config::difference(before, after.running()))},
          {"moved",
           {{"slots", published.movement.moved},
            {"least", published.movement.least},
            {"of", published.movement.total}}}};
}

Wishes wishes_of(const Model& model) {
  Wishes wishes;
  for (const auto& [pool, changes] : model.operator_state().pools) {
    for (const auto& name : changes.drained)
      wishes.emplace(pool + "/backends/" + name, health::Wish::kDrain);
    for (const auto& name : changes.maintenance)
      wishes.emplace(pool + "/backends/" + name, health::Wish::kMaintenance);
  }
  return wishes;
}

void add_wish_changes(Json& report, const Wishes& before, const Wishes& after) {
  const auto in = [](const Wishes& wishes, const std::string& path) {
    const auto at = wishes.find(path);
    return at == wishes.end() ? health::Wish::kServe : at->second;
  };
  Wishes either = before;
  either.insert(after.begin(), after.end());
  for (const auto& [path, wish] : either)
    if (in(before, path) != in(after, path))
      report["changes"].push_back({{"path", "pools/" + path + "/operator"},
                                   {"before", word(in(before, path))},
                                   {"after", word(in(after, path))},
                                   {"reloadable", true}});
}

Json view_events(const EventLog& events, std::uint64_t since, std::size_t most) {
  const auto page = events.since(since, most);
  Json list = Json::array();
  for (const auto* e : page.events)
    list.push_back({{"id", e->id},
                    {"at", rfc3339(e->at)},
                    {"level", name(e->level)},
                    {"component", e->component},
                    {"event", e->event},
                    {"text", e->text}});
  return {{"events", std::move(list)}, {"next", page.next}, {"lost", page.lost}};
}

}  // namespace sluice::control
