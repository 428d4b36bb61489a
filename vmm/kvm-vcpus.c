/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-vcpus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kvm-cpuid.h"
#include "vmm/kvm-fault.h"
#include "vmm/kvm-registers.h"
#include "vmm/socket.h"

#define STOP_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define KICK_SIGNAL SIGUSR1

typedef struct {
    VmmVcpus *vcpus;
    guint index;
    int fd;
    struct kvm_run *run;
    GThread *thread;
    pthread_t handle;           /* once it runs */
    VmmKvmRegisters registers;  /* as it stood when it was asked last */
    gboolean is_asked;          /* under the lock: to stop and to tell its registers */
    gboolean is_sent_nmi;       /* likewise: to take one before it runs on */
} Cpu;

struct VmmVcpus {
    VmmVm *vm;
    VmmVmPort port;
    gpointer devices;
    gsize run_bytes;
    guint n;
    Cpu *cpus;
    int end_fd;

    GMutex lock;
    GCond answered;             /* one has told its registers, or has begun to run */
    GCond go_on;
    gboolean is_paused;
    guint n_started;
    gboolean has_ended;
    char *end_reason;
};

static gboolean
make_vcpu(Cpu *cpu, int kvm_fd, int vm_fd, const VmmVmSetup *setup, GError **error)
{
    cpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, cpu->index);
    if (cpu->fd < 0)
        return vmm_vm_set_kvm_error("make a vCPU", error);
    cpu->run = mmap(NULL, cpu->vcpus->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (cpu->run == MAP_FAILED) {
        cpu->run = NULL;
        return vmm_vm_set_kvm_error("map a vCPU", error);
    }
    return vmm_cpuid_set(kvm_fd, cpu->fd, cpu->index, setup->n_vcpus, setup->without, error);
}

VmmVcpus *
vmm_vcpus_new(VmmVm *vm, int kvm_fd, int vm_fd, const VmmVmSetup *setup, GError **error)
{
    VmmVcpus *vcpus = g_new0(VmmVcpus, 1);

    vcpus->vm = vm;
    vcpus->port = setup->port;
    vcpus->devices = setup->devices;
    vcpus->run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    vcpus->n = setup->n_vcpus;
    vcpus->cpus = g_new0(Cpu, vcpus->n);
    vcpus->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_mutex_init(&vcpus->lock);
    g_cond_init(&vcpus->answered);
    g_cond_init(&vcpus->go_on);
    for (guint i = 0; i < vcpus->n; i++)
        vcpus->cpus[i] = (Cpu) { .vcpus = vcpus, .index = i, .fd = -1 };
    for (guint i = 0; i < vcpus->n; i++)
        if (!make_vcpu(&vcpus->cpus[i], kvm_fd, vm_fd, setup, error)) {
            vmm_vcpus_free(vcpus);
            return NULL;
        }
    return vcpus;
}

guint
vmm_vcpus_n(const VmmVcpus *vcpus)
{
    return vcpus->n;
}

int
vmm_vcpus_fd(const VmmVcpus *vcpus, guint index)
{
    return vcpus->cpus[index].fd;
}

int
vmm_vcpus_end_fd(const VmmVcpus *vcpus)
{
    return vcpus->end_fd;
}

const char *
vmm_vcpus_end_reason(const VmmVcpus *vcpus)
{
    return vcpus->end_reason;
}

/* Makes a vCPU leave the guest, now or before it enters it next. */
static void
kick(Cpu *cpu)
{
    cpu->run->immediate_exit = 1;
    pthread_kill(cpu->handle, KICK_SIGNAL);
}

void
vmm_vcpus_end(VmmVcpus *vcpus, const char *reason)
{
    const guint64 one = 1;

    g_mutex_lock(&vcpus->lock);
    if (!vcpus->has_ended) {
        vcpus->has_ended = TRUE;
        vcpus->end_reason = g_strdup(reason);
        for (guint i = 0; i < vcpus->n_started; i++)
            kick(&vcpus->cpus[i]);
        g_cond_broadcast(&vcpus->go_on);
        g_cond_broadcast(&vcpus->answered);
        if (write(vcpus->end_fd, &one, sizeof one) < 0)
            g_warning("nobody gets to know that the machine has ended: %s", g_strerror(errno));
    }
    g_mutex_unlock(&vcpus->lock);
}

