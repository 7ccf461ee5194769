// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <mutex>

#if FMT_VERSION < 100000
template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view,
                                            fmt::basic_format_args<fmt::buffer_context<char>>,
                                            fmt::detail::locale_ref);
#endif

namespace sluice {
namespace {

// "<6>" and its like: the priority that journald takes from the start of a line on stderr.
class JournalPriority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const char digit = message.level >= spdlog::level::critical ? '2'
                       : message.level == spdlog::level::err    ? '3'
                       : message.level == spdlog::level::warn   ? '4'
                       : message.level == spdlog::level::info   ? '6'
                                                                : '7';
    const char text[] = {'<', digit, '>'};
    out.append(text, text + sizeof text);
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

}  // namespace

std::shared_ptr<spdlog::logger> log(const std::string& component) {
  // spdlog guards its registry, not the step from "not there" to "made": the second of two first
  // uses would throw.
  static std::mutex making;
  const std::scoped_lock lock(making);
  if (auto known = spdlog::get(component)) return known;
  auto made = spdlog::stderr_color_mt(component);
  if (std::getenv("JOURNAL_STREAM") != nullptr) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JournalPriority>('*').set_pattern("%*%l %n %v");
    made->set_formatter(std::move(formatter));
  } else {
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %n %v");
  }
  return made;
}

}  // namespace sluice
