#include "pipeline/db/database.h"

#include <cctype>
#include <cerrno>
#include <sqlite3.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"

namespace pipeline {

namespace {

Errc errc_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Errc::kUnavailable;
    case SQLITE_FULL: return Errc::kOverLimit;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Errc::kCorrupt;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS: return Errc::kIo;
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT: return Errc::kCancelled;
    default: return Errc::kInvalid;
  }
}

// One line of at most 80 bytes.
std::string shortened(std::string_view sql) {
  std::string out;
  for (char c : sql) {
    bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
    if (out.size() == 77) return out + "...";
  }
  return out;
}

std::string_view path_of(sqlite3* db) {
  const char* path = sqlite3_db_filename(db, "main");
  return path == nullptr || *path == '\0' ? ":memory:" : path;
}

// The error that `db` remembers of its last call, which answered `code`.
tl::unexpected<Error> failed(sqlite3* db, int code, std::string_view path, std::string_view sql) {
  INVARIANT((code & 0xff) != SQLITE_NOMEM);
  std::string message = concat(path, ": ", shortened(sql), sql.empty() ? "" : ": ", sqlite3_errmsg(db));
  const int number = sqlite3_system_errno(db);
  if (number != 0 && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN)) {
    return fail(system_error(message, number));  // absent, full, or what else the system said
  }
  return fail(errc_of(code), std::move(message));
}

Result<void> execute_on(sqlite3* db, std::string_view sql) {
  std::string terminated(sql);
  int code = sqlite3_exec(db, terminated.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failed(db, code, path_of(db), sql);
  return {};
}

void roll_back(sqlite3* db) {
  if (sqlite3_get_autocommit(db) != 0) return;  // SQLite did so itself, after a grave error
  sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(db_, other.db_), std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Result<void> Statement::bound(int code) {
  if (code != SQLITE_OK) return failed(db_, code, path_of(db_), sqlite3_sql(statement_));
  return {};
}

Result<void> Statement::bind(int parameter, int64_t value) {
  if (sqlite3_stmt_busy(statement_)) reset();
  return bound(sqlite3_bind_int64(statement_, parameter, value));
}

Result<void> Statement::bind(int parameter, std::string_view text) {
  if (sqlite3_stmt_busy(statement_)) reset();
  const char* data = text.empty() ? "" : text.data();
  return bound(sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

Result<void> Statement::bind(int parameter, Blob blob) {
  if (sqlite3_stmt_busy(statement_)) reset();
  const char* data = blob.bytes.empty() ? "" : blob.bytes.data();
  return bound(sqlite3_bind_blob64(statement_, parameter, data, blob.bytes.size(), SQLITE_TRANSIENT));
}

Result<void> Statement::bind_null(int parameter) {
  if (sqlite3_stmt_busy(statement_)) reset();
  return bound(sqlite3_bind_null(statement_, parameter));
}

Result<Step> Statement::step() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return Step::kRow;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return Step::kDone;
  }
  auto error = failed(db_, code, path_of(db_), sqlite3_sql(statement_));
  sqlite3_reset(statement_);
  return error;
}

void Statement::reset() { sqlite3_reset(statement_); }

Result<void> Statement::run_to_end() {
  while (true) {
    TRY_LET(Step step, this->step());
    if (step == Step::kDone) return {};
  }
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string_view Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Transaction::~Transaction() {
  if (db_ != nullptr) roll_back(db_);
}

Result<void> Transaction::commit() {
  INVARIANT(db_ != nullptr);
  auto result = execute_on(db_, "COMMIT");
  if (!result) roll_back(db_);
  db_ = nullptr;
  return result;
}

Result<Database> Database::open(const std::string& path, DatabaseOptions options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  INVARIANT(handle != nullptr);  // null only for lack of memory
  Database db(handle, options);
  if (code != SQLITE_OK) return failed(handle, code, path, "open");
  TRY(db.prepare_connection());
  return db;
}

Result<void> Database::prepare_connection() {
  sqlite3_busy_timeout(db_, static_cast<int>(options_.busy_timeout.count()));
  if (options_.read_only) {
    TRY(schema_version());  // finds out whether this is a database at all
    return {};
  }
  TRY(execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  if (options_.max_bytes == 0) return {};
  TRY_LET(int64_t page_bytes, read_integer("PRAGMA page_size"));
  return execute(concat("PRAGMA max_page_count = ", options_.max_bytes / static_cast<uint64_t>(page_bytes)));
}

Database::Database(Database&& other) noexcept : db_(std::exchange(other.db_, nullptr)), options_(other.options_) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_), std::swap(options_, other.options_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(db_); }

Result<void> Database::execute(std::string_view sql) { return execute_on(db_, sql); }

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, &rest);
  if (code != SQLITE_OK) return failed(db_, code, path_of(db_), sql);
  INVARIANT(statement != nullptr);  // empty SQL
  return Statement(db_, statement);
}

Result<Transaction> Database::begin() {
  TRY(execute_on(db_, "BEGIN IMMEDIATE"));
  return Transaction(db_);
}

Result<Transaction> Database::begin_read() {
  TRY(execute_on(db_, "BEGIN"));
  Transaction transaction(db_);
  TRY(execute_on(db_, "SELECT 1 FROM sqlite_schema LIMIT 1"));  // the first read fixes what is seen
  return transaction;
}

int64_t Database::changed_rows() const { return sqlite3_changes64(db_); }
int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

Result<int64_t> Database::read_integer(std::string_view sql) {
  TRY_LET(Statement statement, prepare(sql));
  TRY_LET(Step step, statement.step());
  return step == Step::kRow ? statement.integer(0) : 0;
}

Result<int64_t> Database::schema_version() { return read_integer("PRAGMA user_version"); }

Result<void> Database::set_schema_version(int64_t version) {
  return execute(concat("PRAGMA user_version = ", version));
}

Result<void> Database::check() {
  TRY_LET(Statement statement, prepare("PRAGMA quick_check(1)"));
  TRY_LET(Step step, statement.step());
  if (step == Step::kRow && statement.text(0) == "ok") return {};
  return fail(Errc::kCorrupt,
              concat(path_of(db_), ": ", step == Step::kRow ? statement.text(0) : "check gave nothing"));
}

Result<void> Database::checkpoint() {
  sqlite3_busy_timeout(db_, 0);
  int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  auto result = code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY
                    ? Result<void>()
                    : Result<void>(failed(db_, code, path_of(db_), "checkpoint"));
  sqlite3_busy_timeout(db_, static_cast<int>(options_.busy_timeout.count()));
  return result;
}

}  // namespace pipeline
