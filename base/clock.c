#include "base/clock.h"

#include <errno.h>
#include <time.h>

static int64_t us_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return us_of(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_unix_ms(void)
{
    return us_of(CLOCK_REALTIME) / 1000;
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}
