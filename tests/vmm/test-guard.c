/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "vmm/guard.h"
#include "vmm/machine.h"
#include "vmm/socket.h"

/* Rescues of the test write what they were told into a pipe. */
static void
write_order(gpointer data, const VmmGuardOrder *order, const VmmWill *will)
{
    dprintf(GPOINTER_TO_INT(data), "rescue of %s", order->machine);
}

static char *
read_all(int fd)
{
    GString *text = g_string_new(NULL);
    char chunk[64];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        g_string_append_len(text, chunk, n);
    return g_string_free(text, FALSE);
}

typedef struct {
    char *directory;
    VmmGuardOrder order;
    int pipe_fds[2];
    VmmGuard *guard;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->directory = g_dir_make_tmp("vmm-guard-XXXXXX", &error);
    g_assert_no_error(error);
    g_snprintf(fixture->order.socket_path, sizeof fixture->order.socket_path, "%s/s", fixture->directory);
    g_strlcpy(fixture->order.machine, "m", sizeof fixture->order.machine);
    fixture->order.owns_directory = TRUE;
    g_assert_true(g_file_set_contents(fixture->order.socket_path, "", 0, NULL));
    g_assert_cmpint(pipe(fixture->pipe_fds), ==, 0);
    fixture->guard = vmm_guard_new(write_order, GINT_TO_POINTER(fixture->pipe_fds[1]), fixture->pipe_fds[1], &error);
    g_assert_no_error(error);
    vmm_fd_clear(&fixture->pipe_fds[1]);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vmm_fd_clear(&fixture->pipe_fds[0]);
    g_unlink(fixture->order.socket_path);
    g_rmdir(fixture->directory);
    g_free(fixture->directory);
}

/* Nobody but the guard holds the pipe's other end: its end says that the guard is gone. */
static void
assert_told(Fixture *fixture, const char *expected)
{
    g_autofree char *told = read_all(fixture->pipe_fds[0]);

    g_assert_cmpstr(told, ==, expected);
    g_assert_cmpint(g_file_test(fixture->directory, G_FILE_TEST_EXISTS), ==, *expected == '\0');
}

static void
test_never_armed(Fixture *fixture, gconstpointer data)
{
    vmm_guard_free(fixture->guard);
    assert_told(fixture, "");
}

static void
test_disarmed(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 3; i++) {
        g_assert_true(vmm_guard_arm(fixture->guard, &fixture->order, &error));
        vmm_guard_disarm(fixture->guard);
    }
    vmm_guard_free(fixture->guard);
    assert_told(fixture, "");
}

static void
test_armed(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(vmm_guard_arm(fixture->guard, &fixture->order, &error));
    vmm_guard_free(fixture->guard);
    assert_told(fixture, "rescue of m");
}

/* The real thing: the process that armed the guard is killed. */
static void
test_killed(Fixture *fixture, gconstpointer data)
{
    pid_t pid;

    vmm_guard_free(fixture->guard);
    vmm_fd_clear(&fixture->pipe_fds[0]);
    g_assert_cmpint(pipe(fixture->pipe_fds), ==, 0);
    pid = fork();
    if (pid == 0) {
        VmmGuard *guard = vmm_guard_new(write_order, GINT_TO_POINTER(fixture->pipe_fds[1]), fixture->pipe_fds[1], NULL);

        if (guard != NULL && vmm_guard_arm(guard, &fixture->order, NULL))
            raise(SIGKILL);
        _exit(1);
    }
    vmm_fd_clear(&fixture->pipe_fds[1]);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    assert_told(fixture, "rescue of m");
}

/* It keeps nothing open that is not its own. */
static void
test_closes_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmGuard) guard = NULL;
    g_autofree char *nothing = NULL;
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    guard = vmm_guard_new(write_order, NULL, -1, &error);
    g_assert_no_error(error);
    close(fds[1]);
    nothing = read_all(fds[0]);
    g_assert_cmpstr(nothing, ==, "");
    close(fds[0]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vmm/guard/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("never-armed", test_never_armed);
    ADD("disarmed", test_disarmed);
    ADD("armed", test_armed);
    ADD("killed", test_killed);
    g_test_add_func("/vmm/guard/closes-files", test_closes_files);
    return g_test_run();
}
