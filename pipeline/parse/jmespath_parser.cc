// The parser of JMESPath (community edition): top-down operator precedence, with the messages of its Go library.
#include <algorithm>
#include <charconv>

#include "pipeline/parse/jmespath_lexer.h"
#include "pipeline/parse/jmespath_node.h"

namespace pipeline {

namespace {

using Node = JmesNode;
using Pointer = JmesNode::Pointer;
using Kind = JmesToken::Kind;

constexpr int kMaxDepth = 200;   // of nesting
constexpr int kMaxHeight = 500;  // of the tree: chains count too; a search takes some 500 bytes of stack a level

Pointer make(Node::Kind kind) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  return node;
}
Pointer make(Node::Kind kind, Pointer left, Pointer right) {
  Pointer node = make(kind);
  node->add(std::move(left));
  if (right) node->add(std::move(right));
  return node;
}

int power_of(Kind kind) {
  switch (kind) {
    case Kind::kPipe: return 1;
    case Kind::kOr: return 2;
    case Kind::kAnd: return 3;
    case Kind::kEqual:
    case Kind::kUnequal:
    case Kind::kLess:
    case Kind::kLessEqual:
    case Kind::kGreater:
    case Kind::kGreaterEqual: return 5;
    case Kind::kPlus:
    case Kind::kMinus: return 6;
    case Kind::kDivide:
    case Kind::kDivideWhole:
    case Kind::kMultiply:
    case Kind::kModulo: return 7;
    case Kind::kFlatten: return 9;
    case Kind::kStar: return 20;
    case Kind::kFilter: return 21;
    case Kind::kDot: return 40;
    case Kind::kNot: return 45;
    case Kind::kOpenBrace: return 50;
    case Kind::kOpenBracket: return 55;
    case Kind::kOpenParen: return 60;
    default: return 0;
  }
}
constexpr int kStarPower = 20, kSignPower = 6, kDotPower = 40, kNotPower = 45;

std::optional<Node::Operation> operation_of(Kind kind) {
  using enum Node::Operation;
  switch (kind) {
    case Kind::kEqual: return kEqual;
    case Kind::kUnequal: return kUnequal;
    case Kind::kLess: return kLess;
    case Kind::kLessEqual: return kLessEqual;
    case Kind::kGreater: return kGreater;
    case Kind::kGreaterEqual: return kGreaterEqual;
    case Kind::kPlus: return kAdd;
    case Kind::kMinus: return kSubtract;
    case Kind::kStar:
    case Kind::kMultiply: return kMultiply;
    case Kind::kDivide: return kDivide;
    case Kind::kDivideWhole: return kDivideWhole;
    case Kind::kModulo: return kModulo;
    default: return std::nullopt;
  }
}

class Parser {
 public:
  Parser(std::vector<JmesToken> tokens, JmesTree& tree) : tokens_(std::move(tokens)), tree_(tree) {}

  Result<Pointer> run() {
    TRY_LET(Pointer node, expression(0));
    if (!at(Kind::kEnd)) return fault(concat("Unexpected token at the end of the expression: ", current().name()));
    return node;
  }

