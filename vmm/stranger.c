/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/stranger.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/host-kernel.h"
#include "vmm/inject.h"
#include "vmm/kvm-files.h"
#include "vmm/kvm-registers.h"
#include "vmm/kvm-slots.h"
#include "vmm/socket.h"
#include "vmm/stranger-memory.h"
#include "vmm/threads.h"

/* For how long no vCPU may be in the guest before its owner is taken to have paused it. */
#define IDLE_TIMEOUT_US G_USEC_PER_SEC
#define IDLE_INTERVAL_NS 1000000

typedef struct {
    guint id;
    int fd;                     /* in that process */
    pid_t tid;                  /* the thread that runs it, as the kernel said last; 0: none has, yet */
} Vcpu;

struct VmmStranger {
    pid_t pid;
    int memory_fd, vm_fd;       /* its memory, and its machine, as files of ours */
    VmmHostKernel *kernel;
    guint64 kvm;
    GArray *vcpus;              /* of Vcpu, by id */
    VmmStrangerMemory *memory;
    VmmInjector *injector;
    VmmThreads *threads;
};

static gboolean
open_files(VmmStranger *stranger, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)stranger->pid);
    VMM_AUTO_FD int pid_fd = syscall(SYS_pidfd_open, stranger->pid, 0);
    g_autoptr(GArray) vcpus = NULL;
    int vm;

    vcpus = vmm_kvm_files_find(stranger->pid, &vm, error);
    if (vcpus == NULL)
        return FALSE;
    for (guint i = 0; i < vcpus->len; i++) {
        const VmmKvmFile *file = &g_array_index(vcpus, VmmKvmFile, i);
        const Vcpu vcpu = { .id = file->id, .fd = file->fd };

        g_array_append_val(stranger->vcpus, vcpu);
    }
    stranger->memory_fd = open(path, O_RDWR | O_CLOEXEC);
    stranger->vm_fd = pid_fd >= 0 ? syscall(SYS_pidfd_getfd, pid_fd, vm, 0) : -1;
    if (stranger->memory_fd >= 0 && stranger->vm_fd >= 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "may not reach into process %d: %s; run this as root",
                (int)stranger->pid, g_strerror(errno));
    return FALSE;
}

static gboolean
find_machine(VmmStranger *stranger, GError **error)
{
    stranger->kernel = vmm_host_kernel_new("kvm", error);
    if (stranger->kernel == NULL || !vmm_host_kernel_object(stranger->kernel, stranger->vm_fd, &stranger->kvm, error))
        return FALSE;
    stranger->memory = vmm_stranger_memory_new(stranger->pid, stranger->kernel, stranger->kvm, error);
    return stranger->memory != NULL;
}

VmmStranger *
vmm_stranger_new(pid_t pid, GError **error)
{
    g_autoptr(VmmStranger) stranger = g_new0(VmmStranger, 1);

    stranger->pid = pid;
    stranger->memory_fd = stranger->vm_fd = -1;
    stranger->vcpus = g_array_new(FALSE, FALSE, sizeof(Vcpu));
    stranger->threads = vmm_threads_new(pid);
    if (!open_files(stranger, error) || !find_machine(stranger, error))
        return NULL;
    stranger->injector = vmm_injector_new(pid, stranger->memory_fd, error);
    return stranger->injector != NULL ? g_steal_pointer(&stranger) : NULL;
}

void
vmm_stranger_free(VmmStranger *stranger)
{
    if (stranger == NULL)
        return;
    vmm_threads_free(stranger->threads);
    vmm_injector_free(stranger->injector);
    vmm_stranger_memory_free(stranger->memory);
    vmm_host_kernel_free(stranger->kernel);
    g_array_unref(stranger->vcpus);
    vmm_fd_clear(&stranger->vm_fd);
    vmm_fd_clear(&stranger->memory_fd);
    g_free(stranger);
}

guint
vmm_stranger_fds(const VmmStranger *stranger, int fds[4])
{
    fds[0] = stranger->memory_fd;
    fds[1] = stranger->vm_fd;
    return 2 + vmm_host_kernel_fds(stranger->kernel, fds + 2);
}

gboolean
vmm_stranger_look(VmmStranger *stranger)
{
    return vmm_threads_look(stranger->threads) && !vmm_threads_are_stuck(stranger->threads);
}

/* --- While its threads are stopped */

static gboolean
is_in_guest(const VmmStranger *stranger, const VmmThread *thread)
{
    const struct user_regs_struct *registers = &thread->registers;

    if (registers->orig_rax != SYS_ioctl || registers->rsi != KVM_RUN)
        return FALSE;
    for (guint i = 0; i < stranger->vcpus->len; i++)
        if ((guint64)g_array_index(stranger->vcpus, Vcpu, i).fd == registers->rdi)
            return TRUE;
    return FALSE;
}

