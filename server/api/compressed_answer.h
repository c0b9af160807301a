// Answers in gzip, for clients that say they take it.
//
// Thread: any; large answers take their time (some 100 MB a second), so not the loop.
#pragma once

#include <cstddef>

#include "pipeline/http/http_message.h"

namespace server {

// Shorter bodies are sent as they are: Loki's bound, below which a packet is a packet.
inline constexpr size_t kShortestCompressed = 1400;

// Whether Accept-Encoding has gzip (or *) and not with q=0.
bool accepts_gzip(const pipeline::HttpHeaders& request);

// `answer` with its body in gzip where the client takes that and the body is long enough; says so in its headers, with
// `Vary: Accept-Encoding` also where this client does not take it.
pipeline::HttpResponse compressed_answer(const pipeline::HttpHeaders& request, pipeline::HttpResponse answer);

}  // namespace server
