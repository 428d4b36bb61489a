/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * witness: tells from inside a guest for how long the guest stood still.
 *
 * When a monitor stops a virtual machine it stops the machine's clocks too: under TCG the TSC, HPET and ACPI timer, under
 * KVM kvm-clock. A loop that only samples the guest's clock sees next to nothing. One clock goes on, because people
 * expect it to tell the time of day: the CMOS real-time clock, which QEMU takes from the host's. It counts whole
 * seconds, but the moment at which its update-in-progress bit rises, 244 us before each second, can be observed to some
 * microseconds by polling. So once a second
 *
 *     stood still = one second of the real-time clock - what the guest's CLOCK_MONOTONIC_RAW counted meanwhile
 *
 * which sums up all pauses of that second, and is not disturbed by a vCPU having to wait for its host: if it was away at
 * the edge, the polls before and after are far apart, the edge does not count, and the second is added to the next.
 * The two clocks also drift, by what the guest got wrong when it calibrated its own; the mean of the first seconds is
 * taken for that. Nothing may pause the guest before "ready" is printed.
 *
 * With -g another thread samples CLOCK_MONOTONIC_RAW in a tight loop at the same time, and the largest gap is reported.
 * Where the guest's clock goes on during a pause (the TSC under KVM), the pause is in there; elsewhere, the gap shows how
 * long the host did not let the vCPU run. It takes a vCPU of its own, which makes sharp edges rare on a busy host.
 *
 * usage: witness [-g] [-c SECONDS of calibration (4)]
 *
 * Prints one line a second, "second N: stood still X us (+- Y) in S s", and after SIGTERM and one more second
 * "total: ..." for all since "ready". Needs root. The host's clock must not be set meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define STATUS_A 0x0a
#define UPDATE_IN_PROGRESS 0x80
#define POLL_AHEAD (8 * 1000000LL)      /* ns before an expected edge at which polling begins */
#define MAX_ERROR (100 * 1000LL)        /* ns; an edge seen less sharply does not count */

static volatile sig_atomic_t asked_to_end;
static int with_gaps;
static _Atomic int64_t largest_gap;

/* A rising edge of the update-in-progress bit. */
typedef struct {
    int64_t at, error;      /* ns of the guest's clock: the middle of the two polls around it, and half their distance */
} Edge;

/* How far the guest's clock falls behind in a second by itself. */
typedef struct {
    int64_t ns, error;
} Drift;

static int64_t
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void *
sample(void *unused __attribute__((unused)))
{
    int64_t last = now();

    for (;;) {
        int64_t time = now();
        if (time - last > atomic_load_explicit(&largest_gap, memory_order_relaxed))
            atomic_store(&largest_gap, time - last);
        last = time;
    }
    return NULL;
}

static int
update_in_progress(void)
{
    outb(STATUS_A, CMOS_INDEX);
    return inb(CMOS_DATA) & UPDATE_IN_PROGRESS;
}

/* What the pollers of one edge have seen: before the latest poll in which it had not come, after the first in which it had. */
typedef struct {
    _Atomic int64_t low, high;
} Sight;

static void *
poll_on_one_cpu(void *data)
{
    Sight *sight = data;

    while (!atomic_load(&sight->high)) {
        int64_t before = now();
        int high = update_in_progress();
        int64_t after = now(), none = 0;
        if (!high && !atomic_load(&sight->high))
            atomic_store(&sight->low, before);
        else if (high && atomic_load(&sight->low))
            atomic_compare_exchange_strong(&sight->high, &none, after);
    }
    return NULL;
}

static pthread_t
start_on(int cpu, void *(*function)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    if (pthread_create(&thread, &attributes, function, data)) {
        perror("witness");
        exit(1);
    }
    pthread_attr_destroy(&attributes);
    return thread;
}

