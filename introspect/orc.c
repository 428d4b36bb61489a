/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/orc.h"

#include <string.h>

#include "introspect/cursor.h"

#define MAX_ENTRY_BYTES     8
#define MAX_ENTRIES         (4u << 20)  /* vmlinux has some 400,000 */
#define MAX_MODULE_ENTRIES  (1u << 20)  /* of all modules together */

/* Types before Linux 6.4, when an `end` bit beside them marked the end of the stack. */
enum { OLD_CALL, OLD_REGS, OLD_REGS_PARTIAL };

/* Two numberings have been seen: that of Linux 4.14 to 6.12, and that of 7.2. */
static const IntroOrcRegister registers[][INTRO_ORC_N_REGISTERS] = {
    {
        INTRO_ORC_REG_UNDEFINED, INTRO_ORC_REG_PREV_SP, INTRO_ORC_REG_DX, INTRO_ORC_REG_DI, INTRO_ORC_REG_BP,
        INTRO_ORC_REG_SP, INTRO_ORC_REG_R10, INTRO_ORC_REG_R13, INTRO_ORC_REG_BP_INDIRECT, INTRO_ORC_REG_SP_INDIRECT,
        [10 ... 15] = INTRO_ORC_REG_UNKNOWN,
    },
    {
        INTRO_ORC_REG_UNDEFINED, INTRO_ORC_REG_AX, INTRO_ORC_REG_DX, INTRO_ORC_REG_SP, INTRO_ORC_REG_BP,
        INTRO_ORC_REG_DI, INTRO_ORC_REG_R10, INTRO_ORC_REG_R13, INTRO_ORC_REG_PREV_SP, INTRO_ORC_REG_SP_INDIRECT,
        INTRO_ORC_REG_BP_INDIRECT, [11 ... 15] = INTRO_ORC_REG_UNKNOWN,
    },
};

struct IntroOrc {
    IntroOrcLayout layout;
    IntroOrcTable image;
    IntroRegion init_text;  /* in the same table: freed after boot, but the first idle task was called from there */
    GArray *modules;        /* of IntroOrcTable, by start */
};

/* Where a module keeps its table: struct mod_arch_specific. */
typedef struct {
    gsize n, offsets, entries, size_bytes;
} ModuleLayout;

static gboolean
optional_field(const IntroBtf *btf, const char *name, IntroMember *member)
{
    return intro_btf_member(btf, "orc_entry", name, member, NULL);
}

static gboolean
fits(const IntroOrcLayout *layout, const IntroMember *member)
{
    return member->size_bits <= 16 && member->offset_bits + member->size_bits <= layout->size_bytes * 8;
}

gboolean
intro_orc_layout(const IntroBtf *btf, IntroOrcLayout *layout, GError **error)
{
    *layout = (IntroOrcLayout) { .registers = registers[0] };
    if (!intro_btf_size(btf, "orc_entry", &layout->size_bytes, error)
        || !intro_btf_member(btf, "orc_entry", "sp_offset", &layout->sp_offset, error)
        || !intro_btf_member(btf, "orc_entry", "bp_offset", &layout->bp_offset, error)
        || !intro_btf_member(btf, "orc_entry", "sp_reg", &layout->sp_register, error)
        || !intro_btf_member(btf, "orc_entry", "bp_reg", &layout->bp_register, error)
        || !intro_btf_member(btf, "orc_entry", "type", &layout->type, error))
        return FALSE;
    optional_field(btf, "end", &layout->end);
    optional_field(btf, "signal", &layout->signal);
    if (layout->size_bytes == 0 || layout->size_bytes > MAX_ENTRY_BYTES || layout->sp_offset.size_bits != 16
        || layout->bp_offset.size_bits != 16 || layout->sp_register.size_bits > 4 || layout->bp_register.size_bits > 4
        || !fits(layout, &layout->sp_offset) || !fits(layout, &layout->bp_offset)
        || !fits(layout, &layout->sp_register) || !fits(layout, &layout->bp_register) || !fits(layout, &layout->type)
        || !fits(layout, &layout->end) || !fits(layout, &layout->signal)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the kernel's struct orc_entry is not of a form that this version knows");
        return FALSE;
    }
    return TRUE;
}

