/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/plan-apply.h"

#include "config.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/link.h"
#include "patcher/match.h"

#define JUMP_BYTES 5
#define TEXT_ALIGNMENT 16

/* One object on its way into the guest. */
typedef struct {
    const PatchObject *object;
    PatchResolved *resolved;
    guint64 *offsets;           /* of each piece, from the start of its area */
    GuestVa *vas;               /* of each piece */
} Part;

typedef struct {
    const IntroKernel *kernel;
    const PatchUpdate *update;
    GPtrArray *parts;           /* of Part */
    guint64 text_end, data_end; /* bytes from the start of the block, of the data area */
} Assembly;

static void
part_free(Part *part)
{
    patch_resolved_free(part->resolved);
    g_free(part->offsets);
    g_free(part->vas);
    g_free(part);
}

static gboolean
check_conflicts(const PatchArena *arena, const PatchUpdate *update, GError **error)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];

        if (record->state != PATCH_STATE_INSTALLED) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                        "an apply or undo of update %s was interrupted in this guest, or is going on; recover finishes "
                        "what was interrupted", record->id);
            return FALSE;
        }
        if (g_str_equal(record->id, update->id)) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "update %s is installed already", update->id);
            return FALSE;
        }
    }
    return TRUE;
}

/* A function that an installed update replaces would not match; better to say why. */
static gboolean
check_replaced(const Part *part, const PatchArena *arena, GError **error)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint r = 0; r < part->object->replacements->len; r++) {
        const PatchReplacement *replacement = part->object->replacements->pdata[r];
        const PatchOldFunction *function = part->object->functions->pdata[replacement->function];
        const PatchSymbol *symbol = part->object->symbols->pdata[function->symbol];

        for (guint i = 0; i < records->len; i++) {
            const PatchRecord *record = records->pdata[i];

            for (guint j = 0; j < record->jumps->len; j++) {
                const PatchJump *jump = record->jumps->pdata[j];

                if (g_str_equal(jump->name, symbol->name) && g_str_equal(jump->module, part->object->module)) {
                    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                                "update %s, which is installed, has replaced %s already; undo it first", record->id,
                                symbol->name);
                    return FALSE;
                }
            }
        }
    }
    return TRUE;
}

static gboolean
match_parts(Assembly *assembly, const PatchArena *arena, GError **error)
{
    for (guint i = 0; i < assembly->update->objects->len; i++) {
        Part *part = g_new0(Part, 1);

        part->object = assembly->update->objects->pdata[i];
        part->offsets = g_new0(guint64, part->object->pieces->len);
        part->vas = g_new0(GuestVa, part->object->pieces->len);
        g_ptr_array_add(assembly->parts, part);
        if (!check_replaced(part, arena, error))
            return FALSE;
        part->resolved = patch_match_object(assembly->kernel, part->object, error);
        if (!part->resolved)
            return FALSE;
    }
    return TRUE;
}

static void
lay_out(Assembly *assembly)
{
    assembly->text_end = PATCH_BLOCK_HEADER_BYTES;
    for (guint i = 0; i < assembly->parts->len; i++) {
        Part *part = assembly->parts->pdata[i];

        assembly->text_end = (assembly->text_end + TEXT_ALIGNMENT - 1) & ~(guint64) (TEXT_ALIGNMENT - 1);
        assembly->text_end = patch_link_layout(part->object, FALSE, assembly->text_end, part->offsets);
        assembly->data_end = patch_link_layout(part->object, TRUE, assembly->data_end, part->offsets);
    }
    assembly->text_end = (assembly->text_end + 7) & ~(guint64) 7;
}

static void
place(const Assembly *assembly, const PatchRecord *record)
{
    for (guint i = 0; i < assembly->parts->len; i++) {
        Part *part = assembly->parts->pdata[i];

        for (guint p = 0; p < part->object->pieces->len; p++) {
            const PatchArea *area = patch_piece_is_data(part->object->pieces->pdata[p]) ? &record->data : &record->block;

            part->vas[p] = area->va + part->offsets[p];
        }
    }
}

