// SPDX-License-Identifier: Apache-2.0
#include "client/follow.hpp"

#include "client/answer.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <deque>
#include <utility>

namespace sluice::client {
namespace {

using std::chrono::milliseconds;

constexpr int kWaitSeconds = 30;       // what the API allows
constexpr milliseconds kAtOnce{1000};  // an empty answer to a long poll does not come sooner
constexpr long kServerErrors = 500;

// Which daemon made the socket: a new one makes a new socket, and numbers its events from the
// start.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

std::optional<Identity> identity_of(const std::string& socket) {
  struct stat about {};
  if (::stat(socket.c_str(), &about) != 0) return std::nullopt;
  return Identity{about.st_dev, about.st_ino, about.st_mtim.tv_sec, about.st_mtim.tv_nsec};
}

class Follower {
 public:
  Follower(Http& http, Output& output, const Following& how)
      : http_(http),
        output_(output),
        how_(how),
        next_(how.since.value_or(0)),
        pause_(how.first_pause),
        catching_up_(!how.since) {}

  Result<void> run() {
    while (!stopped()) {
      const auto done = poll_once();
      if (done) continue;
      if (!met_ || !may_pass_) return done;
      if (!away_) output_.complain(done.error().text() + "; trying again");
      away_ = true;
      rest(pause_);
      pause_ = std::min(pause_ * 2, how_.longest_pause);
    }
    return {};
  }

 private:
  // One request and its events. On an error may_pass_ says whether trying again makes sense.
  Result<void> poll_once() {
    may_pass_ = true;
    const auto identity = identity_of(http_.socket());
    if (met_ && identity && identity != identity_) {
      start_anew();
      identity_ = identity;
    }
    const bool waits = met_ && !away_ && !fresh_ && !catching_up_;
    const auto asked = std::chrono::steady_clock::now();
    Request request{fmt::format("/api/v1/events?since={}", next_), std::nullopt};
    if (waits) request.target += fmt::format("&wait={}", kWaitSeconds);
    const std::array watched{how_.interrupt, output_.descriptor()};
    const auto answer = http_.send_until(request, watched, [this] { return stopped(); });
    if (!answer) return forward_error(answer);
    if (!*answer) return {};  // stopped
    const bool ok = (*answer)->status >= 200 && (*answer)->status < 300;
    may_pass_ = (*answer)->status >= kServerErrors;
    if (!ok) return tl::unexpected(refusal(**answer));
    const auto body = parse_answer((*answer)->body);
    if (!body) return forward_error(body);
    if (away_) output_.complain("the daemon answers again");
    if (identity) identity_ = identity;
    away_ = fresh_ = false;
    pause_ = how_.first_pause;
    const auto printed = take(View(*body), *body);
    if (!printed) return forward_error(printed);
    const auto took = std::chrono::steady_clock::now() - asked;
    if (waits && *printed == 0 && took < kAtOnce)
      rest(how_.first_pause);  // it does not wait itself
    return {};
  }

  // Prints the events of an answer; while catching up it only keeps the last ones until there are
  // no more. @return how many events the answer had.
  Result<std::size_t> take(const View& answer, const nlohmann::json& body) {
    const auto events = list_of(answer, "events");
    if (!events) return forward_error(events);
    const auto next = answer["next"].whole();
    if (!next || (!events->empty() && *next == next_))
      return fail(Errc::kIo, "", "the daemon's events do not go on: after {} comes {}", next_,
                  answer["next"].text(40));
    const bool first = !std::exchange(met_, true);
    if (!first && *next < next_) {  // it counts from the start again
      start_anew();
      if (events->empty()) return 0;
    }
    if (const auto n = answer["lost"].whole(); n && *n != 0 && !catching_up_)
      output_.complain(plural(*n, "event") + " before these are no longer held");
    for (std::size_t i = 0; i < events->size(); ++i) {
      backlog_.push_back(how_.json ? body["events"][i].dump(-1, ' ', /*ensure_ascii=*/true) + "\n"
                                   : show_event((*events)[i], Look{how_.colour, {}}));
      if (catching_up_ && backlog_.size() > kBacklog) backlog_.pop_front();
    }
    if (events->empty()) catching_up_ = false;
    if (!catching_up_) {
      for (const auto& line : backlog_) output_.print(line);
      backlog_.clear();
    }
    next_ = *next;
    return events->size();
  }

  void start_anew() {
    output_.complain("the daemon was restarted; its events start anew");
    next_ = 0;
    fresh_ = true;
  }

  [[nodiscard]] bool stopped() const {
    pollfd asked{how_.interrupt, POLLIN, 0};  // a negative descriptor is never ready
    return ::poll(&asked, 1, 0) == 1 || output_.failure() != 0 || output_.reader_gone();
  }

  // Waits, but not longer than until the user or the reader has enough.
  void rest(milliseconds how_long) const {
    std::array<pollfd, 2> ends{{{how_.interrupt, POLLIN, 0}, {output_.descriptor(), 0, 0}}};
    ::poll(ends.data(), ends.size(), static_cast<int>(how_long.count()));
  }

  Http& http_;
  Output& output_;
  const Following& how_;
  std::uint64_t next_;  // number of the first event not yet printed
  milliseconds pause_;
  bool met_ = false;    // the daemon has answered before
  bool away_ = false;   // the last request failed
  bool fresh_ = false;  // ask at once what a new daemon has, then wait
  bool may_pass_ = true;
  bool catching_up_;  // reading what was before, answer by answer, to print the end of it
  std::deque<std::string> backlog_;  // lines not yet printed
  std::optional<Identity> identity_;
};

}  // namespace

Result<void> follow_events(Http& http, Output& output, const Following& how) {
  return Follower(http, output, how).run();
}

}  // namespace sluice::client
