/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of one patch that share new functions.
 */
#include <elf.h>

#include "patcher/error.h"
#include "patcher/merge.h"

static PatchPiece *
add_piece(PatchObject *object, const char *name)
{
    PatchPiece *piece = patch_object_add_piece(object, name, PATCH_PIECE_TEXT, 16, 8);

    g_byte_array_set_size(piece->code->bytes, 8);
    return piece;
}

static void
add_fixup(PatchPiece *piece, PatchTargetKind target, guint32 index)
{
    PatchFixup fixup = { .offset = 1, .type = R_X86_64_PC32, .addend = -4, .target = target, .index = index };

    g_array_append_val(piece->code->fixups, fixup);
}

/* An object with one section, the old function NAME, and a piece of it that refers to the symbol USED elsewhere. */
static PatchObject *
make_object(const char *path, const char *module, const char *name, const char *used)
{
    PatchObject *object = patch_object_new();

    object->path = g_strdup(path);
    object->module = g_strdup(module);
    patch_object_add_section(object, ".text", 64, 16);
    patch_object_add_symbol(object, name, 0, 0, 8);
    patch_object_add_symbol(object, used, -1, 0, 0);
    patch_object_add_function(object, 0);
    add_fixup(add_piece(object, name), PATCH_TARGET_SYMBOL, 1);
    patch_object_add_replacement(object, 0, 0, PATCH_REASON_CHANGED, "");
    return object;
}

static GPtrArray *
make_objects(const char *second_module)
{
    GPtrArray *objects = g_ptr_array_new_with_free_func((GDestroyNotify) patch_object_free);
    PatchObject *owner = make_object("a.o", "m", "old_a", "printk");

    add_fixup(add_piece(owner, "shared"), PATCH_TARGET_PIECE, 0);
    g_ptr_array_add(objects, owner);
    g_ptr_array_add(objects, make_object("b.o", second_module, "old_b", "shared"));
    return objects;
}

static const PatchFixup *
fixup_of(const PatchObject *object, guint piece)
{
    return &g_array_index(((const PatchPiece *) object->pieces->pdata[piece])->code->fixups, PatchFixup, 0);
}

