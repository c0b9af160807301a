// Reflector: keeps a handler up to date with one resource of the Kubernetes API: a list, then a watch that goes on from
// it, for as long as it runs (agent.md 1.5, 11.2).
//
// The list comes as a stream of events where the server can (sendInitialEvents), else in pages. A watch that ends goes
// on from the last version seen; when that is too old, everything is listed anew. An API that is away changes nothing:
// the handler keeps what it has.
//
// Life:    start(), stop() or destruction; not destroyed by its handler's functions.
// Thread:  loop.
// Limits:  16 MiB for one event.
// Errors:  none ends it: refused, cut, silent or nonsense, it tries again after 0.8 s to 30 s, or when told to
//          (Retry-After). trouble() tells; the first of a row is logged, and when it is over.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agent/kubernetes/api_client.h"
#include "agent/kubernetes/api_object.h"
#include "pipeline/base/metrics.h"
#include "pipeline/loop/timer.h"

namespace agent {

class ObjectHandler {
 public:
  virtual ~ObjectHandler() = default;
  // A complete list: begin, add for each object, end. What was not added is there no more. A list may be begun anew.
  virtual void begin_list() = 0;
  virtual void add(const pipeline::JsonValue& object) = 0;
  virtual void end_list() = 0;
  virtual void changed(const pipeline::JsonValue& object) = 0;  // is new, or other than before; also within a list
  virtual void removed(const pipeline::JsonValue& object) = 0;
  virtual void advanced(const std::string& /*version*/) {}  // all up to here was told
};

struct ReflectorOptions {
  std::string what = {};      // "pods", for messages
  std::string path = {};      // /api/v1/pods
  std::string selector = {};  // fieldSelector=spec.nodeName%3Dnode-a; may be empty
  std::string version = {};   // where a former run's watch stopped; empty: begin with a list
  bool bookmarks = true;      // events have none
  std::chrono::milliseconds first_backoff{800}, longest_backoff{30'000};
  std::chrono::milliseconds end_mark_wait{10'000};     // a streamed list that is silent so long without its end mark
  std::chrono::milliseconds longest_silence{180'000};  // of a watch with bookmarks, which come each minute
};

class Reflector {
 public:
  Reflector(pipeline::Loop& loop, ApiClient& api, ReflectorOptions options, ObjectHandler& handler,
            pipeline::Registry& metrics);
  ~Reflector();

  void start();
  void stop();
  // Back pressure: no more events until resume(). Lists come whole.
  void pause();
  void resume();

  bool synced() const { return synced_; }                  // a complete list came at some time
  const std::string& trouble() const { return trouble_; }  // empty: the last request went well

 private:
  enum class Step { kList, kStreamedList, kWatch };

  void go();
  void list();
  void on_list(pipeline::Result<pipeline::HttpClientResponse> answer);
  void take_page(const std::string& body);
  void watch(bool streamed_list);
  void on_piece(std::string_view piece);
  void on_event(std::string_view line);
  void on_error_event(const ObjectReader& status);
  void on_watch_end(pipeline::Result<pipeline::HttpClientResponse> end);
  void on_refused_watch(const pipeline::HttpClientResponse& end);
  void on_silence();
  void list_again(bool latest);
  void next_after(std::chrono::milliseconds wait);
  void fail(const std::string& why, std::chrono::milliseconds at_least = std::chrono::milliseconds(0));
  void well();
  std::string query(const std::string& rest) const;

  pipeline::Loop& loop_;
  ApiClient& api_;
  const ReflectorOptions options_;
  ObjectHandler& handler_;
  pipeline::Timer retry_, guard_;
  pipeline::Counter& failures_;
  pipeline::Counter& upstream_failures_;
  pipeline::Gauge& up_;

  Step step_ = Step::kStreamedList;
  bool can_stream_list_ = true;
  bool running_ = false, synced_ = false, paused_ = false;
  pipeline::HttpClient::RequestId request_ = 0;  // 0: none

  std::string version_;  // last seen
  std::string list_version_ = "0";
  std::string continue_;  // of the page to come
  bool paged_ = true;
  int status_ = 0;           // of the watch underway
  std::string rest_;         // of the watch: a line that is not complete; of a refusal: its body
  bool expired_ = false;     // the watch said that its version is too old
  std::string event_error_;  // another error that came as an event
  uint64_t events_ = 0;
  std::chrono::milliseconds began_{0};

  std::chrono::milliseconds backoff_{0};  // of the last failure; 0: none
  std::chrono::milliseconds failed_at_{0};
  std::string trouble_;
};

}  // namespace agent
