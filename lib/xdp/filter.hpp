// SPDX-License-Identifier: Apache-2.0
// The XDP filter as its one owner sees it: pinned maps of a node, programs on its interfaces.
//
// Threads: slow path only, one thread; the kernel reads the maps meanwhile.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::xdp {

inline constexpr std::string_view kDefaultPinRoot = "/sys/fs/bpf/sluice";

/// What a service takes of the packets that are for it. What it does not take, the filter refuses
/// at once: a TCP segment with a valid RST, a UDP datagram with ICMP port unreachable (at most 1000
/// a second), unless `silent`. Fragments, echo and ICMP errors are never refused.
enum class Takes : std::uint8_t {
  kAll,
  kOldFlows,  ///< A TCP segment that begins a connection is refused; UDP, which has none, is not.
  kNothing,
};

/// What one service owns of the traffic.
struct ServiceEntry {
  IpAddress address;
  std::uint16_t port = 0;     ///< Host order; 0: every port.
  std::uint8_t protocol = 0;  ///< 6 (TCP) or 17 (UDP).
  std::uint32_t number = 0;   ///< The snapshot's number of the service; for readers of the map.
  Takes takes = Takes::kAll;
  bool silent = false;  ///< What it does not take is dropped without an answer.
};

/// An address whose ports NAT lends to the flows of services: all that comes to it is the workers',
/// and so is every ICMP error about what left from it.
struct NatEntry {
  IpAddress address;
  std::uint8_t protocol = 0;  ///< 6 (TCP) or 17 (UDP).
};

/// Where and how upstream probes are answered in the driver, see Filter::set_answers().
struct AnswerSettings {
  std::vector<IpAddress> addresses = {};  ///< At most 4096; none: no probe is answered.
  bool icmp_echo = false;
  std::uint16_t udp_port = 0;  ///< A datagram to it is sent back; 0: none.
  std::uint16_t tcp_port = 0;  ///< A SYN to it is acknowledged; 0: none.
  /// Every worker's heartbeat must be younger. 0: no probe is answered, whatever the heartbeats
  /// say.
  std::chrono::nanoseconds max_age{0};
  unsigned workers = 0;         ///< So many must have a heartbeat, at most kMostHeartbeats.
  bool stale_to_linux = false;  ///< Probes that get no answer go to Linux; else they are dropped.
};

/// How fast one source may open connections to services, all of them together.
struct SynLimit {
  std::uint32_t per_second = 0;  ///< 0: no limit.
  std::uint32_t burst = 0;  ///< SYNs that a rested source may send at once; 0: a second's worth.
  unsigned prefix4 = 32;    ///< Bits of an IPv4 address that make a source; 0 to 32.
  unsigned prefix6 = 64;    ///< Likewise of IPv6; 0 to 128.
};

inline constexpr std::size_t kMostDenied = 100000;

/// A host whose packets are watched where they pass.
struct BackendEntry {
  std::uint32_t number = 0;  ///< Any; names the backend in what is told of it.
  IpAddress address;
  /// Tells the backend that answers clients as the VIP (direct server return). One that several
  /// backends have tells none.
  std::optional<MacAddress> mac = std::nullopt;
};

/// When a watched backend is worth an event.
struct WatchSettings {
  /// Its first answer after so long is one; 0: only its first after something else was heard.
  std::chrono::nanoseconds silence = std::chrono::seconds(1);
  /// Between two events of one kind about one backend, at least: bounds what a flood can raise.
  std::chrono::nanoseconds event_gap = std::chrono::milliseconds(50);
};

/// What the driver saw of a backend since it is watched, on all interfaces. Times are
/// CLOCK_MONOTONIC since its start; 0: never.
struct BackendStatistics {
  std::uint32_t number = 0;
  std::uint64_t syn_acks = 0;
  std::uint64_t resets = 0;        ///< RST, refusals among them.
  std::uint64_t refusals = 0;      ///< RST that answers a SYN.
  std::uint64_t unreachables = 0;  ///< ICMP unreachable about it, or from it.
  std::uint64_t answers = 0;  ///< SYN-ACK, echo reply or UDP to an address that is no service's.
  std::chrono::nanoseconds heard{0};     ///< Last SYN-ACK or answer.
  std::chrono::nanoseconds answered{0};  ///< Last answer.
};

