// SPDX-License-Identifier: Apache-2.0
// The body of a request for a capture, taken apart: every byte that comes in is checked here.
#include "base/nearest.hpp"
#include "control/capture.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace sluice::control {
namespace {

using Plain = nlohmann::json;

constexpr std::size_t kLongestOrder = 4096;
constexpr std::array<std::string_view, 6> kKeys = {"service", "backend", "verdicts",
                                                   "sample",  "snap",    "count"};

// An object of which only the verdicts are a list.
Result<Plain> parse(std::string_view body) {
  if (body.size() > kLongestOrder)
    return fail(Errc::kInvalid, "body", "is longer than {} bytes", kLongestOrder);
  bool deep = false;
  const auto shallow = [&](int depth, Plain::parse_event_t event, const Plain&) {
    if (depth >= 2 &&
        (event == Plain::parse_event_t::object_start || event == Plain::parse_event_t::array_start))
      deep = true;
    return !deep;
  };
  auto object = Plain::parse(body.begin(), body.end(), shallow, /*allow_exceptions=*/false);
  if (deep) return fail(Errc::kInvalid, "body", "is nested deeper than a list of verdicts");
  if (object.is_discarded() || !object.is_object())
    return fail(Errc::kInvalid, "body", "is not a JSON object");
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(kKeys, std::string_view(key)) == kKeys.end())
      return fail(Errc::kInvalid, "/" + key, "is not a key that is known here{}",
                  did_you_mean(key, kKeys));
  return object;
}

Result<std::string> text_in(const Plain& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return fail(Errc::kInvalid, std::string("/") + key, "is not a string");
  return found->get<std::string>();
}

Result<std::uint64_t> number_in(const Plain& object, const char* key, std::uint64_t absent,
                                std::uint64_t most) {
  const auto found = object.find(key);
  if (found == object.end()) return absent;
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > most)
    return fail(Errc::kInvalid, std::string("/") + key, "is not a whole number from 1 to {}", most);
  return found->get<std::uint64_t>();
}

Result<Verdict> verdict_named(const Plain& given) {
  if (!given.is_string()) return fail(Errc::kInvalid, "/verdicts", "has what is not a string");
  const auto wanted = given.get<std::string>();
  std::vector<std::string_view> names;
  for (std::size_t v = 0; v < kVerdicts; ++v) {
    names.push_back(text(static_cast<Verdict>(v)).name);
    if (names.back() == wanted) return static_cast<Verdict>(v);
  }
  return fail(Errc::kInvalid, "/verdicts", "'{}' is no verdict{}", wanted,
              did_you_mean(wanted, names));
}

}  // namespace

Result<CaptureOrder> parse_capture(std::string_view body) {
  const auto object = parse(body);
  if (!object) return forward_error(object);
  CaptureOrder order;
  auto service = text_in(*object, "service");
  if (!service) return forward_error(service);
  order.service = std::move(*service);
  auto backend = text_in(*object, "backend");
  if (!backend) return forward_error(backend);
  order.backend = std::move(*backend);
  const auto sample =
      number_in(*object, "sample", order.sample, std::numeric_limits<std::uint16_t>::max());
  if (!sample) return forward_error(sample);
  order.sample = static_cast<std::uint32_t>(*sample);
  const auto snap = number_in(*object, "snap", order.snap, dataplane::kLongestSnap);
  if (!snap) return forward_error(snap);
  order.snap = static_cast<std::uint16_t>(*snap);
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  const auto count = number_in(*object, "count", kAny, kAny);
  if (!count) return forward_error(count);
  if (*count != kAny) order.count = *count;
  const auto verdicts = object->find("verdicts");
  if (verdicts == object->end()) return order;
  if (!verdicts->is_array()) return fail(Errc::kInvalid, "/verdicts", "is not a list");
  for (const auto& given : *verdicts) {
    const auto verdict = verdict_named(given);
    if (!verdict) return forward_error(verdict);
    order.verdicts.push_back(*verdict);
  }
  return order;
}

}  // namespace sluice::control
