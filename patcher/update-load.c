/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/update-format.h"

#include "patcher/error.h"
#include "vmm/sandbox.h"

static GByteArray *
take_bytes(GVariant *variant)
{
    gsize length;
    const void *data = g_variant_get_fixed_array(variant, &length, 1);
    GByteArray *bytes = g_byte_array_sized_new(length);

    if (length)
        g_byte_array_append(bytes, data, length);
    return bytes;
}

static void
load_fixups(GVariant *variant, GArray *fixups)
{
    GVariantIter iter;
    PatchFixup fixup;
    guchar target;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(uuxyu)", &fixup.offset, &fixup.type, &fixup.addend, &target, &fixup.index)) {
        fixup.target = target;
        g_array_append_val(fixups, fixup);
    }
}

static void
load_choices(GVariant *variant, PatchSite *site)
{
    GVariantIter iter;
    guint32 feature;
    GVariant *bytes, *fixups;

    /* Choices of another kind of site are kept, for validation to refuse. */
    if (!site->choices && g_variant_n_children(variant))
        site->choices = g_ptr_array_new_with_free_func((GDestroyNotify) patch_choice_free);
    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(u@ay@" PATCH_FORMAT_FIXUPS ")", &feature, &bytes, &fixups)) {
        PatchChoice *choice = patch_choice_new(feature);

        g_byte_array_unref(choice->bytes);
        choice->bytes = take_bytes(bytes);
        load_fixups(fixups, choice->fixups);
        g_ptr_array_add(site->choices, choice);
        g_variant_unref(bytes);
        g_variant_unref(fixups);
    }
}

static void
load_code(GVariant *variant, PatchCode *code)
{
    g_autoptr(GVariant) bytes = g_variant_get_child_value(variant, 0);
    g_autoptr(GVariant) fixups = g_variant_get_child_value(variant, 1);
    g_autoptr(GVariant) sites = g_variant_get_child_value(variant, 2);
    GVariantIter iter;
    guchar kind;
    guint32 offset, length;
    guint64 arg;
    GVariant *choices;

    g_byte_array_unref(code->bytes);
    code->bytes = take_bytes(bytes);
    load_fixups(fixups, code->fixups);
    g_variant_iter_init(&iter, sites);
    while (g_variant_iter_next(&iter, "(yuut@" PATCH_FORMAT_CHOICES ")", &kind, &offset, &length, &arg, &choices)) {
        PatchSite *site = patch_site_new(kind, offset, length, arg);

        load_choices(choices, site);
        g_ptr_array_add(code->sites, site);
        g_variant_unref(choices);
    }
}

static void
load_sections(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    const char *name;
    guint64 size, alignment;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&stt)", &name, &size, &alignment))
        patch_object_add_section(object, name, size, alignment);
}

static void
load_symbols(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    const char *name;
    gint32 section;
    guint64 value, size;
    gboolean is_global, is_function;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&sittbb)", &name, &section, &value, &size, &is_global, &is_function)) {
        PatchSymbol *symbol = patch_object_add_symbol(object, name, section, value, size);

        symbol->is_global = is_global;
        symbol->is_function = is_function;
    }
}

static void
load_literals(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    GVariant *literal;

    g_variant_iter_init(&iter, variant);
    while ((literal = g_variant_iter_next_value(&iter))) {
        g_ptr_array_add(object->literals, g_byte_array_free_to_bytes(take_bytes(literal)));
        g_variant_unref(literal);
    }
}

static void
load_functions(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    guint32 symbol;
    GVariant *code;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(u@" PATCH_FORMAT_CODE ")", &symbol, &code)) {
        load_code(code, patch_object_add_function(object, symbol)->code);
        g_variant_unref(code);
    }
}

static void
load_pieces(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    const char *name;
    guchar kind;
    guint64 alignment, size;
    GVariant *code;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(&sytt@" PATCH_FORMAT_CODE ")", &name, &kind, &alignment, &size, &code)) {
        load_code(code, patch_object_add_piece(object, name, kind, alignment, size)->code);
        g_variant_unref(code);
    }
}

static void
load_replacements(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    guint32 function, piece;
    const char *cause;
    GVariant *parts;
    guchar reason;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(uu@auy&s)", &function, &piece, &parts, &reason, &cause)) {
        PatchReplacement *replacement = patch_object_add_replacement(object, function, piece, reason, cause);
        gsize n;
        const guint32 *indices = g_variant_get_fixed_array(parts, &n, sizeof(guint32));

        if (n)
            g_array_append_vals(replacement->parts, indices, n);
        g_variant_unref(parts);
    }
}

