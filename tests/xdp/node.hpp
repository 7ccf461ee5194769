// SPDX-License-Identifier: Apache-2.0
// What the tests of the loader share: a node, its pins, and questions to the kernel.
//
// Threads: one.
#pragma once

#include "base/unique_fd.hpp"
#include "xdp/filter.hpp"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

namespace sluice::xdp {

inline constexpr const char* kRoot = "/sys/fs/bpf/sluice";
inline constexpr const char* kNode = "/sys/fs/bpf/sluice/edge-1";

inline ServiceEntry service(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                            std::uint32_t number) {
  return {IpAddress::parse(address).value(), port, protocol, number};
}

/// A program that is not ours, loaded; it passes everything.
inline UniqueFd foreign_program(const char* name) {
  const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                           {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  return UniqueFd(bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", code, 2, nullptr));
}

/// Id of the XDP program that the interface carries; 0: none.
inline std::uint32_t program_on(const char* interface, std::uint32_t flags = 0) {
  std::uint32_t id = 0;
  EXPECT_EQ(
      bpf_xdp_query_id(static_cast<int>(::if_nametoindex(interface)), static_cast<int>(flags), &id),
      0);
  return id;
}

/// The kernel's word for it; empty: none.
inline std::string name_on(const char* interface) {
  const UniqueFd program(bpf_prog_get_fd_by_id(program_on(interface)));
  bpf_prog_info info{};
  std::uint32_t length = sizeof info;
  return program && bpf_obj_get_info_by_fd(program.get(), &info, &length) == 0 ? info.name : "";
}

/// Id of the map pinned there; 0: none.
inline std::uint32_t map_id(const std::string& pin) {
  const UniqueFd map(bpf_obj_get(pin.c_str()));
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  return map && bpf_obj_get_info_by_fd(map.get(), &info, &length) == 0 ? info.id : 0;
}

/// Stops the node cleanly after each test, and sees that nothing is left.
class FilterTest : public test::Sandboxed {
 protected:
  static Filter open(const std::string& node = "edge-1") {
    auto filter = Filter::open(node);
    EXPECT_TRUE(filter) << filter.error().text();
    return std::move(filter.value());
  }
  void TearDown() override {
    if (IsSkipped()) return;
    if (std::filesystem::exists(kRoot)) {
      EXPECT_TRUE(open().close());
    }
    EXPECT_FALSE(std::filesystem::exists(kRoot)) << "a clean stop leaves pins";
  }
};

/// Numbers by "address port protocol" as the pinned map has them; flags of address entries by
/// "address".
inline std::map<std::string, std::uint32_t> pinned_services() {
  std::map<std::string, std::uint32_t> found;
  const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_services"));
  sluice_xdp_service_key key{};
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map.get(), previous, &key) == 0) {
    sluice_xdp_service value{};
    EXPECT_EQ(bpf_map_lookup_elem(map.get(), &key, &value), 0);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), key.address, bytes.size());
    const auto address = key.family == 4 ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]})
                                         : IpAddress::v6(bytes);
    std::string text = address.text();
    if (key.protocol != 0) text += fmt::format(" {} {}", __builtin_bswap16(key.port), key.protocol);
    found[text] = key.protocol != 0 ? value.number : value.flags;
    previous = &key;
  }
  return found;
}

}  // namespace sluice::xdp
