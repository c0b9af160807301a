#include "server/query/background_thread.h"

#include <cstdint>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace server {

namespace {

constexpr int kNice = 10;
constexpr uint64_t kSliceNs = 20'000'000;  // what others have by default is 3 ms at most

// As the kernel's struct sched_attr, first version; Debian's headers have it only where it collides with <sched.h>.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = kNice;
  uint32_t priority = 0;
  uint64_t runtime = kSliceNs;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

void run_in_background() {
  Attributes attributes;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) == 0) return;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);  // a sandbox may know only this
}

}  // namespace server