static gboolean
is_any_in_guest(const VmmStranger *stranger)
{
    const GArray *threads = vmm_threads_list(stranger->threads);

    for (guint i = 0; i < threads->len; i++)
        if (is_in_guest(stranger, &g_array_index(threads, VmmThread, i)))
            return TRUE;
    return FALSE;
}

/* Stops all threads, one of them in the guest: a vCPU may be out of it at the moment, but not all of them for long. */
static gboolean
stop(VmmStranger *stranger, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + IDLE_TIMEOUT_US;
    const struct timespec interval = { .tv_nsec = IDLE_INTERVAL_NS };

    for (;;) {
        if (!vmm_threads_stop(stranger->threads, error))
            return FALSE;
        if (is_any_in_guest(stranger))
            return TRUE;
        if (!vmm_threads_go(stranger->threads, error))
            return FALSE;
        if (g_get_monotonic_time() >= deadline)
            break;
        nanosleep(&interval, NULL);
    }
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "no vCPU runs: whoever runs the machine has paused it, and has "
                        "to let it run first");
    return FALSE;
}

static const VmmThread *
find_thread(const VmmStranger *stranger, pid_t tid)
{
    const GArray *threads = vmm_threads_list(stranger->threads);

    for (guint i = 0; i < threads->len; i++)
        if (g_array_index(threads, VmmThread, i).tid == tid)
            return &g_array_index(threads, VmmThread, i);
    return NULL;
}

static Vcpu *
find_vcpu(const VmmStranger *stranger, guint id)
{
    for (guint i = 0; i < stranger->vcpus->len; i++)
        if (g_array_index(stranger->vcpus, Vcpu, i).id == id)
            return &g_array_index(stranger->vcpus, Vcpu, i);
    return NULL;
}

/* Finds each vCPU's thread. No other process that shares the memory may run one of them. */
static gboolean
check_vcpus(VmmStranger *stranger, GError **error)
{
    g_autoptr(GArray) known = vmm_slots_read_vcpus(stranger->kernel, stranger->kvm, error);
    gboolean same = known != NULL && known->len == stranger->vcpus->len;

    for (guint i = 0; same && i < known->len; i++) {
        const VmmSlotVcpu *now = &g_array_index(known, VmmSlotVcpu, i);
        Vcpu *vcpu = find_vcpu(stranger, now->id);

        same = vcpu != NULL;
        if (same)
            vcpu->tid = now->tid;
        if (!same || now->tid == 0 || find_thread(stranger, now->tid) != NULL)
            continue;
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "vCPU %u is run by thread %d, which is none of process %d",
                    now->id, (int)now->tid, (int)stranger->pid);
        return FALSE;
    }
    if (known != NULL && !same)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_BUSY, "the machine's vCPUs have changed; try again");
    return same;
}

/* --- Registers */

static gboolean
ask(VmmStranger *stranger, const Vcpu *vcpu, unsigned long request, void *answer, gsize length, long expected,
    GError **error)
{
    long result;

    if (!vmm_inject_ioctl(stranger->injector, vcpu->fd, request, answer, length, &result, error))
        return FALSE;
    if (result == expected)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "KVM does not tell the registers of vCPU %u: %s", vcpu->id,
                result < 0 ? g_strerror(-result) : "an unexpected answer");
    return FALSE;
}

static gboolean
ask_for_registers(VmmStranger *stranger, const Vcpu *vcpu, VmmKvmRegisters *registers, GError **error)
{
    struct {
        struct kvm_msrs list;
        struct kvm_msr_entry entry;
    } msrs = { .list.nmsrs = 1, .entry.index = VMM_MSR_KERNEL_GS_BASE };
    struct kvm_regs r;
    struct kvm_sregs s;

    if (!ask(stranger, vcpu, KVM_GET_REGS, &r, sizeof r, 0, error)
        || !ask(stranger, vcpu, KVM_GET_SREGS, &s, sizeof s, 0, error)
        || !ask(stranger, vcpu, KVM_GET_MSRS, &msrs, sizeof msrs, 1, error))
        return FALSE;
    *registers = vmm_kvm_registers(&r, &s, msrs.entry.data);
    return TRUE;
}

static gboolean
send_nmi(VmmStranger *stranger, const Vcpu *vcpu, VmmKvmRegisters *unused, GError **error)
{
    struct kvm_lapic_state apic;

    return ask(stranger, vcpu, KVM_GET_LAPIC, &apic, sizeof apic, 0, error)
           && (!vmm_kvm_takes_nmi(&apic) || ask(stranger, vcpu, KVM_NMI, NULL, 0, 0, error));
}

