#include <algorithm>

#include "agent/receiver/receiver_options.h"
#include "agent/receiver/receiver_source.h"
#include "pipeline/config/config.h"
#include "pipeline/loop/listen_address.h"
#include "pipeline/match/regex.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigTable;
using pipeline::OtlpAction;
using pipeline::OtlpRule;

namespace {
constexpr uint64_t kSmallestBody = 64 << 10, kLargestBody = 100 << 20;  // Loki's own limit

void read_listener(const ConfigTable& table, ReceiverOptions& options, std::string_view address) {
  options.listen.address = table.string("listen", address);
  if (!pipeline::split_listen_address(options.listen.address))
    table.error_at("listen", concat("\"", options.listen.address, "\" is not HOST:PORT with a port up to 65535"),
                   concat("for example \"", address, "\""));
  ConfigTable tls = table.table("tls");
  options.listen.tls = {tls.string("cert_file"), tls.string("key_file"), tls.string("client_ca_file")};
  if (options.listen.tls.cert_file.empty() != options.listen.tls.key_file.empty())
    tls.error_at(options.listen.tls.cert_file.empty() ? "key_file" : "cert_file",
                 "certificate and key must be configured", "give both cert_file and key_file");
  else if (options.listen.tls.cert_file.empty() && !options.listen.tls.client_ca_file.empty())
    tls.error_at("client_ca_file", "client certificates need TLS", "add cert_file and key_file");
  options.listen.max_body_bytes = table.size("max_body_size", options.listen.max_body_bytes);
  if (options.listen.max_body_bytes < kSmallestBody || options.listen.max_body_bytes > kLargestBody)
    table.error_at("max_body_size", concat(options.listen.max_body_bytes, " bytes is not between 64KiB and 100MiB"),
                   "the default is \"16MiB\"");
  options.path_prefix = table.string("path_prefix");
  if (!options.path_prefix.empty() && (options.path_prefix.front() != '/' || options.path_prefix.back() == '/'))
    table.error_at("path_prefix", concat("\"", options.path_prefix, "\" does not begin with / or ends with one"),
                   "for example \"/team-a\"");
}

// As limits_config.otlp_config of Loki.
std::vector<OtlpRule> read_rules(const std::vector<ConfigTable>& tables, bool index_labels) {
  std::vector<OtlpRule> rules;
  for (const ConfigTable& table : tables) {
    OtlpRule rule;
    std::string action = table.choice("action", "structured_metadata", {"structured_metadata", "index_label", "drop"});
    if (action == "drop") rule.action = OtlpAction::kDrop;
    if (action == "index_label") rule.action = OtlpAction::kIndexLabel;
    if (action == "index_label" && !index_labels)
      table.error_at("action", "index_label action is only supported for resource_attributes",
                     "use \"structured_metadata\" or \"drop\"");
    std::vector<std::string> names = table.strings("attributes");
    auto pattern = table.find_string("regex");
    if (names.empty() == !pattern) {
      table.error("a rule needs either attributes or regex", "for example attributes = [\"host.name\"]");
    } else if (!pattern) {
      rule.matches = [names](std::string_view name) {
        return std::find(names.begin(), names.end(), name) != names.end();
      };
    } else if (auto regex = pipeline::Regex::compile(*pattern); !regex) {
      table.error_at("regex", regex.error().message, "write an RE2 expression");
    } else {
      rule.matches = [shared = std::make_shared<const pipeline::Regex>(*std::move(regex))](std::string_view name) {
        return shared->full_match(name);
      };
    }
    if (rule.matches) rules.push_back(std::move(rule));
  }
  return rules;
}
}  // namespace

std::string ReceiverOptions::place() const {
  return concat(listen.tls.cert_file.empty() ? "http://" : "https://", listen.address, path_prefix);
}

std::shared_ptr<const StreamOptions> read_push(const ConfigTable& table) {
  auto options = std::make_shared<PushOptions>();
  read_listener(table, *options, "127.0.0.1:3500");
  options->use_incoming_timestamp = table.boolean("use_incoming_timestamp", true);
  return options;
}

std::shared_ptr<const StreamOptions> read_otlp(const ConfigTable& table) {
  auto options = std::make_shared<OtlpOptions>();
  read_listener(table, *options, "127.0.0.1:4318");
  pipeline::OtlpMapping& mapping = options->mapping;
  ConfigTable resource = table.table("resource_attributes");
  mapping.ignore_defaults = resource.boolean("ignore_defaults", false);
  mapping.resource_rules = read_rules(resource.tables("attributes_config"), true);
  mapping.scope_rules = read_rules(table.tables("scope_attributes"), false);
  mapping.record_rules = read_rules(table.tables("log_attributes"), false);
  mapping.severity_text_as_label = table.boolean("severity_text_as_label", false);
  mapping.discover_service_name = table.has("discover_service_name") ? table.strings("discover_service_name")
                                                                     : pipeline::default_service_name_labels();
  mapping.resource_as_discovered = true;
  return options;
}

}  // namespace agent
