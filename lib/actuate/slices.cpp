// SPDX-License-Identifier: Apache-2.0
#include "actuate/slices.hpp"

#include "actuate/message.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace sluice::actuate {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 32;
constexpr std::size_t kLongestToken = 4096;

Json parse(std::string_view text) {
  bool deep = false;
  auto json = Json::parse(
      text,
      [&deep](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > kDeepest;
        return !deep;
      },
      /*allow_exceptions=*/false);
  return deep ? Json(Json::value_t::discarded) : json;
}

/// The value under the keys; a null where there is none.
const Json& at(const Json& json, std::initializer_list<const char*> keys) {
  static const Json kNone;
  const Json* found = &json;
  for (const char* const key : keys) {
    if (!found->is_object() || !found->contains(key)) return kNone;
    found = &(*found)[key];
  }
  return *found;
}

std::string text_of(const Json& json) {
  const auto* const text = json.get_ptr<const std::string*>();
  return text == nullptr ? std::string() : *text;
}

bool is_true(const Json& json) { return json.is_boolean() && json.get<bool>(); }

std::uint16_t port_of(const Json& slice) {
  const Json& ports = at(slice, {"ports"});
  if (!ports.is_array() || ports.empty()) return 0;
  const Json& port = at(ports.front(), {"port"});
  if (!port.is_number_unsigned() || port.get<std::uint64_t>() > 65535) return 0;
  return port.get<std::uint16_t>();
}

std::string short_name(const std::string& pod) {
  if (pod.size() <= kLongestName) return pod;
  return pod.substr(pod.size() - kLongestName);  // its end is what tells it from others
}

}  // namespace

Result<Scale> parse_scale(std::string_view text) {
  const Json json = parse(text);
  const Json& replicas = at(json, {"spec", "replicas"});
  const bool absent = json.is_object() && at(json, {"spec"}).is_object() && replicas.is_null();
  if (!absent && (!replicas.is_number_unsigned() || replicas.get<std::uint64_t>() > 1'000'000))
    return fail(Errc::kInvalid, "/spec/replicas", "is no count");
  return Scale{.replicas = absent ? 0 : replicas.get<unsigned>(),
               .version = text_of(at(json, {"metadata", "resourceVersion"}))};
}

Result<std::string> Slices::add(std::string_view text) {
  const Json json = parse(text);
  const Json& items = at(json, {"items"});
  if (!items.is_array()) return fail(Errc::kInvalid, "/items", "is no list");
  if (++pages_ > kMostPages) return fail(Errc::kInvalid, "", "more than {} pages", kMostPages);
  for (const Json& slice : items) {
    const Json& endpoints = at(slice, {"endpoints"});
    if (!endpoints.is_array()) continue;
    for (const Json& endpoint : endpoints) {
      const Json& addresses = at(endpoint, {"addresses"});
      const std::string pod = at(endpoint, {"targetRef", "kind"}) == "Pod"
                                  ? text_of(at(endpoint, {"targetRef", "name"}))
                                  : "";
      const std::string name = short_name(pod);
      const auto address = addresses.is_array() && !addresses.empty()
                               ? IpAddress::parse(text_of(addresses.front()))
                               : std::nullopt;
      if (!is_name(name) || pod.size() > 253 || !address || !against_address(*address).empty()) {
        ++left_out_;
        continue;
      }
      if (members_.size() >= kMostMembers && !members_.contains(name))
        return fail(Errc::kInvalid, "/items", "more than {} endpoints", kMostMembers);
      Member& member = members_[name];
      if (!member.name.empty() && (member.address.is_v4() || !address->is_v4())) continue;
      member = {.name = name, .address = *address, .port = port_of(slice)};
      if (is_true(at(endpoint, {"conditions", "terminating"})))
        member.standing = Member::Standing::kLeaving;
      pods_[name] = pod;
    }
  }
  std::string next = text_of(at(json, {"metadata", "continue"}));
  if (next.size() > kLongestToken) return fail(Errc::kInvalid, "/metadata/continue", "is too long");
  return next;
}

std::vector<Member> Slices::members() const {
  std::vector<Member> members;
  for (const auto& [name, member] : members_) members.push_back(member);
  return members;
}

}  // namespace sluice::actuate