static void
test_merged(void)
{
    g_autoptr(GPtrArray) objects = make_objects("m");
    g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    const PatchObject *object;
    const PatchReplacement *replacement;

    g_hash_table_add(shared, (char *) "shared");
    g_assert_true(patch_merge(objects, shared, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(objects->len, ==, 1);
    object = objects->pdata[0];
    g_assert_cmpstr(object->path, ==, "a.o,b.o");
    g_assert_cmpuint(object->pieces->len, ==, 3);
    g_assert_cmpint(fixup_of(object, 0)->target, ==, PATCH_TARGET_SYMBOL);
    g_assert_cmpuint(fixup_of(object, 0)->index, ==, 1);
    g_assert_cmpint(fixup_of(object, 2)->target, ==, PATCH_TARGET_PIECE);
    g_assert_cmpuint(fixup_of(object, 2)->index, ==, 1);
    replacement = object->replacements->pdata[1];
    g_assert_cmpuint(replacement->function, ==, 1);
    g_assert_cmpuint(replacement->piece, ==, 2);
    g_assert_cmpuint(((const PatchOldFunction *) object->functions->pdata[1])->symbol, ==, 2);
    g_assert_cmpint(((const PatchSymbol *) object->symbols->pdata[2])->section, ==, 1);
    g_assert_cmpint(((const PatchSymbol *) object->symbols->pdata[3])->section, ==, -1);
}

/* OBJECT gets so many of everything that each is counted differently. */
static void
fill_up(PatchObject *object)
{
    while (object->literals->len < 3)
        g_ptr_array_add(object->literals, g_bytes_new("x", 1));
    while (object->functions->len < 4)
        patch_object_add_function(object, 0);
    while (object->pieces->len < 5)
        add_piece(object, "more");
}

static void
add_reference(GArray *fixups, PatchTargetKind target)
{
    const PatchFixup fixup = { .type = R_X86_64_64, .target = target };

    g_array_append_val(fixups, fixup);
}

/* Each kind of reference to what is the first of its kind, in each place that can hold one. */
static void
add_all_references(PatchObject *object)
{
    static const PatchTargetKind targets[] = { PATCH_TARGET_SYMBOL, PATCH_TARGET_PIECE, PATCH_TARGET_LITERAL };
    PatchOldFunction *function = object->functions->pdata[0];
    PatchDatum *datum = patch_object_add_datum(object, "datum", PATCH_FORM_BYTES, PATCH_ORIGIN_PATCH, 0);
    PatchSite *site = patch_site_new(PATCH_SITE_ALTERNATIVE, 0, 4, 0);
    PatchChoice *choice = g_new0(PatchChoice, 1);
    const PatchException with_handler = { .handler = 0 }, without = { .handler = -1 };
    const PatchUnwind unwind = { 0 };
    const PatchHook hook = { .kind = PATCH_HOOK_PRE_APPLY };
    const guint32 part = 0;

    choice->bytes = g_byte_array_new();
    choice->fixups = g_array_new(FALSE, FALSE, sizeof(PatchFixup));
    g_ptr_array_add(site->choices, choice);
    g_ptr_array_add(function->code->sites, site);
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        add_reference(function->code->fixups, targets[i]);
        add_reference(choice->fixups, targets[i]);
        add_reference(datum->before->fixups, targets[i]);
        add_reference(datum->after->fixups, targets[i]);
    }
    g_ptr_array_add(object->literals, g_bytes_new("y", 1));
    g_array_append_val(object->exceptions, with_handler);
    g_array_append_val(object->exceptions, without);
    g_array_append_val(object->unwinds, unwind);
    g_array_append_val(object->hooks, hook);
    g_array_append_val(((PatchReplacement *) object->replacements->pdata[0])->parts, part);
}

static void
assert_references(const GArray *fixups, guint symbol, guint piece, guint literal)
{
    g_assert_cmpuint(fixups->len, ==, 3);
    g_assert_cmpuint(g_array_index(fixups, PatchFixup, 0).index, ==, symbol);
    g_assert_cmpuint(g_array_index(fixups, PatchFixup, 1).index, ==, piece);
    g_assert_cmpuint(g_array_index(fixups, PatchFixup, 2).index, ==, literal);
}

/* Whatever the object that joins refers to, it still does. */
static void
test_references(void)
{
    g_autoptr(GPtrArray) objects = make_objects("m");
    g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);
    const PatchObject *object;
    const PatchOldFunction *function;
    const PatchSite *site;
    const PatchDatum *datum;
    const PatchException *exceptions;

    fill_up(objects->pdata[0]);
    add_all_references(objects->pdata[1]);
    g_hash_table_add(shared, (char *) "shared");
    g_assert_true(patch_merge(objects, shared, NULL));
    g_assert_cmpuint(objects->len, ==, 1);
    object = objects->pdata[0];
    function = object->functions->pdata[4];
    assert_references(function->code->fixups, 2, 5, 3);
    site = function->code->sites->pdata[0];
    assert_references(((const PatchChoice *) site->choices->pdata[0])->fixups, 2, 5, 3);
    datum = object->data->pdata[0];
    g_assert_cmpuint(datum->symbol, ==, 2);
    assert_references(datum->before->fixups, 2, 5, 3);
    assert_references(datum->after->fixups, 2, 5, 3);
    exceptions = &g_array_index(object->exceptions, PatchException, 0);
    g_assert_cmpuint(exceptions[0].piece, ==, 5);
    g_assert_cmpuint(exceptions[0].to_piece, ==, 5);
    g_assert_cmpint(exceptions[0].handler, ==, 2);
    g_assert_cmpint(exceptions[1].handler, ==, -1);
    g_assert_cmpuint(g_array_index(object->unwinds, PatchUnwind, 0).piece, ==, 5);
    g_assert_cmpuint(g_array_index(object->hooks, PatchHook, 0).piece, ==, 5);
    g_assert_cmpuint(g_array_index(((const PatchReplacement *) object->replacements->pdata[1])->parts, guint32, 0), ==, 4);
}

static void
test_apart(void)
{
    g_autoptr(GPtrArray) objects = make_objects("m");
    g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_true(patch_merge(objects, shared, NULL));
    g_assert_cmpuint(objects->len, ==, 2);
    g_assert_cmpint(fixup_of(objects->pdata[1], 0)->target, ==, PATCH_TARGET_SYMBOL);
}

/* What is nobody's piece is another object's, whatever it is called. */
static void
test_nobodys(void)
{
    g_autoptr(GPtrArray) objects = make_objects("m");
    g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);

    g_hash_table_add(shared, (char *) "printk");
    g_assert_true(patch_merge(objects, shared, NULL));
    g_assert_cmpuint(objects->len, ==, 2);
}

