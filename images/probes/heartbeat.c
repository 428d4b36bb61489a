/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heartbeat: prints "heartbeat N at S.MMM" to its standard output every second of the guest's own time. A beat that comes
 * so late that it counts as missed says so at the end of its line: "late by N ms". That takes seconds, because on a busy
 * host a vCPU may have to wait for one.
 */
#include <stdio.h>
#include <time.h>

#define MISSED_MS 5000

int
main(void)
{
    struct timespec next, now;

    setvbuf(stdout, NULL, _IOLBF, 0);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (unsigned long n = 1;; n++) {
        long late_ms;
        next.tv_sec++;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL))
            ;
        clock_gettime(CLOCK_MONOTONIC, &now);
        late_ms = (now.tv_sec - next.tv_sec) * 1000 + (now.tv_nsec - next.tv_nsec) / 1000000;
        printf("heartbeat %lu at %lld.%03ld", n, (long long) now.tv_sec, now.tv_nsec / 1000000);
        if (late_ms > MISSED_MS)
            printf(" late by %ld ms", late_ms);
        putchar('\n');
    }
}
