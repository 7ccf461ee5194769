// SPDX-License-Identifier: Apache-2.0
#include "client/top.hpp"

#include "client/answer.hpp"
#include "client/terminal.hpp"
#include "client/top_model.hpp"

#include <poll.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace sluice::client {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kLongestPause = 60;  // seconds

Result<nlohmann::json> ask(Http& http, std::string_view path) {
  const auto answer = http.send({"/api/v1/" + std::string(path), std::nullopt});
  if (!answer) return forward_error(answer);
  if (answer->status != 200) return tl::unexpected(refusal(*answer));
  return parse_answer(answer->body);
}

Result<void> look(Http& http, const Environment& environment, TopModel& model) {
  const auto status = ask(http, "status");
  if (!status) return forward_error(status);
  const auto list = ask(http, model.list());
  if (!list) return forward_error(list);
  model.take(View(*status), View(*list), environment.now());
  return {};
}

// Until a key, a signal, or the time for the next look.
void rest(int in, int interrupt, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
  std::array<pollfd, 2> waited{{{in, POLLIN, 0}, {interrupt, POLLIN, 0}}};
  (void)::poll(waited.data(), waited.size(),
               static_cast<int>(std::max<std::int64_t>(0, left.count()) + 1));
}

bool ready(int descriptor) {
  pollfd asked{descriptor, POLLIN, 0};
  return ::poll(&asked, 1, 0) == 1;
}

}  // namespace

Result<void> watch_top(Http& http, const CommandLine& line, const Environment& environment,
                       Output& output) {
  auto model = TopModel::create(line.view, line.sort, line.filter);
  if (!model) return forward_error(model);
  const auto pause =
      environment.second * std::clamp<std::uint32_t>(line.seconds.value_or(1), 1, kLongestPause);
  if (auto first = look(http, environment, *model); !first) return first;
  if (line.once) {
    ::poll(nullptr, 0, static_cast<int>(pause.count()));
    if (auto second = look(http, environment, *model); !second) return second;
    output.print(model->whole(environment.colour));
    return {};
  }
  if (!environment.terminal)
    return fail(Errc::kUnsupported, "top", "needs a terminal; use --once in a pipe");
  const int interrupt = environment.interrupt();
  auto terminal = Terminal::open(environment.in, environment.out);
  if (!terminal) return forward_error(terminal);
  auto next = Clock::now() + pause;
  for (;;) {
    (*terminal)->draw(model->screen((*terminal)->height(), (*terminal)->width()));
    rest(environment.in, interrupt, next);
    if (ready(interrupt)) return {};
    const auto list = model->list();
    bool any = false;
    for (auto key = (*terminal)->key(); key.key != Key::kNone; key = (*terminal)->key()) {
      any = true;
      if (!model->press(key)) return {};
    }
    // The other end of the terminal is gone: nobody will ever press a key.
    if (!any && ready(environment.in) && (*terminal)->key().key == Key::kNone) {
      pollfd end{environment.in, POLLIN, 0};
      if (::poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR)) != 0) return {};
    }
    if (Clock::now() < next && model->list() == list) continue;
    next = Clock::now() + pause;
    if (const auto seen = look(http, environment, *model); !seen) model->fail(seen.error().text());
  }
}

}  // namespace sluice::client