/* Polls until the next rising edge, on each CPU: whichever of them the host runs at that moment sees it. */
static Edge
poll_edge(void)
{
    int n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[n_cpus];
    Sight sight = { 0, 0 };

    for (int i = 0; i < n_cpus; i++)
        threads[i] = start_on(i, poll_on_one_cpu, &sight);
    for (int i = 0; i < n_cpus; i++)
        pthread_join(threads[i], NULL);
    /* One that was put aside between looking and telling tells what is no longer so. */
    if (sight.low > sight.high)
        return (Edge) { .at = sight.high, .error = SECOND };
    return (Edge) { .at = (sight.low + sight.high) / 2, .error = (sight.high - sight.low) / 2 };
}

/* The next edge after LAST that was seen sharply. Sleeps until shortly before it. */
static Edge
next_edge(const Edge *last)
{
    Edge edge = *last;

    do {
        int64_t wait = edge.at + SECOND - POLL_AHEAD - now();
        struct timespec time = { .tv_sec = wait / SECOND, .tv_nsec = wait % SECOND };
        if (wait > 0)
            while (nanosleep(&time, &time))
                ;
        edge = poll_edge();
    } while (edge.error > MAX_ERROR);
    return edge;
}

/* Prints what the clocks say of the time between two edges, and the gap that the other thread saw; returns the seconds. */
static int
report(const char *name, const Edge *from, const Edge *to, const Drift *drift, int64_t gap)
{
    int64_t elapsed = to->at - from->at;
    int seconds = elapsed > SECOND ? (elapsed + SECOND / 2) / SECOND : 1;
    int64_t stood_still = seconds * (SECOND - drift->ns) - elapsed;
    int64_t error = from->error + to->error + seconds * drift->error;

    printf("%s: stood still %lld us (+- %lld) in %d s", name, (long long) stood_still / 1000, (long long) error / 1000 + 1,
           seconds);
    if (with_gaps)
        printf(", largest gap %lld us", (long long) gap / 1000);
    putchar('\n');
    return seconds;
}

static void
on_term(int number __attribute__((unused)))
{
    asked_to_end = 1;
}

/* Compares the clocks over at least SECONDS; *LAST is the edge at which that ends. */
static Drift
calibrate(int seconds, Edge *last)
{
    const Edge none = { .at = now() - SECOND };
    const Edge first = next_edge(&none);
    int64_t elapsed, n;

    *last = first;
    do {
        *last = next_edge(last);
        elapsed = last->at - first.at;
    } while (elapsed < seconds * SECOND - SECOND / 2);
    n = (elapsed + SECOND / 2) / SECOND;
    return (Drift) { .ns = SECOND - elapsed / n, .error = (first.error + last->error) / n };
}

static void
watch(int calibration)
{
    Edge begin, last;
    const Drift drift = calibrate(calibration, &begin);
    int64_t all_gap = 0;
    int end = 0, seconds = 0;

    printf("ready: the guest's clock falls behind by %lld ns in a second (+- %lld)\n", (long long) drift.ns,
           (long long) drift.error);
    atomic_store(&largest_gap, 0);
    last = begin;
    while (!end) {
        char name[32];
        Edge edge;
        int64_t gap;
        end = asked_to_end;     /* one more second after that: it holds what happened until then */
        edge = next_edge(&last);
        gap = atomic_exchange(&largest_gap, 0);
        all_gap = gap > all_gap ? gap : all_gap;
        snprintf(name, sizeof(name), "second %d", seconds + 1);
        seconds += report(name, &last, &edge, &drift, gap);
        last = edge;
    }
    report("total", &begin, &last, &drift, all_gap);
}

int
main(int argc, char **argv)
{
    const struct sched_param urgent = { .sched_priority = 1 };
    int calibration = 4, option;
    pthread_t thread;

    while ((option = getopt(argc, argv, "gc:")) != -1) {
        if (option == 'g')
            with_gaps = 1;
        else if (option == 'c' && atoi(optarg) > 0)
            calibration = atoi(optarg);
        else
            return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (ioperm(CMOS_INDEX, 2, 1) || (with_gaps && pthread_create(&thread, NULL, sample, NULL)) ||
        sched_setscheduler(0, SCHED_FIFO, &urgent)) {
        perror("witness");
        return 1;
    }
    signal(SIGTERM, on_term);
    watch(calibration);
    return 0;
}
