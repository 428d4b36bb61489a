/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/inject.h"

#include <elf.h>
#include <errno.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/signal-frame.h"

#define RED_ZONE_BYTES 128
#define MAX_XSTATE_BYTES 16384
#define MAX_ARGUMENT_BYTES 1024
#define ALIGNMENT 64            /* of the floating-point state, as XRSTOR has it */
#define FRAME_BYTES (MAX_ARGUMENT_BYTES + sizeof(VmmSignalFrame) + MAX_XSTATE_BYTES + 4 + 2 * ALIGNMENT)
#define SEARCH_BYTES 65536
#define USER_CS 0x33
#define MAX_SIGNALS 64
#define CALL_STOP (SIGTRAP | 0x80)
#define NT_X86_SHADOW_STACK 0x204

static const guint8 call_code[] = { 0x0f, 0x05, 0xc3 };                                       /* syscall; ret */
static const guint8 restore_code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };         /* rt_sigreturn() */

struct VmmInjector {
    pid_t pid;
    int memory_fd;
    guint64 call, restorer;     /* where those are */

    /* From begin to end: */
    VmmThreads *threads;
    VmmThread thread;
    guint64 mask;
    guint64 start, frame;       /* what is made use of below the stack, and where in it the frame is */
    gsize n_saved;
    guint8 saved[FRAME_BYTES];
};

static gboolean
set_refused(GError **error, const char *why)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the machine's process cannot be asked safely: %s", why);
    return FALSE;
}

static gboolean
set_failed(const VmmInjector *injector, const char *what, GError **error)
{
    if (errno == ESRCH)
        g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the machine's process %d has ended", (int)injector->pid);
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot %s of the machine's thread %d: %s", what,
                    (int)injector->thread.tid, g_strerror(errno));
    return FALSE;
}

static guint64
search_range(const VmmInjector *injector, guint64 start, guint64 end, const guint8 *code, gsize length)
{
    g_autofree guint8 *bytes = g_malloc(SEARCH_BYTES);

    for (guint64 at = start; at < end;) {
        ssize_t n = pread(injector->memory_fd, bytes, MIN(end - at, SEARCH_BYTES), at);
        const guint8 *found = n > 0 ? memmem(bytes, n, code, length) : NULL;

        if (found != NULL)
            return at + (found - bytes);
        if (n < SEARCH_BYTES)
            break;
        at += n - (length - 1);
    }
    return 0;
}

static gboolean
find_code(VmmInjector *injector, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", (int)injector->pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, error))
        return FALSE;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL && (injector->call == 0 || injector->restorer == 0); i++) {
        unsigned long start, end;
        char permissions[5];

        if (sscanf(lines[i], "%lx-%lx %4s", &start, &end, permissions) != 3 || permissions[0] != 'r'
            || permissions[2] != 'x')
            continue;
        if (injector->call == 0)
            injector->call = search_range(injector, start, end, call_code, sizeof call_code);
        if (injector->restorer == 0)
            injector->restorer = search_range(injector, start, end, restore_code, sizeof restore_code);
    }
    return (injector->call != 0 && injector->restorer != 0)
           || set_refused(error, "it has no code that makes a system call or returns from a signal");
}

VmmInjector *
vmm_injector_new(pid_t pid, int memory_fd, GError **error)
{
    g_autoptr(VmmInjector) injector = g_new0(VmmInjector, 1);

    injector->pid = pid;
    injector->memory_fd = memory_fd;
    return find_code(injector, error) ? g_steal_pointer(&injector) : NULL;
}

void
vmm_injector_free(VmmInjector *injector)
{
    g_free(injector);
}

