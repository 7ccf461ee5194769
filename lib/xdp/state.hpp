// SPDX-License-Identifier: Apache-2.0
// What a Filter holds: the node's maps and settings, and the programs on its interfaces.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "xdp/filter.hpp"
#include "xdp/filter.skel.h"
#include "xdp/layout.h"

#include <bpf/libbpf.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::xdp {

struct Unload {
  void operator()(filter_bpf* object) const noexcept { filter_bpf__destroy(object); }
};
using Object = std::unique_ptr<filter_bpf, Unload>;

/// Maps that all interfaces of a node share.
[[nodiscard]] inline auto maps_of_node(filter_bpf* object) {
  auto& map = object->maps;
  return std::array{map.sluice_settings, map.sluice_services, map.sluice_shared,
                    map.sluice_answers,  map.sluice_beats,    map.sluice_deny4,
                    map.sluice_deny6,    map.sluice_syn_slot, map.sluice_sources,
                    map.sluice_backends, map.sluice_signals,  map.sluice_events};
}
/// Maps of one interface.
[[nodiscard]] inline auto maps_of_interface(filter_bpf* object) {
  return std::array{object->maps.xsks_map, object->maps.sluice_stats};
}

/// Memory that a map and this process share.
class SharedMemory {
 public:
  SharedMemory() noexcept = default;
  /// The first `bytes` bytes of a BPF_F_MMAPABLE array.
  [[nodiscard]] static Result<SharedMemory> map(int fd, std::size_t bytes);
  SharedMemory(SharedMemory&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();
  [[nodiscard]] void* data() const noexcept { return at_; }

 private:
  void* at_ = nullptr;
  std::size_t bytes_ = 0;
};

struct CloseRing {
  void operator()(ring_buffer* ring) const noexcept { ring_buffer__free(ring); }
};

/// What the ring of events hands out in the call under way, and how much of it is wanted.
struct PolledEvents {
  std::vector<BackendEvent> events = {};
  std::size_t most = 0;
};

struct Filter::State {
  struct Attached {
    Object object;
    UniqueFd link;
  };

  std::string node;
  std::string root;
  std::string directory;
  UniqueFd lock;
  Object maps;  ///< The node's maps; no program of it is ever loaded.
  sluice_xdp_settings settings{};
  SharedMemory beats;
  std::unique_ptr<ring_buffer, CloseRing> events;
  bool took_over = false;
  std::map<std::string, Attached> attached;  ///< By interface.

  [[nodiscard]] std::string directory_of(const std::string& interface) const;
  PolledEvents polled;

  [[nodiscard]] Result<void> load_maps();
  [[nodiscard]] Result<void> open_ring();
  [[nodiscard]] Result<void> drop_other_layout();
  [[nodiscard]] Result<void> write_settings() const;
  [[nodiscard]] Result<Object> load_programs(const std::string& interface) const;
  [[nodiscard]] Result<void> remove_interface(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> interface_directories() const;
};

}  // namespace sluice::xdp
