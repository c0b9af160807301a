// RandomLog: random entries and random log queries that say something about them; and the comparison of an answer with
// all that a slow interpreter found.
//
// Thread: one at a time.
#pragma once

#include <map>
#include <random>
#include <string>

#include "server/query/log_query.h"
#include "server/query/query_engine.h"
#include "server/store/testing/object_builder.h"

namespace server {

inline constexpr pipeline::UnixNanos kLogStart = 1'700'000'000'000'000'000;
inline constexpr int64_t kLogSecond = 1'000'000'000;

class RandomLog {
 public:
  explicit RandomLog(uint64_t seed) : random_(seed) {}

  size_t pick(size_t below) { return random_() % below; }
  const char* one_of(std::initializer_list<const char*> list) { return list.begin()[pick(list.size())]; }

  std::string line() {
    std::string number = std::to_string(pick(20));
    switch (pick(4)) {
      case 0:
        return pipeline::concat(R"({"level":")", one_of({"info", "error", "warn"}), R"(","num":)", number,
                                R"(,"user":{"id":"u)", number, R"("},"msg":"timeout after )", number, R"(ms"})");
      case 1: return pipeline::concat("level=", one_of({"info", "error"}), " num=", number, " msg=\"it is done\"");
      case 2:
        return pipeline::concat("GET /path/", number, one_of({" 200 ", " 404 ", " 500 "}), "from 10.0.0.", number);
      default: return std::string(1 + pick(40), 'x') + number;
    }
  }

  PlainEntry entry(bool coarse) {
    std::vector<pipeline::Label> labels = {{"app", one_of({"a", "b", "c"})}, {"pod", pipeline::concat("p", pick(8))}};
    pipeline::UnixNanos time = kLogStart + static_cast<int64_t>(pick(1000)) * kLogSecond;
    if (!coarse) time += static_cast<int64_t>(pick(kLogSecond));
    std::string metadata;
    if (pick(3) == 0) {
      std::string trace = pipeline::concat("t", pick(4));
      MetadataPair pair{"trace", trace};
      if (pick(60) == 0) pair = {"level", "error"};  // as a parsed label
      append_metadata(metadata, {&pair, 1});
    }
    return {"t", pipeline::LabelSet::from(std::move(labels)), time, line(), std::move(metadata)};
  }

  std::string selector() {
    return one_of({R"({app="a"})", R"({app=~"a|b"})", R"({app=~".+", app!="b"})", R"({app=~".+", pod!~"p[0-3]"})",
                   R"({app="a", pod="p1"})", R"({app="none"})"});
  }
  std::string stages() {
    std::string out;
    for (size_t i = pick(4); i > 0; --i) {
      out += one_of({" |= `error`",
                     " != `info`",
                     " |~ `num.?.?1`",
                     " !~ `x{20}`",
                     " |= `timeout` or `done`",
                     " |~ `(GET|level)`",
                     " | json",
                     " | logfmt",
                     " | json | level=`error`",
                     " | logfmt | num > 9",
                     " | logfmt | level=`error` | num=`7`",
                     " | json | num=`7`",
                     " | json | user_id=`u1`",
                     " | trace=`t1`",
                     " | trace!=``",
                     " | line_format `{{.level}} {{.app}}`",
                     " | drop trace",
                     " |= `TIMEOUT`",
                     " |~ `(?i)TIMEOUT after 1`",
                     " |= `level=error num=3`",
                     " | json | user_id=`u17`",
                     " | trace=`t1` or trace=`t9`",
                     " | json | level=~`err.*`",
                     " | logfmt | msg=~`.*done`",
                     " | logfmt | level=~`(?i)ERR.*|warn`",
                     " | json | level=~`err.*` or num=`7`",
                     " | json | user_id=~`u1[0-9]` or user_id=`u2`",
                     " | logfmt | num=~`1.|22` and level=`info`",
                     " |~ `[0-9]{2}[ ,}]`",
                     " | trace=~`t.*`",
                     " | json num, id=`user.id`",
                     " | pattern `<method> <path> <status> <_>`",
                     " | pod=~`p[12]`"});
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
};

// What a log query may answer: labels and line, by time.
using ShownEntries = std::multimap<pipeline::UnixNanos, std::string>;
std::string shown_entry(const pipeline::LabelSet& labels, std::string_view line);

// Of `all`, the first ones up to the limit of `query`; where several have the time of the last one, any of them. Checks
// of doctest.
void check_entries(const ResultStreams& streams, const ShownEntries& all, const RangeQuery& query);

}  // namespace server
