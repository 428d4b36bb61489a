/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-vm.h"

#include <errno.h>
#include <fcntl.h>
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

/* Where Intel's KVM may keep pages of its own, in the gap. */
#define TSS_ADDRESS 0xfffbd000
#define IDENTITY_MAP_ADDRESS 0xfffbc000ULL

typedef struct {
    VmmVm *vm;
    guint index;
    int fd;
    struct kvm_run *run;
    GThread *thread;
    pthread_t handle;           /* once it runs */
    VmmKvmRegisters registers;  /* as it stood when it was asked last */
    gboolean is_asked;          /* under the machine's lock: to stop and to tell its registers */
    gboolean is_sent_nmi;       /* likewise: to take one before it runs on */
} Cpu;

struct VmmVm {
    int kvm_fd, fd, memory_fd, end_fd;
    int reading_fd;             /* the memory as others get it: for reading */
    guint8 *memory;
    guint64 memory_bytes;
    VmmKvmRegion regions[2];    /* the second one may be empty */
    gsize run_bytes;
    guint n_vcpus;
    Cpu *cpus;
    VmmVmPort port;
    gpointer devices;

    GMutex lock;
    GCond answered;             /* a vCPU has told its registers, or has begun to run */
    GCond go_on;
    gboolean is_paused;
    guint n_started;
    gboolean has_ended;
    char *end_reason;
};

static gboolean
set_errno_error(GError **error, const char *what)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "KVM: cannot %s: %s", what, g_strerror(errno));
    return FALSE;
}

/* Else KVM itself tells a program of the guest's that its instruction is none. Where it cannot be asked for, it does. */
static void
ask_for_failures(const VmmVm *vm)
{
    const struct kvm_enable_cap capability = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 } };

    ioctl(vm->fd, KVM_ENABLE_CAP, &capability);
}

static gboolean
open_kvm(VmmVm *vm, GError **error)
{
    vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (vm->kvm_fd < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot open /dev/kvm: %s", g_strerror(errno));
        return FALSE;
    }
    vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
    if (vm->fd < 0)
        return set_errno_error(error, "create a machine");
    if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) {
        errno = ENOSYS;
        return set_errno_error(error, "stop vCPUs at once");
    }
    vm->run_bytes = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    ask_for_failures(vm);
    return TRUE;
}

guint
vmm_vm_regions(const VmmVm *vm, const VmmKvmRegion **regions)
{
    *regions = vm->regions;
    return vm->regions[1].length > 0 ? 2 : 1;
}

static gboolean
make_memory(VmmVm *vm, GError **error)
{
    const VmmKvmRegion *regions;
    guint n = vmm_vm_regions(vm, &regions);

    vm->memory_fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (vm->memory_fd < 0 || ftruncate(vm->memory_fd, vm->memory_bytes) != 0
        || fcntl(vm->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return set_errno_error(error, "make the guest's memory");
    vm->memory = mmap(NULL, vm->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vm->memory_fd, 0);
    if (vm->memory == MAP_FAILED) {
        vm->memory = NULL;
        return set_errno_error(error, "map the guest's memory");
    }
    for (guint i = 0; i < n; i++) {
        struct kvm_userspace_memory_region region = {
            .slot = i, .guest_phys_addr = regions[i].pa, .memory_size = regions[i].length,
            .userspace_addr = (guintptr)vm->memory + regions[i].offset,
        };

        if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) != 0)
            return set_errno_error(error, "give the guest its memory");
    }
    return TRUE;
}

static gboolean
make_controllers(VmmVm *vm, GError **error)
{
    __u64 identity_map = IDENTITY_MAP_ADDRESS;
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

    if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) != 0
        || ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0
        || ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) != 0 || ioctl(vm->fd, KVM_CREATE_PIT2, &pit) != 0)
        return set_errno_error(error, "make interrupt controllers and timer");
    return TRUE;
}

static gboolean
make_vcpu(VmmVm *vm, guint index, const char *without, GError **error)
{
    Cpu *cpu = &vm->cpus[index];

    cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
    if (cpu->fd < 0)
        return set_errno_error(error, "make a vCPU");
    cpu->run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (cpu->run == MAP_FAILED) {
        cpu->run = NULL;
        return set_errno_error(error, "map a vCPU");
    }
    return vmm_cpuid_set(vm->kvm_fd, cpu->fd, index, vm->n_vcpus, without, error);
}

