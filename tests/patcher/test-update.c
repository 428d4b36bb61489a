/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <elf.h>

#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/update-format.h"
#include "tests/patcher/sample-update.h"

static GBytes *
sample_bytes(void)
{
    g_autoptr(PatchUpdate) update = sample_update_new();

    return patch_update_save(update);
}

static void
test_round_trip(void)
{
    g_autoptr(PatchUpdate) update = sample_update_new();
    g_autoptr(GBytes) first = patch_update_save(update);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) loaded = patch_update_load(first, &error);
    g_autoptr(GBytes) second = NULL;
    const PatchObject *object;
    const PatchOldFunction *old;
    const PatchSite *site;
    const PatchDatum *datum;

    g_assert_no_error(error);
    g_assert_cmpstr(loaded->id, ==, update->id);
    g_assert_cmpuint(strlen(loaded->id), ==, PATCH_ID_LENGTH);
    g_assert_cmpuint(strspn(loaded->id, "abcdefghijklmnopqrstuvwxyz234567"), ==, PATCH_ID_LENGTH);
    g_assert_cmpstr(loaded->patch, ==, update->patch);
    g_assert_cmpstrv(loaded->cves, update->cves);
    g_assert_cmpstrv(loaded->forced, update->forced);
    g_assert_cmpstr(((const PatchReplacement *) ((const PatchObject *) loaded->objects->pdata[0])->replacements->pdata[0])->cause,
                    ==, "helper");
    object = loaded->objects->pdata[0];
    old = object->functions->pdata[0];
    site = old->code->sites->pdata[1];
    g_assert_cmpint(site->kind, ==, PATCH_SITE_ALTERNATIVE);
    g_assert_cmpuint(((const PatchChoice *) site->choices->pdata[0])->feature, ==, 0x8021);
    g_assert_cmpint(g_array_index(old->code->fixups, PatchFixup, 0).target, ==, PATCH_TARGET_LITERAL);
    datum = object->data->pdata[1];
    g_assert_cmpstr(datum->name, ==, "settings->show");
    g_assert_cmpint(datum->origin, ==, PATCH_ORIGIN_PATCH);
    g_assert_cmpuint(g_array_index(datum->offsets, guint64, 1), ==, 1024);
    g_assert_cmpint(g_array_index(datum->after->fixups, PatchFixup, 0).target, ==, PATCH_TARGET_PIECE);
    g_assert_cmpuint(((const PatchDatum *) object->data->pdata[0])->mask->len, ==, 4);
    g_assert_cmpuint(object->hooks->len, ==, 1);
    g_assert_cmpuint(g_array_index(object->hooks, PatchHook, 0).kind, ==, PATCH_HOOK_PRE_UNDO);
    g_assert_cmpuint(g_array_index(object->hooks, PatchHook, 0).limit_s, ==, 7);
    second = patch_update_save(loaded);
    g_assert_true(g_bytes_equal(first, second));
}

static void
test_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("update-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.vlp", NULL);
    g_autoptr(PatchUpdate) update = sample_update_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) loaded = NULL;

    g_assert_true(patch_update_write_file(update, path, &error));
    g_assert_no_error(error);
    loaded = patch_update_read_file(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(loaded->id, ==, update->id);
    g_unlink(path);
    g_assert_null(patch_update_read_file(path, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_rmdir(folder);
}

static void
assert_refused(const guint8 *data, gsize length)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, length);
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchUpdate) update = patch_update_load(bytes, &error);

    g_assert_null(update);
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

static void
test_truncated(void)
{
    g_autoptr(GBytes) bytes = sample_bytes();
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);

    for (gsize i = 0; i < length; i++)
        assert_refused(data, i);
}

static void
test_flipped(void)
{
    g_autoptr(GBytes) bytes = sample_bytes();
    gsize length = g_bytes_get_size(bytes);
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);

    for (gsize i = 0; i < length * 8; i++) {
        data[i / 8] ^= 1 << i % 8;
        assert_refused(data, length);
        data[i / 8] ^= 1 << i % 8;
    }
}

/* The digest does not protect from whoever can compute it: every flip in the body with a digest that fits either is
 * refused or gives an update that can be saved again. */
