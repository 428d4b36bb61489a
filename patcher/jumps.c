/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/jumps.h"

#include <string.h>

#include "patcher/company.h"
#include "patcher/error.h"
#include "patcher/module.h"
#include "patcher/rewritten.h"

typedef struct {
    guint8 bytes[PATCH_MAX_JUMP_BYTES];
    gsize length;
} Bytes;

typedef struct {
    PatchPlan *plan;
    const IntroKernel *kernel;
    const PatchArena *arena;
    const PatchCompany *company;
    const GPtrArray *removed, *added;
    GHashTable *done;           /* addresses of places */
} Transition;

/* One place, with every jump that somebody has, had or will have there. */
typedef struct {
    GuestVa va;
    const char *name, *module;  /* of the function */
    GPtrArray *jumps;           /* of PatchJump */
    Bytes original;             /* the kernel's own code when a jump was put there */
    GArray *sites;              /* of PatchRewritten: what of it the kernel rewrites while it runs */
    Bytes own;                  /* the kernel's own code as it has to be by now */
    const PatchJump *expected, *wanted;     /* NULL: the kernel's own code */
    gboolean is_settled;        /* nothing was interrupted here: only what is expected may be there */
} Place;

static const PatchJump *
jump_at(const PatchRecord *record, GuestVa va)
{
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        if (jump->jump_va == va)
            return jump;
    }
    return NULL;
}

static gboolean
holds(const IntroKernel *kernel, GuestVa va, GBytes *bytes)
{
    guint8 now[PATCH_MAX_JUMP_BYTES];
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);

    return length <= sizeof now && intro_space_read(intro_kernel_space(kernel), va, now, length, NULL) &&
           memcmp(now, data, length) == 0;
}

/* BYTES, some form of the kernel's own code at VA, become what has to be there now. */
static gboolean
update_sites(const IntroKernel *kernel, const GArray *sites, GuestVa va, Bytes *bytes, GError **error)
{
    for (guint i = 0; i < sites->len; i++)
        if (!patch_rewritten_fill(kernel, &g_array_index(sites, PatchRewritten, i), va, bytes->bytes, bytes->length,
                                  error))
            return FALSE;
    return TRUE;
}

/* Whether there is no jump at JUMP's place but the kernel's own code, whatever the kernel has made of it since. */
static gboolean
holds_own_code(const IntroKernel *kernel, const PatchRecord *record, const PatchJump *jump)
{
    gsize length;
    const guint8 *before = g_bytes_get_data(jump->before, &length);
    Bytes own = { .length = length };
    g_autoptr(GArray) sites = NULL;
    g_autoptr(GBytes) now = NULL;

    if (holds(kernel, jump->jump_va, jump->before))
        return TRUE;
    memcpy(own.bytes, before, length);
    sites = patch_rewritten_find(kernel, record->module.name, jump->jump_va, length, NULL);
    if (!sites || sites->len == 0 || !update_sites(kernel, sites, jump->jump_va, &own, NULL))
        return FALSE;
    now = g_bytes_new(own.bytes, own.length);
    return holds(kernel, jump->jump_va, now);
}

/* Whether any update's jump is at VA. */
static gboolean
has_a_jump(const IntroKernel *kernel, const PatchArena *arena, GuestVa va)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchJump *jump = jump_at(records->pdata[i], va);

        if (jump && holds(kernel, va, jump->jump))
            return TRUE;
    }
    return FALSE;
}

/* Whether a module like RECORD's was loaded again, to the very place where that one was: none of its jumps is there, the
 * code is as it comes, but for what later updates have made of it. */
static gboolean
is_loaded_anew(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    guint n_original = 0;

    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        if (holds(kernel, jump->jump_va, jump->jump))
            return FALSE;
        if (holds_own_code(kernel, record, jump))
            n_original++;
        else if (!has_a_jump(kernel, arena, jump->jump_va))
            return FALSE;
    }
    return n_original > 0 && (record->state == PATCH_STATE_INSTALLED || record->state == PATCH_STATE_REPLACED);
}

static gboolean
look_whether_gone(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    const IntroModule *module;

    patch_module_state(kernel, record->module.name, &module);
    return !module || module->module != record->module.module || module->base != record->module.base ||
           is_loaded_anew(kernel, arena, record);
}

