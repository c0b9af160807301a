// skidway-agent: reads the command line (interfaces: README.md) and calls the command.
#include <CLI/CLI.hpp>

#include "agent/commands.h"
#include "agent/whereis.h"
#include "pipeline/base/log.h"
#include "pipeline/base/version.h"

namespace {

constexpr const char* kExamples = R"(Examples:
  skidway-agent --config agent.toml                 run
  skidway-agent --config agent.toml --dry-run       print what would be sent
  skidway-agent check --config agent.toml           exit 0, or 2 with every error
  skidway-agent targets --config agent.toml --json  what would be read, with which labels
  skidway-agent whereis --config agent.toml /var/log/app.log    how far it is, and where and why it stands still
  echo '{"line":"x"}' | skidway-agent test --config agent.toml --only stages
  tail -n 3 app.log | skidway-agent test --config agent.toml --raw --explain    what each stage does to them
  skidway-agent test --fixtures tests/agent.toml    unit tests of a pipeline: exit 0, or 1 with a diff per failed case
  skidway-agent stages multiline                    what a stage is for, and its arguments
  skidway-agent spool ls /var/lib/skidway-agent     batches on disk that wait for their sink
  curl -X POST 127.0.0.1:9080/-/reload              go over to the changed configuration; so does kill -HUP
  find /var/log -type f | skidway-agent test glob --pattern '/var/log/**/*.log'

Exit codes: 0 well, 1 failed while running, 2 wrong configuration or usage.)";

constexpr const char* kTestHelp = R"(Examples:
  echo '{"line":"x","labels":{"app":"a"}}' | skidway-agent test --config agent.toml --source web
  tail -n 3 app.log | skidway-agent test --config agent.toml --raw --explain --metrics
  skidway-agent test --fixtures web_test.toml

A fixture file (exit 0: all pass, 1: a diff per failed case, 2: a fault in it or in the configuration):
  config = "agent.toml"                     # beside this file; --config wins

  [[case]]
  name = "levels become a label"
  labels = { app = "shop" }
  lines = ['{"level":"info"}']              # or [[case.entry]] with line, labels, timestamp, structured_metadata
    [[case.expect]]                         # in order; keys that are left out are not compared; expect = []: nothing
    labels = { app = "shop", level = "info" })";

struct Flags {
  agent::CommonFlags common;
  agent::TestFlags test;
  bool dry_run = false, json = false, markdown = false;
  std::string log_level = "info";
  std::vector<std::string> patterns, excludes;
  std::string text, functions = "stage";
  std::string layout, location, stage, what, folder;
};

struct Commands {
  CLI::App* check;
  CLI::App* targets;
  CLI::App* test;
  CLI::App* glob;
  CLI::App* time;
  CLI::App* text;
  CLI::App* stages;
  CLI::App* whereis;
  CLI::App* spool;
  CLI::App *spool_ls, *spool_cat, *spool_verify, *spool_repair;
};