 private:
  const JmesToken& current() const { return tokens_[at_]; }
  bool at(Kind kind) const { return current().kind == kind; }
  bool next_is(Kind kind) const { return at_ + 1 < tokens_.size() && tokens_[at_ + 1].kind == kind; }
  const JmesToken& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  tl::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::kInvalid, concat("SyntaxError: ", what));
  }
  Result<void> match(Kind kind) {
    if (!at(kind)) return fault(concat("Expected ", JmesToken::name_of(kind), ", received: ", current().name()));
    take();
    return {};
  }
  bool at_word(std::string_view word) const { return at(Kind::kIdentifier) && current().text == word; }

  Result<Pointer> expression(int power) {
    if (++depth_ > kMaxDepth) return fault("the expression is nested too deep");
    TRY_LET(Pointer left, prefix());
    while (power < power_of(current().kind)) {
      Kind kind = take().kind;
      TRY_LET(left, infix(kind, std::move(left)));
      if (left->height > kMaxHeight) return fault("the expression is too long");
    }
    if (left->height > kMaxHeight) return fault("the expression is too long");
    --depth_;
    return left;
  }

  Result<Pointer> prefix() {
    const JmesToken token = take();
    switch (token.kind) {
      case Kind::kJson:
      case Kind::kText: return literal(token);
      case Kind::kIdentifier:
        if (token.text == "let" && at(Kind::kVariable)) return let();
        [[fallthrough]];
      case Kind::kQuoted: {
        if (token.kind == Kind::kQuoted && at(Kind::kOpenParen)) {
          return fault("Can't have quoted identifier as function name.");
        }
        Pointer node = make(Node::Kind::kField);
        node->text = token.text;
        return node;
      }
      case Kind::kVariable: {
        Pointer node = make(Node::Kind::kVariable);
        node->text = token.text;
        return node;
      }
      case Kind::kStar: {
        Pointer right = make(Node::Kind::kCurrent);
        if (!at(Kind::kCloseBracket)) { TRY_LET(right, projection(kStarPower)); }
        return make(Node::Kind::kObjectProjection, make(Node::Kind::kCurrent), std::move(right));
      }
      case Kind::kFilter: return filter(make(Node::Kind::kCurrent));
      case Kind::kOpenBrace: return multi_hash();
      case Kind::kFlatten: return flatten(make(Node::Kind::kCurrent));
      case Kind::kOpenBracket: return bracket();
      case Kind::kCurrent: return make(Node::Kind::kCurrent);
      case Kind::kRoot: return make(Node::Kind::kRoot);
      case Kind::kExpression: {
        TRY_LET(Pointer child, expression(0));
        return make(Node::Kind::kExpression, std::move(child), nullptr);
      }
      case Kind::kNot: {
        TRY_LET(Pointer child, expression(kNotPower));
        return make(Node::Kind::kNot, std::move(child), nullptr);
      }
      case Kind::kPlus:
      case Kind::kMinus: {
        TRY_LET(Pointer child, expression(kSignPower));
        return make(token.kind == Kind::kMinus ? Node::Kind::kNegative : Node::Kind::kPositive, std::move(child),
                    nullptr);
      }
      case Kind::kOpenParen: {
        TRY_LET(Pointer child, expression(0));
        TRY(match(Kind::kCloseParen));
        return child;
      }
      case Kind::kEnd: return fault("Incomplete expression");
      default: return fault(concat("Invalid token: ", token.name()));
    }
  }

  // Or what stands there is no ASCII letter or sign that an error could show as it is.
  static bool may_begin_json(std::string_view text, size_t at) {
    const char c = text[at];
    return c <= ' ' || c == '\'' || c == '\\' || c == 0x7f ||
           std::string_view("{[\"-0123456789tfn").find(c) != std::string_view::npos;
  }

  Result<Pointer> literal(const JmesToken& token) {
    Pointer node = make(Node::Kind::kLiteral);
    if (token.kind == Kind::kText) {
      TRY_LET(node->literal, tree_.literals.text(token.text));
      return node;
    }
    auto json = check_json(token.text);
    const size_t begin = token.text.find_first_not_of(" \t\r\n");
    if (!json && begin != std::string::npos && !may_begin_json(token.text, begin)) {
      return fail(Errc::kInvalid, concat("invalid character '", std::string_view(token.text).substr(begin, 1),
                                         "' looking for beginning of value"));
    }
    if (!json) return fault(concat("invalid JSON literal `", token.text, "`"));
    TRY_LET(node->literal, value_of_json(*json, tree_.literals));
    return node;
  }

  Result<Pointer> infix(Kind kind, Pointer left) {
    switch (kind) {
      case Kind::kDot: return dotted(std::move(left));
      case Kind::kPipe: return binary(Node::Kind::kPipe, kind, std::move(left));
      case Kind::kOr: return binary(Node::Kind::kOr, kind, std::move(left));
      case Kind::kAnd: return binary(Node::Kind::kAnd, kind, std::move(left));
      case Kind::kOpenParen: return call(std::move(left));
      case Kind::kFilter: return filter(std::move(left));
      case Kind::kFlatten: return flatten(std::move(left));
      case Kind::kOpenBracket: {
        if (at(Kind::kNumber) || at(Kind::kColon)) {
          TRY_LET(Pointer right, index());
          return project_if_slice(std::move(left), std::move(right));
        }
        TRY(match(Kind::kStar));
        TRY(match(Kind::kCloseBracket));
        TRY_LET(Pointer right, projection(kStarPower));
        return make(Node::Kind::kListProjection, std::move(left), std::move(right));
      }
      default: break;
    }
    auto operation = operation_of(kind);
    if (!operation) return fault(concat("Unexpected token: ", JmesToken::name_of(kind)));
    bool compares = *operation <= Node::Operation::kGreaterEqual;
    TRY_LET(Pointer node, binary(compares ? Node::Kind::kCompare : Node::Kind::kArithmetic, kind, std::move(left)));
    node->operation = *operation;
    return node;
  }

  Result<Pointer> binary(Node::Kind node_kind, Kind kind, Pointer left) {
    TRY_LET(Pointer right, expression(power_of(kind)));
    return make(node_kind, std::move(left), std::move(right));
  }

  Result<Pointer> dotted(Pointer left) {
    if (at(Kind::kStar)) {
      take();
      TRY_LET(Pointer right, projection(kDotPower));
      return make(Node::Kind::kObjectProjection, std::move(left), std::move(right));
    }
    TRY_LET(Pointer right, behind_dot(kDotPower));
    return make(Node::Kind::kChain, std::move(left), std::move(right));
  }

  Result<Pointer> behind_dot(int power) {
    if (at(Kind::kQuoted) || at(Kind::kIdentifier) || at(Kind::kStar)) return expression(power);
    if (at(Kind::kOpenBracket)) {
      take();
      return multi_list();
    }
    if (at(Kind::kOpenBrace)) {
      take();
      return multi_hash();
    }
    return fault("Expected identifier, lbracket, or lbrace");
  }

  // What applies to every element of a projection.
  Result<Pointer> projection(int power) {
    if (power_of(current().kind) < 10) return make(Node::Kind::kCurrent);
    if (at(Kind::kOpenBracket) || at(Kind::kFilter)) return expression_behind(power);
    if (at(Kind::kDot)) {
      take();
      return behind_dot(power);
    }
    return fault("Error");
  }
  Result<Pointer> expression_behind(int power) { return expression(power); }

  Result<Pointer> bracket() {
    if (at(Kind::kNumber) || at(Kind::kColon)) {
      TRY_LET(Pointer right, index());
      return project_if_slice(make(Node::Kind::kCurrent), std::move(right));
    }
    if (at(Kind::kStar) && next_is(Kind::kCloseBracket)) {
      take();
      take();
      TRY_LET(Pointer right, projection(kStarPower));
      return make(Node::Kind::kListProjection, make(Node::Kind::kCurrent), std::move(right));
    }
    return multi_list();
  }

  Result<Pointer> project_if_slice(Pointer left, Pointer right) {
    bool is_slice = right->kind == Node::Kind::kSlice;
    Pointer chain = make(Node::Kind::kChain, std::move(left), std::move(right));
    if (!is_slice) return chain;
    TRY_LET(Pointer rest, projection(kStarPower));
    return make(Node::Kind::kSliceProjection, std::move(chain), std::move(rest));
  }

  Result<int64_t> number() {
    int64_t value = 0;
    const std::string& text = current().text;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return fault(concat("invalid number ", text));
    take();
    return value;
  }

  // [1], [1:3], [::2]
  Result<Pointer> index() {
    if (at(Kind::kNumber) && !next_is(Kind::kColon)) {
      Pointer node = make(Node::Kind::kIndex);
      TRY_LET(node->index, number());
      TRY(match(Kind::kCloseBracket));
      return node;
    }
    Pointer node = make(Node::Kind::kSlice);
    std::optional<int64_t>* parts[] = {&node->begin, &node->end, &node->by};
    size_t part = 0;
    while (!at(Kind::kCloseBracket)) {
      if (at(Kind::kColon)) {
        if (++part == 3) return fault("Too many colons in slice expression");
        take();
      } else if (at(Kind::kNumber)) {
        TRY_LET(*parts[part], number());
      } else {
        return fault(concat("Expected tColon or tNumber, received: ", current().name()));
      }
    }
    TRY(match(Kind::kCloseBracket));
    return node;
  }

  Result<Pointer> flatten(Pointer left) {
    Pointer inner = make(Node::Kind::kFlatten, std::move(left), nullptr);
    TRY_LET(Pointer right, projection(9));
    return make(Node::Kind::kListProjection, std::move(inner), std::move(right));
  }

  Result<Pointer> filter(Pointer left) {
    TRY_LET(Pointer condition, expression(0));
    TRY(match(Kind::kCloseBracket));
    Pointer right = make(Node::Kind::kCurrent);
    if (!at(Kind::kFlatten)) { TRY_LET(right, projection(21)); }
    Pointer node = make(Node::Kind::kFilter, std::move(left), std::move(right));
    node->add(std::move(condition));
    return node;
  }

  Result<Pointer> multi_list() {
    Pointer node = make(Node::Kind::kMultiList);
    while (true) {
      TRY_LET(Pointer one, expression(0));
      node->add(std::move(one));
      if (at(Kind::kCloseBracket)) break;
      TRY(match(Kind::kComma));
    }
    take();
    return node;
  }

  Result<Pointer> multi_hash() {
    Pointer node = make(Node::Kind::kMultiHash);
    while (true) {
      if (!at(Kind::kIdentifier) && !at(Kind::kQuoted)) {
        return fault("Expected tQuotedIdentifier or tUnquotedIdentifier");
      }
      node->names.push_back(take().text);
      TRY(match(Kind::kColon));
      TRY_LET(Pointer one, expression(0));
      node->add(std::move(one));
      if (at(Kind::kCloseBrace)) break;
      if (at(Kind::kComma)) take();  // upstream does without, too
    }
    take();
    return node;
  }

  Result<Pointer> call(Pointer name) {
    if (name->kind != Node::Kind::kField) return fault("Invalid node as function name.");
    Pointer node = make(Node::Kind::kCall);
    node->text = name->text;
    node->function = find_jmes_function(name->text);
    while (!at(Kind::kCloseParen)) {
      TRY_LET(Pointer one, expression(0));
      node->add(std::move(one));
      if (at(Kind::kComma)) take();  // upstream does without, too
    }
    take();
    return node;
  }

  // let $a = x, $b = y in z
  Result<Pointer> let() {
    Pointer node = make(Node::Kind::kLet);
    while (true) {
      if (!at(Kind::kVariable)) return fault(concat("Expected TOKVarref, received: ", current().name()));
      node->names.push_back(take().text);
      TRY(match(Kind::kAssign));
      TRY_LET(Pointer value, expression(0));
      node->add(std::move(value));
      if (!at(Kind::kComma)) break;
      take();
    }
    if (!at_word("in")) return fault(concat("Expected keyword in, received: ", current().name()));
    take();
    TRY_LET(Pointer body, expression(0));
    node->add(std::move(body));
    return node;
  }

  std::vector<JmesToken> tokens_;
  JmesTree& tree_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

void JmesNode::add(Pointer child) {
  height = std::max(height, child->height + 1);
  children.push_back(std::move(child));
}

Result<std::shared_ptr<const JmesTree>> parse_jmespath(std::string_view expression) {
  TRY_LET(std::vector<JmesToken> tokens, jmespath_tokens(expression));
  auto tree = std::make_shared<JmesTree>();
  tree->literals.clear(expression.size() * 64 + 1024);
  TRY_LET(tree->root, Parser(std::move(tokens), *tree).run());
  return std::shared_ptr<const JmesTree>(std::move(tree));
}

}  // namespace pipeline
