// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_file.hpp"

#include "dataplane/capture.hpp"
#include "dataplane/temporary.hpp"
#include "support/dissect.hpp"
#include "support/packet.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

namespace sluice::dataplane {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::Bytes;
using test::CaptureBytes;
using test::Packet;
using test::Temporary;

/// What a reader gives, with bytes of its own.
struct Taken {
  nanoseconds time;
  Bytes bytes;
  std::uint32_t wire_length;

  friend bool operator==(const Taken&, const Taken&) = default;
};

/// All packets up to the end or the damage.
struct Whole {
  std::vector<Taken> packets;
  std::optional<Error> error;
};

Whole read(const std::string& path) {
  Whole whole;
  auto reader = CaptureReader::open(path);
  if (!reader) return {{}, reader.error()};
  for (;;) {
    auto packet = reader->next();
    if (!packet) whole.error = packet.error();
    if (!packet || !*packet) return whole;
    const auto& p = **packet;
    whole.packets.push_back({p.time, {p.bytes.begin(), p.bytes.end()}, p.wire_length});
  }
}

Bytes sample(std::size_t payload) {
  return Packet().eth().ipv4("198.51.100.1", "203.0.113.10").udp(1, 443).payload(payload);
}

Taken taken(nanoseconds time, const Bytes& bytes) {
  return {time, bytes, static_cast<std::uint32_t>(bytes.size())};
}

// Reading.

TEST(CaptureReader, PcapOfEitherOrderAndPrecisionGivesTimesToTheNanosecond) {
  const Temporary folder;
  const Bytes packet = sample(5);
  for (const auto order : {std::endian::little, std::endian::big}) {
    const auto micro = folder.file(
        "micro", CaptureBytes(order).pcap_header().pcap_packet(1700000000, 123456, packet));
    EXPECT_EQ(read(micro).packets,
              std::vector{taken(seconds(1700000000) + nanoseconds(123456000), packet)});
    const auto nano = folder.file(
        "nano", CaptureBytes(order).pcap_header(0xa1b23c4d).pcap_packet(7, 123456789, packet));
    EXPECT_EQ(read(nano).packets, std::vector{taken(seconds(7) + nanoseconds(123456789), packet)});
  }
}

TEST(CaptureReader, PcapngOfAnyResolutionGivesTimesToTheNanosecond) {
  const Temporary folder;
  const Bytes a = sample(5);
  const Bytes b = sample(6);
  const std::uint64_t second = 1700000000;
  const auto micro = folder.file("micro", CaptureBytes()
                                              .pcapng_header(6)
                                              .pcapng_packet(second * 1'000'000 + 25, a)
                                              .pcapng_packet(second * 1'000'000 + 26, b));
  EXPECT_EQ(read(micro).packets, (std::vector{taken(seconds(second) + nanoseconds(25000), a),
                                              taken(seconds(second) + nanoseconds(26000), b)}));
  const auto nano = folder.file(
      "nano", CaptureBytes().pcapng_header(9).pcapng_packet(second * 1'000'000'000 + 25, a));
  EXPECT_EQ(read(nano).packets, std::vector{taken(seconds(second) + nanoseconds(25), a)});
}

TEST(CaptureReader, CutPacketTellsBothLengths) {
  const Temporary folder;
  const Bytes packet = sample(500);
  const auto path = folder.file(
      "cut", CaptureBytes().pcap_header().pcap_packet(1, 0, std::span(packet).first(60), 542));
  const auto whole = read(path);
  ASSERT_EQ(whole.packets.size(), 1U);
  EXPECT_EQ(whole.packets[0].bytes, Bytes(packet.begin(), packet.begin() + 60));
  EXPECT_EQ(whole.packets[0].wire_length, 542U);
}

TEST(CaptureReader, CaptureOfNothingEndsAtOnce) {
  const Temporary folder;
  const auto whole = read(folder.file("none", CaptureBytes().pcap_header()));
  EXPECT_TRUE(whole.packets.empty());
  EXPECT_FALSE(whole.error);
}

TEST(CaptureReader, TimesBeyondAnyClockStayInRange) {
  const Temporary folder;
  // One tick is a second: the largest time of pcapng is 2^64 seconds.
  const auto path = folder.file("late", CaptureBytes()
                                            .pcapng_header(0)
                                            .pcapng_packet(0xffffffffffffffff, sample(1))
                                            .pcapng_packet(0x7fffffffffffffff, sample(1))
                                            .pcapng_packet(20'000'000'000, sample(1)));
  const auto whole = read(path);
  ASSERT_EQ(whole.packets.size(), 3U);
  for (const auto& p : whole.packets) {
    EXPECT_GE(p.time, nanoseconds(0));
    EXPECT_LE(p.time, seconds(0x100000000));
  }
  const auto nano = folder.file(
      "fraction", CaptureBytes().pcap_header(0xa1b23c4d).pcap_packet(1, 0xffffffff, sample(1)));
  const auto lying = read(nano);
  ASSERT_EQ(lying.packets.size(), 1U);
  EXPECT_GE(lying.packets[0].time, seconds(1));
  EXPECT_LT(lying.packets[0].time, seconds(2));
}

struct Refusal {
  const char* name;
  Bytes content;
  Errc code;

  friend std::ostream& operator<<(std::ostream& to, const Refusal& r) { return to << r.name; }
};

class CaptureReaderRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(CaptureReaderRefuses, FileWith) {
  const Temporary folder;
  const auto path = folder.file("capture", GetParam().content);
  const auto reader = CaptureReader::open(path);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, GetParam().code);
  EXPECT_EQ(reader.error().where, path);
  EXPECT_FALSE(reader.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Each, CaptureReaderRefuses,
    testing::Values(
        Refusal{"NoByte", {}, Errc::kInvalid},
        Refusal{"Text", test::Bytes(100, std::byte{'a'}), Errc::kInvalid},
        Refusal{"RawIp", CaptureBytes().pcap_header(0xa1b2c3d4, 101), Errc::kUnsupported},
        Refusal{"UnknownLinkType", CaptureBytes().pcap_header(0xa1b2c3d4, 999), Errc::kUnsupported},
        Refusal{"RawIpPcapng", CaptureBytes().pcapng_header(6, 101), Errc::kUnsupported}),
    [](const auto& about) { return about.param.name; });

TEST(CaptureReader, MissingFileIsNotFound) {
  const Temporary folder;
  const auto reader = CaptureReader::open(folder.path("none"));
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Errc::kNotFound);
}

TEST(CaptureReader, FolderIsRefused) {
  const Temporary folder;
  EXPECT_FALSE(CaptureReader::open(folder.path(".")));
}

/// Cuts a capture at every length: only whole packets are given, and the end is an error unless it
/// falls between two of them.
void expect_whole_packets_only(const Bytes& capture, std::size_t header,
                               const std::vector<std::size_t>& ends) {
  const Temporary folder;
  const auto all = read(folder.file("whole", capture));
  ASSERT_FALSE(all.error) << all.error->text();
  ASSERT_EQ(all.packets.size(), ends.size());
  ASSERT_EQ(ends.back(), capture.size());
  for (std::size_t length = 0; length < capture.size(); ++length) {
    const auto cut = read(folder.file("cut", std::span(capture).first(length)));
    const auto whole = static_cast<std::size_t>(
        std::ranges::count_if(ends, [&](std::size_t end) { return end <= length; }));
    ASSERT_EQ(cut.packets.size(), length < header ? 0 : whole) << length;
    ASSERT_TRUE(std::ranges::equal(cut.packets, std::span(all.packets).first(whole))) << length;
    const bool between = length == header || std::ranges::find(ends, length) != ends.end();
    ASSERT_EQ(cut.error.has_value(), !between) << length;
    if (cut.error) {
      ASSERT_EQ(cut.error->code, Errc::kInvalid) << length;
    }
  }
}

TEST(CaptureReader, PcapThatIsCutAnywhereGivesItsWholePacketsAndThenAnError) {
  CaptureBytes capture;
  const auto header = capture.pcap_header().bytes().size();
  std::vector<std::size_t> ends;
  for (const std::size_t payload : {5U, 0U, 31U})
    ends.push_back(capture.pcap_packet(1, 2, sample(payload)).bytes().size());
  expect_whole_packets_only(capture, header, ends);
}

TEST(CaptureReader, PcapngThatIsCutAnywhereGivesItsWholePacketsAndThenAnError) {
  CaptureBytes capture;
  const auto header = capture.pcapng_header().bytes().size();
  std::vector<std::size_t> ends;
  for (const std::size_t payload : {5U, 0U, 31U})
    ends.push_back(capture.pcapng_packet(1, sample(payload)).bytes().size());
  expect_whole_packets_only(capture, header, ends);
}

TEST(CaptureReader, PacketLongerThanAnyBufferIsDamage) {
  const Temporary folder;
  const auto path = folder.file(
      "huge", CaptureBytes().pcap_header().u32(1).u32(0).u32(0x7fffffff).u32(0x7fffffff));
  const auto whole = read(path);
  EXPECT_TRUE(whole.packets.empty());
  ASSERT_TRUE(whole.error);
  EXPECT_EQ(whole.error->code, Errc::kInvalid);
}

// Writing.

TEST(CaptureWriter, WhatIsWrittenIsReadBack) {
  const Temporary folder;
  const auto path = folder.path("out");
  std::vector<Taken> packets;
  for (unsigned i = 0; i < 100; ++i)
    packets.push_back(taken(seconds(1700000000 + i) + nanoseconds(999'999'000 + i), sample(i)));
  packets[7].wire_length = 1500;
  {
    auto writer = CaptureWriter::create(path);
    ASSERT_TRUE(writer) << writer.error().text();
    for (const auto& p : packets) writer->write({p.time, p.bytes, p.wire_length});
    ASSERT_TRUE(writer->finish());
  }
  EXPECT_EQ(read(path).packets, packets);
}

TEST(CaptureWriter, FileIsWholeAfterFinishWhileTheWriterLives) {
  const Temporary folder;
  auto writer = CaptureWriter::create(folder.path("out"));
  ASSERT_TRUE(writer);
  const Bytes packet = sample(5);
  writer->write({seconds(1), packet, static_cast<std::uint32_t>(packet.size())});
  ASSERT_TRUE(writer->finish());
  EXPECT_EQ(read(folder.path("out")).packets, std::vector{taken(seconds(1), packet)});
}

TEST(CaptureWriter, OldContentIsReplaced) {
  const Temporary folder;
  const auto path = folder.file("out", Bytes(10'000, std::byte{1}));
  auto writer = CaptureWriter::create(path);
  ASSERT_TRUE(writer && writer->finish());
  EXPECT_TRUE(read(path).packets.empty());
  EXPECT_EQ(Temporary::content(path).size(), 24U);
}

TEST(CaptureWriter, MissingFolderIsAnErrorWithItsReason) {
  const Temporary folder;
  const auto writer = CaptureWriter::create(folder.path("no/such/out"));
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, Errc::kIo);
  EXPECT_NE(writer.error().message.find("No such file"), std::string::npos)
      << writer.error().message;
}

TEST(CaptureWriter, FullDiskIsToldWithItsReasonHoweverLittleOrMuchWasWritten) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  for (const int packets : {0, 1, 10'000}) {
    auto writer = CaptureWriter::create("/dev/full");
    ASSERT_TRUE(writer) << "the first bytes are buffered";
    const Bytes packet = sample(100);
    for (int i = 0; i < packets; ++i)
      writer->write({seconds(i), packet, static_cast<std::uint32_t>(packet.size())});
    errno = 0;
    const auto done = writer->finish();
    ASSERT_FALSE(done) << packets;
    EXPECT_EQ(done.error().code, Errc::kIo);
    EXPECT_NE(done.error().message.find("No space left"), std::string::npos)
        << packets << ": " << done.error().message;
  }
}

}  // namespace
}  // namespace sluice::dataplane
