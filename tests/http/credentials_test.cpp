// SPDX-License-Identifier: Apache-2.0
#include "http/credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace sluice::http {
namespace {

using testing::HasSubstr;

const std::string kLong(32, 'x');

Tokens tokens(const std::string& text) { return Tokens::parse(text, "tokens").value(); }

std::string refusal_of(const std::string& text) {
  const auto parsed = Tokens::parse(text, "tokens");
  return parsed ? "taken" : parsed.error().text();
}

TEST(Tokens, OwnerIsWhoseTokenIsShownToTheLetter) {
  const auto known = tokens("# who may\n ci " + kLong + "1 # built by\n\nops\t" + kLong + "2\r\n");
  EXPECT_EQ(known.owner("Bearer " + kLong + "1"), "ci");
  EXPECT_EQ(known.owner("bearer  " + kLong + "2"), "ops");
  for (const auto& shown : std::vector<std::string>{
           kLong, kLong + "1", "Bearer " + kLong, "Bearer " + kLong + "11", "Bearer " + kLong + "3",
           std::string("Bearer "), std::string("Bearer"), std::string(), "Basic " + kLong + "1",
           "Bearer ci", "Bearer " + std::string(100'000, 'x')})
    EXPECT_EQ(known.owner(shown), std::nullopt) << shown.substr(0, 50);
}

TEST(Tokens, FileWithAFaultIsRefusedByItsLine) {
  EXPECT_THAT(refusal_of(""), HasSubstr("has no token"));
  EXPECT_THAT(refusal_of("# nobody\n"), HasSubstr("has no token"));
  EXPECT_THAT(refusal_of("\nci\n"), HasSubstr("line 2 is not 'NAME TOKEN'"));
  EXPECT_THAT(refusal_of("ci short"), HasSubstr("5 characters; 16 to 512"));
  EXPECT_THAT(refusal_of("ci " + kLong + " more"), HasSubstr("line 1"));
  EXPECT_THAT(refusal_of("ci " + kLong + "\nci " + kLong), HasSubstr("line 2 has the name 'ci'"));
  EXPECT_THAT(refusal_of("ci " + kLong + "\x01"), HasSubstr("printable"));
  EXPECT_THAT(refusal_of("ci " + std::string(513, 'x')), HasSubstr("513 characters"));
  std::string many;
  for (std::size_t i = 0; i <= Tokens::kMost; ++i) many += fmt::format("n{} {}\n", i, kLong);
  EXPECT_THAT(refusal_of(many), HasSubstr("one token too many"));
}

struct CredentialFiles : testing::Test {
  CredentialFiles() {
    std::string name = testing::TempDir() + "sluice-credentials-XXXXXX";
    folder = ::mkdtemp(name.data());
  }
  ~CredentialFiles() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text, mode_t mode) const {
    const auto path = (folder / name).string();
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::filesystem::path folder;
};

TEST_F(CredentialFiles, SecretThatOthersMayReadIsRefusedWithTheRemedy) {
  for (const mode_t mode : {0600U, 0400U})
    EXPECT_TRUE(Tokens::read(write("t", "ci " + kLong, mode))) << mode;
  for (const mode_t mode : {0604U, 0640U, 0644U, 0660U, 0602U, 0601U}) {
    const auto read = Tokens::read(write("t", "ci " + kLong, mode));
    ASSERT_FALSE(read) << mode;
    EXPECT_THAT(read.error().text(), HasSubstr("chmod 600"));
  }
}

TEST_F(CredentialFiles, CertificateMayBeReadByAllItsKeyMayNot) {
  const std::string pem = "-----BEGIN X-----\n";
  const auto chain = write("chain", pem, 0644);
  EXPECT_EQ(read_certificate(chain, write("key", pem, 0600)).value().chain, pem);
  EXPECT_EQ(read_certificate(chain, write("key", pem, 0644)).error().where, folder / "key");
  EXPECT_THAT(read_certificate(write("chain", "x", 0644), chain).error().text(),
              HasSubstr("is no PEM file"));
}

TEST_F(CredentialFiles, WhatIsNoFileOfAFewBytesIsRefused) {
  EXPECT_EQ(Tokens::read((folder / "none").string()).error().code, Errc::kNotFound);
  EXPECT_THAT(Tokens::read(folder.string()).error().text(), HasSubstr("no plain file"));
  EXPECT_THAT(Tokens::read("/dev/zero").error().text(), HasSubstr("no plain file"));
  const auto fifo = (folder / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(Tokens::read(fifo).error().text(), HasSubstr("no plain file"));
  EXPECT_THAT(Tokens::read(write("long", std::string(300'000, '#'), 0600)).error().text(),
              HasSubstr("longer than"));
}

}  // namespace
}  // namespace sluice::http
