/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the values that are there to those that have to be there: that part of values.h. */
#include <string.h>

#include "patcher/error.h"
#include "patcher/jumps.h"
#include "patcher/value-bits.h"
#include "patcher/value-text.h"
#include "patcher/values.h"

/* A stretch of memory, with everything that is to happen to it. */
typedef struct {
    GuestVa va, end;
    guint8 *now, *after;
    const char *name;           /* of the first datum in it */
    gboolean may_move;
} Region;

typedef struct {
    const PatchRecord *record;
    const PatchValue *value;
    gboolean is_added;
    gboolean is_settled;        /* no apply or undo of this record was interrupted */
} Change;

typedef struct {
    PatchPlan *plan;
    const IntroKernel *kernel;
    const PatchArena *arena;
    const GPtrArray *removed, *added;
    gboolean keep;
    GArray *changes;            /* of Change */
    GArray *regions;            /* of Region, by ascending address */
} Transition;

/* All that is, was or will be one value. */
typedef struct {
    guint8 *now;                /* part of a region, not owned */
    guint8 *after;              /* the same */
    guint8 *expected, *wanted;
    GPtrArray *others;          /* of PatchValue: those that share bits with it, itself included */
    gboolean is_settled;
} State;

static void
region_clear(gpointer region)
{
    g_free(((Region *) region)->now);
    g_free(((Region *) region)->after);
}

