/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/run.h"

#include <gio/gio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "patcher/error.h"

#define MAX_SHOWN 16384     /* bytes of a failed program's output */
#define MAX_RUNNING 256

/* Process groups of what runs, 0 where there is none; a signal handler reads them. */
static gint running[MAX_RUNNING];

static GStrv
environment(void)
{
    static const char *const kept[] = { "PATH", "HOME", "TMPDIR", "APT_CONFIG", "http_proxy", "https_proxy" };
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

/* In the child: a group of its own, which can be ended as a whole, and which ends when we are killed. */
static void
set_up_child(gpointer data)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void
end_running(int number)
{
    for (gsize i = 0; i < G_N_ELEMENTS(running); i++) {
        gint group = g_atomic_int_get(&running[i]);

        if (group > 0)
            kill(-group, SIGTERM);
    }
    raise(number);
}

void
patch_run_ends_with_us(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = end_running, .sa_flags = (int) SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        struct sigaction before;

        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

/* Returns where GROUP is noted; NULL if there is no room. */
static gint *
note_running(const char *group)
{
    gint number = group ? (gint) g_ascii_strtoll(group, NULL, 10) : 0;

    for (gsize i = 0; number > 0 && i < G_N_ELEMENTS(running); i++)
        if (g_atomic_int_compare_and_exchange(&running[i], 0, number))
            return &running[i];
    return NULL;
}

static gboolean
communicate(GSubprocess *process, GBytes **standard, GBytes **messages, GError **error)
{
    gint *noted = note_running(g_subprocess_get_identifier(process));
    gboolean ok = g_subprocess_communicate(process, NULL, NULL, standard, messages, error);

    if (noted)
        g_atomic_int_set(noted, 0);
    return ok;
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
    g_subprocess_launcher_set_child_setup(launcher, set_up_child, NULL, NULL);
    if (folder)
        g_subprocess_launcher_set_cwd(launcher, folder);
    process = g_subprocess_launcher_spawnv(launcher, argv, &cause);
    if (!process || !communicate(process, &standard, &messages, &cause)) {
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
