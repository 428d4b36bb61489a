/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/core-file.h"
#include "vmm/core-write.h"
#include "vmm/file.h"
#include "vmm/journal.h"
#include "vmm/socket.h"

#define STATE_VERSION 1
#define N_CHIPS 3
#define MAX_MSRS 512
#define MAX_WITHOUT 256

typedef struct {
    guint32 version, n_vcpus;
    guint64 memory_bytes;
    char without[MAX_WITHOUT];
    struct kvm_irqchip chips[N_CHIPS];
    struct kvm_pit_state2 pit;
    struct kvm_clock_data clock;
    VmmSerialState serial;
} MachineNote;

typedef struct {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave xsave;
    struct kvm_xcrs xcrs;
    struct kvm_lapic_state lapic;
    struct kvm_vcpu_events events;
    struct kvm_debugregs debug;
    struct kvm_mp_state mp;
    guint32 n_msrs;
    struct kvm_msr_entry msrs[MAX_MSRS];
} VcpuNote;

struct VmmState {
    int fd;
    VmmCoreFile *file;
    const MachineNote *machine;     /* in FILE */
};

/* --- Saving */

/* Only one at a time shows which ones this processor does not have. */
static void
read_msrs(VmmVm *vm, guint index, VcpuNote *note)
{
    struct {
        struct kvm_msr_list list;
        guint32 numbers[MAX_MSRS];
    } all = { .list.nmsrs = MAX_MSRS };

    if (ioctl(vmm_vm_kvm_fd(vm), KVM_GET_MSR_INDEX_LIST, &all) != 0)
        return;
    for (guint i = 0; i < all.list.nmsrs; i++) {
        struct {
            struct kvm_msrs list;
            struct kvm_msr_entry entry;
        } one = { .list.nmsrs = 1, .entry.index = all.list.indices[i] };

        if (ioctl(vmm_vm_vcpu_fd(vm, index), KVM_GET_MSRS, &one) == 1)
            note->msrs[note->n_msrs++] = one.entry;
    }
}

static gboolean
read_vcpu(VmmVm *vm, guint index, VcpuNote *note, GError **error)
{
    int fd = vmm_vm_vcpu_fd(vm, index);

    if (ioctl(fd, KVM_GET_MP_STATE, &note->mp) != 0 || ioctl(fd, KVM_GET_REGS, &note->regs) != 0
        || ioctl(fd, KVM_GET_SREGS, &note->sregs) != 0 || ioctl(fd, KVM_GET_XSAVE, &note->xsave) != 0
        || ioctl(fd, KVM_GET_XCRS, &note->xcrs) != 0 || ioctl(fd, KVM_GET_LAPIC, &note->lapic) != 0
        || ioctl(fd, KVM_GET_DEBUGREGS, &note->debug) != 0 || ioctl(fd, KVM_GET_VCPU_EVENTS, &note->events) != 0)
        return vmm_vm_set_kvm_error("save a vCPU", error);
    read_msrs(vm, index, note);
    return TRUE;
}

static gboolean
read_machine(VmmVm *vm, VmmSerial *serial, const char *without, MachineNote *note, GError **error)
{
    int fd = vmm_vm_fd(vm);

    note->version = STATE_VERSION;
    note->n_vcpus = vmm_vm_n_vcpus(vm);
    note->memory_bytes = vmm_vm_memory_bytes(vm);
    note->serial = vmm_serial_state(serial);
    if (without != NULL && g_strlcpy(note->without, without, MAX_WITHOUT) >= MAX_WITHOUT) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "more processor features are left out than can be saved");
        return FALSE;
    }
    for (guint i = 0; i < N_CHIPS; i++) {
        note->chips[i].chip_id = i;
        if (ioctl(fd, KVM_GET_IRQCHIP, &note->chips[i]) != 0)
            return vmm_vm_set_kvm_error("save an interrupt controller", error);
    }
    if (ioctl(fd, KVM_GET_PIT2, &note->pit) != 0 || ioctl(fd, KVM_GET_CLOCK, &note->clock) != 0)
        return vmm_vm_set_kvm_error("save the timer", error);
    return TRUE;
}

