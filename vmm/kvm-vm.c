/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kvm-registers.h"
#include "vmm/kvm-vcpus.h"
#include "vmm/socket.h"

/* Where Intel's KVM may keep pages of its own, in the gap. */
#define TSS_ADDRESS 0xfffbd000
#define IDENTITY_MAP_ADDRESS 0xfffbc000ULL

struct VmmVm {
    int kvm_fd, fd, memory_fd;
    int reading_fd;             /* the memory as others get it: for reading */
    guint8 *memory;
    guint64 memory_bytes;
    VmmKvmRegion regions[2];    /* the second one may be empty */
    VmmVcpus *vcpus;
};

gboolean
vmm_vm_set_kvm_error(const char *what, GError **error)
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
        return vmm_vm_set_kvm_error("create a machine", error);
    if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) {
        errno = ENOSYS;
        return vmm_vm_set_kvm_error("stop vCPUs at once", error);
    }
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
        return vmm_vm_set_kvm_error("make the guest's memory", error);
    vm->memory = mmap(NULL, vm->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vm->memory_fd, 0);
    if (vm->memory == MAP_FAILED) {
        vm->memory = NULL;
        return vmm_vm_set_kvm_error("map the guest's memory", error);
    }
    for (guint i = 0; i < n; i++) {
        struct kvm_userspace_memory_region region = {
            .slot = i, .guest_phys_addr = regions[i].pa, .memory_size = regions[i].length,
            .userspace_addr = (guintptr)vm->memory + regions[i].offset,
        };

        if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) != 0)
            return vmm_vm_set_kvm_error("give the guest its memory", error);
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
        return vmm_vm_set_kvm_error("make interrupt controllers and timer", error);
    return TRUE;
}

VmmVm *
vmm_vm_new(const VmmVmSetup *setup, GError **error)
{
    g_autoptr(VmmVm) vm = g_new0(VmmVm, 1);

    vm->kvm_fd = vm->fd = vm->memory_fd = vm->reading_fd = -1;
    vm->memory_bytes = setup->memory_bytes;
    vm->regions[0] = (VmmKvmRegion) { 0, MIN(vm->memory_bytes, VMM_VM_GAP_START), 0 };
    vm->regions[1] = (VmmKvmRegion) { VMM_VM_GAP_END, vm->memory_bytes - vm->regions[0].length, vm->regions[0].length };
    if (!open_kvm(vm, error) || !make_memory(vm, error) || !make_controllers(vm, error))
        return NULL;
    vm->vcpus = vmm_vcpus_new(vm, vm->kvm_fd, vm->fd, setup, error);
    return vm->vcpus != NULL ? g_steal_pointer(&vm) : NULL;
}

void
vmm_vm_free(VmmVm *vm)
{
    if (vm == NULL)
        return;
    vmm_vcpus_free(vm->vcpus);
    if (vm->memory != NULL)
        munmap(vm->memory, vm->memory_bytes);
    vmm_fd_clear(&vm->memory_fd);
    vmm_fd_clear(&vm->reading_fd);
    vmm_fd_clear(&vm->fd);
    vmm_fd_clear(&vm->kvm_fd);
    g_free(vm);
}

void
vmm_vm_start(VmmVm *vm)
{
    vmm_vcpus_start(vm->vcpus);
}

void
vmm_vm_end(VmmVm *vm, const char *reason)
{
    vmm_vcpus_end(vm->vcpus, reason);
}

int
vmm_vm_end_fd(const VmmVm *vm)
{
    return vmm_vcpus_end_fd(vm->vcpus);
}

const char *
vmm_vm_end_reason(const VmmVm *vm)
{
    return vmm_vcpus_end_reason(vm->vcpus);
}

guint
vmm_vm_n_vcpus(const VmmVm *vm)
{
    return vmm_vcpus_n(vm->vcpus);
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
    return vmm_vcpus_fd(vm->vcpus, index);
}

guint64
vmm_vm_memory_bytes(const VmmVm *vm)
{
    return vm->memory_bytes;
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
    return ioctl(vmm_vm_vcpu_fd(vm, index), KVM_GET_SREGS, sregs) == 0 || vmm_vm_set_kvm_error("read registers", error);
}

gboolean
vmm_vm_set_up_vcpu(VmmVm *vm, guint index, const struct kvm_regs *regs, const struct kvm_sregs *sregs, GError **error)
{
    struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };
    int fd = vmm_vm_vcpu_fd(vm, index);

    if (ioctl(fd, KVM_SET_SREGS, sregs) != 0 || ioctl(fd, KVM_SET_REGS, regs) != 0
        || ioctl(fd, KVM_SET_MP_STATE, &state) != 0)
        return vmm_vm_set_kvm_error("set registers", error);
    return TRUE;
}

void
vmm_vm_set_irq(VmmVm *vm, guint irq, gboolean level)
{
    struct kvm_irq_level line = { .irq = irq, .level = level };

    ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

gboolean
vmm_vm_stop(VmmVm *vm, VmmVcpu *registers, GError **error)
{
    VmmKvmRegisters told[VMM_KVM_MAX_VCPUS];

    if (!vmm_vcpus_pause(vm->vcpus, told, error))
        return FALSE;
    for (guint i = 0; i < vmm_vcpus_n(vm->vcpus); i++)
        registers[i] = vmm_kvm_registers_vcpu(&told[i], i);
    return TRUE;
}

static gboolean
vm_pause(gpointer self, VmmKvmRegisters *registers, GError **error)
{
    VmmVm *vm = self;

    return vmm_vcpus_pause(vm->vcpus, registers, error);
}

static gboolean
vm_resume(gpointer self, GError **error)
{
    VmmVm *vm = self;

    vmm_vcpus_resume(vm->vcpus);
    return TRUE;
}

static gboolean
vm_peek(gpointer self, guint index, VmmKvmRegisters *registers, GError **error)
{
    VmmVm *vm = self;

    return vmm_vcpus_peek(vm->vcpus, index, registers, error);
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

    vmm_vcpus_send_nmi(vm->vcpus);
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
        return vmm_vm_set_kvm_error("open the guest's memory once more", error);
    *machine = (VmmControlled) {
        .ops = &vm_control_ops, .self = vm, .n_vcpus = vmm_vcpus_n(vm->vcpus), .memory_fd = vm->reading_fd,
    };
    machine->n_regions = vmm_vm_regions(vm, &machine->regions);
    return TRUE;
}
