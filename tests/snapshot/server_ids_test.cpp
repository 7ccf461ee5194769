// SPDX-License-Identifier: Apache-2.0
#include "snapshot/server_ids.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace sluice::snapshot {
namespace {

ServerId id_of(std::uint64_t value, std::size_t size) {
  ServerId id;
  for (std::size_t i = 0; i < size; ++i) id.octets[i] = static_cast<std::uint8_t>(value >> 8 * i);
  id.octets[ServerId::kMost] = static_cast<std::uint8_t>(size);
  return id;
}

TEST(ServerIds, FindsWhatAMapFindsAndNothingElse) {
  std::mt19937_64 random(1);
  std::map<ServerId, flow::BackendNumber> model;
  std::vector<ServerIds::Entry> entries;
  for (unsigned i = 0; i < 3000; ++i) {
    const ServerId id = id_of(random() % 5000, 1 + random() % 4);
    entries.emplace_back(id, static_cast<flow::BackendNumber>(i));
    model.emplace(id, static_cast<flow::BackendNumber>(i));  // the first of equal ones
  }
  const ServerIds ids(entries);
  std::size_t found = 0;
  for (std::uint64_t value = 0; value < 5000; ++value)
    for (std::size_t size = 1; size <= 4; ++size) {
      const auto expected = model.find(id_of(value, size));
      const auto got = ids.find(id_of(value, size));
      ASSERT_EQ(got.has_value(), expected != model.end()) << value << " " << size;
      if (!got) continue;
      ASSERT_EQ(*got, expected->second);
      ++found;
    }
  EXPECT_GT(found, 1000U);
}

TEST(ServerIds, AnEmptyMapKnowsNone) {
  EXPECT_TRUE(ServerIds().empty());
  EXPECT_FALSE(ServerIds().find(id_of(1, 1)));
  EXPECT_FALSE(ServerIds(std::vector<ServerIds::Entry>{}).find(id_of(0, 1)));
}

}  // namespace
}  // namespace sluice::snapshot