static gboolean
read_memory(gpointer data, GuestPa pa, void *buffer, gsize length, GError **error)
{
    memcpy(buffer, vmm_vm_bytes(data, pa.value, length), length);
    return TRUE;
}

static gboolean
write_file(VmmVm *vm, const VmmCoreSource *parts, const char *path, GError **error)
{
    const VmmKvmRegion *regions;
    VmmRange ranges[2];
    VmmCoreSource source = *parts;
    VMM_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "%s: %s", path, g_strerror(errno));
        return FALSE;
    }
    source.n_ranges = vmm_vm_regions(vm, &regions);
    for (guint i = 0; i < source.n_ranges; i++)
        ranges[i] = (VmmRange) { guest_pa(regions[i].pa), regions[i].length };
    source.ranges = ranges;
    source.read = read_memory;
    source.data = vm;
    if (vmm_core_write(fd, &source, error))
        return TRUE;
    unlink(path);
    return FALSE;
}

gboolean
vmm_state_save(VmmVm *vm, VmmSerial *serial, const char *without, const char *path, GError **error)
{
    guint n = vmm_vm_n_vcpus(vm);
    g_autofree MachineNote *machine = g_new0(MachineNote, 1);
    g_autofree VcpuNote *vcpus = g_new0(VcpuNote, n);
    g_autofree VmmVcpu *registers = g_new0(VmmVcpu, n);
    g_autofree VmmCoreNote *notes = g_new0(VmmCoreNote, n + 1);
    const VmmCoreSource source = { .vcpus = registers, .n_vcpus = n, .notes = notes, .n_notes = n + 1 };

    if (!vmm_vm_stop(vm, registers, error) || !read_machine(vm, serial, without, machine, error))
        return FALSE;
    notes[0] = (VmmCoreNote) { VMM_MACHINE_NOTE_OWNER, 0, machine, sizeof *machine };
    for (guint i = 0; i < n; i++) {
        if (!read_vcpu(vm, i, &vcpus[i], error))
            return FALSE;
        notes[i + 1] = (VmmCoreNote) { VMM_MACHINE_NOTE_OWNER, i + 1, &vcpus[i], sizeof vcpus[i] };
    }
    return write_file(vm, &source, path, error);
}

/* --- Restoring */

static const void *
note_of_size(const VmmState *state, guint index, gsize length)
{
    GPtrArray *notes = state->file->machine_notes;
    gsize found;
    const void *data = index < notes->len ? g_bytes_get_data(notes->pdata[index], &found) : NULL;

    return data != NULL && found == length ? data : NULL;
}

static gboolean
check_state(VmmState *state, GError **error)
{
    const MachineNote *machine = state->machine = note_of_size(state, 0, sizeof *machine);
    gboolean sound = machine != NULL && machine->version == STATE_VERSION && machine->n_vcpus >= 1
                     && machine->n_vcpus <= VMM_KVM_MAX_VCPUS && memchr(machine->without, '\0', MAX_WITHOUT) != NULL
                     && state->file->vcpus->len == machine->n_vcpus;

    for (guint i = 0; sound && i < machine->n_vcpus; i++) {
        const VcpuNote *vcpu = note_of_size(state, i + 1, sizeof *vcpu);

        sound = vcpu != NULL && vcpu->n_msrs <= MAX_MSRS;
    }
    if (!sound)
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "this is no machine that this version of virt-livepatch-kvm has saved");
    return sound;
}

static gboolean
check_whole(const char *path, GError **error)
{
    g_autoptr(VmmJournal) journal = vmm_journal_new(path);

    if (!vmm_journal_is_there(journal))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "somebody was killed while changing %s: have 'virt-livepatch recover "
                "saved:%s' take back what was half done", path, path);
    return FALSE;
}

VmmState *
vmm_state_open(const char *path, GError **error)
{
    g_autoptr(VmmState) state = g_new0(VmmState, 1);

    state->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (state->fd < 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    if (flock(state->fd, LOCK_SH | LOCK_NB) != 0) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_BUSY, "%s is being changed; try again afterwards", path);
        return NULL;
    }
    if (!check_whole(path, error))
        return NULL;
    state->file = vmm_core_file_new(state->fd, error);
    return state->file != NULL && check_state(state, error) ? g_steal_pointer(&state) : NULL;
}

