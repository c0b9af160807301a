// SQLite: one file, one connection, results instead of return codes. The only room that knows SQLite.
//
//   TRY_LET(auto db, Database::open("/var/lib/x/state.db", {}));
//   TRY(db.execute("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID, STRICT"));
//   TRY_LET(auto put, db.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)"));
//   TRY_LET(auto transaction, db.begin());
//   TRY(put.run("a", Blob{bytes}));
//   TRY(transaction.commit());                    // durable here
//
// Life:    statements and transactions are destroyed before their database.
// Thread:  one connection (with its statements) is used by one thread at a time, any thread. Several connections to one
//          file may work in parallel: one writer, any number of readers, who see the last commit at their first read.
// Durable: WAL journal, synchronous FULL: what commit() answered survives a power cut.
// Errors:  kUnavailable: locked by another connection longer than busy_timeout. kOverLimit: disk or max_bytes full; the
//          transaction is rolled back, the database stays usable. kCorrupt: not a database, or damaged. kIo: the system
//          said no. kNotFound: no such file (where it may not be created). kInvalid: bad SQL or a broken constraint.
//          Messages name the file and the SQL: `/var/lib/x/state.db: INSERT INTO t VALUES (?): database or disk is
//          full`.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "pipeline/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pipeline {

struct DatabaseOptions {
  std::chrono::milliseconds busy_timeout{5000};  // waiting for another connection's write transaction
  bool create = true;                            // make the file where it is absent
  bool read_only = false;                        // refuses writes (the file must exist)
  uint64_t max_bytes = 0;                        // kOverLimit beyond; 0: no bound
};

struct Blob {
  std::string_view bytes;
};

enum class Step { kRow, kDone };

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1, as in ?1. Bytes are copied. Binding ends a run that was stopped half-way.
  Result<void> bind(int parameter, int64_t value);
  Result<void> bind(int parameter, std::string_view text);
  Result<void> bind(int parameter, Blob blob);
  Result<void> bind_null(int parameter);
  template <class... Values>
  Result<void> bind_all(const Values&... values);

  // The next row, or the end. After the end or an error the statement is reset and may be bound and run again.
  Result<Step> step();
  void reset();

  // Binds, steps to the end and resets: for statements whose rows nobody wants.
  template <class... Values>
  Result<void> run(const Values&... values);

  // Columns of the row that step() gave, from 0. Views hold until the next step() or reset(). NULL reads as 0 or "".
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Result<void> bind_any(int parameter, std::string_view text) { return bind(parameter, text); }
  Result<void> bind_any(int parameter, Blob blob) { return bind(parameter, blob); }
  Result<void> bind_any(int parameter, std::nullptr_t) { return bind_null(parameter); }
  template <class Integer>
  requires std::is_integral_v<Integer> Result<void> bind_any(int parameter, Integer value) {
    return bind(parameter, static_cast<int64_t>(value));
  }
  Result<void> run_to_end();
  Result<void> bound(int code);

  sqlite3* db_;
  sqlite3_stmt* statement_;
};

// Rolls back in its destructor unless commit() was called.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // After an error everything since begin() is undone.
  Result<void> commit();

 private:
  friend class Database;
  explicit Transaction(sqlite3* db) : db_(db) {}
  sqlite3* db_;  // null once finished
};

class Database {
 public:
  static Result<Database> open(const std::string& path, DatabaseOptions options);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();  // closes; with the last connection the WAL is folded into the file

  // One or more statements without parameters or wanted rows.
  Result<void> execute(std::string_view sql);
  Result<Statement> prepare(std::string_view sql);
  // Takes the write lock at once (BEGIN IMMEDIATE), so that nothing later fails because another writer was quicker.
  Result<Transaction> begin();
  // A snapshot for several reads: all see the same commit. The same object; commit() or dropping it ends it.
  Result<Transaction> begin_read();

  int64_t changed_rows() const;    // by the last INSERT, UPDATE or DELETE
  int64_t last_insert_id() const;  // rowid
  // A number in the file's header that belongs to us: the version of our tables. 0 in a new file.
  Result<int64_t> schema_version();
  Result<void> set_schema_version(int64_t version);

  // Reads every page: kCorrupt names the first damage. Slow; for start after a crash and for tools.
  Result<void> check();
  // Folds the WAL into the file and cuts it to nothing, as far as no reader is in the way.
  Result<void> checkpoint();

 private:
  Database(sqlite3* db, DatabaseOptions options) : db_(db), options_(options) {}
  Result<void> prepare_connection();
  Result<int64_t> read_integer(std::string_view sql);
  sqlite3* db_;  // null when moved from
  DatabaseOptions options_;
};

template <class... Values>
Result<void> Statement::bind_all(const Values&... values) {
  Result<void> result;
  int parameter = 0;
  (void)((result = bind_any(++parameter, values), result.has_value()) && ...);
  return result;
}

template <class... Values>
Result<void> Statement::run(const Values&... values) {
  TRY(bind_all(values...));
  return run_to_end();
}

}  // namespace pipeline
