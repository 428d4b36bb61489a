/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/obstacle.h"

#include "patcher/tables.h"

#define JUMP_BYTES 5
#define TRACER_BYTES 5

gboolean
patch_obstacle_always_sleeps(const char *name)
{
    /* What the stacks of idle tasks, kthreadd, kworkers and per-CPU threads hold in every kernel. */
    static const char *const names[] = {
        "__schedule", "schedule", "schedule_idle", "do_idle", "cpu_startup_entry", "kthreadd", "kthread",
        "worker_thread", "rescuer_thread", "smpboot_thread_fn", "rcu_gp_kthread", "rcu_gp_fqs_loop",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(names[i], name))
            return TRUE;
    return FALSE;
}

/* Bytes from the start of the function to where the jump goes: the start itself if it does not call the tracer. */
static guint64
jump_offset(const PatchEntries *entries, const PatchElfItem *item)
{
    const PatchTableEntry *tracer = patch_tables_tracer(entries->entries, item->section, item->offset, item->size);

    return tracer ? tracer->code_offset - item->offset + TRACER_BYTES : 0;
}

/* Bytes from the start of the function to that of the next: its own, and the padding behind it. */
static guint64
room(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);
    const PatchElfSection *section = patch_elf_section(elf, item->section);
    guint64 end = (section->size + section->alignment - 1) / section->alignment * section->alignment;

    for (guint i = 0; i < section->items->len; i++) {
        const PatchElfItem *other = patch_elf_item(elf, g_array_index(section->items, guint32, i));

        if (other->offset > item->offset && other->symbol >= 0) {
            end = other->offset;
            break;
        }
    }
    return end - item->offset;
}

char *
patch_obstacle(const PatchEntries *entries, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(entries->elf, number);
    const char *section = patch_elf_section(entries->elf, item->section)->name;
    guint64 offset = jump_offset(entries, item), bytes = room(entries->elf, number);

    if (patch_obstacle_always_sleeps(item->name))
        return g_strdup("is never free: some task sleeps in it at any time, so there is no moment to replace it");
    if (g_str_equal(section, ".noinstr.text") || g_str_equal(section, ".entry.text"))
        return g_strdup_printf("is entry code (in %s), which runs where the kernel allows no redirection", section);
    if (bytes < offset + JUMP_BYTES)
        return g_strdup_printf("is too short: a jump takes %d bytes, and there are %" G_GUINT64_FORMAT, JUMP_BYTES,
                               bytes - MIN(bytes, offset));
    return NULL;
}
