/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/values.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/jumps.h"
#include "patcher/value-text.h"

static const guint8 *
data_of(GBytes *bytes)
{
    return g_bytes_get_data(bytes, NULL);
}

static gsize
length_of(const PatchValue *value)
{
    return g_bytes_get_size(value->after);
}

static char *
text_of(const PatchValue *value, const guint8 *bytes)
{
    return patch_value_text(value->form, data_of(value->mask), bytes, length_of(value));
}

/* ---- What is there ---- */

/* INTO takes over the bits of FROM that MASK has; either may be of another value, as the offsets say. */
static void
blend(guint8 *into, const guint8 *from, const guint8 *mask, const guint8 *own_mask, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guint8 bits = mask[i] & own_mask[i];

        into[i] = (into[i] & ~bits) | (from[i] & bits);
    }
}

static gboolean
agrees(const PatchValue *value, const guint8 *one, const guint8 *other)
{
    const guint8 *mask = data_of(value->mask);

    for (gsize i = 0; i < length_of(value); i++)
        if ((one[i] ^ other[i]) & mask[i])
            return FALSE;
    return TRUE;
}

/* The part of OTHER that lies where VALUE does: its length, and where it begins in both. */
static gsize
overlap(const PatchValue *value, const PatchValue *other, gsize *in_value, gsize *in_other)
{
    GuestVa first = MAX(value->va, other->va);
    GuestVa end = MIN(value->va + length_of(value), other->va + length_of(other));

    if (first >= end)
        return 0;
    *in_value = first - value->va;
    *in_other = first - other->va;
    return end - first;
}

static gboolean
shares_bits(const PatchValue *value, const PatchValue *other)
{
    const guint8 *mask = data_of(value->mask), *other_mask = data_of(other->mask);
    gsize at, from, n = overlap(value, other, &at, &from);

    for (gsize i = 0; i < n; i++)
        if (mask[at + i] & other_mask[from + i])
            return TRUE;
    return FALSE;
}

static gboolean
record_shares_bits(const PatchRecord *record, const PatchValue *value)
{
    for (guint i = 0; i < record->values->len; i++)
        if (shares_bits(value, record->values->pdata[i]))
            return TRUE;
    return FALSE;
}

/* The way to VALUE still is what it was. WHERE (may be NULL): the pointer that is not. */
static gboolean
is_reached(const IntroKernel *kernel, const PatchValue *value, const PatchPointer **where)
{
    for (guint i = 0; i < value->pointers->len; i++) {
        const PatchPointer *pointer = &g_array_index(value->pointers, PatchPointer, i);
        guint64 target;

        if (intro_space_read_u64(intro_kernel_space(kernel), pointer->va, &target, NULL) && target == pointer->target)
            continue;
        if (where)
            *where = pointer;
        return FALSE;
    }
    return TRUE;
}

static gboolean
is_among(const GPtrArray *records, const PatchRecord *record)
{
    return records && g_ptr_array_find((GPtrArray *) records, record, NULL);
}

const PatchRecord *
patch_values_latest(const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *except, const PatchValue *value)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = records->len; i > 0; i--) {
        const PatchRecord *record = records->pdata[i - 1];

        if (record->state == PATCH_STATE_INSTALLED && !is_among(except, record) && record_shares_bits(record, value) &&
            !patch_record_is_gone(kernel, arena, record))
            return record;
    }
    return NULL;
}

PatchValueState
patch_value_state(const IntroKernel *kernel, const PatchArena *arena, const PatchRecord *record, const PatchValue *value,
                  char **now)
{
    g_autofree guint8 *bytes = g_malloc(length_of(value));
    const PatchRecord *latest;

    if (now)
        *now = NULL;
    if (patch_record_is_gone(kernel, arena, record) || !is_reached(kernel, value, NULL) ||
        !intro_space_read(intro_kernel_space(kernel), value->va, bytes, length_of(value), NULL))
        return PATCH_VALUE_GONE;
    if (now)
        *now = text_of(value, bytes);
    if (agrees(value, bytes, data_of(value->after)))
        return PATCH_VALUE_IN_FORCE;
    latest = patch_values_latest(kernel, arena, NULL, value);
    if (latest && latest->sequence > record->sequence)
        return PATCH_VALUE_SUPERSEDED;
    return agrees(value, bytes, data_of(value->before)) ? PATCH_VALUE_RESTORED : PATCH_VALUE_ALTERED;
}

