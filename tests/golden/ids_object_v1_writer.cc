// Wrote ids_object_v1.lseg: golden::id_entries() with a substring filter and an id set (section IDS, version 1).
// Kept to show how; not to be run again. usage: ids_object_v1_writer FOLDER
#include <cstdio>

#include "tests/golden/golden_entries.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto files = pipeline::system_files();
  auto store = server::open_local_store(*files, argv[1]);
  server::ObjectBuilder builder;
  for (const server::PlainEntry& entry : golden::id_entries()) builder.add(entry);
  server::ObjectWriterOptions options{.cluster = golden::kCluster, .object = golden::kObject, .level = 2};
  options.with_filter = true;
  auto summary = builder.write(**store, "ids_object_v1.lseg", options);
  if (!summary) std::fprintf(stderr, "%s\n", summary.error().message.c_str());
  return summary ? 0 : 1;
}