static void
load_exceptions(GVariant *variant, PatchObject *object)
{
    PatchException exception;
    GVariantIter iter;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(uuuuiu)", &exception.piece, &exception.offset, &exception.to_piece,
                               &exception.to_offset, &exception.handler, &exception.data))
        g_array_append_val(object->exceptions, exception);
}

static void
load_unwinds(GVariant *variant, PatchObject *object)
{
    g_autoptr(GVariantIter) iter = NULL;
    PatchUnwind unwind;

    g_variant_get(variant, "(ya(uut))", &object->unwind_bytes, &iter);
    while (g_variant_iter_next(iter, "(uut)", &unwind.piece, &unwind.offset, &unwind.entry))
        g_array_append_val(object->unwinds, unwind);
}

static void
load_data(GVariant *variant, PatchObject *object)
{
    GVariantIter iter;
    GVariant *offsets, *mask, *before, *after;
    const char *name;
    guchar form, origin;
    guint32 symbol;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_loop(&iter, "(&syyu@at@ay@" PATCH_FORMAT_CODE "@" PATCH_FORMAT_CODE ")", &name, &form, &origin,
                               &symbol, &offsets, &mask, &before, &after)) {
        PatchDatum *datum = patch_object_add_datum(object, name, form, origin, symbol);
        gsize n;
        const guint64 *numbers = g_variant_get_fixed_array(offsets, &n, sizeof(guint64));

        if (n)
            g_array_append_vals(datum->offsets, numbers, n);
        g_byte_array_unref(datum->mask);
        datum->mask = take_bytes(mask);
        load_code(before, datum->before);
        load_code(after, datum->after);
    }
}

static void
load_hooks(GVariant *variant, PatchObject *object)
{
    PatchHook hook;
    GVariantIter iter;
    guchar kind;

    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_next(&iter, "(yuu)", &kind, &hook.limit_s, &hook.piece)) {
        hook.kind = kind;
        g_array_append_val(object->hooks, hook);
    }
}

static PatchObject *
load_object(GVariant *variant)
{
    static void (*const loaders[])(GVariant *, PatchObject *) = {
        load_sections, load_symbols, load_literals, load_functions, load_pieces, load_replacements,
        load_exceptions, load_unwinds, load_data, load_hooks,
    };
    PatchObject *object = patch_object_new();

    g_variant_get_child(variant, 0, "s", &object->path);
    g_variant_get_child(variant, 1, "s", &object->module);
    for (gsize i = 0; i < G_N_ELEMENTS(loaders); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(variant, 2 + i);

        loaders[i](child, object);
    }
    return object;
}

static gboolean
damaged(GError **error, const char *what)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", what);
    return FALSE;
}

static PatchUpdate *
load_body(GVariant *body, GError **error)
{
    g_autoptr(PatchUpdate) update = patch_update_new();
    g_autoptr(GVariant) patch = NULL;
    g_autoptr(GVariant) objects = NULL;
    GVariantIter iter;
    GVariant *object;
    gsize patch_bytes;
    const char *text;

    g_variant_get(body, "(ssss@ay^as^as@" PATCH_FORMAT_OBJECTS ")", &update->description, &update->kernel,
                  &update->build_id, &update->compiler, &patch, &update->cves, &update->forced, &objects);
    text = g_variant_get_fixed_array(patch, &patch_bytes, 1);
    update->patch = g_strndup(text ? text : "", patch_bytes);
    if (strlen(update->patch) != patch_bytes) {
        damaged(error, "the update is inconsistent: the patch in it is no text");
        return NULL;
    }
    g_variant_iter_init(&iter, objects);
    while ((object = g_variant_iter_next_value(&iter))) {
        g_ptr_array_add(update->objects, load_object(object));
        g_variant_unref(object);
    }
    return g_steal_pointer(&update);
}

