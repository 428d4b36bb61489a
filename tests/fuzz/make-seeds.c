/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * make-seeds DIRECTORY: inputs for fuzzers to start from, of those that need no guest; each in a directory of its fuzzer's
 * name, which has to be there.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/patcher/diff-cases.h"
#include "tests/patcher/sample-update.h"
#include "tests/vmm/firecracker-writer.h"
#include "patcher/update-format.h"
#include "vmm/kvm-protocol.h"

static void
save(const char *directory, const char *fuzzer, const char *name, GByteArray *bytes)
{
    g_autofree char *path = g_build_filename(directory, fuzzer, name, NULL);
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, (const char *) bytes->data, bytes->len, &error))
        g_error("%s", error->message);
    g_byte_array_unref(bytes);
}

static void
add(GByteArray *to, gconstpointer data, gsize length)
{
    g_byte_array_append(to, data, length);
}

/* ---- Objects: both of a pair, the first one's length before them ---- */

static void
make_objects(const char *directory)
{
    for (gsize i = 0; i < diff_cases_n; i++) {
        g_autoptr(PatchElf) old_elf = diff_case_compile(directory, "gcc", "old", diff_cases[i].old_source);
        g_autoptr(PatchElf) new_elf = diff_case_compile(directory, "gcc", "new", diff_cases[i].new_source);
        GByteArray *seed = g_byte_array_new();
        guint32 length = g_bytes_get_size(old_elf->bytes);

        add(seed, &length, sizeof length);
        add(seed, g_bytes_get_data(old_elf->bytes, NULL), length);
        add(seed, g_bytes_get_data(new_elf->bytes, NULL), g_bytes_get_size(new_elf->bytes));
        save(directory, "fuzz-object", diff_cases[i].name, seed);
    }
}

static void
make_update(const char *directory)
{
    g_autoptr(PatchUpdate) update = sample_update_new();
    g_autoptr(GBytes) bytes = patch_update_save(update);
    GByteArray *seed = g_byte_array_new();

    add(seed, (const guint8 *) g_bytes_get_data(bytes, NULL) + PATCH_FILE_HEADER_BYTES,
        g_bytes_get_size(bytes) - PATCH_FILE_HEADER_BYTES);
    save(directory, "fuzz-update", "sample", seed);
}

/* ---- ORC: as fuzz-orc.c has them ---- */

static void
make_orc(const char *directory)
{
    enum { N_ENTRIES = 32, ENTRY_BYTES = 6, N_WORDS = 2 * 2048 / 8, SP = 6, BP = 5 };
    enum { END = 1, CALL = 2, REGS = 3, REGS_PARTIAL = 4 };
    const guint64 text = 0xffffffff81000000, stack = 0xffffc90000010000;
    const guint64 start[] = { text + 1, stack, stack + 0x100, 1 };
    GByteArray *seed = g_byte_array_new();

    for (guint i = 0; i < N_ENTRIES; i++) {
        guint kind = i == 31 ? END : i == 23 ? REGS_PARTIAL : i == 15 ? REGS : CALL;
        const guint8 entry[ENTRY_BYTES] = { 8 + i % 4 * 8, 0, i % 8 ? 0 : 0xf0, i % 8 ? 0 : 0xff, i % 7 ? SP : BP, kind };

        add(seed, entry, sizeof entry);
    }
    add(seed, start, sizeof start);
    for (guint i = 0; i < N_WORDS; i++) {
        guint64 word = i % 5 == 4 ? stack + 8 * i : text + i * 13;

        add(seed, &word, sizeof word);
    }
    save(directory, "fuzz-orc", "calls", seed);
}

/* ---- Both sides of a machine's control socket ---- */

static void
add_packet(GByteArray *to, guint32 request, guint64 value, gconstpointer payload, gsize length)
{
    const VmmKvmHeader header = { request, VMM_KVM_OK, value };
    guint16 whole = sizeof header + length;

    add(to, &whole, sizeof whole);
    add(to, &header, sizeof header);
    add(to, payload, length);
}

