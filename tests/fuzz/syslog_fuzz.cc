// Syslog: wherever a connection's bytes are divided, the same messages come out; what a message is taken apart into
// lies inside it, and written again it says the same.
#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/parse/syslog.h"
#include "pipeline/parse/syslog_frames.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

constexpr size_t kMaxBytes = 100;

std::vector<std::string> messages_of(std::string_view bytes, size_t step) {
  SyslogFrames frames(kMaxBytes, SyslogTrailer::kNextMessage);
  std::vector<std::string> out;
  auto take = [&](std::string_view frame) { out.emplace_back(frame); };
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    if (!frames.feed(bytes.substr(0, step), take)) return out;
    fuzz::demand(frames.held_bytes() <= kMaxBytes, "no more is held than one message");
  }
  frames.finish(take);
  return out;
}

void check_message(std::string_view text) {
  SyslogMessage m;
  if (parse_syslog(text, SyslogFormat::kAuto, 0, TimeZone::utc(), m) != SyslogFault::kNone) return;
  for (std::string_view part : {m.time_text, m.hostname, m.app_name, m.proc_id, m.msg_id, m.text})
    fuzz::demand(fuzz::lies_in(part, text), "a field lies inside its message");
  fuzz::demand(m.facility <= 23 && m.severity <= 7, "a priority is below 192");
  std::string again;
  append_rfc5424(again, m);
  SyslogMessage second;
  fuzz::demand(parse_syslog(again, SyslogFormat::kRfc5424, 0, TimeZone::utc(), second) == SyslogFault::kNone,
               "a message written again is one");
  fuzz::demand(second.hostname == (m.hostname == "-" ? "" : m.hostname), "its host name is the same");
  fuzz::demand(second.parameters.size() <= m.parameters.size(), "elements of one name become one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text = fuzz::text_of(data + 1, size - 1);
  auto whole = messages_of(text, size);
  fuzz::demand(whole == messages_of(text, 1 + data[0] % 16), "bytes may come in any pieces");
  for (const std::string& message : whole) check_message(message);
  check_message(text);
  return 0;
}
