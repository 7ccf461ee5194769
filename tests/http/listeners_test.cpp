// SPDX-License-Identifier: Apache-2.0
#include "http/listeners.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::http {
namespace {

struct UnixListenerTest : testing::Test {
  UnixListenerTest() {
    std::string name = testing::TempDir() + "sluice-listeners-XXXXXX";
    folder = ::mkdtemp(name.data());
    path = folder / "run" / "admin.sock";
  }
  ~UnixListenerTest() override { std::filesystem::remove_all(folder); }

  [[nodiscard]] bool answers() const {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.string().copy(to.sun_path, sizeof to.sun_path - 1);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }

  /// A socket file that nothing listens to, as kill -9 leaves it.
  void leave_stale_socket() const {
    std::filesystem::create_directories(path.parent_path());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.string().copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }

  std::filesystem::path folder;
  std::filesystem::path path;
};

TEST_F(UnixListenerTest, SocketIsForOwnerAndGroupAndItsFolderForAllToEnterWhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{077}}) {
    const mode_t before = ::umask(mask);
    const auto listener = UnixListener::open(path);
    ::umask(before);
    ASSERT_TRUE(listener) << listener.error().text();
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0660U);
    ASSERT_EQ(::stat(path.parent_path().c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0755U);
    EXPECT_TRUE(answers());
    std::filesystem::remove_all(path.parent_path());
  }
}

TEST_F(UnixListenerTest, SocketOfAKilledDaemonIsTakenOver) {
  leave_stale_socket();
  ASSERT_FALSE(answers());
  const auto listener = UnixListener::open(path);
  ASSERT_TRUE(listener) << listener.error().text();
  EXPECT_TRUE(answers());
}

TEST_F(UnixListenerTest, SocketOfALivingDaemonIsLeftAlone) {
  const auto first = UnixListener::open(path);
  ASSERT_TRUE(first);
  const auto second = UnixListener::open(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  EXPECT_NE(second.error().message.find("another daemon answers on " + path.string()),
            std::string::npos);
  EXPECT_TRUE(answers());
}

TEST_F(UnixListenerTest, DaemonWhoseBacklogIsFullCountsAsLiving) {
  const auto first = UnixListener::open(path);
  ASSERT_TRUE(first);
  ASSERT_EQ(::listen(first->fd(), 0), 0);
  ASSERT_TRUE(answers());  // now the backlog of one is full
  EXPECT_EQ(UnixListener::open(path).error().code, Errc::kConflict);
}

TEST_F(UnixListenerTest, DaemonThatIsJustStartingThereIsNotRaced) {
  std::filesystem::create_directories(path.parent_path());
  const UniqueFd lock(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const auto refused = UnixListener::open(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kConflict);
}

TEST_F(UnixListenerTest, FileThatIsNotASocketIsRefusedAndKept) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << "precious";
  const auto refused = UnixListener::open(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kConflict);
  EXPECT_EQ(std::filesystem::file_size(path), 8U);
}

TEST_F(UnixListenerTest, PathThatDoesNotFitASocketAddressIsRefused) {
  EXPECT_EQ(UnixListener::open(std::string(108, 'x')).error().code, Errc::kInvalid);
  EXPECT_EQ(UnixListener::open("").error().code, Errc::kInvalid);
}

TEST_F(UnixListenerTest, FolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder / "run") << "";
  const auto refused = UnixListener::open(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, (folder / "run").string());
}

TEST_F(UnixListenerTest, SocketFileGoesWithItsListenerOnlyIfItIsStillIts) {
  { ASSERT_TRUE(UnixListener::open(path)); }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    const auto listener = UnixListener::open(path);
    ASSERT_TRUE(listener);
    std::filesystem::rename(path,
                            path.string() + ".kept");  // keeps the inode from being used again
    std::ofstream(path) << "of another";
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(TcpListener, TakesAFreePortWhenAskedForNone) {
  const auto v4 = listen_tcp("127.0.0.1:0");
  ASSERT_TRUE(v4) << v4.error().text();
  EXPECT_NE(v4->port, 0);
  const auto again = listen_tcp("127.0.0.1:" + std::to_string(v4->port));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kConflict);
}

TEST(TcpListener, IPv6StandsInBrackets) {
  const auto v6 = listen_tcp("[::1]:0");
  if (!v6 && v6.error().code == Errc::kIo) GTEST_SKIP() << "no IPv6: " << v6.error().text();
  ASSERT_TRUE(v6) << v6.error().text();
}

class TcpListenerText : public testing::TestWithParam<const char*> {};

TEST_P(TcpListenerText, IsRefusedWhenItIsNotAddressAndPort) {
  const auto refused = listen_tcp(GetParam());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
}

INSTANTIATE_TEST_SUITE_P(Texts, TcpListenerText,
                         testing::Values("", ":", "127.0.0.1", "127.0.0.1:", ":80",
                                         "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x",
                                         "localhost:80", "::1:80", "[127.0.0.1]:80", "[]:80",
                                         "[::1]", "[::1]80"));

}  // namespace
}  // namespace sluice::http