static gboolean
copy_in(const VmmInjector *injector, guint64 address, const void *data, gsize length)
{
    struct iovec local = { (void *)data, length }, remote = { GSIZE_TO_POINTER(address), length };

    return process_vm_writev(injector->thread.tid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

static gboolean
copy_out(const VmmInjector *injector, guint64 address, void *data, gsize length)
{
    struct iovec local = { data, length }, remote = { GSIZE_TO_POINTER(address), length };

    return process_vm_readv(injector->thread.tid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

static gboolean
is_code_there(const VmmInjector *injector)
{
    guint8 bytes[sizeof restore_code];

    return copy_out(injector, injector->call, bytes, sizeof call_code)
           && memcmp(bytes, call_code, sizeof call_code) == 0
           && copy_out(injector, injector->restorer, bytes, sizeof restore_code)
           && memcmp(bytes, restore_code, sizeof restore_code) == 0;
}

static int
seccomp_mode(const VmmInjector *injector)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/status", (int)injector->pid, (int)injector->thread.tid);
    g_autofree char *text = NULL;
    const char *line;
    int mode = -1;

    if (g_file_get_contents(path, &text, NULL, NULL) && (line = strstr(text, "\nSeccomp:")) != NULL)
        sscanf(line, "\nSeccomp: %d", &mode);
    return mode;
}

/* Code that the kernel promised to begin anew if it is interrupted, would be, and would lose that promise. */
static gboolean
is_in_critical_section(const VmmInjector *injector)
{
    struct __ptrace_rseq_configuration rseq;
    struct rseq_cs section;
    guint64 at = 0, rip = injector->thread.registers.rip;

    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, injector->thread.tid, sizeof rseq, &rseq) < 0
        || rseq.rseq_abi_pointer == 0
        || !copy_out(injector, rseq.rseq_abi_pointer + G_STRUCT_OFFSET(struct rseq, rseq_cs), &at, sizeof at) || at == 0)
        return FALSE;
    return !copy_out(injector, at, &section, sizeof section) || rip - section.start_ip < section.post_commit_offset;
}

static gboolean
is_fit(const VmmInjector *injector, GError **error)
{
    guint8 bytes[16];
    struct iovec shadow = { bytes, sizeof bytes };

    if (injector->thread.registers.cs != USER_CS)
        return set_refused(error, "its thread does not run 64-bit code");
    if (ptrace(PTRACE_GETREGSET, injector->thread.tid, NT_X86_SHADOW_STACK, &shadow) == 0)
        return set_refused(error, "its thread has a shadow stack");
    if (!is_code_there(injector))
        return set_refused(error, "its code has changed");
    if (!is_in_critical_section(injector))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's thread %d cannot be interrupted where it stands; try "
                "again", (int)injector->thread.tid);
    return FALSE;
}

/* A filter would end the process for a call that it does not expect. */
static gboolean
set_filter_aside(const VmmInjector *injector, GError **error)
{
    int mode = seccomp_mode(injector);
    unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP;

    if (mode == 0)
        return TRUE;
    if (mode == 2 && ptrace(PTRACE_SETOPTIONS, injector->thread.tid, NULL, options) == 0)
        return TRUE;
    return set_refused(error, "its system calls are filtered, and the host's kernel does not let us suspend that");
}

static void
put_filter_back(const VmmInjector *injector)
{
    ptrace(PTRACE_SETOPTIONS, injector->thread.tid, NULL, PTRACE_O_TRACESYSGOOD);
}

static gboolean
lay_frame(VmmInjector *injector, GError **error)
{
    const struct user_regs_struct on = vmm_signal_resumed(&injector->thread.registers);
    g_autofree guint8 *xstate = g_malloc0(MAX_XSTATE_BYTES + 4);
    struct iovec vector = { xstate, MAX_XSTATE_BYTES };
    VmmSignalFrame frame;
    guint64 xstate_at;
    gsize length;

    if (ptrace(PTRACE_GETREGSET, injector->thread.tid, NT_X86_XSTATE, &vector) != 0)
        return set_failed(injector, "read the floating-point state", error);
    length = vmm_signal_mark_xstate(xstate, vector.iov_len);
    xstate_at = (on.rsp - RED_ZONE_BYTES - length) & ~(guint64)(ALIGNMENT - 1);
    injector->frame = (xstate_at - sizeof frame) & ~(guint64)(ALIGNMENT - 1);
    injector->start = injector->frame - MAX_ARGUMENT_BYTES;
    injector->n_saved = xstate_at + length - injector->start;
    frame = vmm_signal_frame(&on, injector->mask, xstate_at, injector->restorer);
    if (!copy_out(injector, injector->start, injector->saved, injector->n_saved)
        || !copy_in(injector, injector->frame, &frame, sizeof frame)
        || !copy_in(injector, xstate_at, xstate, length))
        return set_failed(injector, "use the stack", error);
    return TRUE;
}

/* Where it would leave for its own place at once. */
static gboolean
enter_frame(const VmmInjector *injector)
{
    struct user_regs_struct registers = injector->thread.registers;

    registers.rip = injector->restorer;
    registers.rsp = injector->frame + sizeof injector->restorer;
    registers.orig_rax = -1;        /* nothing to begin anew */
    return ptrace(PTRACE_SETREGS, injector->thread.tid, NULL, &registers) == 0;
}

