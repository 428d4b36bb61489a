/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/type-changes.h"

#include <glib/gstdio.h>
#include <string.h>

#include "patcher/object.h"
#include "patcher/types.h"

/* What the compiler said of one type. */
typedef struct {
    guint64 hashes[PATCH_N_SIDES];    /* of its definition behind the preprocessor */
    GPtrArray *names;           /* of char *: those that differ; NULL: more than names does */
} Change;

struct PatchTypeChanges {
    GHashTable *types;          /* char *: "struct sock" -> Change */
    GPtrArray *findings;        /* of PatchFinding: what is wrong with those that are not what they were */
};

/* A type that is being asked for. */
typedef struct {
    char *name;
    guint64 hashes[PATCH_N_SIDES];
} Question;

static void
change_free(Change *change)
{
    g_clear_pointer(&change->names, g_ptr_array_unref);
    g_free(change);
}

static void
question_clear(gpointer question)
{
    g_free(((Question *) question)->name);
}

PatchTypeChanges *
patch_type_changes_new(void)
{
    PatchTypeChanges *changes = g_new0(PatchTypeChanges, 1);

    changes->types = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) change_free);
    changes->findings = patch_findings_new();
    return changes;
}

const GPtrArray *
patch_type_changes_findings(const PatchTypeChanges *changes)
{
    return changes->findings;
}

void
patch_type_changes_free(PatchTypeChanges *changes)
{
    if (!changes)
        return;
    g_hash_table_unref(changes->types);
    g_ptr_array_unref(changes->findings);
    g_free(changes);
}

void
patch_type_changes_note(PatchTypeChanges *changes, const char *type, const guint64 hashes[PATCH_N_SIDES], GPtrArray *names)
{
    Change *change = g_new0(Change, 1);

    memcpy(change->hashes, hashes, sizeof change->hashes);
    change->names = names ? g_ptr_array_ref(names) : NULL;
    g_hash_table_insert(changes->types, g_strdup(type), change);
}

/* ---- Types among constructs ---- */

/* What C calls the type that CONSTRUCT defines; NULL if it does anything else, too. */
static char *
type_name(const PatchConstructs *constructs, const PatchConstruct *construct)
{
    if (construct->type < 0 || construct->emits)
        return NULL;
    return g_strconcat(construct->is_enum ? "enum " : construct->is_union ? "union " : "struct ",
                       constructs->names->pdata[construct->type], NULL);
}

/* Whether the type NAME is defined once before the change, and once after it: else it might be another one of that name. */
static gboolean
is_one(const PatchConstructs *constructs, const char *name)
{
    guint n = 0;

    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        g_autofree char *its = type_name(constructs, construct);

        if (!its || !g_str_equal(its, name))
            continue;
        if (!construct->is_tainted || !construct->is_settled || ++n > PATCH_N_SIDES)
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_wanted(const PatchTypeChanges *changes, const PatchConstructs *constructs, const PatchConstruct *construct)
{
    g_autofree char *name = construct->is_tainted ? type_name(constructs, construct) : NULL;

    return name && !g_hash_table_contains(changes->types, name) && is_one(constructs, name);
}

gboolean
patch_type_changes_want(const PatchTypeChanges *changes, const PatchConstructs *constructs, guint32 file)
{
    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);

        if (construct->file == file && is_wanted(changes, constructs, construct))
            return TRUE;
    }
    return FALSE;
}

void
patch_type_changes_forgive(const PatchTypeChanges *changes, PatchConstructs *constructs, gboolean exact)
{
    for (guint i = 0; i < constructs->constructs->len; i++) {
        PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        g_autofree char *name = construct->is_tainted ? type_name(constructs, construct) : NULL;
        const Change *change = name ? g_hash_table_lookup(changes->types, name) : NULL;
        gboolean is_same = change && (exact ? construct->hash == change->hashes[PATCH_OLD_SIDE] ||
                                              construct->hash == change->hashes[PATCH_NEW_SIDE]
                                            : construct->is_settled);

        if (!is_same || !change->names)
            continue;
        construct->is_tainted = FALSE;
        construct->is_known = TRUE;
        for (guint j = 0; j < change->names->len; j++)
            patch_constructs_taint_member(constructs, change->names->pdata[j]);
    }
}