static guint
extract(guint64 bits, const IntroMember *member)
{
    return (bits >> member->offset_bits) & ((1u << member->size_bits) - 1);
}

static IntroOrcType
normalise_type(const IntroOrcLayout *layout, guint type, IntroOrcRegister sp_register, gboolean end)
{
    if (layout->end.size_bits == 0)
        return type <= INTRO_ORC_REGS_PARTIAL ? (IntroOrcType) type : INTRO_ORC_UNDEFINED;
    if (sp_register == INTRO_ORC_REG_UNDEFINED)
        return end ? INTRO_ORC_END_OF_STACK : INTRO_ORC_UNDEFINED;
    switch (type) {
    case OLD_CALL:
        return INTRO_ORC_CALL;
    case OLD_REGS:
        return INTRO_ORC_REGS;
    case OLD_REGS_PARTIAL:
        return INTRO_ORC_REGS_PARTIAL;
    default:
        return INTRO_ORC_UNDEFINED;
    }
}

IntroOrcEntry
intro_orc_decode(const IntroOrcLayout *layout, const guint8 *entry)
{
    guint64 bits = 0;
    IntroOrcEntry decoded;

    memcpy(&bits, entry, layout->size_bytes);
    bits = GUINT64_FROM_LE(bits);
    decoded.sp_offset = (gint16) extract(bits, &layout->sp_offset);
    decoded.bp_offset = (gint16) extract(bits, &layout->bp_offset);
    decoded.sp_register = layout->registers[extract(bits, &layout->sp_register)];
    decoded.bp_register = layout->registers[extract(bits, &layout->bp_register)];
    decoded.type = normalise_type(layout, extract(bits, &layout->type), decoded.sp_register,
                                  extract(bits, &layout->end));
    if (layout->signal.size_bits != 0)
        decoded.signal = extract(bits, &layout->signal);
    else
        decoded.signal = decoded.type == INTRO_ORC_REGS || decoded.type == INTRO_ORC_REGS_PARTIAL;
    return decoded;
}

gboolean
intro_orc_use_entry_of_function(IntroOrcLayout *layout, const guint8 *entry, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(registers); i++) {
        IntroOrcEntry decoded;

        layout->registers = registers[i];
        decoded = intro_orc_decode(layout, entry);
        if (decoded.type == INTRO_ORC_CALL && decoded.sp_register == INTRO_ORC_REG_SP
            && decoded.sp_offset == sizeof(guint64) && decoded.bp_register == INTRO_ORC_REG_UNDEFINED)
            return TRUE;
    }
    g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                        "the kernel's ORC unwind data numbers registers in a way that this version does not know");
    return FALSE;
}

void
intro_orc_table_clear(IntroOrcTable *table)
{
    g_clear_pointer(&table->offsets, g_bytes_unref);
    g_clear_pointer(&table->entries, g_bytes_unref);
}

static GuestVa
table_ip(const IntroOrcTable *table, const guint8 *offsets, guint32 index)
{
    gint32 offset;

    memcpy(&offset, offsets + (gsize) index * sizeof(offset), sizeof(offset));
    return table->offsets_va + (guint64) index * sizeof(offset) + (gint64) GINT32_FROM_LE(offset);
}

/* The rightmost of several entries for one address is the one that counts; the others end sections. */
const guint8 *
intro_orc_table_entry(const IntroOrcTable *table, const IntroOrcLayout *layout, GuestVa ip)
{
    gsize offsets_bytes, entries_bytes;
    const guint8 *offsets = g_bytes_get_data(table->offsets, &offsets_bytes);
    const guint8 *entries = g_bytes_get_data(table->entries, &entries_bytes);
    guint32 first = 0, behind = table->n;

    if (table->n == 0 || offsets_bytes / sizeof(gint32) < table->n || entries_bytes / layout->size_bytes < table->n)
        return NULL;
    while (first < behind) {
        guint32 middle = first + (behind - first) / 2;

        if (table_ip(table, offsets, middle) <= ip)
            first = middle + 1;
        else
            behind = middle;
    }
    return entries + (gsize) (first > 0 ? first - 1 : 0) * layout->size_bytes;
}

