// SPDX-License-Identifier: Apache-2.0
// On an ordinary folder: locks and names are the same there.
#include "dataplane/huge_files.hpp"

#include "base/unique_fd.hpp"
#include "dataplane/temporary.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <string>

namespace sluice::dataplane {
namespace {

struct HugeFiles : testing::Test {
  std::string make(const std::string& name) { return folder.file(name, {}); }
  [[nodiscard]] bool there(const std::string& name) const {
    return std::filesystem::exists(folder.path(name));
  }
  test::Temporary folder;
};

TEST_F(HugeFiles, ThoseOfAnEndedProcessGo) {
  make("sluice-amap_0");
  make("sluice-amap_17");
  EXPECT_EQ(remove_left_huge_files(folder.path(""), "sluice-a"), 2U);
  EXPECT_FALSE(there("sluice-amap_0"));
  EXPECT_FALSE(there("sluice-amap_17"));
}

TEST_F(HugeFiles, ThoseOfARunningProcessStay) {
  const UniqueFd held(::open(make("sluice-amap_0").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_SH), 0);
  make("sluice-amap_1");
  EXPECT_EQ(remove_left_huge_files(folder.path(""), "sluice-a"), 1U);
  EXPECT_TRUE(there("sluice-amap_0"));
}

TEST_F(HugeFiles, OthersFilesStay) {
  for (const char* name : {"sluice-abmap_0", "rtemap_0", "sluice-a", "sluice-amap_",
                           "sluice-amap_x", "xsluice-amap_0"})
    make(name);
  EXPECT_EQ(remove_left_huge_files(folder.path(""), "sluice-a"), 0U);
  EXPECT_TRUE(there("sluice-abmap_0"));
}

TEST_F(HugeFiles, AFolderThatIsNotThereHasNone) {
  EXPECT_EQ(remove_left_huge_files(folder.path("nosuch"), "sluice-a"), 0U);
}

TEST_F(HugeFiles, FoldersAreTheHugetlbfsMountsThatMayBeWritten) {
  const std::string list = "proc /proc proc rw 0 0\nnone " + folder.path("") +
                           " hugetlbfs rw,pagesize=2M 0 0\nnone " + folder.path("nosuch") +
                           " hugetlbfs rw 0 0\nhugetlbfs /tmp tmpfs rw 0 0\n\nhugetlbfs\n";
  folder.file("mounts", std::as_bytes(std::span(list)));
  const auto folders = huge_page_folders(folder.path("mounts"));
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_EQ(folders[0], folder.path(""));
}

TEST_F(HugeFiles, WithoutAListOfMountsThereAreNoFolders) {
  EXPECT_TRUE(huge_page_folders(folder.path("nosuch")).empty());
}

}  // namespace
}  // namespace sluice::dataplane
