/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls made in the name of another process's thread: that thread must not find out, whatever becomes of the caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/inject.h"
#include "vmm/machine.h"

#define N_BYTES 7
#define BELOW_BYTES 4096

/* All registers that a system call leaves alone, and what lies below the red zone. */
typedef struct {
    guint64 gpr[13];            /* rbx, rbp, r8 to r10, r12 to r15, rdi, rsi, rdx, rsp */
    guint8 xmm[3][16];          /* xmm0, xmm7, xmm15 */
    guint32 mxcsr, pad[3];
    guint64 mask;
} State;

typedef struct {
    pid_t pid;
    int pipe[2];                /* with N_BYTES in it */
    int epoll;
    volatile State *states;     /* shared: before and after */
    volatile long *result;
    volatile gint *ready;
} Victim;

/* Waits in epoll_wait, which ends with EINTR, and keeps what the registers were before and after. */
static long
wait_and_compare(int epoll, State *before, State *after)
{
    struct epoll_event event;
    register long result __asm__("rax") = SYS_epoll_wait;
    register long rdi __asm__("rdi") = epoll;
    register void *rsi __asm__("rsi") = &event;
    register long rdx __asm__("rdx") = 1;
    register long r10 __asm__("r10") = -1;
    register State *r8 __asm__("r8") = before;
    register State *r9 __asm__("r9") = after;

#define STORE(to)                                                                                                      \
    "mov %%rbx, 0(" to "); mov %%rbp, 8(" to "); mov %%r8, 16(" to "); mov %%r9, 24(" to "); mov %%r10, 32(" to ");"   \
    "mov %%r12, 40(" to "); mov %%r13, 48(" to "); mov %%r14, 56(" to "); mov %%r15, 64(" to ");"                      \
    "mov %%rdi, 72(" to "); mov %%rsi, 80(" to "); mov %%rdx, 88(" to "); mov %%rsp, 96(" to ");"                      \
    "movups %%xmm0, 104(" to "); movups %%xmm7, 120(" to "); movups %%xmm15, 136(" to ");"                             \
    "stmxcsr 152(" to ");"
    __asm__ volatile("movq %%rdi, %%xmm0; movq %%rsi, %%xmm7; movq %%rsp, %%xmm15; pshufd $0x44, %%xmm7, %%xmm7;"
                     STORE("%%r8") "syscall;" STORE("%%r9")
                     : "+r"(result)
                     : "r"(rdi), "r"(rsi), "r"(rdx), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
#undef STORE
    return result;
}

static guint64
signal_mask(void)
{
    guint64 mask = 0;

    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    return mask;
}

/* Any call but those that the victim makes itself ends it. */
static void
filter_calls(void)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_wait, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { G_N_ELEMENTS(code), (struct sock_filter *)code };

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(3);
}

static void
live_as_victim(Victim *victim, gboolean filtered)
{
    sigset_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_SETMASK, &set, NULL);
    if (filtered)
        filter_calls();
    victim->states[0].mask = signal_mask();
    g_atomic_int_set(victim->ready, 1);
    *victim->result = wait_and_compare(victim->epoll, (State *)&victim->states[0], (State *)&victim->states[1]);
    victim->states[1].mask = signal_mask();
    _exit(0);
}

static void
start_victim(Victim *victim, gboolean filtered)
{
    guint8 *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;

    g_assert_true(shared != MAP_FAILED);
    victim->states = (gpointer)shared;
    victim->result = (gpointer)(shared + 4096);
    victim->ready = (gpointer)(shared + 4104);
    *victim->result = 1;
    victim->epoll = epoll_create1(EPOLL_CLOEXEC);
    g_assert_cmpint(pipe(victim->pipe), ==, 0);
    g_assert_cmpint(write(victim->pipe[1], "content", N_BYTES), ==, N_BYTES);
    victim->pid = fork();
    if (victim->pid == 0)
        live_as_victim(victim, filtered);
    path = g_strdup_printf("/proc/%d/syscall", (int)victim->pid);
    do {
        g_free(g_steal_pointer(&text));
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    } while (g_atomic_int_get(victim->ready) == 0 || !g_str_has_prefix(text, G_STRINGIFY(232) " "));
}

