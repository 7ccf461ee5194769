// SPDX-License-Identifier: Apache-2.0
#include "config/codec.hpp"

#include "base/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sluice::config {
namespace {

constexpr std::string_view kOctet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
constexpr IpAddress::Family kSupported = IpAddress::Family::kV4;

std::string four_octets() { return fmt::format("({0}\\.){{3}}{0}", kOctet); }

bool is_broadcast(const IpAddress& address) {
  return address.is_v4() && address.words()[0] == 0xffffffffU;
}

// The text of a value that must be text; null and a fault when it is not.
const std::string* text_of(Reader& reader, const Value& value, const Shape& shape) {
  const auto* text = value.as<std::string>();
  if (text == nullptr) wrong_type(reader, value, shape);
  return text;
}

void not_the_form(Reader& reader, std::string_view text, const Shape& shape) {
  reader.fault(
      fmt::format("{} is not {}", shape.secret ? "what stands here" : quoted(text), shape.form),
      fmt::format("give {}", shape.rule));
}

void not_supported(Reader& reader) {
  reader.fault("IPv6 is not supported by this version", "use an IPv4 address");
}

std::optional<unsigned> prefix_length(std::string_view digits) {
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > 32)
    return std::nullopt;
  return length;
}

std::string as_written(const Real& real) { return pointer_token(real.text); }

}  // namespace

void Flag::read(Reader& reader, const Value& value, bool& to) const {
  if (const auto* flag = value.as<bool>())
    to = *flag;
  else
    wrong_type(reader, value, shape());
}

std::optional<std::int64_t> Whole::number(Reader& reader, const Value& value) const {
  const auto out_of_range = [&](std::string_view written) {
    reader.fault(fmt::format("{} is out of range", written), "give " + wanted(shape()));
    return std::nullopt;
  };
  if (const auto* n = value.as<std::int64_t>()) {
    if (*n < low || *n > high) return out_of_range(std::to_string(*n));
    return *n;
  }
  if (const auto* real = value.as<Real>()) {
    // The limits of every field are far below 2^53, so that a double within them is exact.
    if (std::trunc(real->value) != real->value) {
      reader.fault(fmt::format("{} is not a whole number", as_written(*real)),
                   "give " + wanted(shape()));
      return std::nullopt;
    }
    if (real->value < static_cast<double>(low) || real->value > static_cast<double>(high))
      return out_of_range(as_written(*real));
    return static_cast<std::int64_t>(real->value);
  }
  wrong_type(reader, value, shape());
  return std::nullopt;
}

void Fractional::read(Reader& reader, const Value& value, double& to) const {
  const auto* n = value.as<std::int64_t>();
  const auto* real = value.as<Real>();
  if (n == nullptr && real == nullptr) return wrong_type(reader, value, shape());
  const double number = n != nullptr ? static_cast<double>(*n) : real->value;
  if (number < low || number > high) {
    reader.fault(
        fmt::format("{} is out of range", n != nullptr ? std::to_string(*n) : as_written(*real)),
        "give " + wanted(shape()));
    return;
  }
  to = number;
}

void Text::read(Reader& reader, const Value& value, std::string& to) const {
  const auto* text = text_of(reader, value, shape());
  if (text == nullptr) return;
  if (text->size() < shortest || text->size() > longest || !accepts(*text))
    return not_the_form(reader, *text, shape());
  to = *text;
}

std::optional<Value> Text::write(const std::string& from) const {
  if (from.empty()) return std::nullopt;
  return Value{from};
}

std::optional<std::size_t> choose(Reader& reader, const Value& value,
                                  const std::vector<std::string_view>& words,
                                  const std::vector<std::string_view>& later) {
  const auto* text = text_of(reader, value, {.kind = Shape::Kind::kText, .words = words});
  if (text == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == *text) return i;
  const bool known = std::ranges::find(later, *text) != later.end();
  reader.fault(
      fmt::format("{} is {}", quoted(*text), known ? "not supported by this version" : "unknown"),
      "use " + one_of(words) + (known ? std::string() : did_you_mean(*text, words)));
  return std::nullopt;
}

Shape HostAddress::shape() const {
  return {.kind = Shape::Kind::kText,
          .form = "an IPv4 address",
          .rule = "four numbers from 0 to 255 with points between, as in 192.0.2.1",
          .pattern = "^(?!0\\.0\\.0\\.0$|127\\.|22[4-9]\\.|23[0-9]\\.|255\\.255\\.255\\.255$)" +
                     four_octets() + "$"};
}