static void
transition_clear(Transition *transition)
{
    g_clear_pointer(&transition->changes, g_array_unref);
    g_clear_pointer(&transition->regions, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transition, transition_clear)

static void
state_clear(State *state)
{
    g_free(state->expected);
    g_free(state->wanted);
    g_clear_pointer(&state->others, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(State, state_clear)

static void
add_record(Transition *transition, const PatchRecord *record, gboolean is_added, gboolean is_settled)
{
    for (guint i = 0; i < record->values->len; i++) {
        Change change = { record, record->values->pdata[i], is_added, is_settled };

        g_array_append_val(transition->changes, change);
    }
}

/* What an interrupted application wanted to take the place of has to be as it was. */
static void
add_replaced(Transition *transition, const PatchRecord *record)
{
    g_autoptr(GPtrArray) others = patch_arena_replaced_by(transition->arena, record);

    for (guint i = 0; i < others->len; i++)
        if (!patch_record_is_gone(transition->kernel, transition->arena, others->pdata[i]))
            add_record(transition, others->pdata[i], FALSE, FALSE);
}

static void
collect_changes(Transition *transition)
{
    for (guint i = 0; i < transition->removed->len; i++) {
        const PatchRecord *record = transition->removed->pdata[i];

        if (patch_record_is_gone(transition->kernel, transition->arena, record))
            continue;
        add_record(transition, record, FALSE, record->state == PATCH_STATE_INSTALLED);
        if (record->state == PATCH_STATE_PREPARING)
            add_replaced(transition, record);
    }
    for (guint i = 0; i < transition->added->len; i++)
        add_record(transition, transition->added->pdata[i], TRUE, TRUE);
}

static int
compare_places(gconstpointer a, gconstpointer b)
{
    const Region *one = a, *other = b;

    return (one->va > other->va) - (one->va < other->va);
}

/* Joins what overlaps, and reads it. */
static gboolean
make_regions(Transition *transition, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Region));
    GArray *regions = transition->regions;

    for (guint i = 0; i < transition->changes->len; i++) {
        const Change *change = &g_array_index(transition->changes, Change, i);
        const PatchValue *value = change->value;
        Region place = {
            value->va, value->va + patch_value_length(value), .name = value->name,
            .may_move = *change->record->module.name || value->pointers->len > 0,
        };

        if (patch_value_is_reached(transition->kernel, value, NULL))
            g_array_append_val(places, place);
    }
    g_array_sort(places, compare_places);
    for (guint i = 0; i < places->len; i++) {
        const Region *place = &g_array_index(places, Region, i);
        Region *last = regions->len > 0 ? &g_array_index(regions, Region, regions->len - 1) : NULL;

        if (last && place->va < last->end) {
            last->end = MAX(last->end, place->end);
            last->may_move |= place->may_move;
        } else {
            g_array_append_val(regions, *place);
        }
    }
    for (guint i = 0; i < regions->len; i++) {
        Region *region = &g_array_index(regions, Region, i);
        gsize length = region->end - region->va;

        region->now = g_malloc(length);
        if (!intro_space_read(intro_kernel_space(transition->kernel), region->va, region->now, length, error)) {
            g_prefix_error(error, "%s: ", region->name);
            return FALSE;
        }
        region->after = g_memdup2(region->now, length);
    }
    return TRUE;
}

static const Region *
region_of(const Transition *transition, const PatchValue *value)
{
    for (guint i = 0; i < transition->regions->len; i++) {
        const Region *region = &g_array_index(transition->regions, Region, i);

        if (region->va <= value->va && value->va < region->end)
            return region;
    }
    return NULL;
}

/* Lays RECORD's values that share bits with VALUE over BYTES; BYTES may be NULL. */
static void
lay_over(const PatchRecord *record, const PatchValue *value, guint8 *bytes, GPtrArray *others)
{
    for (guint i = 0; i < record->values->len; i++) {
        const PatchValue *other = record->values->pdata[i];
        gsize at, from, n = patch_value_overlap(value, other, &at, &from);

        if (n == 0 || !patch_value_shares_bits(value, other))
            continue;
        if (bytes)
            patch_bits_blend(bytes + at, patch_bits_of(other->after) + from, patch_bits_of(value->mask) + at,
                             patch_bits_of(other->mask) + from, n);
        if (!g_ptr_array_find(others, other, NULL))
            g_ptr_array_add(others, (gpointer) other);
    }
}

static void
survey(const Transition *transition, const Change *change, State *state)
{
    const PatchValue *value = change->value;
    GPtrArray *records = patch_arena_records(transition->arena);

    state->is_settled = change->is_settled;
    for (guint i = 0; i < records->len; i++) {
        const PatchRecord *record = records->pdata[i];
        gboolean is_installed = record->state == PATCH_STATE_INSTALLED;

        if (!patch_record_shares_bits(record, value) || patch_record_is_gone(transition->kernel, transition->arena, record))
            continue;
        state->is_settled = state->is_settled && is_installed;
        lay_over(record, value, is_installed ? state->expected : NULL, state->others);
        if (is_installed && !g_ptr_array_find((GPtrArray *) transition->removed, record, NULL))
            lay_over(record, value, state->wanted, state->others);
    }
    for (guint i = 0; i < transition->added->len; i++)
        lay_over(transition->added->pdata[i], value, state->wanted, state->others);
}

static gboolean
is_known_byte(const PatchValue *value, const State *state, gsize i)
{
    guint8 mask = patch_bits_of(value->mask)[i], now = state->now[i];

    if (!((now ^ state->expected[i]) & mask) || !((now ^ state->wanted[i]) & mask) ||
        !((now ^ patch_bits_of(value->before)[i]) & mask))
        return TRUE;
    for (guint o = 0; o < state->others->len; o++) {
        const PatchValue *other = state->others->pdata[o];
        gsize at, from, n = patch_value_overlap(value, other, &at, &from);

        if (i >= at && i - at < n && !((now ^ patch_bits_of(other->after)[from + i - at]) & mask))
            return TRUE;
    }
    return FALSE;
}

static void
note_left(const Transition *transition, const PatchValue *value, const guint8 *now)
{
    g_autofree char *text = patch_value_bytes_text(value, now);

    g_ptr_array_add(transition->plan->notes, g_strdup_printf("%s holds %s, which the guest has put there, and keeps it",
                                                             value->name, text));
}

/* Of what was interrupted, any part may be there. What is none of it, the guest has put there since. */
static void
change_what_is_known(const Transition *transition, const PatchValue *value, const State *state)
{
    const guint8 *mask = patch_bits_of(value->mask);
    gboolean is_left = FALSE;

    for (gsize i = 0; i < patch_value_length(value); i++) {
        if (is_known_byte(value, state, i))
            state->after[i] = (state->after[i] & ~mask[i]) | (state->wanted[i] & mask[i]);
        else
            is_left = TRUE;
    }
    if (is_left)
        note_left(transition, value, state->now);
}

/* Whether anything in BYTES leads to what goes with RECORD. */
static gboolean
leads_into(const PatchRecord *record, const guint8 *bytes, gsize length)
{
    const PatchArea areas[] = { record->block, { record->code_va, record->block.length }, record->data };

    for (gsize i = 0; i + sizeof(guint64) <= length; i++) {
        guint64 word;

        memcpy(&word, bytes + i, sizeof word);
        word = GUINT64_FROM_LE(word);
        for (gsize a = 0; a < G_N_ELEMENTS(areas); a++)
            if (word >= areas[a].va && word - areas[a].va < areas[a].length)
                return TRUE;
    }
    return FALSE;
}

static gboolean
refuse_altered(const Change *change, const State *state, GError **error)
{
    const PatchValue *value = change->value;
    g_autofree char *now = patch_value_bytes_text(value, state->now);
    g_autofree char *expected = patch_value_bytes_text(value, state->expected);
    gboolean is_pointer = leads_into(change->record, state->now, patch_value_length(value));

    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "%s holds %s, not the %s that update %s has put there: the guest has changed it since. Nothing is changed; %s",
                value->name, now, expected, change->record->id,
                is_pointer ? "the update cannot go while it leads to the update's code"
                           : "undo --keep-data leaves it as it is now");
    return FALSE;
}

