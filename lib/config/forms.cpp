// SPDX-License-Identifier: Apache-2.0
#include "config/forms.hpp"

#include "base/address.hpp"
#include "config/address_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace sluice::config::form {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }
bool is_graphic(char c) { return c > 0x20 && c <= 0x7e; }
bool is_hexadecimal(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '-';
}
bool is_printable_text(std::string_view text) { return std::ranges::all_of(text, is_printable); }
bool is_graphic_text(std::string_view text) { return std::ranges::all_of(text, is_graphic); }
bool is_hexadecimal_text(std::string_view text) {
  return std::ranges::all_of(text, is_hexadecimal);
}

bool is_lcore_list(std::string_view text) {
  bool range = false;
  std::size_t digits = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      if (++digits > 4) return false;
    } else if (digits == 0 || (c != ',' && ((c != '-' && c != '@') || range))) {
      return false;
    } else {
      range = c != ',';
      digits = 0;
    }
  }
  return digits != 0;
}

bool is_host_character(char c) { return is_name_character(c) || c == ':' || c == '[' || c == ']'; }

bool is_status_list(std::string_view text) {
  bool range = false;
  std::size_t digits = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      if (digits == 0 && (c < '1' || c > '5')) return false;
      if (++digits > 3) return false;
    } else if (digits != 3 || (c != ',' && (c != '-' || range))) {
      return false;
    } else {
      range = c == '-';
      digits = 0;
    }
  }
  return digits == 3;
}

bool is_metric_name(std::string_view text) {
  return !is_digit(text.front()) && std::ranges::all_of(text, [](char c) {
    return (is_name_character(c) && c != '.' && c != '-') || c == ':';
  });
}

bool is_metric_label(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos || !is_printable_text(text)) return false;
  const auto key = text.substr(0, equals);
  return is_metric_name(key) && key.find(':') == std::string_view::npos;
}

bool is_cron_text(std::string_view text) {
  std::size_t blanks = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool blank = c == ' ';
    if (blank && (i == 0 || i + 1 == text.size() || text[i - 1] == ' ')) return false;
    blanks += blank ? 1 : 0;
    const bool letter = is_name_character(c) && c != '_' && c != '.';
    if (!blank && !letter && c != '*' && c != '/' && c != ',') return false;
  }
  return blanks == 4;
}

bool is_workload(std::string_view text) {
  for (const std::string_view kind : {"deployments/", "statefulsets/"})
    if (text.starts_with(kind))
      return text.size() > kind.size() &&
             std::ranges::all_of(text.substr(kind.size()), is_name_character);
  return false;
}

bool is_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = text.substr(colon + 1);
  if (!address || address->is_v4() == bracketed || port.empty() || port.size() > 5 ||
      port.front() == '0' || !std::ranges::all_of(port, is_digit))
    return false;
  return port.size() < 5 || port <= "65535";
}

}  // namespace

Text name() {
  return {"a name",
          "1 to 64 of the characters A-Z a-z 0-9 _ . -",
          "^[A-Za-z0-9_.-]{1,64}$",
          1,
          64,
          [](std::string_view text) { return std::ranges::all_of(text, is_name_character); }};
}

Text secret_key() {
  return {"a key",        "32 hexadecimal digits", "^[0-9a-fA-F]{32}$", 32, 32, is_hexadecimal_text,
          /*secret=*/true};
}

Text server_id() {
  return {"a server id",
          "1 to 15 bytes as pairs of hexadecimal digits, as in 0a1f",
          "^([0-9a-fA-F]{2}){1,15}$",
          2,
          30,
          [](std::string_view text) { return text.size() % 2 == 0 && is_hexadecimal_text(text); }};
}

Text absolute_path(std::string_view rule, std::size_t longest) {
  return {"an absolute path", rule, "^/[ -~]*$", 1, longest, [](std::string_view text) {
            return text.front() == '/' && is_printable_text(text);
          }};
}

Text url_path() {
  return {"a path",
          "'/' and after it printable characters without blanks, as in /health",
          "^/[!-~]*$",
          1,
          1024,
          [](std::string_view text) { return text.front() == '/' && is_graphic_text(text); }};
}

Text url() {
  return {"a URL",          "the place of the JSON Schema, for editors", "^[ -~]+$", 1, 512,
          is_printable_text};
}

