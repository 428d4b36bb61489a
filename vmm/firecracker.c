/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/firecracker.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/file.h"
#include "vmm/kvm-registers.h"

#define MAGIC 0x0710198486640000ULL
#define CRC_BYTES 8
#define CRC_POLYNOMIAL 0x95ac9329ac4bc9b5ULL    /* Jones, reflected */
#define MAX_STATE_BYTES (10 << 20)              /* as Firecracker itself has it */
#define MAX_STRING 4096
#define MAX_LIST 65536
#define MAX_REGIONS 64
#define MAX_DEPTH 64                            /* of a balanced tree */
#define N_CHIPS 3

/* What differs between versions. */
typedef struct {
    guint major;
    guint n_allocators;             /* of addresses, in the resource allocator; 0: there is none */
    gboolean has_region_types;
} Layout;

static const Layout layouts[] = { { 6, 0, FALSE }, { 8, 4, FALSE }, { 8, 5, TRUE } };

/* Once something was not there, or not as it has to be, FAILED stays TRUE and nothing more is read. */
typedef struct {
    const guint8 *at;
    gsize left;
    gboolean failed;
} Reader;

static void
take(Reader *reader, void *buffer, gsize length)
{
    reader->failed |= length > reader->left;
    if (reader->failed) {
        if (buffer != NULL)
            memset(buffer, 0, length);
        return;
    }
    if (buffer != NULL)
        memcpy(buffer, reader->at, length);
    reader->at += length;
    reader->left -= length;
}

static guint64
take_u64(Reader *reader)
{
    guint64 value;

    take(reader, &value, sizeof value);
    return GUINT64_FROM_LE(value);
}

static guint32
take_u32(Reader *reader)
{
    guint32 value;

    take(reader, &value, sizeof value);
    return GUINT32_FROM_LE(value);
}

/* A byte that says whether something is so, or follows. */
static gboolean
take_flag(Reader *reader)
{
    guint8 value;

    take(reader, &value, 1);
    reader->failed |= value > 1;
    return value == 1 && !reader->failed;
}

/* How many follow; 0 after a failure. */
static guint64
take_count(Reader *reader, guint64 max)
{
    guint64 n = take_u64(reader);

    reader->failed |= n > max;
    return reader->failed ? 0 : n;
}

static void
skip_string(Reader *reader)
{
    take(reader, NULL, take_count(reader, MAX_STRING));
}

/* One of KVM's structures. Whatever else follows in a list of them has its own length. */
static void
take_structure(Reader *reader, void *buffer, gsize length)
{
    reader->failed |= take_u64(reader) != length;
    take(reader, buffer, length);
}

/* --- Up to the vCPUs */

static void
skip_machine(Reader *reader)
{
    take_u64(reader);                   /* memory in MiB */
    take_flag(reader);                  /* SMT */
    take_u32(reader);                   /* CPU template */
    skip_string(reader);                /* the kernel's path */
    for (guint i = 0; i < 2; i++)       /* the initrd's, and the command line */
        if (take_flag(reader))
            skip_string(reader);
    take_u32(reader);                   /* kind of pages */
    for (guint64 n = take_count(reader, MAX_LIST); n > 0; n--)
        skip_string(reader);            /* a capability of KVM's */
}

static void
take_regions(Reader *reader, const Layout *layout, VmmCoreFile *file)
{
    guint64 offset = 0, end = 0;

    for (guint64 n = take_count(reader, MAX_REGIONS); n > 0; n--) {
        VmmCoreSegment segment = { .offset = offset };

        segment.range.start = guest_pa(take_u64(reader));
        segment.range.length = take_u64(reader);
        /* Ascending, without overlaps; and all of it there, which memory that is plugged in later need not be. */
        reader->failed |= segment.range.start.value < end || segment.range.length == 0
                          || segment.range.length > G_MAXINT64 || segment.range.start.value > G_MAXINT64;
        if (layout->has_region_types) {
            reader->failed |= take_u32(reader) != 0;
            for (guint64 n_slots = take_count(reader, MAX_LIST); n_slots > 0; n_slots--)
                reader->failed |= !take_flag(reader);
        }
        end = segment.range.start.value + segment.range.length;
        offset += segment.range.length;
        g_array_append_val(file->segments, segment);
    }
}