/* ---- What the compiler says ---- */

/* The last part of a member's name, which stands behind dots for what it is within. */
static char *
last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return g_strdup(dot ? dot + 1 : name);
}

static void
add_others(const PatchStruct *one, const PatchStruct *other, GPtrArray *names)
{
    for (guint i = 0; i < one->members->len; i++) {
        const PatchMember *member = one->members->pdata[i], *its = patch_struct_member(other, member->name);

        if (!its || its->offset != member->offset)
            g_ptr_array_add(names, last_part(member->name));
    }
}

static gboolean
has_negative(const PatchStruct *type)
{
    for (guint i = 0; i < type->members->len; i++)
        if ((gint64) ((const PatchMember *) type->members->pdata[i])->offset < 0)
            return TRUE;
    return FALSE;
}

/* How much of NAME says what the member is within. */
static gsize
outer_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (gsize) (dot - name) : 0;
}

/* Whether both are the same, but for what they are called. */
static gboolean
is_same_place(const PatchMember *one, const PatchMember *other)
{
    gsize length = outer_length(one->name);

    return one->offset == other->offset && one->size == other->size && g_str_equal(one->type, other->type) &&
           length == outer_length(other->name) && strncmp(one->name, other->name, length) == 0;
}

/* Whether each member of ONE has its place in OTHER, and in the same order: initial values may be given by that alone. */
static gboolean
has_places(const PatchStruct *one, const PatchStruct *other, gboolean in_order)
{
    guint at = 0;

    for (guint i = 0; i < one->members->len; i++) {
        at = in_order ? at : 0;
        while (at < other->members->len && !is_same_place(one->members->pdata[i], other->members->pdata[at]))
            at++;
        if (at++ == other->members->len)
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_type_is_as_before(const PatchStruct *old_type, const PatchStruct *new_type, GPtrArray *names)
{
    gboolean is_same = old_type->size == new_type->size && old_type->is_enum == new_type->is_enum;

    if (is_same && old_type->is_enum)
        is_same = has_negative(old_type) == has_negative(new_type);
    else if (is_same)
        is_same = has_places(old_type, new_type, TRUE) && has_places(new_type, old_type, FALSE);
    if (is_same) {
        add_others(old_type, new_type, names);
        add_others(new_type, old_type, names);
    }
    return is_same;
}

/* The only type of that name; NULL if there is none, or several. */
static const PatchStruct *
only(const PatchDwarf *dwarf, const char *name)
{
    const GPtrArray *types = g_hash_table_lookup(dwarf->structs, name);

    return types && types->len == 1 ? types->pdata[0] : NULL;
}

static guint64
alignment(const PatchElf *elf, guint number)
{
    g_autofree char *name = g_strdup_printf("vlp_alignment_%u", number);
    gint32 item = patch_elf_find_item(elf, name);

    return item < 0 ? 0 : patch_elf_item(elf, item)->size;
}

static char *
with_questions(const char *text, const GArray *questions)
{
    GString *result = g_string_new(text);

    for (guint i = 0; i < questions->len; i++) {
        const char *name = g_array_index(questions, Question, i).name;

        g_string_append_printf(result, "\n%s vlp_type_%u; char vlp_alignment_%u[_Alignof(%s)];\n", name, i, i, name);
    }
    return g_string_free(result, FALSE);
}

static PatchElf *
compile(PatchBuild *build, const char *file, const char *text, PatchBuildVariant variant, const GArray *questions)
{
    g_autofree char *whole = with_questions(text, questions);
    g_autofree char *path = patch_build_compile_text(build, file, whole, variant, NULL);
    PatchElf *elf = path ? patch_elf_read(path, NULL) : NULL;

    if (path)
        g_unlink(path);
    return elf;
}

static void
answer(PatchTypeChanges *changes, const GArray *questions, const PatchElf *const elfs[PATCH_N_SIDES],
       const PatchDwarf *const dwarfs[PATCH_N_SIDES])
{
    for (guint i = 0; i < questions->len; i++) {
        const Question *question = &g_array_index(questions, Question, i);
        const PatchStruct *was = only(dwarfs[PATCH_OLD_SIDE], question->name), *is = only(dwarfs[PATCH_NEW_SIDE], question->name);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        guint64 aligned = alignment(elfs[PATCH_OLD_SIDE], i);
        gboolean is_same = was && is && aligned && aligned == alignment(elfs[PATCH_NEW_SIDE], i) &&
                           patch_type_is_as_before(was, is, names);

        patch_type_changes_note(changes, question->name, question->hashes, is_same ? names : NULL);
        if (was && is)
            patch_types_compare_struct(was, is, changes->findings);
    }
}

/* The definition of the type NAME in FILE; NULL if there is none, or several. */
static const PatchConstruct *
definition(const PatchConstructs *constructs, guint32 file, const char *name)
{
    const PatchConstruct *found = NULL;

    for (guint i = 0; i < constructs->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs->constructs, PatchConstruct, i);
        g_autofree char *its = construct->file == file ? type_name(constructs, construct) : NULL;

        if (!its || !g_str_equal(its, name))
            continue;
        if (found)
            return NULL;
        found = construct;
    }
    return found;
}

/* Those types that WANTED has and CHANGES does not, and that are in both TEXTS; to be unreffed. */
static GArray *
find_questions(const PatchTypeChanges *changes, const PatchConstructs *wanted, char *const texts[PATCH_N_SIDES])
{
    GArray *questions = g_array_new(FALSE, FALSE, sizeof(Question));
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_array_set_clear_func(questions, question_clear);
    for (guint32 side = 0; side < PATCH_N_SIDES; side++)
        patch_constructs_add(constructs, side, texts[side], strlen(texts[side]));
    for (guint i = 0; i < wanted->constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(wanted->constructs, PatchConstruct, i);
        g_autofree char *name = is_wanted(changes, wanted, construct) ? type_name(wanted, construct) : NULL;
        const PatchConstruct *was = name ? definition(constructs, PATCH_OLD_SIDE, name) : NULL;
        const PatchConstruct *is = was ? definition(constructs, PATCH_NEW_SIDE, name) : NULL;
        Question question = { .hashes = { was ? was->hash : 0, is ? is->hash : 0 } };

        if (!is || was->hash == is->hash || !g_hash_table_add(seen, g_strdup(name)))
            continue;
        question.name = g_strdup(name);
        g_array_append_val(questions, question);
    }
    return questions;
}

void
patch_type_changes_learn(PatchTypeChanges *changes, const PatchConstructs *wanted, PatchBuild *build, const char *file)
{
    g_autofree char *old_text = patch_build_preprocess(build, file, PATCH_BUILD_OLD, NULL);
    g_autofree char *new_text = old_text ? patch_build_preprocess(build, file, PATCH_BUILD_NEW, NULL) : NULL;
    g_autoptr(GArray) questions = new_text ? find_questions(changes, wanted, (char *[PATCH_N_SIDES]) { old_text, new_text }) : NULL;
    g_autoptr(PatchElf) old_elf = NULL, new_elf = NULL;
    g_autoptr(PatchDwarf) old_dwarf = NULL, new_dwarf = NULL;

    if (!questions || !questions->len)
        return;
    old_elf = compile(build, file, old_text, PATCH_BUILD_OLD, questions);
    new_elf = old_elf ? compile(build, file, new_text, PATCH_BUILD_NEW, questions) : NULL;
    old_dwarf = new_elf ? patch_dwarf_read(old_elf) : NULL;
    new_dwarf = old_dwarf ? patch_dwarf_read(new_elf) : NULL;
    if (new_dwarf)
        answer(changes, questions, (const PatchElf *[PATCH_N_SIDES]) { old_elf, new_elf },
               (const PatchDwarf *[PATCH_N_SIDES]) { old_dwarf, new_dwarf });
}
