#include "pipeline/config/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/config/config_node.h"

namespace pipeline {

namespace {

constexpr size_t kMaxFileBytes = 16 << 20;

struct OpenFile {
  int fd;
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
};

enum class FileType : uint8_t {
  kAny,      // a pipe (--config <(...)) is fine too
  kRegular,  // whatever lies in a folder: one that nobody writes to must not hold us up
};

// Whole.
Result<std::string> read_whole(const std::string& path, FileType type) {
  const bool regular = type == FileType::kRegular;
  OpenFile file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular ? O_NONBLOCK : 0))};
  if (file.fd < 0) return fail(system_error(concat("open ", path), errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return fail(system_error(concat("stat ", path), errno));
  if (regular && !S_ISREG(status.st_mode)) return fail(Errc::kInvalid, concat(path, " is not a regular file"));
  std::string out;
  char block[16 * 1024];
  while (true) {
    ssize_t n = ::read(file.fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error(concat("read ", path), errno));
    if (n == 0) return out;
    out.append(block, static_cast<size_t>(n));
    if (out.size() > kMaxFileBytes) {
      return fail(Errc::kOverLimit, concat(path, " is larger than 16 MiB, the most a configuration file may have"));
    }
  }
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += concat(out.empty() ? "" : ", ", word);
  return out;
}

void report_unknown(ConfigState& state, const ConfigNode& table, bool is_root) {
  if (table.free_form) return;
  for (const auto& child : table.children) {
    if (std::find(table.asked.begin(), table.asked.end(), child->key) != table.asked.end()) continue;
    std::string_view near = nearest_word(child->key, table.asked);
    std::string remedy = "remove it";
    if (!near.empty()) {
      remedy = concat("did you mean \"", near, "\"?");
    } else if (!table.asked.empty()) {
      std::vector<std::string> known = table.asked;
      std::sort(known.begin(), known.end());
      remedy = concat("known are ", listed(known));
    }
    std::string what =
        concat("unknown key \"", child->key, "\"", is_root ? std::string() : concat(" in ", table.title));
    if (!table.unknown_name.empty()) what = concat(table.unknown_name, " \"", child->key, "\"");
    state.add_error(child->key_position, std::move(what), std::move(remedy));
  }
}

void report_unknown_below(ConfigState& state, const ConfigNode& node, bool is_root) {
  if (node.kind == ConfigKind::kTable && node.opened) report_unknown(state, node, is_root);
  for (const auto& child : node.children) report_unknown_below(state, *child, false);
}

// Edits (insert, delete, replace, swap of neighbours) that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view nearest_word(std::string_view word, const std::vector<std::string>& known) {
  constexpr size_t kMostEdits = 3, kLongestWord = 100;
  if (word.size() > kLongestWord) return {};
  std::string_view best;
  size_t best_distance = std::min(kMostEdits, word.size() / 2) + 1;
  for (const std::string& candidate : known) {
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string ConfigError::text() const {
  std::string out = file;
  if (position.line != 0) out += concat(":", position.line, ":", position.column);
  out += concat(": ", what);
  if (!remedy.empty()) out += concat("; ", remedy);
  return out;
}

void ConfigErrors::add(ConfigError error) {
  auto same = [&](const ConfigError& e) {
    return std::tie(e.file, e.position, e.what) == std::tie(error.file, error.position, error.what);
  };
  if (std::none_of(errors_.begin(), errors_.end(), same)) errors_.push_back(std::move(error));
}

std::vector<ConfigError> ConfigErrors::sorted() const {
  std::vector<ConfigError> out = errors_;
  std::stable_sort(out.begin(), out.end(),
                   [](const ConfigError& a, const ConfigError& b) { return a.position < b.position; });
  return out;
}

std::string ConfigErrors::text() const {
  std::string out;
  for (const ConfigError& error : sorted()) out += concat(out.empty() ? "" : "\n", error.text());
  return out;
}

ConfigDocument::ConfigDocument(std::unique_ptr<ConfigState> state) : state_(std::move(state)) {}
ConfigDocument::ConfigDocument(ConfigDocument&&) noexcept = default;
ConfigDocument& ConfigDocument::operator=(ConfigDocument&&) noexcept = default;
ConfigDocument::~ConfigDocument() = default;

ConfigDocument::Environment ConfigDocument::process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<ConfigDocument> ConfigDocument::load(const std::string& path, const Environment& environment) {
  TRY_LET(std::string text, read_whole(path, FileType::kAny));
  return parse(text, path, environment);
}

Result<ConfigDocument> ConfigDocument::parse(std::string_view text, std::string name, const Environment& environment) {
  auto state = std::make_unique<ConfigState>();
  state->files.push_back(std::make_unique<ConfigFile>(ConfigFile{std::move(name), std::string(text), {}}));
  if (auto error = parse_config_tree(*state->files[0], 0)) return fail(Errc::kInvalid, error->text());
  replace_variables(*state, state->files[0]->root, environment);
  return ConfigDocument(std::move(state));
}

std::optional<ConfigTable> ConfigDocument::include(const std::string& path, const Environment& environment) {
  auto index = static_cast<uint32_t>(state_->files.size());
  ConfigFile& file = *state_->files.emplace_back(std::make_unique<ConfigFile>(ConfigFile{path, "", {}}));
  file.root.kind = ConfigKind::kTable;
  auto text = read_whole(path, FileType::kRegular);
  if (!text) {
    state_->add_error({0, 0, index}, text.error().message, "");
    return std::nullopt;
  }
  file.text = *std::move(text);
  if (auto error = parse_config_tree(file, index)) {
    state_->errors.add(*std::move(error));
    return std::nullopt;
  }
  replace_variables(*state_, file.root, environment);
  return ConfigTable(state_.get(), &file.root);
}

std::string ConfigDocument::text() const {
  if (state_->files.size() == 1) return state_->files[0]->text;
  std::string out;
  for (const auto& file : state_->files)
    out += concat("# ", file->name, "\n", file->text, file->text.ends_with('\n') ? "" : "\n");
  return out;
}

ConfigTable ConfigDocument::root() const { return ConfigTable(state_.get(), &state_->files[0]->root); }
const std::string& ConfigDocument::name() const { return state_->files[0]->name; }
ConfigErrors& ConfigDocument::errors() const { return state_->errors; }

Result<void> ConfigDocument::finish() const {
  for (const auto& file : state_->files) report_unknown_below(*state_, file->root, true);
  if (state_->errors.empty()) return {};
  return fail(Errc::kInvalid, state_->errors.text());
}

}  // namespace pipeline
