// PushAnswer: what the sender of a push is told.
#pragma once

#include <string>

namespace server {

struct PushAnswer {
  int status = 204;
  std::string text;     // of an error
  bool stored = false;  // at least one entry is durable: the batch number counts as stored
};

}  // namespace server
