// Wrote snappy_object_v1.lseg, when flushes began to write pages in snappy. Kept to show how; not to be run again: the
// file is what old servers left behind. usage: snappy_object_v1_writer FOLDER   (writes FOLDER/snappy_object_v1.lseg)
#include <cstdio>

#include "tests/golden/golden_entries.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto files = pipeline::system_files();
  auto store = server::open_local_store(*files, argv[1]);
  server::ObjectBuilder builder;
  for (const server::PlainEntry& entry : golden::entries()) builder.add(entry);
  server::ObjectWriterOptions options{.cluster = golden::kCluster, .object = golden::kObject, .level = 0};
  options.producers = golden::kProducers;
  auto summary = builder.write(**store, "snappy_object_v1.lseg", options);
  if (!summary) std::fprintf(stderr, "%s\n", summary.error().message.c_str());
  return summary ? 0 : 1;
}
