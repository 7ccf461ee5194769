// SPDX-License-Identifier: Apache-2.0
#include "xdp/filter.hpp"

#include "base/log.hpp"
#include "xdp/interface.hpp"
#include "xdp/pins.hpp"
#include "xdp/services.hpp"
#include "xdp/state.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace sluice::xdp {
namespace {

constexpr std::array<std::string_view, SLUICE_XDP_STATS> kStatNames = {
    "pass",     "redirect", "fragment", "malformed", "no_socket",  "refused",
    "unserved", "answered", "silent",   "denied",    "syn_limited"};

constexpr const char* kLinkPin = "link";

// As Linux bounds its own ICMP errors (icmp_msgs_per_sec, icmp_msgs_burst).
constexpr std::uint64_t kErrorCost = 1'000'000;  // ns: 1000 a second
constexpr std::uint64_t kErrorsAtOnce = 50;

static_assert(sizeof(sluice_xdp_settings) == 256 && sizeof(sluice_xdp_count) == 16 &&
              sizeof(sluice_xdp_shared) == 64);

// The verifier's report and all else that libbpf has to say: for whoever asks for debug lines.
int log_libbpf(libbpf_print_level, const char* format, va_list arguments) {
  std::array<char, 4096> text{};
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line(text.data());
  while (line.ends_with('\n')) line.remove_suffix(1);
  log("xdp")->debug("libbpf text=\"{}\"", line);
  return length;
}

std::string map_pin(const std::string& directory, const bpf_map* map) {
  return directory + "/" + bpf_map__name(map);
}

// Pins `map` in `directory`, or has it use the map that is pinned there already.
Result<bool> use_pin(const std::string& directory, bpf_map* map) {
  const std::string path = map_pin(directory, map);
  auto kept = keep_fitting_map(path, map);
  if (!kept) return kept;
  if (const int error = bpf_map__set_pin_path(map, path.c_str()); error != 0)
    return system_failure(path, "cannot pin the map", -error);
  return kept;
}

Result<Object> open_object(const std::string& where) {
  Object object(filter_bpf__open());
  if (object == nullptr) return system_failure(where, "cannot read the BPF object", errno);
  return object;
}

Result<void> load_object(const std::string& where, filter_bpf* object) {
  const int error = filter_bpf__load(object);
  if (error == 0) return {};
  if (error == -EINVAL || error == -E2BIG || error == -ENOTSUP)
    return fail(Errc::kUnsupported, where,
                "the kernel refuses the XDP program: {}; debug log lines hold its reasons",
                std::strerror(-error));
  return system_failure(where, "cannot load the XDP program", -error);
}

}  // namespace

std::string_view name(Mode mode) noexcept {
  switch (mode) {
    case Mode::kNative:
      return "native";
    case Mode::kGeneric:
      return "generic";
    case Mode::kAuto:
      break;
  }
  return "auto";
}

std::string Filter::State::directory_of(const std::string& interface) const {
  return directory + "/" + pin_name(interface);
}

// A map of another layout may have the sizes of this one: the settings say which layout all have.
Result<void> Filter::State::drop_other_layout() {
  const std::string path = map_pin(directory, maps->maps.sluice_settings);
  const Pin pin = open_pin(path);
  if (pin.kind == Pinned::kNothing) return {};
  sluice_xdp_settings found{};
  const std::uint32_t first = 0;
  const auto fits = keep_fitting_map(path, maps->maps.sluice_settings);
  if (!fits) return forward_error(fits);
  if (*fits && bpf_map_lookup_elem(pin.fd.get(), &first, &found) == 0 &&
      found.layout == SLUICE_XDP_LAYOUT)
    return {};
  log("xdp")->warn("replace path={} reason=\"maps of layout {}, this program has layout {}\"",
                   directory, found.layout, SLUICE_XDP_LAYOUT);
  std::vector<std::string> stale;
  for (const bpf_map* map : maps_of_node(maps.get())) stale.push_back(map_pin(directory, map));
  for (const auto& sub : interface_directories())
    stale.push_back(map_pin(sub, maps->maps.sluice_stats));
  for (const auto& each : stale)
    if (auto removed = remove_pin(each); !removed) return removed;
  return {};
}