VmmVm *
vmm_vm_new(const VmmVmSetup *setup, GError **error)
{
    g_autoptr(VmmVm) vm = g_new0(VmmVm, 1);

    vm->kvm_fd = vm->fd = vm->memory_fd = vm->reading_fd = -1;
    vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vm->memory_bytes = setup->memory_bytes;
    vm->regions[0] = (VmmKvmRegion) { 0, MIN(vm->memory_bytes, VMM_VM_GAP_START), 0 };
    vm->regions[1] = (VmmKvmRegion) { VMM_VM_GAP_END, vm->memory_bytes - vm->regions[0].length, vm->regions[0].length };
    vm->n_vcpus = setup->n_vcpus;
    vm->port = setup->port;
    vm->devices = setup->devices;
    vm->cpus = g_new0(Cpu, vm->n_vcpus);
    g_mutex_init(&vm->lock);
    g_cond_init(&vm->answered);
    g_cond_init(&vm->go_on);
    for (guint i = 0; i < vm->n_vcpus; i++)
        vm->cpus[i] = (Cpu) { .vm = vm, .index = i, .fd = -1 };
    if (!open_kvm(vm, error) || !make_memory(vm, error) || !make_controllers(vm, error))
        return NULL;
    for (guint i = 0; i < vm->n_vcpus; i++)
        if (!make_vcpu(vm, i, setup->without, error))
            return NULL;
    return g_steal_pointer(&vm);
}

/* Makes a vCPU leave the guest, now or before it enters it next. */
static void
kick(Cpu *cpu)
{
    cpu->run->immediate_exit = 1;
    pthread_kill(cpu->handle, KICK_SIGNAL);
}

void
vmm_vm_end(VmmVm *vm, const char *reason)
{
    const guint64 one = 1;

    g_mutex_lock(&vm->lock);
    if (!vm->has_ended) {
        vm->has_ended = TRUE;
        vm->end_reason = g_strdup(reason);
        for (guint i = 0; i < vm->n_started; i++)
            kick(&vm->cpus[i]);
        g_cond_broadcast(&vm->go_on);
        g_cond_broadcast(&vm->answered);
        if (write(vm->end_fd, &one, sizeof one) < 0)
            g_warning("nobody gets to know that the machine has ended: %s", g_strerror(errno));
    }
    g_mutex_unlock(&vm->lock);
}

void
vmm_vm_free(VmmVm *vm)
{
    if (vm == NULL)
        return;
    vmm_vm_end(vm, NULL);
    for (guint i = 0; i < vm->n_vcpus; i++) {
        if (vm->cpus[i].thread != NULL)
            g_thread_join(vm->cpus[i].thread);
        if (vm->cpus[i].run != NULL)
            munmap(vm->cpus[i].run, vm->run_bytes);
        vmm_fd_clear(&vm->cpus[i].fd);
    }
    if (vm->memory != NULL)
        munmap(vm->memory, vm->memory_bytes);
    vmm_fd_clear(&vm->memory_fd);
    vmm_fd_clear(&vm->reading_fd);
    vmm_fd_clear(&vm->fd);
    vmm_fd_clear(&vm->kvm_fd);
    vmm_fd_clear(&vm->end_fd);
    g_mutex_clear(&vm->lock);
    g_cond_clear(&vm->answered);
    g_cond_clear(&vm->go_on);
    g_free(vm->end_reason);
    g_free(vm->cpus);
    g_free(vm);
}

guint
vmm_vm_n_vcpus(const VmmVm *vm)
{
    return vm->n_vcpus;
}

int
vmm_vm_kvm_fd(const VmmVm *vm)
{
    return vm->kvm_fd;
}

int
vmm_vm_fd(const VmmVm *vm)
{
    return vm->fd;
}

int
vmm_vm_vcpu_fd(const VmmVm *vm, guint index)
{
    return vm->cpus[index].fd;
}

guint64
vmm_vm_memory_bytes(const VmmVm *vm)
{
    return vm->memory_bytes;
}