/* Has DO_ASK done in the name of the vCPU's own thread, or, if it has none yet, of any. That is put back before anything is
 * said. */
static gboolean
in_its_name(VmmStranger *stranger, guint index,
            gboolean (*do_ask)(VmmStranger *, const Vcpu *, VmmKvmRegisters *, GError **), VmmKvmRegisters *registers,
            GError **error)
{
    const Vcpu *vcpu = &g_array_index(stranger->vcpus, Vcpu, index);
    const VmmThread *thread = vcpu->tid != 0 ? find_thread(stranger, vcpu->tid)
                                             : &g_array_index(vmm_threads_list(stranger->threads), VmmThread, 0);
    gboolean done;

    if (thread == NULL) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "the thread of vCPU %u has ended", vcpu->id);
        return FALSE;
    }
    if (!vmm_inject_begin(stranger->injector, stranger->threads, thread, error))
        return FALSE;
    done = do_ask(stranger, vcpu, registers, error);
    return vmm_inject_end(stranger->injector, done ? error : NULL) && done;
}

static gboolean
ask_vcpu(VmmStranger *stranger, guint index, VmmKvmRegisters *registers, GError **error)
{
    return in_its_name(stranger, index, ask_for_registers, registers, error);
}

/* --- For the control socket */

static gboolean
stranger_resume(gpointer self, GError **error)
{
    return vmm_threads_go(((VmmStranger *)self)->threads, error);
}

/* Stops it, having seen that everything about it is known. */
static gboolean
hold(VmmStranger *stranger, GError **error)
{
    if (!stop(stranger, error))
        return FALSE;
    if (check_vcpus(stranger, error) && vmm_stranger_memory_check(stranger->memory, error))
        return TRUE;
    stranger_resume(stranger, NULL);
    return FALSE;
}

static gboolean
stranger_pause(gpointer self, VmmKvmRegisters *registers, GError **error)
{
    VmmStranger *stranger = self;
    gboolean done = hold(stranger, error);

    if (!done)
        return FALSE;
    for (guint i = 0; done && i < stranger->vcpus->len; i++)
        done = ask_vcpu(stranger, i, &registers[i], error);
    if (!done)
        stranger_resume(stranger, NULL);
    return done;
}

static gboolean
stranger_peek(gpointer self, guint index, VmmKvmRegisters *registers, GError **error)
{
    VmmStranger *stranger = self;
    gboolean done;

    if (!hold(stranger, error))
        return FALSE;
    done = ask_vcpu(stranger, index, registers, error);
    return stranger_resume(stranger, done ? error : NULL) && done;
}

static gboolean
stranger_is_running(gpointer self, gboolean *running, GError **error)
{
    g_autoptr(GError) reason = NULL;

    *running = stop(self, &reason);
    if (*running)
        return stranger_resume(self, error);
    if (g_error_matches(reason, VMM_ERROR, VMM_ERROR_BUSY))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static gboolean
stranger_read(gpointer self, guint64 pa, void *buffer, gsize length, GError **error)
{
    return vmm_stranger_memory_read(((VmmStranger *)self)->memory, pa, buffer, length, error);
}

static gboolean
stranger_write(gpointer self, guint64 pa, const void *data, gsize length, GError **error)
{
    return vmm_stranger_memory_write(((VmmStranger *)self)->memory, pa, data, length, error);
}

static gboolean
stranger_inject_nmi(gpointer self, GError **error)
{
    VmmStranger *stranger = self;

    for (guint i = 0; i < stranger->vcpus->len; i++)
        if (!in_its_name(stranger, i, send_nmi, NULL, error))
            return FALSE;
    return TRUE;
}

static const VmmControlOps stranger_ops = {
    .is_running = stranger_is_running,
    .peek = stranger_peek,
    .pause = stranger_pause,
    .resume = stranger_resume,
    .read = stranger_read,
    .write = stranger_write,
    .inject_nmi = stranger_inject_nmi,
};

void
vmm_stranger_describe(VmmStranger *stranger, VmmControlled *machine)
{
    const GArray *regions = vmm_stranger_memory_regions(stranger->memory);

    *machine = (VmmControlled) {
        .ops = &stranger_ops,
        .self = stranger,
        .n_vcpus = stranger->vcpus->len,
        .n_regions = regions->len,
        .regions = (const VmmKvmRegion *)(gpointer)regions->data,
        .memory_fd = -1,
    };
}
