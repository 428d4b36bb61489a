/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record-guest GUEST FILE UPDATE: keeps what introspection reads of a running guest, and what planning to apply UPDATE
 * does, for fuzzers to damage. Writes each patch record that is installed into FILE.1, FILE.2..., as fuzz-record has it.
 */
#include <stdio.h>

#include "introspect/log.h"
#include "introspect/pulse.h"
#include "introspect/sleeping.h"
#include "patcher/arena.h"
#include "tests/fuzz/guest-record.h"
#include "tests/fuzz/looks.h"

static gboolean
look_at_all(const IntroKernel *kernel, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    g_autoptr(GPtrArray) tasks = intro_tasks(kernel, error);
    g_autoptr(GArray) holes = tasks != NULL ? intro_kernel_holes(kernel, error) : NULL;
    g_autoptr(GPtrArray) log = holes != NULL ? intro_log_read(kernel, 0, error) : NULL;
    g_autoptr(IntroPulse) pulse = log != NULL ? intro_pulse_new(kernel, error) : NULL;
    gboolean has;

    if (pulse == NULL || !intro_kernel_has_cpu_feature(kernel, 0, &has, error))
        return FALSE;
    for (guint i = 0; i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];
        g_autoptr(IntroStack) stack = task->stack != 0 ? intro_stack_of_task(kernel, task, NULL) : NULL;
    }
    for (guint i = 0; i < n_vcpus; i++) {
        g_autoptr(IntroStack) stack = intro_stack_of_vcpu(kernel, &vcpus[i], error);

        if (stack == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean
save_record(const PatchRecord *record, const char *path, GError **error)
{
    const guint32 words[] = { record->block.length / PATCH_PAGE_BYTES - 1, PATCH_STATE_INSTALLED };
    g_autoptr(GByteArray) seed = g_byte_array_new();
    g_autoptr(GBytes) body = patch_record_save(record);

    g_byte_array_append(seed, (const guint8 *) &record->block.va, sizeof record->block.va);
    g_byte_array_append(seed, (const guint8 *) words, sizeof words);
    g_byte_array_append(seed, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
    return g_file_set_contents(path, (const char *) seed->data, seed->len, error);
}

static gboolean
save_records(const IntroKernel *kernel, const char *path, GError **error)
{
    g_autoptr(PatchArena) arena = patch_arena_open(kernel, error);
    const GPtrArray *records = arena ? patch_arena_records(arena) : NULL;

    for (guint i = 0; records && i < records->len; i++) {
        g_autofree char *file = g_strdup_printf("%s.%u", path, i + 1);

        if (!save_record(records->pdata[i], file, error))
            return FALSE;
    }
    return records != NULL;
}

static gboolean
record_guest(const char *name, const char *path, const PatchUpdate *update, GError **error)
{
    g_autoptr(VmmMachine) machine = vmm_machine_open(name, NULL, error);
    g_autoptr(VmmPause) pause = machine != NULL ? vmm_pause_begin(machine, error) : NULL;
    g_autoptr(GuestRecord) record = NULL;
    g_autoptr(IntroKernel) kernel = NULL;
    const VmmVcpu *vcpus;
    guint n_vcpus;

    if (pause == NULL)
        return FALSE;
    vcpus = vmm_pause_vcpus(pause, &n_vcpus);
    record = guest_record_new(vmm_machine_reader(machine), vcpus, n_vcpus);
    kernel = intro_kernel_attach(guest_record_reader(record), error);
    if (kernel == NULL || !look_at_all(kernel, vcpus, n_vcpus, error))
        return FALSE;
    look_at_condition(kernel);
    look_at_updates(kernel, update);
    return save_records(kernel, path, error) && guest_record_save(record, path, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(PatchUpdate) update = NULL;
    g_autoptr(GError) error = NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: record-guest GUEST FILE UPDATE\n");
        return 2;
    }
    update = patch_update_read_file(argv[3], &error);
    if (update != NULL && record_guest(argv[1], argv[2], update, &error))
        return 0;
    fprintf(stderr, "record-guest: %s\n", error->message);
    return 1;
}
