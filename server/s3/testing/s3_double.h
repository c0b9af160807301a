// S3Double: a bucket "bkt" in memory behind HTTP on loopback, path style, that fails as it is told. It checks no
// signatures: real servers do (tests/e2e/s3_test.py). For tests only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "pipeline/http/test_server.h"

namespace server {

class S3Double {
 public:
  enum class Act { kPass, kAnswer, kLoseAnswer, kHold };
  struct Fault {
    Act act = Act::kPass;
    int status = 500;  // kAnswer: instead of doing it; kLoseAnswer: after doing it
    std::string code = "InternalError";
  };

  S3Double();
  ~S3Double();
  S3Double(const S3Double&) = delete;
  S3Double& operator=(const S3Double&) = delete;

  pipeline::TestServer& server() { return server_; }
  std::string endpoint() const { return server_.url(""); }

  // Asked for each request, on the server's thread; its lock is held.
  void set_fault(std::function<Fault(const pipeline::HttpRequest&)> fault);
  // The next requests of `method` meet these, one after the other.
  void fail_next(std::string method, std::vector<Fault> faults);

  bool conditional = true;  // If-None-Match is obeyed
  std::map<std::string, std::string> objects();
  size_t unfinished_uploads();
  void set_uploads_begun(std::string time);       // what listings say of all unfinished uploads
  std::vector<pipeline::HttpRequest> requests();  // all so far
  void put_object(const std::string& key, std::string body);

 private:
  struct Object {
    std::string body;
    std::string put_id;
  };
  struct Upload {
    std::string key, put_id;
    std::map<int, std::string> parts;
  };

  void handle(pipeline::HttpRequest request, pipeline::HttpResponder responder);
  pipeline::HttpResponse serve(const pipeline::HttpRequest& request);
  pipeline::HttpResponse list(const std::map<std::string, std::string>& query);
  pipeline::HttpResponse get(const pipeline::HttpRequest& request, const std::string& key);
  pipeline::HttpResponse put(const pipeline::HttpRequest& request, const std::string& key);
  pipeline::HttpResponse post(const pipeline::HttpRequest& request, const std::string& key,
                              const std::map<std::string, std::string>& query);

  std::mutex mutex_;
  std::string uploads_begun_ = "2020-01-01T00:00:00.000Z";
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
  std::function<Fault(const pipeline::HttpRequest&)> fault_;
  std::map<std::string, std::deque<Fault>> next_;
  std::vector<pipeline::HttpRequest> requests_;
  std::vector<pipeline::HttpResponder> held_;
  pipeline::TestServer server_;  // last: its thread uses the others
};

}  // namespace server
