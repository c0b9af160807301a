// ReceiverProtocol: what a request of one kind (Loki's push, OTLP) means: its entries, and the words of its answers.
//
// Thread:  any, read-only after it was built.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/receiver/http_listeners.h"
#include "agent/stream/parcel.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_message.h"

namespace agent {

// What a request holds that can be taken.
struct ReceivedEntries {
  Parcel parcel;
  uint64_t entries = 0, bytes = 0;         // of lines and metadata
  std::optional<pipeline::Error> refused;  // of the rest: told when what was taken is settled
  uint64_t refused_entries = 0;
};

class ReceiverProtocol {
 public:
  virtual ~ReceiverProtocol() = default;
  virtual std::vector<HttpListeners::Route> routes() const = 0;

  // kInvalid: nothing of it can be taken; kOverLimit: larger than allowed; kNotFound: a media type that is not ours.
  virtual pipeline::Result<ReceivedEntries> read(const pipeline::HttpRequest& request) const = 0;

  // Whether sending a request again gives equal entries: all times are the client's.
  virtual bool repeatable() const = 0;

  virtual pipeline::HttpResponse taken(const pipeline::HttpRequest& request) const = 0;
  virtual pipeline::HttpResponse refusal(const pipeline::HttpRequest& request, int status, std::string text) const = 0;
};

// Discovered labels of a request's client: __client_address__, __client_cn__ (of its certificate), __tenant_id__
// (header X-Scope-OrgID).
std::vector<pipeline::Label> client_labels(const pipeline::HttpRequest& request);

}  // namespace agent
