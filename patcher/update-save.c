/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/update-format.h"

#include "patcher/error.h"

static GVariant *
bytes_variant(const guint8 *data, gsize length)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, length, 1);
}

static GVariant *
fixups_variant(GArray *fixups)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_FIXUPS));
    for (guint i = 0; i < fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);

        g_variant_builder_add(&builder, "(uuxyu)", fixup->offset, fixup->type, fixup->addend, (guchar) fixup->target,
                              fixup->index);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
choices_variant(GPtrArray *choices)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_CHOICES));
    for (guint i = 0; choices && i < choices->len; i++) {
        const PatchChoice *choice = choices->pdata[i];

        g_variant_builder_add(&builder, "(u@ay@" PATCH_FORMAT_FIXUPS ")", choice->feature,
                              bytes_variant(choice->bytes->data, choice->bytes->len), fixups_variant(choice->fixups));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
code_variant(const PatchCode *code)
{
    GVariantBuilder sites;

    g_variant_builder_init(&sites, G_VARIANT_TYPE(PATCH_FORMAT_SITES));
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        g_variant_builder_add(&sites, "(yuut@" PATCH_FORMAT_CHOICES ")", (guchar) site->kind, site->offset,
                              site->length, site->arg, choices_variant(site->choices));
    }
    return g_variant_new("(@ay@" PATCH_FORMAT_FIXUPS "@" PATCH_FORMAT_SITES ")",
                         bytes_variant(code->bytes->data, code->bytes->len), fixups_variant(code->fixups),
                         g_variant_builder_end(&sites));
}

static GVariant *
sections_variant(GPtrArray *sections)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_SECTIONS));
    for (guint i = 0; i < sections->len; i++) {
        const PatchSection *section = sections->pdata[i];

        g_variant_builder_add(&builder, "(stt)", section->name, section->size, section->alignment);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
symbols_variant(GPtrArray *symbols)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_SYMBOLS));
    for (guint i = 0; i < symbols->len; i++) {
        const PatchSymbol *symbol = symbols->pdata[i];

        g_variant_builder_add(&builder, "(sittbb)", symbol->name, symbol->section, symbol->value, symbol->size,
                              symbol->is_global, symbol->is_function);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
literals_variant(GPtrArray *literals)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_LITERALS));
    for (guint i = 0; i < literals->len; i++) {
        gsize length;
        const guint8 *data = g_bytes_get_data(literals->pdata[i], &length);

        g_variant_builder_add_value(&builder, bytes_variant(data, length));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
functions_variant(GPtrArray *functions)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_FUNCTIONS));
    for (guint i = 0; i < functions->len; i++) {
        const PatchOldFunction *function = functions->pdata[i];

        g_variant_builder_add(&builder, "(u@" PATCH_FORMAT_CODE ")", function->symbol, code_variant(function->code));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
pieces_variant(GPtrArray *pieces)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_PIECES));
    for (guint i = 0; i < pieces->len; i++) {
        const PatchPiece *piece = pieces->pdata[i];

        g_variant_builder_add(&builder, "(sytt@" PATCH_FORMAT_CODE ")", piece->name, (guchar) piece->kind,
                              piece->alignment, piece->size, code_variant(piece->code));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
replacements_variant(GPtrArray *replacements)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_REPLACEMENTS));
    for (guint i = 0; i < replacements->len; i++) {
        const PatchReplacement *replacement = replacements->pdata[i];
        GVariant *parts = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, replacement->parts->data,
                                                    replacement->parts->len, sizeof(guint32));

        g_variant_builder_add(&builder, "(uu@auys)", replacement->function, replacement->piece, parts,
                              (guchar) replacement->reason, replacement->cause);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
hooks_variant(GArray *hooks)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_HOOKS));
    for (guint i = 0; i < hooks->len; i++) {
        const PatchHook *hook = &g_array_index(hooks, PatchHook, i);

        g_variant_builder_add(&builder, "(yuu)", (guchar) hook->kind, hook->limit_s, hook->piece);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
exceptions_variant(GArray *exceptions)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_EXCEPTIONS));
    for (guint i = 0; i < exceptions->len; i++) {
        const PatchException *exception = &g_array_index(exceptions, PatchException, i);

        g_variant_builder_add(&builder, "(uuuuiu)", exception->piece, exception->offset, exception->to_piece,
                              exception->to_offset, exception->handler, exception->data);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
unwinds_variant(const PatchObject *object)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(uut)"));
    for (guint i = 0; i < object->unwinds->len; i++) {
        const PatchUnwind *unwind = &g_array_index(object->unwinds, PatchUnwind, i);

        g_variant_builder_add(&builder, "(uut)", unwind->piece, unwind->offset, unwind->entry);
    }
    return g_variant_new("(y@a(uut))", object->unwind_bytes, g_variant_builder_end(&builder));
}