/* At any moment of this, and of its reverse, the frame holds what is to be restored if the thread is in it. */
gboolean
vmm_inject_begin(VmmInjector *injector, VmmThreads *threads, const VmmThread *thread, GError **error)
{
    const guint64 all = ~0ULL;
    pid_t tid = thread->tid;

    injector->threads = threads;
    injector->thread = *thread;
    if (!is_fit(injector, error))
        return FALSE;
    if (ptrace(PTRACE_GETSIGMASK, tid, sizeof injector->mask, &injector->mask) != 0)
        return set_failed(injector, "read the signal mask", error);
    if (!set_filter_aside(injector, error))
        return FALSE;
    if (!lay_frame(injector, error)) {
        put_filter_back(injector);
        return FALSE;
    }
    if (enter_frame(injector) && ptrace(PTRACE_SETSIGMASK, tid, sizeof all, &all) == 0)
        return TRUE;
    return set_failed(injector, "set the registers", error);
}

/* Lets it run, by REQUEST, to its next stop that is none for a signal, which it is given. */
static gboolean
run_to_stop(VmmInjector *injector, enum __ptrace_request request, int *status, GError **error)
{
    long signal_number = 0;

    for (guint i = 0; i < MAX_SIGNALS; i++) {
        if (ptrace(request, injector->thread.tid, NULL, signal_number) != 0)
            return set_failed(injector, "go on with a call", error);
        if (!vmm_threads_wait(injector->threads, injector->thread.tid, status, error))
            return FALSE;
        if (WSTOPSIG(*status) == CALL_STOP || *status >> 16 != 0)
            return TRUE;
        signal_number = WSTOPSIG(*status);
    }
    errno = EBUSY;
    return set_failed(injector, "go on with a call", error);
}

/* To where it enters or leaves a system call. Whoever stops the process meanwhile has to wait with us. */
static gboolean
run_to_call(VmmInjector *injector, GError **error)
{
    int status = 0;

    for (guint i = 0; i < MAX_SIGNALS && WSTOPSIG(status) != CALL_STOP; i++)
        if (!run_to_stop(injector, PTRACE_SYSCALL, &status, error))
            return FALSE;
    errno = EBUSY;
    return WSTOPSIG(status) == CALL_STOP || set_failed(injector, "make a call", error);
}

gboolean
vmm_inject_ioctl(VmmInjector *injector, int fd, unsigned long request, void *argument, gsize length,
                 long *result, GError **error)
{
    struct user_regs_struct registers = injector->thread.registers;

    registers.rip = injector->call;
    registers.rsp = injector->frame;
    registers.orig_rax = -1;
    registers.rax = SYS_ioctl;
    registers.rdi = fd;
    registers.rsi = request;
    registers.rdx = injector->start;
    if (!copy_in(injector, injector->start, argument, length)
        || ptrace(PTRACE_SETREGS, injector->thread.tid, NULL, &registers) != 0)
        return set_failed(injector, "make a call", error);
    if (!run_to_call(injector, error) || !run_to_call(injector, error))
        return FALSE;
    if (ptrace(PTRACE_GETREGS, injector->thread.tid, NULL, &registers) != 0
        || !copy_out(injector, injector->start, argument, length))
        return set_failed(injector, "take the answer", error);
    *result = (long)registers.rax;
    return TRUE;
}

/*
 * From the end of a system call to a stop like the one it was found in: only from there does the kernel look whether the
 * thread's own call is to be begun anew. It runs no code of its own on the way.
 */
static gboolean
return_to_stop(VmmInjector *injector, GError **error)
{
    int status = 0;

    if (ptrace(PTRACE_INTERRUPT, injector->thread.tid, NULL, NULL) != 0)
        return set_failed(injector, "stop a call", error);
    return run_to_stop(injector, PTRACE_CONT, &status, error);
}

gboolean
vmm_inject_end(VmmInjector *injector, GError **error)
{
    pid_t tid = injector->thread.tid;

    if (!return_to_stop(injector, error))
        return FALSE;
    put_filter_back(injector);
    if (ptrace(PTRACE_SETSIGMASK, tid, sizeof injector->mask, &injector->mask) != 0
        || ptrace(PTRACE_SETREGS, tid, NULL, &injector->thread.registers) != 0
        || !copy_in(injector, injector->start, injector->saved, injector->n_saved))
        return set_failed(injector, "put back the registers", error);
    return TRUE;
}