gboolean
patch_record_is_gone(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record)
{
    gpointer known;
    gboolean is_gone;

    if (!*record->module.name)
        return FALSE;
    if (g_hash_table_lookup_extended(patch_arena_gone(arena), record, NULL, &known))
        return GPOINTER_TO_INT(known);
    is_gone = look_whether_gone(kernel, arena, record);
    g_hash_table_insert(patch_arena_gone(arena), (gpointer) record, GINT_TO_POINTER(is_gone));
    return is_gone;
}

static gboolean
is_among(const GPtrArray *records, const PatchRecord *record)
{
    return records && g_ptr_array_find((GPtrArray *) records, record, NULL);
}

const PatchRecord *
patch_jumps_latest(const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *except, GuestVa va,
                   const PatchJump **found)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = records->len; i > 0; i--) {
        const PatchRecord *record = records->pdata[i - 1];
        const PatchJump *jump = record->state == PATCH_STATE_INSTALLED ? jump_at(record, va) : NULL;

        if (!jump || is_among(except, record) || patch_record_is_gone(kernel, arena, record))
            continue;
        if (found)
            *found = jump;
        return record;
    }
    return NULL;
}

PatchJumpState
patch_jump_state(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record, const PatchJump *jump)
{
    const PatchJump *latest = NULL;

    if (patch_record_is_gone(kernel, arena, record))
        return PATCH_JUMP_GONE;
    if (holds(kernel, jump->jump_va, jump->jump))
        return PATCH_JUMP_IN_FORCE;
    if (holds_own_code(kernel, record, jump))
        return PATCH_JUMP_ABSENT;
    if (patch_jumps_latest(kernel, arena, NULL, jump->jump_va, &latest) && latest != jump &&
        holds(kernel, jump->jump_va, latest->jump))
        return PATCH_JUMP_SUPERSEDED;
    return PATCH_JUMP_ALTERED;
}

/* ---- From what is there to what has to be there ---- */

