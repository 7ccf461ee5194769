// SPDX-License-Identifier: Apache-2.0
#include "http/page.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::http {
namespace {

constexpr Page kPage{.plain = "<html>plain</html>",
                     .packed = "\x1f\x8b packed",
                     .tag = "0123abcd",
                     .policy = "default-src 'none'"};

std::string header(const Response& response, std::string_view name) {
  const auto found =
      std::ranges::find(response.headers, name, &std::pair<std::string, std::string>::first);
  return found == response.headers.end() ? "" : found->second;
}

Request asks(std::string_view encoding, std::string_view tag = {}) {
  Request request;
  request.method = "GET";
  request.path = "/";
  request.accept_encoding = encoding;
  request.if_none_match = tag;
  return request;
}

Response given(const Page& page, const Request& request) {
  return std::get<Response>(answer(page, request));
}

TEST(Page, GoesOutPackedToWhoTakesItAndPlainToOthers) {
  const auto packed = given(kPage, asks("br, gzip"));
  EXPECT_EQ(packed.body, kPage.packed);
  EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
  const auto plain = given(kPage, asks(""));
  EXPECT_EQ(plain.body, kPage.plain);
  EXPECT_EQ(header(plain, "Content-Encoding"), "");
  for (const auto& response : {packed, plain}) {
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
    EXPECT_EQ(header(response, "Vary"), "Accept-Encoding");
    EXPECT_EQ(header(response, "Content-Security-Policy"), kPage.policy);
    EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
  }
  EXPECT_NE(header(packed, "ETag"), header(plain, "ETag"));
}

TEST(Page, IsNotSentAgainToWhoHasThisVeryOne) {
  const auto tag = header(given(kPage, asks("gzip")), "ETag");
  for (const auto& told : {tag, "W/" + tag, "\"other\" , " + tag, std::string("*")}) {
    const auto response = given(kPage, asks("gzip", told));
    EXPECT_EQ(response.status, 304) << told;
    EXPECT_EQ(response.body, "") << told;
    EXPECT_EQ(header(response, "ETag"), tag) << told;
  }
  for (const std::string_view told : {"\"other\"", "\"", "\"\"", "0123abcd-gzip", "W/", ",,,"})
    EXPECT_EQ(given(kPage, asks("gzip", told)).status, 200) << told;
  EXPECT_EQ(given(kPage, asks("", tag)).status, 200) << "the tag of the packed one";
}

TEST(Page, IsOnlyRead) {
  auto request = asks("gzip");
  request.method = "POST";
  const auto response = given(kPage, request);
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header(response, "Allow"), "GET, HEAD");
}

TEST(TakesGzip, FollowsNamesWeightsAndTheStar) {
  for (const auto* yes : {"gzip", "GZip", "deflate,gzip", "gzip;q=0.5", "br ; q=1 , gzip ; q=0.001",
                          "*", "*;q=0, gzip", "identity, *;q=0.1"})
    EXPECT_TRUE(takes_gzip(yes)) << yes;
  for (const auto* no : {"", "identity", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *",
                         "xgzip", "gzipx", ",", ";", ";;,,;q=", "\t"})
    EXPECT_FALSE(takes_gzip(no)) << no;
}

}  // namespace
}  // namespace sluice::http
