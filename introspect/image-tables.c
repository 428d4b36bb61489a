/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/image-tables.h"

#include "introspect/kallsyms.h"

/* What is copied out of the guest's image at most while looking for symbols. */
#define MAX_COPIED_BYTES (64ULL << 20)
#define MAX_BTF_BYTES (32U << 20)

/* The part of the image that symbols were found in. */
typedef struct {
    GBytes *bytes;
    GuestVa va;
} Rodata;

static gboolean
unsupported(const char *what, GError **error)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED, "the guest's kernel has %s", what);
    return FALSE;
}

/* NULL without an error if the symbols are not in RUN. */
static IntroSymbolGroup *
find_symbols_in_run(const VmmReader *reader, const IntroImage *image, const IntroMapping *run, Rodata *rodata,
                    GError **error)
{
    g_autofree guint8 *copy = g_try_malloc(run->length);
    IntroImagePart part = { copy, run->length, run->va, image->start };
    g_autoptr(GError) local_error = NULL;
    IntroSymbolGroup *group;

    if (copy == NULL) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                    "an image of %" G_GUINT64_FORMAT " bytes is too large for this host's memory", run->length);
        return NULL;
    }
    if (!vmm_read(reader, run->pa, copy, run->length, error))
        return NULL;
    group = intro_kallsyms_find(&part, &local_error);
    if (group != NULL)
        *rodata = (Rodata) { g_bytes_new_take(g_steal_pointer(&copy), run->length), run->va };
    else if (!g_error_matches(local_error, INTRO_ERROR, INTRO_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&local_error));
    return group;
}

/* Looks in read-only data first; before the kernel has protected itself, and in one that never does, it is not to be
 * told apart. */
static IntroSymbolGroup *
find_symbols(const VmmReader *reader, const IntroImage *image, Rodata *rodata, GError **error)
{
    guint64 copied = 0;

    for (guint pass = 0; pass < 2; pass++)
        for (guint i = 0; i < image->runs->len; i++) {
            const IntroMapping *run = &g_array_index(image->runs, IntroMapping, i);
            gboolean is_rodata = !run->writable && !run->executable;
            GError *local_error = NULL;
            IntroSymbolGroup *group;

            if (is_rodata != (pass == 0) || run->length > MAX_COPIED_BYTES - copied)
                continue;
            copied += run->length;
            group = find_symbols_in_run(reader, image, run, rodata, &local_error);
            if (group != NULL)
                return group;
            if (local_error != NULL) {
                g_propagate_error(error, local_error);
                return NULL;
            }
        }
    unsupported("no symbol table in its memory (CONFIG_KALLSYMS), or it is still starting", error);
    return NULL;
}

/* The address of a symbol in a group that is no table yet; 0 if there is none. */
static GuestVa
group_address(const IntroSymbolGroup *group, const char *name)
{
    for (guint i = 0; i < group->symbols->len; i++) {
        const IntroSymbol *symbol = &g_array_index(group->symbols, IntroSymbol, i);

        if (g_str_equal(symbol->name, name))
            return symbol->va;
    }
    return 0;
}

static IntroSymbols *
read_symbols(const VmmReader *reader, const IntroImage *image, Rodata *rodata, GError **error)
{
    IntroSymbolGroup *group = find_symbols(reader, image, rodata, error);
    IntroRegion region;

    if (group == NULL)
        return NULL;
    region = (IntroRegion) { group_address(group, "_stext"), group_address(group, "_end") };
    g_array_append_val(group->regions, region);
    return intro_symbols_new(group);
}

static IntroBtf *
read_btf(const IntroSymbols *symbols, const Rodata *rodata, GError **error)
{
    g_autoptr(GBytes) data = NULL;
    GuestVa start, stop;

    if (!intro_symbols_address(symbols, "__start_BTF", &start, NULL)
        || !intro_symbols_address(symbols, "__stop_BTF", &stop, NULL)) {
        unsupported("no description of its types in its memory (CONFIG_DEBUG_INFO_BTF)", error);
        return NULL;
    }
    if (start < rodata->va || stop < start || stop - rodata->va > g_bytes_get_size(rodata->bytes)
        || stop - start > MAX_BTF_BYTES) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                            "the description of the kernel's types does not lie in its read-only data");
        return NULL;
    }
    data = g_bytes_new_from_bytes(rodata->bytes, start - rodata->va, stop - start);
    return intro_btf_new(data, error);
}

gboolean
intro_image_read_tables(const VmmReader *reader, const IntroImage *image, IntroSymbols **symbols, IntroBtf **btf,
                        GError **error)
{
    Rodata rodata = { NULL, 0 };
    g_autoptr(IntroSymbols) found = read_symbols(reader, image, &rodata, error);
    g_autoptr(GBytes) bytes = rodata.bytes;

    *btf = found != NULL ? read_btf(found, &rodata, error) : NULL;
    if (*btf == NULL)
        return FALSE;
    *symbols = g_steal_pointer(&found);
    return TRUE;
}
