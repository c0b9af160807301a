#include "agent/sink/elder_files.h"

#include <algorithm>

#include "pipeline/base/invariant.h"

namespace agent {

FileBytes locate(const ElderFiles* elders, FileId file, const pipeline::ByteRange& address) {
  if (!is_in_elder(address.begin)) return {file, nullptr, address};
  INVARIANT(elders != nullptr);
  auto after = std::find_if(elders->begin(), elders->end(), [&](const ElderFile& elder) {
    return static_cast<int64_t>(elder.begin) > static_cast<int64_t>(address.begin);
  });
  INVARIANT(after != elders->begin());
  const ElderFile& elder = *std::prev(after);
  return {elder.file, &elder, {address.begin - elder.begin, address.end - elder.begin, address.read_time}};
}

}  // namespace agent