Result<void> Filter::State::load_maps() {
  auto object = open_object(node);
  if (!object) return forward_error(object);
  maps = std::move(*object);
  bpf_program__set_autoload(maps->progs.xsk_def_prog, false);
  bpf_program__set_autoload(maps->progs.sluice_filter, false);
  for (bpf_map* map : maps_of_interface(maps.get())) bpf_map__set_autocreate(map, false);
  if (auto dropped = drop_other_layout(); !dropped) return dropped;
  took_over = true;
  bool settings_kept = false;
  for (bpf_map* map : maps_of_node(maps.get())) {
    const auto kept = use_pin(directory, map);
    if (!kept) return forward_error(kept);
    took_over = took_over && *kept;
    if (map == maps->maps.sluice_settings) settings_kept = *kept;
  }
  if (auto loaded = load_object(directory, maps.get()); !loaded) return loaded;

  // A predecessor's settings hold until somebody gives others: no gap in what it denied.
  const std::uint32_t first = 0;
  if (settings_kept &&
      bpf_map_lookup_elem(bpf_map__fd(maps->maps.sluice_settings), &first, &settings) != 0)
    return system_failure(directory, "cannot read the settings", errno);
  settings.layout = SLUICE_XDP_LAYOUT;
  if (settings.secret == 0 &&
      ::getrandom(&settings.secret, sizeof settings.secret, 0) != sizeof settings.secret)
    return system_failure(directory, "cannot draw a secret", errno);
  auto memory = SharedMemory::map(bpf_map__fd(maps->maps.sluice_beats),
                                  SLUICE_XDP_WORKERS * sizeof(sluice_xdp_beat));
  if (!memory) return forward_error(memory);
  beats = std::move(*memory);
  if (auto opened = open_ring(); !opened) return opened;
  settings.icmp_cost = kErrorCost;
  settings.icmp_room = kErrorsAtOnce * kErrorCost;
  return write_settings();
}

Result<void> Filter::State::write_settings() const {
  const std::uint32_t first = 0;
  if (bpf_map_update_elem(bpf_map__fd(maps->maps.sluice_settings), &first, &settings, BPF_ANY) != 0)
    return system_failure(directory, "cannot write the settings", errno);
  return {};
}

Result<Object> Filter::State::load_programs(const std::string& interface) const {
  auto object = open_object("interface " + interface);
  if (!object) return object;
  const auto mine = maps_of_node(object->get());
  const auto nodes = maps_of_node(maps.get());
  for (std::size_t i = 0; i < mine.size(); ++i)
    if (const int error = bpf_map__reuse_fd(mine[i], bpf_map__fd(nodes[i])); error != 0)
      return system_failure(directory, "cannot share the node's maps", -error);
  for (bpf_map* own : maps_of_interface(object->get()))
    if (auto pinned = use_pin(directory_of(interface), own); !pinned) return forward_error(pinned);
  if (auto loaded = load_object("interface " + interface, object->get()); !loaded)
    return forward_error(loaded);
  return object;
}

std::vector<std::string> Filter::State::interface_directories() const {
  std::vector<std::string> found;
  for (const auto& entry : entries(directory)) {
    std::error_code ignored;
    std::string path = directory + "/" + entry;
    if (std::filesystem::is_directory(std::filesystem::symlink_status(path, ignored)))
      found.push_back(std::move(path));
  }
  return found;
}

Result<void> Filter::State::remove_interface(const std::string& path) const {
  if (auto detached = detach_pinned(path + "/" + kLinkPin); !detached) return detached;
  for (const bpf_map* map : maps_of_interface(maps.get()))
    if (auto removed = remove_pin(map_pin(path, map)); !removed) return removed;
  remove_directory(path);
  return {};
}

