#include "server/ingest/push_decoder.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "pipeline/codec/deflate.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"

using namespace server;
using pipeline::concat;
using pipeline::Errc;
using pipeline::LabelSet;
using pipeline::Metadata;
using pipeline::UnixNanos;

TEST_SUITE_BEGIN("server/ingest");

namespace {

constexpr UnixNanos kNow = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z

struct TestEntry {
  UnixNanos time;
  std::string line;
  std::vector<Metadata> metadata;
};

std::string protobuf(const std::vector<std::pair<std::string, std::vector<TestEntry>>>& streams) {
  std::vector<pipeline::ByteBuffer> buffers(streams.size());
  pipeline::PushBody body;
  for (size_t i = 0; i < streams.size(); ++i) {
    for (const TestEntry& entry : streams[i].second)
      pipeline::append_push_entry(buffers[i], entry.time, entry.line, entry.metadata);
    body.add_stream(streams[i].first, buffers[i].view());
  }
  std::string out;
  for (auto fragment : body.fragments()) out += fragment;
  return out;
}

// What a push says and nothing else.
TenantLimits without_discovery() {
  TenantLimits limits;
  limits.discover_service_name.clear();
  limits.discover_log_levels = false;
  return limits;
}

struct Decoder {
  TenantLimits limits = without_discovery();
  uint64_t max_raw_bytes = 100 << 20;

  pipeline::Result<DecodedPush> decode(PushBodyKind kind, std::string_view body) {
    StreamTable streams;
    PushRules rules(std::make_shared<const TenantLimits>(limits));
    return decode_push_request(kind, body, {"fake", rules, kNow, max_raw_bytes}, streams);
  }
  pipeline::Result<DecodedPush> json(std::string_view body) {
    return decode({BodyFormat::kJson, BodyEncoding::kNone}, body);
  }
  pipeline::Result<DecodedPush> push(const std::vector<std::pair<std::string, std::vector<TestEntry>>>& streams) {
    return decode({BodyFormat::kProtobuf, BodyEncoding::kSnappy}, pipeline::snappy_compress(protobuf(streams)));
  }
  std::string rejection(std::string labels, std::vector<TestEntry> entries = {{kNow, "x", {}}}) {
    auto decoded = push({{std::move(labels), std::move(entries)}});
    REQUIRE(decoded);
    return decoded->rejections.text();
  }
};

}  // namespace

TEST_CASE("push: a stream without service_name gets the first of Loki's labels that it has") {
  Decoder decoder{TenantLimits()};
  auto stream_of = [&](std::string labels) {
    auto decoded = decoder.push({{std::move(labels), {{kNow, "x", {}}}}});
    REQUIRE(decoded);
    REQUIRE(decoded->entries.parts.size() == 1);
    return decoded->entries.parts[0].stream->text();
  };
  CHECK(stream_of(R"({job="j", app="a"})") == R"({app="a", job="j", service_name="a"})");
  CHECK(stream_of(R"({k8s_job_name="j", x="y"})") == R"({k8s_job_name="j", service_name="j", x="y"})");
  CHECK(stream_of(R"({app="", job="j"})") == R"({job="j", service_name="j"})");
  CHECK(stream_of(R"({x="y"})") == R"({service_name="unknown_service", x="y"})");
  CHECK(stream_of("{}") == R"({service_name="unknown_service"})");
  CHECK(stream_of(R"({app="a", service_name="mine"})") == R"({app="a", service_name="mine"})");
  CHECK(stream_of(R"({__pattern__="p", app="a"})") == R"({__pattern__="p", app="a"})");
  CHECK(stream_of(R"({__aggregated_metric__="p"})") == R"({__aggregated_metric__="p"})");
  decoder.limits.discover_service_name = {"x"};
  CHECK(stream_of(R"({app="a", x="y"})") == R"({app="a", service_name="y", x="y"})");
  decoder.limits.discover_service_name.clear();
  CHECK(stream_of(R"({app="a"})") == R"({app="a"})");
  CHECK(decoder.rejection("{}") == "error at least one label pair is required per stream");
}