int
vmm_vm_end_fd(const VmmVm *vm)
{
    return vm->end_fd;
}

const char *
vmm_vm_end_reason(const VmmVm *vm)
{
    return vm->end_reason;
}

guint8 *
vmm_vm_bytes(VmmVm *vm, guint64 pa, guint64 length)
{
    const VmmKvmRegion *regions;
    guint n = vmm_vm_regions(vm, &regions);

    for (guint i = 0; i < n; i++)
        if (pa >= regions[i].pa && pa - regions[i].pa <= regions[i].length
            && length <= regions[i].length - (pa - regions[i].pa))
            return vm->memory + regions[i].offset + (pa - regions[i].pa);
    return NULL;
}

gboolean
vmm_vm_get_sregs(VmmVm *vm, guint index, struct kvm_sregs *sregs, GError **error)
{
    return ioctl(vm->cpus[index].fd, KVM_GET_SREGS, sregs) == 0 || set_errno_error(error, "read registers");
}

gboolean
vmm_vm_set_up_vcpu(VmmVm *vm, guint index, const struct kvm_regs *regs, const struct kvm_sregs *sregs, GError **error)
{
    struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };
    int fd = vm->cpus[index].fd;

    if (ioctl(fd, KVM_SET_SREGS, sregs) != 0 || ioctl(fd, KVM_SET_REGS, regs) != 0
        || ioctl(fd, KVM_SET_MP_STATE, &state) != 0)
        return set_errno_error(error, "set registers");
    return TRUE;
}

void
vmm_vm_set_irq(VmmVm *vm, guint irq, gboolean level)
{
    struct kvm_irq_level line = { .irq = irq, .level = level };

    ioctl(vm->fd, KVM_IRQ_LINE, &line);
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
    VmmVm *vm = cpu->vm;
    gboolean goes_on;

    if (!collect_registers(cpu)) {
        vmm_vm_end(vm, "KVM does not tell a vCPU's registers");
        return FALSE;
    }
    g_mutex_lock(&vm->lock);
    for (;;) {
        cpu->is_asked = FALSE;
        g_cond_broadcast(&vm->answered);
        if (!vm->is_paused || vm->has_ended)
            break;
        /* Another pause may have begun when this returns: then it is asked once more. */
        g_cond_wait(&vm->go_on, &vm->lock);
    }
    if (cpu->is_sent_nmi)
        take_nmi(cpu);
    cpu->is_sent_nmi = FALSE;
    goes_on = !vm->has_ended;
    cpu->run->immediate_exit = !goes_on;
    g_mutex_unlock(&vm->lock);
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
        cpu->vm->port(cpu->vm->devices, cpu->run->io.port, is_write, data, cpu->run->io.size);
    }
}

static void
end_unexpectedly(Cpu *cpu, const char *what)
{
    g_autofree char *reason = NULL;

    collect_registers(cpu);
    reason = g_strdup_printf("vCPU %u: %s, at rip 0x%" G_GINT64_MODIFIER "x", cpu->index, what, cpu->registers.rip);
    vmm_vm_end(cpu->vm, reason);
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
        if (cpu->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && vmm_fault_complete(cpu->vm, cpu->fd, &what))
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
    VmmVm *vm = cpu->vm;
    sigset_t kick_signal;

    sigemptyset(&kick_signal);
    sigaddset(&kick_signal, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &kick_signal, NULL);
    g_mutex_lock(&vm->lock);
    cpu->handle = pthread_self();
    vm->n_started++;
    g_cond_broadcast(&vm->answered);
    g_mutex_unlock(&vm->lock);
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
vmm_vm_start(VmmVm *vm)
{
    struct sigaction action = { .sa_handler = note_kick };

    sigaction(KICK_SIGNAL, &action, NULL);      /* no SA_RESTART: it has to interrupt */
    g_mutex_lock(&vm->lock);
    for (guint i = 0; i < vm->n_vcpus; i++) {
        g_autofree char *name = g_strdup_printf("vcpu%u", i);

        vm->cpus[i].thread = g_thread_new(name, run_cpu, &vm->cpus[i]);
        while (vm->n_started == i)
            g_cond_wait(&vm->answered, &vm->lock);
    }
    g_mutex_unlock(&vm->lock);
}

/* Asks the vCPUs from FIRST on, N of them, and waits for their answers; under the lock. */
static gboolean
ask(VmmVm *vm, guint first, guint n, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT_US;

    for (guint i = first; i < first + n; i++) {
        vm->cpus[i].is_asked = TRUE;
        kick(&vm->cpus[i]);
    }
    for (guint i = first; i < first + n; i++)
        while (vm->cpus[i].is_asked && !vm->has_ended)
            if (!g_cond_wait_until(&vm->answered, &vm->lock, deadline)) {
                g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "vCPU %u does not stop", i);
                return FALSE;
            }
    if (vm->has_ended)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the machine has ended");
    return !vm->has_ended;
}