/* In the order in which fuzz-kvm.c asks. */
static void
make_answers(const char *directory)
{
    const struct {
        VmmKvmHello hello;
        VmmKvmRegion regions[2];
    } greeting = { { 2, 2 }, { { 0, 512 << 10, 0 }, { 1 << 20, 512 << 10, 512 << 10 } } };
    static const guint32 asked[] = {
        VMM_KVM_PEEK, VMM_KVM_PEEK, VMM_KVM_STATE, VMM_KVM_CLAIM, VMM_KVM_WILL_ADD, VMM_KVM_WILL_ADD, VMM_KVM_WILL_SET,
        VMM_KVM_PAUSE, VMM_KVM_WRITE, VMM_KVM_RESUME,
    };
    const VmmKvmRegisters registers[2] = { 0 };
    GByteArray *seed = g_byte_array_new();

    add_packet(seed, VMM_KVM_HELLO, VMM_KVM_VERSION, &greeting, sizeof greeting);
    for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
        gsize n = asked[i] == VMM_KVM_PEEK ? 1 : asked[i] == VMM_KVM_PAUSE ? 2 : 0;

        add_packet(seed, asked[i], 1, registers, n * sizeof registers[0]);
    }
    save(directory, "fuzz-kvm", "session", seed);
}

static void
make_requests(const char *directory)
{
    static const struct {
        guint8 step;            /* as in fuzz-kvm-control.c */
        guint32 request;
        guint64 value;
        gboolean has_piece;
    } steps[] = {
        { 0, VMM_KVM_HELLO, VMM_KVM_VERSION, FALSE }, { 1, VMM_KVM_STATE, 0, FALSE }, { 0, VMM_KVM_PEEK, 1, FALSE },
        { 0, VMM_KVM_CLAIM, 0, FALSE }, { 1, VMM_KVM_CLAIM, 0, FALSE }, { 0, VMM_KVM_WILL_ADD, 0, TRUE },
        { 0, VMM_KVM_WILL_ADD, 0, TRUE }, { 0, VMM_KVM_WILL_SET, 0, FALSE }, { 0, VMM_KVM_PAUSE, 0, FALSE },
        { 1, VMM_KVM_PAUSE, 0, FALSE }, { 0, VMM_KVM_WRITE, 0, TRUE }, { 0, VMM_KVM_INJECT_NMI, 0, FALSE },
        { 0, VMM_KVM_RESUME, 0, FALSE },
        { 1, VMM_KVM_PAUSE, 0, FALSE }, { 2, 0, 0, FALSE }, { 3, 0, 0, FALSE },
    };
    const struct {
        VmmKvmPiece piece;
        char bytes[4];
    } piece = { { 16, 4 }, "abcd" };
    GByteArray *seed = g_byte_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        add(seed, &steps[i].step, 1);
        add_packet(seed, steps[i].request, steps[i].value, &piece, steps[i].has_piece ? 20 : 0);
    }
    save(directory, "fuzz-kvm-control", "session", seed);
}

static void
make_states(const char *directory)
{
    static const VmmRange ranges[] = { { { 0 }, 4096 }, { { 1ULL << 32 }, 4096 } };
    const VmmVcpu vcpus[2] = { { .rip = 1 }, { .rip = 2 } };
    const guint64 memory_bytes = 2 * 4096;

    for (guint release = 12; release <= 14; release++) {
        const FirecrackerState state = {
            .release = release, .vcpus = vcpus, .n_vcpus = 2, .ranges = ranges, .n_ranges = 2,
        };
        g_autoptr(GByteArray) bytes = firecracker_state_write(&state);
        g_autofree char *name = g_strdup_printf("1.%u", release);
        GByteArray *seed = g_byte_array_new();

        add(seed, &memory_bytes, sizeof memory_bytes);
        add(seed, bytes->data, bytes->len - 8);
        save(directory, "fuzz-firecracker", name, seed);
    }
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make-seeds DIRECTORY\n");
        return 2;
    }
    make_objects(argv[1]);
    make_update(argv[1]);
    make_orc(argv[1]);
    make_answers(argv[1]);
    make_requests(argv[1]);
    make_states(argv[1]);
    return 0;
}
