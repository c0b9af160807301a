// Configuration files: TOML read through typed questions, with every error found before anything is reported.
//
//   TRY_LET(auto document, ConfigDocument::load("agent.toml"));
//   ConfigTable root = document.root();
//   auto data_dir = root.required_string("data_dir");
//   for (ConfigTable source : root.tables("source")) read_source(source);
//   TRY(document.finish());     // kInvalid: all errors, one a line, in file order
//
// A question with a wrong or missing answer adds an error to the document and gives the default (or an empty value)
// back, so reading goes on. finish() also reports every key that no question was asked about, with the nearest key that
// was. An error reads `FILE:LINE:COLUMN: what; remedy`; line and column count from 1.
//
// `${NAME}` and `${NAME:-default}` in string values (never in keys) are replaced by environment variables after
// parsing, so a value cannot inject TOML. NAME is [A-Za-z_][A-Za-z0-9_]*: the `${1}` of a replacement stays as it is.
// `$${` is a literal `${`. `:-default` is taken when the variable is unset or empty; the default ends at the first `}`.
// Texts in which `${NAME}` means something else stay as they are: `regex`, `replacement`, `target_label` in tables of
// an array `relabel`, and `expression`, `expressions`, `template`, `replace`, `selector`, `pattern`, `firstline`,
// `regex` in those of an array `stage` or of an array in one.
//
// A document may consist of several files (include()).
//
// Life:    a ConfigTable looks into its document and must not outlive it; it is cheap to copy. Moving the document is
//          fine.
// Thread:  any one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

struct ConfigPosition {
  uint32_t line = 0, column = 0;  // from 1; 0: the file as a whole
  uint32_t file = 0;              // 0: the document's own, then the included ones in order
  bool operator==(const ConfigPosition&) const = default;
  bool operator<(const ConfigPosition& other) const {
    return std::tie(file, line, column) < std::tie(other.file, other.line, other.column);
  }
};

struct ConfigError {
  std::string file;
  ConfigPosition position;
  std::string what, remedy;  // remedy may be empty

  std::string text() const;  // "agent.toml:12:1: unknown key \"sorce\"; did you mean \"source\"?"
};

// All errors of one document; equal ones are kept once.
class ConfigErrors {
 public:
  void add(ConfigError error);
  bool empty() const { return errors_.empty(); }
  std::vector<ConfigError> sorted() const;  // by position
  std::string text() const;                 // one a line, by position, no newline at the end

 private:
  std::vector<ConfigError> errors_;
};

enum class ConfigKind { kAbsent, kString, kInteger, kNumber, kBoolean, kTime, kArray, kTable };

// One value as it stands in the file, on one line: "text", 12, true, ["a", "b"], {"key" = 1}.
struct ConfigValue {
  ConfigKind kind = ConfigKind::kAbsent;
  std::string text;
};

struct ConfigNode;   // config_node.h, for config/ only
struct ConfigState;  // likewise

class ConfigTable {
 public:
  // --- questions; each makes its key a known one
  bool has(std::string_view key) const;
  ConfigKind kind(std::string_view key) const;

  std::string string(std::string_view key, std::string_view otherwise = "") const;
  std::string required_string(std::string_view key) const;  // missing or "": an error, and ""
  std::optional<std::string> find_string(std::string_view key) const;
  // One of `allowed`, else an error that lists them.
  std::string choice(std::string_view key, std::string_view otherwise,
                     std::initializer_list<std::string_view> allowed) const;
  bool boolean(std::string_view key, bool otherwise) const;
  int64_t integer(std::string_view key, int64_t otherwise, int64_t min = std::numeric_limits<int64_t>::min(),
                  int64_t max = std::numeric_limits<int64_t>::max()) const;
  double number(std::string_view key, double otherwise) const;  // an integer is fine too
  // Text such as "1s" (base/quantity.h); negative ones are errors.
  std::chrono::nanoseconds duration(std::string_view key, std::chrono::nanoseconds otherwise) const;
  // Bytes: text such as "64KiB", or an integer.
  uint64_t size(std::string_view key, uint64_t otherwise) const;

  std::vector<std::string> strings(std::string_view key) const;  // an array of strings, or one string; absent: none
  std::vector<double> numbers(std::string_view key) const;       // an array of numbers; absent: none
  // A table of strings, in the order of the file; absent: none. For free-form names such as labels and expressions.
  std::vector<std::pair<std::string, std::string>> string_map(std::string_view key) const;

  // A table; absent: an empty one, where every question gives its default and present() is false.
  ConfigTable table(std::string_view key) const;
  // An array of tables ([[key]]), or one table; absent: none.
  std::vector<ConfigTable> tables(std::string_view key) const;
  // A value as it is, for those who check kinds themselves; and the elements of an array or the values of a table.
  ConfigValue value(std::string_view key) const;
  std::vector<ConfigValue> elements(std::string_view key) const;
  // Every key in the order of the file. Asking for it does not make the keys known.
  std::vector<std::string> keys() const;

  // What stands at `key`, variables replaced: equal texts mean equal values. Not TOML. Absent: "".
  std::string canonical(std::string_view key) const;

  bool present() const;
  // Unknown keys of this table (and of tables in it nobody asked for) are no errors: for tables whose kind is wrong
  // anyway.
  void ignore_rest() const;
  // What an unknown key of this table is called in its error, instead of `unknown key "x" in [table]`: `what "x"`.
  void name_unknown_keys(std::string_view what) const;

  // --- errors found by the caller
  void error_at(std::string_view key, std::string what, std::string remedy = "") const;  // at the key, else the table
  void error(std::string what, std::string remedy = "") const;                           // at the table
  std::string place() const;  // FILE:LINE:COLUMN of the table
  std::string title() const;  // as the user wrote it: [http], [[source.stage]], the file's name for the root

 private:
  friend class ConfigDocument;
  ConfigTable(ConfigState* state, ConfigNode* node) : state_(state), node_(node) {}
  ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key, ConfigKind kind, std::string_view wanted) const;
  void wrong_kind(std::string_view key, const ConfigNode& got, std::string_view wanted) const;

  ConfigState* state_;
  ConfigNode* node_;
};

class ConfigDocument {
 public:
  // The value of an environment variable, or nothing.
  using Environment = std::function<std::optional<std::string>(const std::string& name)>;
  static Environment process_environment();

  // kNotFound, kIo: the file cannot be read. kInvalid: not TOML (`FILE:LINE:COLUMN: what`).
  static Result<ConfigDocument> load(const std::string& path, const Environment& environment = process_environment());
  static Result<ConfigDocument> parse(std::string_view text, std::string name,
                                      const Environment& environment = process_environment());

  ConfigDocument(ConfigDocument&&) noexcept;
  ConfigDocument& operator=(ConfigDocument&&) noexcept;
  ~ConfigDocument();

  ConfigTable root() const;
  // The root of another file that belongs to this document: its faults are reported with the others. Nothing: it cannot
  // be read or is not TOML, which is a fault of the document, too.
  std::optional<ConfigTable> include(const std::string& path, const Environment& environment = process_environment());
  // All of it as it was read, behind each file's name as a comment where there are several.
  std::string text() const;
  const std::string& name() const;  // the path, or the name given to parse()
  ConfigErrors& errors() const;
  // Adds an error for every key nobody asked about, then answers kInvalid with all errors if there are any.
  Result<void> finish() const;

 private:
  explicit ConfigDocument(std::unique_ptr<ConfigState> state);
  std::unique_ptr<ConfigState> state_;
};

// The known word most like `word`: at most three edits away, and fewer than half its letters. Empty: none.
std::string_view nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace pipeline
