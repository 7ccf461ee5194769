// SPDX-License-Identifier: Apache-2.0
// Any bytes as the state of a controller, and as changes to a real one: it is refused with a reason
// and nothing has changed, or the controller decides within its bounds from there and writes a
// state that can be read again.
#include "autoscale/controller.hpp"
#include "base/assert.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace sluice;
using namespace sluice::autoscale;
using Json = nlohmann::json;

Controller::Options options() {
  Controller::Options options;
  options.autoscale.policy = config::ScalePolicy::kCostAware;
  options.autoscale.min = 1;
  options.autoscale.max = 9;
  options.autoscale.budget_per_hour = 30;
  options.classes = {{.name = "large", .capacity = 4, .price_per_hour = 4, .cold_start_s = 60},
                     {.name = "small", .capacity = 1, .price_per_hour = 1.5, .cold_start_s = 20}};
  return options;
}

void check(const Json& state) {
  Controller controller(options());
  const std::string before = controller.save().dump();
  if (const auto read = controller.restore(state, 1000); !read) {
    SLUICE_ASSERT(!read.error().message.empty(), "a refusal says why");
    SLUICE_ASSERT(controller.save().dump() == before, "what is refused changes nothing");
    return;
  }
  for (int i = 1; i <= 12; ++i) {
    const Decision& made = controller.tick({.t = 1000 + 20.0 * i,
                                            .utc = 20 * i,
                                            .arrivals = i % 3 == 0 ? 0 : 300.0 * i,
                                            .queue = i % 4 == 0 ? 50.0 : 0,
                                            .fleet = {{.ready = 2}, {.ready = 1, .starting = 1}},
                                            .silent = i % 5 == 0 ? 1.0 : 0});
    SLUICE_ASSERT(made.desired >= 1 && made.desired <= 9, "decisions are within bounds");
    SLUICE_ASSERT(made.wanted.size() == 2, "decisions are by class");
  }
  Controller next(options());
  SLUICE_ASSERT(next.restore(controller.save(), 5).has_value(), "what is written can be read");
}

// A state as it is after some minutes.
const Json& real() {
  static const Json kept = [] {
    Controller controller(options());
    for (int i = 1; i < 150; ++i)
      controller.tick({.t = 5.0 * i, .arrivals = 5.0 * (i % 17), .fleet = {{.ready = 2}, {}}});
    controller.learn_start(0, 50);
    controller.learn_capacity(0, 3);
    controller.learn_drain(12);
    return controller.save();
  }();
  return kept;
}

const std::vector<Json::json_pointer>& places() {
  static const auto all = [] {
    std::vector<Json::json_pointer> found;
    const Json flat = real().flatten();  // the object must outlive the loop over its items
    for (const auto& [at, value] : flat.items()) found.emplace_back(at);
    return found;
  }();
  return all;
}

// Each ten bytes change one value: where (two), and to what.
void change(const std::uint8_t* bytes, std::size_t size) {
  Json state = real();
  for (std::size_t i = 0; i + 10 <= std::min<std::size_t>(size, 80); i += 10) {
    const auto& at = places()[(bytes[i] + std::size_t{256} * bytes[i + 1]) % places().size()];
    double number = 0;
    std::uint64_t whole = 0;
    std::memcpy(&number, bytes + i + 2, sizeof number);
    std::memcpy(&whole, bytes + i + 2, sizeof whole);
    if (state[at].is_number_unsigned())
      state[at] = whole >> (whole & 63U);
    else
      state[at] = number;
  }
  check(state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto state = Json::parse(text, nullptr, false);
  if (!state.is_discarded()) {
    check(state);
    if (state.is_object()) {
      Json merged = real();
      merged.merge_patch(state);
      check(merged);
    }
  }
  change(bytes, size);
  return 0;
}
