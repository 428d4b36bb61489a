/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/assembly.h"

#include <string.h>

#include "patcher/assembly-private.h"
#include "patcher/datum.h"
#include "patcher/entry.h"
#include "patcher/error.h"
#include "patcher/escape.h"
#include "patcher/kept.h"

static void
part_free(PatchPart *part)
{
    patch_resolved_free(part->resolved);
    g_free(part->homes);
    g_free(part->offsets);
    g_free(part->vas);
    g_free(part);
}

PatchAssembly *
patch_assembly_new(const IntroKernel *kernel, const PatchArena *arena, PatchRecord *record)
{
    PatchAssembly *assembly = g_new0(PatchAssembly, 1);

    assembly->kernel = kernel;
    assembly->arena = arena;
    assembly->parts = g_ptr_array_new_with_free_func((GDestroyNotify) part_free);
    assembly->record = record;
    return assembly;
}

void
patch_assembly_free(PatchAssembly *assembly)
{
    if (!assembly)
        return;
    g_ptr_array_unref(assembly->parts);
    patch_record_unref(assembly->record);
    g_free(assembly);
}

/* What only runs something is gone before anybody could use what it has given away. */
static PatchHome *
choose_homes(const PatchAssembly *assembly, const PatchObject *object)
{
    PatchHome *homes = g_new0(PatchHome, object->pieces->len + 1);
    g_autofree gboolean *escapes = assembly->is_private ? NULL : patch_escape_find(object);

    for (guint i = 0; i < object->pieces->len; i++) {
        PatchPieceKind kind = ((const PatchPiece *) object->pieces->pdata[i])->kind;

        if (escapes && escapes[i])
            homes[i] = PATCH_HOME_KEPT;
        else if (kind == PATCH_PIECE_DATA || kind == PATCH_PIECE_BSS)
            homes[i] = PATCH_HOME_DATA;
    }
    return homes;
}

gboolean
patch_assembly_add(PatchAssembly *assembly, const PatchObject *object, GError **error)
{
    PatchPart *part = g_new0(PatchPart, 1);

    part->object = object;
    part->homes = choose_homes(assembly, object);
    part->offsets = g_new0(guint64, object->pieces->len);
    part->vas = g_new0(GuestVa, object->pieces->len);
    g_ptr_array_add(assembly->parts, part);
    part->resolved = patch_match_object(assembly->kernel, assembly->arena, object, error);
    return part->resolved != NULL;
}

/* What the guest may write. Its kernel changes the trampoline of a static call when that is to lead elsewhere. */
static gboolean
may_change(const PatchPiece *piece)
{
    return piece->kind == PATCH_PIECE_DATA || piece->kind == PATCH_PIECE_BSS || g_str_has_prefix(piece->name, "__SCT__");
}

gboolean
patch_assembly_link(const PatchAssembly *assembly, guint8 *text, guint8 *data, PatchRecord *record, GError **error)
{
    g_autofree char *no_digest = g_strnfill(64, '0');

    g_ptr_array_set_size(record->placed, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint p = 0; p < part->object->pieces->len; p++) {
            const PatchPiece *piece = part->object->pieces->pdata[p];
            PatchHome home = part->homes[p];
            guint8 *bytes = text ? (home == PATCH_HOME_BLOCK ? text : data) + part->offsets[p] : NULL;
            PatchPlaced *placed;

            if (home == PATCH_HOME_FOUND)
                continue;
            placed = g_new0(PatchPlaced, 1);
            *placed = (PatchPlaced) {
                .name = g_strdup(piece->name), .kind = piece->kind, .stays = home == PATCH_HOME_KEPT, .va = part->vas[p],
                .size = piece->size,
            };
            g_ptr_array_add(record->placed, placed);
            if (bytes && !patch_link_piece(assembly->kernel, part->resolved, p, part->vas, bytes, error))
                return FALSE;
            placed->sha256 = may_change(piece) ? g_strdup("")
                             : bytes ? g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, piece->size)
                                     : g_strdup(no_digest);
        }
    }
    return TRUE;
}

