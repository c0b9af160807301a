// What a client of /loki/api/v1/delete asks for, and how its requests are shown. Thread: any.
#pragma once

#include <span>
#include <string>

#include "pipeline/http/http_form.h"
#include "server/catalog/catalog.h"

namespace server {

// From the parameters of the URL. Without number and time of making; the id is random. `created` is the present: also
// where the range ends unless something is said. kInvalid: with Loki's texts.
pipeline::Result<DeleteRequest> parse_delete_request(const pipeline::HttpForm& parameters, std::string tenant,
                                                     pipeline::UnixNanos now);

// Of one tenant's requests those that overlap `start` and `end`, where these are given. kInvalid: a time that is none.
pipeline::Result<std::vector<DeleteRequest>> filter_deletes(std::vector<DeleteRequest> requests,
                                                            std::string_view tenant,
                                                            const pipeline::HttpForm& parameters);

// [{"request_id":...}, ...], sorted by the time of making; with the receipt where a request is processed:
// "processed_at", "removed_entries", "removed_bytes".
std::string deletes_answer(std::span<const DeleteRequest> requests);

}  // namespace server
