#include "pipeline/codec/push_reader.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/codec/push.pb.h"
#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_writer.h"

using namespace pipeline;
using namespace std::string_literals;

namespace {

std::string field(int number, std::string_view bytes) {
  std::string out;
  append_varint(out, static_cast<uint64_t>(number) << 3 | 2);
  append_varint(out, bytes.size());
  return out.append(bytes);
}
std::string number_field(int number, uint64_t value) {
  std::string out;
  append_varint(out, static_cast<uint64_t>(number) << 3);
  append_varint(out, value);
  return out;
}
std::string entry_at(uint64_t seconds, uint64_t nanos) {
  return field(2, field(1, number_field(1, seconds) + number_field(2, nanos)) + field(2, "line"));
}

std::vector<CollectedStream> read(std::string_view request) {
  PushCollector collector;
  auto result = decode_push(request, collector);
  REQUIRE(result.has_value());
  return collector.streams;
}
std::string fault(std::string_view request) {
  PushCollector collector;
  auto result = decode_push(request, collector);
  if (result) return "";
  CHECK(result.error().code == Errc::kInvalid);
  return result.error().message;
}

std::string sample_request() {
  ByteBuffer a, b;
  std::vector<Metadata> metadata = {{"trace_id", "0242ac120002"}, {"user", "42"}};
  append_push_entry(a, 1'700'000'000'000'000'001, "first line", metadata);
  append_push_entry(a, 1'700'000'000'000'000'002, std::string(200, 'y'), {});
  append_push_entry(b, 5, "", {});
  PushBody body;
  body.add_stream("{app=\"a\"}", a.view()), body.add_stream("{app=\"b\"}", b.view());
  std::string out;
  for (std::string_view fragment : body.fragments()) out += fragment;
  return out;
}

// A copy without a byte to spare, so that a sanitizer sees any read past the end.
PushCollector decode_exact(std::string_view bytes, bool& ok) {
  std::vector<char> exact(bytes.begin(), bytes.end());
  PushCollector collector;
  ok = decode_push({exact.data(), exact.size()}, collector).has_value();
  return collector;
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("push reader: times of every length, also where the request ends, and as nobody writes them") {
    constexpr uint64_t kSeconds[] = {0, 1, 127, 128, 1'700'000'000, 8'999'999'999, 9'000'000'000, 9'000'000'001};
    constexpr uint64_t kNanos[] = {0, 1, 127, 128, 16'383, 16'384, 2'097'152, 268'435'455, 268'435'456, 999'999'999};
    for (const uint64_t seconds : kSeconds) {
      for (const uint64_t nanos : kNanos) {
        const std::string s = number_field(1, seconds), n = number_field(2, nanos);
        const auto time = static_cast<UnixNanos>(seconds * 1'000'000'000 + nanos);
        for (const std::string& written : {s + n, n + s, s + n + s, s + number_field(2, 7) + n, s + n + field(9, "")}) {
          for (const std::string& line :
               {""s, "l"s, std::string(127, 'y'), std::string(128, 'z'), std::string(20'000, 'w')}) {
            const std::string entry = field(2, field(1, written) + (line.empty() ? line : field(2, line)));
            const auto streams = read(field(1, field(1, "{}") + entry));
            REQUIRE(streams.size() == 1);
            REQUIRE(streams[0].entries.size() == 1);
            CHECK(streams[0].entries[0].time == time);
            CHECK(streams[0].entries[0].line == line);
          }
        }
      }
    }
    CHECK_FALSE(fault(field(1, entry_at(1, 1'000'000'000))).empty());
    CHECK_FALSE(fault(field(1, entry_at(300'000'000'000, 1))).empty());
  }

  TEST_CASE("codec: fields may come in any order, and unknown ones are skipped") {
    std::string group = "\x4b\x08\x07\x4c"s;  // field 9: a group with one varint inside
    std::string stream = entry_at(7, 9) + number_field(3, 77) + field(1, "{old}") + number_field(15, 1) + group +
                         field(1, "{a=\"b\"}") + "\x61"s + std::string(8, 'f') + "\x65"s + std::string(4, 'f');
    auto streams = read(field(2, "loki") + field(1, stream) + group);
    REQUIRE(streams.size() == 1);
    CHECK(streams[0].labels == "{a=\"b\"}");
    CHECK(streams[0].announced == 1);
    REQUIRE(streams[0].entries.size() == 1);
    CHECK(streams[0].entries[0].time == 7'000'000'009);
    CHECK(streams[0].entries[0].line == "line");
  }

  TEST_CASE("codec: an empty request has no streams, an empty stream no labels, an empty entry time 0") {
    CHECK(read("").empty());
    CHECK(read(field(1, "")) == std::vector<CollectedStream>{{"", 0, {}}});
    CHECK(read(field(1, field(2, ""))) == std::vector<CollectedStream>{{"", 1, {{0, "", {}}}}});
  }

  TEST_CASE(
      "codec: times beyond nanoseconds of 64 bits become the nearest one, times beyond the calendar are refused") {
    CHECK(read(field(1, entry_at(253'402'300'799, 0)))[0].entries[0].time == std::numeric_limits<UnixNanos>::max());
    CHECK(read(field(1, entry_at(static_cast<uint64_t>(-62'135'596'800), 0)))[0].entries[0].time ==
          std::numeric_limits<UnixNanos>::min());
    CHECK(read(field(1, entry_at(static_cast<uint64_t>(-1), 999'999'999)))[0].entries[0].time == -1);
    CHECK(fault(field(1, entry_at(253'402'300'800, 0))) == "timestamp: seconds:253402300800 out of range");
    CHECK(fault(field(1, entry_at(1, 1'000'000'000))) == "timestamp: nanos:1000000000 not in range [0, 1e9)");
    CHECK(fault(field(1, entry_at(1, static_cast<uint64_t>(-1)))) == "timestamp: nanos:-1 not in range [0, 1e9)");
  }

  TEST_CASE("codec: malformed requests are refused with a reason") {
    CHECK(fault("\x0a\x05"s) == "unexpected EOF");
    CHECK(fault("\x0a"s) == "unexpected EOF");
    CHECK(fault("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s) == "unexpected EOF");
    CHECK(fault("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s) == "proto: integer overflow");
    CHECK(fault("\x00\x01"s) == "proto: illegal tag 0 (wire type 0)");
    CHECK(fault("\x17\x01"s) == "proto: illegal wireType 7");
    CHECK(fault("\x08\x01"s) == "proto: wrong wireType = 0 for field Streams");
    CHECK(fault("\x14"s) == "proto: illegal wireType 4");
    CHECK(fault("\x13\x1c"s) == "proto: illegal wireType 4");
    CHECK(fault("\x13"s) == "unexpected EOF");
    CHECK(fault(field(1, number_field(1, 1))) == "proto: wrong wireType = 0 for field Labels");
    CHECK(fault(field(1, field(2, number_field(2, 1)))) == "proto: wrong wireType = 0 for field Line");
    CHECK(fault(field(1, field(2, field(3, number_field(1, 5))))) == "proto: wrong wireType = 0 for field Name");
    CHECK(fault(std::string(100'000, '\x13')) == "proto: groups nested too deeply");
  }

  TEST_CASE("codec: a request cut at any byte is refused, or is the whole of what came before") {
    std::string whole = sample_request();
    for (size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(n);
      bool ok = false;
      PushCollector collector = decode_exact(std::string_view(whole).substr(0, n), ok);
      if (ok) CHECK(collector.streams.size() < 2);  // the cut fell between two streams
    }
  }

  TEST_CASE(
      "codec: mutated requests never make the decoder read outside, and what it takes equals what libprotobuf takes") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::string whole = sample_request();
    for (int round = 0; round < 20'000; ++round) {
      std::string bytes = whole;
      for (uint32_t n = 1 + random() % 3; n > 0; --n) {
        size_t at = random() % bytes.size();
        switch (random() % 4) {
          case 0: bytes[at] = static_cast<char>(random()); break;
          case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
          case 2: bytes.erase(at, 1 + random() % 4); break;
          default: bytes.insert(at, 1 + random() % 3, static_cast<char>(random()));
        }
        if (bytes.empty()) bytes = "x";
      }
      bool ok = false;
      PushCollector ours = decode_exact(bytes, ok);
      if (!ok) continue;
      push_schema::PushRequest theirs;
      if (!theirs.ParseFromString(bytes)) continue;  // a fault inside `parsed`, which we skip unread
      REQUIRE(static_cast<size_t>(theirs.streams_size()) == ours.streams.size());
      for (int i = 0; i < theirs.streams_size(); ++i) {
        REQUIRE(theirs.streams(i).labels() == ours.streams[static_cast<size_t>(i)].labels);
        REQUIRE(static_cast<size_t>(theirs.streams(i).entries_size()) ==
                ours.streams[static_cast<size_t>(i)].announced);
      }
    }
  }
}
