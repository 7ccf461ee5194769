// SPDX-License-Identifier: Apache-2.0
#include "client/completion.hpp"

#include "client/command_tree.hpp"
#include "client/plan_pool.hpp"
#include "client/top_model.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>

namespace sluice::client {
namespace {

const std::string kFiles = "!files";
constexpr std::chrono::milliseconds kPatience{1000};

// Words before the last one, read as the parser would, as far as they make sense.
class Walk {
 public:
  Walk(const CLI::App& root, const std::vector<std::string>& words) : at_(&root) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) take(words[i]);
  }

  [[nodiscard]] const CLI::App& command() const noexcept { return *at_; }
  /// The option whose value comes next; null: none's.
  [[nodiscard]] const CLI::Option* option() const noexcept { return option_; }
  [[nodiscard]] const std::vector<std::string>& arguments() const noexcept { return arguments_; }

  /// The argument without a dash that comes next, by its name; empty: none.
  [[nodiscard]] std::string next_argument() const {
    std::size_t at = 0;
    for (const auto* option : at_->get_options(nullptr))
      if (option->get_positional() && at++ == arguments_.size())
        return option->get_name(true, false);
    return {};
  }

  [[nodiscard]] std::vector<const CLI::App*> chain() const {
    std::vector<const CLI::App*> apps;
    for (const auto* app = at_; app != nullptr; app = app->get_parent()) apps.push_back(app);
    return apps;
  }

  [[nodiscard]] const CLI::Option* find(const std::string& name) const {
    for (const auto* app : chain())
      for (const auto* option : app->get_options(nullptr))
        if (!option->get_positional() && option->check_name(name)) return option;
    return nullptr;
  }

  [[nodiscard]] const std::string& value_of(const std::string& option) const {
    static const std::string none;
    for (const auto& [name, value] : values_)
      if (name == option) return value;
    return none;
  }

 private:
  [[nodiscard]] const CLI::App* command_named(const std::string& word) const {
    const auto found =
        at_->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    return found.empty() ? nullptr : found.front();
  }

  void take(const std::string& word) {
    if (word == "=" && option_ != nullptr) return;  // bash takes "--pool=llama" apart
    if (option_ != nullptr) {
      values_.emplace_back("--" + option_->get_lnames().front(), word);
      option_ = nullptr;
    } else if (word.starts_with("-") && word.size() > 1) {
      const auto equals = word.find('=');
      const auto* found = find(word.substr(0, equals));
      if (equals == word.npos && found != nullptr && found->get_items_expected_max() > 0)
        option_ = found;
      else if (found != nullptr && equals != word.npos)
        values_.emplace_back("--" + found->get_lnames().front(), word.substr(equals + 1));
    } else if (const auto* sub = command_named(word); sub != nullptr && arguments_.empty()) {
      at_ = sub;
    } else {
      arguments_.push_back(word);
    }
  }

  const CLI::App* at_;
  const CLI::Option* option_ = nullptr;
  std::vector<std::string> arguments_;
  std::vector<std::pair<std::string, std::string>> values_;
};

std::vector<std::string> words_of(std::span<const std::string_view> words) {
  return {words.begin(), words.end()};
}

