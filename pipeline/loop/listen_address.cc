#include "pipeline/loop/listen_address.h"

#include <charconv>

namespace pipeline {

Result<HostPort> split_listen_address(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == address.npos) {
    return fail(Errc::kInvalid, concat("listen ", address, ": no port; write HOST:PORT, for example 127.0.0.1:3100"));
  }
  std::string_view host = address.substr(0, colon), port_text = address.substr(colon + 1);
  HostPort out;
  auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), out.port);
  if (error != std::errc{} || end != port_text.data() + port_text.size()) {
    return fail(Errc::kInvalid, concat("listen ", address, ": \"", port_text, "\" is not a port number"));
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  out.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  return out;
}

}  // namespace pipeline
