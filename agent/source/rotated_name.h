// RotatedName: what the name of a file says about its rotation: app.log.1, app.log.2.gz, app.log-20261121,
// app-20261121.log.gz, 0.log.20261121-101010.gz, app.log.old.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agent {

struct RotatedName {
  std::optional<uint32_t> number;  // higher is older; otherwise `time` counts
  std::string time;                // digits and marks as written, or "old"; later ones compare as greater
  bool gzip = false;

  // `name` as a rotation of the file called `live`; both without folder. Nothing: it is none.
  static std::optional<RotatedName> parse(std::string_view live, std::string_view name);
  // Nothing: their names do not tell.
  std::optional<bool> newer_than(const RotatedName& other) const;
};

// Is the file at `path` called like the one at `former_path`, or like a rotation of it?
bool is_name_or_rotation(std::string_view former_path, std::string_view path);

}  // namespace agent
