/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/new-data.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"
#include "patcher/item-name.h"
#include "patcher/tables.h"
#include "patcher/variable.h"

#define MAX_ERROR_NUMBER 4095       /* what an error in the place of a pointer can be, include/linux/err.h */

typedef struct {
    PatchObject *object;
    const PatchElf *elf;
    PatchOldCode *old;
    const PatchSetting *setting;
    const PatchVariable *variable;
    GError **error;
} Job;

static gboolean G_GNUC_PRINTF(3, 4)
refuse(const Job *job, PatchError error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(job->error, PATCH_ERROR, error, "%s: %s", job->setting->source, text);
    return FALSE;
}

/* ---- The variable ---- */

static gboolean
is_variable(const PatchElf *elf, guint32 number)
{
    const PatchElfItem *item = patch_elf_item(elf, number);

    return !item->is_function && item->symbol >= 0 && item->size > 0;
}

gboolean
patch_new_data_find(const PatchElf *elf, const PatchSetting *setting, gint32 *found, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    guint n = 0;

    *found = -1;
    for (guint32 i = 0; i < elf->items->len; i++) {
        const char *name = patch_elf_item(elf, i)->name;
        g_autofree char *plain = patch_plain_name(name);

        if (!is_variable(elf, i) || !(g_str_equal(name, setting->variable) || g_str_equal(plain, setting->variable)))
            continue;
        g_string_append_printf(names, "%s%s", n++ ? ", " : "", name);
        *found = i;
    }
    if (n < 2)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: there are several variables of that name: %s", setting->source,
                names->str);
    return FALSE;
}

static gboolean
check_section(const Job *job, const PatchElfSection *section)
{
    if (patch_elf_is_code(section) || !(section->flags & SHF_ALLOC) || patch_tables_own(section->name))
        return refuse(job, PATCH_ERROR_USAGE, "it is no variable");
    if (patch_is_boot_section(section->name))
        return refuse(job, PATCH_ERROR_DOES_NOT_FIT, "it is in %s, which is gone once the kernel has booted", section->name);
    if (g_str_has_prefix(section->name, ".data..percpu"))
        return refuse(job, PATCH_ERROR_DOES_NOT_FIT,
                      "it is per-CPU data, of which each processor has a copy: it takes a hook that changes all of them");
    return TRUE;
}

/* ---- Values ---- */

static gboolean
encode_number(const Job *job, const PatchLiteral *literal, guint8 *bytes)
{
    const PatchVariable *variable = job->variable;
    guint bits = variable->n_bits ? variable->n_bits : variable->size * 8;
    guint64 mask = bits < 64 ? (G_GUINT64_CONSTANT(1) << bits) - 1 : G_MAXUINT64, field;
    gint64 lowest = bits < 64 ? -(G_GINT64_CONSTANT(1) << (bits - 1)) : G_MININT64;

    if (variable->kind == PATCH_TYPE_TEXT)
        return refuse(job, PATCH_ERROR_USAGE, "it is an array of char, and takes a \"string\"");
    if (variable->kind == PATCH_TYPE_BOOL && literal->number > 1)
        return refuse(job, PATCH_ERROR_USAGE, "it is a bool, and takes true or false");
    if (variable->kind == PATCH_TYPE_POINTER && literal->number && literal->number < -(guint64) MAX_ERROR_NUMBER)
        return refuse(job, PATCH_ERROR_USAGE, "it is a pointer, and takes &SYMBOL, NULL or an error number (-12): addresses "
                      "are others in each guest");
    if (literal->is_negative ? (gint64) literal->number < lowest : literal->number > mask)
        return refuse(job, PATCH_ERROR_USAGE, "the number does not fit into %u bits", bits);
    if (literal->is_negative && variable->kind == PATCH_TYPE_NUMBER)
        return refuse(job, PATCH_ERROR_USAGE, "it cannot be negative (its type is %s)", variable->type);
    field = GUINT64_TO_LE((literal->number & mask) << variable->bit);
    memcpy(bytes, &field, variable->size);
    return TRUE;
}