void
vmm_state_free(VmmState *state)
{
    if (state == NULL)
        return;
    vmm_core_file_free(state->file);
    vmm_fd_clear(&state->fd);
    g_free(state);
}

void
vmm_state_describe(const VmmState *state, VmmVmSetup *setup)
{
    setup->n_vcpus = state->machine->n_vcpus;
    setup->memory_bytes = state->machine->memory_bytes;
    setup->without = *state->machine->without != '\0' ? state->machine->without : NULL;
}

static gboolean
load_memory(const VmmState *state, VmmVm *vm, GError **error)
{
    for (guint i = 0; i < state->file->segments->len; i++) {
        const VmmCoreSegment *segment = &g_array_index(state->file->segments, VmmCoreSegment, i);
        guint8 *bytes = vmm_vm_bytes(vm, segment->range.start.value, segment->range.length);

        if (bytes == NULL || !vmm_file_read(state->fd, segment->offset, bytes, segment->range.length)) {
            g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, "the saved machine's memory cannot be read");
            return FALSE;
        }
    }
    return TRUE;
}

/* One that cannot be set has to have its value already. */
static gboolean
write_msrs(int fd, const VcpuNote *note, GError **error)
{
    for (guint i = 0; i < note->n_msrs; i++) {
        struct {
            struct kvm_msrs list;
            struct kvm_msr_entry entry;
        } one = { .list.nmsrs = 1, .entry = note->msrs[i] };

        if (ioctl(fd, KVM_SET_MSRS, &one) == 1)
            continue;
        if (ioctl(fd, KVM_GET_MSRS, &one) == 1 && one.entry.data == note->msrs[i].data)
            continue;
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "this host's KVM cannot set the model-specific register 0x%x "
                    "as the guest had it", note->msrs[i].index);
        return FALSE;
    }
    return TRUE;
}

static gboolean
write_vcpu(int fd, const VcpuNote *note, GError **error)
{
    if (ioctl(fd, KVM_SET_SREGS, &note->sregs) != 0 || ioctl(fd, KVM_SET_REGS, &note->regs) != 0
        || ioctl(fd, KVM_SET_XCRS, &note->xcrs) != 0 || ioctl(fd, KVM_SET_XSAVE, &note->xsave) != 0)
        return vmm_vm_set_kvm_error("restore a vCPU's registers", error);
    if (!write_msrs(fd, note, error))
        return FALSE;
    if (ioctl(fd, KVM_SET_LAPIC, &note->lapic) != 0 || ioctl(fd, KVM_SET_DEBUGREGS, &note->debug) != 0
        || ioctl(fd, KVM_SET_VCPU_EVENTS, &note->events) != 0 || ioctl(fd, KVM_SET_MP_STATE, &note->mp) != 0)
        return vmm_vm_set_kvm_error("restore a vCPU", error);
    return TRUE;
}

static gboolean
write_machine(VmmVm *vm, const MachineNote *note, GError **error)
{
    const struct kvm_clock_data clock = { .clock = note->clock.clock };
    int fd = vmm_vm_fd(vm);

    for (guint i = 0; i < N_CHIPS; i++)
        if (ioctl(fd, KVM_SET_IRQCHIP, &note->chips[i]) != 0)
            return vmm_vm_set_kvm_error("restore an interrupt controller", error);
    if (ioctl(fd, KVM_SET_PIT2, &note->pit) != 0 || ioctl(fd, KVM_SET_CLOCK, &clock) != 0)
        return vmm_vm_set_kvm_error("restore the timer", error);
    return TRUE;
}

gboolean
vmm_state_load(const VmmState *state, VmmVm *vm, VmmSerial *serial, GError **error)
{
    if (!load_memory(state, vm, error) || !write_machine(vm, state->machine, error))
        return FALSE;
    for (guint i = 0; i < state->machine->n_vcpus; i++)
        if (!write_vcpu(vmm_vm_vcpu_fd(vm, i), note_of_size(state, i + 1, sizeof(VcpuNote)), error))
            return FALSE;
    vmm_serial_set_state(serial, &state->machine->serial);
    return TRUE;
}
