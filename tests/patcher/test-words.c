/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patcher/completion.h"
#include "patcher/error.h"
#include "patcher/words.h"

/* The commands of LINE, words by |, commands by newlines. */
static char *
split(const char *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) commands = patch_words_split(line, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < commands->len; i++) {
        g_autofree char *words = g_strjoinv("|", commands->pdata[i]);

        g_string_append_printf(text, "%s%s", i ? "\n" : "", words);
    }
    return g_string_free(text, FALSE);
}

static void
test_split(void)
{
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "", "" },
        { "  \n ; ;", "" },
        { "list", "list" },
        { " list  --all ", "list|--all" },
        { "list; view web1", "list\nview|web1" },
        { "list;view web1;", "list\nview|web1" },
        { "list\nview web1", "list\nview|web1" },
        { "view 'a;b' \"c;d\" e\\;f", "view|a;b|c;d|e;f" },
        { "view 'it'\\''s' \"q\\\"uote\"", "view|it's|q\"uote" },
        { "list # all; of them\nview x#y", "list\nview|x#y" },
        { "# nothing", "" },
        { "view \\\nweb1", "view|web1" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = split(cases[i].line);

        g_assert_cmpstr(found, ==, cases[i].expected);
    }
}

static void
test_unbalanced(void)
{
    static const char *const lines[] = { "view 'web1", "list; view \"web1", "view web1\\" };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(patch_words_split(lines[i], &error));
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_USAGE);
    }
}

static const PatchCommand view = { "view", "GUEST", "", NULL }, undo = { "undo", "GUEST [ID]", "", NULL };
static const PatchCommand apply = { "apply", "GUEST UPDATE", "", NULL }, stack = { "stack", "GUEST [PID...]", "", NULL };
static const PatchCommand list = { "list", "", "", NULL };
static const PatchCommand *const commands[] = { &view, &undo, &apply, &stack, &list, NULL };

static void
test_completion(void)
{
    static const struct {
        const char *before;
        PatchCompletion kind;
        const char *guest;
    } cases[] = {
        { "", PATCH_COMPLETE_COMMAND, NULL },
        { "list; ", PATCH_COMPLETE_COMMAND, NULL },
        { "help ", PATCH_COMPLETE_COMMAND, NULL },
        { "help view ", PATCH_COMPLETE_NOTHING, NULL },
        { "list ", PATCH_COMPLETE_NOTHING, NULL },
        { "nosuch ", PATCH_COMPLETE_NOTHING, NULL },
        { "view ", PATCH_COMPLETE_GUEST, NULL },
        { "view web1 ", PATCH_COMPLETE_NOTHING, "web1" },
        { "undo --all ", PATCH_COMPLETE_GUEST, NULL },
        { "undo web1 ", PATCH_COMPLETE_ID, "web1" },
        { "view web1; undo 'web 2' ", PATCH_COMPLETE_ID, "web 2" },
        { "apply web1 ", PATCH_COMPLETE_FILE, "web1" },
        { "stack web1 ", PATCH_COMPLETE_NOTHING, "web1" },
        { "view 'web", PATCH_COMPLETE_NOTHING, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *guest = NULL;

        g_assert_cmpint(patch_completion_kind(commands, cases[i].before, &guest), ==, cases[i].kind);
        g_assert_cmpstr(guest, ==, cases[i].guest);
    }
}

static void
test_ids(void)
{
    static const char *const views[] = {
        "{\"updates\":[{\"id\":\"aaaaaaaa\"},{\"id\":\"bbbbbbbb\"}]}", "{\"updates\":[]}", "{\"updates\":[3,{}]}", "[]", "", "{",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(views); i++) {
        g_auto(GStrv) ids = patch_completion_ids(views[i]);

        g_assert_cmpuint(g_strv_length(ids), ==, i == 0 ? 2 : 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/patcher/words/split", test_split);
    g_test_add_func("/patcher/words/unbalanced", test_unbalanced);
    g_test_add_func("/patcher/completion/kind", test_completion);
    g_test_add_func("/patcher/completion/ids", test_ids);
    return g_test_run();
}
