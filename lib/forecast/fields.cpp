// SPDX-License-Identifier: Apache-2.0
#include "forecast/fields.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace sluice::forecast {
namespace {

using Json = nlohmann::json;

class Writer final : public Fields {
 public:
  explicit Writer(Json& object) : object_(object) { object_ = Json::object(); }

  void number(std::string_view name, double& value, double /*low*/, double /*high*/) override {
    object_[std::string(name)] = value;
  }
  void whole(std::string_view name, std::size_t& value, std::size_t /*most*/) override {
    object_[std::string(name)] = value;
  }
  void flag(std::string_view name, bool& value) override { object_[std::string(name)] = value; }
  void numbers(std::string_view name, std::vector<double>& values, std::size_t /*least*/,
               std::size_t /*most*/, double /*low*/, double /*high*/) override {
    object_[std::string(name)] = values;
  }
  void require(bool /*holds*/, std::string_view /*name*/, std::string_view /*why*/) override {}
  void nested(std::string_view name, const std::function<void(Fields&)>& list) override {
    Writer inner(object_[std::string(name)]);
    list(inner);
  }

 private:
  Json& object_;
};

class Reader final : public Fields {
 public:
  Reader(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

  void number(std::string_view name, double& value, double low, double high) override {
    value = within(find(name), name, low, high);
  }
  void whole(std::string_view name, std::size_t& value, std::size_t most) override {
    const Json& found = find(name);
    if (!found.is_number_unsigned() || found.get<std::uint64_t>() > most)
      refuse(name, fmt::format("a whole number up to {} was expected", most));
    value = found.get<std::size_t>();
  }
  void flag(std::string_view name, bool& value) override {
    const Json& found = find(name);
    if (!found.is_boolean()) refuse(name, "true or false was expected");
    value = found.get<bool>();
  }
  void numbers(std::string_view name, std::vector<double>& values, std::size_t least,
               std::size_t most, double low, double high) override {
    const Json& found = find(name);
    if (!found.is_array() || found.size() < least || found.size() > most)
      refuse(name, fmt::format("a list of {} to {} numbers was expected", least, most));
    values.clear();
    values.reserve(found.size());
    for (const Json& one : found) values.push_back(within(one, name, low, high));
  }
  void require(bool holds, std::string_view name, std::string_view why) override {
    if (!holds) refuse(name, std::string(why));
  }
  void nested(std::string_view name, const std::function<void(Fields&)>& list) override {
    Reader inner(find(name), path_ + "/" + std::string(name));
    list(inner);
  }

 private:
  [[noreturn]] void refuse(std::string_view name, const std::string& why) const {
    throw std::out_of_range(fmt::format("{}/{}: {}", path_, name, why));
  }
  [[nodiscard]] const Json& find(std::string_view name) const {
    const auto found = object_.find(name);
    if (!object_.is_object() || found == object_.end()) refuse(name, "is missing");
    return *found;
  }
  [[nodiscard]] double within(const Json& found, std::string_view name, double low,
                              double high) const {
    // Whole numbers in another writer's hand are numbers, too.
    const double value = found.is_number() ? found.get<double>() : high + 1;
    if (!found.is_number() || !(value >= low && value <= high))
      refuse(name, fmt::format("a number from {} to {} was expected", low, high));
    return value;
  }

  const Json& object_;
  std::string path_;
};

}  // namespace

Json write_fields(const std::function<void(Fields&)>& list) {
  Json object;
  Writer writer(object);
  list(writer);
  return object;
}

Result<void> read_fields(const Json& state, const std::function<void(Fields&)>& list) {
  try {
    Reader reader(state, "");
    list(reader);
  } catch (const std::out_of_range& refused) {
    const std::string_view text = refused.what();
    const auto end = text.find(": ");
    if (end == std::string_view::npos) return fail(Errc::kInvalid, "", "{}", text);
    return fail(Errc::kInvalid, std::string(text.substr(0, end)), "{}", text.substr(end + 2));
  } catch (const std::exception& error) {
    return fail(Errc::kInvalid, "", "is no state of a forecaster: {}", error.what());
  }
  return {};
}

}  // namespace sluice::forecast
