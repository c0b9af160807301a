#include "server/query/query_thread.h"

#include <ctime>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace server {

namespace {

class SystemThread final : public QueryThread {
 public:
  Clock::time_point now() override { return Clock::now(); }
  void restart() override { work_.restart(); }
  std::chrono::nanoseconds lap() override { return work_.lap(); }

 private:
  void lower_priority() override {
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
    constexpr int kLower = 10;
    const auto self = static_cast<id_t>(gettid());
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kLower);  // the kernel stops at 19
  }
  void offer_processor() override { sched_yield(); }
  std::chrono::nanoseconds computed() override {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  WorkClock work_;
};

}  // namespace

void QueryThread::go_to_background() {
  if (background_) return;
  lower_priority();
  background_ = true;
}

void QueryThread::give_way() {
  if (keeps_until_.count() > 0 && computed() < keeps_until_) return;
  const auto before = now();
  offer_processor();
  const auto waited = now() - before;
  keeps_until_ = waited < kLongWait ? std::chrono::nanoseconds(0) : computed() + waited / 4;
}

std::unique_ptr<QueryThread> system_thread() { return std::make_unique<SystemThread>(); }

}  // namespace server