static void
place_clear(Place *place)
{
    g_clear_pointer(&place->jumps, g_ptr_array_unref);
    g_clear_pointer(&place->sites, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* JUMP, with the kernel's own code behind it where other jumps there are longer; NULL: only that code. */
static Bytes
bytes_at(const Place *place, const PatchJump *jump)
{
    Bytes bytes = place->original;

    if (jump)
        memcpy(bytes.bytes, g_bytes_get_data(jump->jump, NULL), g_bytes_get_size(jump->jump));
    return bytes;
}

static void
note_jump(Place *place, const PatchJump *jump)
{
    gsize length;
    const guint8 *before = g_bytes_get_data(jump->before, &length);

    g_ptr_array_add(place->jumps, (gpointer) jump);
    if (length <= place->original.length)
        return;
    place->original.length = length;
    memcpy(place->original.bytes, before, length);
}

static gboolean
survey_place(const Transition *transition, Place *place, GError **error)
{
    GPtrArray *records = patch_arena_records(transition->arena);

    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        const PatchJump *jump = jump_at(record, place->va);

        if (!jump || patch_record_is_gone(transition->kernel, transition->arena, record))
            continue;
        note_jump(place, jump);
        place->is_settled = place->is_settled && record->state == PATCH_STATE_INSTALLED;
    }
    patch_jumps_latest(transition->kernel, transition->arena, NULL, place->va, &place->expected);
    patch_jumps_latest(transition->kernel, transition->arena, transition->removed, place->va, &place->wanted);
    for (guint i = 0; i < transition->added->len; i++) {
        const PatchJump *jump = jump_at(transition->added->pdata[i], place->va);

        if (!jump)
            continue;
        note_jump(place, jump);
        place->wanted = jump;
    }
    place->own = place->original;
    place->sites = patch_rewritten_find(transition->kernel, place->module, place->va, place->original.length, error);
    return place->sites && update_sites(transition->kernel, place->sites, place->va, &place->own, error);
}

static gboolean
is_known(const Place *place, const guint8 *now)
{
    Bytes expected = bytes_at(place, place->expected);

    if (memcmp(now, expected.bytes, expected.length) == 0)
        return TRUE;
    if (place->is_settled)
        return FALSE;
    if (memcmp(now, place->own.bytes, place->own.length) == 0)
        return TRUE;
    for (guint i = 0; i <= place->jumps->len; i++) {
        Bytes bytes = bytes_at(place, i < place->jumps->len ? place->jumps->pdata[i] : NULL);

        if (memcmp(now, bytes.bytes, bytes.length) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
plan_bytes(const Transition *transition, const Place *place, const guint8 *now, GError **error)
{
    Bytes wanted = place->wanted ? bytes_at(place, place->wanted) : place->own;
    g_autoptr(GBytes) before = g_bytes_new(now, wanted.length), after = g_bytes_new(wanted.bytes, wanted.length);

    if (g_bytes_equal(before, after))
        return TRUE;
    return *place->module ? patch_plan_write_module(transition->plan, transition->kernel, place->va, before, after, error)
                          : patch_plan_write(transition->plan, transition->kernel, place->va, before, after, error);
}

/* The kernel has to leave alone what a jump is over. */
static gboolean
plan_sites(const Transition *transition, const Place *place, GError **error)
{
    gboolean skip = place->wanted != NULL;

    for (guint i = 0; i < place->sites->len; i++) {
        const PatchRewritten *site = &g_array_index(place->sites, PatchRewritten, i);

        if (!(skip && patch_rewritten_is_skipped(site)) &&
            !patch_rewritten_plan(transition->plan, transition->kernel, site, skip, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
plan_place(const Transition *transition, const Place *place, GError **error)
{
    guint8 now[PATCH_MAX_JUMP_BYTES];

    if (!intro_space_read(intro_kernel_space(transition->kernel), place->va, now, place->original.length, error))
        return FALSE;
    if (!patch_company_check_place(transition->company, place->name, place->va, place->original.length, error))
        return FALSE;
    if (place->is_settled && !place->expected && memcmp(now, place->own.bytes, place->own.length) != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "the guest's kernel is rewriting %s at the moment; try again", place->name);
        return FALSE;
    }
    if (!is_known(place, now)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "at %#" G_GINT64_MODIFIER "x, in %s, is not what has to be there: somebody else has changed the "
                    "guest's code since. Nothing is changed", place->va, place->name);
        return FALSE;
    }
    return plan_sites(transition, place, error) && plan_bytes(transition, place, now, error);
}

static gboolean
visit_record(const Transition *transition, const PatchRecord *record, gboolean is_settled, GError **error)
{
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];
        g_auto(Place) place = {
            .va = jump->jump_va, .name = jump->name, .module = record->module.name, .jumps = g_ptr_array_new(),
            .is_settled = is_settled,
        };

        if (!g_hash_table_add(transition->done, (gpointer) &jump->jump_va))
            continue;
        if (!survey_place(transition, &place, error) || !plan_place(transition, &place, error))
            return FALSE;
    }
    return TRUE;
}

/* What an interrupted application wanted to take the place of has to be as it was, whether it got to it or not. */
static gboolean
visit_replaced(const Transition *transition, const PatchRecord *record, GError **error)
{
    g_autoptr(GPtrArray) others = patch_arena_replaced_by(transition->arena, record);

    for (guint i = 0; i < others->len; i++)
        if (!patch_record_is_gone(transition->kernel, transition->arena, others->pdata[i]) &&
            !visit_record(transition, others->pdata[i], FALSE, error))
            return FALSE;
    return TRUE;
}

gboolean
patch_jumps_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *removed,
                 const GPtrArray *added, GError **error)
{
    g_autoptr(GHashTable) done = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_autoptr(PatchCompany) company = patch_company_new(kernel, error);
    const Transition transition = { plan, kernel, arena, company, removed, added, done };

    if (!company || !patch_company_require(company, plan, error))
        return FALSE;
    for (guint i = 0; i < added->len; i++) {
        const PatchRecord *record = added->pdata[i];

        for (guint j = 0; j < record->jumps->len; j++)
            if (!patch_company_check_function(company, record->jumps->pdata[j], error))
                return FALSE;
    }
    for (guint i = 0; i < added->len; i++)
        if (!visit_record(&transition, added->pdata[i], TRUE, error))
            return FALSE;
    for (guint i = 0; i < removed->len; i++) {
        const PatchRecord *record = removed->pdata[i];

        if (patch_record_is_gone(kernel, arena, record))
            continue;
        if (!visit_record(&transition, record, TRUE, error) ||
            (record->state == PATCH_STATE_PREPARING && !visit_replaced(&transition, record, error)))
            return FALSE;
    }
    return TRUE;
}
