// GeoipDatabase: the one door to libmaxminddb: what a MaxMind database (.mmdb) knows about an IP address.
//
// Life:    the file is mapped until the object ends; replacing the file is seen by the next open() only.
// Thread:  any.
// Errors:  open(): kNotFound, kIo, `open /x.mmdb: no such file or directory`; kInvalid: it is no such database.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

class GeoipDatabase {
 public:
  static Result<std::unique_ptr<GeoipDatabase>> open(const std::string& path);
  ~GeoipDatabase();

  // Is it an IPv4 or IPv6 address?
  static bool is_address(std::string_view text);

  // The record of an address as JSON, one line. Nothing: it has none, the text is no address, or the record is damaged.
  std::optional<std::string> find(std::string_view address) const;

 private:
  struct Impl;
  explicit GeoipDatabase(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