/* Where in a function the jump goes: behind ENDBR and the ftrace site, which stay in use. */
static guint32
jump_offset(const PatchCode *code)
{
    static const guint8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    guint32 offset = code->bytes->len >= 4 && memcmp(code->bytes->data, endbr64, 4) == 0 ? 4 : 0;

    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        if (site->kind == PATCH_SITE_FTRACE && site->offset == offset)
            return offset + site->length;
    }
    return offset;
}

/* The kernel rewrites some sites while it runs; a jump there would be destroyed, or make it BUG(). */
static gboolean
check_jump_place(const PatchCode *code, guint32 offset, const char *name, GError **error)
{
    if (code->bytes->len < offset + JUMP_BYTES) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s is too short to be replaced: it has no room for a jump", name);
        return FALSE;
    }
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];
        gboolean is_rewritten = site->kind == PATCH_SITE_JUMP_LABEL || site->kind == PATCH_SITE_STATIC_CALL ||
                                site->kind == PATCH_SITE_SMP_LOCK;

        if (is_rewritten && site->offset < offset + JUMP_BYTES && offset < site->offset + site->length) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                        "%s cannot be replaced: it begins with a %s, which the kernel rewrites while it runs; patch its "
                        "callers instead", name, patch_site_kind_name(site->kind));
            return FALSE;
        }
    }
    return TRUE;
}

static GBytes *
jump_code(GuestVa from, GuestVa to)
{
    guint8 bytes[JUMP_BYTES] = { 0xe9 };
    gint32 distance = GINT32_TO_LE((gint32) (to - (from + JUMP_BYTES)));

    memcpy(bytes + 1, &distance, sizeof distance);
    return g_bytes_new(bytes, sizeof bytes);
}

static gboolean
add_jump(const Assembly *assembly, const Part *part, const PatchReplacement *replacement, PatchRecord *record,
         GError **error)
{
    const PatchOldFunction *function = part->object->functions->pdata[replacement->function];
    const PatchSymbol *symbol = part->object->symbols->pdata[function->symbol];
    const PatchPiece *piece = part->object->pieces->pdata[replacement->piece];
    guint32 offset = jump_offset(function->code);
    guint8 before[JUMP_BYTES];
    PatchJump *jump;

    if (!check_jump_place(function->code, offset, symbol->name, error))
        return FALSE;
    jump = g_new0(PatchJump, 1);
    jump->name = g_strdup(symbol->name);
    jump->module = g_strdup(part->object->module);
    jump->va = patch_resolved_function(part->resolved, replacement->function);
    jump->size = function->code->bytes->len;
    jump->replacement_va = part->vas[replacement->piece];
    jump->replacement_size = piece->size;
    jump->jump_va = jump->va + offset;
    g_ptr_array_add(record->jumps, jump);
    if (!intro_space_read(intro_kernel_space(assembly->kernel), jump->jump_va, before, sizeof before, error))
        return FALSE;
    jump->before = g_bytes_new(before, sizeof before);
    jump->jump = jump_code(jump->jump_va, jump->replacement_va);
    return TRUE;
}

static gboolean
add_jumps(const Assembly *assembly, PatchRecord *record, GError **error)
{
    g_ptr_array_set_size(record->jumps, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const Part *part = assembly->parts->pdata[i];

        for (guint r = 0; r < part->object->replacements->len; r++)
            if (!add_jump(assembly, part, part->object->replacements->pdata[r], record, error))
                return FALSE;
    }
    return TRUE;
}