/// A change that the driver saw.
struct BackendEvent {
  enum class Kind : std::uint8_t {
    kAnswers,      ///< SYN-ACK or answer, after silence or after one of the others.
    kRefuses,      ///< RST that answers a SYN: nobody listens there.
    kResets,       ///< Another RST, the first after SYN-ACKs.
    kUnreachable,  ///< ICMP unreachable.
  };
  std::uint32_t backend = 0;  ///< Its number.
  Kind kind = Kind::kAnswers;
  std::chrono::nanoseconds at{0};  ///< CLOCK_MONOTONIC since its start.
};
[[nodiscard]] std::string_view name(BackendEvent::Kind kind) noexcept;  ///< "answers", ...

inline constexpr unsigned kMostHeartbeats = 128;

/// A worker's sign of life, in memory that the filter reads. The worker alone writes it.
struct alignas(64) Heartbeat {
  std::uint64_t nanoseconds;  ///< CLOCK_MONOTONIC at its last turn, stored relaxed; 0: none yet.
  std::uint64_t reserved[7];
};

enum class Mode : std::uint8_t {
  kAuto,     ///< Native where the driver can, else generic.
  kNative,   ///< In the driver, before the kernel makes a packet buffer.
  kGeneric,  ///< After it: any interface, at the cost of a copy.
};
[[nodiscard]] std::string_view name(Mode mode) noexcept;  ///< "auto", "native", "generic"

struct AttachReport {
  Mode mode = Mode::kNative;  ///< What it became: native or generic.
  bool took_over = false;     ///< A predecessor's program was replaced without a gap.
  std::string note;           ///< One sentence on why not otherwise; empty when all went as asked.
};

/// One counter of one interface since its maps were made, all CPUs added up.
struct Stat {
  std::string_view name;  ///< "pass", "redirect", ...: docs/design/xdp-filter.md has all.
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  ///< From the Ethernet header on, without checksum.
};

/// Start: open(), set_services(), then for each interface attach(), let DPDK open its port(s)
/// there, promote(); at last detach_others(). Stop: close() before DPDK closes the ports. Destroyed
/// without close() it leaves everything in place, as `kill -9` does, and the next open() takes it
/// over. Why: docs/design/xdp-filter.md.
class Filter {
 public:
  /// Claims the directory `pin_root`/`node`, makes or takes over the node's maps. Mounts the BPF
  /// file system at /sys/fs/bpf where it is missing. A pinned map of another layout or shape is
  /// replaced, and a log line says so.
  ///
  /// @param node  1 to 64 of A-Z a-z 0-9 _ . - and not "." or "..".
  /// @return kInvalid (name; `pin_root` is not on a BPF file system), kConflict (another process
  /// has
  ///   the node; something that is no map stands where one belongs), kIo (not permitted: needs
  ///   root, or CAP_SYS_ADMIN and CAP_NET_ADMIN), kExhausted (memory).
  [[nodiscard]] static Result<Filter> open(const std::string& node,
                                           std::string_view pin_root = kDefaultPinRoot);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  [[nodiscard]] bool took_over() const noexcept;  ///< open() found maps of a predecessor.
  [[nodiscard]] const std::string& directory()
      const noexcept;  ///< Where the node's maps are pinned.

  /// First phase: attaches the program under the name by which libxdp, and so DPDK's af_xdp driver,
  /// finds it and its socket map. Call it again before DPDK opens a port a second time. Packets are
  /// judged from here on; those for a service go to Linux until a socket is there.
  ///
  /// @return kNotFound (no such interface), kConflict (it carries another XDP program: its name, id
  ///   and how to detach it), kUnsupported (the mode; under kAuto: both), kIo, kExhausted.
  [[nodiscard]] Result<AttachReport> attach(const std::string& interface, Mode mode);

