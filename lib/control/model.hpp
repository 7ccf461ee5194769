// SPDX-License-Identifier: Apache-2.0
// The model: what the slow path believes, and the one way to change it. A change is tried on a copy
// whole; then it is the new truth and a new snapshot, or nothing has happened.
//
// Threads: slow path.
#pragma once

#include "config/configuration.hpp"
#include "control/describe.hpp"
#include "control/durations.hpp"
#include "control/operator_state.hpp"
#include "control/slow_start.hpp"
#include "snapshot/publisher.hpp"
#include "snapshot/snapshot.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::control {

/// What a change led to.
struct Published {
  std::uint64_t generation = 0;  ///< In force now.
  bool changed = false;          ///< A new snapshot was published.
  bool loaded = false;           ///< Another configuration took the place of the one before.
  snapshot::Movement movement;
  std::vector<snapshot::PoolMovement> pools;  ///< Those of which anything moved.
};

class Model {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  /// Puts the loads that backends report into what describe() made of that configuration.
  using LoadOf = std::function<void(const config::Configuration& running, snapshot::Input& input)>;
  /// How the kernel reaches addresses now.
  using Resolve = std::function<Reaches(std::span<const IpAddress>)>;

  /// Builds the first snapshot. @param now  clock by which numbers rest.
  /// @return the error of build() or of take_numbers(); kInvalid when the operator's changes and
  ///   the file contradict each other.
  [[nodiscard]] static Result<std::unique_ptr<Model>> create(config::Configuration file,
                                                             OperatorState operator_state,
                                                             std::vector<EgressPort> ports,
                                                             Now now);

  /// Hands the first snapshot over to be published; call it once, before any change.
  [[nodiscard]] std::unique_ptr<const snapshot::Snapshot> take_first();
  /// From here on changes are published there.
  void publish_to(snapshot::Publisher& publisher) { publisher_ = &publisher; }
  /// From here on called after each snapshot that is published.
  void on_published(std::function<void()> callback) { on_published_ = std::move(callback); }
  /// From what is known to the snapshot in force; only of changes.
  [[nodiscard]] const Durations& build_times() const noexcept { return build_times_; }
  /// From here on a change asks there for next hops before it publishes, so that no snapshot has a
  /// backend without the hop that the kernel knows.
  void resolve_by(Resolve resolve) { resolve_ = std::move(resolve); }

  /// Another file takes the place of the one before; the operator's changes stay, but for those
  /// that no longer apply.
  [[nodiscard]] Result<Published> replace_file(config::Configuration file);
  /// The same without the operator's changes: what the file says is what runs.
  [[nodiscard]] Result<Published> apply_only(config::Configuration file);

  /// What apply_only() would lead to, found out without doing it: `generation` is what it would be.
  /// Cost: as of the change itself. @return its errors.
  [[nodiscard]] Result<Published> foresee(config::Configuration file) const;

  // The operator's changes. `where` of an error names the pool or backend.
  [[nodiscard]] Result<Published> add_backend(const std::string& pool, config::Backend backend);
  [[nodiscard]] Result<Published> remove_backend(const std::string& pool, const std::string& name);
  [[nodiscard]] Result<Published> set_wish(const std::string& pool, const std::string& name,
                                           health::Wish wish);
  [[nodiscard]] Result<Published> set_weight(const std::string& pool, const std::string& name,
                                             std::uint32_t weight);

  /// Entries of tables that follow_health() and set_kernel_reaches() build at most in one call, or
  /// one table of whatever size: what a turn of the slow path may take.
  static constexpr std::size_t kEntriesAtOnce = 4 * std::size_t{maglev::kDefaultSize};

  /// What the kernel says of next hops; `neighbours` of the configuration come before it. Nothing
  /// moves. Cost: linear in the backends; tables are kept, unless follow_health() is due.
  [[nodiscard]] Result<Published> set_kernel_reaches(Reaches reaches);
  /// From here on each snapshot asks there what is to be done with a backend by its health.
  void use_by(UseOf use) { use_ = std::move(use); }
  /// The answers of use_by() or load_by() have changed. What moved is not found out. Each pool
  /// takes its change whole, but not all of them need do so in this call: see behind(). Cost:
  /// linear in the backends, and kEntriesAtOnce entries.
  [[nodiscard]] Result<Published> follow_health();
  /// Some pools' tables are older than the answers of use_by(): follow_health() goes on with them.
  [[nodiscard]] bool behind() const noexcept { return next_pool_.has_value(); }
  /// From here on each snapshot asks there for the loads of its backends.
  void load_by(LoadOf load) { load_ = std::move(load); }
  /// What the data path does with a backend now, by its health and the operator's wish.
  [[nodiscard]] Use use(const config::Pool& pool, const config::Backend& backend) const;
  /// A backend in slow start has come to its next step: follow_health() publishes it.
  [[nodiscard]] bool slow_start_is_due() const;
  /// Addresses that only the kernel can say how to reach, sorted.
  [[nodiscard]] std::vector<IpAddress> addresses_to_resolve() const;

  [[nodiscard]] const config::Configuration& file() const noexcept { return truth_.file; }
  /// The file and the operator's changes together.
  [[nodiscard]] const config::Configuration& running() const noexcept { return truth_.running; }
  [[nodiscard]] const OperatorState& operator_state() const noexcept {
    return truth_.operator_state;
  }
  [[nodiscard]] const Reaches& reaches() const noexcept { return truth_.reaches; }
  [[nodiscard]] const Reach& reach(const IpAddress& address) const;
  [[nodiscard]] const std::vector<EgressPort>& ports() const noexcept { return ports_; }
  [[nodiscard]] const snapshot::Snapshot& snapshot() const noexcept;
  [[nodiscard]] std::uint16_t number(const config::Pool& pool,
                                     const config::Backend& backend) const;
  /// Of a backend that runs. @pre it does.
  [[nodiscard]] std::uint16_t number(const std::string& pool, const std::string& backend) const;
  [[nodiscard]] std::uint16_t number(const config::Service& service) const;

 private:
  struct Truth {
    config::Configuration file;
    OperatorState operator_state;
    config::Configuration running;
    Reaches configured_reaches;
    Reaches reaches;  ///< Configured before the kernel's.
  };

  enum class Extent : std::uint8_t {
    kWhole,  ///< All at once, and find out what moves.
    kSome,   ///< No more tables than a turn may build.
  };

  Model(std::vector<EgressPort> ports, NumberSpace numbers, Now now)
      : ports_(std::move(ports)), numbers_(std::move(numbers)), now_(std::move(now)) {}
  void derive(Truth& truth) const;
  [[nodiscard]] Result<Published> commit(Truth candidate);
  [[nodiscard]] Result<Published> publish(const config::Configuration& running,
                                          const OperatorState& operator_state,
                                          const NumberSpace& numbers, const Reaches& reaches,
                                          Extent extent);
  [[nodiscard]] Result<Published> change_pool(
      const std::string& pool,
      const std::function<Result<void>(const config::Pool& running, PoolChanges&)>& change);

  std::vector<EgressPort> ports_;
  NumberSpace numbers_;
  Now now_;
  Resolve resolve_;
  UseOf use_;
  LoadOf load_;
  std::function<void()> on_published_;
  Reaches kernel_reaches_;
  Truth truth_;
  SlowStart slow_start_;
  Durations build_times_;
  std::optional<std::size_t> next_pool_;  ///< Whose table is the next to come.
  std::unique_ptr<const snapshot::Snapshot> first_;
  snapshot::Publisher* publisher_ = nullptr;
};

}  // namespace sluice::control
