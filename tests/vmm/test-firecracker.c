/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/vmm/firecracker-writer.h"
#include "vmm/firecracker.h"
#include "vmm/socket.h"

#define MEMORY_BYTES (3 * 4096)

static const VmmRange ranges[] = { { { 0 }, 2 * 4096 }, { { 1ULL << 32 }, 4096 } };
static VmmVcpu vcpus[2];

static FirecrackerState
sample(guint release)
{
    return (FirecrackerState) {
        .release = release, .vcpus = vcpus, .n_vcpus = G_N_ELEMENTS(vcpus), .ranges = ranges, .n_ranges = 2,
    };
}

/* Every register has a value of its own. */
static void
fill_vcpus(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(vcpus); i++) {
        vcpus[i] = (VmmVcpu) {
            .index = i, .rip = 0x100 + i, .eflags = 0x200 + i, .cs = 0x10, .ss = 0x18 + i, .fs_base = 0x300 + i,
            .gs_base = 0x400 + i, .kernel_gs_base = 0x500 + i, .cr0 = 0x600 + i, .cr3 = 0x700 + i, .cr4 = 0x800 + i,
            .efer = 0x900 + i,
        };
        for (guint j = 0; j < VMM_N_GPR; j++)
            vcpus[i].gpr[j] = 0x1000 * (i + 1) + j;
    }
}

static int
file_of(const void *data, gsize length)
{
    int fd = memfd_create("state", MFD_CLOEXEC);

    g_assert_cmpint(write(fd, data, length), ==, length);
    return fd;
}

static VmmCoreFile *
read_bytes(const GByteArray *bytes, GError **error)
{
    VMM_AUTO_FD int fd = file_of(bytes->data, bytes->len);

    return vmm_firecracker_read(fd, MEMORY_BYTES, error);
}

static void
test_reads(gconstpointer data)
{
    const FirecrackerState state = sample(GPOINTER_TO_UINT(data));
    g_autoptr(GByteArray) bytes = firecracker_state_write(&state);
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmCoreFile) file = read_bytes(bytes, &error);
    const VmmCoreSegment *segments;

    g_assert_no_error(error);
    segments = (const VmmCoreSegment *)(gpointer)file->segments->data;
    g_assert_cmpuint(file->segments->len, ==, 2);
    g_assert_cmphex(segments[1].range.start.value, ==, 1ULL << 32);
    g_assert_cmphex(segments[1].range.length, ==, 4096);
    g_assert_cmphex(segments[1].offset, ==, 2 * 4096);
    g_assert_cmpuint(file->vcpus->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        VmmVcpu seen = g_array_index(file->vcpus, VmmVcpu, i);

        g_assert_cmpmem(&seen, sizeof seen, &vcpus[i], sizeof seen);
    }
}

