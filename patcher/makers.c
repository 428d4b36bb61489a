/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/makers.h"

#include <string.h>

#include "patcher/construct-names.h"
#include "patcher/pastes.h"

#define MAX_NAMES 4096          /* with more, there is hardly a text that has none of them */

/* A name is made where all of these are mentioned: macros and arguments. */
typedef struct {
    guint32 first, n;           /* into PatchMakers.needed */
} Way;

struct PatchMakers {
    PatchConstructs *constructs;
    GHashTable *names;
    gboolean are_too_many;      /* names: then makers are not looked for */
    PatchPasteIndex *pastes;
    GHashTable *macros;         /* number of a name -> GArray of guint32: of the constructs that define it as a macro */
    GHashTable *ways;           /* number of a macro -> GArray of Way */
    GArray *needed;             /* of guint32 */
    GHashTable *leading;        /* set of numbers of names: of macros with ways, and of others that lead to one */
    GHashTable *leading_names;  /* the same as set of char * */
    GArray *mentioned;          /* of guint32: names, as they were met */
    GArray *is_mentioned;       /* of guint8, by number of a name */
};

/* --- Ways */

static GArray *
list_of(GHashTable *lists, guint32 id, guint size)
{
    GArray *list = g_hash_table_lookup(lists, GUINT_TO_POINTER(id));

    if (!list) {
        list = g_array_new(FALSE, FALSE, size);
        g_hash_table_insert(lists, GUINT_TO_POINTER(id), list);
    }
    return list;
}

static guint32
number_of(const PatchMakers *makers, const PatchArgument *argument)
{
    return patch_constructs_number(makers->constructs, argument->start, argument->length);
}

/* The way through the macro of APART, and OUTER (if it is not the same) to which what that makes is given. */
static void
add_way(PatchMakers *makers, guint32 outer, const PatchApart *apart)
{
    Way way = { makers->needed->len, 0 };
    GArray *ways = list_of(makers->ways, apart->paste->owner, sizeof way);

    g_array_append_val(makers->needed, outer);
    for (guint i = 0; i < apart->n_arguments; i++) {
        guint32 id = number_of(makers, &apart->arguments[i]);

        g_array_append_val(makers->needed, id);
    }
    way.n = makers->needed->len - way.first;
    g_array_append_val(ways, way);
}

typedef struct {
    PatchMakers *makers;
    guint32 macro;
} Step;

static void
add_second_step(const PatchApart *apart, gpointer data)
{
    const Step *first = data;

    add_way(first->makers, first->macro, apart);
}

static void
add_ways(const PatchApart *apart, gpointer data)
{
    Step step = { data, apart->paste->owner };
    g_autofree char *argument = g_strndup(apart->arguments[0].start, apart->arguments[0].length);

    add_way(step.makers, step.macro, apart);
    if (apart->n_arguments == 1)
        patch_paste_index_take_apart(step.makers->pastes, argument, add_second_step, &step);
}

static gboolean
mentions_leading(const PatchMakers *makers, const PatchConstruct *construct)
{
    for (guint i = 0; i < construct->n_mentions; i++)
        if (g_hash_table_contains(makers->leading,
                                  GUINT_TO_POINTER(g_array_index(makers->constructs->ids, guint32, construct->mentions + i))))
            return TRUE;
    return FALSE;
}

/* Those that have ways, and macros that mention one of them, until there is no more. */
static void
find_leading(PatchMakers *makers)
{
    const GArray *constructs = makers->constructs->constructs;
    GHashTableIter iter;
    gpointer id;
    gboolean added;

    g_hash_table_iter_init(&iter, makers->ways);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_hash_table_add(makers->leading, id);
    do {
        added = FALSE;
        for (guint i = 0; i < constructs->len; i++) {
            const PatchConstruct *construct = &g_array_index(constructs, PatchConstruct, i);

            if (construct->is_macro && mentions_leading(makers, construct))
                added |= g_hash_table_add(makers->leading, GUINT_TO_POINTER(g_array_index(makers->constructs->ids, guint32,
                                                                                         construct->defines)));
        }
    } while (added);
    g_hash_table_iter_init(&iter, makers->leading);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_hash_table_add(makers->leading_names, makers->constructs->names->pdata[GPOINTER_TO_UINT(id)]);
}

