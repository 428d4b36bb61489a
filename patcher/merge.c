/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/merge.h"

#include "patcher/copy-piece.h"
#include "patcher/error.h"

/* --- What is shared */

static PatchElf *
read_object(PatchBuild *build, const char *file, PatchBuildVariant variant)
{
    g_autofree char *path = patch_build_object(build, file, variant, NULL);

    return path ? patch_elf_read(path, NULL) : NULL;
}

static void
read_symbols(PatchBuild *build, const char *file, PatchBuildVariant variant, GHashTable *defined, GHashTable *used)
{
    g_autoptr(PatchElf) elf = read_object(build, file, variant);

    for (guint i = 0; elf && i < elf->symbols->len; i++) {
        const PatchElfSymbol *symbol = patch_elf_symbol(elf, i);

        if (symbol->is_global && symbol->name && *symbol->name)
            g_hash_table_add(symbol->section < 0 ? used : defined, g_strdup(symbol->name));
    }
}

GHashTable *
patch_merge_shared(PatchBuild *build, const GPtrArray *files, gboolean others)
{
    g_autoptr(GHashTable) old_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) new_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTable *shared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer name;

    for (guint i = 0; (others || files->len > 1) && i < files->len; i++) {
        const char *file = ((const PatchFile *) files->pdata[i])->path;

        read_symbols(build, file, PATCH_BUILD_OLD, old_names, old_names);
        read_symbols(build, file, PATCH_BUILD_NEW, new_names, used);
    }
    g_hash_table_iter_init(&iter, new_names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if ((others || g_hash_table_contains(used, name)) && !g_hash_table_contains(old_names, name))
            g_hash_table_add(shared, g_strdup(name));
    return shared;
}

/* --- What moves */

static gboolean
defines(const PatchElf *elf, const char *name)
{
    for (guint i = 0; elf && i < elf->symbols->len; i++) {
        const PatchElfSymbol *symbol = patch_elf_symbol(elf, i);

        if (symbol->is_global && symbol->section >= 0 && g_str_equal(symbol->name, name))
            return TRUE;
    }
    return FALSE;
}

/* Which object begins to define NAME; -1: none. Modules may have one of their own each, as they have init_module. */
static gint
new_definer_of(const GPtrArray *old_elfs, const GPtrArray *new_elfs, const char *name)
{
    for (guint i = 0; i < new_elfs->len; i++)
        if (defines(new_elfs->pdata[i], name) && !defines(old_elfs->pdata[i], name))
            return i;
    return -1;
}

const char *
patch_merge_moved(const GPtrArray *old_elfs, const GPtrArray *new_elfs, guint *from, guint *to)
{
    for (guint i = 0; i < old_elfs->len; i++) {
        const PatchElf *elf = old_elfs->pdata[i];

        for (guint j = 0; elf && j < elf->symbols->len; j++) {
            const PatchElfSymbol *symbol = patch_elf_symbol(elf, j);
            gboolean is_gone = symbol->is_global && symbol->section >= 0 && !defines(new_elfs->pdata[i], symbol->name);
            gint now = is_gone ? new_definer_of(old_elfs, new_elfs, symbol->name) : -1;

            if (now < 0)
                continue;
            *from = i;
            *to = now;
            return symbol->name;
        }
    }
    return NULL;
}

gboolean
patch_merge_check_moves(PatchBuild *build, const GPtrArray *files, GError **error)
{
    g_autoptr(GPtrArray) old_elfs = g_ptr_array_new_with_free_func((GDestroyNotify) patch_elf_free);
    g_autoptr(GPtrArray) new_elfs = g_ptr_array_new_with_free_func((GDestroyNotify) patch_elf_free);
    const char *name;
    guint from, to;

    for (guint i = 0; files->len > 1 && i < files->len; i++) {
        const char *file = ((const PatchFile *) files->pdata[i])->path;

        g_ptr_array_add(old_elfs, read_object(build, file, PATCH_BUILD_OLD));
        g_ptr_array_add(new_elfs, read_object(build, file, PATCH_BUILD_NEW));
    }
    name = patch_merge_moved(old_elfs, new_elfs, &from, &to);
    if (!name)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "the patch moves %s from %s to %s: the rest of the running kernel goes on using the old one; leave it where "
                "it is, and change it there", name, ((const PatchFile *) files->pdata[from])->path,
                ((const PatchFile *) files->pdata[to])->path);
    return FALSE;
}