static void
skip_tree(Reader *reader, guint depth)
{
    reader->failed |= depth == 0;
    if (reader->failed)
        return;
    take(reader, NULL, 16);             /* from where to where */
    reader->failed |= take_u32(reader) > 1;     /* free or allocated */
    for (guint i = 0; i < 2; i++)
        if (take_flag(reader))
            skip_tree(reader, depth - 1);
    take_u64(reader);                   /* its height */
}

static void
skip_allocators(Reader *reader, const Layout *layout)
{
    if (layout->n_allocators == 0)
        return;
    for (guint i = 0; i < 2; i++) {     /* of interrupts */
        take_u32(reader);
        if (take_flag(reader))
            take_u32(reader);
        take_u32(reader);
        for (guint64 n = take_count(reader, MAX_LIST); n > 0; n--)
            take_u32(reader);
    }
    for (guint i = 0; i < layout->n_allocators; i++) {
        take(reader, NULL, 16);
        if (take_flag(reader))
            skip_tree(reader, MAX_DEPTH);
    }
}

static void
skip_devices_of_kvm(Reader *reader)
{
    take_structure(reader, NULL, sizeof(struct kvm_pit_state2));
    take_structure(reader, NULL, sizeof(struct kvm_clock_data));
    for (guint i = 0; i < N_CHIPS; i++)
        take_structure(reader, NULL, sizeof(struct kvm_irqchip));
}

/* --- vCPUs */

static void
skip_cpuid(Reader *reader)
{
    take_structure(reader, NULL, sizeof(struct kvm_cpuid2));
    for (guint64 n = take_count(reader, MAX_LIST); n > 0; n--)
        take_structure(reader, NULL, sizeof(struct kvm_cpuid_entry2));
}

static void
take_msrs(Reader *reader, guint64 *kernel_gs_base)
{
    gboolean seen = FALSE;

    for (guint64 n_lists = take_count(reader, MAX_LIST); n_lists > 0; n_lists--) {
        take_structure(reader, NULL, sizeof(struct kvm_msrs));
        for (guint64 n = take_count(reader, MAX_LIST); n > 0; n--) {
            struct kvm_msr_entry entry;

            take_structure(reader, &entry, sizeof entry);
            if (entry.index != VMM_MSR_KERNEL_GS_BASE)
                continue;
            *kernel_gs_base = entry.data;
            seen = TRUE;
        }
    }
    reader->failed |= !seen;
}

static void
take_vcpu(Reader *reader, VmmCoreFile *file)
{
    guint64 kernel_gs_base = 0;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    VmmKvmRegisters registers;
    VmmVcpu vcpu;

    skip_cpuid(reader);
    take_msrs(reader, &kernel_gs_base);
    take_structure(reader, NULL, sizeof(struct kvm_debugregs));
    take_structure(reader, NULL, sizeof(struct kvm_lapic_state));
    take_structure(reader, NULL, sizeof(struct kvm_mp_state));
    take_structure(reader, &regs, sizeof regs);
    take_structure(reader, &sregs, sizeof sregs);
    take_structure(reader, NULL, sizeof(struct kvm_vcpu_events));
    take_structure(reader, NULL, sizeof(struct kvm_xcrs));
    take_structure(reader, NULL, sizeof(guint64) + sizeof(struct kvm_xsave));
    take(reader, NULL, sizeof(guint32) * take_count(reader, MAX_LIST));     /* what xsave has beyond one page */
    if (take_flag(reader))
        take_u32(reader);               /* the clock's rate */
    if (reader->failed)
        return;
    registers = vmm_kvm_registers(&regs, &sregs, kernel_gs_base);
    vcpu = vmm_kvm_registers_vcpu(&registers, file->vcpus->len);
    g_array_append_val(file->vcpus, vcpu);
}

