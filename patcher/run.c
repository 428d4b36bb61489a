/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/run.h"

#include <gio/gio.h>

#include "patcher/error.h"

#define MAX_SHOWN 4096      /* bytes of a failed program's output */

static GStrv
environment(void)
{
    static const char *const kept[] = { "PATH", "HOME", "TMPDIR" };
    GStrv environment = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
        if (g_getenv(kept[i]))
            environment = g_environ_setenv(environment, kept[i], g_getenv(kept[i]), TRUE);
    return g_environ_setenv(environment, "LC_ALL", "C", TRUE);
}

static char *
text_of(GBytes *bytes)
{
    gsize length = 0;
    const char *data = bytes ? g_bytes_get_data(bytes, &length) : NULL;

    return g_strndup(data ? data : "", length);
}

static void
set_failure(GError **error, const char *program, GBytes *messages)
{
    g_autofree char *text = text_of(messages);
    g_autofree char *shown = NULL;
    gsize length;

    g_strchomp(text);
    length = strlen(text);
    shown = g_utf8_make_valid(length > MAX_SHOWN ? text + length - MAX_SHOWN : text, -1);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "%s failed%s%s", program, *shown ? ":\n" : "", shown);
}

gboolean
patch_run(const char *folder, const char *const *argv, char **output, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GBytes) standard = NULL, messages = NULL;
    g_auto(GStrv) variables = environment();
    g_autoptr(GError) cause = NULL;

    g_subprocess_launcher_set_environ(launcher, variables);
    if (folder)
        g_subprocess_launcher_set_cwd(launcher, folder);
    process = g_subprocess_launcher_spawnv(launcher, argv, &cause);
    if (!process || !g_subprocess_communicate(process, NULL, NULL, &standard, &messages, &cause)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot run %s: %s", argv[0], cause->message);
        return FALSE;
    }
    if (!g_subprocess_get_successful(process)) {
        set_failure(error, argv[0], messages);
        return FALSE;
    }
    if (output)
        *output = text_of(standard);
    return TRUE;
}
