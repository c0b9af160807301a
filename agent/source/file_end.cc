// FileShard, the part about what happens to files: rotated, deleted, truncated, compressed, finished.
#include <algorithm>

#include "agent/source/file_shard.h"
#include "agent/source/successor.h"

namespace agent {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::nanoseconds kWriterEvery = 1s;  // a deleted file whose writer lives is looked at this often
}

void FileShard::rotated(InodeKey key) {
  nanoseconds now = clock_.monotonic();
  wake_at(key, now);
  for (auto [it, last] = by_inode_.equal_range(key); it != last; ++it) {
    TailedFile& tailed = *it->second;
    if (!tailed.at_rest) metrics_[tailed.file.source]->rotations.add();
    tailed.at_rest = true;
    tailed.gone = false;
    tailed.changed_at = now;
    activate(tailed, now);
  }
}

void FileShard::gone(InodeKey key) {
  nanoseconds now = clock_.monotonic();
  wake_at(key, now);
  for (auto [it, last] = by_inode_.equal_range(key); it != last; ++it) {
    TailedFile& tailed = *it->second;
    tailed.at_rest = tailed.gone = true;
    tailed.changed_at = now;
    activate(tailed, now);
  }
}

// It is not in sight any more. Unread bytes of a deleted one are on disk for us only, and these are limited.
void FileShard::note_deleted(TailedFile& tailed, uint64_t links, nanoseconds now) {
  if (!tailed.gone) {
    tailed.at_rest = tailed.gone = true;
    tailed.changed_at = now;
    activate(tailed, now);
  }
  if (links > 0) return;
  const uint64_t unread = tailed.size_bytes - std::min(tailed.size_bytes, tailed.cursor.position);
  if (!deleted_->hold(tailed.file.id, unread + owed_bytes(tailed))) tailed.condemned = true;
}

// Nothing more of it is read. Returns how much that is; the sinks' ledger has it.
uint64_t FileShard::lose_rest(TailedFile& tailed, std::string_view reason) {
  const uint64_t lost = tailed.size_bytes - std::min(tailed.size_bytes, tailed.cursor.position);
  if (lost == 0) return 0;
  ledger_.dropped(source_of(tailed), tailed.file.id, reason, lost, tailed.size_bytes);
  tailed.cursor.position = tailed.cursor.seen = tailed.size_bytes;
  tailed.cursor.cut_line_at.reset();
  batch_.clear();
  hand_on(tailed);
  return lost;
}

// Over hold_deleted_bytes: what was not read of it, or not by a sink that is behind, is lost.
void FileShard::give_up(TailedFile& tailed) {
  const uint64_t lost = lose_rest(tailed, "read:hold_deleted_bytes");
  const uint64_t owed = owed_bytes(tailed);  // to the sink that is furthest behind
  metrics_[tailed.file.source]->add_released(tailed.file.path, lost);
  pipeline::log_error(
      "deleted file released, its unread bytes are lost; more are kept with a greater hold_deleted_bytes",
      {{"path", tailed.file.path}, {"lost_bytes", lost}, {"owed_bytes", owed}});
  flush_stages(tailed);
  forget_owed(tailed);
  ledger_.finished(tailed.file.id, tailed.cursor.position);
  forget(tailed);
}

// --- truncated

// Another content at the old inode, so a new file as far as positions go. What was not read of the old one is read from
// the copy, if there is one (copytruncate), which goes on as the old file.
void FileShard::start_over(TailedFile& tailed) {
  const bool was_open = tailed.file.handle->is_open();
  metrics_[tailed.file.source]->truncations.add();
  auto copies = find_copies(tailed);
  pipeline::log_info("file truncated, reading it from its beginning",
                     {{"path", tailed.file.path}, {"read_bytes", tailed.cursor.position}, {"copies", copies.size()}});
  if (copies.empty()) {
    flush_stages(tailed);
    forget_owed(tailed);
    ledger_.finished(tailed.file.id, tailed.cursor.position);
    tailed.carried_from.reset();
  }
  auto node = files_.extract(tailed.file.id);
  tailed.file.identity = FileIdentity::of(tailed.file.identity.key, tailed.file.handle->head().value_or(""));
  tailed.file.id = ledger_.adopt(source_of(tailed), tailed.file.identity, tailed.file.path, tailed.file.birth_order);
  node.key() = tailed.file.id;
  files_.insert(std::move(node));
  if (!copies.empty()) read_copies(tailed, std::move(copies));
  tailed.cursor = Cursor{};
  tailed.cursor.position = tailed.cursor.seen = tailed.file.handle->hole_at_begin();
  tailed.file.position = tailed.cursor.position;
  tailed.size_bytes = 0;
  tailed.kept_end = 0;
  batch_.clear();
  hand_on(tailed);
  if (!was_open && options_.open_files->full()) (void)tailed.file.handle->park();
}