/* An object that only has hooks, or sets data, is needed; one that only has pieces is not. */
static void
test_needed(void)
{
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GPtrArray) objects = make_objects("m");
        g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);
        PatchObject *object = objects->pdata[1];
        const PatchHook hook = { .kind = PATCH_HOOK_PRE_APPLY };

        g_ptr_array_set_size(object->replacements, 0);
        if (i == 1)
            g_array_append_val(object->hooks, hook);
        if (i == 2)
            patch_object_add_datum(object, "datum", PATCH_FORM_BYTES, PATCH_ORIGIN_PATCH, 0);
        g_assert_true(patch_merge(objects, shared, NULL));
        g_assert_cmpuint(objects->len, ==, i ? 2 : 1);
    }
}

/* The user gets a copy of the function and of what that refers to, which is resolved from its own module. */
static void
test_other_module(void)
{
    g_autoptr(GPtrArray) objects = make_objects("other");
    g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);
    PatchObject *owner = objects->pdata[0];
    PatchPiece *constant = patch_object_add_piece(owner, "a string", PATCH_PIECE_RODATA, 1, 2);
    PatchUnwind unwind = { 1, 4, 0x77 };
    const PatchObject *user;
    g_autoptr(GError) error = NULL;

    g_byte_array_append(constant->code->bytes, (const guint8 *) "x", 2);
    add_fixup(owner->pieces->pdata[1], PATCH_TARGET_SYMBOL, 1);
    g_array_index(((PatchPiece *) owner->pieces->pdata[1])->code->fixups, PatchFixup, 0).index = 2;
    g_array_append_val(owner->unwinds, unwind);
    owner->unwind_bytes = 6;
    g_hash_table_add(shared, (char *) "shared");
    g_assert_true(patch_merge(objects, shared, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(objects->len, ==, 2);
    user = objects->pdata[1];
    g_assert_cmpuint(user->pieces->len, ==, 3);
    g_assert_cmpint(fixup_of(user, 0)->target, ==, PATCH_TARGET_PIECE);
    g_assert_cmpuint(fixup_of(user, 0)->index, ==, 1);
    g_assert_cmpint(fixup_of(user, 1)->target, ==, PATCH_TARGET_PIECE);
    g_assert_cmpuint(fixup_of(user, 1)->index, ==, 2);
    g_assert_cmpuint(((const PatchPiece *) user->pieces->pdata[2])->code->bytes->len, ==, 2);
    g_assert_cmpstr(((const PatchSymbol *) user->symbols->pdata[2])->name, ==, "printk");
    g_assert_cmpint(((const PatchSymbol *) user->symbols->pdata[2])->section, ==, -1);
    g_assert_cmpuint(user->unwinds->len, ==, 1);
    g_assert_cmpuint(g_array_index(user->unwinds, PatchUnwind, 0).piece, ==, 1);
    g_assert_cmpuint(user->unwind_bytes, ==, 6);
}

/* Of what keeps state there must not be two; and what only the owner's code can find, the copy cannot. */
static void
test_no_copy(void)
{
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GPtrArray) objects = make_objects("other");
        g_autoptr(GHashTable) shared = g_hash_table_new(g_str_hash, g_str_equal);
        PatchObject *owner = objects->pdata[0];
        PatchFixup *fixup = (PatchFixup *) fixup_of(owner, 1);
        g_autoptr(GError) error = NULL;

        patch_object_add_piece(owner, "count", PATCH_PIECE_BSS, 8, 8);
        fixup->target = i ? PATCH_TARGET_SYMBOL : PATCH_TARGET_PIECE;
        fixup->index = i ? 0 : 2;
        g_hash_table_add(shared, (char *) "shared");
        g_assert_false(patch_merge(objects, shared, &error));
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT);
        g_assert_nonnull(strstr(error->message, i ? "uses old_a," : "uses count,"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/merge/shared-functions-join-objects", test_merged);
    g_test_add_func("/merge/references-of-what-joins", test_references);
    g_test_add_func("/merge/others-stay-apart", test_apart);
    g_test_add_func("/merge/what-is-nobodys", test_nobodys);
    g_test_add_func("/merge/what-is-needed", test_needed);
    g_test_add_func("/merge/modules-share-copies", test_other_module);
    g_test_add_func("/merge/what-cannot-be-copied", test_no_copy);
    return g_test_run();
}