static void
place(const PatchAssembly *assembly, const PatchRecord *record)
{
    for (guint i = 0; i < assembly->parts->len; i++) {
        PatchPart *part = assembly->parts->pdata[i];

        for (guint p = 0; p < part->object->pieces->len; p++) {
            if (part->homes[p] != PATCH_HOME_FOUND)
                part->vas[p] = (part->homes[p] == PATCH_HOME_BLOCK ? record->code_va : record->data.va) + part->offsets[p];
        }
    }
}

static gboolean
add_jump(const PatchAssembly *assembly, const PatchPart *part, const PatchReplacement *replacement, PatchRecord *record,
         GError **error)
{
    const PatchOldFunction *function = part->object->functions->pdata[replacement->function];
    const PatchSymbol *symbol = part->object->symbols->pdata[function->symbol];
    const PatchPiece *piece = part->object->pieces->pdata[replacement->piece];
    PatchJump *jump = g_new0(PatchJump, 1);

    jump->name = g_strdup(symbol->name);
    jump->va = patch_resolved_function(part->resolved, replacement->function);
    jump->size = function->code->bytes->len;
    jump->replacement_va = part->vas[replacement->piece];
    jump->replacement_size = piece->size;
    g_ptr_array_add(record->jumps, jump);
    return patch_entry_fill(assembly->kernel, assembly->arena, function->code, jump, error);
}

static gboolean
add_jumps(const PatchAssembly *assembly, PatchRecord *record, GError **error)
{
    g_ptr_array_set_size(record->jumps, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint r = 0; r < part->object->replacements->len; r++)
            if (!add_jump(assembly, part, part->object->replacements->pdata[r], record, error))
                return FALSE;
    }
    return TRUE;
}

static void
add_hooks(const PatchAssembly *assembly, PatchRecord *record)
{
    g_ptr_array_set_size(record->hooks, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint h = 0; h < part->object->hooks->len; h++) {
            const PatchHook *hook = &g_array_index(part->object->hooks, PatchHook, h);
            PatchHookPlace *place = g_new0(PatchHookPlace, 1);

            *place = (PatchHookPlace) {
                .name = g_strdup(((const PatchPiece *) part->object->pieces->pdata[hook->piece])->name),
                .kind = hook->kind, .va = part->vas[hook->piece], .limit_s = hook->limit_s,
            };
            g_ptr_array_add(record->hooks, place);
        }
    }
}

/* The value of DATUM goes to RECORD (may be NULL) if it is to change, and else a condition to PLAN (may be NULL). */
static gboolean
add_value(const PatchAssembly *assembly, const PatchPart *part, const PatchDatum *datum, PatchRecord *record,
          PatchPlan *plan, GError **error)
{
    PatchValue *value = patch_datum_value(assembly->kernel, assembly->arena, part->resolved, datum, part->vas, plan, error);

    if (!value)
        return FALSE;
    if (record && patch_datum_changes(datum))
        g_ptr_array_add(record->values, value);
    else
        patch_value_free(value);
    return TRUE;
}

static gboolean
add_values(const PatchAssembly *assembly, PatchRecord *record, PatchPlan *plan, GError **error)
{
    g_ptr_array_set_size(record->values, 0);
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint d = 0; d < part->object->data->len; d++)
            if (!add_value(assembly, part, part->object->data->pdata[d], record, plan, error))
                return FALSE;
    }
    if (record->values->len <= PATCH_MAX_VALUES)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the update changes %u data, and can change %d",
                record->values->len, PATCH_MAX_VALUES);
    return FALSE;
}

