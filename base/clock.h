/* base/clock.h - two clocks: one that never goes back, for deadlines; one that people read, for timestamps.  Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

int64_t clock_mono_ms(void); /* monotonic; the start is arbitrary */
int64_t clock_mono_us(void);
int64_t clock_unix_ms(void); /* since 1970-01-01T00:00:00Z */
void clock_sleep_ms(int64_t ms);

/* A condition whose waits end by the monotonic clock. */
void clock_cond_init(pthread_cond_t *c);
/* pthread_cond_wait on such a one, until until_ms (monotonic) at the latest; false: that time has come. */
bool clock_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_ms);

#endif
