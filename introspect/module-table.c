/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/module-table.h"

#include "introspect/mutex.h"

#define POINTER_BYTES 8

static gboolean
unsupported(GError **error, const char *what)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED, "%s", what);
    return FALSE;
}

static gboolean
address_of(const IntroKernel *kernel, const char *name, GuestVa *va)
{
    return intro_symbols_address(intro_kernel_symbols(kernel), name, va, NULL);
}

/* Until Linux 6.3 core_layout, since 6.4 mem[MOD_TEXT]: PREFIX is what the type of either is called. */
static gboolean
find_text(const IntroBtf *btf, IntroModuleTable *table, const char **type, GError **error)
{
    IntroMember memory;
    gint64 index;

    *type = "module_layout";
    if (!intro_btf_has_member(btf, "module", "mem"))
        return intro_btf_offset(btf, "module", "core_layout", &table->text, error);
    *type = "module_memory";
    if (!intro_btf_member(btf, "module", "mem", &memory, error) ||
        !intro_btf_enumerator(btf, "MOD_TEXT", &index, error))
        return FALSE;
    if (index < 0 || index >= memory.n_elements)
        return unsupported(error, "the guest's kernel has no place for its modules' text");
    table->text = memory.offset_bits / 8 + index * (memory.size_bits / 8);
    return TRUE;
}

/* The tree's nodes are walked as they are known to be made since 2.6.20. */
static gboolean
check_node(const IntroBtf *btf, GError **error)
{
    gsize color, left, right;

    if (!intro_btf_offset(btf, "rb_node", "__rb_parent_color", &color, error) ||
        !intro_btf_offset(btf, "rb_node", "rb_right", &right, error) ||
        !intro_btf_offset(btf, "rb_node", "rb_left", &left, error))
        return FALSE;
    return (color == 0 && right == POINTER_BYTES && left == 2 * POINTER_BYTES) ||
           unsupported(error, "the guest's kernel has red-black trees of a kind that is not known");
}

static gboolean
find_nodes(const IntroBtf *btf, const char *type, IntroModuleTable *table, GError **error)
{
    IntroMember nodes;
    gsize owner;

    if (!intro_btf_offset(btf, type, "mtn.mod", &owner, error) ||
        !intro_btf_member(btf, type, "mtn.node.node", &nodes, error))
        return FALSE;
    if (nodes.n_elements != 2)
        return unsupported(error, "the guest's kernel keeps its modules in a way that is not known");
    table->node_owner = table->text + owner;
    table->nodes[0] = table->text + nodes.offset_bits / 8;
    table->nodes[1] = table->nodes[0] + nodes.size_bits / 8;
    return check_node(btf, error);
}

static gboolean
find_tree(const IntroBtf *btf, const char *type, GuestVa tree, IntroModuleTable *table, GError **error)
{
    gsize sequence, lowest, highest;
    IntroMember roots;

    if (!intro_btf_offset(btf, "mod_tree_root", "root.seq", &sequence, error) ||
        !intro_btf_member(btf, "mod_tree_root", "root.tree", &roots, error) ||
        !intro_btf_offset(btf, "mod_tree_root", "addr_min", &lowest, error) ||
        !intro_btf_offset(btf, "mod_tree_root", "addr_max", &highest, error))
        return FALSE;
    if (roots.n_elements != 2)
        return unsupported(error, "the guest's kernel keeps its modules in a way that is not known");
    table->has_tree = TRUE;
    table->sequence = tree + sequence;
    table->roots[0] = tree + roots.offset_bits / 8;
    table->roots[1] = table->roots[0] + roots.size_bits / 8;
    table->lowest = tree + lowest;
    table->highest = tree + highest;
    return find_nodes(btf, type, table, error);
}

gboolean
intro_module_table_read(const IntroKernel *kernel, IntroModuleTable *table, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    GuestVa mutex, tree;
    const char *type;
    gsize owner, base, size;

    *table = (IntroModuleTable) { 0 };
    if (!address_of(kernel, "modules", &table->list) || !address_of(kernel, "module_mutex", &mutex))
        return unsupported(error, "the guest's kernel was built without modules");
    if (!intro_mutex_owner(btf, &owner, error) ||
        !intro_btf_size(btf, "module", &table->module_bytes, error) ||
        !intro_btf_offset(btf, "module", "list", &table->link, error) ||
        !find_text(btf, table, &type, error) || !intro_btf_offset(btf, type, "base", &base, error) ||
        !intro_btf_offset(btf, type, "size", &size, error))
        return FALSE;
    table->lock = mutex + owner;
    table->text_base = table->text + base;
    table->size_behind_base = size - base;
    return !address_of(kernel, "mod_tree", &tree) || find_tree(btf, type, tree, table, error);
}
