// SPDX-License-Identifier: Apache-2.0
// Whole files: what is read is bounded, and a write that fails leaves the old file and nothing
// else.
#include "base/file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLimit = 1 << 20;

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "sluice-file-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ASSERT_EQ(::chmod(name.c_str(), 0755), 0);  // for the test that is somebody else
  }
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
  }
  [[nodiscard]] fs::path path() const { return folder_ / "state.json"; }
  void put(const std::string& content) const { std::ofstream(path(), std::ios::binary) << content; }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  /// After a write that must have failed.
  void expect_old(const Result<void>& written, const std::string& old) const {
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().where, path().string());
    EXPECT_EQ(read_file(path(), kLimit).value(), old);
    EXPECT_EQ(files(), 1) << "something was left beside the file";
  }

  fs::path folder_;
};

TEST_F(File, ReadsEveryByteOfIt) {
  std::string content;
  for (int i = 0; i < 200'000; ++i) content.push_back(static_cast<char>(i * 7 % 256));
  put(content);
  EXPECT_EQ(read_file(path(), kLimit).value(), content);
  put("");
  EXPECT_EQ(read_file(path(), kLimit).value(), "");
}

TEST_F(File, LimitIsTheLargestSizeThatIsRead) {
  put(std::string(1000, 'x'));
  EXPECT_EQ(read_file(path(), 1000).value().size(), 1000U);
  const auto refused = read_file(path(), 999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_EQ(refused.error().message, "is longer than 999 bytes");
}

TEST_F(File, EndlessFileIsRefusedByTheLimit) {
  const auto refused = read_file("/dev/zero", kLimit);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
}

TEST_F(File, MissingFileIsNotFoundByName) {
  const auto missing = read_file(path(), kLimit);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kNotFound);
  EXPECT_EQ(missing.error().text(),
            path().string() + ": cannot open it: No such file or directory");
}

TEST_F(File, FolderIsNotAFile) {
  const auto refused = read_file(folder_, kLimit);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_EQ(refused.error().message, "is a directory, not a file");
}

TEST_F(File, WritesANewFileAndReplacesAnOldOne) {
  ASSERT_TRUE(write_file_atomically(path(), "first"));
  EXPECT_EQ(read_file(path(), kLimit).value(), "first");
  ASSERT_TRUE(write_file_atomically(path(), "2nd"));
  EXPECT_EQ(read_file(path(), kLimit).value(), "2nd");
  EXPECT_EQ(files(), 1);
}

TEST_F(File, OthersMayNotReadWhatIsWritten) {
  ASSERT_TRUE(write_file_atomically(path(), "secret"));
  struct stat about {};
  ASSERT_EQ(::stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0640U);
}

TEST_F(File, NameWithoutAFolderIsInTheCurrentOne) {
  const auto before = fs::current_path();
  fs::current_path(folder_);
  const auto written = write_file_atomically("state.json", "here");
  fs::current_path(before);
  ASSERT_TRUE(written) << written.error().text();
  EXPECT_EQ(read_file(path(), kLimit).value(), "here");
}

TEST_F(File, FullDiskKeepsTheOldFile) {  // a limit on the size of files stands in for the disk
  put("old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto written = write_file_atomically(path(), std::string(10'000, 'n'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  expect_old(written, "old");
  EXPECT_EQ(written.error().code, Errc::kIo);
  EXPECT_EQ(written.error().message, "cannot write it: File too large");
}

TEST_F(File, FolderThatIsNotWritableKeepsTheOldFile) {
  put("old");
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                               fs::perms::others_exec);
  constexpr uid_t kNobody = 65534;
  const bool root = ::geteuid() == 0;  // nothing is forbidden to root, so be somebody else
  ASSERT_EQ(root ? ::seteuid(kNobody) : 0, 0);
  const auto written = write_file_atomically(path(), "new");
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  expect_old(written, "old");
  EXPECT_EQ(written.error().code, Errc::kIo);
  EXPECT_EQ(written.error().message, "cannot create a file beside it: Permission denied");
}

TEST_F(File, PathThatIsAFolderIsLeftAlone) {
  fs::create_directory(path());
  const auto written = write_file_atomically(path(), "new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "cannot replace it: Is a directory");
  EXPECT_TRUE(fs::is_directory(path()));
  EXPECT_EQ(files(), 1);
}

TEST_F(File, MissingFolderIsNotFound) {
  const auto written = write_file_atomically(folder_ / "no" / "state.json", "new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::kNotFound);
}

TEST_F(File, ReaderSeesTheOldContentOrTheNewAndNoMixture) {
  const std::string a(100'000, 'a');
  const std::string b(150'000, 'b');
  ASSERT_TRUE(write_file_atomically(path(), a));
  std::atomic<bool> done{false};
  std::atomic<int> mixtures{0};
  std::atomic<int> reads{0};
  std::jthread reader([&] {
    while (!done.load(std::memory_order_relaxed)) {
      const auto content = read_file(path(), kLimit);
      if (!content || (*content != a && *content != b)) mixtures.fetch_add(1);
      reads.fetch_add(1);
    }
  });
  for (int i = 0; i < 40 || reads.load() < 10; ++i)
    EXPECT_TRUE(write_file_atomically(path(), i % 2 == 0 ? b : a));
  done.store(true, std::memory_order_relaxed);
  reader.join();
  EXPECT_EQ(mixtures.load(), 0);
}

}  // namespace
}  // namespace sluice