/* --- Two objects become one */

/* How far the numbers of the object that joins are moved. */
typedef struct {
    guint sections, symbols, literals, functions, pieces;
} Shift;

static void
shift_fixups(GArray *fixups, const Shift *shift)
{
    for (guint i = 0; i < fixups->len; i++) {
        PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);

        if (fixup->target == PATCH_TARGET_SYMBOL)
            fixup->index += shift->symbols;
        else if (fixup->target == PATCH_TARGET_PIECE)
            fixup->index += shift->pieces;
        else
            fixup->index += shift->literals;
    }
}

/* Calls EACH for all fixups of CODE. */
static void
each_fixups(PatchCode *code, void (*each)(GArray *fixups, gconstpointer data), gconstpointer data)
{
    each(code->fixups, data);
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        for (guint j = 0; site->choices && j < site->choices->len; j++)
            each(((PatchChoice *) site->choices->pdata[j])->fixups, data);
    }
}

static void
shift_each(GArray *fixups, gconstpointer data)
{
    shift_fixups(fixups, data);
}

static void
shift_replacement(PatchReplacement *replacement, const Shift *shift)
{
    replacement->function += shift->functions;
    replacement->piece += shift->pieces;
    for (guint i = 0; i < replacement->parts->len; i++)
        g_array_index(replacement->parts, guint32, i) += shift->functions;
}

static void
shift_object(PatchObject *object, const Shift *shift)
{
    for (guint i = 0; i < object->symbols->len; i++) {
        PatchSymbol *symbol = object->symbols->pdata[i];

        symbol->section += symbol->section >= 0 ? (gint32) shift->sections : 0;
    }
    for (guint i = 0; i < object->functions->len; i++) {
        PatchOldFunction *function = object->functions->pdata[i];

        function->symbol += shift->symbols;
        each_fixups(function->code, shift_each, shift);
    }
    for (guint i = 0; i < object->pieces->len; i++)
        each_fixups(((PatchPiece *) object->pieces->pdata[i])->code, shift_each, shift);
    for (guint i = 0; i < object->replacements->len; i++)
        shift_replacement(object->replacements->pdata[i], shift);
    for (guint i = 0; i < object->exceptions->len; i++) {
        PatchException *exception = &g_array_index(object->exceptions, PatchException, i);

        exception->piece += shift->pieces;
        exception->to_piece += shift->pieces;
        exception->handler += exception->handler >= 0 ? (gint32) shift->symbols : 0;
    }
    for (guint i = 0; i < object->unwinds->len; i++)
        g_array_index(object->unwinds, PatchUnwind, i).piece += shift->pieces;
    for (guint i = 0; i < object->data->len; i++) {
        PatchDatum *datum = object->data->pdata[i];

        datum->symbol += shift->symbols;
        shift_fixups(datum->before->fixups, shift);
        shift_fixups(datum->after->fixups, shift);
    }
    for (guint i = 0; i < object->hooks->len; i++)
        g_array_index(object->hooks, PatchHook, i).piece += shift->pieces;
}

/* OTHER is left empty, and freed. */
static void
join(PatchObject *object, PatchObject *other)
{
    const Shift shift = {
        object->sections->len, object->symbols->len, object->literals->len, object->functions->len,
        object->pieces->len,
    };
    g_autofree char *path = object->path;

    shift_object(other, &shift);
    object->path = g_strconcat(path, ",", other->path, NULL);
    g_ptr_array_extend_and_steal(object->sections, g_steal_pointer(&other->sections));
    g_ptr_array_extend_and_steal(object->symbols, g_steal_pointer(&other->symbols));
    g_ptr_array_extend_and_steal(object->literals, g_steal_pointer(&other->literals));
    g_ptr_array_extend_and_steal(object->functions, g_steal_pointer(&other->functions));
    g_ptr_array_extend_and_steal(object->pieces, g_steal_pointer(&other->pieces));
    g_ptr_array_extend_and_steal(object->replacements, g_steal_pointer(&other->replacements));
    g_array_append_vals(object->exceptions, other->exceptions->data, other->exceptions->len);
    g_array_append_vals(object->unwinds, other->unwinds->data, other->unwinds->len);
    g_ptr_array_extend_and_steal(object->data, g_steal_pointer(&other->data));
    g_array_append_vals(object->hooks, other->hooks->data, other->hooks->len);
    object->unwind_bytes = MAX(object->unwind_bytes, other->unwind_bytes);
    other->sections = g_ptr_array_new();
    other->symbols = g_ptr_array_new();
    other->literals = g_ptr_array_new();
    other->functions = g_ptr_array_new();
    other->pieces = g_ptr_array_new();
    other->replacements = g_ptr_array_new();
    other->data = g_ptr_array_new();
    patch_object_free(other);
}