static void
test_flipped_with_digest(void)
{
    g_autoptr(GBytes) bytes = sample_bytes();
    gsize length = g_bytes_get_size(bytes), digest_bytes = PATCH_FILE_DIGEST_BYTES;
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);
    guint n_refused = 0;

    for (gsize i = PATCH_FILE_HEADER_BYTES * 8; i < length * 8; i++) {
        g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
        g_autoptr(GBytes) changed = NULL;
        g_autoptr(PatchUpdate) update = NULL;

        data[i / 8] ^= 1 << i % 8;
        g_checksum_update(checksum, data + PATCH_FILE_HEADER_BYTES, length - PATCH_FILE_HEADER_BYTES);
        g_checksum_get_digest(checksum, data + PATCH_FILE_HEADER_BYTES - digest_bytes, &digest_bytes);
        changed = g_bytes_new(data, length);
        update = patch_update_load(changed, NULL);
        if (update) {
            g_autoptr(GBytes) saved = patch_update_save(update);

            g_assert_true(g_bytes_equal(saved, changed));
        } else {
            n_refused++;
        }
        data[i / 8] ^= 1 << i % 8;
    }
    g_assert_cmpuint(n_refused, >, 1000);
}

typedef void (*Spoil)(PatchUpdate *update, PatchObject *object);

static PatchCode *
old_code(PatchObject *object)
{
    return ((PatchOldFunction *) object->functions->pdata[0])->code;
}

static PatchCode *
new_code(PatchObject *object)
{
    return ((PatchPiece *) object->pieces->pdata[0])->code;
}

static void
spoil_symbol_section(PatchUpdate *update, PatchObject *object)
{
    ((PatchSymbol *) object->symbols->pdata[1])->section = 2;
}

static void
spoil_symbol_value(PatchUpdate *update, PatchObject *object)
{
    ((PatchSymbol *) object->symbols->pdata[0])->value = G_MAXUINT64 - 8;
}

static void
spoil_function_symbol(PatchUpdate *update, PatchObject *object)
{
    ((PatchOldFunction *) object->functions->pdata[0])->symbol = 1;
}

static void
spoil_fixup_offset(PatchUpdate *update, PatchObject *object)
{
    g_array_index(old_code(object)->fixups, PatchFixup, 0).offset = 29;
}

static void
spoil_fixup_type(PatchUpdate *update, PatchObject *object)
{
    g_array_index(old_code(object)->fixups, PatchFixup, 0).type = R_X86_64_GOTPCREL;
}

static void
spoil_fixup_target(PatchUpdate *update, PatchObject *object)
{
    g_array_index(new_code(object)->fixups, PatchFixup, 0).target = PATCH_TARGET_LITERAL;
}

static void
spoil_fixup_index(PatchUpdate *update, PatchObject *object)
{
    g_array_index(new_code(object)->fixups, PatchFixup, 0).index = 3;
}

static void
spoil_site_length(PatchUpdate *update, PatchObject *object)
{
    ((PatchSite *) new_code(object)->sites->pdata[3])->length = 6;
}

static void
spoil_site_target(PatchUpdate *update, PatchObject *object)
{
    ((PatchSite *) new_code(object)->sites->pdata[2])->arg = 32;
}

static void
spoil_choice(PatchUpdate *update, PatchObject *object)
{
    const PatchSite *site = old_code(object)->sites->pdata[1];

    g_byte_array_set_size(((PatchChoice *) site->choices->pdata[1])->bytes, 7);
}

static void
spoil_piece_size(PatchUpdate *update, PatchObject *object)
{
    ((PatchPiece *) object->pieces->pdata[2])->size = G_MAXUINT32;
}

static void
spoil_alignment(PatchUpdate *update, PatchObject *object)
{
    ((PatchPiece *) object->pieces->pdata[1])->alignment = 12;
}

static void
spoil_replacement(PatchUpdate *update, PatchObject *object)
{
    ((PatchReplacement *) object->replacements->pdata[0])->piece = 1;
}

static void
spoil_parts(PatchUpdate *update, PatchObject *object)
{
    g_array_index(((PatchReplacement *) object->replacements->pdata[0])->parts, guint32, 0) = 1;
}

static void
spoil_name(PatchUpdate *update, PatchObject *object)
{
    PatchPiece *piece = object->pieces->pdata[0];

    g_free(piece->name);
    piece->name = g_strdup("\033[2Jsample");
}

static void
spoil_build_id(PatchUpdate *update, PatchObject *object)
{
    g_free(update->build_id);
    update->build_id = g_strdup("../../x");
}

static PatchHook *
hook(PatchObject *object)
{
    return &g_array_index(object->hooks, PatchHook, 0);
}

static void
spoil_hook_piece(PatchUpdate *update, PatchObject *object)
{
    hook(object)->piece = 1;
}

