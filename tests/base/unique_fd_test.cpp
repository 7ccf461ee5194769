// SPDX-License-Identifier: Apache-2.0
// A descriptor is closed once, by its last owner.
#include "base/unique_fd.hpp"

#include <fcntl.h>

#include <gtest/gtest.h>

#include <utility>

namespace sluice {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
int open_one() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesWhatItOwns) {
  int fd = -1;
  {
    const UniqueFd owner(open_one());
    ASSERT_TRUE(owner);
    fd = owner.get();
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MoveHandsTheDescriptorOver) {
  UniqueFd first(open_one());
  const int fd = first.get();
  UniqueFd second(std::move(first));
  EXPECT_EQ(second.get(), fd);
  UniqueFd third(open_one());
  const int other = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), fd);
  EXPECT_TRUE(is_open(fd));
  EXPECT_FALSE(is_open(other));
}

TEST(UniqueFd, ReleasedDescriptorStaysOpen) {
  UniqueFd owner(open_one());
  const int fd = owner.release();
  EXPECT_FALSE(owner);
  owner.reset();
  EXPECT_TRUE(is_open(fd));
  ::close(fd);
}

TEST(UniqueFd, OwnsNothingAtFirst) { EXPECT_FALSE(UniqueFd()); }

TEST(UniqueFd, DescriptorZeroIsOneLikeAnyOther) {
  UniqueFd zero(0);
  EXPECT_TRUE(zero);
  EXPECT_EQ(zero.release(), 0);
}

}  // namespace
}  // namespace sluice