TEST_CASE("push: levels once found in lines are taken, and lines without are looked at again") {
  StreamTable streams;
  PushRules rules(std::make_shared<const TenantLimits>());
  const std::string body = pipeline::snappy_compress(
      protobuf({{R"({app="a"})", {{kNow, "an error", {}}, {kNow + 1, "info", {{"level", "warn"}}}}},
                {R"({app="b"})", {{kNow + 2, "debug it", {{"pod", "x"}}}, {kNow + 3, "no word", {}}}}}));
  auto levels_with = [&](const LineLevels* known, LineLevels* found = nullptr) {
    PushDecoding decoding{"fake", rules, kNow};
    decoding.line_levels = known;
    auto decoded = decode_push_request({BodyFormat::kProtobuf, BodyEncoding::kSnappy}, body, decoding, streams);
    REQUIRE(decoded);
    std::vector<std::string> levels;
    const EntrySlice rows = decoded->entries.columns.slice();
    for (size_t i = 0; i < rows.size(); ++i) levels.emplace_back(rows.metadata(i).find("detected_level").value_or(""));
    if (found) *found = std::move(decoded->line_levels);
    return levels;
  };
  const std::vector<std::string> right{"error", "warn", "debug", "unknown"};
  LineLevels found;
  CHECK(levels_with(nullptr, &found) == right);
  CHECK(found.of(0) == "error");
  CHECK_FALSE(found.of(1));  // its metadata tells it
  CHECK(found.of(2) == "debug");
  CHECK(found.of(3) == "unknown");
  CHECK_FALSE(found.of(4));
  CHECK(levels_with(&found) == right);
  LineLevels other;  // nobody looks whether they are right
  other.note(0, "fatal"), other.note(1, "fatal"), other.note(2, "critical");
  CHECK(levels_with(&other) == std::vector<std::string>{"fatal", "warn", "critical", "unknown"});
  for (std::string bytes : {"", "\xff", "\xff\xff\xff\xff\xff", "\x9a\xbc"}) {
    const LineLevels senseless(bytes);
    CHECK(levels_with(&senseless) == right);
  }
}

TEST_CASE("push: each level has a number of its own, which the log keeps") {
  LineLevels levels;
  for (size_t i = 0; i < std::size(kLineLevels); ++i) {
    CHECK(line_level_number(kLineLevels[i]) == i);
    levels.note(2 * i + 1, kLineLevels[i]);
  }
  for (size_t i = 0; i < std::size(kLineLevels); ++i) {
    CHECK(levels.of(2 * i + 1) == kLineLevels[i]);
    CHECK_FALSE(levels.of(2 * i));
  }
  CHECK(std::move(levels).take_bytes() == std::string_view("\x10\x20\x30\x40\x50\x60\x70\x80", 8));
}

TEST_CASE("push: entries get detected_level from their stream, their metadata or their line") {
  Decoder decoder{TenantLimits()};
  auto levels_of = [&](const std::string& labels, const std::vector<TestEntry>& entries) {
    auto decoded = decoder.push({{labels, entries}});
    REQUIRE(decoded);
    auto again = Decoder{decoder.limits.lifted()}.decode({BodyFormat::kProtobuf, BodyEncoding::kSnappy},
                                                         encode_push(decoded->entries));
    REQUIRE(again);  // as the log replays it
    std::vector<std::string> levels;
    EntrySlice rows = decoded->entries.columns.slice(), replayed = again->entries.columns.slice();
    for (size_t i = 0; i < rows.size(); ++i) {
      levels.emplace_back(rows.metadata(i).find("detected_level").value_or("none"));
      CHECK(rows.metadata(i).encoded() == replayed.metadata(i).encoded());
    }
    return levels;
  };
  const std::vector<TestEntry> entries = {{kNow, "an error", {}},
                                          {kNow, "an error", {{"Severity", "wrn"}}},
                                          {kNow, "an error", {{"trace", "t"}}},
                                          {kNow, "an error", {{"detected_level", "INF"}, {"level", "warn"}}},
                                          {kNow, "nothing", {{"severity_number", "5"}}}};
  using Levels = std::vector<std::string>;
  CHECK(levels_of(R"({a="b"})", entries) == Levels{"error", "warn", "error", "info", "debug"});
  CHECK(levels_of(R"({lvl="Odd"})", entries) == Levels{"Odd", "Odd", "Odd", "info", "Odd"});
  decoder.limits.discover_log_levels = false;
  CHECK(levels_of(R"({a="b"})", entries) == Levels{"none", "none", "none", "INF", "none"});
  decoder.limits.discover_log_levels = true;
  decoder.limits.allow_structured_metadata = false;
  CHECK(levels_of(R"({a="b"})", {entries[0]}) == Levels{"none"});
}

