/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/modules.h"

#include <string.h>

#include "introspect/cursor.h"

/* Beyond any real guest. */
#define MAX_MODULES 4096
#define MAX_STRUCT_BYTES (64 * 1024)
#define MAX_PARTS 16
#define MAX_PART_BYTES (1ULL << 30)

/* Where a kind of module memory is described in struct module, bytes from its start. */
typedef struct {
    gsize base, size, text_size;
    gboolean has_text_size;     /* else all of it is text, or none, as IS_TEXT says */
    gboolean is_text;
} PartLayout;

typedef struct {
    gsize module_bytes, list_next;
    IntroMember name;
    gsize state;
    gint64 live, coming, going, unformed;
    PartLayout parts[MAX_PARTS];        /* the one that /proc/modules calls the base first */
    guint n_parts;
} Layout;

static void
loaded_module_free(gpointer data)
{
    IntroLoadedModule *loaded = data;

    g_free(loaded->module.name);
    g_array_unref(loaded->regions);
    g_array_unref(loaded->text);
    g_free(loaded);
}

/* ---- Layouts ---- */

/* Until Linux 6.3: struct module_layout of each of a few members, text at the beginning. */
static gboolean
find_layout_part(const IntroBtf *btf, Layout *layout, const char *member, GError **error)
{
    g_autofree char *base = g_strconcat(member, ".base", NULL);
    g_autofree char *size = g_strconcat(member, ".size", NULL);
    g_autofree char *text_size = g_strconcat(member, ".text_size", NULL);
    PartLayout *part = &layout->parts[layout->n_parts];

    if (!intro_btf_has_member(btf, "module", member))
        return TRUE;
    part->has_text_size = TRUE;
    layout->n_parts++;
    return intro_btf_offset(btf, "module", base, &part->base, error)
           && intro_btf_offset(btf, "module", size, &part->size, error)
           && intro_btf_offset(btf, "module", text_size, &part->text_size, error);
}

/* Since Linux 6.4: an array of struct module_memory, one for each kind of memory. */
static gboolean
find_memory_parts(const IntroBtf *btf, Layout *layout, GError **error)
{
    gint64 text, init_text;
    IntroMember memory;
    gsize base, size;

    if (!intro_btf_member(btf, "module", "mem", &memory, error)
        || !intro_btf_offset(btf, "module_memory", "base", &base, error)
        || !intro_btf_offset(btf, "module_memory", "size", &size, error)
        || !intro_btf_enumerator(btf, "MOD_TEXT", &text, error)
        || !intro_btf_enumerator(btf, "MOD_INIT_TEXT", &init_text, error))
        return FALSE;
    layout->n_parts = MIN(memory.n_elements, MAX_PARTS);
    for (guint i = 0; i < layout->n_parts; i++) {
        gsize element = memory.offset_bits / 8 + (gsize) i * (memory.size_bits / 8);

        layout->parts[i] = (PartLayout) {
            .base = element + base, .size = element + size, .is_text = i == text || i == init_text,
        };
    }
    return TRUE;
}

static gboolean
find_parts(const IntroBtf *btf, Layout *layout, GError **error)
{
    if (intro_btf_has_member(btf, "module", "mem"))
        return find_memory_parts(btf, layout, error);
    if (!find_layout_part(btf, layout, "core_layout", error) || !find_layout_part(btf, layout, "init_layout", error)
        || !find_layout_part(btf, layout, "data_layout", error))
        return FALSE;
    if (layout->n_parts == 0)
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the guest's kernel does not tell where its modules' memory is");
    return layout->n_parts > 0;
}

static gboolean
find_layout(const IntroBtf *btf, Layout *layout, GError **error)
{
    if (!intro_btf_size(btf, "module", &layout->module_bytes, error)
        || !intro_btf_offset(btf, "module", "list.next", &layout->list_next, error)
        || !intro_btf_offset(btf, "module", "state", &layout->state, error)
        || !intro_btf_member(btf, "module", "name", &layout->name, error)
        || !intro_btf_enumerator(btf, "MODULE_STATE_LIVE", &layout->live, error)
        || !intro_btf_enumerator(btf, "MODULE_STATE_COMING", &layout->coming, error)
        || !intro_btf_enumerator(btf, "MODULE_STATE_GOING", &layout->going, error)
        || !intro_btf_enumerator(btf, "MODULE_STATE_UNFORMED", &layout->unformed, error)
        || !find_parts(btf, layout, error))
        return FALSE;
    if (layout->module_bytes > MAX_STRUCT_BYTES) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "a struct module of %" G_GSIZE_FORMAT
                    " bytes is impossible", layout->module_bytes);
        return FALSE;
    }
    return TRUE;
}

/* ---- One module ---- */

static gboolean
field_u64(IntroCursor bytes, gsize offset, guint64 *value)
{
    return intro_cursor_seek(&bytes, offset) && intro_cursor_u64(&bytes, value);
}

