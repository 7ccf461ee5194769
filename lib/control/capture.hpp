// SPDX-License-Identifier: Apache-2.0
// A capture from its start to its end: has the workers copy packets, keeps what they copied until a
// client has it, and ends by itself when nobody asks any more.
//
// Threads: slow path; the workers write into its taps.
#pragma once

#include "control/event_log.hpp"
#include "control/model.hpp"
#include "control/views.hpp"
#include "dataplane/capture_tap.hpp"
#include "snapshot/publisher.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// What a client asks for.
struct CaptureOrder {
  std::string service;                 ///< Empty: any, and none.
  std::string backend;                 ///< "POOL/NAME"; empty: any, and none.
  std::vector<Verdict> verdicts;       ///< Empty: all.
  std::uint32_t sample = 1;            ///< Every so many packets of a worker.
  std::uint16_t snap = 256;            ///< Bytes of each packet.
  std::optional<std::uint64_t> count;  ///< Ends after so many packets.
};

/// The body of a request for a capture: {"service", "backend", "verdicts", "sample", "snap",
/// "count"}, each of which may be absent. @return kInvalid.
[[nodiscard]] Result<CaptureOrder> parse_capture(std::string_view body);

class Capture {
 public:
  using Clock = std::chrono::steady_clock;
  struct Parts {
    const Model& model;
    /// How many workers there are.
    std::function<std::size_t()> workers;
    /// Has a worker copy packets there from its next burst on; null: no more.
    std::function<void(std::size_t worker, dataplane::CaptureTap*)> attach;
    snapshot::Publisher& publisher;
    EventLog& events;
    std::function<Clock::time_point()> now;
    std::function<void()> started;  ///< From here on step() is to be called every kStep.
  };

  static constexpr std::chrono::milliseconds kStep{10};
  static constexpr std::chrono::seconds kPatience{10};  ///< With a client that does not ask.
  static constexpr std::size_t kMostBytes = 8U << 20U;  ///< Of packets that wait for the client.
  static constexpr std::size_t kMostInAnswer = 512;     ///< Packets.
  static constexpr std::size_t kMostBytesInAnswer = 1U << 20U;  ///< And one packet more.

  explicit Capture(Parts parts) : parts_(std::move(parts)) {}
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// @return {"id", "workers", "slots"}; kNotFound (service or backend), kConflict (one runs).
  [[nodiscard]] Result<Json> start(const CaptureOrder& order, std::string_view who);
  /// What has been captured from packet number `from` on; those before it are forgotten.
  /// @return {"id", "running", "packets", "next", "lost"}; kNotFound: no such capture (any more).
  [[nodiscard]] Result<Json> poll(std::uint64_t id, std::uint64_t from);
  /// Ends it; what has been captured can still be asked for. @return as poll(), without packets.
  [[nodiscard]] Result<Json> stop(std::uint64_t id);
  /// Takes what the workers copied, before their rings are full.
  /// @return false: nothing is left to do until the next start().
  bool step();

 private:
  struct Copy {
    std::vector<std::byte> bytes;
    std::uint32_t length = 0;  ///< Of the packet.
  };
  struct Held {
    std::uint64_t number;
    std::int64_t at_ns;  ///< Since the epoch.
    std::size_t worker;
    Verdict verdict;
    std::uint16_t port;
    std::string service, backend;  ///< Empty: none.
    Copy before, after;
    [[nodiscard]] std::size_t size() const noexcept {
      return sizeof(Held) + before.bytes.size() + after.bytes.size();
    }
  };

  [[nodiscard]] Result<dataplane::CaptureFilter> filter_of(const CaptureOrder& order) const;
  [[nodiscard]] Json describe(const Held& held) const;
  [[nodiscard]] static Json describe(const Copy& copy);
  [[nodiscard]] Held hold(const dataplane::Captured& packet, std::size_t worker);
  void learn_names();
  [[nodiscard]] std::int64_t nanoseconds_of(std::uint64_t cycles) const;
  [[nodiscard]] std::uint64_t lost() const;
  [[nodiscard]] Json report() const;
  [[nodiscard]] Result<void> check(std::uint64_t id) const;
  void collect();
  void end();     ///< The workers copy no more.
  void forget();  ///< Nothing is left of it.

  Parts parts_;
  std::uint64_t id_ = 0;
  bool running_ = false;                                      ///< Packets are copied.
  bool there_ = false;                                        ///< It can be asked for.
  std::vector<std::shared_ptr<dataplane::CaptureTap>> taps_;  ///< By worker.
  std::uint64_t left_ = 0;                                    ///< Packets until it ends.
  std::uint64_t next_ = 0;                                    ///< Number of the next packet.
  std::deque<Held> held_;
  std::size_t held_bytes_ = 0;
  Clock::time_point asked_{};  ///< When a client last did.
  std::uint64_t first_cycles_ = 0;
  std::chrono::system_clock::time_point first_time_{};
  // Names by number, of one generation.
  std::uint64_t generation_ = ~std::uint64_t{0};
  std::vector<std::string> services_;
  std::vector<std::string> backends_;  ///< "POOL/NAME"
};

}  // namespace sluice::control
