#include "pipeline/parse/go_template.h"

#include "pipeline/parse/template_executor.h"
#include "pipeline/parse/template_node.h"

namespace pipeline {

Result<const Regex*> TemplateRun::regex(std::string_view pattern) {
  for (const auto& [known, regex] : regexes_) {
    if (known == pattern) return &regex;
  }
  TRY_LET(Regex regex, Regex::compile(pattern));
  if (regexes_.size() >= kMaxRegexes) regexes_.pop_front();
  regexes_.emplace_back(std::string(pattern), std::move(regex));
  return &regexes_.back().second;
}

const TimeZone* TemplateRun::zone(std::string_view name) {
  for (const auto& [known, zone] : zones_) {
    if (known == name) return &zone;
  }
  auto zone = TimeZone::load(name);
  if (!zone) return nullptr;
  zones_.emplace_back(std::string(name), *std::move(zone));
  return &zones_.back().second;
}

Result<GoTemplate> GoTemplate::parse(std::string_view name, std::string_view text, TemplateFunctions functions) {
  TRY_LET(auto trees, parse_template(name, text, functions));
  return GoTemplate(std::move(trees));
}

const std::vector<std::string>& GoTemplate::fields() const { return trees_->fields; }
bool GoTemplate::reads_all() const { return trees_->reads_all; }

const std::string* GoTemplate::constant() const {
  const auto& root = trees_->root;
  if (root.size() != 1 || !root[0]->is(TemplateNode::Kind::kText)) return nullptr;
  return &root[0]->text;
}

Result<void> GoTemplate::run(const TemplateInput& input, TemplateRun& run, std::string& out) const {
  return TemplateExecutor(*trees_, input, run, out).execute();
}

}  // namespace pipeline