/* Links all pieces into the two areas' bytes and notes them in the record; with no bytes given, only notes them. */
static gboolean
link_pieces(const Assembly *assembly, guint8 *text, guint8 *data, PatchRecord *record, GError **error)
{
    g_autofree char *no_digest = g_strnfill(64, '0');

    g_ptr_array_set_size(record->placed, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const Part *part = assembly->parts->pdata[i];

        for (guint p = 0; p < part->object->pieces->len; p++) {
            const PatchPiece *piece = part->object->pieces->pdata[p];
            gboolean is_data = patch_piece_is_data(piece);
            guint8 *bytes = text ? (is_data ? data : text) + part->offsets[p] : NULL;
            PatchPlaced *placed = g_new0(PatchPlaced, 1);

            *placed = (PatchPlaced) {
                .name = g_strdup(piece->name), .kind = piece->kind, .va = part->vas[p], .size = piece->size,
            };
            g_ptr_array_add(record->placed, placed);
            if (bytes && !patch_link_piece(assembly->kernel, part->resolved, p, part->vas, bytes, error))
                return FALSE;
            placed->sha256 = is_data ? g_strdup("")
                             : bytes ? g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, piece->size)
                                     : g_strdup(no_digest);
        }
    }
    return TRUE;
}

static PatchRecord *
new_record(const PatchUpdate *update)
{
    PatchRecord *record = patch_record_new();

    g_strlcpy(record->id, update->id, sizeof record->id);
    record->description = g_strdup(update->description);
    record->kernel = g_strdup(update->kernel);
    record->tool = g_strdup(PACKAGE_STRING);
    record->cves = g_strdupv(update->cves);
    record->applied_at = g_get_real_time() / G_USEC_PER_SEC;
    return record;
}

/* The record's length does not depend on addresses, so a first one without them says how much room is needed. */
static gboolean
take_room(const Assembly *assembly, PatchArena *arena, PatchRecord *record, GError **error)
{
    g_autoptr(GBytes) draft = NULL;

    place(assembly, record);
    if (!add_jumps(assembly, record, error) || !link_pieces(assembly, NULL, NULL, record, error))
        return FALSE;
    draft = patch_record_save(record);
    if (!patch_arena_take(arena, TRUE, assembly->text_end + g_bytes_get_size(draft), &record->block, error))
        return FALSE;
    return assembly->data_end == 0 || patch_arena_take(arena, FALSE, assembly->data_end, &record->data, error);
}

/* The whole block but its header, which is left out for now. */
static GBytes *
finish_block(const Assembly *assembly, guint8 *block, GBytes *record)
{
    gsize length = g_bytes_get_size(record);

    memcpy(block + assembly->text_end, g_bytes_get_data(record, NULL), length);
    return g_bytes_new(block + PATCH_BLOCK_HEADER_BYTES, assembly->text_end + length - PATCH_BLOCK_HEADER_BYTES);
}

static GBytes *
make_header(const Assembly *assembly, PatchState state, guint64 block_bytes, GBytes *record)
{
    guint8 header[PATCH_BLOCK_HEADER_BYTES];

    patch_record_fill_header(header, state, block_bytes, assembly->text_end, record);
    return g_bytes_new(header, sizeof header);
}

/* First the pages are claimed, then filled, and only then is it said that there is a record. */
static gboolean
plan_block(const Assembly *assembly, PatchPlan *plan, guint8 *block, GError **error)
{
    GuestVa va = plan->record->block.va;
    g_autoptr(GBytes) record = patch_record_save(plan->record);
    g_autoptr(GBytes) claim = make_header(assembly, PATCH_STATE_CLAIMED, plan->record->block.length, record);
    g_autoptr(GBytes) header = make_header(assembly, PATCH_STATE_PREPARING, plan->record->block.length, record);
    g_autoptr(GBytes) body = finish_block(assembly, block, record);
    g_autoptr(GBytes) no_header = patch_plan_filler(PATCH_EMPTY_TEXT, g_bytes_get_size(header));
    g_autoptr(GBytes) no_body = patch_plan_filler(PATCH_EMPTY_TEXT, g_bytes_get_size(body));

    return patch_plan_write(plan, assembly->kernel, va, no_header, claim, error) &&
           patch_plan_write(plan, assembly->kernel, va + PATCH_BLOCK_HEADER_BYTES, no_body, body, error) &&
           patch_plan_write(plan, assembly->kernel, va, NULL, header, error);
}

