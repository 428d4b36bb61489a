/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every way to a machine has to do, whichever it is; TAP. Opens its machine itself, and looks at the end whether
 * anything of it is left in this process.
 *
 *   backend-check GUEST              memory, registers, pauses, errors
 *   backend-check GUEST PID SIGNAL   in a pause, SIGNAL hits the machine's process PID: each call ends with an error soon;
 *                                    if it was stopped it is let run again before the machine is left
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/machine.h"

#define TIMES 20
#define PAGE_BYTES 4096
#define LOOK_AGAIN_US 10000
#define SOON_US (40 * G_USEC_PER_SEC)      /* a write, a resume and a pause, each with a timeout of its own */

static guint n_tests, n_failed;

static gboolean
ok(gboolean passed, const char *name, const GError *error)
{
    printf("%s %u - %s\n", passed ? "ok" : "not ok", ++n_tests, name);
    if (!passed)
        fprintf(stderr, "# failed: %s%s%s\n", name, error != NULL ? ": " : "", error != NULL ? error->message : "");
    n_failed += !passed;
    return passed;
}

static guint
count_entries(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (directory != NULL && g_dir_read_name(directory) != NULL)
        n++;
    return n;
}

static void
check_memory(VmmMachine *machine)
{
    const VmmReader *reader = vmm_machine_reader(machine);
    g_autofree guint8 *one = g_malloc(2 * PAGE_BYTES), *pieces = g_malloc(2 * PAGE_BYTES);
    g_autoptr(GError) error = NULL;
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    GuestPa last = guest_pa_add(ranges[n_ranges - 1].start, ranges[n_ranges - 1].length);
    VmmExtent extents[] = { { ranges[0].start, pieces, 100 }, { guest_pa_add(last, -1ULL), pieces + 100, 1 } };
    gboolean sorted = TRUE;

    for (guint i = 1; i < n_ranges; i++)
        sorted &= ranges[i - 1].start.value + ranges[i - 1].length <= ranges[i].start.value;
    ok(sorted, "memory is told in ascending order without overlaps", NULL);
    ok(vmm_read(reader, ranges[0].start, one, 2 * PAGE_BYTES, &error), "memory is read", error);
    ok(vmm_read_extents(reader, extents, 2, &error), "in pieces, too, up to the last byte", error);
    ok(!vmm_read(reader, last, one, 1, &error) && g_error_matches(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS),
       "and not behind it", error);
}

static void
check_registers(VmmMachine *machine)
{
    const VmmReader *reader = vmm_machine_reader(machine);
    g_autoptr(GError) error = NULL;
    gboolean seen = vmm_reader_n_vcpus(reader) > 0;
    VmmVcpu vcpu;

    for (guint i = 0; seen && i < vmm_reader_n_vcpus(reader); i++)
        seen = vmm_reader_peek_vcpu(reader, i, &vcpu, &error) && vcpu.index == i && vcpu.cr3 != 0
               && (vcpu.efer & VMM_EFER_LMA) != 0;
    ok(seen, "the registers of each vCPU are seen", error);
    ok(!vmm_reader_peek_vcpu(reader, vmm_reader_n_vcpus(reader), &vcpu, NULL), "and not of one more", NULL);
}

static gboolean
is_running(VmmMachine *machine)
{
    gboolean running = FALSE;

    return vmm_machine_is_running(machine, &running, NULL, NULL) && running;
}

/* What is written is there; and is put back before the guest goes on. */
static gboolean
write_and_put_back(VmmMachine *machine, VmmPause *pause, GuestPa pa, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(machine);
    guint8 before[PAGE_BYTES], other[PAGE_BYTES], seen[PAGE_BYTES];
    const VmmChunk change[] = { { pa, other, 1 }, { guest_pa_add(pa, 1), other + 1, PAGE_BYTES - 1 } };
    const VmmChunk back = { pa, before, PAGE_BYTES };

    if (!vmm_read(reader, pa, before, PAGE_BYTES, error))
        return FALSE;
    for (guint i = 0; i < PAGE_BYTES; i++)
        other[i] = ~before[i];
    return vmm_pause_write(pause, change, 2, error) && vmm_read(reader, pa, seen, PAGE_BYTES, error)
           && memcmp(seen, other, PAGE_BYTES) == 0 && vmm_pause_write(pause, &back, 1, error)
           && vmm_read(reader, pa, seen, PAGE_BYTES, error) && memcmp(seen, before, PAGE_BYTES) == 0;
}

static void
check_pause(VmmMachine *machine)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(machine, &error);
    const VmmReader *reader = vmm_machine_reader(machine);
    guint n_ranges, n_vcpus;
    const VmmRange *ranges = vmm_reader_ranges(reader, &n_ranges);
    const VmmChunk beyond = { guest_pa(1ULL << 50), "x", 1 };
    guint64 stood_ns = 0;

    if (!ok(pause != NULL, "the guest is paused", error))
        return;
    vmm_pause_vcpus(pause, &n_vcpus);
    ok(n_vcpus == vmm_reader_n_vcpus(reader), "with all of its vCPUs", NULL);
    ok(vmm_pause_begin(machine, &error) == NULL && g_error_matches(error, VMM_ERROR, VMM_ERROR_BUSY),
       "and not once more", error);
    g_clear_error(&error);
    ok(write_and_put_back(machine, pause, ranges[0].start, &error), "what is written can be read, and put back", error);
    ok(!vmm_pause_write(pause, &beyond, 1, &error) && g_error_matches(error, VMM_ERROR, VMM_ERROR_BAD_ADDRESS),
       "nothing is written where there is no memory", error);
    g_clear_error(&error);
    ok(vmm_pause_inject_nmi(pause, &error), "an NMI can be sent to it", error);
    g_clear_error(&error);
    ok(vmm_pause_end(pause, &stood_ns, &error) && stood_ns > 0, "it goes on, and says for how long it stood", error);
    ok(is_running(machine), "it runs", NULL);
}

