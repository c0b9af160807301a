#include "pipeline/http/request_parser.h"

#include <algorithm>
#include <llhttp.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "pipeline/http/http_form.h"

namespace pipeline {
namespace {

constexpr uint64_t kLineOverhead = 4;         // ": " and CRLF of a header line, which llhttp does not show
constexpr uint64_t kReserveAtMost = 1 << 30;  // a Content-Length is a claim, not yet memory

}  // namespace

struct RequestParser::Parser {
  Parser(RequestLimits l, std::shared_ptr<BodyBudget> b) : limits(l), budget(std::move(b)) {
    llhttp_init(&http, HTTP_REQUEST, settings());
    http.data = this;
  }

  llhttp_t http;
  const RequestLimits limits;
  const std::shared_ptr<BodyBudget> budget;
  uint64_t taken_bytes = 0;  // from the budget, for this request
  State state = State::kIdle;
  HttpRequest request;
  HttpResponse refusal;
  std::string field, value;
  uint64_t header_bytes = 0;
  bool expects_continue = false;
  bool keep_alive = false;

  ~Parser() { budget->give_back(taken_bytes); }
  static const llhttp_settings_t* settings();
  static Parser& of(llhttp_t* http) { return *static_cast<Parser*>(http->data); }

  int refuse(int status, std::string text) {
    state = State::kRefused;
    refusal = HttpResponse::text(status, std::move(text));
    return -1;
  }
  int count_header(size_t bytes) {
    header_bytes += bytes;
    if (header_bytes <= limits.max_header_bytes) return 0;
    return refuse(431, concat("request header too large: more than ", limits.max_header_bytes, " bytes\n"));
  }
  int refuse_body(uint64_t size) {
    return refuse(413, concat("request body too large: message size too large than max (", size, " vs ",
                              limits.max_body_bytes, ")\n"));
  }

  int refuse_busy() {
    const int refused = refuse(503, "too many bytes of requests are underway: try again later\n");
    refusal.headers.add("Retry-After", "1");
    return refused;
  }
  bool take_budget(uint64_t bytes) {
    if (!budget->take(bytes)) return false;
    taken_bytes += bytes;
    return true;
  }

  int on_begin();
  int on_header();
  int on_head_complete();
  int on_body(std::string_view bytes);
  int on_complete();
  int split_target();
  void refuse_malformed(std::string_view bytes);
};

int RequestParser::Parser::on_begin() {
  state = State::kHead;
  request = {};
  field.clear(), value.clear();
  header_bytes = 0;
  expects_continue = false;
  return 0;
}

int RequestParser::Parser::on_header() {
  if (state == State::kHead) request.headers.add(std::move(field), std::move(value));  // trailers are dropped
  field.clear(), value.clear();
  return count_header(kLineOverhead);
}

// Go's rules: "http://host/path" counts as "/path"; the path is decoded, the query is not.
int RequestParser::Parser::split_target() {
  std::string_view target = request.target;
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme != target.npos) {
      const size_t slash = target.find_first_of("/?", scheme + 3);
      target = slash == target.npos ? "/" : target.substr(slash);
    }
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  auto path = percent_decode(target.substr(0, question), PlusIsSpace::kNo);
  if (!path) return refuse(400, "400 Bad Request: malformed URL\n");
  request.path = std::move(*path);
  request.query = question == target.npos ? "" : target.substr(question + 1);
  return 0;
}

int RequestParser::Parser::on_head_complete() {
  request.method = llhttp_method_name(static_cast<llhttp_method_t>(http.method));
  http.upgrade = 0;  // no protocol to change to: the request is answered as if it had not asked
  if (int refused = split_target(); refused != 0) return refused;
  const bool has_length = (http.flags & F_CONTENT_LENGTH) != 0;
  if (has_length && http.content_length > limits.max_body_bytes) return refuse_body(http.content_length);
  if (has_length && !take_budget(http.content_length)) return refuse_busy();
  if (has_length) request.body.reserve(std::min(http.content_length, kReserveAtMost));
  expects_continue = request.headers.has_token("Expect", "100-continue");
  state = State::kBody;
  return 0;
}

