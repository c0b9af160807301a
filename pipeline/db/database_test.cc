#include "pipeline/db/database.h"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "pipeline/base/concat.h"

using namespace pipeline;

namespace {

class DatabaseFolder {
 public:
  DatabaseFolder() {
    std::string pattern = "/tmp/database_test_XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  ~DatabaseFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path() const { return folder_ + "/state.db"; }
  std::string path(std::string_view name) const { return concat(folder_, "/", name); }

  Database open(DatabaseOptions options = {}) const {
    auto db = Database::open(path(), options);
    if (!db) FAIL(db.error().message);
    return *std::move(db);
  }
  Database with_table() const {
    Database db = open();
    REQUIRE(db.execute("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT) STRICT").has_value());
    return db;
  }

 private:
  std::string folder_;
};

int64_t number(Database& db, std::string_view sql) {
  auto statement = db.prepare(sql);
  REQUIRE(statement.has_value());
  auto step = statement->step();
  REQUIRE(step.has_value());
  REQUIRE(*step == Step::kRow);
  return statement->integer(0);
}
int64_t rows(Database& db) { return number(db, "SELECT count(*) FROM t"); }

// Runs `work` in a child that ends without any destructor, as if killed. Returns false where the child's own check
// failed.
template <class Work>
bool in_child(Work work) {
  pid_t child = fork();
  if (child == 0) _exit(work() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// In a child: commits rows and reports each on a pipe after its commit, until killed.
[[noreturn]] void commit_until_killed(const std::string& path, int report) {
  auto db = Database::open(path, {});
  if (!db) _exit(1);
  auto insert = db->prepare("INSERT INTO t VALUES (?, ?)");
  for (int64_t k = 0; insert; ++k) {
    auto transaction = db->begin();
    if (!transaction || !insert->run(k, "first half") || !insert->run(-k - 1, "second half")) _exit(1);
    if (!transaction->commit()) _exit(1);
    if (write(report, &k, sizeof k) != sizeof k) _exit(1);
  }
  _exit(1);
}

}  // namespace

TEST_SUITE("db") {
  TEST_CASE("db: values of every kind are stored and read back") {
    DatabaseFolder folder;
    Database db = folder.open();
    REQUIRE(db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a, b, c, d)").has_value());
    auto insert = db.prepare("INSERT INTO t (a, b, c, d) VALUES (?, ?, ?, ?)");
    REQUIRE(insert.has_value());
    const std::string_view binary("\0x\xff", 3);
    REQUIRE(insert->run(INT64_MIN, "text", Blob{binary}, nullptr).has_value());
    CHECK(db.last_insert_id() == 1);
    CHECK(db.changed_rows() == 1);
    REQUIRE(insert->run(7u, std::string(), Blob{}, true).has_value());
    auto select = db.prepare("SELECT a, b, c, d, 0.5 FROM t ORDER BY k");
    REQUIRE(select.has_value());
    CHECK(select->step() == Step::kRow);
    CHECK(select->integer(0) == INT64_MIN);
    CHECK(select->text(1) == "text");
    CHECK(select->blob(2) == binary);
    CHECK(select->is_null(3));
    CHECK(select->text(3) == "");
    CHECK(select->integer(3) == 0);
    CHECK(select->real(4) == 0.5);
    CHECK(select->step() == Step::kRow);
    CHECK(select->integer(0) == 7);
    CHECK_FALSE(select->is_null(1));
    CHECK(select->text(1) == "");
    CHECK_FALSE(select->is_null(2));
    CHECK(select->blob(2) == "");
    CHECK(select->step() == Step::kDone);
    CHECK(select->step() == Step::kRow);  // from the beginning
    select->reset();
  }

  TEST_CASE("db: a transaction is there after commit, and gone without") {
    DatabaseFolder folder;
    Database db = folder.with_table();
    auto insert = db.prepare("INSERT INTO t VALUES (?, ?)");
    REQUIRE(insert.has_value());
    {
      auto transaction = db.begin();
      REQUIRE(transaction.has_value());
      REQUIRE(insert->run(1, "a").has_value());
    }
    CHECK(rows(db) == 0);
    {
      auto transaction = db.begin();
      REQUIRE(transaction.has_value());
      REQUIRE(insert->run(1, "a").has_value());
      REQUIRE(transaction->commit().has_value());
    }
    CHECK(rows(db) == 1);
  }

  TEST_CASE("db: the version of the tables is 0 in a new file and kept") {
    DatabaseFolder folder;
    {
      Database db = folder.open();
      CHECK(db.schema_version() == 0);
      CHECK(db.set_schema_version(3).has_value());
    }
    Database db = folder.open();
    CHECK(db.schema_version() == 3);
    CHECK(number(db, "PRAGMA synchronous") == 2);
    CHECK(db.check().has_value());
    CHECK(db.checkpoint().has_value());
  }

  TEST_CASE("db: what was committed survives a process that ends without closing, what was not does not") {
    DatabaseFolder folder;
    folder.with_table();
    REQUIRE(in_child([&] {
      auto db = Database::open(folder.path(), {});
      if (!db) return false;
      auto insert = db->prepare("INSERT INTO t VALUES (?, ?)");
      if (!insert || !insert->run(1, "committed")) return false;
      auto transaction = db->begin();
      return transaction.has_value() && insert->run(2, "open").has_value();
    }));
    Database db = folder.open();
    CHECK(db.check().has_value());
    CHECK(rows(db) == 1);
    CHECK(number(db, "SELECT k FROM t") == 1);
  }

  TEST_CASE("db: every commit answered before a kill is there, whole, and nothing is half there") {
    DatabaseFolder folder;
    folder.with_table();
    int report[2];
    REQUIRE(pipe(report) == 0);
    pid_t child = fork();
    if (child == 0) commit_until_killed(folder.path(), report[1]);
    close(report[1]);
    int64_t last = -1;
    while (last < 40) REQUIRE(read(report[0], &last, sizeof last) == sizeof last);
    kill(child, SIGKILL);
    int64_t k = 0;
    while (read(report[0], &k, sizeof k) == sizeof k) last = k;  // what it answered before the signal came
    waitpid(child, nullptr, 0);
    close(report[0]);
    Database db = folder.open();
    CHECK(db.check().has_value());
    int64_t first_halves = number(db, "SELECT count(*) FROM t WHERE k >= 0");
    CHECK(first_halves >= last + 1);
    CHECK(first_halves <= last + 2);  // one more may have been committed and not reported
    CHECK(number(db, "SELECT count(*) FROM t WHERE k < 0") == first_halves);
    CHECK(number(db, "SELECT max(k) FROM t") == first_halves - 1);
  }

  TEST_CASE("db: a full disk undoes the transaction, says so, and leaves a usable database") {
    DatabaseFolder folder;
    folder.with_table();
    Database db = folder.open({.max_bytes = 64 * 1024});
    auto insert = db.prepare("INSERT INTO t VALUES (?, ?)");
    REQUIRE(insert.has_value());
    REQUIRE(insert->run(0, "before").has_value());
    {
      auto transaction = db.begin();
      REQUIRE(transaction.has_value());
      Result<void> result;
      for (int64_t k = 1; k < 1000 && result; ++k) result = insert->run(k, std::string(1000, 'x'));
      REQUIRE_FALSE(result.has_value());
      CHECK(result.error().code == Errc::kOverLimit);
      CHECK(result.error().message == concat(folder.path(), ": INSERT INTO t VALUES (?, ?): database or disk is full"));
    }
    CHECK(rows(db) == 1);
    REQUIRE(insert->run(1, "after").has_value());
    CHECK(rows(db) == 2);
    CHECK(db.check().has_value());
  }

  TEST_CASE("db: a database that another connection is writing to is unavailable, and readers see the last commit") {
    DatabaseFolder folder;
    Database writer = folder.with_table();
    Database other = folder.open({.busy_timeout = std::chrono::milliseconds(1)});
    auto transaction = writer.begin();
    REQUIRE(transaction.has_value());
    REQUIRE(writer.execute("INSERT INTO t VALUES (1, 'a')").has_value());
    auto second = other.begin();
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == Errc::kUnavailable);
    CHECK(rows(other) == 0);
    auto snapshot = other.begin_read();
    REQUIRE(snapshot.has_value());
    REQUIRE(transaction->commit().has_value());
    CHECK(rows(other) == 0);  // still the snapshot
    CHECK(writer.checkpoint().has_value());
    REQUIRE(snapshot->commit().has_value());
    CHECK(rows(other) == 1);
  }

  TEST_CASE("db: what is no database, or a damaged one, is corrupt") {
    DatabaseFolder folder;
    std::ofstream(folder.path()) << std::string(5000, 'x');
    for (bool read_only : {false, true}) {
      auto garbage = Database::open(folder.path(), {.read_only = read_only});
      REQUIRE_FALSE(garbage.has_value());
      CHECK(garbage.error().code == Errc::kCorrupt);
      CHECK(garbage.error().message.starts_with(folder.path()));
    }
    std::filesystem::remove(folder.path());
    {
      Database db = folder.with_table();
      auto transaction = db.begin();
      auto insert = db.prepare("INSERT INTO t VALUES (?, ?)");
      for (int64_t k = 0; k < 500; ++k) REQUIRE(insert->run(k, std::string(100, 'x')).has_value());
      REQUIRE(transaction->commit().has_value());
    }
    {
      std::fstream file(folder.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(4096);
      file << std::string(12'000, '\xa5');
    }
    Database db = folder.open();
    CHECK(db.check().error().code == Errc::kCorrupt);
    auto statement = db.prepare("SELECT sum(length(v)) FROM t");
    REQUIRE(statement.has_value());
    CHECK(statement->step().error().code == Errc::kCorrupt);
  }

  TEST_CASE("db: absent files, folders and rights are told apart") {
    DatabaseFolder folder;
    CHECK(Database::open(folder.path(), {.create = false}).error().code == Errc::kNotFound);
    CHECK(Database::open(folder.path(), {.read_only = true}).error().code == Errc::kNotFound);
    CHECK(Database::open(folder.path("absent/state.db"), {}).error().code == Errc::kNotFound);
    CHECK(Database::open(folder.path(""), {}).error().code == Errc::kIo);
    folder.with_table();
    Database db = folder.open({.read_only = true});
    CHECK(rows(db) == 0);
    CHECK(db.execute("INSERT INTO t VALUES (1, 'a')").error().code == Errc::kIo);
  }

  TEST_CASE("db: bad sql and broken constraints are invalid, and name the sql") {
    DatabaseFolder folder;
    Database db = folder.with_table();
    CHECK(db.prepare("SELEC 1").error().code == Errc::kInvalid);
    CHECK(db.prepare("SELECT * FROM absent").error().message ==
          concat(folder.path(), ": SELECT * FROM absent: no such table: absent"));
    auto insert = db.prepare("INSERT INTO t\n   VALUES (?, ?)");
    REQUIRE(insert->run(1, "a").has_value());
    auto twice = insert->run(1, "b");
    CHECK(twice.error().code == Errc::kInvalid);
    CHECK(twice.error().message ==
          concat(folder.path(), ": INSERT INTO t VALUES (?, ?): UNIQUE constraint failed: t.k"));
    CHECK(insert->run(2, "c").has_value());
    CHECK(insert->bind(9, int64_t{1}).error().code == Errc::kInvalid);
    CHECK(rows(db) == 2);
  }

  TEST_CASE("db: statements and databases may be moved") {
    DatabaseFolder folder;
    Database first = folder.with_table();
    auto insert = first.prepare("INSERT INTO t VALUES (?, ?)");
    REQUIRE(insert.has_value());
    Database second = std::move(first);
    Statement moved = *std::move(insert);
    CHECK(moved.run(1, "a").has_value());
    CHECK(rows(second) == 1);
  }
}
