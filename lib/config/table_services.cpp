// SPDX-License-Identifier: Apache-2.0
// Fields of services: what clients connect to, their shards and limits.
#include "config/address_codec.hpp"
#include "config/codec.hpp"
#include "config/configuration.hpp"
#include "config/forms.hpp"
#include "config/tables.hpp"

namespace sluice::config {
namespace {

constexpr std::int64_t kMostASecond = 1'000'000'000;
constexpr std::int64_t kMostBitsASecond = 1'000'000'000'000;

auto shard() {
  return object<Shard>(
      "shard", "source",
      {field(
           "source", kOptional, kReload, &Shard::source, Prefix{},
           "Source addresses whose flows go to the shard's pool; the longest prefix that contains "
           "an address counts, and it counts before any `hash_range`."),
       field("hash_range", kOptional, kReload, &Shard::hash_range, Pair<Fractional>{{0, 1}},
             "Share of all flows by their hash: from the first number up to, but without, the "
             "second."),
       field("pool", kRequired, kReload, &Shard::pool, form::name(),
             "Name of the pool that serves them.")});
}

auto limits() {
  return object<Limits>(
      "limits", "",
      {field("new_flows_per_second", kOptional, kReload, &Limits::new_flows_per_second,
             Whole{0, kMostASecond, "1/s"}, "New flows of the service; 0: any number."),
       field("packets_per_second", kOptional, kReload, &Limits::packets_per_second,
             Whole{0, kMostASecond, "1/s"}, "Packets of the service; 0: any number."),
       field("bits_per_second", kOptional, kReload, &Limits::bits_per_second,
             Whole{0, kMostBitsASecond, "bit/s"},
             "Bits of the service's frames as they arrive; 0: any number."),
       field("source_new_flows_per_second", kOptional, kReload,
             &Limits::source_new_flows_per_second, Whole{0, kMostASecond, "1/s"},
             "New flows of one source address; 0: any number.")});
}

}  // namespace

std::shared_ptr<const Object> service_object() {
  return object<Service>(
      "service", "name",
      {field("name", kRequired, kReload, &Service::name, form::name(), "Name of the service."),
       field("address", kRequired, kReload, &Service::address, HostAddress{},
             "Virtual IP address that clients connect to."),
       field("port", kRequired, kReload, &Service::port, Whole{0, 65535},
             "Port that clients connect to; 0 is every port."),
       field("protocol", kOptional, kReload, &Service::protocol,
             Choice<Protocol>{
                 {{"tcp", Protocol::kTcp}, {"udp", Protocol::kUdp}, {"quic", Protocol::kQuic}}},
             "Transport protocol. `quic` is UDP whose packets may be steered by connection id."),
       field("pool", kRequired, kReload, &Service::pool, form::name(),
             "Name of the pool whose backends serve the flows that no shard takes."),
       field("shards", kOptional, kReload, &Service::shards,
             ListOf<Nested>{{shard()}, 0, kMostPrefixes},
             "Pools for part of the service's flows: by source prefix or by hash range."),
       field("limits", kOptional, kReload, &Service::limits, Nested{limits()},
             "What the service lets in on this node, all workers together; absent: everything."),
       field("deny", kOptional, kReload, &Service::deny, ListOf<Prefix>{{}, 0, kMostPrefixes},
             "Source prefixes whose packets are dropped.")});
}

}  // namespace sluice::config