static void
find_macros(PatchMakers *makers)
{
    const GArray *constructs = makers->constructs->constructs;

    for (guint32 i = 0; i < constructs->len; i++) {
        const PatchConstruct *construct = &g_array_index(constructs, PatchConstruct, i);
        guint32 name = construct->is_macro ? g_array_index(makers->constructs->ids, guint32, construct->defines) : 0;

        if (construct->is_macro)
            g_array_append_val(list_of(makers->macros, name, sizeof i), i);
    }
}

PatchMakers *
patch_makers_new(PatchConstructs *constructs, GHashTable *names)
{
    PatchMakers *makers = g_new0(PatchMakers, 1);
    GHashTableIter iter;
    gpointer name;

    makers->constructs = constructs;
    makers->names = names;
    makers->are_too_many = g_hash_table_size(names) > MAX_NAMES;
    makers->pastes = patch_paste_index_new(constructs);
    makers->macros = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_array_unref);
    makers->ways = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_array_unref);
    makers->needed = g_array_new(FALSE, FALSE, sizeof(guint32));
    makers->leading = g_hash_table_new(NULL, NULL);
    makers->leading_names = g_hash_table_new(g_str_hash, g_str_equal);
    makers->mentioned = g_array_new(FALSE, FALSE, sizeof(guint32));
    makers->is_mentioned = g_array_new(FALSE, TRUE, 1);
    g_hash_table_iter_init(&iter, names);
    while (!makers->are_too_many && g_hash_table_iter_next(&iter, &name, NULL))
        patch_paste_index_take_apart(makers->pastes, name, add_ways, makers);
    find_macros(makers);
    find_leading(makers);
    return makers;
}

void
patch_makers_free(PatchMakers *makers)
{
    if (!makers)
        return;
    patch_paste_index_free(makers->pastes);
    g_hash_table_unref(makers->macros);
    g_hash_table_unref(makers->ways);
    g_array_unref(makers->needed);
    g_hash_table_unref(makers->leading);
    g_hash_table_unref(makers->leading_names);
    g_array_unref(makers->mentioned);
    g_array_unref(makers->is_mentioned);
    g_free(makers);
}

/* --- What is mentioned */

static gboolean
is_mentioned(const PatchMakers *makers, guint32 id)
{
    return id < makers->is_mentioned->len && g_array_index(makers->is_mentioned, guint8, id);
}

static void
mention(PatchMakers *makers, guint32 id)
{
    if (is_mentioned(makers, id))
        return;
    if (id >= makers->is_mentioned->len)
        g_array_set_size(makers->is_mentioned, makers->constructs->names->len);
    g_array_index(makers->is_mentioned, guint8, id) = 1;
    g_array_append_val(makers->mentioned, id);
}

static void
mention_all(PatchMakers *makers, guint32 first, guint32 n)
{
    for (guint32 i = 0; i < n; i++)
        mention(makers, g_array_index(makers->constructs->ids, guint32, first + i));
}

static void
mention_construct(PatchMakers *makers, const PatchConstruct *construct)
{
    mention_all(makers, construct->mentions, construct->n_mentions);
    mention_all(makers, construct->members, construct->n_members);
    mention_all(makers, construct->declared, construct->n_declared);
}

static void
forget(PatchMakers *makers)
{
    for (guint i = 0; i < makers->mentioned->len; i++)
        g_array_index(makers->is_mentioned, guint8, g_array_index(makers->mentioned, guint32, i)) = 0;
    g_array_set_size(makers->mentioned, 0);
}

/* What macros bring along is mentioned as well. */
static void
mention_bodies(PatchMakers *makers)
{
    for (guint i = 0; i < makers->mentioned->len; i++) {
        gpointer id = GUINT_TO_POINTER(g_array_index(makers->mentioned, guint32, i));
        const GArray *macros = g_hash_table_lookup(makers->macros, id);

        for (guint j = 0; macros && j < macros->len; j++)
            mention_construct(makers, &g_array_index(makers->constructs->constructs, PatchConstruct,
                                                     g_array_index(macros, guint32, j)));
    }
}

/* Numbers and keywords are not kept of constructs: they may be anywhere. */
static gboolean
is_there(const PatchMakers *makers, guint32 id)
{
    const char *name = makers->constructs->names->pdata[id];

    return is_mentioned(makers, id) || patch_constructs_is_keyword(id) || !name[strspn(name, "0123456789")];
}