  /// Second phase, after DPDK opened the port: swaps in `sluice_filter`, in one step and without a
  /// gap. From then on libxdp does not take the program for its own.
  /// @return kNotFound (not attached, or the interface is gone), kIo.
  [[nodiscard]] Result<void> promote(const std::string& interface);

  /// Takes the program off the interface and removes its pins. An interface that is gone, or that
  /// was never attached, is no error.
  [[nodiscard]] Result<void> detach(const std::string& interface);

  /// Detaches what a predecessor left on interfaces that attach() was not called for.
  [[nodiscard]] Result<void> detach_others();

  /// Makes the service map hold exactly `services` and `nat`, and an entry for each of their
  /// addresses. What is in both the old and the new set is there at every moment: new ones are
  /// added first, then old ones removed. Cost: two system calls per entry that stays or changes.
  /// @return kInvalid (a protocol that is neither TCP nor UDP, or one address, port and protocol
  ///   twice), kExhausted (old and new together exceed the map's 65536 entries; nothing is
  ///   changed), kIo.
  [[nodiscard]] Result<void> set_services(std::span<const ServiceEntry> services,
                                          std::span<const NatEntry> nat = {});

  /// Drops what comes from these sources and is for a service, for NAT or a probe. What is for
  /// Linux is not touched. A prefix that is in both the old and the new set is denied at every
  /// moment. Cost: up to three system calls a prefix; 100,000 new ones take about a quarter of a
  /// second.
  /// @return kExhausted (more than kMostDenied), kIo.
  [[nodiscard]] Result<void> set_deny(std::span<const IpPrefix> prefixes);

  /// Drops SYNs for services beyond a rate, for each source prefix. Bursts and rate are exact, for
  /// a source that shares its slot with a busy one half of the burst: docs/design/xdp-filter.md.
  /// @return kInvalid (a prefix length), kIo.
  [[nodiscard]] Result<void> set_syn_limit(const SynLimit& limit);

  /// Has probes answered: ICMP echo, UDP echo, and TCP SYN with SYN-ACK (later segments of such a
  /// connection with RST), at the given addresses and nowhere else, before all that is known of
  /// services there. A packet with IP options or extension headers is no probe. While a heartbeat
  /// is too old probes are dropped: whoever asks sees the node gone.
  /// @return kInvalid (workers), kExhausted (addresses, old and new together), kIo.
  [[nodiscard]] Result<void> set_answers(const AnswerSettings& answers);

  /// One heartbeat a worker. Its number is its index. The memory stays until the end of
  /// this object: workers stop before.
  [[nodiscard]] std::span<Heartbeat> heartbeats() const noexcept;

  /// Watches these backends and no others. Who stays keeps counters and times.
  /// @return kInvalid (one address or number twice), kExhausted (131072 addresses and MAC
  /// addresses,
  ///   old and new together), kIo.
  [[nodiscard]] Result<void> set_backends(std::span<const BackendEntry> backends,
                                          const WatchSettings& watch = {});

  /// Of every watched backend, by number. Cost: two system calls a backend. @return kIo.
  [[nodiscard]] Result<std::vector<BackendStatistics>> backend_statistics() const;
  /// Of one; kNotFound when it is not watched.
  [[nodiscard]] Result<BackendStatistics> backend_statistics(std::uint32_t number) const;

  /// Readable (EPOLLIN) while poll_events() has something to return.
  [[nodiscard]] int events_fd() const noexcept;
  /// Events since the last call, in the order in which they happened on each CPU.
  /// @param most  so many at once; the others stay for the next call.
  [[nodiscard]] std::vector<BackendEvent> poll_events(std::size_t most = SIZE_MAX);
  /// Events that found no room, since the node's maps were made: look at the statistics then.
  [[nodiscard]] Result<std::uint64_t> events_lost() const;

  /// Counters of an attached interface; their sum is the number of packets it received. Survives a
  /// takeover. @return kNotFound (not attached), kIo.
  [[nodiscard]] Result<std::vector<Stat>> statistics(const std::string& interface) const;

  /// Clean stop: detaches everything, removes the pins and the directory. What others put there
  /// stays, and a log line names it.
  [[nodiscard]] Result<void> close();

 private:
  struct State;
  explicit Filter(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::xdp
