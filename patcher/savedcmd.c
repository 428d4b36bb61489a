/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/savedcmd.h"

#include "patcher/error.h"

#define DEPENDENCIES "-Wp,-MMD,"
#define FIXDEP "scripts/basic/fixdep "
#define OBJTOOL "tools/objtool/objtool "
#define MODULE_NAME "-DKBUILD_MODNAME=\""

static gboolean
refuse(GError **error, const char *why)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                "the commands that the kernel's build keeps for the object are not understood: %s", why);
    return FALSE;
}

/* The line "cmd_PATH := COMMANDS" (savedcmd_PATH since 6.3), as the shell would get it. */
static char *
commands_of(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *value = strstr(*line, " := ");
        g_autoptr(GString) commands = NULL;

        if (!value || !(g_str_has_prefix(*line, "cmd_") || g_str_has_prefix(*line, "savedcmd_")))
            continue;
        commands = g_string_new(value + 4);
        g_string_replace(commands, "$(pound)", "#", 0);
        g_string_replace(commands, "\\#", "#", 0);
        g_string_replace(commands, "$$", "$", 0);
        return g_string_free(g_steal_pointer(&commands), FALSE);
    }
    return NULL;
}

/* Splits at semicolons outside of quotes. */
static GPtrArray *
split_commands(const char *text)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func(g_free);
    const char *start = text;
    char quote = 0;

    for (const char *p = text;; p++) {
        if (!*p || (*p == ';' && !quote)) {
            g_ptr_array_add(commands, g_strndup(start, p - start));
            start = p + 1;
        }
        if (!*p)
            return commands;
        if (*p == '\\' && p[1] && quote != '\'')
            p++;
        else if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? 0 : *p;
    }
}

static guint
find_argument(GStrv argv, const char *wanted)
{
    guint i = 0;

    while (argv[i] && !g_str_equal(argv[i], wanted))
        i++;
    return i;
}

static gboolean
check_command(PatchSavedCmd *saved, GStrv argv, GError **error)
{
    guint n = g_strv_length(argv), output;
    g_autofree char *program = g_path_get_basename(argv[0]);

    if (saved->commands->len > 0)
        return (g_str_equal(program, "objtool") && g_str_equal(argv[n - 1], saved->object)) || refuse(error, argv[0]);
    output = find_argument(argv, "-o");
    if (!argv[find_argument(argv, "-c")] || output + 1 >= n || !g_str_has_suffix(argv[n - 1], ".c"))
        return refuse(error, "the first is no compilation of a C file");
    saved->object = g_strdup(argv[output + 1]);
    return TRUE;
}

PatchSavedCmd *
patch_saved_cmd_parse(const char *text, GError **error)
{
    g_autofree char *line = commands_of(text);
    g_autoptr(GPtrArray) commands = line ? split_commands(line) : NULL;
    g_autoptr(PatchSavedCmd) saved = g_new0(PatchSavedCmd, 1);

    saved->commands = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
    for (guint i = 0; commands && i < commands->len; i++) {
        g_auto(GStrv) argv = NULL;
        g_autoptr(GError) cause = NULL;

        if (!*g_strstrip(commands->pdata[i]))
            continue;
        if (!g_shell_parse_argv(commands->pdata[i], NULL, &argv, &cause)) {
            refuse(error, cause->message);
            return NULL;
        }
        if (!check_command(saved, argv, error))
            return NULL;
        g_ptr_array_add(saved->commands, g_steal_pointer(&argv));
    }
    if (!saved->commands->len) {
        refuse(error, "there are none");
        return NULL;
    }
    return g_steal_pointer(&saved);
}

void
patch_saved_cmd_free(PatchSavedCmd *saved)
{
    if (!saved)
        return;
    g_ptr_array_unref(saved->commands);
    g_free(saved->object);
    g_free(saved);
}

/* The command in LINE that runs objtool, if one does; to be freed. */
static char *
objtool_in(const char *line)
{
    g_autoptr(GPtrArray) commands = strstr(line, OBJTOOL) ? split_commands(line) : NULL;

    for (guint i = 0; commands && i < commands->len; i++)
        if (strstr(commands->pdata[i], OBJTOOL))
            return g_strdup(g_strstrip(commands->pdata[i]));
    return NULL;
}