TEST_CASE("push: service_name does not count as a label, and refusals name it") {
  Decoder decoder{TenantLimits()};
  decoder.limits.max_label_names_per_series = 2;
  CHECK(decoder.rejection(R"({a="1", b="2"})") == "");
  CHECK(decoder.rejection(R"({a="1", b="2", c="3"})") ==
        R"(entry for stream '{a="1", b="2", c="3", service_name="unknown_service"}' has 3 label names; limit 2)");
}

TEST_CASE("push: entries come out by stream, in order, with their metadata") {
  auto decoded = Decoder().push({{R"({b="2", a="1"})", {{kNow, "one", {{"trace", "t1"}}}, {kNow - 5, "two", {}}}},
                                 {R"({app="x"})", {{7, "three", {}}}}});
  REQUIRE(decoded);
  const PushedEntries& in = decoded->entries;
  REQUIRE(in.parts.size() == 2);
  CHECK(in.parts[0].stream->text() == R"({a="1", b="2"})");
  CHECK(in.parts[0].stream->tenant() == "fake");
  CHECK(in.parts[0].min_time == kNow - 5);
  CHECK(in.parts[0].max_time == kNow);
  EntrySlice first = in.columns.slice(in.parts[0].begin, in.parts[0].end);
  CHECK(first.line(0) == "one");
  CHECK(first.metadata(0).find("trace") == "t1");
  CHECK(first.metadata(1).empty());
  EntrySlice second = in.columns.slice(in.parts[1].begin, in.parts[1].end);
  CHECK(second.size() == 1);
  CHECK(second.time(0) == 7);
  CHECK(decoded->rejections.empty());
  CHECK(decoded->streams == 2);
}

TEST_CASE("push: every encoding of one body decodes to the same entries") {
  std::string plain = protobuf({{R"({app="x"})", {{kNow, "line", {}}}}}), snappy = pipeline::snappy_compress(plain);
  std::string json = concat(R"({"streams":[{"stream":{"app":"x"},"values":[[")", kNow, R"(","line"]]}]})");
  // gzip = 10 bytes of header, raw deflate, 8 bytes of trailer
  auto deflate = [](std::string_view bytes) {
    std::string gzip = pipeline::gzip_compress(bytes);
    return gzip.substr(10, gzip.size() - 18);
  };
  Decoder decoder;
  for (auto [kind, body] : std::vector<std::pair<PushBodyKind, std::string>>{
           {{BodyFormat::kProtobuf, BodyEncoding::kNone}, plain},
           {{BodyFormat::kProtobuf, BodyEncoding::kSnappy}, snappy},
           {{BodyFormat::kProtobuf, BodyEncoding::kGzipSnappy}, pipeline::gzip_compress(snappy)},
           {{BodyFormat::kProtobuf, BodyEncoding::kDeflateSnappy}, deflate(snappy)},
           {{BodyFormat::kJson, BodyEncoding::kNone}, json},
           {{BodyFormat::kJson, BodyEncoding::kGzip}, pipeline::gzip_compress(json)},
           {{BodyFormat::kJson, BodyEncoding::kDeflate}, deflate(json)}}) {
    auto decoded = decoder.decode(kind, body);
    REQUIRE(decoded);
    REQUIRE(decoded->entries.columns.size() == 1);
    CHECK(decoded->entries.columns.slice().line(0) == "line");
    CHECK(decoded->entries.parts[0].stream->text() == R"({app="x"})");
  }
}

TEST_CASE("push: a malformed body or label text refuses the whole request") {
  Decoder decoder;
  auto garbage = decoder.decode({BodyFormat::kProtobuf, BodyEncoding::kSnappy}, "\xff\xff garbage");
  REQUIRE_FALSE(garbage);
  CHECK(garbage.error().code == Errc::kInvalid);
  CHECK_FALSE(decoder.decode({BodyFormat::kProtobuf, BodyEncoding::kNone}, "\x0a\x7fxx"));
  CHECK_FALSE(decoder.json("{not json"));
  auto labels = decoder.push({{R"({app="good"})", {{kNow, "x", {}}}}, {R"({app=bad})", {{kNow, "x", {}}}}});
  REQUIRE_FALSE(labels);
  CHECK(labels.error().message.starts_with("couldn't parse labels: "));
  CHECK_FALSE(decoder.push({{"{app=\"\xef\xbf\xbd\"}", {{kNow, "x", {}}}}}));
  CHECK_FALSE(decoder.push({{"{app=\"\xff\"}", {{kNow, "x", {}}}}}));
  CHECK_FALSE(decoder.json(R"({"streams":[{"stream":{"a b":"x"},"values":[["1","l"]]}]})"));
}

