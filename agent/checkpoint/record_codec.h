// The ranges of a batch record as bytes, version 1 (integers are varints, zz: zigzag; base/varint.h):
//
//   u8 version = 1 | segments | segment...
//   segment: file id | u64 key of its labels (hash64 of their text) | flags | ranges | range...
//   flags:   1: continues the segment before; the others 0
//   range:   zz begin - end of the range before | end - begin | zz first_read_time - that of the range before
//
// "Before" is the range before in the same segment; 0 for the first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "pipeline/base/result.h"

namespace agent {

uint64_t labels_key(std::string_view labels);

std::string encode_segments(const std::vector<RecordSegment>& segments);

// `find_labels` gives the text of a key, or null. kCorrupt: not such bytes, or a key without a text. kInvalid: a newer
// version.
pipeline::Result<std::vector<RecordSegment>> decode_segments(
    std::string_view bytes, const std::function<std::shared_ptr<const std::string>(uint64_t key)>& find_labels);

}  // namespace agent