/* Kernels before 5.18 run it in a line of its own and do not keep that. */
static void
add_objtool(GHashTable *texts, const char *line)
{
    g_autofree char *command = objtool_in(line);
    const char *object = command ? strrchr(command, ' ') : NULL;
    const char *text = object ? g_hash_table_lookup(texts, object + 1) : NULL;

    if (text)
        g_hash_table_insert(texts, g_strdup(object + 1), g_strdup_printf("%s; %s", text, command));
}

/* A line that makes an object ends in: scripts/basic/fixdep DEPENDENCIES OBJECT 'COMMANDS' > FILE */
GHashTable *
patch_saved_cmd_texts(const char *dry_run)
{
    GHashTable *texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(dry_run, "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *fixdep = strstr(*line, FIXDEP);
        g_auto(GStrv) argv = NULL;

        if (!fixdep)
            add_objtool(texts, *line);
        else if (g_shell_parse_argv(fixdep, NULL, &argv, NULL) && g_strv_length(argv) >= 4)
            g_hash_table_insert(texts, g_strdup(argv[2]), g_strdup_printf("cmd_%s := %s", argv[2], argv[3]));
    }
    return texts;
}

char *
patch_saved_cmd_module(const PatchSavedCmd *saved, GError **error)
{
    GStrv argv = saved->commands->pdata[0];
    const char *value = NULL;
    gsize length;

    if (!argv[find_argument(argv, "-DMODULE")])
        return g_strdup("");
    for (char **argument = argv; *argument; argument++)
        if (g_str_has_prefix(*argument, MODULE_NAME))
            value = *argument + strlen(MODULE_NAME);
    length = value ? strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") : 0;
    if (length && g_str_equal(value + length, "\""))
        return g_strdelimit(g_strndup(value, length), "-", '_');
    if (length && value[length] == ':')
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "%s becomes part of several modules (%s); updates can be made for what is in one place",
                    saved->object, value);
    else
        refuse(error, "they do not say which module it becomes part of");
    return NULL;
}

/* ARGUMENT with OVERLAY for every SOURCE that ends there or at a slash. */
static char *
redirect(const char *argument, const char *source, const char *overlay)
{
    GString *result = g_string_new(NULL);
    gsize length = strlen(source);
    const char *found;

    while ((found = strstr(argument, source))) {
        gboolean whole = found[length] == '/' || found[length] == 0;

        g_string_append_len(result, argument, found - argument);
        g_string_append(result, whole ? overlay : source);
        argument = found + length;
    }
    g_string_append(result, argument);
    return g_string_free(result, FALSE);
}

static void
add_options(GPtrArray *argv, const char *const *options)
{
    for (guint i = 0; options && options[i]; i++)
        g_ptr_array_add(argv, g_strdup(options[i]));
}

GStrv
patch_saved_cmd_argv(const PatchSavedCmd *saved, guint index, const PatchCmdChange *change)
{
    GStrv argv = saved->commands->pdata[index];
    GPtrArray *result = g_ptr_array_new();

    for (guint i = 0; argv[i]; i++) {
        if (index == 0 && g_str_equal(argv[i], "-c"))
            add_options(result, change->options);
        if (g_str_has_prefix(argv[i], DEPENDENCIES))
            g_ptr_array_add(result, g_strconcat(DEPENDENCIES, change->output, ".d", NULL));
        else if (g_str_equal(argv[i], saved->object))
            g_ptr_array_add(result, g_strdup(change->object ? change->object : change->output));
        else if (change->input && index == 0 && !argv[i + 1])
            g_ptr_array_add(result, g_strdup(change->input));
        else
            g_ptr_array_add(result, change->source ? redirect(argv[i], change->source, change->overlay)
                                                   : g_strdup(argv[i]));
        if (index == 0 && i == 0 && change->include)
            g_ptr_array_add(result, g_strconcat("-I", change->include, NULL));
    }
    g_ptr_array_add(result, NULL);
    return (GStrv) g_ptr_array_free(result, FALSE);
}
