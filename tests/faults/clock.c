/* Loaded before libc into a controller under test: the wall clock, set forward or back by the seconds in a file. Timers
   run on the monotonic clock and are left alone, as on a machine whose clock is stepped. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, id, now);
    if (result == 0 && id == CLOCK_REALTIME) {
        const char *path = getenv("CLOCK_STEP");
        FILE *file = path ? fopen(path, "r") : NULL;
        long step = 0;
        if (file) {
            if (fscanf(file, "%ld", &step) == 1) {
                now->tv_sec += step;
            }
            fclose(file);
        }
    }
    return (int)result;
}
