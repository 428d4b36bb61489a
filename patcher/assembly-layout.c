/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where in its block, and in its data area, everything of an assembly is to lie. */
#include "patcher/assembly-private.h"

#include "patcher/error.h"
#include "patcher/kept-search.h"
#include "patcher/kept.h"

#define TEXT_ALIGNMENT 16

/* The pieces that stay come first, in pages of their own, with a record of their own behind them. */
static gboolean
lay_out_kept(PatchAssembly *assembly, GError **error)
{
    g_autoptr(PatchRecord) kept = NULL;
    g_autoptr(GBytes) draft = NULL;

    assembly->pieces_end = PATCH_BLOCK_HEADER_BYTES;
    for (guint i = 0; i < assembly->parts->len; i++) {
        PatchPart *part = assembly->parts->pdata[i];

        patch_kept_find(assembly->kernel, assembly->arena, part->resolved, part->homes, part->vas);
        assembly->pieces_end = patch_link_layout(part->object, part->homes, PATCH_HOME_KEPT, assembly->pieces_end,
                                                 part->offsets);
    }
    if (assembly->pieces_end == PATCH_BLOCK_HEADER_BYTES)
        return TRUE;
    if (!patch_assembly_link(assembly, NULL, NULL, assembly->record, error))
        return FALSE;
    kept = patch_kept_record(assembly->record, 0);
    draft = patch_record_save(kept);
    assembly->pieces_end = (assembly->pieces_end + 7) & ~(guint64) 7;
    assembly->kept_bytes = (assembly->pieces_end + g_bytes_get_size(draft) + PATCH_PAGE_BYTES - 1) &
                           ~(guint64) (PATCH_PAGE_BYTES - 1);
    return TRUE;
}

static void
lay_out(PatchAssembly *assembly)
{
    assembly->text_end = PATCH_BLOCK_HEADER_BYTES;
    assembly->data_end = assembly->kept_bytes;
    for (guint i = 0; i < assembly->parts->len; i++) {
        PatchPart *part = assembly->parts->pdata[i];

        assembly->text_end = (assembly->text_end + TEXT_ALIGNMENT - 1) & ~(guint64) (TEXT_ALIGNMENT - 1);
        assembly->text_end = patch_link_layout(part->object, part->homes, PATCH_HOME_BLOCK, assembly->text_end, part->offsets);
        assembly->data_end = patch_link_layout(part->object, part->homes, PATCH_HOME_DATA, assembly->data_end, part->offsets);
    }
    assembly->code_bytes = assembly->text_end;
}

static gboolean
has_pieces(const PatchAssembly *assembly)
{
    for (guint i = 0; i < assembly->parts->len; i++)
        if (((const PatchPart *) assembly->parts->pdata[i])->object->pieces->len > 0)
            return TRUE;
    return FALSE;
}

static gboolean
has_exceptions(const PatchAssembly *assembly)
{
    for (guint i = 0; i < assembly->parts->len; i++)
        if (((const PatchPart *) assembly->parts->pdata[i])->object->exceptions->len > 0)
            return TRUE;
    return FALSE;
}

static gboolean
has_hole(const PatchAssembly *assembly, gboolean executable, GuestVa *va)
{
    const GArray *holes = patch_arena_holes(assembly->arena);

    for (guint i = 0; i < holes->len; i++) {
        const IntroHole *hole = &g_array_index(holes, IntroHole, i);

        *va = hole->va;
        if (hole->executable == executable)
            return TRUE;
    }
    return FALSE;
}

/* Whether there is room for data, and a second address for the room for code, of which the largest is taken first; or else
 * whether room has to be got from the guest's allocator anyway. */
static gboolean
has_known_room(const PatchAssembly *assembly, GError **error)
{
    GuestVa code, data, code_va;

    if (has_hole(assembly, TRUE, &code) && has_hole(assembly, FALSE, &data))
        return patch_known_place(assembly->kernel, assembly->arena, code, PATCH_PAGE_BYTES, &code_va, error);
    if (!has_hole(assembly, TRUE, &code) || assembly->data_end > 0 || has_exceptions(assembly))
        return TRUE;
    g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "its image has no unused room for it");
    return FALSE;
}

/* Most code gets along without being known to the kernel. */
static gboolean
decide_known(PatchAssembly *assembly, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (assembly->is_private)
        return TRUE;
    assembly->is_known = has_pieces(assembly) && patch_known_read(assembly->kernel, &assembly->known, &reason) &&
                         has_known_room(assembly, &reason);
    if (assembly->is_known || !has_exceptions(assembly))
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the new code may fault (as on user memory), and the guest's kernel cannot be told what is to be done then: "
                "%s", reason->message);
    return FALSE;
}

GArray *
patch_assembly_known_code(const PatchAssembly *assembly)
{
    GArray *code = g_array_new(FALSE, FALSE, sizeof(PatchKnownCode));

    for (guint i = 0; i < assembly->parts->len; i++) {
        const PatchPart *part = assembly->parts->pdata[i];
        PatchKnownCode known = { part->object, part->resolved, part->vas };

        g_array_append_val(code, known);
    }
    return code;
}

/* Behind the code the tables, behind the data the struct module. */
static gboolean
lay_out_known(PatchAssembly *assembly, GError **error)
{
    g_autoptr(GArray) code = patch_assembly_known_code(assembly);

    if (!decide_known(assembly, error))
        return FALSE;
    if (assembly->is_known) {
        if (!patch_known_tables_lay_out(&assembly->tables, code, assembly->text_end, assembly->known.unwind_bytes, error))
            return FALSE;
        assembly->text_end = assembly->tables.end;
        assembly->module = (assembly->data_end + PATCH_KNOWN_ALIGNMENT - 1) & ~(guint64) (PATCH_KNOWN_ALIGNMENT - 1);
        assembly->data_end = assembly->module + assembly->known.table.module_bytes;
    }
    assembly->text_end = (assembly->text_end + 7) & ~(guint64) 7;
    return TRUE;
}

gboolean
patch_assembly_lay_out(PatchAssembly *assembly, GError **error)
{
    if (!lay_out_kept(assembly, error))
        return FALSE;
    lay_out(assembly);
    return lay_out_known(assembly, error);
}
