// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json backend() {
  return json::parse(R"({"name": "gpu-1", "state": "up", "since_s": 60.0, "operator": "none",
    "checked": "up", "last": {"ok": true, "fault": "none", "took_ms": 1.25, "detail": ""},
    "good_in_a_row": 7, "failed_in_a_row": 0, "probes": {"good": 7, "failed": 0},
    "ejections": 0, "ejected_for_s": 0, "flaps": 0, "hold_s": 0})");
}

std::string health_shown(const json& one, bool panic = false, bool probed = true) {
  const json answer = {{"pools",
                        {{{"name", "llama"},
                          {"panic", panic},
                          {"probed", probed},
                          {"watched", false},
                          {"backends", {one}}}}}};
  return show_health(View(answer), {.colour = false, .now = {}}).value();
}

TEST(ShowHealth, WhoDoesWellHasItsLastCheckAndNoNote) {
  const auto text = health_shown(backend());
  EXPECT_THAT(text, HasSubstr("gpu-1    up     1 min 0 s"));
  EXPECT_THAT(text, HasSubstr("ok in 1.2 ms"));
  EXPECT_THAT(text, HasSubstr("7 good"));
  EXPECT_THAT(text, Not(HasSubstr("NOTE")));
}

TEST(ShowHealth, AFailureIsNamedWithWhatWasSeen) {
  auto one = backend();
  one["state"] = "down";
  one["last"] = {{"ok", false}, {"fault", "refused"}, {"took_ms", 0.1}, {"detail", "connect"}};
  one["failed_in_a_row"] = 3;
  EXPECT_THAT(health_shown(one), HasSubstr("refused: connect"));
  EXPECT_THAT(health_shown(one), HasSubstr("3 failed"));
}

TEST(ShowHealth, WishEjectionAndHoldAreNotes) {
  auto one = backend();
  one["operator"] = "drain";
  EXPECT_THAT(health_shown(one), HasSubstr("drain by operator, up by checks"));
  one["operator"] = "none";
  one["ejected_for_s"] = 30.0;
  one["ejections"] = 2;
  EXPECT_THAT(health_shown(one), HasSubstr("ejected for 30 s more, 2 times lately"));
  one["hold_s"] = 4.0;
  one["flaps"] = 5;
  EXPECT_THAT(health_shown(one), HasSubstr("has to do well for 4.0 s: fell 5 times"));
}

TEST(ShowHealth, APoolInPanicIsToldFirst) {
  EXPECT_THAT(health_shown(backend(), true), testing::StartsWith("pool llama is in panic"));
}

TEST(ShowHealth, ABackendThatNobodyLooksAtSaysSo) {
  auto one = backend();
  one["last"] = nullptr;
  EXPECT_THAT(health_shown(one, false, false), HasSubstr("no checks"));
}

TEST(ShowHealth, AnAnswerWithoutPoolsIsRefused) {
  EXPECT_FALSE(show_health(View(json::object()), {}));
}

}  // namespace
}  // namespace sluice::client
