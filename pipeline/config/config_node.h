// The tree behind a ConfigDocument: what the TOML said, where it said it, and which of it was asked about. For config/
// only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/config.h"

namespace pipeline {

struct ConfigNode {
  ConfigKind kind = ConfigKind::kAbsent;
  std::string key;              // in its table; empty for the root and in arrays
  std::string title;            // of a table: [http], [[source.stage]]; of the root: the file's name
  ConfigPosition key_position;  // in arrays and for the root: that of the value
  ConfigPosition position;      // of the value

  std::string text;  // kString; kTime: as written
  int64_t integer = 0;
  double number = 0;  // kNumber
  bool boolean = false;
  std::vector<std::unique_ptr<ConfigNode>> children;  // of a table: in the order of the file

  std::vector<std::string> asked;  // of a table: every key there was a question about
  bool opened = false;             // of a table: questions were asked inside, so unknown keys in it count
  bool free_form = false;          // of a table: its keys are the user's own
  std::string unknown_name;        // of a table: what unknown keys are called in errors; empty: the usual

  ConfigNode* child(std::string_view name) const {
    for (const auto& c : children) {
      if (c->key == name) return c.get();
    }
    return nullptr;
  }
};

struct ConfigFile {
  std::string name, text;
  ConfigNode root;
};

struct ConfigState {
  std::vector<std::unique_ptr<ConfigFile>> files;   // never empty
  std::vector<std::unique_ptr<ConfigNode>> absent;  // stand for tables that are not there
  ConfigErrors errors;

  void add_error(ConfigPosition at, std::string what, std::string remedy) {
    errors.add({files[at.file]->name, at, std::move(what), std::move(remedy)});
  }
};

// Fills `file.root` from its text; `index` is its place in ConfigState::files. Nothing: done; else what is wrong.
std::optional<ConfigError> parse_config_tree(ConfigFile& file, uint32_t index);

// Replaces ${NAME} and ${NAME:-default} in every string value below `root`; what cannot be replaced becomes an error of
// `state`.
void replace_variables(ConfigState& state, ConfigNode& root, const ConfigDocument::Environment& environment);

}  // namespace pipeline
