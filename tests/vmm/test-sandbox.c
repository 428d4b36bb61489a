/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child did in the sandbox; its exit status tells. */
typedef int (*Deed)(void);

/* How a child ends that enters SANDBOX and then does DEED, as waitpid says. */
static int
do_inside(VmmSandbox sandbox, Deed deed)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(vmm_sandbox_enter(sandbox, NULL) ? deed() : 99);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static void
assert_done(VmmSandbox sandbox, Deed deed)
{
    int status = do_inside(sandbox, deed);

    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void
assert_killed(VmmSandbox sandbox, Deed deed)
{
    int status = do_inside(sandbox, deed);

    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
}

static int
cannot_open(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? 0 : 1;
}

static int
cannot_connect(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int
cannot_read_others(void)
{
    char byte;
    struct iovec local = { &byte, 1 }, remote = { &byte, 1 };

    return process_vm_readv(getppid(), &local, 1, &remote, 1, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int
cannot_signal(void)
{
    return kill(getppid(), 0) < 0 && errno == EPERM ? 0 : 1;
}

static int
cannot_make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM
        ? 0 : 1;
}

static int
cannot_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 && errno == EPERM ? 0 : 1;
}

static gpointer
answer(gpointer data)
{
    return GINT_TO_POINTER(42);
}

static int
can_have_threads(void)
{
    return GPOINTER_TO_INT(g_thread_join(g_thread_new("one", answer, NULL))) == 42 ? 0 : 1;
}

static int
can_open(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? 0 : 1;
}

static int
exec_something(void)
{
    execl("/bin/true", "true", NULL);
    return 1;
}

static int
trace_something(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    return 1;
}

static int
write_to_others(void)
{
    char byte = 0;
    struct iovec local = { &byte, 1 }, remote = { &byte, 1 };

    process_vm_writev(getppid(), &local, 1, &remote, 1, 0);
    return 1;
}

static void
test_look(void)
{
    static const Deed deeds[] = {
        cannot_open, cannot_connect, cannot_read_others, cannot_signal, cannot_make_code,
        cannot_fork, can_have_threads,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(deeds); i++)
        assert_done(VMM_SANDBOX_LOOK, deeds[i]);
}

static void
test_change(void)
{
    static const Deed deeds[] = { can_open, cannot_signal, cannot_make_code, cannot_fork, can_have_threads };

    for (gsize i = 0; i < G_N_ELEMENTS(deeds); i++)
        assert_done(VMM_SANDBOX_CHANGE, deeds[i]);
}

static void
test_fatal(void)
{
    static const Deed deeds[] = { exec_something, trace_something, write_to_others };

    for (gsize i = 0; i < G_N_ELEMENTS(deeds); i++) {
        assert_killed(VMM_SANDBOX_LOOK, deeds[i]);
        assert_killed(VMM_SANDBOX_CHANGE, deeds[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sandbox/look", test_look);
    g_test_add_func("/sandbox/change", test_change);
    g_test_add_func("/sandbox/fatal", test_fatal);
    return g_test_run();
}
