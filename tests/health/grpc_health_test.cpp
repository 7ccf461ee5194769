// SPDX-License-Identifier: Apache-2.0
#include "health/grpc_health.hpp"

#include "rig.hpp"

#include <gtest/gtest.h>

namespace sluice::health {
namespace {

using config::CheckType;
using namespace std::string_literals;

std::string framed(const std::string& message) {
  return "\0\0\0\0"s + static_cast<char>(message.size()) + message;
}

GrpcAnswer serving(const std::string& message) { return {200, "0", "", framed(message)}; }

TEST(GrpcHealth, RequestNamesTheServiceOrIsEmpty) {
  EXPECT_EQ(grpc_health_request(""), "\0\0\0\0\0"s);
  EXPECT_EQ(grpc_health_request("llm"), "\0\0\0\0\5\x0a\3llm"s);
  const std::string name(300, 'x');
  EXPECT_EQ(grpc_health_request(name), "\0\0\0\x01\x2f\x0a\xac\x02"s + name);
}

TEST(GrpcHealth, OnlyServingIsGood) {
  EXPECT_EQ(judge_grpc(serving("\x08\x01")).fault, Fault::kNone);
  EXPECT_EQ(judge_grpc(serving("\x08\x02")).fault, Fault::kStatus);
  EXPECT_EQ(judge_grpc(serving("\x08\x02")).detail, "NOT_SERVING");
  EXPECT_EQ(judge_grpc(serving("\x08\x03")).detail, "SERVICE_UNKNOWN");
  EXPECT_EQ(judge_grpc(serving("")).detail, "UNKNOWN");
  EXPECT_EQ(judge_grpc(serving("\x08\x7f")).detail, "of no known status");
  EXPECT_EQ(judge_grpc(serving("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")).fault,
            Fault::kStatus);
}

TEST(GrpcHealth, UnknownFieldsArePassedOverAndTheLastStatusCounts) {
  EXPECT_EQ(
      judge_grpc(serving("\x12\x03xyz\x08\x02\x1d\1\2\3\4\x19\1\2\3\4\5\6\7\x08\x08\x01"s)).fault,
      Fault::kNone);
}

TEST(GrpcHealth, StatusOfTheCallIsToldWithItsMessage) {
  GrpcAnswer answer{200, "5", "no such service"};
  EXPECT_EQ(judge_grpc(answer).fault, Fault::kStatus);
  EXPECT_EQ(judge_grpc(answer).detail, "grpc-status 5 (service not found) no such service");
  answer.grpc_status.reset();
  EXPECT_EQ(judge_grpc(answer).fault, Fault::kProtocol);
  answer.http_status = 502;
  EXPECT_EQ(judge_grpc(answer).detail, "HTTP 502 instead of gRPC");
}

TEST(GrpcHealth, AnswersThatAreNotOneWholeMessageAreRefused) {
  const std::string whole = framed("\x08\x01");
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(judge_grpc({200, "0", "", whole.substr(0, n)}).fault, Fault::kProtocol) << n;
  EXPECT_EQ(judge_grpc({200, "0", "", whole + "x"}).fault, Fault::kProtocol);
  EXPECT_EQ(judge_grpc({200, "0", "", "\1\0\0\0\2\x08\1"s}).fault, Fault::kProtocol);  // compressed
  EXPECT_EQ(judge_grpc({200, "0", "", "\0\xff\xff\xff\xff"s}).fault, Fault::kProtocol);
  for (const auto& message :
       {"\x08"s, "\x08\x81"s, "\x12\x05xyz"s, "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
        "\x1d\1\2\3"s, "\x19\1"s, "\x0b"s, "\0"s,
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s})
    EXPECT_EQ(judge_grpc(serving(message)).fault, Fault::kProtocol);
}

// HTTP/2 by hand (RFC 9113): enough to answer one question.
std::string frame(int type, int flags, int stream, const std::string& payload) {
  std::string made{'\0',
                   static_cast<char>(payload.size() >> 8),
                   static_cast<char>(payload.size()),
                   static_cast<char>(type),
                   static_cast<char>(flags),
                   '\0',
                   '\0',
                   '\0',
                   static_cast<char>(stream)};
  return made + payload;
}

std::string literal(const std::string& name, const std::string& value) {
  return '\0' + std::string(1, static_cast<char>(name.size())) + name +
         std::string(1, static_cast<char>(value.size())) + value;
}

bool receive(int fd, std::string& to, std::size_t bytes) {
  to.resize(bytes);
  return bytes == 0 || ::recv(fd, to.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
}

/// The body of the question, when it has come whole; the connection's other frames are ignored.
std::string read_question(int fd) {
  constexpr std::size_t kPreface = 24;
  std::string got;
  std::string question;
  if (!receive(fd, got, kPreface)) return {};
  send_all(fd, frame(4, 0, 0, ""));  // our SETTINGS
  while (receive(fd, got, 9)) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(got[i]); };
    const auto length = std::size_t{byte(1)} << 8 | byte(2);
    const int type = byte(3);
    const int flags = byte(4);
    if (!receive(fd, got, length)) return {};
    if (type == 0) question += got;
    if (type == 0 && (flags & 1) != 0) return question;
  }
  return {};
}

Server::Script grpc_server(std::string trailers, std::string body,
                           std::string* question = nullptr) {
  return [=](int fd) {
    const std::string asked = read_question(fd);
    if (question != nullptr) *question = asked;
    send_all(fd, frame(1, 4, 1, "\x88" + literal("content-type", "application/grpc")));
    if (!body.empty()) send_all(fd, frame(0, 0, 1, body));
    send_all(fd, frame(1, 5, 1, trailers));
    stay_silent()(fd);  // a server of HTTP/2 keeps the connection
  };
}

TEST(GrpcProbe, ServerThatServesIsFineAndIsAskedForTheService) {
  Rig rig;
  std::string question;
  const Server server(grpc_server(literal("grpc-status", "0"), framed("\x08\x01"), &question));
  Target target = target_of(CheckType::kGrpc, kLoopback, server.port());
  target.check.grpc_service = "llm.Chat";
  const Outcome outcome = rig.ask(target);
  EXPECT_TRUE(outcome.ok()) << outcome.detail;
  EXPECT_EQ(outcome.detail, "SERVING");
  EXPECT_EQ(question, grpc_health_request("llm.Chat"));
}

TEST(GrpcProbe, ServerThatDoesNotServeAndServiceThatIsUnknownFail) {
  Rig rig;
  const Server not_serving(grpc_server(literal("grpc-status", "0"), framed("\x08\x02")));
  const Outcome first = rig.ask(target_of(CheckType::kGrpc, kLoopback, not_serving.port()));
  EXPECT_EQ(first.fault, Fault::kStatus);
  EXPECT_EQ(first.detail, "NOT_SERVING");
  const Server unknown(
      grpc_server(literal("grpc-status", "5") + literal("grpc-message", "unknown service"), ""));
  const Outcome second = rig.ask(target_of(CheckType::kGrpc, kLoopback, unknown.port()));
  EXPECT_EQ(second.fault, Fault::kStatus);
  EXPECT_EQ(second.detail, "grpc-status 5 (service not found) unknown service");
}

TEST(GrpcProbe, ServerOfOldHttpIsNotTakenForAHealthyOne) {
  Rig rig;
  const Server server([](int fd) {
    send_all(fd, http(200, "ok"));
    stay_silent()(fd);
  });
  const Outcome outcome = rig.ask(target_of(CheckType::kGrpc, kLoopback, server.port()));
  EXPECT_FALSE(outcome.ok());
  EXPECT_TRUE(outcome.counts()) << outcome.detail;
}

TEST(GrpcProbe, AnswerWithoutEndIsAFault) {
  Rig rig;
  const Server server([](int fd) {
    (void)read_question(fd);
    send_all(fd, frame(1, 4, 1, "\x88"));
    const std::string piece = frame(0, 0, 1, std::string(8192, '\0'));
    while (::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  const Outcome outcome = rig.ask(target_of(CheckType::kGrpc, kLoopback, server.port()));
  EXPECT_EQ(outcome.fault, Fault::kProtocol);
  EXPECT_EQ(outcome.detail, "a longer answer than is read");
}

TEST(GrpcProbe, ResetOfTheStreamIsAFaultOfProtocol) {
  Rig rig;
  const Server server([](int fd) {
    (void)read_question(fd);
    send_all(fd, frame(3, 0, 1, "\0\0\0\2"s));  // RST_STREAM, internal error
    stay_silent()(fd);
  });
  EXPECT_EQ(rig.ask(target_of(CheckType::kGrpc, kLoopback, server.port())).fault, Fault::kProtocol);
}

}  // namespace
}  // namespace sluice::health
