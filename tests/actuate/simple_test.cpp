// SPDX-License-Identifier: Apache-2.0
#include "actuate/simple.hpp"

#include "actuate/rig.hpp"
#include "actuate/secret.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sched.h>
#include <cerrno>
#include <filesystem>
#include <fstream>

namespace sluice::actuate {
namespace {

using testing::HasSubstr;
using End = Report::End;

TEST(Standby, StartsWhatItKnowsAndNothingElse) {
  test::Rig rig;
  config::Actuator settings{.type = config::ActuatorType::kStandby};
  settings.backends = {{.name = "rack-1", .address = IpAddress::v4({10, 0, 0, 1}), .port = 80}};
  auto actuator = make(*rig.loop, settings, {}, rig.on_report()).value();
  EXPECT_EQ(actuator->ability().known.size(), 1U);
  const Report started = rig.ask(*actuator, test::start_of("rack-1"));
  EXPECT_EQ(started.end, End::kDone);
  ASSERT_EQ(started.members.size(), 1U);
  EXPECT_EQ(started.members[0].address.text(), "10.0.0.1");
  EXPECT_EQ(rig.ask(*actuator, test::start_of("rack-2")).end, End::kRefused);
  Order stop = test::start_of("rack-1");
  stop.verb = Verb::kStop;
  EXPECT_EQ(rig.ask(*actuator, stop).end, End::kDone);
}

TEST(MetricCount, PublishesTheLastCount) {
  test::Rig rig;
  auto actuator = make(*rig.loop, {}, {}, rig.on_report()).value();
  EXPECT_EQ(actuator->published(), std::nullopt);
  EXPECT_EQ(keda_text("llama", actuator->published()), R"({"pool":"llama"})");
  EXPECT_EQ(rig.ask(*actuator, {.id = "1", .verb = Verb::kCount, .count = 4}).count, 4U);
  EXPECT_EQ(keda_text("llama", actuator->published()), R"({"pool":"llama","desired":4})");
  EXPECT_EQ(rig.ask(*actuator, test::start_of("a")).end, End::kRefused);
}

TEST(Secret, IsReadWithoutItsLineEnd) {
  test::Rig rig;
  EXPECT_EQ(read_secret(rig.file("key", "abc\r\n")).value(), "abc");
}

TEST(Secret, ThatOthersMayUseOrThatIsNoneIsRefusedAndNeverShown) {
  test::Rig rig;
  for (const unsigned mode : {0640U, 0604U, 0620U, 0601U}) {
    const auto secret = read_secret(rig.file("key", "hidden", mode));
    ASSERT_FALSE(secret);
    EXPECT_THAT(secret.error().text(), HasSubstr("chmod 600"));
    EXPECT_THAT(secret.error().text(), testing::Not(HasSubstr("hidden")));
  }
  EXPECT_THAT(read_secret(rig.file("key2", "\n")).error().text(), HasSubstr("is empty"));
  EXPECT_THAT(read_secret(rig.file("key3", "a\nhidden")).error().text(), HasSubstr("printable"));
  EXPECT_THAT(read_secret(rig.file("key4", std::string(kLongestSecret + 1, 'x'))).error().text(),
              HasSubstr("longer"));
  EXPECT_EQ(read_secret(rig.path("none")).error().code, Errc::kNotFound);
  EXPECT_FALSE(read_secret("/dev/null"));
}

// RFC 4231, test case 2.
TEST(Secret, OfAMountThatIsReadOnlyOthersMayReadATokenButNeverWriteIt) {
  const auto good = [](unsigned mode, unsigned owner, bool read_only,
                       Readers readers = Readers::kOfReadOnlyMount) {
    return check_readers("token", {.mode = mode, .owner = owner, .read_only = read_only}, readers,
                         /*own_user=*/1000)
        .has_value();
  };
  for (const unsigned mode : {0644U, 0640U, 0444U, 0440U}) {
    EXPECT_TRUE(good(mode, 0, true)) << mode;
    EXPECT_TRUE(good(mode, 1000, true)) << mode;
    EXPECT_FALSE(good(mode, 1001, true)) << "another's, who could change it where it is mounted";
    EXPECT_FALSE(good(mode, 0, false)) << "whoever reads it here, chmod would have kept out";
    EXPECT_FALSE(good(mode, 0, true, Readers::kNobody));
  }
  for (const unsigned mode : {0664U, 0646U, 0666U, 0755U})
    EXPECT_FALSE(good(mode, 0, true)) << mode;
  EXPECT_FALSE(good(0600, 1001, false, Readers::kNobody)) << "he could change it";
}

// In a child with mounts of its own.
TEST(Secret, IsTakenFromAMountThatIsReadOnlyAsKubernetesMakesIt) {
  enum Outcome : int { kGood, kRefusedReadOnly, kTakenWritable, kNotPermitted };
  test::Rig rig;
  const std::string folder = rig.path("mounted");
  std::filesystem::create_directories(folder);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0)
      ::_exit(kNotPermitted);
    const auto token = folder + "/token";
    std::ofstream(token) << "abc";
    (void)::chmod(token.c_str(), 0644);
    if (read_secret(token, Readers::kOfReadOnlyMount)) ::_exit(kTakenWritable);
    if (::mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64k") != 0)
      ::_exit(kNotPermitted);
    ::_exit(read_secret(token, Readers::kOfReadOnlyMount) == "abc" ? kGood : kRefusedReadOnly);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNotPermitted) GTEST_SKIP() << "needs root, to mount something";
  EXPECT_EQ(WEXITSTATUS(status), kGood);
}

TEST(Secret, IsWhatAProjectedVolumeHoldsNowAlsoAfterItWasSwapped) {
  test::Rig rig;
  namespace fs = std::filesystem;
  const fs::path volume = rig.path("volume");
  const auto project = [&](const std::string& version, const std::string& token) {
    fs::create_directories(volume / version);
    std::ofstream(volume / version / "token") << token;
    fs::permissions(volume / version / "token", fs::perms::owner_read);
    fs::create_symlink(version, volume / "..data_tmp");
    fs::rename(volume / "..data_tmp", volume / "..data");
  };
  project("..2026_11_22_1", "first");
  fs::create_symlink("..data/token", volume / "token");
  EXPECT_EQ(read_secret((volume / "token").string(), Readers::kOfReadOnlyMount).value(), "first");
  project("..2026_11_22_2", "second");
  fs::remove_all(volume / "..2026_11_22_1");
  EXPECT_EQ(read_secret((volume / "token").string(), Readers::kOfReadOnlyMount).value(), "second");
}

TEST(Secret, SignatureIsHmacSha256) {
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(LongestOrder, CoversAllAttemptsAndPauses) {
  config::Actuator settings;
  settings.timeout = std::chrono::seconds(10);
  settings.retries = 5;
  EXPECT_GT(longest_order_s(settings), 6 * 10 + 1 + 2 + 4 + 8 + 16);
}

}  // namespace
}  // namespace sluice::actuate
