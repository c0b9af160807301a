// ParseRun: one parse of one text; the inside of parser.h. Recursive descent over the whole list of lexemes.
//
// Errors are worded as Loki's generated (LALR) parser words them: where more than four tokens could go on, none is
// listed; where an optional part may begin or be left out, only what must follow it is listed. So each place that says
// unexpected({...}) names the tokens its state in those tables could shift.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/syntax.h"
#include "server/logql/token.h"

namespace server {

using pipeline::Result;

// `parse error : <message>`.
pipeline::Error parse_error(std::string_view message);

class ParseRun {
 public:
  explicit ParseRun(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

  // A whole query, to the end of the text.
  Result<Expr> query();

 private:
  // --- tokens
  const Lexeme& current() const { return lexemes_[at_]; }
  Token token() const { return lexemes_[at_].token; }
  bool next_is(Token token) const { return at_ + 1 < lexemes_.size() && lexemes_[at_ + 1].token == token; }
  const Lexeme& advance() { return lexemes_[at_++]; }
  bool take(Token token) {
    if (this->token() != token) return false;
    ++at_;
    return true;
  }
  pipeline::Error unexpected(std::vector<Token> expected = {}) const;
  Result<void> expect(Token token);
  Result<std::string> expect_text(Token token);
  // A fault of meaning that is told only if the rest of the text is well formed; the first one counts.
  void note(std::string message);
  Result<void> enter();
  void leave() { --depth_; }
  Result<void> count_join();

  // --- log expressions
  Result<Selector> selector();
  Result<LabelMatcher> matcher(std::string name);
  Result<void> stages(std::vector<Stage>& out, std::optional<Unwrap>* unwrap);
  Result<Stage> line_filter();
  Result<Stage> pipe_stage();
  Result<Stage> json();
  Result<Stage> logfmt();
  Result<std::vector<Extraction>> extractions();
  Result<Stage> regexp();
  Result<Stage> pattern();
  Result<Stage> label_format();
  Result<std::vector<NamedLabel>> named_labels();
  Result<LabelFilter> label_filter(int lowest);
  Result<LabelFilter> label_filter_chain(int lowest);
  Result<LabelFilter> label_filter_operand();
  Result<LabelFilter> compared_label(std::string name);
  Result<std::string> ip_argument();
  Result<Unwrap> unwrap();
  bool at_stage() const;

  // --- metric expressions
  Result<Expr> expression(int lowest);
  Result<Expr> operators(int lowest);
  Result<Expr> operand();
  Result<Expr> metric();
  Result<Expr> join(Expr left, BinaryOperation operation, Expr right);
  Result<VectorMatching> matching();
  Result<Expr> range_aggregation();
  Result<LogRange> log_range();
  Result<LogRange> bare_range();
  Result<LogRange> parenthesised_range();
  Result<void> range_and_offset(LogRange& range);
  Result<void> offset(LogRange& range);
  Result<Expr> vector_aggregation();
  Result<Grouping> grouping();
  Result<std::vector<std::string>> label_list();
  Result<Expr> label_replace();
  Result<Expr> vector();
  Result<double> number();

  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  int depth_ = 0, joins_ = 0;
  std::optional<std::string> noted_;
};

}  // namespace server