void HostAddress::read(Reader& reader, const Value& value, IpAddress& to) const {
  const auto* text = text_of(reader, value, shape());
  if (text == nullptr) return;
  const auto address = IpAddress::parse(*text);
  if (!address) return not_the_form(reader, *text, shape());
  if (address->family() != kSupported) return not_supported(reader);
  const std::string_view kind = address->is_unspecified() ? "the unspecified address"
                                : address->is_loopback()  ? "a loopback address"
                                : address->is_multicast() ? "a multicast address"
                                : is_broadcast(*address)  ? "the broadcast address"
                                                          : "";
  if (!kind.empty()) {
    reader.fault(fmt::format("{} is {}", quoted(*text), kind),
                 "give an address that other machines reach one host by");
    return;
  }
  to = *address;
}

std::optional<Value> HostAddress::write(const IpAddress& from) const {
  if (from.is_unspecified()) return std::nullopt;
  return Value{from.text()};
}

Shape Prefix::shape() const {
  return {.kind = Shape::Kind::kText,
          .form = "an IPv4 address or prefix",
          .rule = "ADDRESS or ADDRESS/LENGTH, as in 10.0.1.11 or 10.0.0.0/8",
          .pattern = "^" + four_octets() + "(/(0*(3[0-2]|[12]?[0-9])))?$"};
}

void Prefix::read(Reader& reader, const Value& value, IpPrefix& to) const {
  const auto* text = text_of(reader, value, shape());
  if (text == nullptr) return;
  const auto slash = text->find('/');
  const auto address = IpAddress::parse(std::string_view(*text).substr(0, slash));
  if (address && address->family() != kSupported) return not_supported(reader);
  if (const auto prefix = IpPrefix::parse(*text)) {
    to = *prefix;
    return;
  }
  const auto length =
      address && slash != std::string::npos ? prefix_length(text->substr(slash + 1)) : std::nullopt;
  if (!length) return not_the_form(reader, *text, shape());
  auto bytes = address->bytes();
  for (unsigned i = *length; i < address->bits(); ++i)
    bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] & ~(0x80U >> (i % 8)));
  const auto network = IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  reader.fault(fmt::format("{} has bits set beyond its length", quoted(*text)),
               fmt::format("give {}/{} or {}", network.text(), *length, address->text()),
               Layer::kRule);
}

std::optional<Value> Prefix::write(const IpPrefix& from) const { return Value{from.text()}; }

Shape Mac::shape() const {
  return {.kind = Shape::Kind::kText,
          .form = "a MAC address",
          .rule = "six hexadecimal pairs with ':' between, as in 02:00:00:00:01:11",
          .pattern = "^(?!00([:-]00){5}$)[0-9a-fA-F][02468aceACE]([:-][0-9a-fA-F]{2}){5}$"};
}

void Mac::read(Reader& reader, const Value& value, MacAddress& to) const {
  const auto* text = text_of(reader, value, shape());
  if (text == nullptr) return;
  const auto mac = MacAddress::parse(*text);
  if (!mac) return not_the_form(reader, *text, shape());
  if (mac->is_zero() || mac->is_multicast()) {
    reader.fault(
        fmt::format("{} is {}", quoted(*text), mac->is_zero() ? "zero" : "a group address"),
        "give the address of one station (its first byte is even)");
    return;
  }
  to = *mac;
}

void Mac::read(Reader& reader, const Value& value, std::optional<MacAddress>& to) const {
  MacAddress mac;
  read(reader, value, mac);
  if (!mac.is_zero()) to = mac;
}

std::optional<Value> Mac::write(const MacAddress& from) const { return Value{from.text()}; }

std::optional<Value> Mac::write(const std::optional<MacAddress>& from) const {
  return from ? write(*from) : std::nullopt;
}

const Value::List* items(Reader& reader, const Value& value, const Shape& shape) {
  const auto* list = value.as<Value::List>();
  if (list == nullptr) {
    wrong_type(reader, value, shape);
  } else if (list->size() < shape.shortest) {
    reader.fault(fmt::format("has {} items", list->size()),
                 fmt::format("give at least {}", shape.shortest));
    list = nullptr;
  } else if (shape.longest != 0 && list->size() > shape.longest) {
    reader.fault(fmt::format("has {} items", list->size()),
                 fmt::format("give at most {}", shape.longest));
    list = nullptr;
  }
  return list;
}

Field group(std::string_view key, TakenBy taken_by, std::shared_ptr<const Object> object,
            std::string_view about) {
  return {.key = key,
          .need = Need::kOptional,
          .taken_by = taken_by,
          .shape = {.kind = Shape::Kind::kObject, .object = object},
          .about = about,
          .read = [object](Reader& reader, const Value& value,
                           void* owner) { read_object(*object, reader, value, owner); },
          .write = [object](const void* owner) -> std::optional<Value> {
            auto written = write_object(*object, owner);
            if (written.as<Value::Members>()->empty()) return std::nullopt;
            return written;
          }};
}

}  // namespace sluice::config