void
patch_values_take_out(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, guint8 *bytes, gsize length)
{
    GPtrArray *records = patch_arena_records(arena);

    for (guint i = records->len; i > 0; i--) {
        const PatchRecord *record = records->pdata[i - 1];

        for (guint j = 0; j < record->values->len; j++) {
            const PatchValue *value = record->values->pdata[j];
            const guint8 *mask = data_of(value->mask), *after = data_of(value->after);
            GuestVa first = MAX(va, value->va), end = MIN(va + length, value->va + length_of(value));
            gsize n = first < end ? end - first : 0;
            gboolean is_there = n > 0 && !patch_record_is_gone(kernel, arena, record);

            for (gsize k = 0; k < n && is_there; k++)
                is_there = !((bytes[first - va + k] ^ after[first - value->va + k]) & mask[first - value->va + k]);
            if (is_there)
                blend(bytes + (first - va), data_of(value->before) + (first - value->va), mask + (first - value->va),
                      mask + (first - value->va), n);
        }
    }
}

/* ---- From what is there to what has to be there ---- */

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
            value->va, value->va + length_of(value), .name = value->name,
            .may_move = *change->record->module.name || value->pointers->len > 0,
        };

        if (is_reached(transition->kernel, value, NULL))
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
        gsize at, from, n = overlap(value, other, &at, &from);

        if (n == 0 || !shares_bits(value, other))
            continue;
        if (bytes)
            blend(bytes + at, data_of(other->after) + from, data_of(value->mask) + at, data_of(other->mask) + from, n);
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

        if (!record_shares_bits(record, value) || patch_record_is_gone(transition->kernel, transition->arena, record))
            continue;
        state->is_settled = state->is_settled && is_installed;
        lay_over(record, value, is_installed ? state->expected : NULL, state->others);
        if (is_installed && !is_among(transition->removed, record))
            lay_over(record, value, state->wanted, state->others);
    }
    for (guint i = 0; i < transition->added->len; i++)
        lay_over(transition->added->pdata[i], value, state->wanted, state->others);
}

static gboolean
is_known_byte(const PatchValue *value, const State *state, gsize i)
{
    guint8 mask = data_of(value->mask)[i], now = state->now[i];

    if (!((now ^ state->expected[i]) & mask) || !((now ^ state->wanted[i]) & mask) ||
        !((now ^ data_of(value->before)[i]) & mask))
        return TRUE;
    for (guint o = 0; o < state->others->len; o++) {
        const PatchValue *other = state->others->pdata[o];
        gsize at, from, n = overlap(value, other, &at, &from);

        if (i >= at && i - at < n && !((now ^ data_of(other->after)[from + i - at]) & mask))
            return TRUE;
    }
    return FALSE;
}

static void
note_left(const Transition *transition, const PatchValue *value, const guint8 *now)
{
    g_autofree char *text = text_of(value, now);

    g_ptr_array_add(transition->plan->notes, g_strdup_printf("%s holds %s, which the guest has put there, and keeps it",
                                                             value->name, text));
}

/* Of what was interrupted, any part may be there. What is none of it, the guest has put there since. */
static void
change_what_is_known(const Transition *transition, const PatchValue *value, const State *state)
{
    const guint8 *mask = data_of(value->mask);
    gboolean is_left = FALSE;

    for (gsize i = 0; i < length_of(value); i++) {
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
    g_autofree char *now = text_of(value, state->now), *expected = text_of(value, state->expected);
    gboolean is_pointer = leads_into(change->record, state->now, length_of(value));

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
    g_autofree char *now = text_of(change->value, state->now), *expected = text_of(change->value, state->expected);

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
    const guint8 *mask = data_of(value->mask);

    if (agrees(value, state->now, state->expected)) {
        blend(state->after, state->wanted, mask, mask, length_of(value));
        return TRUE;
    }
    if (change->is_added)
        return refuse_added(transition, change, state, error);
    if (agrees(value, state->now, state->wanted))
        return TRUE;
    if (!state->is_settled) {
        change_what_is_known(transition, value, state);
        return TRUE;
    }
    if (!transition->keep || leads_into(change->record, state->now, length_of(value)))
        return refuse_altered(change, state, error);
    note_left(transition, value, state->now);
    return TRUE;
}

/* A value in an object that pointers do not lead to any more. */
static gboolean
lose_value(const Transition *transition, const Change *change, GError **error)
{
    const PatchPointer *where = NULL;

    is_reached(transition->kernel, change->value, &where);
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

    if (!region || !is_reached(transition->kernel, value, NULL))
        return lose_value(transition, change, error);
    state = (State) {
        .now = region->now + (value->va - region->va), .after = region->after + (value->va - region->va),
        .expected = g_memdup2(data_of(value->before), length_of(value)),
        .wanted = g_memdup2(data_of(value->before), length_of(value)),
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
