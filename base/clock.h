/* base/clock.h - two clocks: one that never goes back, for deadlines; one that people read, for timestamps.  Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* monotonic; the start is arbitrary */
int64_t clock_mono_us(void);
int64_t clock_unix_ms(void); /* since 1970-01-01T00:00:00Z */
void clock_sleep_ms(int64_t ms);

#endif