static gboolean
encode_text(const Job *job, const PatchLiteral *literal, guint8 *bytes)
{
    gsize length = strlen(literal->text);

    if (job->variable->kind != PATCH_TYPE_TEXT)
        return refuse(job, PATCH_ERROR_USAGE, "it is no array of char, and takes no string");
    if (length >= job->variable->size)
        return refuse(job, PATCH_ERROR_USAGE, "the string does not fit into %" G_GUINT64_FORMAT " bytes with its end",
                      job->variable->size);
    memcpy(bytes, literal->text, length);
    return TRUE;
}

static gboolean
encode_address(const Job *job, const PatchLiteral *literal, PatchCode *value)
{
    PatchFixup fixup = { 0, R_X86_64_64, 0, PATCH_TARGET_SYMBOL, 0 };

    if (job->variable->kind != PATCH_TYPE_POINTER)
        return refuse(job, PATCH_ERROR_USAGE, "it is no pointer, and takes no address");
    if (!patch_old_code_find_symbol(job->old, literal->text, &fixup.index))
        fixup.index = patch_old_code_extern(job->old, literal->text);
    g_array_append_val(value->fixups, fixup);
    return TRUE;
}

static gboolean
encode(const Job *job, const PatchLiteral *literal, PatchCode *value)
{
    g_byte_array_set_size(value->bytes, job->variable->size);
    memset(value->bytes->data, 0, job->variable->size);
    switch (literal->kind) {
    case PATCH_LITERAL_NUMBER:
        return encode_number(job, literal, value->bytes->data);
    case PATCH_LITERAL_TEXT:
        return encode_text(job, literal, value->bytes->data);
    case PATCH_LITERAL_ADDRESS:
    default:
        return encode_address(job, literal, value);
    }
}

static void
fill_mask(const PatchVariable *variable, GByteArray *mask)
{
    guint64 bits = variable->n_bits < 64 ? (G_GUINT64_CONSTANT(1) << variable->n_bits) - 1 : G_MAXUINT64;

    if (!variable->n_bits)
        return;
    bits = GUINT64_TO_LE(bits << variable->bit);
    g_byte_array_append(mask, (const guint8 *) &bits, variable->size);
}

static PatchForm
form_of(const PatchVariable *variable)
{
    return variable->kind == PATCH_TYPE_TEXT ? PATCH_FORM_TEXT
           : variable->kind == PATCH_TYPE_SIGNED ? PATCH_FORM_SIGNED : PATCH_FORM_NUMBER;
}

static gboolean
fill_expected(const Job *job, gint32 item, PatchDatum *datum)
{
    if (job->setting->expected)
        return encode(job, job->setting->expected, datum->before);
    if (datum->offsets->len > 1)
        return refuse(job, PATCH_ERROR_USAGE, "what is behind a pointer is not known beforehand: say what has to be there, as "
                      "in %s=0:1", job->setting->place);
    return patch_old_code_value(job->old, item, g_array_index(datum->offsets, guint64, 0), job->variable->size,
                                datum->before, job->error);
}

static void
note_constant(const Job *job, const PatchElfSection *section, GPtrArray *notes)
{
    if (!(section->flags & SHF_WRITE))
        g_ptr_array_add(notes, g_strdup_printf("%s is constant: where the compiler has built its value into code, setting it "
                                               "changes nothing; a patch of the source does", job->setting->place));
}

gboolean
patch_new_data_set(PatchObject *object, const PatchElf *elf, PatchOldCode *old, gint32 item, const PatchSetting *setting,
                   GPtrArray *notes, GError **error)
{
    const PatchElfItem *it = patch_elf_item(elf, item);
    const PatchElfSection *section = patch_elf_section(elf, it->section);
    g_autoptr(PatchVariable) variable = NULL;
    Job job = { object, elf, old, setting, NULL, error };
    PatchDatum *datum;

    if (!check_section(&job, section))
        return FALSE;
    variable = patch_variable_find(elf, setting, it->size, error);
    if (!variable)
        return FALSE;
    job.variable = variable;
    datum = patch_object_add_datum(object, setting->place, form_of(variable), PATCH_ORIGIN_ASKED,
                                   patch_old_code_symbol(old, it->symbol));
    g_array_append_vals(datum->offsets, variable->offsets->data, variable->offsets->len);
    fill_mask(variable, datum->mask);
    note_constant(&job, section, notes);
    return fill_expected(&job, item, datum) && encode(&job, setting->value, datum->after);
}

