/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "patcher/error.h"

#define MAX_SHOWN 16384     /* bytes of a failed program's output */
#define MAX_RUNNING 256
#define MAX_REMOVALS 200    /* of the scratch folder, until nobody writes to it any more */
#define MAX_DEPTH 64        /* folders in it */

/* Process groups of what runs, 0 where there is none; a signal handler reads them. */
static gint running[MAX_RUNNING];

/* Read by the signal handler, too. */
static char scratch[PATH_MAX];
static gint has_scratch, is_ending;

static GStrv
environment(void)
{
    static const char *const kept[] = { "PATH", "HOME", "TMPDIR", "APT_CONFIG", "http_proxy", "https_proxy" };
    GStrv environment = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
        if (g_getenv(kept[i]))
            environment = g_environ_setenv(environment, kept[i], g_getenv(kept[i]), TRUE);
    return g_environ_setenv(environment, "LC_ALL", "C", TRUE);
}

static void
set_failure(GError **error, const char *program, char *text)
{
    g_autofree char *shown = NULL;
    gsize length;

    g_strchomp(text);
    length = strlen(text);
    shown = g_utf8_make_valid(length > MAX_SHOWN ? text + length - MAX_SHOWN : text, -1);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s failed%s%s", program, *shown ? ":\n" : "", shown);
}

/* Bytes that a program writes until it ends. */
static GString *
read_all(int fds[2], GString *messages)
{
    GString *output = g_string_new(NULL);
    GString *const texts[2] = { output, messages };
    struct pollfd polled[2] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };

    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            break;
        for (gsize i = 0; i < 2; i++) {
            char buffer[65536];
            gssize n = polled[i].fd >= 0 && polled[i].revents ? read(polled[i].fd, buffer, sizeof buffer) : -1;

            if (n > 0)
                g_string_append_len(texts[i], buffer, n);
            else if (polled[i].fd >= 0 && polled[i].revents && (n == 0 || errno != EINTR))
                polled[i].fd = -1;
            polled[i].revents = 0;
        }
    }
    return output;
}

/* In the child, which has our memory until it becomes the program: a group of its own, which can be ended as a whole, and
 * which ends when we are killed. */
G_GNUC_NORETURN static void
become(const char *folder, const char *const *argv, char *const *variables, const int *fds, const sigset_t *mask,
       volatile int *failure)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (dup2(fds[0], STDIN_FILENO) >= 0 && dup2(fds[1], STDOUT_FILENO) >= 0 && dup2(fds[2], STDERR_FILENO) >= 0 &&
        (!folder || chdir(folder) == 0)) {
        syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvpe(argv[0], (char *const *) argv, variables);
    }
    *failure = errno;
    _exit(127);
}

/* By vfork: with as much memory as create may have, fork copies tables for longer than some compilers run. */
static pid_t
start(const char *folder, const char *const *argv, char *const *variables, const int *fds)
{
    volatile int failure = 0;
    sigset_t all, mask;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &mask);
    pid = vfork();
    if (pid == 0)
        become(folder, argv, variables, fds, &mask, &failure);
    if (pid < 0)
        failure = errno;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (pid > 0 && failure)
        waitpid(pid, NULL, 0);
    errno = failure;
    return failure ? -1 : pid;
}

/* ---- The end */

/* Removes what is in the folder FD, as a signal handler may. */
static void
empty_folder(int fd, guint depth)
{
    struct entry { guint64 inode; gint64 offset; guint16 length; guint8 type; char name[]; };
    char buffer[2048] __attribute__((aligned(8)));
    glong n;

    while (depth && (n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
        for (glong i = 0; i < n; i += ((struct entry *) (buffer + i))->length) {
            const char *name = ((struct entry *) (buffer + i))->name;
            int inner = -1;

            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(fd, name, 0) == 0)
                continue;
            inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0) {
                empty_folder(inner, depth - 1);
                close(inner);
                unlinkat(fd, name, AT_REMOVEDIR);
            }
        }
}

/* What programs that are ending still write comes to an end, too. */
static void
remove_scratch(void)
{
    const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };

    for (guint i = 0; i < MAX_REMOVALS; i++) {
        int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
            return;
        empty_folder(fd, MAX_DEPTH);
        close(fd);
        if (rmdir(scratch) == 0)
            return;
        nanosleep(&moment, NULL);
    }
}

static void
end_running(int number)
{
    g_atomic_int_set(&is_ending, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(running); i++) {
        gint group = g_atomic_int_get(&running[i]);

        if (group > 0)
            kill(-group, SIGTERM);
    }
    if (g_atomic_int_get(&has_scratch))
        remove_scratch();
    raise(number);
}

void
patch_run_ends_with_us(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = end_running, .sa_flags = (int) SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        struct sigaction before;

        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

void
patch_run_set_scratch(const char *folder)
{
    g_atomic_int_set(&has_scratch, FALSE);
    if (!folder || strlen(folder) >= sizeof scratch)
        return;
    strcpy(scratch, folder);
    g_atomic_int_set(&has_scratch, TRUE);
}

/* ---- */

/* Returns where GROUP is noted; NULL if there is no room. */
static gint *
note_running(pid_t group)
{
    for (gsize i = 0; i < G_N_ELEMENTS(running); i++)
        if (g_atomic_int_compare_and_exchange(&running[i], 0, group))
            return &running[i];
    return NULL;
}

static int
wait_for(pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* Reads what PID says, until it ends. FDS are the ends of its pipes. */
static GString *
attend(pid_t pid, int fds[2], GString *messages, int *status)
{
    gint *noted = note_running(pid);
    GString *output;

    if (g_atomic_int_get(&is_ending))
        kill(-pid, SIGTERM);
    output = read_all(fds, messages);
    *status = wait_for(pid);
    if (noted)
        g_atomic_int_set(noted, 0);
    return output;
}

static void
close_all(int *fds, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* OURS: the ends that we read; THEIRS: standard input, output and messages of the program. */
static gboolean
open_pipes(int ours[2], int theirs[3])
{
    theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (gsize i = 0; i < 2; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0)
            return FALSE;
        ours[i] = ends[0];
        theirs[i + 1] = ends[1];
    }
    return theirs[0] >= 0;
}

gboolean
patch_run(const char *folder, const char *const *argv, char **output, GError **error)
{
    g_auto(GStrv) variables = environment();
    g_autoptr(GString) messages = g_string_new(NULL), standard = NULL;
    int ours[2] = { -1, -1 }, theirs[3] = { -1, -1, -1 }, status = -1;
    pid_t pid;

    while (g_atomic_int_get(&is_ending))
        pause();
    pid = open_pipes(ours, theirs) ? start(folder, argv, variables, theirs) : -1;
    if (pid < 0)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot run %s: %s", argv[0], g_strerror(errno));
    close_all(theirs, G_N_ELEMENTS(theirs));
    if (pid > 0)
        standard = attend(pid, ours, messages, &status);
    close_all(ours, G_N_ELEMENTS(ours));
    if (pid < 0)
        return FALSE;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        set_failure(error, argv[0], messages->str);
        return FALSE;
    }
    if (output)
        *output = g_string_free(g_steal_pointer(&standard), FALSE);
    return TRUE;
}
