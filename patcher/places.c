/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/places.h"

#include <string.h>

#include "patcher/error.h"

static void
add_extents(GArray *extents, const PatchWrite *write, guint8 *buffer)
{
    for (guint i = 0; i < write->mappings->len; i++) {
        const IntroMapping *mapping = &g_array_index(write->mappings, IntroMapping, i);
        VmmExtent extent = { mapping->pa, buffer, mapping->length };

        g_array_append_val(extents, extent);
        buffer += mapping->length;
    }
}

GPtrArray *
patch_places_read(const VmmReader *reader, const GPtrArray *writes, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(VmmExtent));

    for (guint i = 0; i < writes->len; i++) {
        const PatchWrite *write = writes->pdata[i];
        gsize length = g_bytes_get_size(write->after);
        guint8 *buffer = g_malloc(length);

        g_ptr_array_add(places, g_bytes_new_take(buffer, length));
        add_extents(extents, write, buffer);
    }
    if (!vmm_read_extents(reader, (const VmmExtent *) extents->data, extents->len, error))
        return NULL;
    return g_steal_pointer(&places);
}

gboolean
patch_places_check_before(const GPtrArray *writes, const GPtrArray *places, GError **error)
{
    for (guint i = 0; i < writes->len; i++) {
        const PatchWrite *write = writes->pdata[i];

        if (write->before && !g_bytes_equal(places->pdata[i], write->before)) {
            if (write->may_change)
                g_set_error(error, PATCH_ERROR, PATCH_ERROR_PASSING,
                            "the guest is changing the data at %#" G_GINT64_MODIFIER "x at the moment. Nothing was written; "
                            "try again", write->va);
            else
                g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                            "the guest's memory at %#" G_GINT64_MODIFIER "x changed after it was looked at: the guest was "
                            "reset, or somebody else is patching it. Try again", write->va);
            return FALSE;
        }
    }
    return TRUE;
}

static GBytes *
outcome_of(const GPtrArray *writes, guint index)
{
    const PatchWrite *write = writes->pdata[index];
    gsize length = g_bytes_get_size(write->after);
    guint8 *bytes = g_memdup2(g_bytes_get_data(write->after, NULL), length);

    for (guint i = index + 1; i < writes->len; i++) {
        const PatchWrite *later = writes->pdata[i];
        gsize later_length = g_bytes_get_size(later->after);
        const guint8 *data = g_bytes_get_data(later->after, NULL);
        GuestVa start = MAX(write->va, later->va), end = MIN(write->va + length, later->va + later_length);

        if (start < end)
            memcpy(bytes + (start - write->va), data + (start - later->va), end - start);
    }
    return g_bytes_new_take(bytes, length);
}

GPtrArray *
patch_places_outcome(const GPtrArray *writes)
{
    GPtrArray *outcome = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);

    for (guint i = 0; i < writes->len; i++)
        g_ptr_array_add(outcome, outcome_of(writes, i));
    return outcome;
}

gboolean
patch_places_check_outcome(const GPtrArray *writes, const GPtrArray *places, const GPtrArray *outcome, GError **error)
{
    for (guint i = 0; i < writes->len; i++)
        if (!g_bytes_equal(places->pdata[i], outcome->pdata[i])) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                        "what was written at %#" G_GINT64_MODIFIER "x does not read back",
                        ((const PatchWrite *) writes->pdata[i])->va);
            return FALSE;
        }
    return TRUE;
}

static void
add_chunks(GArray *chunks, const PatchWrite *write, GBytes *bytes)
{
    const guint8 *data = g_bytes_get_data(bytes, NULL);

    for (guint i = 0; i < write->mappings->len; i++) {
        const IntroMapping *mapping = &g_array_index(write->mappings, IntroMapping, i);
        VmmChunk chunk = { mapping->pa, data, mapping->length };

        g_array_append_val(chunks, chunk);
        data += mapping->length;
    }
}

void
patch_places_add_writes(GArray *chunks, const GPtrArray *writes)
{
    for (guint i = 0; i < writes->len; i++)
        add_chunks(chunks, writes->pdata[i], ((const PatchWrite *) writes->pdata[i])->after);
}

void
patch_places_add_returns(GArray *chunks, const GPtrArray *writes, const GPtrArray *places)
{
    for (guint i = writes->len; i > 0; i--)
        if (!((const PatchWrite *) writes->pdata[i - 1])->stays)
            add_chunks(chunks, writes->pdata[i - 1], places->pdata[i - 1]);
}
