// SPDX-License-Identifier: Apache-2.0
#include "client/output.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

namespace sluice::client {
namespace {

class Pipe : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  std::string read_all() {
    std::string text;
    std::array<char, 65536> chunk;
    for (ssize_t n = 0; (n = ::read(read_.get(), chunk.data(), chunk.size())) > 0;)
      text.append(chunk.data(), static_cast<std::size_t>(n));
    return text;
  }
  UniqueFd read_;
  UniqueFd write_;
};

TEST_F(Pipe, TakesMoreThanItHoldsAtOnceAlsoWhenNonBlocking) {
  ASSERT_EQ(::fcntl(write_.get(), F_SETFL, O_NONBLOCK), 0);
  const std::string text(1U << 20U, 'x');
  std::thread writer([&] {
    Output output(write_.get(), write_.get());
    output.print(text);
    EXPECT_EQ(output.failure(), 0);
    write_.reset();
  });
  EXPECT_EQ(read_all(), text);
  writer.join();
}

TEST_F(Pipe, ReaderThatLeavesIsNoticedWithoutWriting) {
  const Output output(write_.get(), write_.get());
  EXPECT_FALSE(output.reader_gone());
  read_.reset();
  EXPECT_TRUE(output.reader_gone());
}

TEST_F(Pipe, NothingIsWrittenAfterAFailure) {
  Output output(write_.get(), write_.get());
  read_.reset();
  output.print("a");
  EXPECT_EQ(output.failure(), EPIPE);
  output.print("b");
  EXPECT_EQ(output.failure(), EPIPE);
  EXPECT_TRUE(output.reader_gone());
}

TEST_F(Pipe, ComplaintsNameTheProgram) {
  Output(-1, write_.get()).complain("no");
  write_.reset();
  EXPECT_EQ(read_all(), "sluicectl: no\n");
}

TEST(OutputToAFullDisk, KeepsTheReason) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  Output output(full.get(), full.get());
  output.print("a");
  EXPECT_EQ(output.failure(), ENOSPC);
  EXPECT_FALSE(output.reader_gone());
}

}  // namespace
}  // namespace sluice::client
