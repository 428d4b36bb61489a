/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/live/forge.h"

#include <string.h>

#include "patcher/record.h"

/* What a jump takes in a record, and no less. */
#define JUMP_BYTES 72
/* What is left for the rest. */
#define REST_BYTES 4096

static void
add_jump(PatchRecord *record, GuestVa va, const guint8 *before, const guint8 *jump, gsize length)
{
    PatchJump *forged = g_new0(PatchJump, 1);

    *forged = (PatchJump) {
        .name = g_strdup("f"), .va = va, .size = length, .jump_va = va, .replacement_va = record->code_va,
        .before = g_bytes_new(before, length), .jump = g_bytes_new(jump, length),
    };
    g_ptr_array_add(record->jumps, forged);
}

static PatchRecord *
new_record(const char *id, guint64 sequence, const PatchArea *block, const IntroModule *module)
{
    PatchRecord *record = patch_record_new();

    g_strlcpy(record->id, id, sizeof record->id);
    record->description = g_strdup("forged");
    record->kernel = g_strdup("");
    record->tool = g_strdup("");
    record->sequence = sequence;
    record->module = (PatchModule) { g_strdup(module->name), module->module, module->base };
    record->block = *block;
    record->code_va = block->va;
    return record;
}

static void
put(const PatchRecord *record, guint8 *at)
{
    g_autoptr(GBytes) body = patch_record_save(record);

    g_assert(g_bytes_get_size(body) <= record->block.length - PATCH_BLOCK_HEADER_BYTES);
    memset(at, PATCH_EMPTY_TEXT, record->block.length);
    patch_record_fill_header(at, PATCH_STATE_INSTALLED, record->block.length, PATCH_BLOCK_HEADER_BYTES, body);
    memcpy(at + PATCH_BLOCK_HEADER_BYTES, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
}

GBytes *
forge_records(const IntroKernel *kernel, const IntroHole *hole, gsize length, GError **error)
{
    GPtrArray *modules = intro_kernel_modules(kernel);
    const gsize half = length / 2 / PATCH_PAGE_BYTES * PATCH_PAGE_BYTES, n = (half - REST_BYTES) / JUMP_BYTES;
    const PatchArea blocks[] = { { hole->va, half }, { hole->va + half, half } };
    const IntroModule *module = modules->len > 0 ? modules->pdata[0] : NULL;
    g_autoptr(PatchRecord) absent = NULL, there = NULL;
    g_autofree guint8 *bytes = NULL, *text = g_malloc(n + 1);

    if (module == NULL || length > hole->length || !intro_space_read(intro_kernel_space(kernel), module->base, text, n + 1, error))
        return NULL;
    absent = new_record("aaaaaaaa", 1, &blocks[0], module);
    there = new_record("bbbbbbbb", 2, &blocks[1], module);
    for (gsize i = 0; i < n; i++) {
        const guint8 other[2] = { ~text[i], text[i + 1] };

        add_jump(absent, module->base + i, other, other, sizeof other);
        add_jump(there, module->base + i, text + i, text + i, sizeof other);
    }
    bytes = g_malloc(2 * half);
    put(absent, bytes);
    put(there, bytes + half);
    return g_bytes_new_take(g_steal_pointer(&bytes), 2 * half);
}
