// The raw bytes of the footer's sections (format.h), both ways. Decoders answer false for malformed bytes; afterwards
// is_consistent() says whether the sections fit together and into an object of `size` bytes.
#pragma once

#include <string>
#include <string_view>

#include "server/store/object_directory.h"

namespace server {

std::string encode_strings(const ObjectDirectory& directory);
std::string encode_streams(const ObjectDirectory& directory);
std::string encode_volumes(const ObjectDirectory& directory);
std::string encode_pages(const ObjectDirectory& directory);
std::string encode_metadata_keys(const ObjectDirectory& directory);
std::string encode_lineage(const ObjectDirectory& directory);
std::string encode_origin(const ObjectDirectory& directory);

// LINEAGE first: the others count from its smallest time. STRINGS before STREAMS before VOLUMES.
bool decode_lineage(std::string_view raw, ObjectDirectory& directory);
bool decode_origin(std::string_view raw, ObjectDirectory& directory);
bool decode_metadata_keys(std::string_view raw, ObjectDirectory& directory);
bool decode_strings(std::string_view raw, ObjectDirectory& directory);
bool decode_streams(std::string_view raw, ObjectDirectory& directory);
bool decode_volumes(std::string_view raw, ObjectDirectory& directory);
bool decode_pages(std::string_view raw, ObjectDirectory& directory);

bool is_consistent(const ObjectDirectory& directory, uint64_t size);

}  // namespace server