static GVariant *
data_variant(GPtrArray *data)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_DATA));
    for (guint i = 0; i < data->len; i++) {
        const PatchDatum *datum = data->pdata[i];
        GVariant *offsets = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, datum->offsets->data, datum->offsets->len,
                                                      sizeof(guint64));

        g_variant_builder_add(&builder, "(syyu@at@ay@" PATCH_FORMAT_CODE "@" PATCH_FORMAT_CODE ")", datum->name,
                              (guchar) datum->form, (guchar) datum->origin, datum->symbol, offsets,
                              bytes_variant(datum->mask->data, datum->mask->len), code_variant(datum->before),
                              code_variant(datum->after));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
objects_variant(GPtrArray *objects)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(PATCH_FORMAT_OBJECTS));
    for (guint i = 0; i < objects->len; i++) {
        const PatchObject *object = objects->pdata[i];

        g_variant_builder_open(&builder, g_variant_type_element(G_VARIANT_TYPE(PATCH_FORMAT_OBJECTS)));
        g_variant_builder_add(&builder, "s", object->path);
        g_variant_builder_add(&builder, "s", object->module);
        g_variant_builder_add_value(&builder, sections_variant(object->sections));
        g_variant_builder_add_value(&builder, symbols_variant(object->symbols));
        g_variant_builder_add_value(&builder, literals_variant(object->literals));
        g_variant_builder_add_value(&builder, functions_variant(object->functions));
        g_variant_builder_add_value(&builder, pieces_variant(object->pieces));
        g_variant_builder_add_value(&builder, replacements_variant(object->replacements));
        g_variant_builder_add_value(&builder, exceptions_variant(object->exceptions));
        g_variant_builder_add_value(&builder, unwinds_variant(object));
        g_variant_builder_add_value(&builder, data_variant(object->data));
        g_variant_builder_add_value(&builder, hooks_variant(object->hooks));
        g_variant_builder_close(&builder);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
update_variant(const PatchUpdate *update)
{
    static const char *const none[] = { NULL };

    return g_variant_ref_sink(g_variant_new("(ssss@ay^as^as@" PATCH_FORMAT_OBJECTS ")", update->description,
                                            update->kernel, update->build_id, update->compiler,
                                            bytes_variant((const guint8 *) update->patch, strlen(update->patch)),
                                            update->cves ? (const char *const *) update->cves : none,
                                            update->forced ? (const char *const *) update->forced : none,
                                            objects_variant(update->objects)));
}

void
patch_update_id_from_digest(const guint8 *digest, char *id)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    guint64 bits = 0;

    for (int i = 0; i < 5; i++)
        bits = bits << 8 | digest[i];
    for (int i = 0; i < PATCH_ID_LENGTH; i++)
        id[i] = letters[bits >> (35 - 5 * i) & 31];
    id[PATCH_ID_LENGTH] = 0;
}

GBytes *
patch_update_save(PatchUpdate *update)
{
    g_autoptr(GVariant) body = update_variant(update);
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const guint8 *data = g_variant_get_data(body);
    guint64 length = g_variant_get_size(body);
    const guint32 version[2] = { GUINT32_TO_LE(PATCH_FILE_VERSION), 0 };
    const guint64 stored_length = GUINT64_TO_LE(length);
    guint8 digest[PATCH_FILE_DIGEST_BYTES];
    gsize digest_bytes = sizeof digest;

    g_checksum_update(checksum, data, length);
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    patch_update_id_from_digest(digest, update->id);
    g_byte_array_append(file, (const guint8 *) PATCH_FILE_MAGIC, PATCH_FILE_MAGIC_BYTES);
    g_byte_array_append(file, (const guint8 *) version, sizeof version);
    g_byte_array_append(file, (const guint8 *) &stored_length, sizeof stored_length);
    g_byte_array_append(file, digest, sizeof digest);
    g_byte_array_append(file, data, length);
    return g_byte_array_free_to_bytes(g_steal_pointer(&file));
}

gboolean
patch_update_write_file(PatchUpdate *update, const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = patch_update_save(update);
    g_autoptr(GError) cause = NULL;
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);

    if (length > PATCH_FILE_MAX_BYTES) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the update is larger than %u MiB",
                    PATCH_FILE_MAX_BYTES >> 20);
        return FALSE;
    }
    if (!g_file_set_contents_full(path, data, length, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    return TRUE;
}
