// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk_log.hpp"

#include "base/log.hpp"

#include <rte_log.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::dataplane {
namespace {

constexpr std::size_t kMostWords = 4;  // the first causes the others

bool keeping = false;
std::vector<std::string> words;

void keep(std::string_view line) {
  for (const std::string_view prefix : {"EAL: ", "FATAL: "})
    if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
  if (words.size() < kMostWords && std::ranges::find(words, line) == words.end())
    words.emplace_back(line);
}

// Whole lines or parts of one; an empty one ends what the parts began.
void take(std::string_view text, bool is_error) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
    if (line.empty()) continue;
    if (is_error && keeping) keep(line);
    log("dpdk")->log(is_error && !keeping ? spdlog::level::err : spdlog::level::debug, "{}", line);
  }
}

ssize_t take_logged(void*, const char* text, std::size_t size) {
  const int level = rte_log_cur_msg_loglevel();
  take({text, size}, level > 0 && static_cast<unsigned>(level) <= RTE_LOG_ERR);
  return static_cast<ssize_t>(size);
}

ssize_t take_printed(void*, const char* text, std::size_t size) {
  take({text, size}, true);
  return static_cast<ssize_t>(size);
}

// net_af_xdp's library. It warns at every start of sockets that do not count references to their
// program: the program is ours, whose life is the filter's, so that is no news to an operator.
int take_libxdp(libxdp_print_level level, const char* format, va_list arguments) {
  std::array<char, 1024> text{};
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  const std::string_view line(text.data());
  const bool harmless = line.find("doesn't support program refcnt") != std::string_view::npos;
  if (level == LIBXDP_WARN && keeping && !harmless) {
    take(line, true);
  } else {
    log("dpdk")->log(level == LIBXDP_WARN && !harmless ? spdlog::level::warn : spdlog::level::debug,
                     "libxdp {}", line.substr(0, line.find('\n')));
  }
  return length;
}

std::FILE* line_stream(cookie_write_function_t* write) {
  cookie_io_functions_t io{};
  io.write = write;
  std::FILE* made = ::fopencookie(nullptr, "w", io);
  if (made != nullptr) std::setvbuf(made, nullptr, _IOLBF, BUFSIZ);
  return made;
}

}  // namespace

void take_over_dpdk_log() {
  static std::FILE* stream = line_stream(&take_logged);
  if (stream != nullptr) rte_openlog_stream(stream);
  libxdp_set_print(&take_libxdp);
}

// glibc lets `stderr` be assigned. Loggers hold the stream that they were made with, and the one
// that is used meanwhile is made before.
DpdkWords::DpdkWords() : stderr_before_(stderr) {
  static std::FILE* stream = line_stream(&take_printed);
  static_cast<void>(log("dpdk"));
  words.clear();
  keeping = true;
  if (stream != nullptr) stderr = stream;
}

DpdkWords::~DpdkWords() {
  std::fflush(stderr);
  stderr = stderr_before_;
  keeping = false;
}

std::string DpdkWords::text() const {
  std::fflush(stderr);
  std::string joined;
  for (const auto& word : words) joined += (joined.empty() ? "" : "; ") + word;
  return joined;
}

}  // namespace sluice::dataplane
