#include "tests/bench/log_lines.h"

#include <charconv>
#include <iterator>
#include <string_view>

#include "pipeline/base/time_format.h"

namespace bench {

using pipeline::UnixNanos;

namespace {

template <size_t N>
const char* any(Random& random, const char* const (&of)[N]) {
  return of[random.below(N)];
}

// One JSON field that only some lines have.
class Fields {
 public:
  Fields(std::string& out, Random& random) : out_(out), random_(random) {}
  template <size_t N>
  int text(uint32_t percent, const char* key, const char* const (&of)[N]) {
    if (!random_.percent(percent)) return -1;
    int chosen = static_cast<int>(random_.below(N));
    begin(key), out_ += '"', out_ += of[chosen], out_ += '"';
    return chosen;
  }
  void number(uint32_t percent, const char* key, uint64_t value) {
    if (!random_.percent(percent)) return;
    begin(key), append_number(out_, value);
  }

 private:
  void begin(const char* key) { out_ += ",\"", out_ += key, out_ += "\":"; }
  std::string& out_;
  Random& random_;
};

constexpr const char* kMessages[] = {"order accepted and queued", "user signed in with a second factor",
                                     "payment captured",          "connection pool grew",
                                     "cache entry was stale",     "health probe answered",
                                     "rate limit reached",        "session ended by the client",
                                     "input rejected by schema"};
constexpr const char* kComponents[] = {"checkout", "payment-gateway", "user-directory", "mail-dispatcher"};
constexpr const char* kMethods[] = {"GET", "POST", "PUT", "DELETE"};
constexpr const char* kRegions[] = {"us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1"};
constexpr const char* kErrors[] = {"TimeoutError", "ConnectionError", "SchemaError", "PermissionError", "StorageError"};
constexpr uint64_t kStatus[] = {200, 201, 400, 401, 403, 404, 500, 503};

constexpr const char* kDaemons[] = {"sshd", "kernel", "crond", "systemd", "named", "dhclient", "postfix", "dockerd"};

void append_clock(std::string& out, UnixNanos time) {  // "Nov 21 10:04:05"
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int64_t seconds = time / 1'000'000'000, of_day = seconds % 86'400;
  pipeline::CivilDate date = pipeline::civil_from_days(seconds / 86'400);
  auto two = [&](int64_t n) { out += static_cast<char>('0' + n / 10), out += static_cast<char>('0' + n % 10); };
  out += kMonths[date.month - 1], out += ' ', two(date.day), out += ' ';
  two(of_day / 3600), out += ':', two(of_day / 60 % 60), out += ':', two(of_day % 60);
}

void append_hex(std::string& out, uint64_t bits, int digits) {
  while (digits-- > 0) out += "0123456789abcdef"[bits & 15], bits >>= 4;
}

void append_address(std::string& out, Random& random) {
  out += "10.", append_number(out, random.below(4)), out += '.';
  append_number(out, random.below(256)), out += '.', append_number(out, random.below(256));
}

}  // namespace

void append_number(std::string& out, uint64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, std::end(digits), number).ptr);
}