/* --- Who needs whom */

static gint64
find_piece(const PatchObject *object, const char *name)
{
    for (guint i = 0; i < object->pieces->len; i++)
        if (g_str_equal(((const PatchPiece *) object->pieces->pdata[i])->name, name))
            return i;
    return -1;
}

/* A name that is in SHARED, that USER refers to as another object's, and that is a piece of OWNER. */
static const char *
needed_of(const PatchObject *user, const PatchObject *owner, GHashTable *shared)
{
    for (guint i = 0; i < user->symbols->len; i++) {
        const PatchSymbol *symbol = user->symbols->pdata[i];

        if (symbol->section < 0 && g_hash_table_contains(shared, symbol->name) && find_piece(user, symbol->name) < 0 &&
            find_piece(owner, symbol->name) >= 0)
            return symbol->name;
    }
    return NULL;
}

/* References to what is shared lead to the pieces. */
static void
lead_to_pieces(GArray *fixups, gconstpointer data)
{
    const PatchObject *object = ((const gpointer *) data)[0];
    GHashTable *shared = ((const gpointer *) data)[1];

    for (guint i = 0; i < fixups->len; i++) {
        PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);
        const PatchSymbol *symbol = fixup->target == PATCH_TARGET_SYMBOL ? object->symbols->pdata[fixup->index] : NULL;
        gint64 piece = symbol && symbol->section < 0 && g_hash_table_contains(shared, symbol->name)
                           ? find_piece(object, symbol->name) : -1;

        if (piece < 0)
            continue;
        fixup->target = PATCH_TARGET_PIECE;
        fixup->index = (guint32) piece;
    }
}

/* Joins two of OBJECTS, if any have to be; where they cannot be joined, the one gets a copy of what the other has. */
static gboolean
merge_once(GPtrArray *objects, GHashTable *shared, gboolean *merged, GError **error)
{
    for (guint i = 0; i < objects->len; i++)
        for (guint j = 0; j < objects->len; j++) {
            PatchObject *user = objects->pdata[i], *owner = objects->pdata[j];
            const char *name = i == j ? NULL : needed_of(user, owner, shared);

            if (!name)
                continue;
            *merged = TRUE;
            if (!g_str_equal(user->module, owner->module))
                return patch_copy_piece(user, owner, (guint32) find_piece(owner, name), error);
            g_ptr_array_steal_index(objects, MAX(i, j));
            join(i < j ? user : owner, i < j ? owner : user);
            return TRUE;
        }
    *merged = FALSE;
    return TRUE;
}

gboolean
patch_merge(GPtrArray *objects, GHashTable *shared, GError **error)
{
    gboolean merged = g_hash_table_size(shared) > 0;

    while (merged)
        if (!merge_once(objects, shared, &merged, error))
            return FALSE;
    for (guint i = objects->len; i > 0; i--) {
        const PatchObject *object = objects->pdata[i - 1];

        if (!object->replacements->len && !object->hooks->len && !object->data->len)
            g_ptr_array_remove_index(objects, i - 1);
    }
    for (guint i = 0; i < objects->len; i++) {
        const PatchObject *object = objects->pdata[i];
        gconstpointer data[] = { object, shared };

        for (guint j = 0; j < object->pieces->len; j++)
            each_fixups(((PatchPiece *) object->pieces->pdata[j])->code, lead_to_pieces, data);
        for (guint j = 0; j < object->data->len; j++)
            each_fixups(((PatchDatum *) object->data->pdata[j])->after, lead_to_pieces, data);
    }
    return TRUE;
}
