/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/construct-names.h"

#include <string.h>

#include "patcher/pastes.h"

/* What stands before a name and is none. */
static const char *const keywords[] = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "_Bool", "bool",
    "typeof", "__typeof__", "asm", "__asm__", "__inline__", "__inline", "__volatile__", "__extension__", "_Alignas",
    "__attribute__", "__always_inline", "__force_inline", "noinline", "notrace", "noinstr", "asmlinkage",
    "asmlinkage_protect", "__attribute_const__", "__read_mostly", "__ro_after_init", "__initdata", "__initconst",
    "__init", "__exit", "__exitdata", "__refdata", "__ref", "__packed", "__aligned", "__percpu", "__rcu", "__user",
    "__iomem", "__force", "____cacheline_aligned", "____cacheline_aligned_in_smp",
    "____cacheline_internodealigned_in_smp", "__cacheline_aligned", "__cacheline_aligned_in_smp", "__kernel", "__must_check", "__pure", "__cold", "__weak", "__maybe_unused",
    "__always_unused", "__used", "__visible", "__printf", "__scanf", "__randomize_layout", "__no_randomize_layout",
    "__deprecated", "__noreturn", "__latent_entropy", "__designated_init", "__bitwise", "__init_or_module",
    "__meminit", "__cpuidle", "__section", "__releases", "__acquires", "__must_hold", "__malloc", "__alloc_size",
    "__counted_by", "__net_init", "__net_exit", "__net_initdata", "__sched", "__lockfunc", "__kprobes", "__flatten",
    "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "size_t", "ssize_t",
};

/* Those of the keywords come first. Numbers that the compiler counts up (__COUNTER__) are cut off. */
guint32
patch_constructs_number(PatchConstructs *constructs, const char *start, gsize length)
{
    static const char *const counted[] = { "__UNIQUE_ID_", "__compiletime_assert_" };
    char name[128];
    gpointer number;

    length = MIN(length, sizeof name - 1);
    memcpy(name, start, length);
    name[length] = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(counted); i++)
        while (g_str_has_prefix(name, counted[i]) && length && g_ascii_isdigit(name[length - 1]))
            name[--length] = 0;
    if (g_hash_table_lookup_extended(constructs->by_name, name, NULL, &number))
        return GPOINTER_TO_UINT(number);
    g_ptr_array_add(constructs->names, g_string_chunk_insert_len(constructs->chunk, name, length));
    g_hash_table_insert(constructs->by_name, constructs->names->pdata[constructs->names->len - 1],
                        GUINT_TO_POINTER(constructs->names->len - 1));
    return constructs->names->len - 1;
}

PatchConstructs *
patch_constructs_new(void)
{
    PatchConstructs *constructs = g_new0(PatchConstructs, 1);

    constructs->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    constructs->names = g_ptr_array_new();
    constructs->chunk = g_string_chunk_new(1 << 16);
    constructs->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    constructs->constructs = g_array_new(FALSE, FALSE, sizeof(PatchConstruct));
    constructs->members = g_array_new(FALSE, FALSE, sizeof(guint32));
    constructs->pastes = g_array_new(FALSE, FALSE, sizeof(PatchPaste));
    for (gsize i = 0; i < G_N_ELEMENTS(keywords); i++)
        patch_constructs_number(constructs, keywords[i], strlen(keywords[i]));
    return constructs;
}

void
patch_constructs_free(PatchConstructs *constructs)
{
    if (!constructs)
        return;
    g_hash_table_unref(constructs->by_name);
    g_ptr_array_unref(constructs->names);
    g_string_chunk_free(constructs->chunk);
    g_array_unref(constructs->ids);
    g_array_unref(constructs->constructs);
    g_array_unref(constructs->members);
    g_array_unref(constructs->pastes);
    g_free(constructs);
}

gboolean
patch_constructs_is_keyword(guint32 id)
{
    return id < G_N_ELEMENTS(keywords);
}

static gboolean
is_setting(const char *name)
{
    static const char *const others[] = {
        "defined", "IS_ENABLED", "IS_BUILTIN", "IS_MODULE", "IS_REACHABLE", "BITS_PER_LONG", "__LITTLE_ENDIAN_BITFIELD",
        "__BIG_ENDIAN_BITFIELD", "__KERNEL__", "__ASSEMBLY__", NULL,
    };
    gsize end = strlen(name);

    while (end && name[end - 1] == '_')
        end--;
    return g_str_has_prefix(name, "CONFIG_") || g_strv_contains(others, name) ||
           (end > 2 && name[end - 1] == 'H' && name[end - 2] == '_');
}

gboolean
patch_constructs_are_settings(const PatchConstructs *constructs, const GArray *ids)
{
    for (guint i = 0; i < ids->len; i++)
        if (!is_setting(constructs->names->pdata[g_array_index(ids, guint32, i)]))
            return FALSE;
    return TRUE;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    guint32 first = *(const guint32 *) a, second = *(const guint32 *) b;

    return first < second ? -1 : first > second;
}

guint32
patch_constructs_keep(PatchConstructs *constructs, GArray *ids)
{
    guint32 n = 0;

    g_array_sort(ids, compare_numbers);
    for (guint i = 0; i < ids->len; i++) {
        guint32 id = g_array_index(ids, guint32, i);

        if (patch_constructs_is_keyword(id) || (i && id == g_array_index(ids, guint32, i - 1)))
            continue;
        g_array_append_val(constructs->ids, id);
        n++;
    }
    return n;
}