Commands describe(CLI::App& app, Flags& f) {
  app.footer(kExamples);
  app.set_version_flag("--version", pipeline::version_text("skidway-agent"), "Print version, commit and compiler");
  app.add_option("--config", f.common.config, "Configuration file (TOML)");
  app.add_option("--data-dir", f.common.data_dir, "Folder of checkpoints; wins over data_dir");
  app.add_option("--log-level", f.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  app.add_flag("--dry-run", f.dry_run, "Send nothing: print entries as JSON lines");
  app.require_subcommand(0, 1);
  app.fallthrough();

  app.add_subcommand("run", "Collect and deliver (the default command)")->fallthrough();
  Commands c{};
  c.check = app.add_subcommand("check", "Check the configuration")->fallthrough();
  c.targets = app.add_subcommand("targets", "What would be read, with which labels, and why not")->fallthrough();
  c.targets->add_flag("--json", f.json, "One JSON object per line");
  c.whereis = app.add_subcommand("whereis", "How far a log is, and where and why it stands still")->fallthrough();
  c.whereis
      ->add_option("what", f.what,
                   "A file, a pod (POD or NAMESPACE/POD[/CONTAINER]), a container, or a source that is no file")
      ->required();
  c.whereis->add_flag("--json", f.json, "One JSON array");
  c.whereis->footer(
      "Examples:\n  skidway-agent whereis --config agent.toml /var/log/app.log\n"
      "  skidway-agent whereis --config agent.toml shop/cart-7d9f/app\n"
      "  skidway-agent whereis --config agent.toml journal      the [[source]] of that name");
  c.test = app.add_subcommand("test", "JSON lines in on stdin, what the pipeline makes of them on stdout");
  c.test->fallthrough()->require_subcommand(0, 1);
  c.test->add_option("--source", f.test.source, "Name of the source whose pipeline is tried; default: the first");
  c.test->add_option("--only", f.test.only, "Only this part of the pipeline")
      ->check(CLI::IsMember({"stages", "relabel"}));
  c.test->add_flag("--raw", f.test.raw, "stdin has plain lines");
  c.test->add_flag("--explain", f.test.explain, "Show what each stage did to each line (colours on a terminal)");
  c.test->add_option("--fixtures", f.test.fixtures, "Run the cases of this TOML file instead of reading stdin");
  c.test->footer(kTestHelp);
  c.test->add_flag("--metrics", f.test.metrics, "Print the stages' metrics on stderr at the end");
  c.glob = c.test->add_subcommand("glob", "Paths in on stdin, those that match out");
  c.glob->add_option("--pattern", f.patterns, "Doublestar pattern")->required()->allow_extra_args(false);
  c.glob->add_option("--exclude", f.excludes, "Pattern of paths to leave out")->allow_extra_args(false);
  c.time = c.test->add_subcommand("time", "Values in on stdin, unix nanoseconds or `error` out");
  c.time->add_option("--layout", f.layout, "Name (RFC3339, Unix, ...) or Go layout")->required();
  c.time->add_option("--location", f.location, "Time zone where the value has none, for example Europe/Berlin");
  c.text = c.test->add_subcommand("template", "JSON objects in on stdin, what a Go template makes of them out");
  c.text->add_option("--template", f.text, "Go template, for example '{{ .user | upper }}'")->required();
  c.text->add_option("--funcs", f.functions, "Its functions: those of the template stage or of LogQL")
      ->check(CLI::IsMember({"stage", "logql"}));
  c.stages = app.add_subcommand("stages", "What stages there are; with a name: its arguments");
  c.stages->add_option("name", f.stage, "Name of a stage");
  c.stages->add_flag("--markdown", f.markdown, "As Markdown, as in pipeline/stage/REFERENCE.md");
  c.stages->footer("Example:\n  skidway-agent stages json");
  c.spool = app.add_subcommand("spool", "What is in a spool: batches on disk that wait for their sink");
  c.spool->require_subcommand(1)->fallthrough();
  auto add = [&](const char* name, const char* what) {
    CLI::App* command = c.spool->add_subcommand(name, what);
    command->add_option("dir", f.folder, "A data_dir, its spool folder, or the folder of one sink in that")->required();
    return command;
  };
  c.spool_ls = add("ls", "Segments, and what waits in them");
  c.spool_cat = add("cat", "The entries that wait, as JSON lines, oldest batch first");
  c.spool_verify = add("verify", "Read everything: exit 1 and a line for each damaged place");
  c.spool_repair = add("repair", "Rewrite damaged segments without the damage, and keep the old ones as .damaged");
  c.spool->footer(
      "Examples:\n  skidway-agent spool ls /var/lib/skidway-agent\n"
      "  skidway-agent spool cat /var/lib/skidway-agent/spool/hub | head");
  return c;
}

int spool(const Commands& c, const std::string& folder) {
  if (c.spool_ls->parsed()) return agent::look_at_spool(agent::SpoolAction::kList, folder);
  if (c.spool_cat->parsed()) return agent::look_at_spool(agent::SpoolAction::kPrint, folder);
  if (c.spool_verify->parsed()) return agent::look_at_spool(agent::SpoolAction::kVerify, folder);
  return agent::look_at_spool(agent::SpoolAction::kRepair, folder);
}

int dispatch(const Commands& c, const Flags& f) {
  if (c.glob->parsed()) return agent::test_glob(f.patterns, f.excludes);
  if (c.time->parsed()) return agent::test_time(f.layout, f.location);
  if (c.text->parsed()) return agent::test_template(f.text, f.functions);
  if (c.stages->parsed()) return agent::describe_stages(f.stage, f.markdown);
  if (c.spool->parsed()) return spool(c, f.folder);
  if (c.test->parsed() && !f.test.fixtures.empty()) return agent::test_pipeline(f.common, f.test);
  if (f.common.config.empty()) {
    std::fprintf(stderr, "no configuration; add --config FILE (skidway-agent --help has examples)\n");
    return 2;
  }
  if (c.check->parsed()) return agent::check_configuration(f.common);
  if (c.whereis->parsed()) return agent::print_whereis(f.common, f.what, f.json);
  if (c.targets->parsed()) return agent::list_targets(f.common, f.json);
  if (c.test->parsed()) return agent::test_pipeline(f.common, f.test);
  return agent::run_agent(f.common, f.dry_run);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("skidway-agent: follows pod logs, files and pipes, and delivers every line once.", "skidway-agent");
  Flags flags;
  Commands commands = describe(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  pipeline::set_log_level(*pipeline::parse_log_level(flags.log_level));
  return dispatch(commands, flags);
}
