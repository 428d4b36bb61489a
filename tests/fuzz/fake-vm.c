/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fake-vm.h"

#include <sys/mman.h>
#include <unistd.h>

struct VmmVm {
    int memory_fd;
    guint8 *memory;             /* on the heap, so that whatever lies outside of it is noticed */
    gboolean paused;
};

VmmVm *
fake_vm_new(void)
{
    VmmVm *vm = g_new0(VmmVm, 1);

    vm->memory_fd = memfd_create("memory", MFD_CLOEXEC);
    if (ftruncate(vm->memory_fd, FAKE_VM_BYTES) != 0)
        g_error("no memory");
    vm->memory = g_malloc0(FAKE_VM_BYTES);
    return vm;
}

gboolean
fake_vm_is_paused(const VmmVm *vm)
{
    return vm->paused;
}

guint
vmm_vm_n_vcpus(const VmmVm *vm)
{
    return 2;
}

int
vmm_vm_memory_fd(const VmmVm *vm)
{
    return vm->memory_fd;
}

guint
vmm_vm_regions(const VmmVm *vm, VmmKvmRegion regions[2])
{
    regions[0] = (VmmKvmRegion) { 0, FAKE_VM_BYTES, 0 };
    return 1;
}

guint8 *
vmm_vm_bytes(VmmVm *vm, guint64 pa, guint64 length)
{
    return pa <= FAKE_VM_BYTES && length <= FAKE_VM_BYTES - pa ? vm->memory + pa : NULL;
}

gboolean
vmm_vm_pause(VmmVm *vm, VmmKvmRegisters *registers, GError **error)
{
    g_assert_false(vm->paused);
    vm->paused = TRUE;
    for (guint i = 0; i < vmm_vm_n_vcpus(vm); i++)
        registers[i] = (VmmKvmRegisters) { 0 };
    return TRUE;
}

void
vmm_vm_resume(VmmVm *vm)
{
    g_assert_true(vm->paused);
    vm->paused = FALSE;
}

gboolean
vmm_vm_peek(VmmVm *vm, guint index, VmmKvmRegisters *registers, GError **error)
{
    *registers = (VmmKvmRegisters) { 0 };
    return TRUE;
}

void
vmm_vm_inject_nmi(VmmVm *vm)
{
    g_assert_true(vm->paused);
}
