/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "vmm/error.h"

#define STOP_TIMEOUT_US (2 * G_USEC_PER_SEC)
#define MAX_THREADS 65536

/* include/linux/sched.h: workers of the kernel that never run code of the process. */
#define PF_IO_WORKER   0x00000010
#define PF_USER_WORKER 0x00004000
#define PF_KTHREAD     0x00200000

struct VmmThreads {
    pid_t pid;
    GArray *list;               /* of VmmThread, all that are attached to */
    gboolean is_stuck;
};

VmmThreads *
vmm_threads_new(pid_t pid)
{
    VmmThreads *threads = g_new0(VmmThreads, 1);

    threads->pid = pid;
    threads->list = g_array_new(FALSE, TRUE, sizeof(VmmThread));
    return threads;
}

void
vmm_threads_free(VmmThreads *threads)
{
    if (threads == NULL)
        return;
    vmm_threads_go(threads, NULL);
    g_array_unref(threads->list);
    g_free(threads);
}

const GArray *
vmm_threads_list(const VmmThreads *threads)
{
    return threads->list;
}

gboolean
vmm_threads_are_stuck(const VmmThreads *threads)
{
    return threads->is_stuck;
}

static gboolean
set_lost(const VmmThreads *threads, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the machine's process %d has ended", (int)threads->pid);
    return FALSE;
}

static VmmThread *
find_thread(const VmmThreads *threads, pid_t tid)
{
    for (guint i = 0; i < threads->list->len; i++) {
        VmmThread *thread = &g_array_index(threads->list, VmmThread, i);

        if (thread->tid == tid)
            return thread;
    }
    return NULL;
}

/* The end of /proc/PID/task/TID/stat, from the state on; NULL if there is no such thread any more. */
static char *
read_stat(const VmmThreads *threads, pid_t tid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/stat", (int)threads->pid, (int)tid);
    g_autofree char *text = NULL;
    const char *name_end;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (name_end = strrchr(text, ')')) == NULL || name_end[1] != ' ')
        return NULL;
    return g_strdup(name_end + 2);
}

static gboolean
is_kernel_worker(const char *stat)
{
    unsigned int flags;

    return sscanf(stat, "%*c %*d %*d %*d %*d %*d %u", &flags) == 1
           && (flags & (PF_IO_WORKER | PF_USER_WORKER | PF_KTHREAD)) != 0;
}

static pid_t
tracer_of(const VmmThreads *threads, pid_t tid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/status", (int)threads->pid, (int)tid);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (line = strstr(text, "\nTracerPid:")) == NULL)
        return 0;
    return atoi(line + strlen("\nTracerPid:"));
}

static gboolean
set_attach_error(const VmmThreads *threads, pid_t tid, int code, GError **error)
{
    pid_t tracer = tracer_of(threads, tid);

    if (tracer != 0)
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's process %d is being traced by process %d; try again "
                    "when that has let it go", (int)threads->pid, (int)tracer);
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "may not stop the machine's thread %d: %s; run this as root",
                    (int)tid, g_strerror(code));
    return FALSE;
}

/* TRUE also for one that has ended meanwhile, or needs no stopping. */
static gboolean
attach(VmmThreads *threads, pid_t tid, GError **error)
{
    VmmThread thread = { .tid = tid };
    g_autofree char *stat = read_stat(threads, tid);

    if (stat == NULL || is_kernel_worker(stat) || *stat == 'Z' || *stat == 'X')
        return TRUE;
    if (*stat == 'T') {
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's process %d is stopped; whoever did that has to let "
                    "it go on first", (int)threads->pid);
        return FALSE;
    }
    if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD) != 0)
        return errno == ESRCH || set_attach_error(threads, tid, errno, error);
    g_array_append_val(threads->list, thread);
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 && errno != ESRCH)
        return set_attach_error(threads, tid, errno, error);
    return TRUE;
}

/* Attaches to those that are not yet; N_NEW says to how many. */
static gboolean
attach_to_new(VmmThreads *threads, guint *n_new, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)threads->pid);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    guint before = threads->list->len;
    const char *name;

    if (directory == NULL)
        return set_lost(threads, error);
    while ((name = g_dir_read_name(directory)) != NULL && threads->list->len < MAX_THREADS)
        if (find_thread(threads, atoi(name)) == NULL && !attach(threads, atoi(name), error))
            return FALSE;
    *n_new = threads->list->len - before;
    return threads->list->len > 0 || set_lost(threads, error);
}