static gboolean
has_all(const PatchMakers *makers, const Way *way)
{
    for (guint32 i = 0; i < way->n; i++)
        if (!is_there(makers, g_array_index(makers->needed, guint32, way->first + i)))
            return FALSE;
    return TRUE;
}

static gboolean
has_way(const PatchMakers *makers)
{
    for (guint i = 0; i < makers->mentioned->len; i++) {
        const GArray *ways = g_hash_table_lookup(makers->ways,
                                                 GUINT_TO_POINTER(g_array_index(makers->mentioned, guint32, i)));

        for (guint j = 0; ways && j < ways->len; j++)
            if (has_all(makers, &g_array_index(ways, Way, j)))
                return TRUE;
    }
    return FALSE;
}

gboolean
patch_makers_construct(PatchMakers *makers, const PatchConstruct *construct)
{
    gboolean makes;

    if (!mentions_leading(makers, construct))
        return FALSE;
    mention_construct(makers, construct);
    mention_bodies(makers);
    makes = has_way(makers);
    forget(makers);
    return makes;
}

/* --- The same of a text, which may have macros of its own */

typedef struct {
    PatchMakers *makers;
    gboolean is_made;
} Check;

static void
check_own(const PatchApart *apart, gpointer data)
{
    Check *check = data;

    for (guint i = 0; i < apart->n_arguments; i++)
        if (!is_there(check->makers, number_of(check->makers, &apart->arguments[i])))
            return;
    check->is_made = TRUE;
}

static gboolean
own_make(PatchMakers *makers, const GArray *pastes)
{
    Check check = { makers, FALSE };
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, makers->names);
    while (pastes->len && !check.is_made && g_hash_table_iter_next(&iter, &name, NULL))
        for (guint i = 0; i < pastes->len; i++)
            patch_pastes_take_apart(makers->constructs, &g_array_index(pastes, PatchPaste, i), name, check_own, &check);
    return check.is_made;
}

/* TOKENS stand behind the word. */
static void
read_define(PatchConstructs *constructs, PatchTokens tokens, GArray *pastes)
{
    g_autoptr(GArray) parameters = g_array_new(FALSE, FALSE, sizeof(guint32));
    PatchToken name = patch_tokens_next(&tokens);

    if (name.kind != PATCH_TOKEN_NAME)
        return;
    patch_pastes_read_parameters(constructs, tokens, &name, parameters);
    patch_pastes_read(constructs, tokens, patch_constructs_number(constructs, name.start, name.length), parameters, pastes);
}

/* Whether what is made in TEXT can be one of the names. */
static gboolean
text_makes(PatchMakers *makers, const char *text, gsize length)
{
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(PatchPaste));
    PatchToken token, before = { .kind = PATCH_TOKEN_LINE };
    PatchTokens tokens;
    gboolean makes;

    patch_tokens_init(&tokens, text, length);
    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END) {
        if (token.kind == PATCH_TOKEN_NAME)
            mention(makers, patch_constructs_number(makers->constructs, token.start, token.length));
        if (before.kind == PATCH_TOKEN_DIRECTIVE && patch_token_is(&token, "define"))
            read_define(makers->constructs, tokens, own);
        before = token;
    }
    mention_bodies(makers);
    makes = has_way(makers) || own_make(makers, own);
    forget(makers);
    return makes;
}

static gboolean
has_stem(const char *name, const GPtrArray *stems)
{
    for (guint i = 0; i < stems->len; i++)
        if (strstr(name, stems->pdata[i]))
            return TRUE;
    return FALSE;
}

gboolean
patch_makers_text(PatchMakers *makers, const GPtrArray *stems, const char *text, gsize length)
{
    PatchToken token, before = { .kind = PATCH_TOKEN_LINE };
    gboolean may_make = FALSE;
    PatchTokens tokens;

    patch_tokens_init(&tokens, text, length);
    for (; (token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END; before = token) {
        char name[128];
        gsize n = MIN(token.length, sizeof name - 1);

        may_make = may_make || (patch_token_is(&before, "#") && patch_token_is(&token, "#"));
        if (token.kind != PATCH_TOKEN_NAME)
            continue;
        memcpy(name, token.start, n);
        name[n] = 0;
        if (g_hash_table_contains(makers->names, name) || has_stem(name, stems))
            return TRUE;
        may_make = may_make || g_hash_table_contains(makers->leading_names, name);
    }
    return may_make && !makers->are_too_many && text_makes(makers, text, length);
}
