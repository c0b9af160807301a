#include "server/ingest/push_body.h"

#include <algorithm>
#include <optional>

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/lz4_frame.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

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

std::string_view take_space(std::string_view text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.front()) != std::string_view::npos)
    text.remove_prefix(1);
  return text;
}

// The rest behind `name=value` and what is before it; nothing where there is none.
std::optional<std::string_view> after_parameter(std::string_view text) {
  if (!text.starts_with(';')) return std::nullopt;
  std::string_view rest = take_space(text.substr(1));
  if (take_token(rest).empty()) return std::nullopt;
  rest = take_space(rest);
  if (!rest.starts_with('=')) return std::nullopt;
  rest = take_space(rest.substr(1));
  if (!rest.starts_with('"')) return take_token(rest).empty() ? std::nullopt : std::optional(rest);
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') return rest.substr(at + 1);
    if (rest[at] == '\\') ++at;
  }
  return std::nullopt;
}

// Go's mime.ParseMediaType, the type alone. Errors are its own.
Result<std::string> media_type_of(std::string_view content_type) {
  std::string_view rest = trimmed(content_type.substr(0, content_type.find(';')));
  std::string type(rest);
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (take_token(rest).empty()) return fail(Errc::kInvalid, "mime: no media type");
  if (!rest.empty()) {
    if (rest.front() != '/') return fail(Errc::kInvalid, "mime: expected slash after first token");
    rest.remove_prefix(1);
    if (take_token(rest).empty()) return fail(Errc::kInvalid, "mime: expected token after slash");
    if (!rest.empty()) return fail(Errc::kInvalid, "mime: unexpected content after media subtype");
  }
  size_t semicolon = content_type.find(';');
  std::string_view parameters = semicolon == content_type.npos ? "" : content_type.substr(semicolon);
  while (!(parameters = take_space(parameters)).empty()) {
    auto after = after_parameter(parameters);
    if (!after && trimmed(parameters) == ";") break;  // one at the end is well
    if (!after) return fail(Errc::kInvalid, "mime: invalid media parameter");
    parameters = *after;
  }
  return type;
}

Result<PushBodyKind> loki_kind(PushProtocol protocol, std::string_view content_type,
                               std::string_view content_encoding) {
  TRY_LET(std::string type, media_type_of(content_type));
  bool json = type == "application/json";
  BodyFormat json_format = protocol == PushProtocol::kLegacyLoki ? BodyFormat::kLegacyJson : BodyFormat::kJson;
  auto kind = [&](BodyEncoding for_json, BodyEncoding for_protobuf) {
    return json ? PushBodyKind{json_format, for_json} : PushBodyKind{BodyFormat::kProtobuf, for_protobuf};
  };
  if (content_encoding.empty() || content_encoding == "snappy") return kind(BodyEncoding::kNone, BodyEncoding::kSnappy);
  if (content_encoding == "gzip") return kind(BodyEncoding::kGzip, BodyEncoding::kGzipSnappy);
  if (content_encoding == "deflate") return kind(BodyEncoding::kDeflate, BodyEncoding::kDeflateSnappy);
  return fail(Errc::kInvalid, concat("Content-Encoding \"", content_encoding, "\" not supported"));
}

Result<PushBodyKind> otlp_kind(PushProtocol protocol, std::string_view content_type,
                               std::string_view content_encoding) {
  std::string type(content_type);
  if (protocol == PushProtocol::kOtlp) { TRY_LET(type, media_type_of(content_type)); }
  PushBodyKind kind;
  if (type == "application/json") {
    kind.format = BodyFormat::kOtlpJson;
  } else if (type == "application/x-protobuf") {
    kind.format = BodyFormat::kOtlpProtobuf;
  } else {
    return fail(Errc::kInvalid, concat("content type: ", content_type, " is not supported"));
  }
  if (content_encoding.empty()) {
    kind.encoding = BodyEncoding::kNone;
  } else if (content_encoding == "gzip") {
    kind.encoding = BodyEncoding::kGzip;
  } else if (content_encoding == "zstd") {
    kind.encoding = BodyEncoding::kZstd;
  } else if (content_encoding == "lz4") {
    kind.encoding = BodyEncoding::kLz4;
  } else {
    return fail(Errc::kInvalid,
                concat("unsupported content encoding ", content_encoding, ": only gzip, lz4 and zstd are supported"));
  }
  return kind;
}

Result<BodyEncoding> plain_encoding(std::string_view content_encoding) {
  if (content_encoding.empty() || content_encoding == "identity") return BodyEncoding::kNone;
  if (content_encoding == "gzip") return BodyEncoding::kGzip;
  if (content_encoding == "deflate") return BodyEncoding::kDeflate;
  if (content_encoding == "zstd") return BodyEncoding::kZstd;
  return fail(Errc::kInvalid, concat("Content-Encoding \"", content_encoding, "\" not supported"));
}

}  // namespace

Result<PushBodyKind> push_body_kind(PushProtocol protocol, std::string_view content_type,
                                    std::string_view content_encoding) {
  switch (protocol) {
    case PushProtocol::kLokiOtlp:
    case PushProtocol::kOtlp: return otlp_kind(protocol, content_type, content_encoding);
    case PushProtocol::kElasticsearch:
    case PushProtocol::kJsonLines: {
      TRY_LET(BodyEncoding encoding, plain_encoding(content_encoding));
      return PushBodyKind{protocol == PushProtocol::kElasticsearch ? BodyFormat::kBulk : BodyFormat::kJsonLines,
                          encoding};
    }
    default: return loki_kind(protocol, content_type, content_encoding);
  }
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
    case BodyEncoding::kZstd: TRY(pipeline::zstd_decompress_body(body, limit_bytes, buffer)); break;
    case BodyEncoding::kLz4: TRY(pipeline::lz4_decompress_body(body, limit_bytes, buffer)); break;
    case BodyEncoding::kDeflate: TRY(pipeline::inflate_raw(body, limit_bytes, buffer)); break;
    case BodyEncoding::kGzipSnappy: TRY(with_snappy(pipeline::gunzip)); break;
    case BodyEncoding::kDeflateSnappy: TRY(with_snappy(pipeline::inflate_raw)); break;
    default: return fail(Errc::kCorrupt, concat("unknown body encoding ", static_cast<unsigned>(kind.encoding)));
  }
  return buffer.view();
}

}  // namespace server
