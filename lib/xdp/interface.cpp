// SPDX-License-Identifier: Apache-2.0
#include "xdp/interface.hpp"

#include "base/log.hpp"
#include "xdp/pins.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace sluice::xdp {
namespace {

std::string place(const std::string& interface) { return "interface " + interface; }

// The id of the BPF link that holds the program, 0 when it was attached without one.
std::uint32_t link_of_program(std::uint32_t program) {
  std::uint32_t id = 0;
  while (bpf_link_get_next_id(id, &id) == 0) {
    const UniqueFd link(bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    std::uint32_t length = sizeof info;
    if (link && bpf_obj_get_info_by_fd(link.get(), &info, &length) == 0 &&
        info.type == BPF_LINK_TYPE_XDP && info.prog_id == program)
      return id;
  }
  return 0;
}

tl::unexpected<Error> refuse_foreign(const std::string& interface, const Carried& carried) {
  const std::string word = carried.mode == Mode::kGeneric ? "xdpgeneric" : "xdp";
  const std::uint32_t link = link_of_program(carried.program);
  const std::string remedy =
      link != 0 ? fmt::format("`bpftool link detach id {}`", link)
                : fmt::format("`ip link set dev {0} {1} off` or `bpftool net detach {1} dev {0}`",
                              interface, word);
  return fail(Errc::kConflict, place(interface),
              "carries XDP program '{}' (id {}); detach it with {}", program_name(carried.program),
              carried.program, remedy);
}

// The pinned link, if the program that the interface carries is there by it. Any other is dead: the
// interface is gone, was made anew, or is one of another network namespace.
std::optional<UniqueFd> live_link(const std::string& pin, unsigned index, const Carried& carried) {
  Pin found = open_pin(pin);
  if (found.kind != Pinned::kLink || carried.program == 0) return std::nullopt;
  bpf_link_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(found.fd.get(), &info, &length) != 0 ||
      info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != index ||
      info.prog_id != carried.program)
    return std::nullopt;
  return std::move(found.fd);
}

Result<UniqueFd> new_link(const std::string& interface, unsigned index, int program, Mode mode) {
  bpf_link_create_opts options{};  // libbpf's macro for this is no ISO C++
  options.sz = sizeof options;
  options.flags = mode == Mode::kNative ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  UniqueFd link(bpf_link_create(program, static_cast<int>(index), BPF_XDP, &options));
  if (link) return link;
  const int error = errno;
  if (error == EBUSY || error == EEXIST) {  // somebody was quicker than our look
    const auto carried = carried_program(interface, index);
    if (carried && carried->program != 0) return refuse_foreign(interface, *carried);
  }
  if (error == ENODEV) return fail(Errc::kNotFound, place(interface), "no such interface");
  if (error == EPERM || error == EACCES || error == ENOMEM)
    return system_failure(place(interface), "cannot attach the XDP program", error);
  return fail(Errc::kUnsupported, place(interface), "{} XDP refused: {}", name(mode),
              std::strerror(error));
}

Result<OpenLink> attach_new(const std::string& interface, unsigned index, int program, Mode mode) {
  OpenLink open;
  auto link = new_link(interface, index, program, mode == Mode::kGeneric ? mode : Mode::kNative);
  open.report.mode = mode == Mode::kGeneric ? mode : Mode::kNative;
  if (!link && mode == Mode::kAuto && link.error().code == Errc::kUnsupported) {
    open.report.mode = Mode::kGeneric;
    open.report.note = link.error().message + "; generic mode costs one copy a packet";
    link = new_link(interface, index, program, Mode::kGeneric);
  }
  if (!link) return forward_error(link);
  open.fd = std::move(*link);
  return open;
}

}  // namespace

Result<Carried> carried_program(const std::string& interface, unsigned index) {
  bpf_xdp_query_opts query{};
  query.sz = sizeof query;
  const int error = bpf_xdp_query(static_cast<int>(index), 0, &query);
  if (error == -ENODEV) return fail(Errc::kNotFound, place(interface), "no such interface");
  if (error != 0) return system_failure(place(interface), "cannot ask for its XDP program", -error);
  switch (query.attach_mode) {
    case XDP_ATTACHED_DRV:
      return Carried{query.drv_prog_id, Mode::kNative};
    case XDP_ATTACHED_SKB:
      return Carried{query.skb_prog_id, Mode::kGeneric};
    case XDP_ATTACHED_HW:
      return Carried{query.hw_prog_id, Mode::kAuto};
    case XDP_ATTACHED_MULTI:
      return Carried{query.drv_prog_id != 0   ? query.drv_prog_id
                     : query.skb_prog_id != 0 ? query.skb_prog_id
                                              : query.hw_prog_id,
                     Mode::kAuto};
    default:
      return Carried{};
  }
}

std::string program_name(std::uint32_t id) {
  const UniqueFd program(bpf_prog_get_fd_by_id(id));
  if (!program) return "unknown";
  bpf_func_info function{};
  bpf_prog_info info{};
  info.func_info = reinterpret_cast<std::uintptr_t>(&function);
  info.func_info_rec_size = sizeof function;
  info.nr_func_info = 1;
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return "unknown";
  if (info.btf_id != 0 && info.nr_func_info != 0) {
    const std::unique_ptr<btf, decltype(&btf__free)> types(btf__load_from_kernel_by_id(info.btf_id),
                                                           &btf__free);
    const btf_type* type =
        types == nullptr ? nullptr : btf__type_by_id(types.get(), function.type_id);
    const char* full = type == nullptr ? nullptr : btf__name_by_offset(types.get(), type->name_off);
    // Trusted only as the longer form of the kernel's own word.
    if (full != nullptr && std::string_view(full).starts_with(info.name)) return full;
  }
  return info.name[0] != '\0' ? info.name : "without a name";
}

Result<OpenLink> attach_program(const std::string& interface, int program, Mode mode,
                                const std::string& pin) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) return fail(Errc::kNotFound, place(interface), "no such interface");
  const auto carried = carried_program(interface, index);
  if (!carried) return forward_error(carried);

  if (auto link = live_link(pin, index, *carried)) {
    if (mode == Mode::kAuto || mode == carried->mode) {
      if (bpf_link_update(link->get(), program, nullptr) != 0)
        return system_failure(place(interface), "cannot replace the XDP program", errno);
      OpenLink open{std::move(*link), {carried->mode, true, {}}};
      if (mode == Mode::kAuto && carried->mode == Mode::kGeneric)
        open.report.note = "kept the generic mode of the program found";
      return open;
    }
    log("xdp")->info("detach interface={} reason=\"was in {} mode, {} is wanted\"", interface,
                     name(carried->mode), name(mode));
    if (auto detached = detach_pinned(pin); !detached) return forward_error(detached);
  } else {
    if (carried->program != 0) return refuse_foreign(interface, *carried);
    if (auto removed = remove_pin(pin); !removed) return forward_error(removed);
  }

  auto open = attach_new(interface, index, program, mode);
  if (!open) return open;
  if (bpf_obj_pin(open->fd.get(), pin.c_str()) != 0)
    return system_failure(pin, "cannot pin the link", errno);
  return open;
}

Result<void> detach_pinned(const std::string& pin) {
  const Pin found = open_pin(pin);
  // ENOLINK: the interface has gone, and its program with it.
  if (found.kind == Pinned::kLink && bpf_link_detach(found.fd.get()) != 0 && errno != ENOLINK)
    return system_failure(pin, "cannot detach the XDP program", errno);
  return remove_pin(pin);
}

}  // namespace sluice::xdp
