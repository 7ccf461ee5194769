// SPDX-License-Identifier: Apache-2.0
// States of forecasters, of their errors and of series, with anything in them: each is refused with
// a message and nothing changes, or it is taken up, forecasts within bounds whatever load comes,
// and what it saves can be read again.
#include "base/assert.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/residuals.hpp"
#include "forecast/series.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace sluice;
using namespace sluice::forecast;
using Json = nlohmann::json;

constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::kEnsemble) + 1;

/// Reads the input as choices; at its end all are 0.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool left() const { return at_ < bytes_.size(); }
  std::uint8_t byte() { return left() ? bytes_[at_++] : 0; }
  std::uint64_t word() {
    std::uint64_t word = 0;
    for (int i = 0; i < 8; ++i) word = word << 8U | byte();
    return word;
  }
  [[nodiscard]] std::string_view rest() const {
    const auto rest = bytes_.subspan(std::min(at_, bytes_.size()));
    return {reinterpret_cast<const char*>(rest.data()), rest.size()};
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

double load_at(int i) { return i % 50 < 40 ? 20 + i % 7 : 0; }

void leaves(Json& value, std::vector<Json*>& found) {
  if (!value.is_structured()) return found.push_back(&value);
  // Lists too, so that one may become longer, shorter or none.
  if (value.is_array()) found.push_back(&value);
  for (Json& inner : value) leaves(inner, found);
}

void bend(Json& state, Choices& choices) {
  constexpr std::array kEdges = {0.0,  -0.0,  1.0,   -1.0, 1e12,  -1e12,
                                 1e18, -1e18, 1e300, 0.98, 5e-324};
  for (int times = 0; times < 12 && choices.left(); ++times) {
    std::vector<Json*> all;
    leaves(state, all);
    const std::size_t at = (std::size_t{choices.byte()} << 8U | choices.byte()) * 7919 % all.size();
    Json& leaf = *all[at];
    const std::uint8_t how = choices.byte();
    if (leaf.is_array()) {
      if (how % 3 == 0 && !leaf.empty())
        leaf.erase(leaf.size() - 1);
      else if (how % 3 == 1)
        leaf.push_back(leaf.empty() ? Json(1.0) : leaf.front());
      else
        leaf.clear();
    } else if (how < 100) {
      leaf = kEdges[how % kEdges.size()];
    } else if (how < 200) {
      leaf = choices.word() >> (how % 64);
    } else if (how < 250) {
      const auto number = std::bit_cast<double>(choices.word());
      if (std::isfinite(number)) leaf = number;
    } else {
      leaf = how % 2 == 0;
    }
  }
}

void check_forecaster(Kind kind, const Json& state, std::size_t season) {
  const auto forecaster = make(kind, {.season = season});
  forecaster->observe(3);
  const std::string before = forecaster->save().dump();
  if (const auto taken = forecaster->restore(state); !taken) {
    SLUICE_ASSERT(!taken.error().message.empty(), "a refusal says why");
    SLUICE_ASSERT(forecaster->save().dump() == before, "a refusal changes nothing");
    return;
  }
  for (int i = 0; i < 24; ++i) {
    for (const std::size_t ahead : {std::size_t{1}, std::size_t{13}, kLongestAhead}) {
      const double expected = forecaster->at(ahead);
      SLUICE_ASSERT(expected >= 0 && expected <= kMostValue, "a forecast is within bounds");
    }
    forecaster->observe(load_at(i));
    if (i == 12) forecaster->set_horizon(9);
  }
  const auto other = make(kind, {.season = season});
  const Json saved = forecaster->save();
  SLUICE_ASSERT(other->restore(saved).has_value(), "what a forecaster saves it can read");
  SLUICE_ASSERT(other->save() == saved, "saving loses nothing");
}

void check_residuals(const Json& state) {
  Residuals residuals(5, 64);
  if (!residuals.restore(state)) return;
  for (int i = 0; i < 140; ++i) {
    const double bound = residuals.bound(load_at(i), 0.95);
    SLUICE_ASSERT(std::isfinite(bound) && bound >= 0, "a bound is a number from 0 on");
    residuals.step(load_at(i), load_at(i + 3));
  }
  SLUICE_ASSERT(Residuals(5, 64).restore(residuals.save()).has_value(), "it reads what it saves");
}

void check_series(std::string_view bytes) {
  auto series = Series::restore(std::as_bytes(std::span(bytes)));
  if (!series) return;
  (void)series->mean(0, Series::kMostTime);
  (void)series->add(series->newest().value_or(0) + 1, 4);
  SLUICE_ASSERT(Series::restore(series->checkpoint()).has_value(), "it reads what it saves");
}

// Made once: what the inputs bend.
const Json& state_of(Kind kind, std::size_t season) {
  static std::array<std::array<Json, 2>, kKinds> states;
  Json& state = states[static_cast<std::size_t>(kind)][season == 0 ? 0 : 1];
  if (!state.is_null()) return state;
  const auto forecaster = make(kind, {.season = season});
  for (int i = 0; i < 150; ++i) forecaster->observe(load_at(i));
  return state = forecaster->save();
}

Json state_of_residuals() {
  Residuals residuals(5, 64);
  for (int i = 0; i < 100; ++i) residuals.step(load_at(i), load_at(i + 2));
  return residuals.save();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  Choices choices({bytes, size});
  const std::uint8_t first = choices.byte();
  const std::size_t which = first % 16;
  const std::size_t season = first % 64 < 32 ? 0 : 50;
  if (which == kKinds + 1) {
    check_series(choices.rest());
    return 0;
  }
  Json state;
  if (first >= 192) {
    state = Json::parse(choices.rest(), nullptr, false);
    if (state.is_discarded()) return 0;
  } else {
    state = which < kKinds ? state_of(static_cast<Kind>(which), season) : state_of_residuals();
    bend(state, choices);
  }
  if (which < kKinds)
    check_forecaster(static_cast<Kind>(which), state, season);
  else
    check_residuals(state);
  return 0;
}