static gboolean
vm_resume(gpointer self, GError **error)
{
    VmmVm *vm = self;

    g_mutex_lock(&vm->lock);
    vm->is_paused = FALSE;
    g_cond_broadcast(&vm->go_on);
    g_mutex_unlock(&vm->lock);
    return TRUE;
}

static gboolean
vm_pause(gpointer self, VmmKvmRegisters *registers, GError **error)
{
    VmmVm *vm = self;
    gboolean done;

    g_mutex_lock(&vm->lock);
    vm->is_paused = TRUE;
    done = ask(vm, 0, vm->n_vcpus, error);
    for (guint i = 0; done && i < vm->n_vcpus; i++)
        registers[i] = vm->cpus[i].registers;
    g_mutex_unlock(&vm->lock);
    if (!done)
        vm_resume(vm, NULL);
    return done;
}

gboolean
vmm_vm_stop(VmmVm *vm, VmmVcpu *registers, GError **error)
{
    VmmKvmRegisters told[VMM_KVM_MAX_VCPUS];

    if (!vm_pause(vm, told, error))
        return FALSE;
    for (guint i = 0; i < vm->n_vcpus; i++)
        registers[i] = vmm_kvm_registers_vcpu(&told[i], i);
    return TRUE;
}

static gboolean
vm_peek(gpointer self, guint index, VmmKvmRegisters *registers, GError **error)
{
    VmmVm *vm = self;
    gboolean done;

    g_mutex_lock(&vm->lock);
    done = ask(vm, index, 1, error);
    *registers = vm->cpus[index].registers;
    g_mutex_unlock(&vm->lock);
    return done;
}

static gboolean
vm_read(gpointer self, guint64 pa, void *buffer, gsize length, GError **error)
{
    memcpy(buffer, vmm_vm_bytes(self, pa, length), length);
    return TRUE;
}

static gboolean
vm_write(gpointer self, guint64 pa, const void *data, gsize length, GError **error)
{
    memcpy(vmm_vm_bytes(self, pa, length), data, length);
    return TRUE;
}

static gboolean
vm_inject_nmi(gpointer self, GError **error)
{
    VmmVm *vm = self;

    g_mutex_lock(&vm->lock);
    for (guint i = 0; i < vm->n_vcpus; i++)
        vm->cpus[i].is_sent_nmi = TRUE;
    g_mutex_unlock(&vm->lock);
    return TRUE;
}

static const VmmControlOps vm_control_ops = {
    .peek = vm_peek,
    .pause = vm_pause,
    .resume = vm_resume,
    .read = vm_read,
    .write = vm_write,
    .inject_nmi = vm_inject_nmi,
};

gboolean
vmm_vm_describe(VmmVm *vm, VmmControlled *machine, GError **error)
{
    g_autofree char *memory = g_strdup_printf("/proc/self/fd/%d", vm->memory_fd);

    if (vm->reading_fd < 0)
        vm->reading_fd = open(memory, O_RDONLY | O_CLOEXEC);
    if (vm->reading_fd < 0)
        return set_errno_error(error, "open the guest's memory once more");
    *machine = (VmmControlled) {
        .ops = &vm_control_ops, .self = vm, .n_vcpus = vm->n_vcpus, .memory_fd = vm->reading_fd,
    };
    machine->n_regions = vmm_vm_regions(vm, &machine->regions);
    return TRUE;
}
