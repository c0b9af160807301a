// Functions on numbers, Sprig's: whole ones are int64, those with f are decimals.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "pipeline/parse/go_format.h"
#include "pipeline/parse/template_cast.h"
#include "pipeline/parse/value_text.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Call = TemplateCall;

Value int64(int64_t number) { return Value::integer(number, Value::Integer::kInt64); }
// Go's whole numbers wrap around.
int64_t wrapped(uint64_t number) { return static_cast<int64_t>(number); }
uint64_t bits_of(const Value& value) { return static_cast<uint64_t>(integer_of(value)); }

Result<Value> add(const Call& call) {
  uint64_t sum = 0;
  for (const Value& value : call.arguments) sum += bits_of(value);
  return int64(wrapped(sum));
}
Result<Value> add1(const Call& call) { return int64(wrapped(bits_of(call[0]) + 1)); }
Result<Value> sub(const Call& call) { return int64(wrapped(bits_of(call[0]) - bits_of(call[1]))); }
Result<Value> mul(const Call& call) {
  uint64_t product = 1;
  for (const Value& value : call.arguments) product *= bits_of(value);
  return int64(wrapped(product));
}
Result<Value> div(const Call& call) {
  int64_t a = integer_of(call[0]), b = integer_of(call[1]);
  if (b == 0) return fail(Errc::kInvalid, "runtime error: integer divide by zero");
  return int64(b == -1 ? wrapped(0 - static_cast<uint64_t>(a)) : a / b);
}
Result<Value> mod(const Call& call) {
  int64_t a = integer_of(call[0]), b = integer_of(call[1]);
  if (b == 0) return fail(Errc::kInvalid, "runtime error: integer divide by zero");
  return int64(b == -1 ? 0 : a % b);
}

Result<Value> max(const Call& call) {
  int64_t most = integer_of(call[0]);
  for (const Value& value : call.arguments) most = std::max(most, integer_of(value));
  return int64(most);
}
Result<Value> min(const Call& call) {
  int64_t least = integer_of(call[0]);
  for (const Value& value : call.arguments) least = std::min(least, integer_of(value));
  return int64(least);
}
Result<Value> maxf(const Call& call) {
  double most = number_of(call[0]);
  for (const Value& value : call.arguments) most = std::max(most, number_of(value));
  return Value::number(most);
}
Result<Value> minf(const Call& call) {
  double least = number_of(call[0]);
  for (const Value& value : call.arguments) least = std::min(least, number_of(value));
  return Value::number(least);
}