// The rest of the file as it was, where it was copied to; then what was written and copied since, if it was truncated
// more than once since our last look.
std::vector<std::unique_ptr<TailedFile>> FileShard::find_copies(const TailedFile& tailed) {
  std::vector<std::unique_ptr<TailedFile>> copies;
  Successors search([&](InodeKey key) {
    for (auto [it, last] = by_inode_.equal_range(key); it != last; ++it)
      if (it->second->file.source == tailed.file.source) return true;
    const std::vector<FileId> asleep = sleeping_.at_inode(key);
    return std::any_of(asleep.begin(), asleep.end(),
                       [&](FileId id) { return sleeping_.find(id)->source == tailed.file.source; });
  });
  auto found = search.find(tailed.file.path.str(), tailed.file.identity, tailed.cursor.position);
  if (!found) return copies;
  auto add_copy = [&](std::shared_ptr<FileHandle> handle) -> OfferedFile& {
    OfferedFile rest = tailed.file;
    rest.identity.key = handle->status()->key;
    rest.handle = std::move(handle);
    rest.position = 0;
    rest.rotated = true;
    rest.fresh = false;
    copies.push_back(std::make_unique<TailedFile>(std::move(rest)));
    return copies.back()->file;
  };
  auto name = search.name_of(tailed.file.path.str(), found->handle->status()->key);
  add_copy(std::move(found->handle));
  copies.back()->cursor = tailed.cursor;
  copies.back()->last_read_time = tailed.last_read_time;
  std::vector<Successors::Sibling> siblings = search.rotated_siblings(tailed.file.path.str());
  std::erase_if(siblings, [&](const auto& s) { return !name || s.taken || !s.name.newer_than(*name).value_or(false); });
  std::sort(siblings.begin(), siblings.end(),
            [](const auto& a, const auto& b) { return b.name.newer_than(a.name).value_or(false); });
  for (const Successors::Sibling& sibling : siblings) {
    auto handle = sibling.name.gzip ? FileHandle::open_gzip(sibling.path) : FileHandle::open(sibling.path);
    auto head = handle ? (*handle)->head() : pipeline::Result<std::string>("");
    if (!handle || !head) continue;
    OfferedFile& file = add_copy(*std::move(handle));
    file.fresh = true;
    file.identity = FileIdentity::of(file.identity.key, *head);
    file.id = ledger_.adopt(source_of(tailed), file.identity, file.path, file.birth_order);
  }
  return copies;
}

// In reverse: of one birth the last one added comes first.
void FileShard::read_copies(TailedFile& tailed, std::vector<std::unique_ptr<TailedFile>> copies) {
  for (size_t i = copies.size() - 1; i > 0; --i) {
    if (source_of(tailed).stages) copies[i]->stage_state = source_of(tailed).stages->make_state();
    TailedFile& unseen = add(std::move(copies[i]));
    batch_.clear();
    hand_on(unseen);
    look(unseen, unseen.changed_at);
  }
  read_copy(tailed, std::move(copies[0]));
}

void FileShard::read_copy(TailedFile& tailed, std::unique_ptr<TailedFile> owned) {
  owned->stage_state = std::exchange(tailed.stage_state, nullptr);
  owned->kept_states = std::exchange(tailed.kept_states, {});
  owned->kept_end = tailed.kept_end;
  owned->elders = std::exchange(tailed.elders, {});
  owned->joined_from = tailed.joined_from;
  owned->carried_from = std::exchange(tailed.carried_from, std::nullopt);
  owned->begun = std::exchange(tailed.begun, false);
  owned->behind = std::exchange(tailed.behind, 0);
  if (std::exchange(tailed.holding, false)) std::erase(holding_, &tailed);
  if (source_of(tailed).stages) tailed.stage_state = source_of(tailed).stages->make_state();
  count_held(tailed);
  // A compressed one is found by its content after a restart, too; its inode would not say more.
  if (!owned->file.handle->is_gzip()) ledger_.update(owned->file.id, owned->file.identity);
  TailedFile& copy = add(std::move(owned));
  for (size_t sink : source_of(copy).sinks) lag_of(sink).owed.reopen(copy.file.id, copy.file.handle);
  note_due(copy);
  look(copy, copy.changed_at);
}

// --- compressed

// Nobody writes to it, unless it is compressed at this moment: then it is read again from where it ended.
void FileShard::look_at_gzip(TailedFile& tailed, const FileHandle::Status& status, nanoseconds now) {
  if (status.modified_nanos != tailed.modified_nanos) {
    if (tailed.modified_nanos != 0) tailed.file.handle->rest();
    tailed.modified_nanos = status.modified_nanos;
    tailed.changed_at = now;
    tailed.failed = tailed.gzip_ended = false;
    activate(tailed, now);
  }
  if (tailed.gzip_ended || tailed.failed) return;
  tailed.size_bytes = status.size_bytes;
  if (tailed.has_more()) make_dirty(tailed);
}