LineFacts append_json_line(std::string& out, Random& random, UnixNanos time, uint64_t sequence) {
  LineFacts facts;
  out += "{\"at\":", append_number(out, static_cast<uint64_t>(time));
  out += ",\"message\":\"", out += any(random, kMessages), out += "\",\"sequence\":", append_number(out, sequence);
  Fields fields(out, random);
  facts.level = fields.text(80, "level", kLevels);
  fields.text(90, "component", kComponents);
  fields.text(70, "method", kMethods);
  uint64_t status = kStatus[random.below(std::size(kStatus))];
  size_t before = out.size();
  fields.number(85, "status_code", status);
  facts.status_500 = status == 500 && out.size() > before;
  fields.number(75, "duration_ms", random.below(1000) + 10);
  fields.number(60, "user_id", random.below(10'000) + 500'000);
  fields.number(65, "bytes_sent", random.below(10'000) + 100);
  fields.number(60, "shard", random.below(64));
  int region = fields.text(35, "region", kRegions);
  int error = fields.text(15, "error_type", kErrors);
  facts.timeout_in_the_us = (region == 0 || region == 1) && error == 0;
  if (random.percent(40)) out += ",\"trace\":\"", append_hex(out, random.next(), 16), out += '"';
  out += '}';
  return facts;
}

void append_text_line(std::string& out, Random& random, UnixNanos time, uint32_t kind) {
  append_clock(out, time);
  out += " node-", append_number(out, random.below(20)), out += ' ', out += kDaemons[kind % std::size(kDaemons)];
  out += '[', append_number(out, 1000 + random.below(30'000)), out += "]: ";
  switch (random.below(8)) {
    case 0:
      out += "Failed password for invalid user admin from ", append_address(out, random), out += " port ";
      append_number(out, random.below(65'536)), out += " ssh2";
      break;
    case 1:
      out += "Received block blk_", append_number(out, random.next() >> 1), out += " of size ";
      append_number(out, random.below(67'108'864)), out += " from /", append_address(out, random);
      break;
    case 2:
      out += "pam_unix(cron:session): session opened for user daemon";
      append_number(out, random.below(40)), out += " by (uid=0), attempt ", append_number(out, random.below(5));
      break;
    case 3:
      out += "ERROR: worker ", append_number(out, random.below(32)), out += " gave up on job ";
      append_hex(out, random.next(), 12), out += " after ", append_number(out, random.below(90)), out += " s";
      break;
    case 4:
      out += "DHCPREQUEST on eth0 to ", append_address(out, random), out += " port 67 (xid=0x";
      append_hex(out, random.next(), 8), out += ')';
      break;
    case 5:
      out += "container ", append_hex(out, random.next(), 12), out += " exited with status ";
      append_number(out, random.below(3)), out += ", restarting in the background with a delay of 5 seconds";
      break;
    case 6:
      out += "TCP: request_sock_TCP: Possible SYN flooding on port ", append_number(out, random.below(65'536));
      out += ". Sending cookies. Check SNMP counters.";
      break;
    default:
      out += "query from ", append_address(out, random), out += "#", append_number(out, random.below(65'536));
      out += ": view internal: svc-", append_number(out, random.below(400)), out += ".cluster.local IN A + (cached)";
  }
}

bool append_logfmt_line(std::string& out, Random& random, UnixNanos time, uint64_t sequence) {
  static constexpr const char* kLevelNames[] = {"debug", "info", "warn", "error"};
  static constexpr const char* kMessages[] = {"request done", "cache miss", "query took long", "upstream closed"};
  const uint32_t level = random.below(4), status = 100 * (2 + random.below(4)) + random.below(5);
  out += "ts=", append_number(out, static_cast<uint64_t>(time) / 1'000'000);
  out += " level=", out += kLevelNames[level], out += " caller=server.go:", append_number(out, random.below(900));
  out += " msg=\"", out += kMessages[random.below(4)], out += "\" seq=", append_number(out, sequence);
  out += " method=GET path=/api/v1/items/", append_number(out, random.below(100'000));
  out += " status=", append_number(out, status), out += " duration=", append_number(out, random.below(5000));
  out += "ms peer=", append_address(out, random), out += " trace=", append_hex(out, random.next(), 16);
  return level == 3 && status > 499;
}

bool has_four_groups(std::string_view line) {
  auto digit = [&](size_t i) { return i < line.size() && line[i] >= '0' && line[i] <= '9'; };
  int groups = 0;  // groups of digits, each with a dot or colon behind it, that end where this one begins
  for (size_t i = 0; i < line.size();) {
    if (!digit(i)) {
      groups = 0, ++i;
      continue;
    }
    if (groups >= 3) return true;
    size_t end = i;
    while (digit(end)) ++end;
    bool separated = end < line.size() && (line[end] == '.' || line[end] == ':');
    // The first group may be the tail of a longer number, the others are whole.
    groups = !separated ? 0 : end - i <= 3 ? groups + 1 : 1;
    i = end + (separated ? 1 : 0);
  }
  return false;
}

}  // namespace bench