Result<Value> ceil(const Call& call) { return Value::number(std::ceil(number_of(call[0]))); }
Result<Value> floor(const Call& call) { return Value::number(std::floor(number_of(call[0]))); }
Result<Value> round(const Call& call) {
  double on = call.size() > 2 ? call[2].as_number() : 0.5;
  double scale = std::pow(10.0, static_cast<double>(call.integer(1))), scaled = scale * number_of(call[0]), whole = 0;
  double part = std::modf(scaled, &whole);
  return Value::number((part >= on ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

// --- decimals: digits * 10^exponent

struct Decimal {
  __int128 digits = 0;
  int exponent = 0;
};

std::optional<Decimal> decimal_of(double number) {
  if (!std::isfinite(number)) return std::nullopt;
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  Decimal out;
  const char* at = buffer;
  bool negative = *at == '-', fraction = false;
  for (at += negative ? 1 : 0; at < end && *at != 'e'; ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    out.digits = out.digits * 10 + (*at - '0');
    out.exponent -= fraction ? 1 : 0;
  }
  int exponent = 0;
  const char* digits = at + (at + 1 < end && at[1] == '+' ? 2 : 1);
  std::from_chars(digits, end, exponent);
  out.exponent += exponent;
  out.digits = negative ? -out.digits : out.digits;
  return out;
}

double double_of(const Decimal& decimal) {
  __int128 rest = decimal.digits < 0 ? -decimal.digits : decimal.digits;
  std::string text;
  for (; rest > 0; rest /= 10) text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  std::string whole = concat(decimal.digits < 0 ? "-" : "", text.empty() ? "0" : text, "e", decimal.exponent);
  return parse_go_float(whole).value_or(0);
}

bool scale_up(Decimal& decimal, int steps) {
  for (; steps > 0; --steps, --decimal.exponent) {
    if (__builtin_mul_overflow(decimal.digits, static_cast<__int128>(10), &decimal.digits)) return false;
  }
  return true;
}

// Nothing: it does not fit into 38 digits.
std::optional<Decimal> sum(Decimal a, Decimal b, int sign) {
  int lowest = std::min(a.exponent, b.exponent);
  if (!scale_up(a, a.exponent - lowest) || !scale_up(b, b.exponent - lowest)) return std::nullopt;
  Decimal out{.digits = 0, .exponent = lowest};
  if (__builtin_add_overflow(a.digits, b.digits * sign, &out.digits)) return std::nullopt;
  return out;
}
std::optional<Decimal> product(Decimal a, Decimal b) {
  Decimal out{.digits = 0, .exponent = a.exponent + b.exponent};
  if (__builtin_mul_overflow(a.digits, b.digits, &out.digits)) return std::nullopt;
  return out;
}
// To 16 places, halves away from zero.
std::optional<Decimal> quotient(Decimal a, Decimal b) {
  constexpr int kPlaces = 16;
  if (!scale_up(a, a.exponent - b.exponent + kPlaces)) return std::nullopt;
  __int128 whole = a.digits / b.digits, rest = a.digits % b.digits;
  __int128 twice = (rest < 0 ? -rest : rest) * 2, divisor = b.digits < 0 ? -b.digits : b.digits;
  bool negative = (a.digits < 0) != (b.digits < 0);
  if (a.exponent - b.exponent == -kPlaces && twice >= divisor) whole += negative ? -1 : 1;
  return Decimal{.digits = whole, .exponent = a.exponent - b.exponent};
}

enum class Operation { kAdd, kSubtract, kMultiply, kDivide };

Result<Value> decimal_chain(const Call& call, Operation operation, double start, size_t first) {
  double result = start;
  for (size_t i = first; i < call.size(); ++i) {
    double next = number_of(call[i]);
    auto a = decimal_of(result), b = decimal_of(next);
    if (operation == Operation::kDivide && next == 0) return fail(Errc::kInvalid, "decimal division by 0");
    std::optional<Decimal> exact;
    if (a && b) {
      switch (operation) {
        case Operation::kAdd: exact = sum(*a, *b, 1); break;
        case Operation::kSubtract: exact = sum(*a, *b, -1); break;
        case Operation::kMultiply: exact = product(*a, *b); break;
        case Operation::kDivide: exact = quotient(*a, *b); break;
      }
    }
    if (exact) {
      result = double_of(*exact);
      continue;
    }
    switch (operation) {
      case Operation::kAdd: result += next; break;
      case Operation::kSubtract: result -= next; break;
      case Operation::kMultiply: result *= next; break;
      case Operation::kDivide: result /= next; break;
    }
  }
  return Value::number(result);
}

Result<Value> addf(const Call& call) { return decimal_chain(call, Operation::kAdd, 0, 0); }
Result<Value> mulf(const Call& call) { return decimal_chain(call, Operation::kMultiply, number_of(call[0]), 1); }
Result<Value> subf(const Call& call) { return decimal_chain(call, Operation::kSubtract, number_of(call[0]), 1); }
Result<Value> divf(const Call& call) { return decimal_chain(call, Operation::kDivide, number_of(call[0]), 1); }
Result<Value> add1f(const Call& call) { return decimal_chain(call, Operation::kAdd, 1, 0); }

// --- conversion

Result<Value> to_int(const Call& call) { return Value::integer(integer_of(call[0])); }
Result<Value> to_int64(const Call& call) { return int64(integer_of(call[0])); }
Result<Value> to_float64(const Call& call) { return Value::number(number_of(call[0])); }
Result<Value> atoi(const Call& call) { return Value::integer(parse_go_integer(call.text(0), 10).value_or(0)); }
Result<Value> to_decimal(const Call& call) {
  TRY_LET(std::string_view text, text_of(call, call[0]));
  return int64(parse_go_integer(text, 8).value_or(0));
}

// --- sequences

Result<std::vector<int64_t>> steps(const Call& call, int64_t begin, int64_t end, int64_t by) {
  std::vector<int64_t> out;
  if (by == 0 || (end < begin) != (by < 0)) return out;
  size_t most = call.run.limits().memory_bytes / sizeof(Value);
  for (int64_t i = begin; by > 0 ? i < end : i > end;) {
    out.push_back(i);
    if (out.size() > most) return fail(Errc::kOverLimit, "too many numbers");
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  return out;
}

Result<Value> list_of_steps(const Call& call, int64_t begin, int64_t end, int64_t by) {
  TRY_LET(auto numbers, steps(call, begin, end, by));
  TRY_LET(TemplateList * list, call.memory().list(numbers.size(), TemplateList::Type::kIntegers));
  for (size_t i = 0; i < numbers.size(); ++i) list->items[i] = Value::integer(numbers[i]);
  return Value::list(list);
}
Result<Value> until(const Call& call) {
  int64_t count = call.integer(0);
  return list_of_steps(call, 0, count, count < 0 ? -1 : 1);
}
Result<Value> until_step(const Call& call) {
  return list_of_steps(call, call.integer(0), call.integer(1), call.integer(2));
}

// As the program seq: both ends count.
Result<Value> seq(const Call& call) {
  if (call.size() == 0 || call.size() > 3) return Value::text("");
  int64_t begin = call.size() == 1 ? 1 : call.integer(0), end = call.integer(call.size() - 1);
  int64_t by = call.size() == 3 ? call.integer(1) : end < begin ? -1 : 1;
  if (call.size() == 3 && end < begin && by > 0) return Value::text("");
  int64_t stop = 0;
  if (__builtin_add_overflow(end, by > 0 ? 1 : -1, &stop)) return fail(Errc::kOverLimit, "too many numbers");
  TRY_LET(auto numbers, steps(call, begin, stop, by));
  std::string out;
  for (int64_t number : numbers) out.append(out.empty() ? "" : " ").append(std::to_string(number));
  return call.memory().text(out);
}

constexpr TemplateFunction kFunctions[] = {
    {"add", "v*", add},       {"sub", "vv", sub},    {"mul", "vv*", mul},
    {"div", "vv", div},       {"mod", "vv", mod},    {"addf", "v*", addf},
    {"subf", "vv*", subf},    {"mulf", "vv*", mulf}, {"divf", "vv*", divf},
    {"max", "vv*", max},      {"min", "vv*", min},   {"maxf", "vv*", maxf},
    {"minf", "vv*", minf},    {"ceil", "v", ceil},   {"floor", "v", floor},
    {"round", "vif*", round}, {"int", "v", to_int},  {"float64", "v", to_float64},
    {"add1", "v", add1},      {"add1f", "v", add1f}, {"biggest", "vv*", max},
    {"int64", "v", to_int64}, {"atoi", "s", atoi},   {"toDecimal", "v", to_decimal},
    {"seq", "i*", seq},       {"until", "i", until}, {"untilStep", "iii", until_step}};

}  // namespace

TemplateFunctionList number_functions() { return kFunctions; }

}  // namespace pipeline
