// SPDX-License-Identifier: Apache-2.0
#include "base/private_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

class PrivateFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "sluice-private-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string put(const std::string& text, mode_t mode) const {
    const auto path = (folder_ / "key").string();
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(PrivateFile, IsReadWholeUpToItsLimit) {
  const std::string text("a\0b\n", 4);
  EXPECT_EQ(read_private_file(put(text, 0600), 4).value(), text);
  EXPECT_EQ(read_private_file(put(text, 0400), 100).value(), text);
  EXPECT_EQ(read_private_file(put("", 0600), 0).value(), "");
  const auto longer = read_private_file(put("secret-word", 0600), 10);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Errc::kInvalid);
  EXPECT_EQ(longer.error().message, "is longer than 10 bytes");
}

TEST_F(PrivateFile, ThatOthersMayUseIsRefusedWithThePlaceTheRemedyAndWithoutItsContent) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0666U, 0644U}) {
    const auto path = put("secret-word", mode);
    const auto read = read_private_file(path, 100);
    ASSERT_FALSE(read) << mode;
    EXPECT_EQ(read.error().code, Errc::kInvalid);
    EXPECT_EQ(read.error().where, path);
    EXPECT_THAT(read.error().message, HasSubstr("chmod 600"));
    EXPECT_THAT(read.error().text(), Not(HasSubstr("secret-word")));
    EXPECT_TRUE(read_private_file(path, 100, Readers::kAnyone)) << "a certificate";
  }
}

TEST_F(PrivateFile, OfAnotherUserIsRefusedWhateverItsMode) {
  const auto path = put("x", 0600);
  if (::chown(path.c_str(), 4711, 4711) != 0) GTEST_SKIP() << "needs root, to give a file away";
  const auto read = read_private_file(path, 100);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("belongs to user 4711"));
  EXPECT_THAT(read.error().message, HasSubstr("chown root"));
  EXPECT_TRUE(read_private_file(path, 100, Readers::kAnyone));
}

TEST_F(PrivateFile, WhatIsNoPlainFileIsRefusedWithoutWaiting) {
  const auto fifo = (folder_ / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& path : {fifo, folder_.string(), std::string("/dev/zero")})
    for (const auto readers : {Readers::kNobody, Readers::kAnyone})
      EXPECT_EQ(read_private_file(path, 100, readers).error().message, "is no plain file") << path;
  EXPECT_EQ(read_private_file((folder_ / "none").string(), 100).error().code, Errc::kNotFound);
  EXPECT_EQ(read_private_file((folder_ / "fifo" / "x").string(), 100).error().code, Errc::kIo);
}

// By what is known of a file, so that mounts and other users need not be had.
TEST(CheckReaders, OnlyRootAndWeOurselvesMayOwnASecret) {
  const auto good = [](unsigned owner, unsigned own_user, Readers readers) {
    return check_readers("f", {.mode = 0600, .owner = owner, .read_only = true}, readers, own_user)
        .has_value();
  };
  for (const auto readers : {Readers::kNobody, Readers::kOfReadOnlyMount}) {
    EXPECT_TRUE(good(0, 1000, readers));
    EXPECT_TRUE(good(1000, 1000, readers));
    EXPECT_FALSE(good(1001, 1000, readers));
    EXPECT_FALSE(good(1001, 0, readers));
  }
  EXPECT_TRUE(good(1001, 0, Readers::kAnyone));
}

TEST(CheckReaders, AReadOnlyMountLetsOthersReadButNeverWrite) {
  const auto good = [](unsigned mode, bool read_only, Readers readers) {
    return check_readers("f", {.mode = mode, .owner = 0, .read_only = read_only}, readers, 1000)
        .has_value();
  };
  for (unsigned mode = 0; mode <= 0777U; ++mode) {
    const bool closed = (mode & 077U) == 0;
    EXPECT_EQ(good(mode, false, Readers::kNobody), closed) << mode;
    EXPECT_EQ(good(mode, true, Readers::kNobody), closed) << mode;
    EXPECT_EQ(good(mode, false, Readers::kOfReadOnlyMount), closed) << mode;
    EXPECT_EQ(good(mode, true, Readers::kOfReadOnlyMount), (mode & 033U) == 0) << mode;
    EXPECT_TRUE(good(mode, false, Readers::kAnyone));
  }
}

}  // namespace
}  // namespace sluice