// One of a source at a time: each needs some 600 KiB while it is read.
bool FileShard::may_inflate(TailedFile& tailed) {
  if (!tailed.file.handle->is_gzip()) return true;
  return inflating_.try_emplace(tailed.file.source, &tailed).first->second == &tailed;
}

// To where its text ends, or is damaged.
void FileShard::gzip_read(TailedFile& tailed) {
  char byte;
  if (!tailed.file.handle->read_at(tailed.cursor.seen, &byte, 1)) tailed.failed = true;
  tailed.size_bytes = tailed.cursor.seen;
  tailed.gzip_ended = true;
  stop_inflating(tailed);
}

void FileShard::stop_inflating(TailedFile& tailed) {
  tailed.file.handle->rest();
  auto found = inflating_.find(tailed.file.source);
  if (found != inflating_.end() && found->second == &tailed) inflating_.erase(found);
}

// --- the end of a file

// A file at rest, silent for long enough: its last bytes are a line even without a newline; if it is gone, that was it.
// Not so while a process has it open for writing: daemons that do not reopen their logs write to deleted ones for
// hours.
void FileShard::finish_if_possible(TailedFile& tailed, nanoseconds now) {
  if (!reading_ || source_waits(tailed.file.source)) return;
  using Writers = FileHandle::Writers;
  const bool gzip = tailed.file.handle->is_gzip();
  if (tailed.is_out_of_reach())
    count_lost(tailed);
  else if (tailed.failed && !gzip)
    return;
  const Writers writers = gzip || tailed.is_out_of_reach() ? Writers::kNone : tailed.file.handle->writers();
  const bool patient = now - tailed.changed_at >= options_.deleted_patience;
  look(tailed, now);  // what was written before the answer
  if (tailed.has_more()) return;
  tailed.next_look = now + kWriterEvery;
  if (writers == Writers::kSome && !patient) return;
  if (gzip && tailed.failed) gzip_broken(tailed);
  finish_lines(tailed);
  const bool ended = writers == Writers::kNone || (writers == Writers::kUnknown && patient);
  if (!tailed.gone || !ended || tailed.has_more() || tailed.has_tail() || is_owed(tailed)) return;
  if (TailedFile* next = next_unread(tailed)) carry_over(tailed, *next);
  flush_stages(tailed);
  ledger_.finished(tailed.file.id, tailed.cursor.position);
  forget(tailed);
}

void FileShard::finish_lines(TailedFile& tailed) {
  if (tailed.cursor.cut_line_at) {
    tailed.cursor.position = *tailed.cursor.cut_line_at;
    tailed.cursor.cut_line_at.reset();
    batch_.clear();
    hand_on(tailed);
  }
  if (tailed.has_tail()) read_block(tailed, Tail::kDeliver);
}

// What stands before the fault is all there is.
void FileShard::gzip_broken(TailedFile& tailed) {
  metrics_[tailed.file.source]->broken_gzip.add();
  pipeline::log_error("compressed file is damaged or cut short; what follows in it is lost",
                      {{"path", tailed.file.path}, {"text_bytes_read", tailed.cursor.seen}});
}

void FileShard::flush_stages(TailedFile& tailed) {
  if (!tailed.stage_state) return;
  flush_kept(tailed, *source_of(tailed).stages, tailed.cursor.position);
  batch_.clear();
  source_of(tailed).stages->flush(batch_, *tailed.stage_state, drops_);
  note_drops(tailed, 0, true);
  metrics_[tailed.file.source]->add(drops_);
  hand_on(tailed);
  count_held(tailed);
}

void FileShard::forget(TailedFile& tailed) {
  InodeKey key = tailed.file.identity.key;
  size_t source = tailed.file.source;
  // Discovery lets the inode go before we close it: a new file at the same inode is then known to be new.
  std::shared_ptr<FileHandle> handle = tailed.file.handle;
  drop(tailed);
  events_->file_finished(key, source);
}

void FileShard::drop(TailedFile& tailed) {
  SourceMetrics& metrics = *metrics_[tailed.file.source];
  stop_inflating(tailed);
  note_held(tailed, 0);
  deleted_->forget(tailed.file.id);
  metrics.open_files.add(-1);
  tailed.path_metrics->leave(tailed.counted_bytes);
  metrics.lag_bytes.add(-static_cast<int64_t>(tailed.lag_bytes));
  std::erase(active_, &tailed);
  std::erase(dirty_, &tailed);
  std::erase(holding_, &tailed);
  take_out(tailed);
}

}  // namespace agent
