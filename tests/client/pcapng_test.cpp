// SPDX-License-Identifier: Apache-2.0
// The bytes of a file, block by block. That other programs read it is in tests/system.
#include "client/pcapng.hpp"

#include "base/file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace sluice::client {
namespace {

using Side = PcapngWriter::Side;

class PcapngTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path); }
  [[nodiscard]] std::string written() const { return read_file(path, 1U << 20U).value(); }

  const std::string path = testing::TempDir() + "pcapng_test." + std::to_string(::getpid());
};

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// The blocks of a file; every length is checked at both ends.
std::vector<std::string> blocks(const std::string& file) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < file.size();) {
    const std::uint32_t length = word(file, at + 4);
    EXPECT_EQ(length % 4, 0U);
    if (length < 12 || at + length > file.size()) {
      ADD_FAILURE() << "a block of " << length << " bytes at " << at;
      return all;
    }
    EXPECT_EQ(word(file, at + length - 4), length);
    all.push_back(file.substr(at, length));
    at += length;
  }
  return all;
}

TEST_F(PcapngTest, ItBeginsWithASectionAndAnInterfaceForEachSide) {
  auto writer = PcapngWriter::create(path, "sluicectl 9");
  ASSERT_TRUE(writer) << writer.error().text();
  ASSERT_TRUE(writer->flush());
  const auto all = blocks(written());
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(word(all[0], 0), 0x0a0d0d0aU);
  EXPECT_EQ(word(all[0], 8), 0x1a2b3c4dU);
  EXPECT_NE(all[0].find("sluicectl 9"), std::string::npos);
  for (const auto& [block, name] : {std::pair(all[1], "before"), {all[2], "after"}}) {
    EXPECT_EQ(word(block, 0), 1U);
    EXPECT_EQ(word(block, 8), 1U) << "Ethernet";
    EXPECT_NE(block.find(name), std::string::npos);
    EXPECT_NE(block.find(std::string("\x09\0\x01\0\x09\0\0\0", 8)), std::string::npos)
        << "times are nanoseconds";
  }
}

TEST_F(PcapngTest, APacketHasItsSideTimeLengthsBytesAndComment) {
  auto writer = PcapngWriter::create(path, "x");
  ASSERT_TRUE(writer);
  const auto bytes = std::as_bytes(std::span("packet", 6));
  writer->write(Side::kAfter, 0x1122334455667788U, bytes, 1500, "forward service=chat");
  ASSERT_TRUE(writer->flush());
  const auto all = blocks(written());
  ASSERT_EQ(all.size(), 4U);
  const auto& block = all[3];
  EXPECT_EQ(word(block, 0), 6U);
  EXPECT_EQ(word(block, 8), 1U) << "the second interface";
  EXPECT_EQ(word(block, 12), 0x11223344U);
  EXPECT_EQ(word(block, 16), 0x55667788U);
  EXPECT_EQ(word(block, 20), 6U);
  EXPECT_EQ(word(block, 24), 1500U);
  EXPECT_EQ(block.substr(28, 8), std::string("packet\0\0", 8));
  EXPECT_EQ(block.substr(36, 4), std::string("\x01\0\x14\0", 4)) << "a comment of 20 bytes";
  EXPECT_EQ(block.substr(40, 20), "forward service=chat");
}

TEST_F(PcapngTest, CommentsOfAnyLengthKeepTheBlocksWhole) {
  auto writer = PcapngWriter::create(path, "x");
  ASSERT_TRUE(writer);
  for (std::size_t length = 0; length < 9; ++length)
    writer->write(Side::kBefore, length, {}, 0, std::string(length, 'c'));
  writer->write(Side::kBefore, 9, {}, 0, std::string(70'000, 'c'));
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(blocks(written()).size(), 13U);
}

TEST_F(PcapngTest, AFileThatCannotBeWrittenIsAnError) {
  const auto none = PcapngWriter::create("/nonexistent/file", "x");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().where, "/nonexistent/file");
  auto full = PcapngWriter::create("/dev/full", "x");
  ASSERT_TRUE(full);
  const auto flushed = full->flush();
  ASSERT_FALSE(flushed);
  EXPECT_NE(flushed.error().message.find("No space"), std::string::npos);
}

}  // namespace
}  // namespace sluice::client
