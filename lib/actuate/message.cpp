// SPDX-License-Identifier: Apache-2.0
#include "actuate/message.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::actuate {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 16;

auto refuse(std::string where, std::string_view what) {
  return fail(Errc::kInvalid, std::move(where), "{}", what);
}

/// A text under a key; nullptr: there is none. What is there and no text counts as none.
const std::string* text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

Result<Member> parse_member(const Json& json, const std::string& where) {
  if (!json.is_object()) return refuse(where, "is no object");
  Member member;
  const std::string* const name = text_at(json, "name");
  if (name == nullptr || !is_name(*name))
    return refuse(where + "/name", "is not 1 to 64 of the characters A-Z a-z 0-9 _ . -");
  member.name = *name;
  const std::string* const text = text_at(json, "address");
  const auto address = text == nullptr ? std::nullopt : IpAddress::parse(*text);
  if (!address) return refuse(where + "/address", "is no IP address");
  if (const auto why = against_address(*address); !why.empty())
    return refuse(where + "/address", fmt::format("{} is {}", address->text(), why));
  member.address = *address;
  if (const auto port = json.find("port"); port != json.end() && !port->is_null()) {
    if (!port->is_number_unsigned() || port->get<std::uint64_t>() > 65535)
      return refuse(where + "/port", "is not 0 to 65535");
    member.port = port->get<std::uint16_t>();
  }
  if (const auto kind = json.find("class"); kind != json.end() && !kind->is_null()) {
    const auto* const word = kind->get_ptr<const std::string*>();
    if (word == nullptr || (!word->empty() && !is_name(*word)))
      return refuse(where + "/class", "is no name of a class");
    member.backend_class = *word;
  }
  if (const auto owner = json.find("owner"); owner != json.end() && !owner->is_null()) {
    const auto* const word = owner->get_ptr<const std::string*>();
    if (word == nullptr || word->size() > kLongestOwner || printable(*word) != *word)
      return refuse(where + "/owner", "is no owner as orders have it, NODE/POOL");
    member.owner = *word;
  }
  if (const auto state = json.find("state"); state != json.end() && !state->is_null()) {
    if (*state != "awake" && *state != "asleep")
      return refuse(where + "/state", "is neither 'awake' nor 'asleep'");
    if (*state == "asleep") member.standing = Member::Standing::kAsleep;
  }
  return member;
}

/// Deep nesting and broken text are refused alike.
std::optional<Json> parse_bounded(std::string_view text) {
  bool deep = false;
  auto json = Json::parse(
      text,
      [&deep](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > kDeepest;
        return !deep;
      },
      /*allow_exceptions=*/false);
  if (deep || json.is_discarded()) return std::nullopt;
  return json;
}

}  // namespace

bool is_name(std::string_view text) noexcept {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, fits);
}

std::string_view against_address(const IpAddress& address) noexcept {
  if (address.is_unspecified()) return "the unspecified address";
  if (address.is_loopback()) return "a loopback address";
  if (address.is_multicast()) return "a multicast address";
  if (address == IpAddress::v4({255, 255, 255, 255})) return "the broadcast address";
  const bool link_local =
      !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0U) == 0x80;
  return link_local ? "a link-local address" : "";
}

std::string printable(std::string_view text, std::size_t longest) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (out.size() >= longest) {
      out.resize(longest - 3);
      return out + "...";
    }
    out += blank ? ' ' : c > ' ' && c <= '~' ? c : '?';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string text_of(const Order& order) {
  Json json = {{"action", name_of(order.verb)}, {"id", order.id}, {"pool", order.pool}};
  if (!order.owner.empty()) json["owner"] = order.owner;
  if (order.verb != Verb::kList) {
    json["class"] = order.backend_class;
    json["name"] = order.name;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<Member>> parse_members(std::string_view text) {
  if (text.size() > kLongestAnswer)
    return refuse("", fmt::format("the answer is longer than {} bytes", kLongestAnswer));
  const auto json = parse_bounded(text);
  if (!json || !json->is_object())
    return refuse("", fmt::format("the answer is no JSON object: '{}'", printable(text, 80)));
  const auto list = json->find("backends");
  if (list == json->end() || !list->is_array()) return refuse("/backends", "is no list");
  if (list->size() > kMostMembers)
    return refuse("/backends", fmt::format("has more than {} backends", kMostMembers));
  std::vector<Member> members;
  std::set<std::string> names;
  for (const Json& each : *list) {
    const auto where = fmt::format("/backends/{}", members.size());
    auto member = parse_member(each, where);
    if (!member) return forward_error(member);
    if (!names.insert(member->name).second) return refuse(where + "/name", "is there twice");
    members.push_back(std::move(*member));
  }
  return members;
}

Result<Report> parse_answer(const Order& order, std::string_view text) {
  Report report{.order_id = order.id};
  const bool may_be_empty = order.verb != Verb::kStart && order.verb != Verb::kList;
  if (order.verb == Verb::kStop || order.verb == Verb::kSleep) return report;
  if (may_be_empty && printable(text).empty()) return report;
  auto members = parse_members(text);
  if (!members) return forward_error(members);
  report.members = std::move(*members);
  return report;
}

}  // namespace sluice::actuate
