/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * first COMMAND...: runs it before all that is not as urgent (SCHED_FIFO), and for as long as it likes.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    const struct sched_param urgency = { .sched_priority = 50 };
    FILE *limit = fopen("/proc/sys/kernel/sched_rt_runtime_us", "we");

    if (argc < 2 || !limit || fputs("-1", limit) < 0 || fclose(limit) || sched_setscheduler(0, SCHED_FIFO, &urgency)) {
        perror("first");
        return 1;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
