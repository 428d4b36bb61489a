/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/module-sections.h"

#include "introspect/cursor.h"

/* Beyond any real guest. */
#define MAX_SECTIONS        4096
#define MAX_NAME_BYTES      256
#define MAX_ELEMENT_BYTES   512

typedef struct {
    gsize sections;                 /* the pointer to the list in struct module */
    gsize first;                    /* element of the list, bytes from its start */
    gsize element_bytes, name, va;
    gboolean has_count;             /* else the list of pointers to the elements ends with 0 */
    gsize count, pointers;
} Layout;

/* Until Linux 6.13 elements with an address, and how many of them; since then only what sysfs needs, which has it too. */
static gboolean
find_layout(const IntroBtf *btf, Layout *layout, GError **error)
{
    const char *element;
    gboolean found;

    layout->has_count = intro_btf_has_member(btf, "module_sect_attrs", "nsections");
    element = layout->has_count ? "module_sect_attr" : "bin_attribute";
    found = intro_btf_offset(btf, "module", "sect_attrs", &layout->sections, error)
            && intro_btf_offset(btf, "module_sect_attrs", "attrs", &layout->first, error)
            && intro_btf_size(btf, element, &layout->element_bytes, error)
            && intro_btf_offset(btf, element, layout->has_count ? "battr.attr.name" : "attr.name", &layout->name, error)
            && intro_btf_offset(btf, element, layout->has_count ? "address" : "private", &layout->va, error);
    if (!found)
        return FALSE;
    if (layout->element_bytes > MAX_ELEMENT_BYTES || MAX(layout->name, layout->va) + sizeof(guint64) > layout->element_bytes) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's struct %s makes no sense", element);
        return FALSE;
    }
    if (layout->has_count)
        return intro_btf_offset(btf, "module_sect_attrs", "nsections", &layout->count, error);
    return intro_btf_offset(btf, "module_sect_attrs", "grp.bin_attrs", &layout->pointers, error);
}

static gboolean
read_count(const IntroSpace *space, const Layout *layout, GuestVa list, guint32 *count, GError **error)
{
    GuestVa pointers, pointer = 0;

    if (layout->has_count)
        return intro_space_read_u32(space, list + layout->count, count, error);
    if (!intro_space_read_u64(space, list + layout->pointers, &pointers, error))
        return FALSE;
    for (*count = 0; *count <= MAX_SECTIONS; ++*count) {
        if (!intro_space_read_u64(space, pointers + *count * sizeof pointer, &pointer, error))
            return FALSE;
        if (pointer == 0)
            break;
    }
    return TRUE;
}

static void
clear_section(gpointer data)
{
    g_free(((IntroModuleSection *) data)->name);
}

static gboolean
read_section(const IntroSpace *space, const Layout *layout, GuestVa va, GArray *sections, GError **error)
{
    guint8 element[MAX_ELEMENT_BYTES];
    IntroModuleSection section;

    if (!intro_space_read(space, va, element, layout->element_bytes, error))
        return FALSE;
    section.va = intro_word(element + layout->va);
    section.name = intro_space_read_string(space, intro_word(element + layout->name), MAX_NAME_BYTES, error);
    if (section.name == NULL)
        return FALSE;
    g_strcanon(section.name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-+:$@", '?');
    g_array_append_val(sections, section);
    return TRUE;
}

GArray *
intro_module_sections(const IntroKernel *kernel, const IntroModule *module, GError **error)
{
    g_autoptr(GArray) sections = g_array_new(FALSE, FALSE, sizeof(IntroModuleSection));
    const IntroSpace *space = intro_kernel_space(kernel);
    Layout layout = { 0 };
    guint32 count;
    GuestVa list;

    g_array_set_clear_func(sections, clear_section);
    if (!intro_btf_has_member(intro_kernel_btf(kernel), "module", "sect_attrs"))
        return g_steal_pointer(&sections);
    if (!find_layout(intro_kernel_btf(kernel), &layout, error)
        || !intro_space_read_u64(space, module->module + layout.sections, &list, error))
        return NULL;
    if (list == 0)
        return g_steal_pointer(&sections);
    if (!read_count(space, &layout, list, &count, error))
        return NULL;
    if (count > MAX_SECTIONS) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "module %s claims too many sections", module->name);
        return NULL;
    }
    for (guint32 i = 0; i < count; i++)
        if (!read_section(space, &layout, list + layout.first + (GuestVa) i * layout.element_bytes, sections, error))
            return NULL;
    return g_steal_pointer(&sections);
}