gboolean
intro_orc_table_find(const IntroOrcTable *table, const IntroOrcLayout *layout, GuestVa ip, IntroOrcEntry *entry)
{
    const guint8 *bytes = intro_orc_table_entry(table, layout, ip);

    if (bytes == NULL)
        return FALSE;
    *entry = intro_orc_decode(layout, bytes);
    return TRUE;
}

/* Gives TABLE room for what it is to hold, and two extents to fill it. */
static gboolean
prepare_table(IntroOrcTable *table, const IntroOrcLayout *layout, GuestVa entries_va, IntroExtent extents[2])
{
    gsize offsets_bytes = (gsize) table->n * sizeof(gint32), entries_bytes = (gsize) table->n * layout->size_bytes;
    gpointer offsets = g_try_malloc(offsets_bytes), entries = g_try_malloc(entries_bytes);

    table->offsets = g_bytes_new_take(offsets, offsets != NULL ? offsets_bytes : 0);
    table->entries = g_bytes_new_take(entries, entries != NULL ? entries_bytes : 0);
    extents[0] = (IntroExtent) { table->offsets_va, offsets, offsets_bytes };
    extents[1] = (IntroExtent) { entries_va, entries, entries_bytes };
    return offsets != NULL && entries != NULL;
}

static gboolean
read_image_table(IntroOrc *orc, const IntroKernel *kernel, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    GuestVa offsets_end, entries, entries_end;
    IntroExtent extents[2];
    guint64 n;

    if (!intro_symbols_address(symbols, "__start_orc_unwind_ip", &orc->image.offsets_va, NULL)
        || !intro_symbols_address(symbols, "__stop_orc_unwind_ip", &offsets_end, NULL)
        || !intro_symbols_address(symbols, "__start_orc_unwind", &entries, NULL)
        || !intro_symbols_address(symbols, "__stop_orc_unwind", &entries_end, NULL)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the kernel has no ORC unwind tables (CONFIG_UNWINDER_ORC); its stacks can not be unwound");
        return FALSE;
    }
    if (!intro_symbols_address(symbols, "_stext", &orc->image.start, error)
        || !intro_symbols_address(symbols, "_etext", &orc->image.end, error))
        return FALSE;
    if (!intro_symbols_address(symbols, "_sinittext", &orc->init_text.start, NULL)
        || !intro_symbols_address(symbols, "_einittext", &orc->init_text.end, NULL))
        orc->init_text = (IntroRegion) { 0 };
    n = (offsets_end - orc->image.offsets_va) / sizeof(gint32);
    if (n == 0 || n > MAX_ENTRIES || n != (entries_end - entries) / orc->layout.size_bytes) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                            "the kernel's two ORC unwind tables are not of the same length");
        return FALSE;
    }
    orc->image.n = n;
    if (!prepare_table(&orc->image, &orc->layout, entries, extents)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "no memory for the kernel's ORC unwind tables");
        return FALSE;
    }
    return intro_space_read_extents(intro_kernel_space(kernel), extents, G_N_ELEMENTS(extents), error);
}

static gboolean
find_register_numbers(IntroOrc *orc, const IntroKernel *kernel, GError **error)
{
    const guint8 *entry;
    GuestVa function;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "schedule", &function, error))
        return FALSE;
    entry = intro_orc_table_entry(&orc->image, &orc->layout, function);
    return intro_orc_use_entry_of_function(&orc->layout, entry, error);
}

static gboolean
module_layout(const IntroBtf *btf, ModuleLayout *layout)
{
    return intro_btf_offset(btf, "module", "arch.num_orcs", &layout->n, NULL)
           && intro_btf_offset(btf, "module", "arch.orc_unwind_ip", &layout->offsets, NULL)
           && intro_btf_offset(btf, "module", "arch.orc_unwind", &layout->entries, NULL);
}