Filter::Filter(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::open(const std::string& node, std::string_view pin_root) {
  if (auto valid = check_node_name(node); !valid) return forward_error(valid);
  libbpf_set_print(log_libbpf);
  auto state = std::make_unique<State>();
  state->node = node;
  state->root = pin_root;
  state->directory = state->root + "/" + pin_name(node);
  if (auto mounted = ensure_bpf_file_system(state->root); !mounted) return forward_error(mounted);
  if (auto made = make_directory(state->root); !made) return forward_error(made);
  auto lock = claim_directory(state->directory);
  if (!lock) return forward_error(lock);
  state->lock = std::move(*lock);
  if (auto loaded = state->load_maps(); !loaded) return forward_error(loaded);
  return Filter(std::move(state));
}

bool Filter::took_over() const noexcept { return state_->took_over; }
const std::string& Filter::directory() const noexcept { return state_->directory; }

Result<AttachReport> Filter::attach(const std::string& interface, Mode mode) {
  const std::string directory = state_->directory_of(interface);
  const std::string pin = directory + "/" + kLinkPin;
  if (auto made = make_directory(directory); !made) return forward_error(made);
  auto object = state_->load_programs(interface);
  if (!object) return forward_error(object);
  auto link = attach_program(interface, bpf_program__fd((*object)->progs.xsk_def_prog), mode, pin);
  if (!link) {
    object->reset();
    if (!state_->attached.contains(interface)) {
      if (auto removed = state_->remove_interface(directory); !removed)
        log("xdp")->warn("keep path={} reason=\"{}\"", directory, removed.error().text());
    }
    return forward_error(link);
  }
  state_->attached.insert_or_assign(interface,
                                    State::Attached{std::move(*object), std::move(link->fd)});
  return std::move(link->report);
}

Result<void> Filter::promote(const std::string& interface) {
  const auto found = state_->attached.find(interface);
  if (found == state_->attached.end())
    return fail(Errc::kNotFound, "interface " + interface, "the XDP filter is not attached");
  const auto& [object, link] = found->second;
  const int program = bpf_program__fd(object->progs.sluice_filter);
  if (bpf_link_update(link.get(), program, nullptr) == 0) return {};
  if (errno == ENOLINK)
    return fail(Errc::kNotFound, "interface " + interface, "the interface is gone");
  return system_failure("interface " + interface, "cannot replace the XDP program", errno);
}

Result<void> Filter::detach(const std::string& interface) {
  state_->attached.erase(interface);
  const std::string directory = state_->directory_of(interface);
  if (open_pin(directory).kind == Pinned::kNothing) return {};
  return state_->remove_interface(directory);
}

Result<void> Filter::detach_others() {
  for (const auto& path : state_->interface_directories()) {
    const std::string interface = name_of_pin(path.substr(path.rfind('/') + 1));
    if (state_->attached.contains(interface)) continue;
    log("xdp")->info("detach interface={} reason=\"a predecessor's, not in use now\"", interface);
    if (auto removed = state_->remove_interface(path); !removed) return removed;
  }
  return {};
}

Result<void> Filter::set_services(std::span<const ServiceEntry> services,
                                  std::span<const NatEntry> nat) {
  return make_service_map_equal(bpf_map__fd(state_->maps->maps.sluice_services), services, nat);
}

Result<std::vector<Stat>> Filter::statistics(const std::string& interface) const {
  const auto found = state_->attached.find(interface);
  if (found == state_->attached.end())
    return fail(Errc::kNotFound, "interface " + interface, "the XDP filter is not attached");
  const int map = bpf_map__fd(found->second.object->maps.sluice_stats);
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return system_failure("sluice_stats", "cannot count the CPUs", -cpus);
  std::vector<sluice_xdp_count> per_cpu(static_cast<std::size_t>(cpus));
  std::vector<Stat> stats;
  for (std::uint32_t i = 0; i < kStatNames.size(); ++i) {
    if (bpf_map_lookup_elem(map, &i, per_cpu.data()) != 0)
      return system_failure("sluice_stats", "cannot read the map", errno);
    Stat& sum = stats.emplace_back(Stat{kStatNames[i]});
    for (const auto& one : per_cpu) {
      sum.packets += one.packets;
      sum.bytes += one.bytes;
    }
  }
  return stats;
}

Result<void> Filter::close() {
  state_->attached.clear();
  for (const auto& path : state_->interface_directories())
    if (auto removed = state_->remove_interface(path); !removed) return removed;
  for (const bpf_map* map : maps_of_node(state_->maps.get()))
    if (auto removed = remove_pin(map_pin(state_->directory, map)); !removed) return removed;
  remove_directory(state_->directory);
  if (entries(state_->root).empty()) remove_directory(state_->root);
  return {};
}

}  // namespace sluice::xdp
