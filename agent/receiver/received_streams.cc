#include "agent/receiver/received_streams.h"

namespace agent {

using pipeline::Label;
using pipeline::LabelSet;

std::vector<Label> client_labels(const pipeline::HttpRequest& request) {
  std::vector<Label> labels;
  std::string_view peer = request.peer;
  peer = peer.substr(0, peer.rfind(':'));
  if (peer.starts_with('[')) peer = peer.substr(1, peer.find(']') - 1);
  labels.emplace_back("__client_address__", peer);
  if (!request.client_name.empty()) labels.emplace_back("__client_cn__", request.client_name);
  std::string_view tenant = request.headers.get("X-Scope-OrgID");
  if (!tenant.empty()) labels.emplace_back("__tenant_id__", tenant);
  return labels;
}

void ReceivedStreams::on_stream(std::string_view text, size_t) {
  labels_.reset();
  auto labels = LabelSet::parse(text);
  if (!labels) {
    if (!out_.refused)
      out_.refused =
          pipeline::Error{pipeline::Errc::kInvalid,
                          pipeline::concat("couldn't parse labels ", text.substr(0, 200), ": ", labels.error().message,
                                           "; the other streams of the request were taken")};
    return;
  }
  std::vector<Label> all = labels->labels();
  all.insert(all.end(), client_labels_.begin(), client_labels_.end());
  labels_ = out_.parcel.add_labels(LabelSet::from(std::move(all)));
}

void ReceivedStreams::on_entry(pipeline::UnixNanos time, std::string_view line,
                               std::span<const pipeline::Metadata> metadata) {
  if (!labels_) {
    out_.refused_entries++;
    return;
  }
  out_.entries++;
  out_.bytes += line.size();
  for (const pipeline::Metadata& pair : metadata) out_.bytes += pair.name.size() + pair.value.size();
  if (times_ == Times::kArrival) time = 0;
  if (texts_ == Texts::kKept)
    out_.parcel.add_kept(*labels_, time, line, metadata);
  else
    out_.parcel.add(*labels_, time, line, metadata);
}

}  // namespace agent