/* A module that is coming or going, or that lies about its tables, is left without: what unwinds through it is then
 * not certain, which is what it should be. */
static void
read_module_table(IntroOrc *orc, const IntroKernel *kernel, const ModuleLayout *layout, const IntroModule *module,
                  guint32 *budget)
{
    IntroOrcTable table = { .start = module->base, .end = module->base + module->size };
    GuestVa entries;
    IntroExtent extents[2];
    const IntroExtent where[] = {
        { module->module + layout->n, &table.n, sizeof(table.n) },
        { module->module + layout->offsets, &table.offsets_va, sizeof(table.offsets_va) },
        { module->module + layout->entries, &entries, sizeof(entries) },
    };

    if (!intro_space_read_extents(intro_kernel_space(kernel), where, G_N_ELEMENTS(where), NULL) || table.n == 0
        || table.n > *budget)
        return;
    *budget -= table.n;
    if (!prepare_table(&table, &orc->layout, entries, extents)
        || !intro_space_read_extents(intro_kernel_space(kernel), extents, G_N_ELEMENTS(extents), NULL)) {
        intro_orc_table_clear(&table);
        return;
    }
    g_array_append_val(orc->modules, table);
}

static gint
compare_tables(gconstpointer a, gconstpointer b)
{
    const IntroOrcTable *left = a, *right = b;

    return left->start < right->start ? -1 : left->start > right->start;
}

static void
read_module_tables(IntroOrc *orc, const IntroKernel *kernel)
{
    GPtrArray *modules = intro_kernel_modules(kernel);
    guint32 budget = MAX_MODULE_ENTRIES;
    ModuleLayout layout;

    if (!module_layout(intro_kernel_btf(kernel), &layout))
        return;
    for (guint i = 0; i < modules->len; i++)
        read_module_table(orc, kernel, &layout, g_ptr_array_index(modules, i), &budget);
    g_array_sort(orc->modules, compare_tables);
}

IntroOrc *
intro_orc_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroOrc) orc = g_new0(IntroOrc, 1);

    orc->modules = g_array_new(FALSE, FALSE, sizeof(IntroOrcTable));
    g_array_set_clear_func(orc->modules, (GDestroyNotify) intro_orc_table_clear);
    if (!intro_orc_layout(intro_kernel_btf(kernel), &orc->layout, error) || !read_image_table(orc, kernel, error)
        || !find_register_numbers(orc, kernel, error))
        return NULL;
    read_module_tables(orc, kernel);
    return g_steal_pointer(&orc);
}

void
intro_orc_free(IntroOrc *orc)
{
    if (orc == NULL)
        return;
    g_array_unref(orc->modules);
    intro_orc_table_clear(&orc->image);
    g_free(orc);
}

/* Of the tables that begin at or before IP the nearest: a module's size may count parts that lie elsewhere. */
static const IntroOrcTable *
module_table(const IntroOrc *orc, GuestVa ip)
{
    guint first = 0, behind = orc->modules->len;
    const IntroOrcTable *table;

    while (first < behind) {
        guint middle = first + (behind - first) / 2;

        if (g_array_index(orc->modules, IntroOrcTable, middle).start <= ip)
            first = middle + 1;
        else
            behind = middle;
    }
    if (first == 0)
        return NULL;
    table = &g_array_index(orc->modules, IntroOrcTable, first - 1);
    return ip < table->end ? table : NULL;
}

gboolean
intro_orc_find(const IntroOrc *orc, GuestVa ip, IntroOrcEntry *entry)
{
    const IntroOrcTable *table = &orc->image;

    if ((ip < table->start || ip >= table->end) && (ip < orc->init_text.start || ip >= orc->init_text.end))
        table = module_table(orc, ip);
    return table != NULL && intro_orc_table_find(table, &orc->layout, ip, entry);
}