static void
check_victim(Victim *victim)
{
    int status;

    g_assert_cmpint(waitpid(victim->pid, &status, 0), ==, victim->pid);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(*victim->result, ==, -EINTR);
    g_assert_cmpmem((gconstpointer)victim->states[0].gpr, sizeof victim->states[0].gpr,
                    (gconstpointer)victim->states[1].gpr, sizeof victim->states[1].gpr);
    g_assert_cmpmem((gconstpointer)victim->states[0].xmm, sizeof victim->states[0].xmm,
                    (gconstpointer)victim->states[1].xmm,
                    sizeof victim->states[1].xmm);
    g_assert_cmphex(victim->states[0].mxcsr, ==, victim->states[1].mxcsr);
    g_assert_cmphex(victim->states[0].mask, ==, 1 << (SIGUSR2 - 1));
    g_assert_cmphex(victim->states[1].mask, ==, victim->states[0].mask);
    munmap((gpointer)victim->states, 8192);
    close(victim->pipe[0]);
    close(victim->pipe[1]);
    close(victim->epoll);
}

static int
open_memory(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)pid);

    return open(path, O_RDWR | O_CLOEXEC);
}

/* What a tracer does; it dies by itself after STEP steps, if it comes to that. */
static void
live_as_tracer(const Victim *victim, int step)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmThreads) threads = vmm_threads_new(victim->pid);
    g_autoptr(VmmInjector) injector = vmm_injector_new(victim->pid, open_memory(victim->pid), &error);
    const GArray *list = NULL;
    guint8 below[BELOW_BYTES], after[BELOW_BYTES];
    sigset_t set;
    int n_bytes = 0;
    long result = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    g_assert_no_error(error);
    vmm_threads_stop(threads, &error);
    g_assert_no_error(error);
    list = vmm_threads_list(threads);
    g_assert_cmpuint(list->len, ==, 1);
    const VmmThread *thread = &g_array_index(list, VmmThread, 0);
    int memory = open_memory(victim->pid);

    g_assert_cmpint(pread(memory, below, sizeof below, thread->registers.rsp - sizeof below), ==, sizeof below);
    vmm_inject_begin(injector, threads, thread, &error);
    g_assert_no_error(error);
    if (step == 1)
        raise(SIGKILL);
    for (int i = 0; i < 3; i++) {
        vmm_inject_ioctl(injector, victim->pipe[0], FIONREAD, &n_bytes, sizeof n_bytes, &result, &error);
        g_assert_no_error(error);
        g_assert_cmpint(result, ==, 0);
        g_assert_cmpint(n_bytes, ==, N_BYTES);
        if (step == 2 + i)
            raise(SIGKILL);
    }
    vmm_inject_ioctl(injector, 9999, FIONREAD, &n_bytes, sizeof n_bytes, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpint(result, ==, -EBADF);
    vmm_inject_end(injector, &error);
    g_assert_no_error(error);
    g_assert_cmpint(pread(memory, after, sizeof after, thread->registers.rsp - sizeof after), ==, sizeof after);
    g_assert_cmpmem(below, sizeof below, after, sizeof after);
    if (step == 5)
        raise(SIGKILL);
    vmm_threads_go(threads, &error);
    g_assert_no_error(error);
    _exit(0);
}

static void
run_tracer(const Victim *victim, int step)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        live_as_tracer(victim, step);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (step == 0)
        g_assert_cmpint(status, ==, 0);
    else
        g_assert_cmpint(WIFSIGNALED(status) ? WTERMSIG(status) : 0, ==, SIGKILL);
}

static void
test_unnoticed(void)
{
    Victim victim;

    start_victim(&victim, FALSE);
    run_tracer(&victim, 0);
    check_victim(&victim);
}