static gboolean
refuse_added(const Transition *transition, const Change *change, const State *state, GError **error)
{
    const PatchRecord *latest = patch_values_latest(transition->kernel, transition->arena, NULL, change->value);
    g_autofree char *now = patch_value_bytes_text(change->value, state->now);
    g_autofree char *expected = patch_value_bytes_text(change->value, state->expected);

    if (latest)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s holds %s, not the %s that update %s has put there: the guest has changed it since. Undo %s first",
                    change->value->name, now, expected, latest->id, latest->id);
    else
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_PASSING, "%s is being changed by the guest at the moment; try again",
                    change->value->name);
    return FALSE;
}

static gboolean
plan_value(const Transition *transition, const Change *change, const State *state, GError **error)
{
    const PatchValue *value = change->value;
    const guint8 *mask = patch_bits_of(value->mask);

    if (patch_value_agrees(value, state->now, state->expected)) {
        patch_bits_blend(state->after, state->wanted, mask, mask, patch_value_length(value));
        return TRUE;
    }
    if (change->is_added)
        return refuse_added(transition, change, state, error);
    if (patch_value_agrees(value, state->now, state->wanted))
        return TRUE;
    if (!state->is_settled) {
        change_what_is_known(transition, value, state);
        return TRUE;
    }
    if (!transition->keep || leads_into(change->record, state->now, patch_value_length(value)))
        return refuse_altered(change, state, error);
    note_left(transition, value, state->now);
    return TRUE;
}

/* A value in an object that pointers do not lead to any more. */
static gboolean
lose_value(const Transition *transition, const Change *change, GError **error)
{
    const PatchPointer *where = NULL;

    patch_value_is_reached(transition->kernel, change->value, &where);
    if (change->is_added) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_PASSING, "what leads to %s is being changed by the guest at the moment; "
                    "try again", change->value->name);
        return FALSE;
    }
    if (where && !transition->keep && change->is_settled) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the pointer at %#" G_GINT64_MODIFIER "x that led to %s leads elsewhere since update %s was applied. "
                    "Nothing is changed; undo --keep-data leaves as it is what the update has put there", where->va,
                    change->value->name, change->record->id);
        return FALSE;
    }
    g_ptr_array_add(transition->plan->notes,
                    g_strdup_printf("%s is not reached any more, and was left as it is", change->value->name));
    return TRUE;
}

static void
require_pointers(const Transition *transition, const PatchValue *value)
{
    for (guint i = 0; i < value->pointers->len; i++) {
        const PatchPointer *pointer = &g_array_index(value->pointers, PatchPointer, i);
        guint64 target = GUINT64_TO_LE(pointer->target);
        g_autoptr(GBytes) bytes = g_bytes_new(&target, sizeof target);

        patch_plan_require(transition->plan, pointer->va, bytes, PATCH_ERROR_PASSING,
                           g_strdup_printf("what leads to %s is being changed by the guest", value->name));
    }
}

static gboolean
plan_change(const Transition *transition, const Change *change, GError **error)
{
    const PatchValue *value = change->value;
    const Region *region = region_of(transition, value);
    g_auto(State) state = { 0 };

    if (!region || !patch_value_is_reached(transition->kernel, value, NULL))
        return lose_value(transition, change, error);
    state = (State) {
        .now = region->now + (value->va - region->va), .after = region->after + (value->va - region->va),
        .expected = g_memdup2(patch_bits_of(value->before), patch_value_length(value)),
        .wanted = g_memdup2(patch_bits_of(value->before), patch_value_length(value)),
        .others = g_ptr_array_new(),
    };
    survey(transition, change, &state);
    require_pointers(transition, value);
    return plan_value(transition, change, &state, error);
}

/* Only the bytes that change, so that nothing is lost of what the guest writes beside them. */
static gboolean
plan_region(const Transition *transition, const Region *region, GError **error)
{
    gsize length = region->end - region->va, end;

    for (gsize start = 0; start < length; start = end) {
        g_autoptr(GBytes) before = NULL, after = NULL;

        for (end = start; end < length && region->now[end] != region->after[end];)
            end++;
        if (end == start) {
            end++;
            continue;
        }
        before = g_bytes_new(region->now + start, end - start);
        after = g_bytes_new(region->after + start, end - start);
        if (!patch_plan_write_data(transition->plan, transition->kernel, region->va + start, before, after,
                                   region->may_move, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_values_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *removed,
                  const GPtrArray *added, gboolean keep, GError **error)
{
    g_auto(Transition) transition = {
        plan, kernel, arena, removed, added, keep, g_array_new(FALSE, FALSE, sizeof(Change)),
        g_array_new(FALSE, FALSE, sizeof(Region)),
    };

    g_array_set_clear_func(transition.regions, region_clear);
    collect_changes(&transition);
    if (!make_regions(&transition, error))
        return FALSE;
    for (guint i = 0; i < transition.changes->len; i++)
        if (!plan_change(&transition, &g_array_index(transition.changes, Change, i), error))
            return FALSE;
    for (guint i = 0; i < transition.regions->len; i++)
        if (!plan_region(&transition, &g_array_index(transition.regions, Region, i), error))
            return FALSE;
    return TRUE;
}
