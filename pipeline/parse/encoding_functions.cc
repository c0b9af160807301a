// Functions for JSON, base64 and base32, digests, types, paths and URLs: Sprig's.
#include "pipeline/base/digest.h"
#include "pipeline/base/text_encoding.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_url.h"
#include "pipeline/parse/template_cast.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Call = TemplateCall;

// --- JSON

Result<Value> must_from_json(const Call& call) {
  auto json = check_json(call.text(0));
  if (!json) return fail(Errc::kInvalid, "invalid JSON");
  return value_of_json(*json, call.memory());
}
Result<Value> from_json(const Call& call) {
  auto json = check_json(call.text(0));
  return json ? value_of_json(*json, call.memory()) : Value::nil();
}
Result<Value> json_of(const Call& call, bool escape_html, int indent) {
  std::string out;
  append_json(out, call[0], escape_html, indent);
  return call.memory().text(out);
}
Result<Value> to_json(const Call& call) { return json_of(call, true, 0); }
Result<Value> to_raw_json(const Call& call) { return json_of(call, false, 0); }
Result<Value> to_pretty_json(const Call& call) { return json_of(call, true, 2); }

// --- bytes as texts

Result<Value> b64enc(const Call& call) {
  std::string out;
  append_base64(out, call.text(0));
  return call.memory().text(out);
}
// What cannot be decoded becomes its own fault, as upstream.
Result<Value> b64dec(const Call& call) {
  auto decoded = decode_base64(call.text(0));
  return call.memory().text(decoded ? *decoded : decoded.error().message);
}
Result<Value> b32enc(const Call& call) {
  std::string out;
  append_base32(out, call.text(0));
  return call.memory().text(out);
}
Result<Value> b32dec(const Call& call) {
  auto decoded = decode_base32(call.text(0));
  return call.memory().text(decoded ? *decoded : decoded.error().message);
}

template <class Digest>
Result<Value> hex_of(const Call& call, const Digest& digest) {
  std::string out;
  append_hex(out, {reinterpret_cast<const char*>(digest.data()), digest.size()});
  return call.memory().text(out);
}
Result<Value> sha1sum(const Call& call) { return hex_of(call, sha1(call.text(0))); }
Result<Value> sha256sum(const Call& call) { return hex_of(call, sha256(call.text(0))); }
Result<Value> sha512sum(const Call& call) { return hex_of(call, sha512(call.text(0))); }
Result<Value> adler32sum(const Call& call) {
  constexpr uint32_t kModulus = 65521;
  uint32_t low = 1, high = 0;
  for (char c : call.text(0)) {
    low = (low + static_cast<unsigned char>(c)) % kModulus;
    high = (high + low) % kModulus;
  }
  return call.memory().text(std::to_string(high << 16 | low));
}

// --- types

Result<Value> type_of(const Call& call) { return Value::text(go_type(call[0])); }
Result<Value> kind_of(const Call& call) { return Value::text(go_kind(call[0])); }
Result<Value> type_is(const Call& call) { return Value::boolean(call.text(0) == go_type(call[1])); }
Result<Value> type_is_like(const Call& call) {
  std::string_view type = go_type(call[1]);
  return Value::boolean(call.text(0) == type || concat("*", call.text(0)) == type);
}
Result<Value> kind_is(const Call& call) { return Value::boolean(call.text(0) == go_kind(call[1])); }
Result<Value> deep_equal(const Call& call) { return Value::boolean(is_equal(call[0], call[1])); }

// --- paths and URLs

Result<Value> base(const Call& call) { return call.memory().text(path_base(call.text(0))); }
Result<Value> dir(const Call& call) { return call.memory().text(path_dir(call.text(0))); }
Result<Value> clean(const Call& call) { return call.memory().text(path_clean(call.text(0))); }
Result<Value> ext(const Call& call) { return Value::text(path_extension(call.text(0))); }
Result<Value> is_abs(const Call& call) { return Value::boolean(call.text(0).starts_with('/')); }

Result<Value> url_parse(const Call& call) {
  TRY_LET(GoUrl url, GoUrl::parse(call.text(0)));
  const std::pair<std::string_view, const std::string&> parts[] = {
      {"scheme", url.scheme}, {"host", url.host},     {"hostname", url.host_name}, {"path", url.path},
      {"query", url.query},   {"opaque", url.opaque}, {"fragment", url.fragment},  {"userinfo", url.user_info}};
  TRY_LET(TemplateMap * map, call.memory().map(std::size(parts)));
  for (const auto& [name, part] : parts) {
    TRY_LET(Value text, call.memory().text(part));
    TRY(call.memory().set(*map, name, text));
  }
  return Value::map(map);
}
Result<Value> url_join(const Call& call) {
  auto part = [&](std::string_view name) -> std::string {
    const Value* found = call[0].as_map().find(name);
    return found != nullptr && found->is(Kind::kText) ? std::string(found->as_text()) : std::string();
  };
  GoUrl url;
  url.scheme = part("scheme"), url.host = part("host"), url.path = part("path"), url.query = part("query");
  url.opaque = part("opaque"), url.fragment = part("fragment"), url.user_info = part("userinfo");
  return call.memory().text(url.text());
}

constexpr TemplateFunction kFunctions[] = {{"fromJson", "s", from_json},
                                           {"mustFromJson", "s", must_from_json},
                                           {"toJson", "v", to_json},
                                           {"mustToJson", "v", to_json},
                                           {"toRawJson", "v", to_raw_json},
                                           {"mustToRawJson", "v", to_raw_json},
                                           {"toPrettyJson", "v", to_pretty_json},
                                           {"mustToPrettyJson", "v", to_pretty_json},
                                           {"b64enc", "s", b64enc},
                                           {"b64dec", "s", b64dec},
                                           {"b32enc", "s", b32enc},
                                           {"b32dec", "s", b32dec},
                                           {"sha1sum", "s", sha1sum},
                                           {"sha256sum", "s", sha256sum},
                                           {"sha512sum", "s", sha512sum},
                                           {"adler32sum", "s", adler32sum},
                                           {"typeOf", "v", type_of},
                                           {"kindOf", "v", kind_of},
                                           {"typeIs", "sv", type_is},
                                           {"typeIsLike", "sv", type_is_like},
                                           {"kindIs", "sv", kind_is},
                                           {"deepEqual", "vv", deep_equal},
                                           {"base", "s", base},
                                           {"osBase", "s", base},
                                           {"dir", "s", dir},
                                           {"osDir", "s", dir},
                                           {"clean", "s", clean},
                                           {"osClean", "s", clean},
                                           {"ext", "s", ext},
                                           {"osExt", "s", ext},
                                           {"isAbs", "s", is_abs},
                                           {"osIsAbs", "s", is_abs},
                                           {"urlParse", "s", url_parse},
                                           {"urlJoin", "m", url_join}};

}  // namespace

TemplateFunctionList encoding_functions() { return kFunctions; }

}  // namespace pipeline