static void
test_tracer_dies(gconstpointer data)
{
    Victim victim;

    start_victim(&victim, FALSE);
    run_tracer(&victim, GPOINTER_TO_INT(data));
    check_victim(&victim);
}

static void
test_filtered(void)
{
    Victim victim;

    start_victim(&victim, TRUE);
    run_tracer(&victim, 0);
    check_victim(&victim);
}

/* A call that the kernel begins anew after an interruption waits on as if there had been none. */
static void
test_waiting(gconstpointer data)
{
    Victim victim = { 0 };
    g_autofree char *path = NULL, *text = NULL;
    int pipes[2];
    char byte = 0;
    int status;

    g_assert_cmpint(pipe(pipes), ==, 0);
    g_assert_cmpint(pipe(victim.pipe), ==, 0);
    g_assert_cmpint(write(victim.pipe[1], "content", N_BYTES), ==, N_BYTES);
    victim.pid = fork();
    if (victim.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(read(pipes[0], &byte, 1) == 1 ? byte : 99);
    }
    path = g_strdup_printf("/proc/%d/syscall", (int)victim.pid);
    do {
        g_free(g_steal_pointer(&text));
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    } while (!g_str_has_prefix(text, "0 "));
    run_tracer(&victim, GPOINTER_TO_INT(data));
    g_assert_cmpint(write(pipes[1], "\x05", 1), ==, 1);
    g_assert_cmpint(waitpid(victim.pid, &status, 0), ==, victim.pid);
    g_assert_cmpint(status, ==, 5 << 8);
    for (int i = 0; i < 2; i++) {
        close(pipes[i]);
        close(victim.pipe[i]);
    }
}

/* So does one that is in no call at all, and has numbers in its registers. */
static void
test_computing(gconstpointer data)
{
    Victim victim = { 0 };
    volatile gint *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    g_assert_cmpint(pipe(victim.pipe), ==, 0);
    g_assert_cmpint(write(victim.pipe[1], "content", N_BYTES), ==, N_BYTES);
    victim.pid = fork();
    if (victim.pid == 0) {
        double x = 1.5, y = 2.25;
        guint64 n = 0, m = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (stop[1] = 1; !stop[0]; n++, m += 3)
            __asm__ volatile("" : "+x"(x), "+x"(y), "+r"(n), "+r"(m));
        _exit(x == 1.5 && y == 2.25 && m == 3 * n ? 0 : 1);
    }
    while (!stop[1])
        ;
    for (int i = 0; i < 20; i++)
        run_tracer(&victim, GPOINTER_TO_INT(data));
    stop[0] = 1;
    g_assert_cmpint(waitpid(victim.pid, &status, 0), ==, victim.pid);
    g_assert_cmpint(status, ==, 0);
    munmap((gpointer)stop, 4096);
    close(victim.pipe[0]);
    close(victim.pipe[1]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/inject/unnoticed", test_unnoticed);
    g_test_add_data_func("/vmm/inject/tracer-dies-before-the-first-call", GINT_TO_POINTER(1), test_tracer_dies);
    g_test_add_data_func("/vmm/inject/tracer-dies-after-the-first-call", GINT_TO_POINTER(2), test_tracer_dies);
    g_test_add_data_func("/vmm/inject/tracer-dies-between-calls", GINT_TO_POINTER(3), test_tracer_dies);
    g_test_add_data_func("/vmm/inject/tracer-dies-at-the-end", GINT_TO_POINTER(5), test_tracer_dies);
    g_test_add_func("/vmm/inject/filtered", test_filtered);
    g_test_add_data_func("/vmm/inject/waiting", GINT_TO_POINTER(0), test_waiting);
    g_test_add_data_func("/vmm/inject/waiting-and-tracer-dies", GINT_TO_POINTER(2), test_waiting);
    g_test_add_data_func("/vmm/inject/computing", GINT_TO_POINTER(0), test_computing);
    g_test_add_data_func("/vmm/inject/computing-and-tracer-dies", GINT_TO_POINTER(3), test_computing);
    return g_test_run();
}
