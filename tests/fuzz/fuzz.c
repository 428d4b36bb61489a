/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer's own limit is one of real time, which a busy machine makes meaningless.
 */
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <sys/time.h>

#define MAX_SECONDS 2

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
too_long(int signal_number)
{
    __builtin_trap();
}

static void
limit(time_t seconds)
{
    const struct itimerval value = { .it_value = { .tv_sec = seconds } };

    setitimer(ITIMER_VIRTUAL, &value, NULL);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGVTALRM, too_long);
    return 0;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    limit(MAX_SECONDS);
    fuzz(data, size);
    limit(0);
    return 0;
}
