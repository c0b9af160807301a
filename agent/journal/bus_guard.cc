#include "agent/journal/bus_guard.h"

#include <csignal>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline/base/invariant.h"

namespace agent {

namespace {
thread_local volatile bool guarded = false;
thread_local volatile uint64_t lost_pages = 0;

struct sigaction before_us;  // written once, before the handler is installed
uintptr_t page_bytes;        // likewise

void pass_on(int signal, siginfo_t* info, void* context) {
  if (before_us.sa_flags & SA_SIGINFO) return before_us.sa_sigaction(signal, info, context);
  if (before_us.sa_handler != SIG_DFL && before_us.sa_handler != SIG_IGN) return before_us.sa_handler(signal);
  ::sigaction(SIGBUS, &before_us, nullptr);  // it is raised again as soon as we return
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (guarded && info->si_code == BUS_ADRERR) {
    uintptr_t page = reinterpret_cast<uintptr_t>(info->si_addr) & ~(page_bytes - 1);
    void* zeros = ::mmap(reinterpret_cast<void*>(page), page_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros != MAP_FAILED) {
      lost_pages = lost_pages + 1;
      return;
    }
  }
  pass_on(signal, info, context);
}

void install() {
  page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  INVARIANT(::sigaction(SIGBUS, nullptr, &before_us) == 0);
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  INVARIANT(::sigaction(SIGBUS, &action, nullptr) == 0);
}
}  // namespace

BusGuard::BusGuard() {
  static std::once_flag installed;
  std::call_once(installed, install);
  INVARIANT(!guarded);
  lost_pages = 0;
  guarded = true;
}

BusGuard::~BusGuard() { guarded = false; }

uint64_t BusGuard::faults() const { return lost_pages; }

}  // namespace agent
