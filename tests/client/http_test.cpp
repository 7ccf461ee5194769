// SPDX-License-Identifier: Apache-2.0
#include "client/http.hpp"

#include "client/scripted_daemon.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace sluice::client {
namespace {

using std::chrono::milliseconds;

class HttpTest : public testing::Test {
 protected:
  Result<Answer> get(const std::string& target, milliseconds limit = milliseconds(10'000)) {
    return Http(daemon_.socket(), limit).send({target, std::nullopt});
  }
  std::string error_of(Reply reply, milliseconds limit = milliseconds(10'000)) {
    daemon_.script("GET /x", std::move(reply));
    const auto answer = get("/x", limit);
    return answer ? "answered " + answer->body.substr(0, 100) : answer.error().text();
  }
  // The message without the folder's random name.
  std::string plain(std::string text) const {
    const auto at = text.find(daemon_.folder());
    return at == text.npos ? text : text.replace(at, daemon_.folder().size(), "DIR");
  }
  ScriptedDaemon daemon_;
};

TEST_F(HttpTest, BringsStatusAndBody) {
  daemon_.script("GET /x", Reply{409, "taken"});
  const auto answer = get("/x");
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->status, 409);
  EXPECT_EQ(answer->body, "taken");
}

TEST_F(HttpTest, PostsTheBodyAsItIs) {
  daemon_.script("POST /x", "{}");
  std::string body = "{ // comment\n\"a\": \"\xff\"}";
  body += '\0';
  body += std::string(3U << 20U, ' ');
  ASSERT_TRUE(Http(daemon_.socket(), milliseconds(10'000)).send({"/x", body}));
  ASSERT_TRUE(Http(daemon_.socket(), milliseconds(10'000)).send({"/x", ""}));
  ASSERT_TRUE(daemon_.wait_for(2));
  EXPECT_EQ(daemon_.received()[0].body, body);
  EXPECT_EQ(daemon_.received()[1].what, "POST /x");
  EXPECT_EQ(daemon_.received()[1].body, "");
}

TEST_F(HttpTest, KeepsThePathAsItIs) {
  daemon_.script("GET /a/../b/./c", "1");
  const auto answer = get("/a/../b/./c");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST_F(HttpTest, ProxiesOfTheEnvironmentAreNotAsked) {
  ::setenv("http_proxy", "http://127.0.0.1:1/", 1);
  daemon_.script("GET /x", "1");
  EXPECT_TRUE(get("/x"));
  ::unsetenv("http_proxy");
}

TEST_F(HttpTest, MissingSocketIsNamedWithTheRemedy) {
  daemon_.stop(/*leave_socket=*/false);
  const auto answer = get("/x");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kNotFound);
  EXPECT_EQ(plain(answer.error().text()),
            "no daemon at DIR/admin.sock (no such socket); is sluiced running? start it with "
            "`sluiced run --config "
            "FILE`, or name its socket with --socket");
}

TEST_F(HttpTest, StaleSocketIsCalledStale) {
  daemon_.stop(/*leave_socket=*/true);
  const auto answer = get("/x");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kIo);
  EXPECT_EQ(plain(answer.error().text()),
            "no daemon at DIR/admin.sock (stale socket: nobody listens, a daemon that ended left "
            "it behind); start it "
            "with `sluiced run --config FILE`, or name its socket with --socket");
}

TEST_F(HttpTest, OrdinaryFileIsNotASocket) {
  const auto path = daemon_.folder() + "/file";
  std::ofstream(path) << "x";
  const auto answer = Http(path, milliseconds(1000)).send({"/x", std::nullopt});
  ASSERT_FALSE(answer);
  EXPECT_EQ(plain(answer.error().text()),
            "DIR/file is not a socket; name the daemon's with --socket");
}

TEST_F(HttpTest, MissingPermissionNamesOwnerGroupAndMode) {
  ASSERT_EQ(::chmod(daemon_.socket().c_str(), 0660), 0);
  const auto error = connect_failure(daemon_.socket(), EACCES);
  EXPECT_EQ(error.code, Errc::kIo);
  if (::geteuid() == 0) {
    EXPECT_EQ(plain(error.text()),
              "not permitted to use DIR/admin.sock (owner root, group root, mode 0660); run as "
              "root or as a member of "
              "group root");
  }
  EXPECT_NE(error.text().find("mode 0660"), std::string::npos);
}

TEST(ConnectFailure, NamesAFolderThatCannotBeEntered) {
  EXPECT_EQ(connect_failure("/nowhere/admin.sock", EACCES).text(),
            "not permitted to use /nowhere/admin.sock (a folder on the way, /nowhere, cannot be "
            "entered); run as root "
            "or as a member of its group");
}

TEST(Http, FullQueueOfConnectionsIsSaidToBeOne) {
  std::string folder = "/tmp/sluice-client-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  (folder + "/s").copy(name.sun_path, sizeof name.sun_path - 1);
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), address, sizeof name), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  std::vector<UniqueFd> waiting;
  int reason = 0;
  while (reason == 0 && waiting.size() < 100) {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(waiting.back().get(), address, sizeof name) != 0) reason = errno;
  }
  EXPECT_EQ(reason, EAGAIN);
  const auto answer = Http(name.sun_path, milliseconds(1000)).send({"/x", std::nullopt});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text().find("takes no more connections"), std::string::npos)
      << answer.error().text();
  std::filesystem::remove_all(folder);
}

TEST(ConnectFailure, EscapesTheName) {
  EXPECT_TRUE(
      connect_failure("/a\x1b", ENOENT).text().starts_with("no daemon at /a\\x1b (no such"));
  EXPECT_NE(connect_failure("/a", ENOMEM).text().find("Cannot allocate memory"), std::string::npos);
}

TEST(Http, NameThatIsNoSocketsNameIsInvalid) {
  for (const auto& name : {std::string(), std::string(108, 'a')}) {
    const auto answer = Http(name, milliseconds(1000)).send({"/x", std::nullopt});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kInvalid);
    EXPECT_NE(answer.error().text().find("the name of a socket has 1 to 107"), std::string::npos);
  }
}

TEST_F(HttpTest, SilenceEndsAtTheLimit) {
  EXPECT_EQ(
      plain(error_of({.silent = true}, milliseconds(50))),
      "no answer from the daemon at DIR/admin.sock within 0.05 s; it may hang: look at its log");
}

TEST_F(HttpTest, AnswerThatBreaksOffIsNoAnswer) {
  const std::string broken =
      "the daemon at DIR/admin.sock closed the connection before its answer was complete; it may "
      "have ended: look at "
      "its log";
  EXPECT_EQ(plain(error_of({.raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"})), broken);
}

TEST_F(HttpTest, WhatIsNotHttpIsSaidToBeNone) {
  EXPECT_NE(error_of({.raw = "SSH-2.0-OpenSSH_9.2\r\n"}).find("is not HTTP"), std::string::npos);
}

TEST_F(HttpTest, BodyWithoutEndIsGivenUp) {
  EXPECT_EQ(plain(error_of({.raw = "HTTP/1.1 200 OK\r\n\r\n", .endless = true})),
            "the answer of the daemon at DIR/admin.sock is longer than 64 MiB");
}

TEST_F(HttpTest, BodyThatClaimsTooMuchIsGivenUp) {
  EXPECT_NE(
      error_of({.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", .endless = true})
          .find("longer than 64 MiB"),
      std::string::npos);
}

TEST_F(HttpTest, HeaderWithoutEndIsGivenUp) {
  EXPECT_FALSE(
      error_of({.raw = "HTTP/1.1 200 OK\r\nX: ", .endless = true}).starts_with("answered"));
}

TEST_F(HttpTest, WaitingEndsWhenAWatchedDescriptorIsReady) {
  daemon_.script("GET /x", Reply{.silent = true});
  const UniqueFd interrupt(::eventfd(0, EFD_CLOEXEC));
  std::thread user([&] {
    EXPECT_TRUE(daemon_.wait_for(1));
    ::eventfd_write(interrupt.get(), 1);
  });
  Http http(daemon_.socket(), milliseconds(10'000));
  const std::array watched{interrupt.get(), -1};
  const auto answer = http.send_until({"/x", std::nullopt}, watched, [&] {
    eventfd_t n = 0;
    return ::eventfd_read(interrupt.get(), &n) == 0;
  });
  user.join();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
}

TEST(Escaped, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(escaped("gpu-1_a.b~Z"), "gpu-1_a.b~Z");
  EXPECT_EQ(escaped("a/b?c=d&e%f g"), "a%2Fb%3Fc%3Dd%26e%25f%20g");
  EXPECT_EQ(escaped("ü"), "%C3%BC");
  EXPECT_EQ(escaped(".."), "..");
}

}  // namespace
}  // namespace sluice::client
