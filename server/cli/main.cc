#include <cstdlib>
#include <iostream>
#include <unistd.h>

#include "server/cli/cli.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  auto environment = [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value ? value : "");
  };
  return server::run_cli({argv + 1, argv + argc}, {std::cout, std::cerr, pipeline::SystemClock(), environment,
                                                   &std::cin, ::isatty(STDERR_FILENO) == 1});
}