static void
check_many_pauses(VmmMachine *machine)
{
    g_autoptr(GError) error = NULL;
    guint n_done = 0;

    while (n_done < TIMES) {
        g_autoptr(VmmPause) pause = vmm_pause_begin(machine, &error);

        if (pause == NULL)
            break;
        n_done++;
    }
    ok(n_done == TIMES, "many pauses, one after the other", error);
    ok(is_running(machine), "it runs after them", NULL);
}

/* A pause stands for being changed, and for no time. */
static void
check_saved(VmmMachine *machine)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(machine, &error);
    guint n_ranges, n_vcpus;
    const VmmRange *ranges = vmm_reader_ranges(vmm_machine_reader(machine), &n_ranges);

    if (!ok(pause != NULL, "it is taken to be changed", error))
        return;
    vmm_pause_vcpus(pause, &n_vcpus);
    ok(n_vcpus == vmm_reader_n_vcpus(vmm_machine_reader(machine)), "with all of its vCPUs", NULL);
    ok(write_and_put_back(machine, pause, ranges[0].start, &error), "what is written can be read, and put back", error);
    ok(vmm_pause_end(pause, NULL, &error), "and is left", error);
    ok(!is_running(machine), "it does not run", NULL);
}

static void
check_image(VmmMachine *machine)
{
    g_autoptr(GError) error = NULL;

    ok(vmm_pause_begin(machine, &error) == NULL && g_error_matches(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED),
       "an image cannot be paused", error);
    ok(!is_running(machine), "and does not run", NULL);
}

/* A process that is killed is there until its last thread has seen that. */
static void
wait_for_end(pid_t pid)
{
    struct pollfd end = { syscall(SYS_pidfd_open, pid, 0), POLLIN, 0 };

    if (end.fd >= 0 && poll(&end, 1, SOON_US / 1000) == 1)
        close(end.fd);
}

static gboolean
stands_still(const char *tasks)
{
    g_autoptr(GDir) directory = g_dir_open(tasks, 0, NULL);
    gboolean all = TRUE;

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *path = g_build_filename(tasks, name, "stat", NULL), *text = NULL;

        all = all && g_file_get_contents(path, &text, NULL, NULL) && strstr(text, ") T ") != NULL;
    }
    return all;
}

/* Its threads stop when they come to it. */
static void
wait_for_stop(pid_t pid)
{
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", pid);
    gint64 deadline = g_get_monotonic_time() + SOON_US;

    while (!stands_still(tasks) && g_get_monotonic_time() < deadline)
        g_usleep(LOOK_AGAIN_US);
}

static void
check_hit(VmmMachine *machine, pid_t pid, int number)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(machine, &error);
    guint n_ranges;
    const VmmChunk chunk = { vmm_reader_ranges(vmm_machine_reader(machine), &n_ranges)[0].start, "x", 1 };
    gint64 start;

    if (!ok(pause != NULL, "the guest is paused", error))
        return;
    ok(kill(pid, number) == 0, "its machine is hit", NULL);
    if (number == SIGKILL)
        wait_for_end(pid);
    else
        wait_for_stop(pid);
    start = g_get_monotonic_time();
    ok(!vmm_pause_write(pause, &chunk, 1, &error), "nothing can be written", NULL);
    ok(error != NULL && error->domain == VMM_ERROR, "which is an error with a reason", error);
    g_clear_error(&error);
    ok(!vmm_pause_end(pause, NULL, &error), "nor can it be let go on", NULL);
    g_clear_error(&error);
    ok(vmm_pause_begin(machine, &error) == NULL, "nor be paused again", NULL);
    ok(g_get_monotonic_time() - start < SOON_US, "and one knows that soon", NULL);
    if (number == SIGSTOP)
        kill(pid, SIGCONT);
}

/* What was left waiting for a machine that had stopped ends when that answers; and a thread that has ended is there for a moment. */
static gboolean
comes_to(const char *path, guint n)
{
    gint64 deadline = g_get_monotonic_time() + SOON_US;

    while (count_entries(path) != n && g_get_monotonic_time() < deadline)
        g_usleep(LOOK_AGAIN_US);
    return count_entries(path) == n;
}

static gboolean
has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    guint n_threads, n_fds;
    VmmMachine *machine;

    if (argc != 2 && argc != 4)
        return 2;
    /* What libraries keep for good is there after a first time. */
    vmm_machine_free(vmm_machine_open(argv[1], NULL, NULL));
    n_threads = count_entries("/proc/self/task");
    n_fds = count_entries("/proc/self/fd");
    machine = vmm_machine_open(argv[1], NULL, &error);
    if (!ok(machine != NULL, "it is reached", error))
        return 1;
    if (argc == 4) {
        check_hit(machine, atoi(argv[2]), atoi(argv[3]));
    } else {
        check_memory(machine);
        check_registers(machine);
        if (vmm_machine_is_image(machine)) {
            check_image(machine);
        } else if (vmm_machine_is_saved(machine)) {
            check_saved(machine);
        } else {
            check_pause(machine);
            check_many_pauses(machine);
        }
    }
    vmm_machine_free(machine);
    ok(comes_to("/proc/self/task", n_threads), "no thread is left", NULL);
    ok(count_entries("/proc/self/fd") == n_fds, "no descriptor is left", NULL);
    ok(!has_children(), "no process is left", NULL);
    printf("1..%u\n", n_tests);
    return n_failed > 0;
}
