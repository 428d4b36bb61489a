/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/recall.h"

#include <string.h>

/* Of one round: what is beyond is read each time. */
#define MAX_REMEMBERED 8192
#define MAX_REMEMBERED_BYTES (1u << 20)

typedef struct {
    GuestVa va;
    gsize length, at;           /* AT: where in the bytes */
} Place;

/* What was read, in the order in which it was. */
typedef struct {
    GArray *places;             /* of Place */
    GHashTable *indices;        /* address -> index in places, and one */
    GByteArray *bytes;
} Round;

struct IntroRecall {
    const IntroSpace *space;
    Round before, now;          /* BEFORE: what the last round read, as it was when this one began */
};

static void
round_init(Round *round)
{
    round->places = g_array_new(FALSE, FALSE, sizeof(Place));
    round->indices = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    round->bytes = g_byte_array_new();
}

static void
round_clear(Round *round)
{
    g_array_unref(round->places);
    g_hash_table_unref(round->indices);
    g_byte_array_unref(round->bytes);
}

static void
round_empty(Round *round)
{
    g_array_set_size(round->places, 0);
    g_hash_table_remove_all(round->indices);
    g_byte_array_set_size(round->bytes, 0);
}

static const guint8 *
round_find(const Round *round, GuestVa va, gsize length)
{
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(round->indices, &va));
    const Place *place = number > 0 ? &g_array_index(round->places, Place, number - 1) : NULL;

    return place != NULL && place->length >= length ? round->bytes->data + place->at : NULL;
}

static void
round_add(Round *round, GuestVa va, const void *bytes, gsize length)
{
    Place place = { va, length, round->bytes->len };

    if (round->places->len >= MAX_REMEMBERED || round->bytes->len + length > MAX_REMEMBERED_BYTES)
        return;
    g_array_append_val(round->places, place);
    g_hash_table_replace(round->indices, g_memdup2(&va, sizeof va), GUINT_TO_POINTER(round->places->len));
    g_byte_array_append(round->bytes, bytes, (guint) length);
}

static gboolean
round_read_again(Round *round, const IntroSpace *space)
{
    g_autofree IntroExtent *extents = g_new(IntroExtent, round->places->len);

    for (guint i = 0; i < round->places->len; i++) {
        const Place *place = &g_array_index(round->places, Place, i);

        extents[i] = (IntroExtent) { place->va, round->bytes->data + place->at, place->length };
    }
    return intro_space_read_extents(space, extents, round->places->len, NULL);
}

IntroRecall *
intro_recall_new(const IntroSpace *space)
{
    IntroRecall *recall = g_new0(IntroRecall, 1);

    recall->space = space;
    round_init(&recall->before);
    round_init(&recall->now);
    return recall;
}

void
intro_recall_free(IntroRecall *recall)
{
    if (recall == NULL)
        return;
    round_clear(&recall->before);
    round_clear(&recall->now);
    g_free(recall);
}

void
intro_recall_begin(IntroRecall *recall)
{
    Round last = recall->now;

    recall->now = recall->before;
    recall->before = last;
    round_empty(&recall->now);
    if (!round_read_again(&recall->before, recall->space))
        round_empty(&recall->before);
}

gboolean
intro_recall_read(IntroRecall *recall, GuestVa va, void *buffer, gsize length, GError **error)
{
    const guint8 *known = round_find(&recall->before, va, length);

    if (known != NULL)
        memcpy(buffer, known, length);
    else if (!intro_space_read(recall->space, va, buffer, length, error))
        return FALSE;
    round_add(&recall->now, va, buffer, length);
    return TRUE;
}

gboolean
intro_recall_read_u32(IntroRecall *recall, GuestVa va, guint32 *value, GError **error)
{
    if (!intro_recall_read(recall, va, value, sizeof *value, error))
        return FALSE;
    *value = GUINT32_FROM_LE(*value);
    return TRUE;
}

gboolean
intro_recall_read_u64(IntroRecall *recall, GuestVa va, guint64 *value, GError **error)
{
    if (!intro_recall_read(recall, va, value, sizeof *value, error))
        return FALSE;
    *value = GUINT64_FROM_LE(*value);
    return TRUE;
}
