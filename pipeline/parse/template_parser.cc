// The parser of Go templates: text/template/parse's grammar and messages.
#include <deque>
#include <utility>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/template_constant.h"
#include "pipeline/parse/template_lexer.h"
#include "pipeline/parse/template_node.h"

namespace pipeline {

namespace {

using Node = TemplateNode;
using Pointer = Node::Pointer;
using Nodes = std::vector<Pointer>;
using Token = TemplateToken;

Pointer make_node(Node::Kind kind, const Token& token) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->position = token.position;
  return node;
}

bool is_blank(const Nodes& nodes) {
  for (const Pointer& node : nodes) {
    if (!node->is(Node::Kind::kText) || node->text.find_first_not_of(" \t\r\n") != std::string::npos) return false;
  }
  return true;
}

class Parser {
 public:
  explicit Parser(TemplateTrees& trees) : trees_(trees), lexer_(trees.text) {}

  Result<void> run() {
    variables_ = {"$"};
    while (!peek().is(Token::Kind::kEnd)) {
      if (peek().is(Token::Kind::kOpen)) {
        Token open = next();
        Token word = next_solid();
        if (word.is(Token::Kind::kDefine)) {
          TRY(definition());
          continue;
        }
        back(std::move(word));
        back(std::move(open));
      }
      End end = End::kNone;
      TRY(text_or_action(trees_.root, end));
      if (end != End::kNone) return fault(concat("unexpected ", end_text(end)));
    }
    return {};
  }

 private:
  enum class End { kNone, kEnd, kElse };
  static std::string_view end_text(End end) { return end == End::kEnd ? "{{end}}" : "{{else}}"; }

  // --- tokens
  const Token& peek() {
    if (pending_.empty()) pending_.push_front(read());
    return pending_.front();
  }
  Token next() {
    Token token = pending_.empty() ? read() : std::move(pending_.front());
    if (!pending_.empty()) pending_.pop_front();
    return token;
  }
  Token read() {
    Token token = lexer_.next();
    line_ = token.line;
    return token;
  }
  void back(Token token) { pending_.push_front(std::move(token)); }
  const Token& peek_solid() {
    while (peek().is(Token::Kind::kSpace)) next();
    return peek();
  }
  Token next_solid() {
    peek_solid();
    return next();
  }
  Result<Token> expect(Token::Kind kind, std::string_view context) {
    Token token = next_solid();
    if (!token.is(kind)) return unexpected(token, context);
    return token;
  }

