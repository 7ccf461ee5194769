// SPDX-License-Identifier: Apache-2.0
#include "health/curl_probes.hpp"
#include "rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace sluice::health {
namespace {

using config::CheckType;
using testing::HasSubstr;

/// The servers of tls_server.py, one set for all tests of this file.
class HttpsProbe : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = std::filesystem::temp_directory_path() / "sluice-tls-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    // Its input is a pipe that we hold: it ends when we do, however we end.
    const std::string output = folder_ + "/ports";
    server_ =
        ::popen(fmt::format("exec {} {} {} > {}", SLUICE_PYTHON, SLUICE_TLS_SERVER, folder_, output)
                    .c_str(),
                "we");
    ASSERT_NE(server_, nullptr);
    Rig rig;  // for its clock: the first line comes when all serve
    nlohmann::json ports;
    ASSERT_TRUE(rig.wait([&] {
      std::string line;
      if (std::FILE* const file = std::fopen(output.c_str(), "r"); file != nullptr) {
        std::array<char, 256> text{};
        if (std::fgets(text.data(), text.size(), file) != nullptr) line = text.data();
        std::fclose(file);
      }
      if (!line.ends_with('\n')) return false;
      ports = nlohmann::json::parse(line);
      return true;
    }));
    for (const auto& [name, port] : ports.items()) ports_[name] = port.get<std::uint16_t>();
  }

  static void TearDownTestSuite() {
    if (server_ != nullptr) ::pclose(server_);
    std::filesystem::remove_all(folder_);
  }

  Outcome ask(const std::string& server, const std::function<void(config::Health&)>& settle = {}) {
    Target target = target_of(CheckType::kHttps, kLoopback, ports_.at(server));
    target.check.tls_ca = folder_ + "/ca.pem";
    if (settle) settle(target.check);
    return rig_.ask(target);
  }

  static inline std::string folder_;
  static inline std::FILE* server_ = nullptr;
  static inline std::map<std::string, std::uint16_t> ports_;
  Rig rig_;
};

TEST_F(HttpsProbe, CertificateIsJudgedByAddressOrByTheNameThatIsGiven) {
  const Outcome by_address = ask("good");
  EXPECT_TRUE(by_address.ok()) << by_address.detail;
  const Outcome by_name = ask("good", [](config::Health& c) { c.tls_name = "backend.example"; });
  EXPECT_TRUE(by_name.ok()) << by_name.detail;
  const Outcome by_host = ask("good", [](config::Health& c) { c.host = "backend.example"; });
  EXPECT_TRUE(by_host.ok()) << by_host.detail;
  const Outcome wrong = ask("good", [](config::Health& c) { c.tls_name = "other.example"; });
  EXPECT_EQ(wrong.fault, Fault::kTls);
}

TEST_F(HttpsProbe, WrongNameUnknownAuthorityAndExpiryAreToldApart) {
  const Outcome name = ask("other_name");
  EXPECT_EQ(name.fault, Fault::kTls);
  EXPECT_THAT(name.detail, HasSubstr("no alternative certificate subject name matches"));
  const Outcome authority = ask("unknown");
  EXPECT_EQ(authority.fault, Fault::kTls);
  EXPECT_THAT(authority.detail, HasSubstr("unable to get local issuer certificate"));
  const Outcome expired = ask("expired");
  EXPECT_EQ(expired.fault, Fault::kTls);
  EXPECT_THAT(expired.detail, HasSubstr("expired"));
}

TEST_F(HttpsProbe, WithoutVerificationAnyCertificateIsTaken) {
  for (const char* const server : {"good", "other_name", "unknown", "expired"}) {
    const Outcome outcome = ask(server, [](config::Health& c) { c.tls_verify = false; });
    EXPECT_TRUE(outcome.ok()) << server << ' ' << outcome.detail;
  }
}

TEST_F(HttpsProbe, AuthorityOfTheSystemDoesNotVouchForOurs) {
  EXPECT_EQ(ask("good", [](config::Health& c) { c.tls_ca.clear(); }).fault, Fault::kTls);
}

TEST_F(HttpsProbe, EachQuestionShowsItsCertificateAgain) {
  // Were a session resumed, the second probe would be content without a look at it.
  EXPECT_TRUE(ask("good").ok());
  EXPECT_EQ(ask("good", [](config::Health& c) { c.tls_name = "other.example"; }).fault,
            Fault::kTls);
}

TEST_F(HttpsProbe, FileOfAuthoritiesThatCannotBeReadIsOurOwnFault) {
  const Outcome missing = ask("good", [](config::Health& c) { c.tls_ca = "/nonexistent/ca.pem"; });
  EXPECT_EQ(missing.fault, Fault::kLocal);
  EXPECT_THAT(missing.detail, HasSubstr("/nonexistent/ca.pem"));
  const std::string wrong = folder_ + "/serial";
  const Outcome no_certificate = ask("good", [&](config::Health& c) { c.tls_ca = wrong; });
  EXPECT_EQ(no_certificate.fault, Fault::kLocal) << no_certificate.detail;
}

TEST_F(HttpsProbe, ServerWithoutTlsFailsTheHandshake) {
  const Server plain([](int fd) {
    send_all(fd, http(400, "plain"));
    stay_silent()(fd);
  });
  const Outcome outcome = rig_.ask(target_of(CheckType::kHttps, kLoopback, plain.port()));
  EXPECT_EQ(outcome.fault, Fault::kTls) << outcome.detail;
}

TEST_F(HttpsProbe, SilentServerIsATimeOut) {
  const Server silent(stay_silent());
  Target target = target_of(CheckType::kHttps, kLoopback, silent.port());
  target.check.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(rig_.ask(target).fault, Fault::kTimeout);
}

}  // namespace
}  // namespace sluice::health