void
vmm_vcpus_free(VmmVcpus *vcpus)
{
    if (vcpus == NULL)
        return;
    vmm_vcpus_end(vcpus, NULL);
    for (guint i = 0; i < vcpus->n; i++) {
        if (vcpus->cpus[i].thread != NULL)
            g_thread_join(vcpus->cpus[i].thread);
        if (vcpus->cpus[i].run != NULL)
            munmap(vcpus->cpus[i].run, vcpus->run_bytes);
        vmm_fd_clear(&vcpus->cpus[i].fd);
    }
    vmm_fd_clear(&vcpus->end_fd);
    g_mutex_clear(&vcpus->lock);
    g_cond_clear(&vcpus->answered);
    g_cond_clear(&vcpus->go_on);
    g_free(vcpus->end_reason);
    g_free(vcpus->cpus);
    g_free(vcpus);
}

static gboolean
collect_registers(Cpu *cpu)
{
    struct {
        struct kvm_msrs list;
        struct kvm_msr_entry entry;
    } msrs = { .list.nmsrs = 1, .entry.index = VMM_MSR_KERNEL_GS_BASE };
    struct kvm_regs r;
    struct kvm_sregs s;

    if (ioctl(cpu->fd, KVM_GET_REGS, &r) != 0 || ioctl(cpu->fd, KVM_GET_SREGS, &s) != 0)
        return FALSE;
    if (ioctl(cpu->fd, KVM_GET_MSRS, &msrs) != 1)
        msrs.entry.data = 0;
    cpu->registers = vmm_kvm_registers(&r, &s, msrs.entry.data);
    return TRUE;
}

static void
take_nmi(Cpu *cpu)
{
    struct kvm_lapic_state apic;

    if (ioctl(cpu->fd, KVM_GET_LAPIC, &apic) == 0 && vmm_kvm_takes_nmi(&apic))
        ioctl(cpu->fd, KVM_NMI);
}

/* Out of the guest, with nothing of the last exit pending: tells its registers if it was asked to, and waits while the
 * machine is paused. FALSE when the machine has ended. */
static gboolean
answer(Cpu *cpu)
{
    VmmVcpus *vcpus = cpu->vcpus;
    gboolean goes_on;

    if (!collect_registers(cpu)) {
        vmm_vcpus_end(vcpus, "KVM does not tell a vCPU's registers");
        return FALSE;
    }
    g_mutex_lock(&vcpus->lock);
    for (;;) {
        cpu->is_asked = FALSE;
        g_cond_broadcast(&vcpus->answered);
        if (!vcpus->is_paused || vcpus->has_ended)
            break;
        /* Another pause may have begun when this returns: then it is asked once more. */
        g_cond_wait(&vcpus->go_on, &vcpus->lock);
    }
    if (cpu->is_sent_nmi)
        take_nmi(cpu);
    cpu->is_sent_nmi = FALSE;
    goes_on = !vcpus->has_ended;
    cpu->run->immediate_exit = !goes_on;
    g_mutex_unlock(&vcpus->lock);
    return goes_on;
}

static void
do_ports(Cpu *cpu)
{
    guint8 *data = (guint8 *)cpu->run + cpu->run->io.data_offset;

    for (guint i = 0; i < cpu->run->io.count; i++, data += cpu->run->io.size) {
        gboolean is_write = cpu->run->io.direction == KVM_EXIT_IO_OUT;

        if (!is_write)
            memset(data, 0xff, cpu->run->io.size);
        cpu->vcpus->port(cpu->vcpus->devices, cpu->run->io.port, is_write, data, cpu->run->io.size);
    }
}

static void
end_unexpectedly(Cpu *cpu, const char *what)
{
    g_autofree char *reason = NULL;

    collect_registers(cpu);
    reason = g_strdup_printf("vCPU %u: %s, at rip 0x%" G_GINT64_MODIFIER "x", cpu->index, what, cpu->registers.rip);
    vmm_vcpus_end(cpu->vcpus, reason);
}

