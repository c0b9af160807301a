#include "server/store/object_writer.h"

#include <algorithm>

#include "pipeline/base/checksum.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/varint.h"
#include "server/store/format.h"
#include "server/store/id_set.h"
#include "server/store/label_pool.h"
#include "server/store/packed_integers.h"
#include "server/store/text_effort.h"
#include "server/store/volume_counter.h"

namespace server {

namespace {

// An id set may be this part of the object. A random id takes 1.5 bytes there and 16 or more on its page; but in long
// texts of such bytes, that no one asks for, it would be a fifth.
constexpr uint64_t kMostIdShare = 8;

constexpr size_t column_index(PageColumn column) { return static_cast<size_t>(column); }

}  // namespace

struct ObjectWriter::State {
  State(ObjectWriterOptions o, ObjectUpload& u) : options(std::move(o)), upload(u) {
    directory.cluster = options.cluster;
    directory.summary.object = options.object;
    directory.summary.level = options.level;
    directory.inputs = std::move(options.inputs);
    directory.producers = std::move(options.producers);
    directory.summary.deletes_applied = options.deletes_applied;
    directory.summary.retention_seconds = options.retention_seconds;
    directory.last_frame = options.last_frame;
    directory.seal = options.seal;
  }

  const ObjectWriterOptions options;
  ObjectUpload& upload;
  ObjectDirectory directory;
  LabelPool labels;
  MetadataKeys metadata_keys;
  pipeline::LabelSet stream_labels;  // of the last stream
  uint64_t written = 0;              // bytes given to the upload
  uint64_t stored = 0;               // those, and the columns that wait in `group`

  // The page being filled.
  std::string text;
  std::vector<uint64_t> lengths;
  std::vector<uint64_t> steps;
  std::string metadata;
  std::vector<uint32_t> metadata_offsets;  // empty, or of every row
  uint32_t page_runs = 0;                  // on it
  UnixNanos last_time = 0;                 // of the run being filled
  StreamInfo stream;                       // being filled; without rows: there is none
  std::vector<PageRun> runs;               // of it, one for each of its pages
  bool stream_on_page = false;             // the last run is of the page being filled
  VolumeCounter volume;                    // of the stream being filled

  TextEffort text_effort;  // where is_for_long()
  FilterBuilder filter;    // where options.with_filter, as the next
  IdSetBuilder ids;

  // The row group being filled: text pages are written already, the small columns wait.
  size_t group_first_page = 0;
  std::string group[kPageColumns];
  std::string encoded;     // scratch
  std::string packed;      // scratch
  std::string compressed;  // scratch

  size_t page_rows() const { return lengths.size(); }
  bool is_for_long() const { return options.effort == PageEffort::kSmall; }

  Result<void> write(std::string_view bytes) {
    TRY(upload.append(bytes));
    written += bytes.size();
    return {};
  }

  Result<void> begin() {
    if (written > 0) return {};
    std::string header(kObjectMagic);
    header += static_cast<char>(kObjectVersion);
    header += static_cast<char>(options.level);
    pipeline::append_fixed<uint16_t>(header, 0);
    header += options.cluster.bytes() + options.object.bytes();
    return write(header);
  }

  Result<void> begin_stream(std::string_view tenant, const pipeline::LabelSet& set) {
    auto& tenants = directory.summary.tenants;
    bool same_tenant = !tenants.empty() && tenants.back() == tenant;
    if (same_tenant && stream.rows > 0 && stream_labels == set) return {};
    INVARIANT(tenants.empty() || tenants.back() < tenant || (same_tenant && stream_labels < set));
    finish_stream();
    if (!same_tenant) {
      TRY(finish_group());
      tenants.emplace_back(tenant);
    }
    stream.tenant = static_cast<uint32_t>(tenants.size() - 1);
    stream.first_label = static_cast<uint32_t>(directory.labels.size());
    stream.label_count = static_cast<uint32_t>(set.labels().size());
    labels.add(set, directory.labels);
    stream_labels = set;
    return {};
  }

  void finish_stream() {
    if (stream.rows > 0) {
      stream.volume_bytes = volume.bytes();
      INVARIANT(directory.streams.add(stream));
      uint32_t page = stream.first_page;
      for (const PageRun& run : runs) INVARIANT(directory.streams.add_run(page++, run));
    }
    stream = {};
    runs.clear();
    stream_on_page = false;
  }

