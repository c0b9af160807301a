#include "pipeline/codec/push_json.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/codec/json_document.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

namespace {

namespace json = json_body::json;
using json_body::invalid;
using json_body::string_of;
using json_body::trim_end;

// Loki takes this key in any case, and no other.
bool is_streams(std::string_view key) {
  return std::ranges::equal(key, std::string_view("streams"), {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

class JsonPushDecoder {
 public:
  enum class Form { kV1, kLegacy };
  JsonPushDecoder(Form form, PushVisitor& visitor) : form_(form), visitor_(visitor) {}

  Result<void> run(std::string_view body) {
    TRY_LET(std::optional<json::object> root, document_.open(body));
    if (!root) return {};
    for (auto field : *root) {
      JSON_LET(std::string_view key, field.unescaped_key(), "json");
      if (!is_streams(key)) continue;
      JSON_LET(json::value streams, field.value(), "streams");
      TRY(read_streams(streams));
    }
    return {};
  }

 private:
  Result<void> read_streams(json::value value) {
    JSON_LET(bool absent, value.is_null(), "streams");
    if (absent) return {};
    JSON_LET(json::array streams, value.get_array(), "streams");
    for (auto element : streams) {
      JSON_LET(json::value stream, element, "streams");
      TRY(form_ == Form::kLegacy ? read_legacy_stream(stream) : read_stream(stream));
    }
    return {};
  }

  // The labels are wanted before the entries, whichever comes first in the text: so they are looked up first.
  Result<void> read_stream(json::value value) {
    JSON_LET(json::object stream, value.get_object(), "stream");
    std::string labels = "{}";
    auto found = stream.find_field_unordered("stream");
    if (!found.error()) {
      TRY_LET(labels, read_labels(found.value_unsafe()));
    } else if (found.error() != simdjson::NO_SUCH_FIELD) {
      return fail(invalid("stream", found.error()));
    }
    JSON_LET([[maybe_unused]] bool has_fields, stream.reset(), "stream");
    auto values = stream.find_field_unordered("values");
    if (values.error() == simdjson::NO_SUCH_FIELD) {
      visitor_.on_stream(labels, 0);
      return {};
    }
    JSON_LET(json::value entries, std::move(values), "values");
    return read_values(labels, entries);
  }

  Result<void> read_legacy_stream(json::value value) {
    JSON_LET(json::object stream, value.get_object(), "stream");
    std::string_view labels = "{}";
    if (auto found = stream.find_field_unordered("labels"); !found.error()) {
      JSON_LET(json::value text, std::move(found), "labels");
      TRY_LET(labels, string_of(text, "labels"));
    }
    JSON_LET([[maybe_unused]] bool has_fields, stream.reset(), "stream");
    auto found = stream.find_field_unordered("entries");
    if (found.error() == simdjson::NO_SUCH_FIELD) {
      visitor_.on_stream(labels, 0);
      return {};
    }
    JSON_LET(json::array entries, found.get_array(), "entries");
    JSON_LET(size_t count, entries.count_elements(), "entries");
    visitor_.on_stream(labels, count);
    size_t index = 0;
    for (auto element : entries) {
      JSON_LET(json::value entry, element, concat("entries[", index, "]"));
      auto result = read_legacy_entry(entry);
      if (!result) return fail(result.error().within(concat("entries[", index, "]")));
      ++index;
    }
    return {};
  }

  Result<void> read_legacy_entry(json::value value) {
    JSON_LET(json::object entry, value.get_object(), "entry");
    std::optional<UnixNanos> time;
    std::string_view line;
    metadata_.clear();
    for (auto field : entry) {
      JSON_LET(std::string_view key, field.unescaped_key(), "entry");
      const bool is_time = key == "ts" || key == "timestamp", is_line = key == "line";
      const bool is_metadata = key == "structuredMetadata";
      JSON_LET(json::value part, field.value(), "entry");
      if (is_time) {
        TRY_LET(std::string_view text, string_of(part, "ts"));
        time = parse_rfc3339(text);
        if (!time) return fail(invalid("ts", concat("an RFC 3339 time expected, got \"", text.substr(0, 40), "\"")));
      } else if (is_line) {
        TRY_LET(line, string_of(part, "line"));
      } else if (is_metadata) {
        TRY(read_metadata(part));
      }
    }
    if (!time) return fail(invalid("entry", "no ts"));
    visitor_.on_entry(*time, line, metadata_);
    return {};
  }

  Result<std::string> read_labels(json::value value) {
    JSON_LET(json::object object, value.get_object(), "stream");
    std::vector<Label> labels;
    for (auto field : object) {
      JSON_LET(std::string_view key, field.unescaped_key(), "stream");
      std::string name(key);
      JSON_LET(json::value label, field.value(), "stream");
      TRY_LET(std::string_view text, any_text(label));
      labels.emplace_back(std::move(name), text);
    }
    return LabelSet::from(std::move(labels)).text();
  }

  // A string's content; of anything else the text as it stands.
  Result<std::string_view> any_text(json::value value) {
    JSON_LET(json::json_type type, value.type(), "stream");
    switch (type) {
      case json::json_type::string: return string_of(value, "stream");
      case json::json_type::object: {
        JSON_LET(json::object object, value.get_object(), "stream");
        JSON_LET(std::string_view raw, object.raw_json(), "stream");
        return trim_end(raw);
      }
      case json::json_type::array: {
        JSON_LET(json::array array, value.get_array(), "stream");
        JSON_LET(std::string_view raw, array.raw_json(), "stream");
        return trim_end(raw);
      }
      default: return trim_end(value.raw_json_token());
    }
  }

  Result<void> read_values(std::string_view labels, json::value value) {
    JSON_LET(bool absent, value.is_null(), "values");
    if (absent) {
      visitor_.on_stream(labels, 0);
      return {};
    }
    JSON_LET(json::array values, value.get_array(), "values");
    JSON_LET(size_t count, values.count_elements(), "values");
    visitor_.on_stream(labels, count);
    size_t index = 0;
    for (auto element : values) {
      JSON_LET(json::value entry, element, concat("values[", index, "]"));
      auto result = read_entry(entry);
      if (!result) return fail(result.error().within(concat("values[", index, "]")));
      ++index;
    }
    return {};
  }

  Result<void> read_entry(json::value value) {
    JSON_LET(bool absent, value.is_null(), "entry");
    if (absent) return {};
    JSON_LET(json::array entry, value.get_array(), "entry");
    UnixNanos time = 0;
    std::string_view line;
    metadata_.clear();
    int index = 0;
    for (auto element : entry) {
      JSON_LET(json::value part, element, "entry");
      switch (index++) {
        case 0: {
          TRY_LET(time, read_time(part));
          break;
        }
        case 1: {
          TRY_LET(line, string_of(part, "line"));
          break;
        }
        case 2: TRY(read_metadata(part)); break;
        default: break;
      }
    }
    if (index == 0) return fail(invalid("entry", "a time and a line expected, got []"));
    visitor_.on_entry(time, line, metadata_);
    return {};
  }

  Result<UnixNanos> read_time(json::value value) {
    TRY_LET(std::string_view text, string_of(value, "timestamp"));
    UnixNanos time = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), time);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(invalid("timestamp", concat("decimal nanoseconds expected, got \"", text.substr(0, 40), "\"")));
    }
    return time;
  }

  Result<void> read_metadata(json::value value) {
    JSON_LET(json::object object, value.get_object(), "structured metadata");
    for (auto field : object) {
      TRY_LET(std::string_view name, key_of(field));
      JSON_LET(json::value part, field.value(), "structured metadata");
      TRY_LET(std::string_view text, string_of(part, "structured metadata"));
      if (!text.empty()) metadata_.push_back({name, text});
    }
    return {};
  }

  template <class Field>
  Result<std::string_view> key_of(Field& field) {
    JSON_LET(std::string_view name, field.unescaped_key(), "structured metadata");
    return name;
  }

  const Form form_;
  PushVisitor& visitor_;
  json_body::JsonDocument document_;
  std::vector<Metadata> metadata_;
};

Result<void> decode(std::string_view body, JsonPushDecoder::Form form, PushVisitor& visitor) {
  return JsonPushDecoder(form, visitor).run(body);
}

}  // namespace

Result<void> decode_push_json(std::string_view body, PushVisitor& visitor) {
  return decode(body, JsonPushDecoder::Form::kV1, visitor);
}

Result<void> decode_legacy_push_json(std::string_view body, PushVisitor& visitor) {
  return decode(body, JsonPushDecoder::Form::kLegacy, visitor);
}

}  // namespace pipeline