static gboolean
plan_data(const Assembly *assembly, PatchPlan *plan, const guint8 *data, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, assembly->data_end);
    g_autoptr(GBytes) before = patch_plan_filler(0, assembly->data_end);

    return assembly->data_end == 0 ||
           patch_plan_write(plan, assembly->kernel, plan->record->data.va, before, bytes, error);
}

static gboolean
plan_areas(const Assembly *assembly, PatchPlan *plan, GError **error)
{
    PatchRecord *record = plan->record;
    g_autofree guint8 *block = g_malloc(record->block.length), *data = g_malloc0(MAX(record->data.length, 1));

    memset(block, PATCH_EMPTY_TEXT, record->block.length);
    place(assembly, record);
    return add_jumps(assembly, record, error) && link_pieces(assembly, block, data, record, error) &&
           plan_block(assembly, plan, block, error) && plan_data(assembly, plan, data, error);
}

static void
forbid_old_code(const Assembly *assembly, PatchPlan *plan)
{
    guint next_jump = 0;

    for (guint i = 0; i < assembly->parts->len; i++) {
        const Part *part = assembly->parts->pdata[i];

        for (guint r = 0; r < part->object->replacements->len; r++) {
            const PatchReplacement *replacement = part->object->replacements->pdata[r];
            const PatchJump *jump = plan->record->jumps->pdata[next_jump++];

            patch_plan_forbid(plan, jump->name, jump->va, jump->size, jump->jump_va);
            for (guint p = 0; p < replacement->parts->len; p++) {
                guint32 index = g_array_index(replacement->parts, guint32, p);
                const PatchOldFunction *function = part->object->functions->pdata[index];
                const PatchSymbol *symbol = part->object->symbols->pdata[function->symbol];

                patch_plan_forbid(plan, symbol->name, patch_resolved_function(part->resolved, index),
                                  function->code->bytes->len, 0);
            }
        }
    }
}

static gboolean
plan_jumps(const Assembly *assembly, PatchPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->record->jumps->len; i++) {
        const PatchJump *jump = plan->record->jumps->pdata[i];

        if (!patch_plan_write(plan, assembly->kernel, jump->jump_va, jump->before, jump->jump, error))
            return FALSE;
    }
    return patch_plan_write_state(plan, assembly->kernel, PATCH_STATE_INSTALLED, error);
}

static gboolean
check_build_id(const IntroKernel *kernel, const PatchUpdate *update, GError **error)
{
    if (!*update->build_id || g_str_equal(update->build_id, intro_kernel_build_id(kernel)))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the update is for the kernel with build-id %s; the guest runs %s (%s)", update->build_id,
                intro_kernel_build_id(kernel), intro_kernel_version(kernel));
    return FALSE;
}

PatchPlan *
patch_plan_apply(const IntroKernel *kernel, PatchArena *arena, const PatchUpdate *update, GError **error)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func((GDestroyNotify) part_free);
    Assembly assembly = { .kernel = kernel, .update = update, .parts = parts };
    g_autoptr(PatchPlan) plan = patch_plan_new("apply", new_record(update));

    if (!check_build_id(kernel, update, error) || !check_conflicts(arena, update, error) ||
        !match_parts(&assembly, arena, error))
        return NULL;
    lay_out(&assembly);
    if (!take_room(&assembly, arena, plan->record, error) || !plan_areas(&assembly, plan, error) ||
        !plan_jumps(&assembly, plan, error))
        return NULL;
    forbid_old_code(&assembly, plan);
    return g_steal_pointer(&plan);
}
