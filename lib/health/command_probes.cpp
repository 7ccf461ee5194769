// SPDX-License-Identifier: Apache-2.0
#include "health/command_probes.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

namespace sluice::health {
namespace {

constexpr std::size_t kReadAtOnce = 16384;
constexpr std::size_t kKept = kLongestDetail;  // of the output

/// What posix_spawn() is to do between fork and exec.
class SpawnSettings {
 public:
  explicit SpawnSettings(int output) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, output, 1);
    ::posix_spawn_file_actions_adddup2(&files, output, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> made;
  for (auto& s : strings) made.push_back(s.data());
  made.push_back(nullptr);
  return made;
}

Finding judge(const siginfo_t& end, std::string_view output) {
  const std::string said = clean(output, kKept);
  if (end.si_code != CLD_EXITED)
    return {Fault::kCommand, fmt::format("ended by signal {}: {}", end.si_status, said)};
  if (end.si_status == 0) return {Fault::kNone, said.empty() ? "exit status 0" : said};
  return {Fault::kCommand, fmt::format("exit status {}: {}", end.si_status, said)};
}

}  // namespace

/// One target's program, and at most one process of it.
class CommandProbes::Run final : public Probe {
 public:
  Run(CommandProbes& probes, const Target& target, Answered answered)
      : probes_(probes),
        arguments_(target.check.command),
        environment_{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "SLUICE_POOL=" + target.pool, "SLUICE_BACKEND=" + target.backend,
                     "SLUICE_ADDRESS=" + target.address.text(),
                     fmt::format("SLUICE_PORT={}", target.port)},
        answered_(std::move(answered)) {}
  ~Run() override { give_up(); }

  void ask() override {
    if (const auto failure = start()) answered_({Fault::kLocal, *failure});
  }

  void give_up() noexcept override {
    if (process_ == 0) return;
    kill_group();
    const pid_t process = std::exchange(process_, 0);
    --probes_.running_;
    close();
    probes_.bury(process, std::move(exit_));
  }

 private:
  std::optional<std::string> start() {
    probes_.reap();
    if (arguments_.empty()) return "no program to run";
    if (probes_.processes() >= kMostAtOnce)
      return fmt::format("{} programs run already", probes_.processes());
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed_by(errno, "make a pipe").detail;
    UniqueFd output(ends[0]);
    const UniqueFd theirs(ends[1]);
    ::fcntl(output.get(), F_SETFL, O_NONBLOCK);  // ours alone: theirs is another open file
    auto arguments = pointers(arguments_);
    auto environment = pointers(environment_);
    const SpawnSettings settings(theirs.get());
    pid_t process = 0;
    const int error = ::posix_spawn(&process, arguments[0], &settings.files, &settings.attributes,
                                    arguments.data(), environment.data());
    if (error != 0) return failed_by(error, "start " + arguments_[0]).detail;
    process_ = process;
    ++probes_.running_;
    // glibc 2.36 declares pidfd_open() without C linkage.
    exit_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    output_ = std::move(output);
    said_.clear();
    const bool watched = exit_ && probes_.loop_.add(exit_.get(), EPOLLIN, [this](std::uint32_t) {
      ended();
    }) && probes_.loop_.add(output_.get(), EPOLLIN, [this](std::uint32_t) { read(); });
    if (watched) return std::nullopt;
    give_up();
    return "cannot wait for the program";
  }

  // All of it is read, so that a talkative program is not held up; little of it is kept.
  void read() {
    std::array<char, kReadAtOnce> part;
    const ssize_t n = ::read(output_.get(), part.data(), part.size());
    if (n > 0)
      said_.append(part.data(), std::min(static_cast<std::size_t>(n), kKept - said_.size()));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      probes_.loop_.remove(output_.get());
      output_.reset();
    }
  }

  void ended() {
    if (output_) read();  // what it said last
    kill_group();         // before it is reaped: until then the number is its own
    siginfo_t end{};
    const int reaped = ::waitid(P_PIDFD, static_cast<id_t>(exit_.get()), &end, WEXITED);
    const int error = errno;
    process_ = 0;
    --probes_.running_;
    close();
    exit_.reset();
    answered_(reaped == 0 ? judge(end, said_)
                          : Finding{Fault::kLocal, failed_by(error, "wait").detail});
  }

  void kill_group() const noexcept { ::kill(-process_, SIGKILL); }

  void close() noexcept {
    if (exit_) probes_.loop_.remove(exit_.get());
    if (output_) probes_.loop_.remove(output_.get());
    output_.reset();
  }

  CommandProbes& probes_;
  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  Answered answered_;
  pid_t process_ = 0;
  UniqueFd exit_;    // readable when it has ended
  UniqueFd output_;  // its standard output and error
  std::string said_;
};

CommandProbes::~CommandProbes() {
  for (const auto& [process, exit] : dying_) {
    if (exit) loop_.remove(exit.get());
    ::waitpid(process, nullptr, WNOHANG);
  }
}

std::unique_ptr<Probe> CommandProbes::make(const Target& target, Probe::Answered answered) {
  return std::make_unique<Run>(*this, target, std::move(answered));
}

void CommandProbes::bury(pid_t process, UniqueFd exit) {
  const int fd = exit.get();
  const auto watched = loop_.add(fd, EPOLLIN, [this, process, fd](std::uint32_t) {
    loop_.remove(fd);
    ::waitid(P_PIDFD, static_cast<id_t>(fd), nullptr, WEXITED | WNOHANG);
    dying_.erase(process);
  });
  if (!watched) exit.reset();  // reaped by number, when the next one starts
  dying_.emplace(process, std::move(exit));
}

void CommandProbes::reap() {
  std::erase_if(dying_, [](const auto& each) {
    return !each.second && ::waitpid(each.first, nullptr, WNOHANG) != 0;
  });
}

}  // namespace sluice::health
