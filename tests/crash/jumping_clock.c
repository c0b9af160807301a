// A wall clock that jumps, for LD_PRELOAD: the seconds that the file named by JUMPING_CLOCK holds are added to it, read anew each second.
// The monotonic clock stays as it is, as it does when an administrator or NTP sets the time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
  static _Atomic long seconds, next;
  struct timespec now;
  int (*real)(clockid_t, struct timespec*) = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  real(CLOCK_MONOTONIC, &now);
  const long deci = now.tv_sec * 10 + now.tv_nsec / 100000000;
  if (deci < atomic_load(&next)) return atomic_load(&seconds);
  atomic_store(&next, deci + 1);
  char text[32] = "";
  const char* path = getenv("JUMPING_CLOCK");
  const int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file >= 0) {
    const ssize_t got = read(file, text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    close(file);
    atomic_store(&seconds, atol(text));
  }
  return atomic_load(&seconds);
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  int (*real)(clockid_t, struct timespec*) = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int outcome = real(clock, out);
  if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += offset();
  return outcome;
}

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
