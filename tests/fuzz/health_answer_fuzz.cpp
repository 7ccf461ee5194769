// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a backend answers to a check by HTTP, gRPC, ICMP or TCP: the readers stay
// within the bytes and their bounds, and HTTP reads the same whatever the pieces.
//
// Input: a byte that chooses the reader, a byte for its settings, then the answer.
#include "health/grpc_health.hpp"
#include "health/http_answer.hpp"
#include "health/icmp_probes.hpp"
#include "health/syn_packet.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace sluice::health;
using Progress = HttpReader::Progress;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  Progress progress;
  unsigned status;
  std::optional<double> load;
  bool body_holds;  // the text that the check looks for

  friend bool operator==(const Read&, const Read&) = default;
};

Read read_http(std::string_view answer, std::size_t piece, const std::string& expected) {
  AnswerBody body(expected);
  HttpReader reader(body, "X-Load");
  auto progress = Progress::kMore;
  while (progress == Progress::kMore && !answer.empty()) {
    progress = reader.take(answer.substr(0, piece));
    answer.remove_prefix(std::min(piece, answer.size()));
  }
  if (progress == Progress::kMore) progress = reader.end();
  require(progress != Progress::kMore);
  require(body.kept().size() <= kLongestBody);
  if (reader.load()) require(*reader.load() >= 0 && *reader.load() <= kMostLoad);
  if (progress != Progress::kWhole) return {progress, 0, std::nullopt, false};
  require(reader.status() >= 100);
  sluice::config::Health check;
  check.expect_body = expected;
  (void)judge_http(check, reader.status(), body.kept());
  const bool holds = !expected.empty() && body.kept().find(expected) != std::string::npos;
  return {progress, reader.status(), reader.load(), holds};
}

void http(std::string_view answer, unsigned choice) {
  const std::string expected = (choice & 1U) != 0 ? "ok" : "";
  const Read whole = read_http(answer, answer.size() + 1, expected);
  require(read_http(answer, 1 + (choice >> 1U) % 17, expected) == whole);
}

void grpc(std::string_view answer, unsigned choice) {
  GrpcAnswer got;
  got.http_status = (choice & 1U) != 0 ? 200 : static_cast<long>(choice);
  const std::size_t cut = std::min<std::size_t>(choice >> 4U, answer.size());
  if ((choice & 2U) != 0) got.grpc_status = "0";
  if ((choice & 4U) != 0) got.grpc_status = answer.substr(0, cut);
  if ((choice & 8U) != 0) got.grpc_message = answer.substr(0, cut);
  got.body = answer.substr(cut);
  if (judge_grpc(got).fault == Fault::kNone)
    require(got.http_status == 200 && got.body.size() >= 5 && got.body[0] == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // A heap block of that very size, so that the address sanitizer sees a read beyond it.
  const std::size_t length = size - 2;
  const auto block = std::make_unique<char[]>(length);
  std::copy_n(data + 2, length, block.get());
  const std::string_view answer(block.get(), length);
  const std::span<const std::byte> packet = std::as_bytes(std::span(block.get(), length));
  switch (data[0] % 4) {
    case 0:
      http(answer, data[1]);
      break;
    case 1:
      grpc(answer, data[1]);
      break;
    case 2:
      (void)read_icmp(packet, (data[1] & 1U) != 0);
      break;
    default:
      (void)read_tcp(packet);
  }
  return 0;
}
