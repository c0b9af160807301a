#include "server/query/background_thread.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace server {

void run_in_background() {
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
  constexpr int kLower = 10;
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kLower);  // the kernel stops at 19
}

void give_way() { sched_yield(); }

}  // namespace server
