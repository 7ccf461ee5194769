// SPDX-License-Identifier: Apache-2.0
#include "client/drain.hpp"

#include "client/answer.hpp"
#include "client/show.hpp"

#include <poll.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sluice::client {
namespace {

// The flows that the backend has now.
Result<std::uint64_t> flows_of(Http& http, const Draining& what) {
  const auto answer = http.send({"/api/v1/backends?pool=" + escaped(what.pool), std::nullopt});
  if (!answer) return forward_error(answer);
  if (answer->status != 200) return tl::unexpected(refusal(*answer));
  const auto value = parse_answer(answer->body);
  if (!value) return forward_error(value);
  const auto backends = list_of(View(*value), "backends");
  if (!backends) return forward_error(backends);
  for (const auto& backend : *backends) {
    if (!backend["name"].is(what.backend)) continue;
    if (const auto flows = backend["active_flows"].whole()) return *flows;
    return fail(Errc::kUnsupported, "--wait",
                "this daemon does not count flows; upgrade it, or look at `sluicectl flows`");
  }
  return fail(Errc::kNotFound, "pool " + printable(what.pool), "has no backend '{}' any more",
              printable(what.backend));
}

}  // namespace

Result<void> wait_until_drained(Http& http, Output& output, const Draining& what) {
  std::uint64_t most = 0;
  for (std::uint32_t second = 0;; ++second) {
    const auto flows = flows_of(http, what);
    if (what.progress) output.rewrite_line("");
    if (!flows) return forward_error(flows);
    const auto name = printable(what.pool) + "/" + printable(what.backend);
    if (*flows == 0) {
      output.print(fmt::format("{} is drained: no flows left\n", name));
      return {};
    }
    most = std::max(most, *flows);
    if (what.seconds && second >= *what.seconds)
      return fail(Errc::kIo, "--wait", "{} still has {} after {} s; it stays drained", name,
                  plural(*flows, "flow"), *what.seconds);
    if (what.progress)
      output.rewrite_line(
          fmt::format("{:3d} %  {} left", (most - *flows) * 100 / most, plural(*flows, "flow")));
    pollfd stop{what.interrupt, POLLIN, 0};  // a negative descriptor is never ready
    if (::poll(&stop, 1, static_cast<int>(what.second.count())) == 1) {
      if (what.progress) output.rewrite_line("");
      return fail(Errc::kIo, "--wait", "interrupted: {} still has {}; it stays drained", name,
                  plural(*flows, "flow"));
    }
  }
}

}  // namespace sluice::client
