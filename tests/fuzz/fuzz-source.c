/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts that create reads: patches, sources, configurations, and what the kernel's build says; the first byte chooses. A
 * patch is applied to a text that has the lines "1" to "99".
 */
#include "patcher/constructs.h"
#include "patcher/csource.h"
#include "patcher/ctokens.h"
#include "patcher/debian.h"
#include "patcher/kbuild.h"
#include "patcher/kconfig.h"
#include "patcher/makers.h"
#include "patcher/patchfile.h"
#include "patcher/savedcmd.h"
#include "tests/fuzz/fuzz.h"

#define N_LINES 99

static char *
numbered_lines(void)
{
    GString *text = g_string_new(NULL);

    for (guint i = 1; i <= N_LINES; i++)
        g_string_append_printf(text, "%u\n", i);
    return g_string_free(text, FALSE);
}

static void
look_at_patch(const char *text)
{
    g_autoptr(PatchFiles) files = patch_files_parse(text, NULL);
    g_autofree char *lines = numbered_lines();

    for (guint i = 0; files && i < files->files->len; i++) {
        PatchFile *file = files->files->pdata[i];
        g_autofree char *patched = patch_file_apply(file, lines, NULL);

        if (!patched)
            continue;
        for (guint line = 1; line <= N_LINES; line++)
            patch_file_old_line(file, line);
        patch_file_touches(file, 1, 3);
    }
}

static void
look_at_source(const char *text)
{
    g_autoptr(PatchConstructs) constructs = patch_constructs_new();
    g_autoptr(GPtrArray) stems = g_ptr_array_new();
    g_autoptr(PatchMakers) makers = NULL;
    g_autoptr(GHashTable) names = NULL;
    PatchTokens tokens;
    PatchToken token;
    guint first, last;

    patch_tokens_init(&tokens, text, strlen(text));
    while ((token = patch_tokens_next(&tokens)).kind != PATCH_TOKEN_END)
        if (token.start < text || token.start + token.length > text + strlen(text))
            __builtin_trap();
    patch_constructs_add(constructs, 0, text, strlen(text));
    patch_constructs_add(constructs, 1, text + strlen(text) / 2, strlen(text) - strlen(text) / 2);
    patch_constructs_taint_changed(constructs, 0, 1);
    names = patch_constructs_spread(constructs, stems);
    makers = patch_makers_new(constructs, names);
    patch_makers_text(makers, stems, text, strlen(text));
    patch_csource_find(text, "f", &first, &last);
    patch_csource_find(text, "__do_sys_f", &first, &last);
}

static void
look_at_command(const char *text)
{
    g_autoptr(PatchSavedCmd) saved = patch_saved_cmd_parse(text, NULL);
    const PatchCmdChange change = { .output = "o", .source = "x.c", .overlay = "y.c" };
    g_autofree char *module = saved ? patch_saved_cmd_module(saved, NULL) : NULL;

    for (guint i = 0; saved && i < saved->commands->len; i++)
        g_strfreev(patch_saved_cmd_argv(saved, i, &change));
}

static void
look_at_config(const char *text)
{
    g_autofree char *value = patch_kconfig_get(text, "CONFIG_A"), *prepared = patch_kconfig_prepare(text);

    patch_kconfig_check(text, prepared, NULL);
}

static void
look_at_build(const char *text)
{
    g_autoptr(GHashTable) commands = patch_saved_cmd_texts(text);
    g_autoptr(PatchKbuild) kbuild = patch_kbuild_parse(text);
    g_autofree char *tops = patch_kbuild_tops(text), *image = patch_debian_find_image(text, "6.1.1-1");
}

void
fuzz(const guint8 *data, gsize size)
{
    static void (*const looks[])(const char *) = {
        look_at_patch, look_at_source, look_at_command, look_at_config, look_at_build,
    };
    g_autofree char *text = NULL;

    if (size == 0)
        return;
    text = g_strndup((const char *) data + 1, size - 1);
    looks[data[0] % G_N_ELEMENTS(looks)](text);
}