static gboolean
field_u32(IntroCursor bytes, gsize offset, guint32 *value)
{
    return intro_cursor_seek(&bytes, offset) && intro_cursor_u32(&bytes, value);
}

static void
add_region(GArray *regions, GuestVa start, guint64 length)
{
    IntroRegion region = { start, start + length };

    if (length > 0)
        g_array_append_val(regions, region);
}

static gboolean
add_part(IntroLoadedModule *loaded, IntroCursor bytes, const PartLayout *part)
{
    guint64 base;
    guint32 size, text_size;

    if (!field_u64(bytes, part->base, &base) || !field_u32(bytes, part->size, &size))
        return FALSE;
    text_size = part->is_text ? size : 0;
    if (part->has_text_size && !field_u32(bytes, part->text_size, &text_size))
        return FALSE;
    if (size > MAX_PART_BYTES || text_size > size || base + size < base)
        return FALSE;
    add_region(loaded->regions, base, text_size);
    add_region(loaded->regions, base + text_size, size - text_size);
    add_region(loaded->text, base, text_size);
    loaded->module.size += size;
    return TRUE;
}

static char *
field_name(IntroCursor bytes, const IntroMember *member)
{
    const guint8 *name;

    if (!intro_cursor_seek(&bytes, member->offset_bits / 8) || !intro_cursor_bytes(&bytes, member->n_elements, &name)
        || memchr(name, '\0', member->n_elements) == NULL || *name == '\0')
        return NULL;
    for (const guint8 *letter = name; *letter != '\0'; letter++)
        if (!g_ascii_isgraph(*letter))
            return NULL;
    return g_strdup((const char *) name);
}

static char
state_letter(const Layout *layout, guint32 state)
{
    return state == layout->live ? 'L' : state == layout->coming ? 'l' : state == layout->going ? 'u' : '\0';
}

/* NULL if BYTES cannot be a module. */
static IntroLoadedModule *
parse_module(const Layout *layout, IntroCursor bytes, GuestVa va)
{
    IntroLoadedModule *loaded = g_new0(IntroLoadedModule, 1);
    gboolean good;
    guint32 state;

    loaded->regions = g_array_new(FALSE, FALSE, sizeof(IntroRegion));
    loaded->text = g_array_new(FALSE, FALSE, sizeof(IntroRegion));
    loaded->module.module = va;
    loaded->module.name = field_name(bytes, &layout->name);
    good = loaded->module.name != NULL && field_u32(bytes, layout->state, &state)
           && field_u64(bytes, layout->parts[0].base, &loaded->module.base);
    if (good) {
        loaded->module.state = state_letter(layout, state);
        good = loaded->module.state != '\0';
    }
    for (guint i = 0; i < layout->n_parts && good; i++)
        good = add_part(loaded, bytes, &layout->parts[i]);
    if (good)
        return loaded;
    loaded_module_free(loaded);
    return NULL;
}

/* ---- The list ---- */

/* Reads the module at VA, adds it to MODULES, and says which link comes next. */
static gboolean
read_module(const IntroSpace *space, const Layout *layout, GuestVa va, GPtrArray *modules, GuestVa *next,
            GError **error)
{
    g_autofree guint8 *bytes = g_malloc(layout->module_bytes);
    IntroCursor cursor = intro_cursor(bytes, layout->module_bytes);
    IntroLoadedModule *loaded;
    guint32 state;

    if (!intro_space_read(space, va, bytes, layout->module_bytes, error))
        return FALSE;
    if (field_u64(cursor, layout->list_next, next) && field_u32(cursor, layout->state, &state)
        && state == layout->unformed)
        return TRUE;
    loaded = parse_module(layout, cursor, va);
    if (loaded == NULL) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                    "the guest's list of modules leads to 0x%" G_GINT64_MODIFIER "x, where there is none", va);
        return FALSE;
    }
    g_ptr_array_add(modules, loaded);
    return TRUE;
}

GPtrArray *
intro_modules_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf, GError **error)
{
    g_autoptr(GPtrArray) modules = g_ptr_array_new_with_free_func(loaded_module_free);
    Layout layout = { 0 };
    GuestVa head, link;

    /* A kernel built without modules has no list of them. */
    if (!intro_symbols_address(symbols, "modules", &head, NULL))
        return g_steal_pointer(&modules);
    if (!find_layout(btf, &layout, error) || !intro_space_read_u64(space, head, &link, error))
        return NULL;
    for (guint i = 0; link != head; i++) {
        if (i == MAX_MODULES) {
            g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                                "the guest's list of modules does not end");
            return NULL;
        }
        if (!read_module(space, &layout, link - layout.list_next, modules, &link, error))
            return NULL;
    }
    return g_steal_pointer(&modules);
}
