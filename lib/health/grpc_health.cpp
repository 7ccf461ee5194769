// SPDX-License-Identifier: Apache-2.0
#include "health/grpc_health.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace sluice::health {
namespace {

constexpr std::size_t kPrefixBytes = 5;  // compressed or not, and the length in network order

// A number as Protocol Buffers have it: seven bits a byte, the lowest first.
void put_varint(std::string& to, std::size_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return std::nullopt;
}

bool skip(std::string_view& from, std::uint64_t bytes) {
  if (bytes > from.size()) return false;
  from.remove_prefix(bytes);
  return true;
}

// Field 1 of a HealthCheckResponse, the last one counting; absent is 0. Fields of later versions
// are passed over.
std::optional<std::uint64_t> serving_status(std::string_view message) {
  std::uint64_t status = 0;
  while (!message.empty()) {
    const auto key = take_varint(message);
    if (!key || *key >> 3 == 0) return std::nullopt;
    switch (*key & 7U) {
      case 0: {
        const auto value = take_varint(message);
        if (!value) return std::nullopt;
        if (*key >> 3 == 1) status = *value;
        break;
      }
      case 1:
        if (!skip(message, 8)) return std::nullopt;
        break;
      case 2: {
        const auto length = take_varint(message);
        if (!length || !skip(message, *length)) return std::nullopt;
        break;
      }
      case 5:
        if (!skip(message, 4)) return std::nullopt;
        break;
      default:
        return std::nullopt;
    }
  }
  return status;
}

std::string_view status_name(std::uint64_t status) {
  constexpr std::array<std::string_view, 4> kNames{"UNKNOWN", "SERVING", "NOT_SERVING",
                                                   "SERVICE_UNKNOWN"};
  return status < kNames.size() ? kNames[status] : "of no known status";
}

// Of those that a health check may give (gRPC's "Status codes and their use").
std::string_view code_name(std::string_view code) {
  if (code == "2") return "unknown";
  if (code == "4") return "deadline exceeded";
  if (code == "5") return "service not found";
  if (code == "7") return "permission denied";
  if (code == "8") return "resource exhausted";
  if (code == "12") return "no health service there";
  if (code == "13") return "internal";
  if (code == "14") return "unavailable";
  if (code == "16") return "unauthenticated";
  return "refused";
}

std::optional<std::string_view> only_message(std::string_view body) {
  if (body.size() < kPrefixBytes || body[0] != 0) return std::nullopt;
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < kPrefixBytes; ++i)
    length = length << 8 | static_cast<unsigned char>(body[i]);
  body.remove_prefix(kPrefixBytes);
  return body.size() == length ? std::optional(body) : std::nullopt;
}

}  // namespace

std::string grpc_health_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';  // field 1, a string
    put_varint(message, service.size());
    message += service;
  }
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += static_cast<char>(message.size() >> shift);
  return framed + message;
}

Finding judge_grpc(const GrpcAnswer& answer) {
  if (answer.http_status != 200)
    return {Fault::kStatus, fmt::format("HTTP {} instead of gRPC", answer.http_status)};
  if (!answer.grpc_status) return {Fault::kProtocol, "an answer without grpc-status"};
  if (*answer.grpc_status != "0")
    return {Fault::kStatus, fmt::format("grpc-status {} ({}) {}", *answer.grpc_status,
                                        code_name(*answer.grpc_status), answer.grpc_message)};
  const auto message = only_message(answer.body);
  const auto status = message ? serving_status(*message) : std::nullopt;
  if (!status) return {Fault::kProtocol, "not one whole HealthCheckResponse"};
  return {*status == 1 ? Fault::kNone : Fault::kStatus, std::string(status_name(*status))};
}

}  // namespace sluice::health