Text webhook() {
  return {"a URL",
          "http:// or https:// and after it printable characters without blanks",
          "^https?://[!-~]+$",
          8,
          2048,
          [](std::string_view text) {
            for (const std::string_view scheme : {"http://", "https://"})
              if (text.starts_with(scheme) && text.size() > scheme.size())
                return is_graphic_text(text);
            return false;
          }};
}

Text device() {
  return {"DPDK device arguments",
          "a PCI address or driver with parameters, without blanks, as in "
          "net_af_xdp0,iface=eth1 or 0000:3b:00.0",
          "^[!-~]+$",
          1,
          512,
          is_graphic_text};
}

Text argument() {
  return {"an argument",    "1 to 512 printable ASCII characters", "^[ -~]+$", 1, 512,
          is_printable_text};
}

Text host_name() {
  return {"a host name",
          "1 to 255 of the characters A-Z a-z 0-9 _ . - : [ ]",
          R"(^[A-Za-z0-9_.:\[\]-]{1,255}$)",
          1,
          255,
          [](std::string_view text) { return std::ranges::all_of(text, is_host_character); }};
}

Text header_name() {
  return {"a header's name",
          "1 to 64 of the characters A-Z a-z 0-9 _ . -",
          "^[A-Za-z0-9_.-]{1,64}$",
          1,
          64,
          [](std::string_view text) { return std::ranges::all_of(text, is_name_character); }};
}

Text statuses() {
  return {"a list of statuses",
          "numbers from 100 to 599 and ranges with ',' between, as in 200-299,304",
          "^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$",
          3,
          256,
          is_status_list};
}

Text interface() {
  return {"an interface name",
          "1 to 15 of the characters A-Z a-z 0-9 _ . -",
          "^[A-Za-z0-9_.-]{1,15}$",
          1,
          15,
          [](std::string_view text) { return std::ranges::all_of(text, is_name_character); }};
}

Text lcores() {
  return {"a list of lcores",
          "numbers and ranges with ',' between, as in 0-3,6; 1@0 is lcore 1 on CPU 0",
          "^[0-9]{1,4}([-@][0-9]{1,4})?(,[0-9]{1,4}([-@][0-9]{1,4})?)*$",
          1,
          512,
          is_lcore_list};
}

Text metric_name() {
  return {"a metric's name",
          "1 to 200 of the characters A-Z a-z 0-9 _ : that do not begin with a digit",
          "^[A-Za-z_:][A-Za-z0-9_:]{0,199}$",
          1,
          200,
          is_metric_name};
}

Text metric_label() {
  return {"a label",
          "NAME=VALUE, as in model_name=llama",
          "^[A-Za-z_][A-Za-z0-9_]*=[ -~]*$",
          2,
          512,
          is_metric_label};
}

Text cron() {
  return {"a time",
          "five fields with a blank between: minute, hour, day, month and weekday, as in "
          "0 8 * * 1-5",
          "^[A-Za-z0-9*/,-]+( [A-Za-z0-9*/,-]+){4}$",
          9,
          256,
          is_cron_text};
}

Text workload() {
  return {"a workload",
          "deployments/NAME or statefulsets/NAME",
          "^(deployments|statefulsets)/[A-Za-z0-9_.-]+$",
          13,
          255,
          is_workload};
}

Text socket_mode() {
  return {"a mode",
          "'0' and three octal digits, of which the owner's is 6 or 7, as in 0660",
          "^0[67][0-7]{2}$",
          4,
          4,
          [](std::string_view text) {
            const auto octal = [](char c) { return c >= '0' && c <= '7'; };
            return text.front() == '0' && (text[1] == '6' || text[1] == '7') &&
                   std::ranges::all_of(text, octal);
          }};
}

Text endpoint() {
  static const std::string pattern = fmt::format(
      "^({}|\\[{}\\]):([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|65[0-4][0-9]{{2}}"
      "|655[0-2][0-9]|6553[0-5])$",
      v4_pattern(), v6_pattern());
  return {"ADDRESS:PORT",
          "an address, ':' and a port from 1 to 65535, as in 127.0.0.1:9901 or [::1]:9901",
          pattern,
          1,
          64,
          is_endpoint};
}

}  // namespace sluice::config::form