static VmmCoreFile *
read_as(const Layout *layout, Reader reader)
{
    g_autoptr(VmmCoreFile) file = vmm_core_file_new_empty();

    skip_machine(&reader);
    take_regions(&reader, layout, file);
    skip_allocators(&reader, layout);
    skip_devices_of_kvm(&reader);
    for (guint64 n = take_count(&reader, VMM_KVM_MAX_VCPUS); n > 0 && !reader.failed; n--)
        take_vcpu(&reader, file);
    return !reader.failed && file->segments->len > 0 && file->vcpus->len > 0 ? g_steal_pointer(&file) : NULL;
}

/* --- The file */

static guint64
crc64(const guint8 *bytes, gsize length)
{
    guint64 table[256], crc = 0;

    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        table[i] = i;
        for (guint bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? CRC_POLYNOMIAL : 0);
    }
    for (gsize i = 0; i < length; i++)
        crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return crc;
}

static gboolean
set_damaged(GError **error, const char *what)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the state file of Firecracker's snapshot is damaged: %s", what);
    return FALSE;
}

static guint8 *
read_whole(int fd, gsize *length, GError **error)
{
    struct stat facts;
    g_autofree guint8 *bytes = NULL;

    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size > MAX_STATE_BYTES) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "this is no state file of Firecracker's snapshot: it is none, or too large");
        return NULL;
    }
    *length = facts.st_size;
    bytes = g_malloc(*length + 1);
    if (!vmm_file_read(fd, 0, bytes, *length)) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the state file cannot be read: %s",
                    errno != 0 ? g_strerror(errno) : "it became shorter");
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

/* The header, and that the file is whole. */
static gboolean
check_file(const guint8 *bytes, gsize length, Reader *reader, guint *major, GError **error)
{
    char version[32] = "";
    guint64 n, number;
    char *end = NULL;

    *reader = (Reader) { .at = bytes, .left = length - MIN(length, CRC_BYTES) };
    if (take_u64(reader) != MAGIC || reader->failed) {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "this is no state file of Firecracker's snapshot of an x86-64 machine");
        return FALSE;
    }
    n = take_count(reader, sizeof version - 1);
    take(reader, version, n);
    number = g_ascii_strtoull(version, &end, 10);
    /* Earlier and later ones have the version elsewhere. */
    if (reader->failed || end == version || *end != '.') {
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED,
                            "the state file of Firecracker's snapshot is of a format that is not known: those of Firecracker "
                            "1.12 to 1.14 are");
        return FALSE;
    }
    if (crc64(bytes, length) != 0)
        return set_damaged(error, "its checksum is wrong");
    *major = MIN(number, G_MAXUINT);
    return TRUE;
}

static gboolean
check_memory(const VmmCoreFile *file, guint64 memory_bytes, GError **error)
{
    const VmmCoreSegment *last = &g_array_index(file->segments, VmmCoreSegment, file->segments->len - 1);

    if (last->offset + last->range.length == memory_bytes)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the state file is of a guest with %" G_GUINT64_FORMAT " bytes of "
                "memory, the memory file has %" G_GUINT64_FORMAT ": they are not of the same snapshot",
                last->offset + last->range.length, memory_bytes);
    return FALSE;
}

VmmCoreFile *
vmm_firecracker_read(int state_fd, guint64 memory_bytes, GError **error)
{
    gsize length;
    g_autofree guint8 *bytes = read_whole(state_fd, &length, error);
    g_autoptr(VmmCoreFile) file = NULL;
    gboolean is_known = FALSE;
    Reader reader;
    guint major;

    if (bytes == NULL || !check_file(bytes, length, &reader, &major, error))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(layouts) && file == NULL; i++) {
        is_known |= layouts[i].major == major;
        if (layouts[i].major == major)
            file = read_as(&layouts[i], reader);
    }
    if (file != NULL)
        return check_memory(file, memory_bytes, error) ? g_steal_pointer(&file) : NULL;
    if (is_known)
        set_damaged(error, "it does not hold what its version has, or the guest has memory that was plugged in");
    else
        g_set_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED, "the state file of Firecracker's snapshot is of version %u, and "
                    "only 6 and 8 (of Firecracker 1.12 to 1.14) are known", major);
    return NULL;
}