/* ---- What follows from the patch ---- */

static PatchDatum *
add_stretch(PatchObject *object, const PatchElf *elf, const PatchElfItem *item, guint32 symbol, const PatchStretch *stretch)
{
    gboolean is_whole = stretch->offset == 0 && stretch->length == item->size;
    g_autofree char *name = is_whole ? g_strdup(item->name)
                                     : patch_variable_name_at(elf, item->name, item->size, stretch->offset);
    PatchForm form = stretch->length <= sizeof(guint64) ? PATCH_FORM_NUMBER : PATCH_FORM_BYTES;
    PatchDatum *datum = patch_object_add_datum(object, name, form, PATCH_ORIGIN_PATCH, symbol);

    g_array_append_val(datum->offsets, stretch->offset);
    return datum;
}

/* All of it is looked at, unless only functions are exchanged, and the stretches of it that differ are changed. */
gboolean
patch_new_data_derive(PatchObject *object, const PatchElf *elf, PatchDiff *diff, PatchOldCode *old, PatchNewCode *code,
                      const PatchInitial *initial, GError **error)
{
    const PatchElfItem *old_item = patch_elf_item(diff->pairing->old_elf, initial->old_item);
    const PatchStretch whole = { 0, old_item->size };
    gint32 running = patch_elf_find_item(elf, old_item->name);
    g_autoptr(GArray) stretches = patch_initial_stretches(diff, initial->old_item, initial->new_item);
    guint32 symbol;
    PatchDatum *datum;

    if (running < 0 || patch_elf_item(elf, running)->size != old_item->size ||
        !patch_old_code_find_symbol(old, old_item->name, &symbol)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the patch changes %s, of which the running kernel's object has none, or several", old_item->name);
        return FALSE;
    }
    datum = initial->is_exchange ? NULL : add_stretch(object, elf, old_item, symbol, &whole);
    if (datum && !patch_old_code_value(old, running, 0, old_item->size, datum->before, error))
        return FALSE;
    for (guint i = 0; i < stretches->len; i++) {
        const PatchStretch *stretch = &g_array_index(stretches, PatchStretch, i);

        datum = add_stretch(object, elf, old_item, symbol, stretch);
        if (!patch_old_code_value(old, running, stretch->offset, stretch->length, datum->before, error) ||
            !patch_new_code_value(code, initial->new_item, stretch->offset, stretch->length, datum->after, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- */

static gboolean
share_bits(const PatchDatum *one, const PatchDatum *other)
{
    guint64 from = g_array_index(one->offsets, guint64, one->offsets->len - 1);
    guint64 other_from = g_array_index(other->offsets, guint64, other->offsets->len - 1);
    guint64 end = MIN(from + one->before->bytes->len, other_from + other->before->bytes->len);

    if (one->symbol != other->symbol || one->offsets->len != other->offsets->len ||
        memcmp(one->offsets->data, other->offsets->data, (one->offsets->len - 1) * sizeof(guint64)) != 0)
        return FALSE;
    for (guint64 at = MAX(from, other_from); at < end; at++)
        if ((one->mask->len ? one->mask->data[at - from] : 0xff) &
            (other->mask->len ? other->mask->data[at - other_from] : 0xff))
            return TRUE;
    return FALSE;
}

gboolean
patch_new_data_check(const PatchObject *object, GError **error)
{
    for (guint i = 0; i < object->data->len; i++)
        for (guint j = 0; j < i; j++) {
            const PatchDatum *one = object->data->pdata[i], *other = object->data->pdata[j];

            if (!one->after->bytes->len || !other->after->bytes->len || !share_bits(one, other))
                continue;
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "%s: %s and %s are given a value each, and have bits in common",
                        object->path, other->name, one->name);
            return FALSE;
        }
    return TRUE;
}