/* Checks all but the body's inside; DIGEST is what the body was found to have. */
static gboolean
check_header(GBytes *bytes, guint8 *digest, GError **error)
{
    gsize length, digest_bytes = PATCH_FILE_DIGEST_BYTES;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint32 version[2];
    guint64 body_bytes;

    if (length < PATCH_FILE_MAGIC_BYTES || memcmp(data, PATCH_FILE_MAGIC, PATCH_FILE_MAGIC_BYTES) != 0)
        return damaged(error, "this is not an update file");
    if (length < PATCH_FILE_HEADER_BYTES)
        return damaged(error, "the file is cut short");
    memcpy(version, data + PATCH_FILE_MAGIC_BYTES, sizeof version);
    if (GUINT32_FROM_LE(version[0]) != PATCH_FILE_VERSION || version[1] != 0) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "the file has format version %u, and this program reads version %d; create the update again",
                    GUINT32_FROM_LE(version[0]), PATCH_FILE_VERSION);
        return FALSE;
    }
    memcpy(&body_bytes, data + PATCH_FILE_MAGIC_BYTES + sizeof version, sizeof body_bytes);
    body_bytes = GUINT64_FROM_LE(body_bytes);
    if (length > PATCH_FILE_MAX_BYTES)
        return damaged(error, "the file is larger than any update");
    if (body_bytes != length - PATCH_FILE_HEADER_BYTES)
        return damaged(error, "the file is cut short, or something follows its end");
    g_checksum_update(checksum, data + PATCH_FILE_HEADER_BYTES, body_bytes);
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    if (memcmp(digest, data + PATCH_FILE_HEADER_BYTES - PATCH_FILE_DIGEST_BYTES, PATCH_FILE_DIGEST_BYTES) != 0)
        return damaged(error, "the file is damaged: its content does not have the digest that it states");
    return TRUE;
}

PatchUpdate *
patch_update_load(GBytes *bytes, GError **error)
{
    guint8 digest[PATCH_FILE_DIGEST_BYTES];
    g_autoptr(GBytes) body_bytes = NULL;
    g_autoptr(GVariant) body = NULL;
    g_autoptr(PatchUpdate) update = NULL;

    if (!check_header(bytes, digest, error))
        return NULL;
    body_bytes = g_bytes_new_from_bytes(bytes, PATCH_FILE_HEADER_BYTES,
                                        g_bytes_get_size(bytes) - PATCH_FILE_HEADER_BYTES);
    body = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(PATCH_FORMAT_UPDATE), body_bytes, FALSE));
    if (!g_variant_is_normal_form(body)) {
        damaged(error, "the file is damaged: its content is not in normal form");
        return NULL;
    }
    update = load_body(body, error);
    if (!update || !patch_update_validate(update, error))
        return NULL;
    patch_update_id_from_digest(digest, update->id);
    return g_steal_pointer(&update);
}

static GBytes *
map_file(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &cause);

    if (file)
        return g_mapped_file_get_bytes(file);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s", cause->message);
    return NULL;
}

static GBytes *
open_file(const char *path, char *id, GError **error)
{
    g_autoptr(GBytes) bytes = map_file(path, error);
    guint8 digest[PATCH_FILE_DIGEST_BYTES];

    if (!bytes)
        return NULL;
    if (!check_header(bytes, digest, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    patch_update_id_from_digest(digest, id);
    return g_steal_pointer(&bytes);
}

PatchUpdateFile *
patch_update_file_open(const char *path, GError **error)
{
    g_autoptr(PatchUpdateFile) file = g_new0(PatchUpdateFile, 1);

    file->path = g_strdup(path);
    file->bytes = open_file(path, file->id, error);
    return file->bytes ? g_steal_pointer(&file) : NULL;
}

void
patch_update_file_free(PatchUpdateFile *file)
{
    if (!file)
        return;
    g_clear_pointer(&file->bytes, g_bytes_unref);
    g_free(file->path);
    g_free(file);
}

PatchUpdate *
patch_update_file_load(const PatchUpdateFile *file, GError **error)
{
    PatchUpdate *update = patch_update_load(file->bytes, error);

    if (!update)
        g_prefix_error(error, "%s: ", file->path);
    return update;
}

PatchUpdate *
patch_update_read_file(const char *path, GError **error)
{
    g_autoptr(PatchUpdateFile) file = patch_update_file_open(path, error);

    return file ? patch_update_file_load(file, error) : NULL;
}

PatchUpdate *
patch_update_read_strange_file(const char *path, GError **error)
{
    PatchUpdateFile file = { (char *) path, map_file(path, error) };
    PatchUpdate *update = file.bytes && vmm_sandbox_enter(VMM_SANDBOX_LOOK, error) ? patch_update_file_load(&file, error) : NULL;

    g_clear_pointer(&file.bytes, g_bytes_unref);
    return update;
}