static void
handle_exit(Cpu *cpu)
{
    g_autofree char *what = NULL;

    switch (cpu->run->exit_reason) {
    case KVM_EXIT_IO:
        do_ports(cpu);
        return;
    case KVM_EXIT_MMIO:
        if (!cpu->run->mmio.is_write)
            memset(cpu->run->mmio.data, 0xff, sizeof cpu->run->mmio.data);
        return;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        return;
    case KVM_EXIT_SHUTDOWN:
        end_unexpectedly(cpu, "triple fault");
        return;
    case KVM_EXIT_INTERNAL_ERROR:
        if (cpu->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && vmm_fault_complete(cpu->vcpus->vm, cpu->fd, &what))
            return;
        break;
    default:
        what = g_strdup_printf("KVM gave up (exit %u)", cpu->run->exit_reason);
    }
    end_unexpectedly(cpu, what != NULL ? what : "KVM gave up (internal error)");
}

static gpointer
run_cpu(gpointer data)
{
    Cpu *cpu = data;
    VmmVcpus *vcpus = cpu->vcpus;
    sigset_t kick_signal;

    sigemptyset(&kick_signal);
    sigaddset(&kick_signal, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &kick_signal, NULL);
    g_mutex_lock(&vcpus->lock);
    cpu->handle = pthread_self();
    vcpus->n_started++;
    g_cond_broadcast(&vcpus->answered);
    g_mutex_unlock(&vcpus->lock);
    for (;;) {
        if (ioctl(cpu->fd, KVM_RUN, 0) == 0) {
            handle_exit(cpu);
        } else if (errno != EINTR && errno != EAGAIN) {
            end_unexpectedly(cpu, g_strerror(errno));
            return NULL;
        } else if (!answer(cpu)) {
            return NULL;
        }
    }
}

static void
note_kick(int number)
{
}

void
vmm_vcpus_start(VmmVcpus *vcpus)
{
    struct sigaction action = { .sa_handler = note_kick };

    sigaction(KICK_SIGNAL, &action, NULL);      /* no SA_RESTART: it has to interrupt */
    g_mutex_lock(&vcpus->lock);
    for (guint i = 0; i < vcpus->n; i++) {
        g_autofree char *name = g_strdup_printf("vcpu%u", i);

        vcpus->cpus[i].thread = g_thread_new(name, run_cpu, &vcpus->cpus[i]);
        while (vcpus->n_started == i)
            g_cond_wait(&vcpus->answered, &vcpus->lock);
    }
    g_mutex_unlock(&vcpus->lock);
}

/* Asks the vCPUs from FIRST on, N of them, and waits for their answers; under the lock. */
static gboolean
ask(VmmVcpus *vcpus, guint first, guint n, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT_US;

    for (guint i = first; i < first + n; i++) {
        vcpus->cpus[i].is_asked = TRUE;
        kick(&vcpus->cpus[i]);
    }
    for (guint i = first; i < first + n; i++)
        while (vcpus->cpus[i].is_asked && !vcpus->has_ended)
            if (!g_cond_wait_until(&vcpus->answered, &vcpus->lock, deadline)) {
                g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "vCPU %u does not stop", i);
                return FALSE;
            }
    if (vcpus->has_ended)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the machine has ended");
    return !vcpus->has_ended;
}

void
vmm_vcpus_resume(VmmVcpus *vcpus)
{
    g_mutex_lock(&vcpus->lock);
    vcpus->is_paused = FALSE;
    g_cond_broadcast(&vcpus->go_on);
    g_mutex_unlock(&vcpus->lock);
}

gboolean
vmm_vcpus_pause(VmmVcpus *vcpus, VmmKvmRegisters *registers, GError **error)
{
    gboolean done;

    g_mutex_lock(&vcpus->lock);
    vcpus->is_paused = TRUE;
    done = ask(vcpus, 0, vcpus->n, error);
    for (guint i = 0; done && i < vcpus->n; i++)
        registers[i] = vcpus->cpus[i].registers;
    g_mutex_unlock(&vcpus->lock);
    if (!done)
        vmm_vcpus_resume(vcpus);
    return done;
}

gboolean
vmm_vcpus_peek(VmmVcpus *vcpus, guint index, VmmKvmRegisters *registers, GError **error)
{
    gboolean done;

    g_mutex_lock(&vcpus->lock);
    done = ask(vcpus, index, 1, error);
    *registers = vcpus->cpus[index].registers;
    g_mutex_unlock(&vcpus->lock);
    return done;
}

void
vmm_vcpus_send_nmi(VmmVcpus *vcpus)
{
    g_mutex_lock(&vcpus->lock);
    for (guint i = 0; i < vcpus->n; i++)
        vcpus->cpus[i].is_sent_nmi = TRUE;
    g_mutex_unlock(&vcpus->lock);
}