static void
spoil_hook_kind(PatchUpdate *update, PatchObject *object)
{
    hook(object)->kind = PATCH_N_HOOK_KINDS;
}

static void
spoil_hook_limit(PatchUpdate *update, PatchObject *object)
{
    hook(object)->limit_s = 0;
}

static PatchDatum *
datum(PatchObject *object, guint index)
{
    return object->data->pdata[index];
}

static void
spoil_datum_symbol(PatchUpdate *update, PatchObject *object)
{
    datum(object, 0)->symbol = 3;
}

static void
spoil_datum_offset(PatchUpdate *update, PatchObject *object)
{
    g_array_index(datum(object, 0)->offsets, guint64, 0) = 21;
}

static void
spoil_datum_pointer(PatchUpdate *update, PatchObject *object)
{
    g_array_index(datum(object, 1)->offsets, guint64, 0) = 17;
}

static void
spoil_datum_pointers(PatchUpdate *update, PatchObject *object)
{
    g_array_set_size(datum(object, 1)->offsets, 2 + PATCH_MAX_POINTERS);
}

static void
spoil_datum_far(PatchUpdate *update, PatchObject *object)
{
    g_array_index(datum(object, 1)->offsets, guint64, 1) = G_MAXUINT64 - 8;
}

static void
spoil_datum_nowhere(PatchUpdate *update, PatchObject *object)
{
    g_array_set_size(datum(object, 0)->offsets, 0);
}

static void
spoil_datum_mask(PatchUpdate *update, PatchObject *object)
{
    g_byte_array_set_size(datum(object, 0)->mask, 3);
}

static void
spoil_datum_reference(PatchUpdate *update, PatchObject *object)
{
    g_byte_array_append(datum(object, 1)->mask, (const guint8 *) "\1\1\1\1\1\1\1\1", 8);
}

static void
spoil_datum_length(PatchUpdate *update, PatchObject *object)
{
    g_byte_array_set_size(datum(object, 0)->after->bytes, 2);
}

static void
spoil_datum_empty(PatchUpdate *update, PatchObject *object)
{
    g_byte_array_set_size(datum(object, 0)->before->bytes, 0);
}

static void
spoil_datum_site(PatchUpdate *update, PatchObject *object)
{
    g_ptr_array_add(datum(object, 1)->after->sites, patch_site_new(PATCH_SITE_SMP_LOCK, 0, 1, 0));
}

static void
spoil_datum_target(PatchUpdate *update, PatchObject *object)
{
    g_array_index(datum(object, 1)->before->fixups, PatchFixup, 0).target = PATCH_TARGET_PIECE;
}

static void
spoil_datum_form(PatchUpdate *update, PatchObject *object)
{
    datum(object, 0)->form = PATCH_N_FORMS;
}

static void
spoil_datum_name(PatchUpdate *update, PatchObject *object)
{
    datum(object, 0)->name[0] = '\n';
}

static void
test_inconsistent(void)
{
    static const Spoil spoilers[] = {
        spoil_symbol_section, spoil_symbol_value, spoil_function_symbol, spoil_fixup_offset, spoil_fixup_type,
        spoil_fixup_target, spoil_fixup_index, spoil_site_length, spoil_site_target, spoil_choice, spoil_piece_size,
        spoil_alignment, spoil_replacement, spoil_parts, spoil_name, spoil_build_id,
        spoil_datum_symbol, spoil_datum_offset, spoil_datum_pointer, spoil_datum_pointers, spoil_datum_far,
        spoil_datum_nowhere, spoil_datum_mask, spoil_datum_reference, spoil_datum_length, spoil_datum_empty,
        spoil_datum_site, spoil_datum_target, spoil_datum_form, spoil_datum_name,
        spoil_hook_piece, spoil_hook_kind, spoil_hook_limit,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(spoilers); i++) {
        g_autoptr(PatchUpdate) update = sample_update_new();
        g_autoptr(GBytes) bytes = NULL;

        g_test_message("spoiler %zu", i);
        spoilers[i](update, update->objects->pdata[0]);
        bytes = patch_update_save(update);
        assert_refused(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/update/round-trip", test_round_trip);
    g_test_add_func("/update/file", test_file);
    g_test_add_func("/update/truncated", test_truncated);
    g_test_add_func("/update/flipped", test_flipped);
    g_test_add_func("/update/flipped-with-digest", test_flipped_with_digest);
    g_test_add_func("/update/inconsistent", test_inconsistent);
    return g_test_run();
}