// Columns of the view, both ways round; a shell would take one with a space apart.
std::vector<std::string> sortable(const std::string& view) {
  std::vector<std::string> words;
  for (const auto title : TopModel::columns(view)) {
    if (title.find(' ') != title.npos) continue;
    for (const auto* way : {"", "-"}) {
      words.emplace_back(way);
      for (const char c : title)
        words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
  }
  return words;
}

std::vector<std::string> of_option(const Walk& walk, const std::string& name,
                                   const NamesOf& names) {
  const auto command = walk.command().get_name();
  const NameScope scope{.pool = walk.value_of("--pool"),
                        .file = command == "plan" ? walk.value_of("--config") : std::string()};
  if (name == "pool") return names(NameKind::kPool, {.file = scope.file});
  if (name == "service") return names(NameKind::kService, {});
  if (name == "verdict") return names(NameKind::kVerdict, {});
  if (name == "view") return words_of(TopModel::views());
  if (name == "sort") return sortable(walk.value_of("--view"));
  if (name == "forecaster") return words_of(forecaster_names());
  if (name == "step") return {"1", "60"};
  if (name == "class")
    return names(NameKind::kClass,
                 {.pool = walk.arguments().empty() ? std::string() : walk.arguments().front()});
  if (name == "without-class") return names(NameKind::kClass, scope);
  if (name == "cold-start" || name == "capacity") {
    auto classes = names(NameKind::kClass, scope);
    for (auto& one : classes) one += '=';
    return classes;
  }
  if (name == "backend")
    return command == "capture" ? names(NameKind::kPoolAndBackend, {})
                                : names(NameKind::kBackend, {.pool = scope.pool});
  for (const auto* file : {"socket", "config", "trace", "plot", "out"})
    if (name == file) return {kFiles};
  return {};
}

std::vector<std::string> of_argument(const Walk& walk, const NamesOf& names) {
  const auto name = walk.next_argument();
  if (name == "POOL") return names(NameKind::kPool, {});
  if (name == "NAME" && walk.command().get_name() != "add")
    return names(NameKind::kBackend, {.pool = walk.arguments().front()});
  if (name == "FILE") return {kFiles};
  if (name == "PROTOCOL") return {"tcp", "udp"};
  return {};
}

std::vector<std::string> options_at(const Walk& walk) {
  std::vector<std::string> all;
  for (const auto* app : walk.chain())
    for (const auto* option : app->get_options(nullptr))
      for (const auto& name : option->get_lnames()) all.push_back("--" + name);
  return all;
}

std::vector<std::string> commands_at(const CLI::App& app) {
  std::vector<std::string> all;
  for (const auto* sub : app.get_subcommands(nullptr))
    if (!sub->get_group().empty()) all.push_back(sub->get_name());
  return all;
}

}  // namespace

std::string bash_completion() {
  return R"(# bash completion of sluicectl; for this shell: source <(sluicectl completion bash)
_sluicectl() {
  local found
  found=$("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
  COMPREPLY=()
  if [[ $found == '!files' ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    return 0
  fi
  [[ -n $found ]] || return 0
  mapfile -t COMPREPLY <<<"$found"
  if [[ $found == *= ]]; then compopt -o nospace 2>/dev/null; fi
  return 0
}
complete -F _sluicectl sluicectl
)";
}

std::vector<std::string> candidates(const std::vector<std::string>& words, const NamesOf& names) {
  Typed typed;
  CLI::App root("", "sluicectl");
  add_commands(root, typed);
  const std::string begun = words.empty() || words.back() == "=" ? "" : words.back();
  const Walk walk(root, words);
  const NamesOf plain = [&](NameKind kind, const NameScope& scope) {
    auto all = names(kind, scope);
    std::erase_if(all, [](const std::string& name) { return !is_plain_name(name); });
    return all;
  };
  std::vector<std::string> found;
  if (walk.option() != nullptr) {
    found = of_option(walk, walk.option()->get_lnames().front(), plain);
  } else if (begun.starts_with("-")) {
    found = options_at(walk);
  } else {
    found = commands_at(walk.command());
    if (found.empty()) found = of_argument(walk, plain);
  }
  if (found == std::vector{kFiles}) return found;
  std::erase_if(found, [&](const std::string& word) { return !word.starts_with(begun); });
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::string complete(const std::string& usual_socket, const std::vector<std::string>& words) {
  std::string out;
  std::string socket = usual_socket;
  for (std::size_t i = 0; i + 2 < words.size(); ++i)
    if (words[i] == "--socket") socket = words[i + 1] == "=" ? words[i + 2] : words[i + 1];
  Http http(socket, kPatience);
  const auto names = [&](NameKind kind, const NameScope& scope) {
    return names_from(http, kind, scope);
  };
  for (const auto& word : candidates(words, names)) out += word + "\n";
  return out;
}

}  // namespace sluice::client
