/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/error.h"

/* For both: what is open, memory, threads, clocks, and the end. */
static const int common_calls[] = {
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(fcntl), SCMP_SYS(dup),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(membarrier),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(uname), SCMP_SYS(wait4), SCMP_SYS(waitid),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* For what makes a pause: sockets and files, of others than ourselves too, and quick reads of many pieces. */
static const int change_calls[] = {
    SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept4),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(creat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(umask),
    SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(chmod), SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(utimensat),
    SCMP_SYS(pwritev), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(flock), SCMP_SYS(process_vm_readv), SCMP_SYS(pidfd_open),
    SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_setscheduler), SCMP_SYS(mlockall),
    SCMP_SYS(munlockall), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(ioctl),
};

/* What no part of this program ever does. */
static const int fatal_calls[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(mount),
    SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
    SCMP_SYS(io_uring_setup), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(reboot), SCMP_SYS(setuid), SCMP_SYS(setgid),
    SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

/* A QEMU of another user: its memory, its log directory, and a socket's directory that is handed to it. */
static const cap_value_t change_capabilities[] = { CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER };

static gboolean
set_error(const char *what, int code, GError **error)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "cannot give up privileges before reading guest memory: %s: %s",
                what, g_strerror(code));
    return FALSE;
}

/* Of KEPT those that there are; the others go. */
static gboolean
keep_capabilities(const cap_value_t *kept, gsize n_kept, GError **error)
{
    cap_t now = cap_get_proc(), rest = cap_init();
    gboolean done = now != NULL && rest != NULL;

    for (gsize i = 0; i < n_kept && done; i++) {
        cap_flag_value_t has = CAP_CLEAR;

        done = cap_get_flag(now, kept[i], CAP_PERMITTED, &has) == 0
               && cap_set_flag(rest, CAP_PERMITTED, 1, &kept[i], has) == 0
               && cap_set_flag(rest, CAP_EFFECTIVE, 1, &kept[i], has) == 0;
    }
    done = done && cap_set_proc(rest) == 0;
    if (!done)
        set_error("capset", errno, error);
    cap_free(now);
    cap_free(rest);
    return done;
}

static int
add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, gsize n_calls)
{
    int code = 0;

    for (gsize i = 0; i < n_calls && code == 0; i++)
        code = seccomp_rule_add(filter, action, calls[i], 0);
    return code;
}

/* Calls of which only some uses are: memory that is not executable, threads but no processes, signals to ourselves. */
static int
add_narrow_rules(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp ourselves = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) getpid());
    const struct scmp_arg_cmp terminal = SCMP_A1(SCMP_CMP_EQ, TCGETS);
    int code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &not_executable);

    if (code == 0)
        code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &not_executable);
    if (code == 0)
        code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);
    if (code == 0)
        code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &ourselves);
    if (code == 0)
        code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &terminal);
    /* Its flags lie in memory, where no filter sees them; without it the C library takes the older one. */
    if (code == 0)
        code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return code;
}

static gboolean
load_filter(VmmSandbox sandbox, GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int code = filter != NULL ? 0 : -ENOMEM;

    if (code == 0)
        code = add_rules(filter, SCMP_ACT_KILL_PROCESS, fatal_calls, G_N_ELEMENTS(fatal_calls));
    if (code == 0)
        code = add_rules(filter, SCMP_ACT_ALLOW, common_calls, G_N_ELEMENTS(common_calls));
    if (code == 0)
        code = add_narrow_rules(filter);
    if (code == 0 && sandbox == VMM_SANDBOX_CHANGE)
        code = add_rules(filter, SCMP_ACT_ALLOW, change_calls, G_N_ELEMENTS(change_calls));
    /* Loading sets no_new_privs. */
    if (code == 0)
        code = seccomp_load(filter);
    seccomp_release(filter);
    return code == 0 || set_error("seccomp", -code, error);
}

gboolean
vmm_sandbox_enter(VmmSandbox sandbox, GError **error)
{
    static gboolean entered;

    if (entered || sandbox == VMM_SANDBOX_NONE)
        return TRUE;
    entered = keep_capabilities(change_capabilities,
                                sandbox == VMM_SANDBOX_CHANGE ? G_N_ELEMENTS(change_capabilities) : 0, error)
              && load_filter(sandbox, error);
    return entered;
}
