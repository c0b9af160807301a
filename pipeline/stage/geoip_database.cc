#include "pipeline/stage/geoip_database.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <maxminddb.h>
#include <sys/socket.h>

#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"

namespace pipeline {

struct GeoipDatabase::Impl {
  MMDB_s database{};
  ~Impl() { MMDB_close(&database); }
};

namespace {

bool parse_address(std::string_view text, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof out);
  const std::string ended(text);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
  if (ended.size() != std::strlen(ended.c_str())) return false;
  if (::inet_pton(AF_INET, ended.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    return true;
  }
  if (::inet_pton(AF_INET6, ended.c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  return true;
}

template <class Number>
void append_number(std::string& out, Number number) {
  char buffer[40];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

// Appends the value that begins the list; returns the list behind it, null at its end.
const MMDB_entry_data_list_s* append_value(std::string& out, const MMDB_entry_data_list_s* list) {
  if (list == nullptr) return nullptr;
  const MMDB_entry_data_s& data = list->entry_data;
  list = list->next;
  switch (data.type) {
    case MMDB_DATA_TYPE_MAP:
    case MMDB_DATA_TYPE_ARRAY: {
      const bool is_map = data.type == MMDB_DATA_TYPE_MAP;
      out += is_map ? '{' : '[';
      for (uint32_t i = 0; i < data.data_size && list != nullptr; ++i) {
        if (i > 0) out += ',';
        if (is_map) {
          list = append_value(out, list);
          out += ':';
        }
        list = append_value(out, list);
      }
      out += is_map ? '}' : ']';
      break;
    }
    case MMDB_DATA_TYPE_UTF8_STRING: append_json_string(out, {data.utf8_string, data.data_size}); break;
    case MMDB_DATA_TYPE_DOUBLE: append_number(out, std::isfinite(data.double_value) ? data.double_value : 0.0); break;
    case MMDB_DATA_TYPE_FLOAT: append_number(out, std::isfinite(data.float_value) ? data.float_value : 0.0F); break;
    case MMDB_DATA_TYPE_UINT16: append_number(out, data.uint16); break;
    case MMDB_DATA_TYPE_UINT32: append_number(out, data.uint32); break;
    case MMDB_DATA_TYPE_INT32: append_number(out, data.int32); break;
    case MMDB_DATA_TYPE_UINT64: append_number(out, data.uint64); break;
    case MMDB_DATA_TYPE_BOOLEAN: out += data.boolean ? "true" : "false"; break;
    default: out += "null";  // bytes and 128-bit numbers: no database of MaxMind has any
  }
  return list;
}

}  // namespace

GeoipDatabase::GeoipDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GeoipDatabase::~GeoipDatabase() = default;

Result<std::unique_ptr<GeoipDatabase>> GeoipDatabase::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  errno = 0;
  const int status = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &impl->database);
  if (status == MMDB_SUCCESS) return std::unique_ptr<GeoipDatabase>(new GeoipDatabase(std::move(impl)));
  impl->database = {};  // the library has closed it
  if (status == MMDB_FILE_OPEN_ERROR || status == MMDB_IO_ERROR)
    return fail(system_error(concat("open ", path), errno));
  return fail(Errc::kInvalid, concat("open ", path, ": ", MMDB_strerror(status)));
}

bool GeoipDatabase::is_address(std::string_view text) {
  sockaddr_storage address;
  return parse_address(text, address);
}

std::optional<std::string> GeoipDatabase::find(std::string_view address) const {
  sockaddr_storage parsed;
  if (!parse_address(address, parsed)) return std::nullopt;
  int error = MMDB_SUCCESS;
  MMDB_lookup_result_s result =
      MMDB_lookup_sockaddr(&impl_->database, reinterpret_cast<const sockaddr*>(&parsed), &error);
  if (error != MMDB_SUCCESS || !result.found_entry) return std::nullopt;
  MMDB_entry_data_list_s* list = nullptr;
  std::optional<std::string> json;
  if (MMDB_get_entry_data_list(&result.entry, &list) == MMDB_SUCCESS) append_value(json.emplace(), list);
  MMDB_free_entry_data_list(list);
  return json;
}

}  // namespace pipeline
