#include "server/api/compressed_answer.h"

#include <algorithm>

#include "pipeline/codec/deflate.h"

namespace server {

using pipeline::HttpHeaders;
using pipeline::HttpResponse;

namespace {

std::string bare(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ' ' && c != '\t') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// "q=0", "q=0.000"
bool is_refusal(std::string_view weight) {
  return weight.starts_with("q=0") && weight.find_first_not_of("0.", 2) == weight.npos;
}

}  // namespace

bool accepts_gzip(const HttpHeaders& request) {
  bool any = false;
  for (std::string_view list : request.all("Accept-Encoding")) {
    while (!list.empty()) {
      const size_t comma = std::min(list.find(','), list.size());
      const std::string one = bare(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
      const size_t semicolon = std::min(one.find(';'), one.size());
      const std::string_view name = std::string_view(one).substr(0, semicolon);
      const bool refused = is_refusal(std::string_view(one).substr(std::min(semicolon + 1, one.size())));
      if (name == "gzip") return !refused;  // it counts more than *
      if (name == "*") any = !refused;
    }
  }
  return any;
}

HttpResponse compressed_answer(const HttpHeaders& request, HttpResponse answer) {
  if (answer.body.size() < kShortestCompressed || answer.headers.has("Content-Encoding")) return answer;
  answer.headers.add("Vary", "Accept-Encoding");
  if (!accepts_gzip(request)) return answer;
  answer.body = pipeline::gzip_compress(answer.body);
  answer.headers.set("Content-Encoding", "gzip");
  return answer;
}

}  // namespace server