static void
assert_refused(const GByteArray *bytes, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(read_bytes(bytes, &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
test_every_byte_counts(void)
{
    const FirecrackerState state = sample(14);
    g_autoptr(GByteArray) bytes = firecracker_state_write(&state);

    for (guint i = 0; i < bytes->len; i += 7) {
        g_autoptr(GError) error = NULL;

        bytes->data[i] ^= 0x10;
        g_assert_null(read_bytes(bytes, &error));
        g_assert_true(g_error_matches(error, VMM_ERROR, VMM_ERROR_PROTOCOL)
                      || g_error_matches(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED));
        bytes->data[i] ^= 0x10;
    }
    for (guint length = 0; length < bytes->len; length += 101) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        g_byte_array_append(cut, bytes->data, length);
        g_assert_null(read_bytes(cut, &error));
        g_assert_nonnull(error);
    }
}

/* With the right checksum, as someone who means it would make it. */
static void
test_hostile(void)
{
    FirecrackerState state = sample(13);
    g_autoptr(GByteArray) bytes = firecracker_state_write(&state);

    for (guint i = 21; i + 16 < bytes->len; i += 13) {
        guint64 before, huge = G_MAXUINT64 >> (i % 40);

        memcpy(&before, bytes->data + i, sizeof before);
        memcpy(bytes->data + i, &huge, sizeof huge);
        firecracker_state_seal(bytes);
        vmm_core_file_free(read_bytes(bytes, NULL));
        memcpy(bytes->data + i, &before, sizeof before);
    }
}

/* The version is what is left of the file, and some or all of the checksum too, which nothing may be read of. */
static void
test_version_to_the_end(void)
{
    const FirecrackerState state = sample(14);
    const gsize header = 2 * sizeof(guint64);

    for (guint64 n = 9; n <= 16; n++) {
        g_autoptr(GByteArray) bytes = firecracker_state_write(&state);

        memcpy(bytes->data + sizeof(guint64), &n, sizeof n);
        g_byte_array_set_size(bytes, header + 8 + sizeof(guint64));
        firecracker_state_seal(bytes);
        assert_refused(bytes, VMM_ERROR_UNSUPPORTED);
    }
}

static void
test_other_versions(void)
{
    const char *const versions[] = { "5.0.0", "7.0.0", "9.0.0", "88.0.0", "", "x.0.0" };

    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        FirecrackerState state = sample(14);
        g_autoptr(GByteArray) bytes = NULL;

        state.version = versions[i];
        bytes = firecracker_state_write(&state);
        assert_refused(bytes, VMM_ERROR_UNSUPPORTED);
    }
}

/* Firecracker 1.13 and 1.14 call theirs by the same version. */
static void
test_other_contents(void)
{
    FirecrackerState state = sample(12);
    const VmmRange overlapping[] = { { { 0 }, 2 * 4096 }, { { 4096 }, 4096 } };
    g_autoptr(GByteArray) other = NULL, overlap = NULL, none = NULL, pluggable = NULL;

    state.version = "8.0.0";
    other = firecracker_state_write(&state);
    assert_refused(other, VMM_ERROR_PROTOCOL);
    state = sample(14);
    state.ranges = overlapping;
    overlap = firecracker_state_write(&state);
    assert_refused(overlap, VMM_ERROR_PROTOCOL);
    state = sample(14);
    state.n_vcpus = 0;
    none = firecracker_state_write(&state);
    assert_refused(none, VMM_ERROR_PROTOCOL);
    state = sample(14);
    state.is_pluggable = TRUE;
    pluggable = firecracker_state_write(&state);
    assert_refused(pluggable, VMM_ERROR_PROTOCOL);
}

static void
test_other_memory(void)
{
    const FirecrackerState state = sample(14);
    g_autoptr(GByteArray) bytes = firecracker_state_write(&state);
    VMM_AUTO_FD int fd = file_of(bytes->data, bytes->len);
    g_autoptr(GError) error = NULL;

    g_assert_null(vmm_firecracker_read(fd, MEMORY_BYTES + 4096, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
}

/* MEMORY,STATE as a machine that is looked at and changed. */
static void
test_machine(void)
{
    const FirecrackerState state = sample(14);
    g_autoptr(GByteArray) bytes = firecracker_state_write(&state);
    g_autofree guint8 *memory = g_malloc0(MEMORY_BYTES);
    VMM_AUTO_FD int state_fd = file_of(bytes->data, bytes->len);
    g_autofree char *path = NULL;       /* a journal has to have its place beside it */
    VMM_AUTO_FD int memory_fd = g_file_open_tmp("memory-XXXXXX", &path, NULL);
    g_autofree char *name = g_strdup_printf("saved:%s,/proc/self/fd/%d", path, state_fd);
    g_autofree char *alone = g_strdup_printf("saved:%s", path);
    g_autofree char *no_state = g_strconcat(alone, ",/nonexistent/state", NULL);
    const VmmChunk chunk = { { (1ULL << 32) + 16 }, "changed", 7 };
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmMachine) machine = NULL;
    g_autoptr(VmmPause) pause = NULL;
    char seen[7];

    g_assert_cmpint(write(memory_fd, memory, MEMORY_BYTES), ==, MEMORY_BYTES);
    machine = vmm_machine_open(name, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(vmm_machine_is_saved(machine));
    pause = vmm_pause_begin(machine, NULL);
    g_assert_true(vmm_pause_write(pause, &chunk, 1, NULL));
    g_assert_cmpint(pread(memory_fd, seen, sizeof seen, 2 * 4096 + 16), ==, sizeof seen);
    g_assert_cmpmem(seen, sizeof seen, "changed", 7);
    g_assert_null(vmm_machine_open(alone, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "MEMORY,STATE"));
    g_clear_error(&error);
    g_assert_null(vmm_machine_open(no_state, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_NOT_FOUND);
    vmm_pause_free(g_steal_pointer(&pause));
    unlink(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fill_vcpus();
    g_test_add_data_func("/vmm/firecracker/1.12", GUINT_TO_POINTER(12), test_reads);
    g_test_add_data_func("/vmm/firecracker/1.13", GUINT_TO_POINTER(13), test_reads);
    g_test_add_data_func("/vmm/firecracker/1.14", GUINT_TO_POINTER(14), test_reads);
    g_test_add_func("/vmm/firecracker/every-byte-counts", test_every_byte_counts);
    g_test_add_func("/vmm/firecracker/hostile", test_hostile);
    g_test_add_func("/vmm/firecracker/version-to-the-end", test_version_to_the_end);
    g_test_add_func("/vmm/firecracker/other-versions", test_other_versions);
    g_test_add_func("/vmm/firecracker/other-contents", test_other_contents);
    g_test_add_func("/vmm/firecracker/other-memory", test_other_memory);
    g_test_add_func("/vmm/firecracker/machine", test_machine);
    return g_test_run();
}