TEST_CASE("push: a body that grows beyond the limit is refused before it is stored") {
  Decoder decoder;
  decoder.max_raw_bytes = 1000;
  std::string large = protobuf({{R"({app="x"})", {{kNow, std::string(2000, 'x'), {}}}}});
  for (auto encoding : {BodyEncoding::kNone, BodyEncoding::kSnappy}) {
    auto decoded = decoder.decode({BodyFormat::kProtobuf, encoding},
                                  encoding == BodyEncoding::kNone ? large : pipeline::snappy_compress(large));
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == Errc::kOverLimit);
    CHECK(decoded.error().message.starts_with("request body too large: "));
  }
}

TEST_CASE("push: no stream, empty streams and entries without a line are told apart") {
  Decoder decoder;
  CHECK(decoder.json(R"({"streams":[]})")->streams == 0);
  CHECK(decoder.json("{}")->streams == 0);
  auto empty = decoder.json(R"({"streams":[{}]})");
  REQUIRE(empty);
  CHECK(empty->streams == 1);
  CHECK(empty->entries.empty());
  CHECK(empty->rejections.empty());  // its labels are not even looked at
}

TEST_CASE("push: label rules are Loki's, with its texts") {
  Decoder decoder;
  CHECK(decoder.rejection("{}") == "error at least one label pair is required per stream");
  CHECK(decoder.rejection(R"({a=""})") == "error at least one label pair is required per stream");
  CHECK(decoder.rejection(R"({a="1", a="2"})") == R"(stream '{a="1", a="2"}' has duplicate label name: 'a')");
  Decoder discovering;
  discovering.limits.discover_service_name = {"z"};
  CHECK(discovering.rejection(R"({z="3", a="1", a="2"})") ==
        R"(stream '{a="1", a="2", service_name="3", z="3"}' has duplicate label name: 'a')");
  std::string many = "{";
  for (int i = 0; i < 16; ++i) many += concat(i > 0 ? "," : "", "l", i, "=\"x\"");
  many += "}";
  CHECK(decoder.rejection(many) ==
        concat("entry for stream '", LabelSet::parse(many)->text(), "' has 16 label names; limit 15"));
  std::string name(1025, 'n'), value(2049, 'v');
  CHECK(decoder.rejection(concat("{", name, "=\"x\"}")) ==
        concat("stream '{", name, "=\"x\"}' has label name too long: '", name, "'"));
  CHECK(decoder.rejection(concat("{a=\"", value, "\"}")) ==
        concat("stream '{a=\"", value, "\"}' has label value too long: '", value, "'"));
}

