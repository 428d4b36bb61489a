/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/probes.h"

#include "introspect/cursor.h"

/* Beyond any real guest. */
#define MAX_TABLE_BYTES 65536
#define MAX_KPROBES     65536
#define MAX_LIVEPATCHED 65536   /* patches, objects and functions together */
#define MAX_NAME_BYTES  128

/* ---- Kprobes ---- */

GBytes *
intro_kprobes_table(const IntroKernel *kernel, GuestVa *va, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    g_autofree guint8 *table = NULL;
    const IntroSymbol *symbol;
    guint64 length;

    if (!intro_symbols_address(symbols, "kprobe_table", va, NULL))
        return NULL;
    symbol = intro_symbols_at(symbols, *va, NULL);
    length = symbol != NULL ? MIN(symbol->size, MAX_TABLE_BYTES) & ~(guint64) 7 : 0;
    table = g_malloc(MAX(length, 1));
    if (!intro_space_read(intro_kernel_space(kernel), *va, table, length, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&table), length);
}

/* One chain of the table. */
static gboolean
follow_chain(const IntroKernel *kernel, GuestVa node, gsize hlist, gsize addr, GArray *found, GError **error)
{
    const IntroSpace *space = intro_kernel_space(kernel);
    GuestVa va;

    while (node != 0 && found->len < MAX_KPROBES) {
        if (!intro_space_read_u64(space, node - hlist + addr, &va, error)
            || !intro_space_read_u64(space, node, &node, error))
            return FALSE;
        g_array_append_val(found, va);
    }
    if (node == 0)
        return TRUE;
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's table of kprobes does not end");
    return FALSE;
}

GArray *
intro_kprobes(const IntroKernel *kernel, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    const IntroBtf *btf = intro_kernel_btf(kernel);
    GError *local_error = NULL;
    GuestVa va;
    g_autoptr(GBytes) table = intro_kprobes_table(kernel, &va, &local_error);
    gsize length, hlist, addr;
    const guint8 *heads;

    if (local_error != NULL) {
        g_propagate_error(error, local_error);
        return NULL;
    }
    if (table == NULL)
        return g_steal_pointer(&found);
    if (!intro_btf_offset(btf, "kprobe", "hlist", &hlist, error) || !intro_btf_offset(btf, "kprobe", "addr", &addr, error))
        return NULL;
    heads = g_bytes_get_data(table, &length);
    for (gsize i = 0; i < length; i += sizeof(guint64))
        if (!follow_chain(kernel, intro_word(heads + i), hlist, addr, found, error))
            return NULL;
    return g_steal_pointer(&found);
}

/* ---- Livepatches: patches, in each of them objects, in each of them functions ---- */

typedef struct {
    gsize list, objects, enabled, module;       /* of struct klp_patch */
    gsize object_node, functions;               /* of struct klp_object */
    gsize function_node, old_function;          /* of struct klp_func */
    gsize name;                                 /* of struct module */
} PatchLayout;

static void
clear_livepatched(gpointer data)
{
    g_free(((IntroLivepatched *) data)->patch);
}

static gboolean
find_patch_layout(const IntroBtf *btf, PatchLayout *layout, GError **error)
{
    return intro_btf_offset(btf, "klp_patch", "list.next", &layout->list, error)
        && intro_btf_offset(btf, "klp_patch", "obj_list.next", &layout->objects, error)
        && intro_btf_offset(btf, "klp_patch", "enabled", &layout->enabled, error)
        && intro_btf_offset(btf, "klp_patch", "mod", &layout->module, error)
        && intro_btf_offset(btf, "klp_object", "node.next", &layout->object_node, error)
        && intro_btf_offset(btf, "klp_object", "func_list.next", &layout->functions, error)
        && intro_btf_offset(btf, "klp_func", "node.next", &layout->function_node, error)
        && intro_btf_offset(btf, "klp_func", "old_func", &layout->old_function, error)
        && intro_btf_offset(btf, "module", "name", &layout->name, error);
}

/* The elements of the list with that HEAD, whose links lie LINK bytes into them: array of GuestVa. BUDGET is how many there
 * may be, and how many there may be after that: lists within lists may share their elements. */
static GArray *
read_list(const IntroSpace *space, GuestVa head, gsize link, guint *budget, GError **error)
{
    g_autoptr(GArray) elements = g_array_new(FALSE, FALSE, sizeof(GuestVa));
    GuestVa next, element;

    if (!intro_space_read_u64(space, head, &next, error))
        return NULL;
    for (; next != head && *budget > 0; --*budget) {
        element = next - link;
        g_array_append_val(elements, element);
        if (!intro_space_read_u64(space, next, &next, error))
            return NULL;
    }
    if (next == head)
        return g_steal_pointer(&elements);
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the guest's list of livepatches does not end");
    return NULL;
}

static char *
name_of_patch(const IntroSpace *space, const PatchLayout *layout, GuestVa patch)
{
    GuestVa module;
    char *name = NULL;

    if (intro_space_read_u64(space, patch + layout->module, &module, NULL))
        name = intro_space_read_string(space, module + layout->name, MAX_NAME_BYTES, NULL);
    return name != NULL ? name : g_strdup("?");
}

static gboolean
add_functions(const IntroSpace *space, const PatchLayout *layout, GuestVa patch, GuestVa object, guint *budget,
              GArray *found, GError **error)
{
    g_autoptr(GArray) functions = read_list(space, object + layout->functions, layout->function_node, budget, error);

    for (guint i = 0; functions != NULL && i < functions->len; i++) {
        IntroLivepatched livepatched = { 0 };

        if (!intro_space_read_u64(space, g_array_index(functions, GuestVa, i) + layout->old_function,
                                  &livepatched.function, error))
            return FALSE;
        livepatched.patch = name_of_patch(space, layout, patch);
        g_array_append_val(found, livepatched);
    }
    return functions != NULL;
}

static gboolean
add_patch(const IntroSpace *space, const PatchLayout *layout, GuestVa patch, guint *budget, GArray *found, GError **error)
{
    g_autoptr(GArray) objects = NULL;
    guint8 enabled;

    if (!intro_space_read(space, patch + layout->enabled, &enabled, sizeof enabled, error))
        return FALSE;
    if (!enabled)
        return TRUE;
    objects = read_list(space, patch + layout->objects, layout->object_node, budget, error);
    for (guint i = 0; objects != NULL && i < objects->len; i++)
        if (!add_functions(space, layout, patch, g_array_index(objects, GuestVa, i), budget, found, error))
            return FALSE;
    return objects != NULL;
}

GArray *
intro_livepatched(const IntroKernel *kernel, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(IntroLivepatched));
    const IntroSpace *space = intro_kernel_space(kernel);
    g_autoptr(GArray) patches = NULL;
    guint budget = MAX_LIVEPATCHED;
    PatchLayout layout;
    GuestVa head;

    g_array_set_clear_func(found, clear_livepatched);
    if (!intro_symbols_address(intro_kernel_symbols(kernel), "klp_patches", &head, NULL))
        return g_steal_pointer(&found);
    if (!find_patch_layout(intro_kernel_btf(kernel), &layout, error))
        return NULL;
    patches = read_list(space, head, layout.list, &budget, error);
    for (guint i = 0; patches != NULL && i < patches->len; i++)
        if (!add_patch(space, &layout, g_array_index(patches, GuestVa, i), &budget, found, error))
            return NULL;
    return patches != NULL ? g_steal_pointer(&found) : NULL;
}