  // How many rows of entries from `begin` on fit into the page; at least one into an empty page.
  size_t fitting_rows(const EntrySlice& entries, size_t begin) const {
    size_t most = std::min(entries.size() - begin, kPageRows - page_rows());
    auto fitting = [&](std::span<const uint32_t> offsets, size_t used) -> size_t {
      size_t room = used < kPageTextBytes ? kPageTextBytes - used : 0;
      size_t limit = offsets[begin] + room;
      auto first = offsets.begin() + static_cast<ptrdiff_t>(begin) + 1;
      return static_cast<size_t>(std::upper_bound(first, first + static_cast<ptrdiff_t>(most), limit) - first);
    };
    size_t rows = fitting(entries.offsets, text.size());
    if (entries.has_metadata()) rows = std::min(rows, fitting(entries.metadata_offsets, metadata.size()));
    return rows == 0 && page_rows() == 0 ? 1 : std::min(rows, most);
  }

  void add_rows(const EntrySlice& rows) {
    text.append(rows.text + rows.offsets.front(), rows.line_bytes());
    for (size_t i = 0; i < rows.size(); ++i) lengths.push_back(rows.offsets[i + 1] - rows.offsets[i]);
    add_metadata(rows);
    add_times(rows);
    auto page = static_cast<uint32_t>(directory.pages.size());
    INVARIANT(stream.rows == 0 || rows.times.front() >= stream.max_time);
    if (stream.rows == 0) {
      stream.first_page = page, stream.min_time = rows.times.front();
      volume.reset();
    }
    stream.last_page = page;
    stream.max_time = rows.times.back();
    stream.rows += rows.size();
    stream.raw_bytes += rows.line_bytes() + rows.metadata_bytes();
    volume.add(rows);
  }

  void add_metadata(const EntrySlice& rows) {
    size_t before = page_rows() - rows.size();
    if (rows.has_metadata() && metadata_offsets.empty()) metadata_offsets.assign(before + 1, 0);
    if (metadata_offsets.empty()) return;
    if (rows.has_metadata()) {
      auto shift = static_cast<uint32_t>(metadata.size()) - rows.metadata_offsets.front();
      for (size_t i = 1; i <= rows.size(); ++i) metadata_offsets.push_back(rows.metadata_offsets[i] + shift);
      metadata.append(rows.metadata_text + rows.metadata_offsets.front(), rows.metadata_bytes());
    } else {
      metadata_offsets.resize(metadata_offsets.size() + rows.size(), static_cast<uint32_t>(metadata.size()));
    }
  }

  void add_times(const EntrySlice& rows) {
    size_t from = 0;
    if (!stream_on_page) {
      PageRun run;
      run.stream = static_cast<uint32_t>(directory.streams.size());
      run.first_row = static_cast<uint32_t>(page_rows() - rows.size());
      run.min_time = last_time = rows.times.front();
      runs.push_back(run);
      stream_on_page = true;
      ++page_runs;
      from = 1;
    }
    PageRun& run = runs.back();
    for (UnixNanos time : rows.times.subspan(from)) {
      INVARIANT(time >= last_time);
      steps.push_back(static_cast<uint64_t>(time) - static_cast<uint64_t>(last_time));
      last_time = time;
    }
    run.rows += static_cast<uint32_t>(rows.size());
    run.max_time = last_time;
  }

  void add_column(PageInfo& page, PageColumn column) {
    PageInfo::Stored& stored_column = page.columns[column_index(column)];
    stored_column.length = static_cast<uint32_t>(encoded.size());
    stored_column.checksum = pipeline::crc32c(encoded);
    stored += encoded.size();
    if (column == PageColumn::kText) {
      stored_column.offset = written;
      return;
    }
    stored_column.offset = group[column_index(column)].size();  // within the group until that is finished
    group[column_index(column)] += encoded;
  }

  void encode_packed(PageInfo& page, PageColumn column, std::span<const uint64_t> numbers) {
    encoded.clear(), packed.clear();
    append_packed(packed, numbers);
    append_page(encoded, PageEncoding::kPacked, packed, page.rows, std::nullopt);
    if (column == PageColumn::kLengths && is_for_long()) {
      packed.clear(), compressed.clear();
      append_packed_bytes(packed, numbers);
      append_page(compressed, PageEncoding::kPacked, packed, page.rows, options.effort);
      if (compressed.size() < encoded.size()) encoded.swap(compressed);
    }
    add_column(page, column);
  }