TEST_CASE("push: good entries beside bad ones are kept") {
  auto decoded = Decoder().push({{R"({app="x"})",
                                  {{kNow, "good", {}},
                                   {kNow, std::string(262'145, 'x'), {}},
                                   {kNow + 3600'000'000'000, "late", {}},
                                   {kNow, std::string(262'144, 'x'), {}}}},
                                 {"{}", {{kNow, "a", {}}, {kNow, "bc", {}}}}});
  REQUIRE(decoded);
  CHECK(decoded->entries.columns.size() == 2);
  CHECK(decoded->rejections.entries(RejectReason::kLineTooLong) == 1);
  CHECK(decoded->rejections.bytes(RejectReason::kLineTooLong) == 262'145);
  CHECK(decoded->rejections.entries(RejectReason::kMissingLabels) == 2);
  CHECK(decoded->rejections.bytes(RejectReason::kMissingLabels) == 3);
  CHECK(decoded->rejections.text() ==
        "1 errors like: max entry size '262144' bytes exceeded for stream '{app=\"x\"}' while adding an entry with "
        "length '262145' bytes; 1 errors like: entry for stream '{app=\"x\"}' has timestamp too new: "
        "2023-11-14T23:13:20Z; 1 errors like: error at least one label pair is required per stream");
}

TEST_CASE("push: the same error many times is told once") {
  std::vector<TestEntry> entries(5, {kNow, std::string(300'000, 'x'), {}});
  CHECK(Decoder().rejection(R"({app="x"})", entries) ==
        "5 errors like: max entry size '262144' bytes exceeded for stream '{app=\"x\"}' while adding an entry with "
        "length '300000' bytes");
}

TEST_CASE("push: errors that all differ do not grow without end") {
  std::vector<TestEntry> entries;
  for (int i = 1; i <= 500; ++i) entries.push_back({kNow + i * 3600'000'000'000, "x", {}});
  std::string text = Decoder().rejection(R"({app="x"})", entries);
  CHECK(text.ends_with("; and 400 further errors"));
}

TEST_CASE("push: old samples are refused only where that is asked for") {
  Decoder decoder;
  std::vector<TestEntry> old{{kNow - 8 * 86400'000'000'000, "x", {}}};
  CHECK(decoder.push({{R"({app="x"})", old}})->entries.columns.size() == 1);
  decoder.limits.reject_old_samples = true;
  CHECK(decoder.rejection(R"({app="x"})", old) ==
        "entry for stream '{app=\"x\"}' has timestamp too old: 2023-11-06T22:13:20Z, oldest acceptable timestamp is: "
        "2023-11-07T22:13:20Z");
}

TEST_CASE("push: the edges of the time limits are accepted") {
  Decoder decoder;
  decoder.limits.reject_old_samples = true;
  UnixNanos oldest = kNow - 7 * 86400'000'000'000, newest = kNow + 600'000'000'000;
  auto decoded =
      decoder.push({{R"({a="b"})", {{oldest, "", {}}, {newest, "", {}}, {oldest - 1, "", {}}, {newest + 1, "", {}}}}});
  CHECK(decoded->entries.columns.size() == 2);
  CHECK(decoded->rejections.entries(RejectReason::kTooOld) == 1);
  CHECK(decoded->rejections.entries(RejectReason::kTooNew) == 1);
}

TEST_CASE("push: what is no UTF-8 in the values of metadata is a space") {
  auto decoded = Decoder().push({{R"({app="x"})", {{kNow, "x", {{"a", "\xff|\xed\xa0\x80|\xef\xbf\xbd|é日"}}}}}});
  REQUIRE(decoded);
  CHECK(decoded->entries.columns.slice().metadata(0).find("a") == " |   | |é日");
}

TEST_CASE("push: labels are read as Prometheus reads them") {
  Decoder decoder;
  auto stream_of = [&](std::string labels) {
    auto decoded = decoder.push({{std::move(labels), {{kNow, "x", {}}}}});
    REQUIRE(decoded);
    REQUIRE(decoded->entries.parts.size() == 1);
    return decoded->entries.parts[0].stream->text();
  };
  CHECK(stream_of("# of up\nup{app='a'}") == R"({__name__="up", app="a"})");
  CHECK(decoder.rejection("") == "error at least one label pair is required per stream");
  auto refused = decoder.push({{R"({app="a", b-c="x"})", {{kNow, "x", {}}}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "couldn't parse labels: 1:12: parse error: unexpected character inside braces: '-'");
}

TEST_CASE("push: structured metadata is made tidy") {
  auto decoded = Decoder().push({{R"({app="x"})",
                                  {{kNow,
                                    "x",
                                    {{"b.c-d", "1"},
                                     {"a", ""},
                                     {"9lives", "2"},
                                     {"x..y__z", "3"},
                                     {"__keep__", "4"},
                                     {"v",
                                      "a\xef\xbf\xbd"
                                      "b"}}}}}});
  REQUIRE(decoded);
  MetadataView metadata = decoded->entries.columns.slice().metadata(0);
  CHECK(metadata.find("b_c_d") == "1");
  CHECK_FALSE(metadata.find("a"));  // a value "" vanishes
  CHECK(metadata.find("key_9lives") == "2");
  CHECK(metadata.find("x_y_z") == "3");
  CHECK(metadata.find("__keep__") == "4");
  CHECK(metadata.find("v") == "a b");
  CHECK(Decoder().rejection(R"({app="x"})", {{kNow, "x", {{"___", "1"}}}}) ==
        R"(normalization for label name "___" resulted in invalid name "_")");
}

TEST_CASE("push: structured metadata limits are Loki's, with its texts") {
  Decoder decoder;
  std::string large(65'537, 'v');
  std::vector<std::string> names;
  for (int i = 0; i < 129; ++i) names.push_back(concat("n", i));
  std::vector<Metadata> many;
  for (const std::string& name : names) many.push_back({name, "v"});
  CHECK(decoder.rejection(R"({a="b"})", {{kNow, "x", {{"n", large}}}}) ==
        "stream '{a=\"b\"}' has structured metadata too large: '65538' bytes, limit: '65536' bytes. Please see "
        "`limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it");
  CHECK(decoder.rejection(R"({a="b"})", {{kNow, "x", many}}) ==
        "stream '{a=\"b\"}' has too many structured metadata labels: '129', limit: '128'. Please see "
        "`limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it");
  decoder.limits.allow_structured_metadata = false;
  CHECK(decoder.rejection(R"({a="b"})", {{kNow, "x", {{"n", "v"}}}}) ==
        "stream '{a=\"b\"}' includes structured metadata, but this feature is disallowed. Please see "
        "`limits_config.allow_structured_metadata` or contact your Loki administrator to enable it");
}

TEST_CASE("push: what was kept of a push refused in part is encoded so that it decodes to the same") {
  auto decoded = Decoder().push({{R"({app="x"})", {{kNow, "good", {{"t", "1"}}}, {kNow, "also", {}}}},
                                 {"{}", {{kNow, "bad", {}}}},
                                 {R"({app="y"})", {{5, "", {}}}}});
  std::string again = encode_push(decoded->entries);
  auto replayed = Decoder{without_discovery().lifted()}.decode({BodyFormat::kProtobuf, BodyEncoding::kSnappy}, again);
  REQUIRE(replayed);
  CHECK(replayed->rejections.empty());
  REQUIRE(replayed->entries.columns.size() == 3);
  EntrySlice a = decoded->entries.columns.slice(), b = replayed->entries.columns.slice();
  for (size_t i = 0; i < 3; ++i) CHECK(a.same_entry(i, b, i));
  CHECK(replayed->entries.parts[1].stream->text() == R"({app="y"})");
}

TEST_CASE("push: media types and encodings are negotiated as Loki does") {
  auto kind = [](std::string_view type, std::string_view encoding = "") {
    return push_body_kind(PushProtocol::kLoki, type, encoding);
  };
  CHECK(kind("application/json")->format == BodyFormat::kJson);
  CHECK(kind("Application/JSON; charset=utf-8")->format == BodyFormat::kJson);
  CHECK(kind("application/x-protobuf")->format == BodyFormat::kProtobuf);
  CHECK(kind("text/plain")->encoding == BodyEncoding::kSnappy);
  CHECK(kind("application/json", "snappy")->encoding == BodyEncoding::kNone);
  CHECK(kind("application/json", "gzip")->encoding == BodyEncoding::kGzip);
  CHECK(kind("application/x-protobuf", "gzip")->encoding == BodyEncoding::kGzipSnappy);
  CHECK(kind("application/x-protobuf", "deflate")->encoding == BodyEncoding::kDeflateSnappy);
  CHECK(kind("").error().message == "mime: no media type");
  CHECK(kind("a b").error().message == "mime: expected slash after first token");
  CHECK(kind("a/").error().message == "mime: expected token after slash");
  CHECK(kind("a/b c").error().message == "mime: unexpected content after media subtype");
  CHECK(kind("application/json", "zstd").error().message == "Content-Encoding \"zstd\" not supported");
  CHECK(kind("application/json", "GZIP").error().message == "Content-Encoding \"GZIP\" not supported");
}

TEST_CASE("push: long lines are cut where the limits say so, and the cut form is what is kept") {
  Decoder decoder;
  decoder.limits.max_line_size = 5;
  decoder.limits.max_line_size_truncate = true;
  decoder.limits.max_line_size_truncate_identifier = "..";
  auto decoded = decoder.push({{R"({a="b"})", {{kNow, "12345", {}}, {kNow, "123456", {}}}}});
  REQUIRE(decoded);
  CHECK(decoded->rejections.empty());
  CHECK(decoded->rewritten);
  EntrySlice rows = decoded->entries.columns.slice();
  CHECK(rows.line(0) == "12345");
  CHECK(rows.line(1) == "123..");
}

TEST_CASE("push: equal times in one stream of a push are moved apart where the limits say so") {
  Decoder decoder;
  decoder.limits.increment_duplicate_timestamp = true;
  auto decoded = decoder.push({{R"({a="b"})", {{kNow, "1", {}}, {kNow, "2", {}}, {kNow, "3", {}}, {kNow + 9, "4", {}}}},
                               {R"({a="c"})", {{kNow, "5", {}}}}});
  REQUIRE(decoded);
  CHECK(decoded->rewritten);
  auto times = decoded->entries.columns.slice().times;
  CHECK(std::vector<pipeline::UnixNanos>(times.begin(), times.end()) ==
        std::vector<pipeline::UnixNanos>{kNow, kNow + 1, kNow + 2, kNow + 9, kNow});
}

TEST_CASE("push: streams without the labels that are demanded are refused") {
  Decoder decoder;
  decoder.limits.enforced_labels = {"a", "env", "team"};
  CHECK(decoder.rejection(R"({a="b"})") ==
        R"(missing required labels 'env,team' for user 'fake' for stream '{a="b"}' (policy: ''))");
  CHECK(decoder.rejection(R"({a="b", env="x", team="y"})") == "");
}

TEST_CASE("push: entries too far behind the newest one of their stream are refused with Loki's text") {
  TenantLimits limits = without_discovery();
  limits.out_of_order_window = std::chrono::hours(1);
  PushRules rules(std::make_shared<const TenantLimits>(limits));
  StreamTable streams;
  StreamActivity activity;
  constexpr pipeline::UnixNanos kHour = 3'600'000'000'000;
  auto push = [&](std::vector<TestEntry> entries) {
    PushDecoding decoding{"fake", rules, kNow, 100 << 20, nullptr, &activity};
    return decode_push_request({BodyFormat::kProtobuf, BodyEncoding::kSnappy},
                               pipeline::snappy_compress(protobuf({{R"({a="b"})", std::move(entries)}})), decoding,
                               streams);
  };
  CHECK(push({{kNow, "x", {}}, {kNow - kHour, "y", {}}})->rejections.empty());
  auto late = push({{kNow - kHour - 1, "z", {}}, {kNow - 1, "kept", {}}});
  REQUIRE(late);
  CHECK(late->entries.columns.size() == 1);
  CHECK(late->rejections.status() == 400);
  CHECK(late->rejections.entries(RejectReason::kTooFarBehind) == 1);
  std::string text = late->rejections.text();
  CHECK(text.starts_with("entry with timestamp "));
  CHECK(text.find(" +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: ") != text.npos);
  CHECK(text.ends_with(",\nuser 'fake', total ignored: 1 out of 2 for stream: {a=\"b\"}"));
}

TEST_CASE("push: an OTLP export becomes streams by its resources, as the limits of the tenant say") {
  TenantLimits limits;
  limits.otlp_config.resource_attributes = {{"index_label", {"team"}, ""}, {"drop", {}, "secret.*"}};
  PushRules rules(std::make_shared<const TenantLimits>(limits));
  StreamTable streams;
  auto decode = [&](std::string_view body) {
    return decode_push_request({BodyFormat::kOtlpJson, BodyEncoding::kNone}, body, {"fake", rules, kNow}, streams);
  };
  auto decoded = decode(
      R"({"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}},
      {"key":"team","value":{"stringValue":"t"}},{"key":"secret.key","value":{"stringValue":"x"}}]},
      "scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"},"severityNumber":17}]}]}]})");
  REQUIRE(decoded);
  REQUIRE(decoded->entries.parts.size() == 1);
  CHECK(decoded->entries.parts[0].stream->text() == R"({service_name="s", team="t"})");
  EntrySlice rows = decoded->entries.columns.slice();
  CHECK(rows.line(0) == "hello");
  CHECK(rows.time(0) == kNow);
  CHECK(rows.metadata(0).find("detected_level") == "error");
  CHECK_FALSE(rows.metadata(0).find("secret_key"));
  CHECK(decode(R"({"resourceLogs":[{"scopeLogs":[]}]})")->streams == 0);
  CHECK_FALSE(decode("x"));
}

TEST_CASE("push: what the headers of other protocols say") {
  auto kind = [](PushProtocol protocol, std::string_view type, std::string_view encoding = "") {
    return push_body_kind(protocol, type, encoding);
  };
  CHECK(kind(PushProtocol::kLokiOtlp, "application/json")->format == BodyFormat::kOtlpJson);
  CHECK(kind(PushProtocol::kLokiOtlp, "application/x-protobuf", "zstd")->encoding == BodyEncoding::kZstd);
  CHECK(kind(PushProtocol::kLokiOtlp, "application/json; charset=utf-8").error().message ==
        "content type: application/json; charset=utf-8 is not supported");
  CHECK(kind(PushProtocol::kOtlp, "application/json; charset=utf-8"));
  CHECK(kind(PushProtocol::kOtlp, "application/json", "br").error().message ==
        "unsupported content encoding br: only gzip, lz4 and zstd are supported");
  CHECK(kind(PushProtocol::kElasticsearch, "application/x-ndjson", "gzip")->encoding == BodyEncoding::kGzip);
  CHECK(kind(PushProtocol::kJsonLines, "")->format == BodyFormat::kJsonLines);
  CHECK_FALSE(kind(PushProtocol::kJsonLines, "", "br"));
  CHECK(kind(PushProtocol::kLegacyLoki, "application/json")->format == BodyFormat::kLegacyJson);
  CHECK(kind(PushProtocol::kLoki, "application/json;;").error().message == "mime: invalid media parameter");
  CHECK(kind(PushProtocol::kLoki, "application/json; a=\"b;c\"; d=e;"));
}

TEST_CASE("push: each protocol is answered in its words") {
  auto body = [](PushProtocol protocol, bool json, const PushAnswer& answer) {
    auto response = push_response(protocol, json, answer);
    return pipeline::concat(response.status, " ", response.body);
  };
  const PushAnswer partly{400, "bad", true, 2}, refused{400, "bad", false, 2}, full{503, "full"};
  CHECK(body(PushProtocol::kLoki, false, {}) == "204 ");
  CHECK(body(PushProtocol::kLoki, false, partly) == "400 bad\n");
  CHECK(body(PushProtocol::kLokiOtlp, true, {}) == "204 ");
  CHECK(body(PushProtocol::kLokiOtlp, true, partly) ==
        "400 \x12\x03"
        "bad");
  CHECK(body(PushProtocol::kOtlp, true, {}) == R"(200 {"partialSuccess":{}})");
  CHECK(body(PushProtocol::kOtlp, false, {}) == "200 ");
  CHECK(body(PushProtocol::kOtlp, true, partly) ==
        R"(200 {"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"bad"}})");
  CHECK(body(PushProtocol::kOtlp, false, partly) ==
        "200 \x0a\x07\x08\x02\x12\x03"
        "bad");
  CHECK(body(PushProtocol::kOtlp, true, refused) == R"(400 {"message":"bad"})");
  CHECK(body(PushProtocol::kElasticsearch, false, full) ==
        R"(429 {"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429})");
  CHECK(push_response(PushProtocol::kLoki, false, full).headers.get("Retry-After") == "1");
}

TEST_CASE("stream table: one stream for one text, and it survives being forgotten") {
  StreamTable table;
  PushRules rules(std::make_shared<const TenantLimits>());
  auto first = *table.find("a", R"({app="x"})", rules);
  CHECK(*table.find("a", R"({app="x"})", rules) == first);
  CHECK((*table.find("b", R"({app="x"})", rules))->stream->id != first->stream->id);
  for (int i = 0; i < 60'000; ++i) REQUIRE(table.find("a", concat("{app=\"", i, "\"}"), rules));
  CHECK((*table.find("a", R"({app="x"})", rules))->stream->id == first->stream->id);
}

TEST_CASE("stream table: a stream is judged anew when the limits of its tenant have changed") {
  StreamTable table;
  PushRules before(std::make_shared<const TenantLimits>());
  TenantLimits short_names;
  short_names.max_label_name_length = 2;
  PushRules after(std::make_shared<const TenantLimits>(short_names));
  CHECK((*table.find("a", R"({app="x"})", before))->stream);
  CHECK((*table.find("a", R"({app="x"})", after))->reason == RejectReason::kLabelNameTooLong);
  CHECK((*table.find("a", R"({app="x"})", before))->stream);
}

TEST_SUITE_END();