gboolean
patch_assembly_require_data(const PatchAssembly *assembly, PatchPlan *plan, GError **error)
{
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint d = 0; d < part->object->data->len; d++)
            if (!patch_datum_changes(part->object->data->pdata[d]) &&
                !add_value(assembly, part, part->object->data->pdata[d], NULL, plan, error))
                return FALSE;
    }
    return TRUE;
}

/* The record's length does not depend on addresses, so a first one with others says how much room is needed. */
static gboolean
take_room(const PatchAssembly *assembly, PatchArena *arena, PatchRecord *record, GError **error)
{
    g_autoptr(GBytes) draft = NULL;
    PatchRoom room;

    record->block.va = record->data.va = record->code_va = intro_kernel_text_start(assembly->kernel);
    place(assembly, record);
    if (!add_jumps(assembly, record, error) || !patch_assembly_link(assembly, NULL, NULL, record, error) ||
        !add_values(assembly, record, NULL, error))
        return FALSE;
    add_hooks(assembly, record);
    draft = patch_record_save(record);
    room = (PatchRoom) { assembly->text_end + g_bytes_get_size(draft), assembly->data_end,
                         .may_be_tail = assembly->is_private, .may_be_region = assembly->is_known };
    if (!patch_arena_take(arena, &room, record, error))
        return FALSE;
    record->code_va = record->block.va;
    if (!assembly->is_known)
        return TRUE;
    record->known_va = record->data.va + assembly->module;
    return record->region_bytes > 0 ||
           patch_known_place(assembly->kernel, arena, record->block.va, record->block.length, &record->code_va, error);
}

/* The whole block but its header, which is left out for now. Behind it an empty hole is filled as it should be already. */
static GBytes *
finish_block(const PatchAssembly *assembly, guint8 *block, GBytes *record)
{
    gsize length = g_bytes_get_size(record), end = assembly->text_end + length;

    memcpy(block + assembly->text_end, g_bytes_get_data(record, NULL), length);
    if (assembly->record->region_bytes > 0)
        end = assembly->record->block.length;
    return g_bytes_new(block + PATCH_BLOCK_HEADER_BYTES, end - PATCH_BLOCK_HEADER_BYTES);
}

static GBytes *
make_header(const PatchAssembly *assembly, PatchState state, guint64 block_bytes, GBytes *record)
{
    guint8 header[PATCH_BLOCK_HEADER_BYTES];

    patch_record_fill_header(header, state, block_bytes, assembly->text_end, record);
    patch_record_mark_region(header, assembly->record->region_bytes / PATCH_PAGE_BYTES);
    return g_bytes_new(header, sizeof header);
}

/* First the pages are claimed, then filled, and only then is it said that there is a record. */
static gboolean
plan_block(const PatchAssembly *assembly, PatchPlan *plan, guint8 *block, GError **error)
{
    GuestVa va = assembly->record->block.va;
    g_autoptr(GBytes) record = patch_record_save(assembly->record);
    g_autoptr(GBytes) claim = make_header(assembly, PATCH_STATE_CLAIMED, assembly->record->block.length, record);
    g_autoptr(GBytes) header = make_header(assembly, PATCH_STATE_PREPARING, assembly->record->block.length, record);
    g_autoptr(GBytes) body = finish_block(assembly, block, record);
    guint8 filler = assembly->record->filler;
    g_autoptr(GBytes) no_header = patch_plan_filler(filler, g_bytes_get_size(header));
    g_autoptr(GBytes) no_body = patch_plan_filler(filler, g_bytes_get_size(body));

    if (assembly->record->region_bytes > 0)
        return patch_plan_write_region(plan, assembly->kernel, va, claim, error) &&
               patch_plan_write_region(plan, assembly->kernel, va + PATCH_BLOCK_HEADER_BYTES, body, error) &&
               patch_plan_write_region(plan, assembly->kernel, va, header, error);
    return patch_plan_write(plan, assembly->kernel, va, no_header, claim, error) &&
           patch_plan_write(plan, assembly->kernel, va + PATCH_BLOCK_HEADER_BYTES, no_body, body, error) &&
           patch_plan_write(plan, assembly->kernel, va, NULL, header, error);
}

