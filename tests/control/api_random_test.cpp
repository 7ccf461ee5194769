// SPDX-License-Identifier: Apache-2.0
// Thousands of requests, most of them a little wrong, through the real handlers.
#include "control/api_requests.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::control {
namespace {

constexpr std::string_view kBodies[] = {
    R"({"name": "gpu-9", "address": "10.0.1.9", "weight": 5, "port": 80})",
    R"({"weight": 50})",
    R"({"action": "set", "count": 3, "for_s": 60})",
    R"({"service": "chat", "verdicts": ["forward"], "sample": 2, "snap": 64, "count": 1})",
    R"({"node": "x", "ports": [], "pools": [{"name": "llama"}]})",
    "",
    "[[[[[[[[",
    "{\"weight\": 1e999}"};
constexpr std::string_view kQueries[] = {
    "",
    "pool=llama",
    "since=0&wait=0",
    "limit=10001",
    "id=1&from=2",
    "id=-1",
    "protocol=tcp&source=10.9.9.9&source_port=1&destination=203.0.113.10&destination_port=443"};

TEST(ApiRandom, NoRequestBreaksAnAnswerOrChangesWhatItMayNot) {
  std::string why;
  auto* const fast_path = Node::fast_path(why);
  if (fast_path == nullptr) GTEST_SKIP() << why;
  Node node(*fast_path, sample(4));
  std::mt19937 random(1);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 4000; ++round) {
    std::string bytes;
    bytes += static_cast<char>(pick(256));
    bytes += static_cast<char>(pick(8));
    bytes += "\n\n";
    bytes += kQueries[pick(std::size(kQueries))];
    bytes += '\n';
    bytes += kBodies[pick(std::size(kBodies))];
    for (auto damage = pick(4); damage != 0; --damage)
      bytes[pick(bytes.size())] = static_cast<char>(pick(256));
    expect_sound_answer(node, request_of(bytes));
  }
}

}  // namespace
}  // namespace sluice::control
