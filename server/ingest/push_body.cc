#include "server/ingest/push_body.h"

#include <algorithm>

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/snappy_block.h"

namespace server {

using pipeline::ByteBuffer;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

bool is_token_char(char c) {
  return c > ' ' && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

std::string_view take_token(std::string_view& text) {
  auto end = std::find_if_not(text.begin(), text.end(), is_token_char);
  std::string_view token = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(token.size());
  return token;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Go's mime.ParseMediaType, without the parameters. Errors are its own.
Result<std::string> media_type_of(std::string_view content_type) {
  std::string_view rest = trimmed(content_type.substr(0, content_type.find(';')));
  std::string type(rest);
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (take_token(rest).empty()) return fail(Errc::kInvalid, "mime: no media type");
  if (rest.empty()) return type;
  if (rest.front() != '/') return fail(Errc::kInvalid, "mime: expected slash after first token");
  rest.remove_prefix(1);
  if (take_token(rest).empty()) return fail(Errc::kInvalid, "mime: expected token after slash");
  if (!rest.empty()) return fail(Errc::kInvalid, "mime: unexpected content after media subtype");
  return type;
}

}  // namespace

Result<PushBodyKind> push_body_kind(std::string_view content_type, std::string_view content_encoding) {
  TRY_LET(std::string type, media_type_of(content_type));
  bool json = type == "application/json";
  auto kind = [&](BodyEncoding for_json, BodyEncoding for_protobuf) {
    return json ? PushBodyKind{BodyFormat::kJson, for_json} : PushBodyKind{BodyFormat::kProtobuf, for_protobuf};
  };
  if (content_encoding.empty() || content_encoding == "snappy") return kind(BodyEncoding::kNone, BodyEncoding::kSnappy);
  if (content_encoding == "gzip") return kind(BodyEncoding::kGzip, BodyEncoding::kGzipSnappy);
  if (content_encoding == "deflate") return kind(BodyEncoding::kDeflate, BodyEncoding::kDeflateSnappy);
  return fail(Errc::kInvalid, concat("Content-Encoding \"", content_encoding, "\" not supported"));
}

Result<std::string_view> decoded_push_body(PushBodyKind kind, std::string_view body, uint64_t limit_bytes,
                                           ByteBuffer& buffer) {
  auto with_snappy = [&](auto&& outer) -> Result<void> {
    ByteBuffer block;
    TRY(outer(body, limit_bytes, block));
    return pipeline::snappy_uncompress(block.view(), limit_bytes, buffer);
  };
  switch (kind.encoding) {
    case BodyEncoding::kNone:
      if (body.size() > limit_bytes)
        return fail(Errc::kOverLimit, concat("request body too large: message size too large than max (", body.size(),
                                             " vs ", limit_bytes, ")"));
      return body;
    case BodyEncoding::kSnappy: TRY(pipeline::snappy_uncompress(body, limit_bytes, buffer)); break;
    case BodyEncoding::kGzip: TRY(pipeline::gunzip(body, limit_bytes, buffer)); break;
    case BodyEncoding::kDeflate: TRY(pipeline::inflate_raw(body, limit_bytes, buffer)); break;
    case BodyEncoding::kGzipSnappy: TRY(with_snappy(pipeline::gunzip)); break;
    case BodyEncoding::kDeflateSnappy: TRY(with_snappy(pipeline::inflate_raw)); break;
    default: return fail(Errc::kCorrupt, concat("unknown body encoding ", static_cast<unsigned>(kind.encoding)));
  }
  return buffer.view();
}

}  // namespace server