  // --- faults
  tl::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::kInvalid, concat("template: ", trees_.name, ":", line_, ": ", what));
  }
  tl::unexpected<Error> unexpected(const Token& token, std::string_view context) const {
    if (!token.is(Token::Kind::kError)) return fault(concat("unexpected ", token.shown(), " in ", context));
    std::string extra;
    if (action_line_ != 0 && action_line_ != token.line) {
      extra = concat(" in action started at ", trees_.name, ":", action_line_);
      if (token.text.ends_with(" action")) extra.erase(0, std::string_view(" in action").size());
    }
    return fault(token.text + extra);
  }
  Result<void> deeper() {
    if (++depth_ > kMaxTemplateDepth) return fault("max expression depth exceeded");
    return {};
  }

  // --- texts and actions
  // Up to {{end}} or {{else}}.
  Result<End> list(Nodes& nodes) {
    End end = End::kNone;
    while (!peek_solid().is(Token::Kind::kEnd)) {
      TRY(text_or_action(nodes, end));
      if (end != End::kNone) return end;
    }
    return fault("unexpected EOF");
  }

  Result<void> text_or_action(Nodes& nodes, End& end) {
    Token token = next_solid();
    if (token.is(Token::Kind::kText)) {
      Pointer node = make_node(Node::Kind::kText, token);
      node->text = std::move(token.text);
      nodes.push_back(std::move(node));
      return {};
    }
    if (!token.is(Token::Kind::kOpen)) return unexpected(token, "input");
    action_line_ = token.line;
    TRY(deeper());
    TRY(action(nodes, end));
    --depth_;
    action_line_ = 0;
    return {};
  }

  Result<void> action(Nodes& nodes, End& end) {
    Token token = next_solid();
    switch (token.kind) {
      case Token::Kind::kBlock: return block(nodes);
      case Token::Kind::kBreak: return loop_exit(nodes, token, Node::Kind::kBreak, "{{break}}");
      case Token::Kind::kContinue: return loop_exit(nodes, token, Node::Kind::kContinue, "{{continue}}");
      case Token::Kind::kElse: {
        end = End::kElse;
        Token::Kind after = peek_solid().kind;
        if (after == Token::Kind::kIf || after == Token::Kind::kWith) return {};
        TRY(expect(Token::Kind::kClose, "else"));
        return {};
      }
      case Token::Kind::kEndWord: {
        end = End::kEnd;
        TRY(expect(Token::Kind::kClose, "end"));
        return {};
      }
      case Token::Kind::kIf: return control(nodes, token, Node::Kind::kIf, "if");
      case Token::Kind::kRange: return control(nodes, token, Node::Kind::kRange, "range");
      case Token::Kind::kWith: return control(nodes, token, Node::Kind::kWith, "with");
      case Token::Kind::kTemplate: return template_call(nodes);
      default: break;
    }
    Pointer node = make_node(Node::Kind::kAction, token);
    back(std::move(token));
    TRY_LET(node->pipe, pipeline("command", Token::Kind::kClose));
    nodes.push_back(std::move(node));
    return {};
  }

  Result<void> loop_exit(Nodes& nodes, const Token& token, Node::Kind kind, std::string_view name) {
    Token close = next_solid();
    if (!close.is(Token::Kind::kClose)) return unexpected(close, name);
    if (range_depth_ == 0) return fault(concat(name, " outside {{range}}"));
    nodes.push_back(make_node(kind, token));
    return {};
  }

  Result<void> control(Nodes& nodes, const Token& token, Node::Kind kind, std::string_view context) {
    size_t outer = variables_.size();
    Pointer node = make_node(kind, token);
    TRY_LET(node->pipe, pipeline(context, Token::Kind::kClose));
    range_depth_ += kind == Node::Kind::kRange ? 1 : 0;
    TRY_LET(End end, list(node->body));
    range_depth_ -= kind == Node::Kind::kRange ? 1 : 0;
    if (end == End::kElse) {
      Token::Kind chained = kind == Node::Kind::kIf ? Token::Kind::kIf : Token::Kind::kWith;
      if (kind != Node::Kind::kRange && peek().is(chained)) {
        Token word = next();
        TRY(deeper());
        TRY(control(node->otherwise, word, kind, context));
        --depth_;
      } else {
        TRY_LET(end, list(node->otherwise));
        if (end != End::kEnd) return fault(concat("expected end; found ", end_text(end)));
      }
    }
    variables_.resize(outer);
    nodes.push_back(std::move(node));
    return {};
  }

  Result<std::string> template_name(const Token& token, std::string_view context) {
    if (!token.is(Token::Kind::kText1) && !token.is(Token::Kind::kText2)) return unexpected(token, context);
    return unquoted(token);
  }

  Result<void> template_call(Nodes& nodes) {
    Token token = next_solid();
    Pointer node = make_node(Node::Kind::kTemplate, token);
    TRY_LET(node->text, template_name(token, "template clause"));
    Token after = next_solid();
    if (!after.is(Token::Kind::kClose)) {
      back(std::move(after));
      TRY_LET(node->pipe, pipeline("template clause", Token::Kind::kClose));
    }
    nodes.push_back(std::move(node));
    return {};
  }

  // {{define "x"}}...{{end}} and what stands inside of {{block "x" pipeline}}...{{end}}.
  Result<void> template_body(const std::string& name, std::string_view context) {
    std::vector<std::string> outer_variables = std::exchange(variables_, {"$"});
    int outer_range = std::exchange(range_depth_, 0);
    Nodes nodes;
    TRY_LET(End end, list(nodes));
    if (end != End::kEnd) return fault(concat("unexpected ", end_text(end), " in ", context));
    variables_ = std::move(outer_variables);
    range_depth_ = outer_range;
    auto known = trees_.defined.find(name);
    if (known == trees_.defined.end()) {
      trees_.defined.emplace(name, std::move(nodes));
    } else if (is_blank(known->second)) {
      known->second = std::move(nodes);
    } else if (!is_blank(nodes)) {
      return fault(concat("template: multiple definition of template ", quoted(name)));
    }
    return {};
  }

  Result<void> definition() {
    Token token = next_solid();
    TRY_LET(std::string name, template_name(token, "define clause"));
    TRY(expect(Token::Kind::kClose, "define clause"));
    return template_body(name, "define clause");
  }

  Result<void> block(Nodes& nodes) {
    Token token = next_solid();
    Pointer node = make_node(Node::Kind::kTemplate, token);
    TRY_LET(node->text, template_name(token, "block clause"));
    TRY_LET(node->pipe, pipeline("block clause", Token::Kind::kClose));
    TRY(template_body(node->text, "block clause"));
    nodes.push_back(std::move(node));
    return {};
  }

  // --- pipelines
  Result<Pointer> pipeline(std::string_view context, Token::Kind close) {
    Pointer pipe = make_node(Node::Kind::kPipe, peek_solid());
    TRY(declarations(*pipe, context));
    while (true) {
      Token token = next_solid();
      if (token.is(close)) break;
      if (!begins_operand(token.kind)) return unexpected(token, context);
      back(std::move(token));
      TRY_LET(Pointer one, command());
      pipe->children.push_back(std::move(one));
    }
    if (pipe->children.empty()) return fault(concat("missing value for ", context));
    for (size_t i = 1; i < pipe->children.size(); ++i) {
      if (pipe->children[i]->children[0]->is_constant()) {
        return fault(concat("non executable command in pipeline stage ", i + 1));
      }
    }
    return pipe;
  }

  static bool begins_operand(Token::Kind kind) {
    switch (kind) {
      case Token::Kind::kBool:
      case Token::Kind::kCharacterLiteral:
      case Token::Kind::kComplex:
      case Token::Kind::kDot:
      case Token::Kind::kField:
      case Token::Kind::kIdentifier:
      case Token::Kind::kNumber:
      case Token::Kind::kNil:
      case Token::Kind::kText1:
      case Token::Kind::kText2:
      case Token::Kind::kVariable:
      case Token::Kind::kOpenParen: return true;
      default: return false;
    }
  }

  // $x := and $i, $x := before a pipeline.
  Result<void> declarations(Node& pipe, std::string_view context) {
    while (peek_solid().is(Token::Kind::kVariable)) {
      Token variable = next();
      Token after = next();  // a blank may follow: $x foo takes foo as an argument
      bool blank = after.is(Token::Kind::kSpace);
      Token sign = blank ? next_solid() : after;
      bool assigns = sign.is(Token::Kind::kAssign);
      if (assigns || sign.is(Token::Kind::kDeclare)) {
        pipe.assigns = assigns;
        pipe.names.push_back(variable.text);
        variables_.push_back(variable.text);
        return {};
      }
      if (sign.is(Token::Kind::kCharacter) && sign.text == ",") {
        pipe.names.push_back(variable.text);
        variables_.push_back(variable.text);
        if (context != "range" || pipe.names.size() >= 2) {
          return fault(concat("too many declarations in ", context));
        }
        Token::Kind kind = peek_solid().kind;
        if (kind != Token::Kind::kVariable && kind != Token::Kind::kClose && kind != Token::Kind::kCloseParen) {
          return fault("range can only initialize variables");
        }
        continue;
      }
      if (blank) back(std::move(sign));
      back(std::move(after));
      back(std::move(variable));
      return {};
    }
    return {};
  }

  Result<Pointer> command() {
    Pointer node = make_node(Node::Kind::kCommand, peek_solid());
    while (true) {
      peek_solid();
      TRY_LET(Pointer one, operand());
      if (one) node->children.push_back(std::move(one));
      Token token = next();
      if (token.is(Token::Kind::kSpace)) continue;
      if (token.is(Token::Kind::kClose) || token.is(Token::Kind::kCloseParen)) {
        back(std::move(token));
      } else if (!token.is(Token::Kind::kPipe)) {
        return unexpected(token, "operand");
      }
      break;
    }
    if (node->children.empty()) return fault("empty command");
    return node;
  }

  // A term and the fields behind it; null: none stands here.
  Result<Pointer> operand() {
    TRY_LET(Pointer node, term());
    if (!node || !peek().is(Token::Kind::kField)) return node;
    std::vector<std::string> fields;
    size_t position = peek().position;
    while (peek().is(Token::Kind::kField)) fields.push_back(next().text.substr(1));
    if (node->is_constant()) {
      std::string shown;
      append_node(shown, *node);
      return fault(concat("unexpected . after term ", quoted(shown)));
    }
    if (!node->is(Node::Kind::kField) && !node->is(Node::Kind::kVariable)) {
      auto chain = std::make_unique<Node>();
      chain->kind = Node::Kind::kChain;
      chain->children.push_back(std::move(node));
      node = std::move(chain);
    }
    node->position = position;
    for (std::string& field : fields) node->names.push_back(std::move(field));
    return node;
  }

  Result<Pointer> term() {
    Token token = next_solid();
    switch (token.kind) {
      case Token::Kind::kIdentifier: {
        Pointer node = make_node(Node::Kind::kIdentifier, token);
        node->function = find_template_function(trees_.functions, token.text);
        if (node->function == nullptr) return fault(concat("function ", quoted(token.text), " not defined"));
        node->text = std::move(token.text);
        return node;
      }
      case Token::Kind::kDot: return make_node(Node::Kind::kDot, token);
      case Token::Kind::kNil: return make_node(Node::Kind::kNil, token);
      case Token::Kind::kVariable: {
        bool known = std::find(variables_.begin(), variables_.end(), token.text) != variables_.end();
        if (!known) return fault(concat("undefined variable ", quoted(token.text)));
        Pointer node = make_node(Node::Kind::kVariable, token);
        node->text = std::move(token.text);
        return node;
      }
      case Token::Kind::kField: {
        Pointer node = make_node(Node::Kind::kField, token);
        node->names.push_back(token.text.substr(1));
        return node;
      }
      case Token::Kind::kBool: {
        Pointer node = make_node(Node::Kind::kBool, token);
        node->value = TemplateValue::boolean(token.text == "true");
        return node;
      }
      case Token::Kind::kCharacterLiteral:
      case Token::Kind::kComplex:
      case Token::Kind::kNumber: return number(token);
      case Token::Kind::kText1:
      case Token::Kind::kText2: {
        Pointer node = make_node(Node::Kind::kString, token);
        TRY_LET(node->text, unquoted(token));
        node->value = TemplateValue::text(node->text);
        node->source = std::move(token.text);
        return node;
      }
      case Token::Kind::kOpenParen: {
        TRY(deeper());
        auto pipe = pipeline("parenthesized pipeline", Token::Kind::kCloseParen);
        --depth_;
        return pipe;
      }
      default: back(std::move(token)); return Pointer();
    }
  }

  Result<Pointer> number(const Token& token) {
    Pointer node = make_node(Node::Kind::kNumber, token);
    node->text = token.text;
    auto constant = template_number(token.text, token.is(Token::Kind::kCharacterLiteral));
    if (!constant) return fault(constant.error().message);
    node->value = constant->value;
    node->is_integer = constant->integer.has_value();
    node->integer = constant->integer.value_or(0);
    node->is_number = constant->number.has_value();
    node->number = constant->number.value_or(0);
    return node;
  }

  Result<std::string> unquoted(const Token& token) const {
    auto text = unquote_template_text(token.text);
    if (!text) return fault("invalid syntax");
    return *std::move(text);
  }
  static std::string quoted(std::string_view text) {
    std::string out;
    append_go_quoted(out, text);
    return out;
  }

  TemplateTrees& trees_;
  TemplateLexer lexer_;
  std::deque<Token> pending_;  // tokens put back, the next one first
  std::vector<std::string> variables_;
  size_t line_ = 1, action_line_ = 0;
  int depth_ = 0, range_depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<const TemplateTrees>> parse_template(std::string_view name, std::string_view text,
                                                            TemplateFunctions functions) {
  if (text.size() > kMaxTemplateBytes) {
    return fail(Errc::kInvalid, concat("template: ", name, ": longer than ", kMaxTemplateBytes, " bytes"));
  }
  auto trees = std::make_shared<TemplateTrees>();
  trees->name = name;
  trees->text = text;
  trees->functions = functions;
  TRY(Parser(*trees).run());
  find_template_fields(*trees);
  return std::shared_ptr<const TemplateTrees>(std::move(trees));
}

}  // namespace pipeline