int RequestParser::Parser::on_body(std::string_view bytes) {
  expects_continue = false;
  const uint64_t size = request.body.size() + bytes.size();
  if (size > limits.max_body_bytes) return refuse_body(size);
  if (size > taken_bytes && !take_budget(size - taken_bytes)) return refuse_busy();
  request.body.append(bytes);
  return 0;
}

int RequestParser::Parser::on_complete() {
  state = State::kComplete;
  expects_continue = false;
  keep_alive = llhttp_should_keep_alive(&http) != 0 && http.http_minor >= 1;
  return HPE_PAUSED;
}

const llhttp_settings_t* RequestParser::Parser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_message_begin = [](llhttp_t* h) { return of(h).on_begin(); };
    s.on_url = [](llhttp_t* h, const char* at, size_t n) {
      of(h).request.target.append(at, n);
      return of(h).count_header(n);
    };
    s.on_header_field = [](llhttp_t* h, const char* at, size_t n) {
      of(h).field.append(at, n);
      return of(h).count_header(n);
    };
    s.on_header_value = [](llhttp_t* h, const char* at, size_t n) {
      of(h).value.append(at, n);
      return of(h).count_header(n);
    };
    s.on_header_value_complete = [](llhttp_t* h) { return of(h).on_header(); };
    s.on_chunk_extension_name = [](llhttp_t* h, const char*, size_t n) { return of(h).count_header(n); };
    s.on_chunk_extension_value = [](llhttp_t* h, const char*, size_t n) { return of(h).count_header(n); };
    s.on_headers_complete = [](llhttp_t* h) { return of(h).on_head_complete(); };
    s.on_body = [](llhttp_t* h, const char* at, size_t n) { return of(h).on_body({at, n}); };
    s.on_message_complete = [](llhttp_t* h) { return of(h).on_complete(); };
    return s;
  }();
  return &kSettings;
}

// A method we do not know, in a line that otherwise looks like HTTP, gets what an unknown method of a known path gets.
void RequestParser::Parser::refuse_malformed(std::string_view bytes) {
  if (llhttp_get_errno(&http) == HPE_INVALID_METHOD) {
    const size_t space = bytes.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    if (space != 0 && space != bytes.npos && bytes.substr(space).starts_with(" /")) {
      state = State::kRefused;
      refusal = HttpResponse::empty(405);
      return;
    }
  }
  refuse(400, "400 Bad Request\n");
}

RequestParser::RequestParser(RequestLimits limits, std::shared_ptr<BodyBudget> budget)
    : parser_(std::make_unique<Parser>(limits, std::move(budget))) {}
RequestParser::~RequestParser() = default;

size_t RequestParser::feed(std::string_view bytes) {
  INVARIANT(parser_->state != State::kComplete && parser_->state != State::kRefused);
  const llhttp_errno_t error = llhttp_execute(&parser_->http, bytes.data(), bytes.size());
  if (error == HPE_OK) return bytes.size();
  const char* stopped_at = llhttp_get_error_pos(&parser_->http);
  if (error == HPE_PAUSED) {
    llhttp_resume(&parser_->http);
  } else if (parser_->state != State::kRefused) {
    parser_->refuse_malformed(bytes);
  }
  return stopped_at ? static_cast<size_t>(stopped_at - bytes.data()) : bytes.size();
}

RequestParser::State RequestParser::state() const { return parser_->state; }

HttpRequest RequestParser::take() {
  INVARIANT(parser_->state == State::kComplete);
  parser_->state = State::kIdle;
  parser_->taken_bytes = 0;
  return std::move(parser_->request);
}

bool RequestParser::keep_alive() const { return parser_->keep_alive; }

HttpResponse RequestParser::refusal() { return std::move(parser_->refusal); }

bool RequestParser::take_expectation() { return std::exchange(parser_->expects_continue, false); }

}  // namespace pipeline
