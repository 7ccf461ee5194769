// SPDX-License-Identifier: Apache-2.0
#include "doctor/machine.hpp"

#include "doctor/tree.hpp"

namespace sluice::doctor {
namespace {

TEST(Processors, AListIsReadAndWritten) {
  EXPECT_EQ(parse_processors("0-2,5"), (std::set<unsigned>{0, 1, 2, 5}));
  EXPECT_EQ(processors_text({0, 1, 2, 5}), "0-2,5");
  EXPECT_EQ(processors_text({}), "");
}

TEST(Processors, WhatIsNoListIsEmpty) {
  for (const auto* text : {"", "a", "1-", "-1", "3-1", "0-99999999", "1,,2", "1;2", "(null)"})
    EXPECT_TRUE(parse_processors(text).empty()) << text;
}

TEST(Machine, FilesAreReadBelowTheRootOnly) {
  Tree tree;
  tree.put("proc/version", "Linux\n");
  EXPECT_EQ(tree.machine().text("/proc/version"), "Linux");
  EXPECT_FALSE(tree.machine().text("/proc/mounts"));
  EXPECT_FALSE(tree.machine().text("/proc")) << "a folder is no file";
}

TEST(Machine, NumbersAreNothingElse) {
  Tree tree;
  tree.put("a", "42\n");
  tree.put("b", "-1\n");
  tree.put("c", "4x\n");
  tree.put("d", "");
  EXPECT_EQ(tree.machine().number("/a"), 42U);
  for (const auto* path : {"/b", "/c", "/d", "/e"}) EXPECT_FALSE(tree.machine().number(path));
}

TEST(Machine, OfALongFileTheBeginningIsRead) {
  Tree tree;
  tree.put("long", std::string(1U << 20U, 'x'));
  EXPECT_EQ(tree.machine().text("/long")->size(), 64U << 10U);
}

TEST(Machine, LinksAndFoldersAreFollowed) {
  Tree tree;
  tree.link("sys/driver", "../../drivers/vfio-pci");
  tree.put("nodes/node1", "");
  tree.put("nodes/node0", "");
  EXPECT_EQ(tree.machine().target("/sys/driver"), "vfio-pci");
  EXPECT_EQ(tree.machine().names("/nodes"), (std::vector<std::string>{"node0", "node1"}));
  EXPECT_TRUE(tree.machine().names("/nothing").empty());
}

TEST(LinkOf, TheLoopbackIsThereAndNonsenseIsNot) {
  EXPECT_FALSE(link_of("no-such-link-0"));
  EXPECT_FALSE(link_of(""));
  EXPECT_FALSE(link_of(std::string(300, 'x')));
  const auto loopback = link_of("lo");
  if (!loopback) GTEST_SKIP() << "no loopback here";
  EXPECT_GT(loopback->mtu, 1000U);
}

}  // namespace
}  // namespace sluice::doctor