static gboolean
plan_data(const PatchAssembly *assembly, PatchPlan *plan, const guint8 *data, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, assembly->data_end);
    g_autoptr(GBytes) before = patch_plan_filler(0, assembly->data_end);

    if (assembly->record->region_bytes > 0)
        return assembly->data_end == 0 ||
               patch_plan_write_region(plan, assembly->kernel, assembly->record->data.va, bytes, error);
    return assembly->data_end == 0 ||
           patch_plan_write(plan, assembly->kernel, assembly->record->data.va, before, bytes, error);
}

gboolean
patch_assembly_place(PatchAssembly *assembly, PatchArena *arena, GError **error)
{
    return patch_assembly_lay_out(assembly, error) && take_room(assembly, arena, assembly->record, error);
}

static gboolean
fill_known(const PatchAssembly *assembly, guint8 *block, guint8 *data, GError **error)
{
    g_autoptr(GArray) code = patch_assembly_known_code(assembly);

    return !assembly->is_known ||
           (patch_known_tables_fill(&assembly->tables, code, assembly->record->code_va, block, error) &&
            patch_known_module(&assembly->known, assembly->kernel, assembly->record, &assembly->tables,
                               assembly->code_bytes, data + assembly->module, error));
}

static gboolean
fill_kept(const PatchAssembly *assembly, guint8 *data)
{
    g_autoptr(PatchRecord) kept = NULL;
    g_autoptr(GBytes) body = NULL;

    if (assembly->kept_bytes == 0)
        return TRUE;
    kept = patch_kept_record(assembly->record, assembly->kept_bytes);
    body = patch_record_save(kept);
    memcpy(data + assembly->pieces_end, g_bytes_get_data(body, NULL), g_bytes_get_size(body));
    patch_record_fill_header(data, PATCH_STATE_KEPT, assembly->kept_bytes, assembly->pieces_end, body);
    return TRUE;
}

gboolean
patch_assembly_plan(const PatchAssembly *assembly, PatchPlan *plan, GError **error)
{
    PatchRecord *record = assembly->record;
    g_autofree guint8 *block = g_malloc(record->block.length), *data = g_malloc0(MAX(record->data.length, 1));

    memset(block, PATCH_EMPTY_TEXT, record->block.length);
    place(assembly, record);
    add_hooks(assembly, record);
    return add_jumps(assembly, record, error) && patch_assembly_link(assembly, block, data, record, error) &&
           add_values(assembly, record, plan, error) && fill_known(assembly, block, data, error) &&
           fill_kept(assembly, data) &&
           plan_block(assembly, plan, block, error) && plan_data(assembly, plan, data, error);
}

void
patch_assembly_note_overridden(const PatchAssembly *assembly, PatchPlan *plan)
{
    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint r = 0; r < part->object->replacements->len; r++) {
            const PatchReplacement *replacement = part->object->replacements->pdata[r];
            const PatchOldFunction *function = part->object->functions->pdata[replacement->function];

            if (patch_resolved_is_overridden(part->resolved, replacement->function))
                g_ptr_array_add(plan->notes,
                                g_strdup_printf("%s of %s is not in use: the guest's kernel has another function of that name "
                                                "in its place, so that a change of this one does nothing",
                                                ((const PatchSymbol *) part->object->symbols->pdata[function->symbol])->name,
                                                part->object->path));
        }
    }
}

void
patch_assembly_forbid(const PatchAssembly *assembly, PatchPlan *plan)
{
    guint next_jump = 0;

    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];

        for (guint r = 0; r < part->object->replacements->len; r++) {
            const PatchReplacement *replacement = part->object->replacements->pdata[r];
            const PatchJump *jump = assembly->record->jumps->pdata[next_jump++];

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