static void
forget(VmmThreads *threads, const VmmThread *thread)
{
    g_array_remove_index(threads->list, thread - &g_array_index(threads->list, VmmThread, 0));
}

/* A signal that came first is given to the thread; it stops for us right after that. */
static void
take_status(VmmThreads *threads, VmmThread *thread, int status)
{
    if (!WIFSTOPPED(status))
        forget(threads, thread);
    else if (status >> 16 == PTRACE_EVENT_STOP)
        thread->is_stopped = ptrace(PTRACE_GETREGS, thread->tid, NULL, &thread->registers) == 0;
    else
        ptrace(PTRACE_CONT, thread->tid, NULL, status >> 16 == 0 ? WSTOPSIG(status) : 0);
}

/* FALSE when time is up. */
static gboolean
wait_for_child(gint64 deadline)
{
    gint64 left = deadline - g_get_monotonic_time();
    const struct timespec time = { left / G_USEC_PER_SEC, left % G_USEC_PER_SEC * 1000 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return left > 0 && (sigtimedwait(&set, NULL, &time) > 0 || errno == EINTR);
}

static const VmmThread *
find_running(const VmmThreads *threads)
{
    for (guint i = 0; i < threads->list->len; i++)
        if (!g_array_index(threads->list, VmmThread, i).is_stopped)
            return &g_array_index(threads->list, VmmThread, i);
    return NULL;
}

static gboolean
wait_for_all(VmmThreads *threads, gint64 deadline, GError **error)
{
    const VmmThread *running;

    while ((running = find_running(threads)) != NULL) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
        VmmThread *thread = tid > 0 ? find_thread(threads, tid) : NULL;

        if (thread != NULL) {
            take_status(threads, thread, status);
        } else if (tid < 0 && errno == ECHILD) {
            g_array_set_size(threads->list, 0);
            return set_lost(threads, error);
        } else if (tid == 0 && !wait_for_child(deadline)) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the machine's thread %d does not stop", running->tid);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
vmm_threads_stop(VmmThreads *threads, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT_US;
    guint n_new = 1;
    gboolean done = TRUE;

    /* Threads are made by threads: once all that were seen are stopped and no new one is, there is none. */
    while (done && n_new > 0)
        done = attach_to_new(threads, &n_new, error) && wait_for_all(threads, deadline, error);
    if (!done)
        vmm_threads_go(threads, NULL);
    return done;
}

gboolean
vmm_threads_go(VmmThreads *threads, GError **error)
{
    gboolean lost = threads->list->len == 0;

    /* Those that were asked to stop and have not can only be let go of when they do. */
    if (find_running(threads) != NULL && !wait_for_all(threads, g_get_monotonic_time() + STOP_TIMEOUT_US, NULL))
        threads->is_stuck = threads->list->len > 0;
    for (guint i = 0; i < threads->list->len; i++) {
        const VmmThread *thread = &g_array_index(threads->list, VmmThread, i);

        if (ptrace(PTRACE_DETACH, thread->tid, NULL, NULL) != 0 && errno == ESRCH && thread->tid == threads->pid)
            lost = TRUE;
    }
    g_array_set_size(threads->list, 0);
    /* The dead are not buried before their tracer has seen them. */
    while (lost && waitpid(-1, NULL, __WALL | WNOHANG) > 0)
        ;
    return !lost || set_lost(threads, error);
}

gboolean
vmm_threads_look(VmmThreads *threads)
{
    gboolean was_there = threads->list->len > 0;
    int status;
    pid_t tid;

    while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
        VmmThread *thread = find_thread(threads, tid);

        if (thread != NULL)
            take_status(threads, thread, status);
    }
    return !was_there || threads->list->len > 0;
}

gboolean
vmm_threads_wait(VmmThreads *threads, pid_t tid, int *status, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT_US;
    pid_t seen;

    while ((seen = waitpid(tid, status, __WALL | WNOHANG)) == 0)
        if (!wait_for_child(deadline)) {
            g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the machine's thread %d does not come back", (int)tid);
            return FALSE;
        }
    return (seen > 0 && WIFSTOPPED(*status)) || set_lost(threads, error);
}