  Result<void> finish_page() {
    if (page_rows() == 0) return {};
    TRY(begin());
    PageInfo page;
    page.rows = static_cast<uint32_t>(page_rows());
    page.text_bytes = static_cast<uint32_t>(text.size());
    page.runs = page_runs;
    // The last run is of the stream being filled, or of the one before where that was just finished.
    const auto streams = static_cast<uint32_t>(directory.streams.size()) + (stream_on_page ? 1 : 0);
    page.first_stream = streams - page_runs;

    encode_packed(page, PageColumn::kTimes, steps);
    encode_packed(page, PageColumn::kLengths, lengths);
    if (!metadata_offsets.empty()) {
      encoded.clear(), packed.clear();
      const auto packing = is_for_long() ? append_packed_bytes : append_packed;
      append_metadata_columns(packed, metadata_offsets, metadata, metadata_keys, packing);
      append_page(encoded, PageEncoding::kMetadataColumns, packed, page.rows, options.effort);
      add_column(page, PageColumn::kMetadata);
    }
    encoded.clear();
    const auto effort = is_for_long() ? text_effort.of(text, page.first_stream) : options.effort;
    append_page(encoded, PageEncoding::kPlain, text, page.rows, effort);
    add_column(page, PageColumn::kText);
    TRY(write(encoded));
    directory.pages.push_back(page);
    if (options.with_filter) {
      filter.add_page(text, metadata_offsets, metadata);
      ids.add_page(text, lengths);
    }

    page_runs = 0, stream_on_page = false;
    text.clear(), lengths.clear(), steps.clear(), metadata.clear(), metadata_offsets.clear();
    if (directory.pages.size() - group_first_page == kGroupPages) return finish_group();
    return {};
  }

  Result<void> finish_group() {
    TRY(finish_page());
    for (PageColumn column : {PageColumn::kTimes, PageColumn::kLengths, PageColumn::kMetadata}) {
      std::string& bytes = group[column_index(column)];
      for (size_t i = group_first_page; i < directory.pages.size(); ++i) {
        PageInfo::Stored& stored_column = directory.pages[i].columns[column_index(column)];
        if (stored_column.length > 0) stored_column.offset += written;
      }
      if (!bytes.empty()) TRY(write(bytes));
      bytes.clear();
    }
    group_first_page = directory.pages.size();
    return filter.part_is_full() ? finish_filter_part() : Result<void>();
  }

  Result<void> finish_filter_part() {
    return filter.finish_part(written, [this](std::string_view bytes) {
      stored += bytes.size();
      return write(bytes);
    });
  }

  Result<void> write_ids() {
    if (!options.with_filter) return {};
    const std::string set = ids.finish(std::max(kIdBlockBytes, written / kMostIdShare));
    directory.summary.ids_length = set.size();
    stored += set.size();
    return set.empty() ? Result<void>() : write(set);
  }

  void summarise() {
    ObjectSummary& summary = directory.summary;
    for (const StreamInfo& each : directory.streams.all()) {
      bool first = summary.streams++ == 0;
      summary.min_time = first ? each.min_time : std::min(summary.min_time, each.min_time);
      summary.max_time = first ? each.max_time : std::max(summary.max_time, each.max_time);
      summary.rows += each.rows;
      summary.raw_bytes += each.raw_bytes;
    }
  }
};

ObjectWriter::ObjectWriter(ObjectWriterOptions options, ObjectUpload& upload)
    : state_(std::make_unique<State>(std::move(options), upload)) {}
ObjectWriter::~ObjectWriter() = default;

Result<void> ObjectWriter::append(std::string_view tenant, const pipeline::LabelSet& labels,
                                  const EntrySlice& entries) {
  if (entries.empty()) return {};
  TRY(state_->begin_stream(tenant, labels));
  for (size_t begin = 0; begin < entries.size();) {
    size_t rows = state_->fitting_rows(entries, begin);
    if (rows > 0) {
      EntrySlice part = entries.slice(begin, begin + rows);
      if (part.line_bytes() > kMaxPageBytes || part.metadata_bytes() > kMaxPageBytes) {
        return pipeline::fail(pipeline::Errc::kOverLimit, "an entry is too long for a page");
      }
      state_->add_rows(part);
      begin += rows;
    }
    if (begin < entries.size()) TRY(state_->finish_page());
  }
  return {};
}

uint64_t ObjectWriter::streams() const { return state_->directory.streams.size() + (state_->stream.rows > 0 ? 1 : 0); }

uint64_t ObjectWriter::stored_bytes() const { return state_->stored; }

Result<ObjectSummary> ObjectWriter::finish() {
  State& state = *state_;
  state.finish_stream();
  TRY(state.finish_group());
  TRY(state.begin());
  TRY(state.finish_filter_part());
  TRY(state.write_ids());
  state.directory.filter = state.filter.parts();
  state.summarise();
  state.labels.sort_into(state.directory);
  state.directory.metadata_names = state.metadata_keys.names();
  TRY(state.write(encode_footer(state.directory, state.written)));
  return state.directory.summary;
}

}  // namespace server
