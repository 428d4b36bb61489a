/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/region.h"

#include "introspect/code-areas.h"

static gboolean
is_there(const IntroKernel *kernel, GuestVa va, guint64 block_bytes, guint64 region_bytes)
{
    g_autoptr(GArray) areas = intro_code_areas(kernel, NULL);

    for (guint i = 0; areas && i < areas->len; i++) {
        const IntroCodeArea *area = &g_array_index(areas, IntroCodeArea, i);

        if (area->va == va)
            return area->code_bytes == block_bytes && area->bytes == region_bytes;
    }
    return FALSE;
}

/* Numbers that are the guest's word are compared with what is mapped. */
gboolean
patch_region_plan_claim(PatchPlan *plan, const IntroKernel *kernel, GuestVa va, guint64 block_pages, guint64 region_pages,
                        GError **error)
{
    guint8 header[PATCH_BLOCK_HEADER_BYTES];
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0), claim = NULL;

    if (block_pages > G_MAXUINT32 || region_pages > G_MAXUINT32 ||
        !is_there(kernel, va, block_pages * PATCH_PAGE_BYTES, region_pages * PATCH_PAGE_BYTES)) {
        g_warning("the guest's allocator has given memory at %#" G_GINT64_MODIFIER "x that could not be made what it should "
                  "be; it is in nobody's use, and the guest gets it back with its next boot", va);
        return TRUE;
    }
    patch_record_fill_header(header, PATCH_STATE_CLAIMED, block_pages * PATCH_PAGE_BYTES, PATCH_BLOCK_HEADER_BYTES, nothing);
    patch_record_mark_region(header, region_pages);
    claim = g_bytes_new(header, sizeof header);
    return patch_plan_write(plan, kernel, va, NULL, claim, error);
}

gboolean
patch_region_is_intact(const IntroKernel *kernel, const PatchRecord *record)
{
    return record->region_bytes == 0 || is_there(kernel, record->block.va, record->block.length, record->region_bytes);
}
