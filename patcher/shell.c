/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "patcher/shell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#ifdef HAVE_READLINE
#include <readline/history.h>
#include <readline/readline.h>
#endif

#include "patcher/completion.h"
#include "patcher/error.h"
#include "patcher/words.h"
#include "vmm/domains.h"

#define PROMPT "virt-livepatch # "
#define HISTORY_LINES 500
#define KILLED 128              /* and the signal's number, as shells have it */

static gboolean
is_quit(const char *word)
{
    return g_str_equal(word, "quit") || g_str_equal(word, "exit");
}

static gboolean
is_known(const PatchShell *shell, const char *word)
{
    for (const PatchCommand *const *command = shell->commands; *command; command++)
        if (g_str_equal((*command)->name, word))
            return TRUE;
    return is_quit(word) || g_str_equal(word, "help") || g_str_equal(word, "connect");
}

/* This very program again; with WORDS as its command, and its output in *OUTPUT, if that is not NULL. */
static gboolean
spawn(const PatchShell *shell, const char *const *words, char **output, int *wait_status, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const GSpawnFlags flags = G_SPAWN_FILE_AND_ARGV_ZERO | G_SPAWN_CHILD_INHERITS_STDIN
                              | (output ? G_SPAWN_STDERR_TO_DEV_NULL : 0);

    g_ptr_array_add(argv, (char *) "/proc/self/exe");
    g_ptr_array_add(argv, (char *) PACKAGE_NAME);
    if (shell->uri) {
        g_ptr_array_add(argv, (char *) "-c");
        g_ptr_array_add(argv, shell->uri);
    }
    for (guint i = 0; shell->options[i]; i++)
        g_ptr_array_add(argv, (char *) shell->options[i]);
    for (guint i = 0; words[i]; i++)
        g_ptr_array_add(argv, (char *) words[i]);
    g_ptr_array_add(argv, NULL);
    return g_spawn_sync(NULL, (char **) argv->pdata, NULL, flags, NULL, NULL, output, NULL, wait_status, error);
}

static void
note_signal(int number)
{
}

/* What the terminal's keys send is for the command, not for the shell that waits for it. */
static int
run_command(const PatchShell *shell, const char *const *words)
{
    const struct sigaction wait_on = { .sa_handler = note_signal, .sa_flags = SA_RESTART };
    struct sigaction interrupt, quit;
    g_autoptr(GError) error = NULL;
    int wait_status = 0;
    gboolean done;

    sigaction(SIGINT, &wait_on, &interrupt);
    sigaction(SIGQUIT, &wait_on, &quit);
    done = spawn(shell, words, NULL, &wait_status, &error);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    if (!done) {
        g_printerr("virt-livepatch: %s: %s\n", words[0], error->message);
        return PATCH_EXIT_FAILED;
    }
    return WIFSIGNALED(wait_status) ? KILLED + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* connect [URI], as virsh has it: where later commands look for domains. Nothing changes if nobody answers there. */
static int
connect_to(PatchShell *shell, const char *const *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) domains = NULL;

    if (words[1] && words[2])
        g_set_error(&error, PATCH_ERROR, PATCH_ERROR_USAGE, "usage: connect [URI]");
    else
        domains = vmm_domains_list(words[1], FALSE, &error);
    if (!domains) {
        g_printerr("virt-livepatch: %s\n", error->message);
        return patch_exit_status(error);
    }
    g_free(shell->uri);
    shell->uri = g_strdup(words[1]);
    return PATCH_EXIT_DONE;
}

gboolean
patch_shell_run(PatchShell *shell, const char *line, int *status, gboolean *quit, GError **error)
{
    g_autoptr(GPtrArray) commands = patch_words_split(line, error);

    if (!commands)
        return FALSE;
    for (guint i = 0; i < commands->len; i++) {
        const char *const *words = commands->pdata[i];

        if (is_known(shell, words[0]))
            continue;
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "no command %s; see virt-livepatch help", words[0]);
        return FALSE;
    }
    for (guint i = 0; i < commands->len; i++) {
        const char *const *words = commands->pdata[i];

        if (is_quit(words[0])) {
            if (quit)
                *quit = TRUE;
            break;
        }
        *status = g_str_equal(words[0], "connect") ? connect_to(shell, words) : run_command(shell, words);
    }
    return TRUE;
}

static int
interact(PatchShell *shell, char *(*read_line)(void))
{
    int status = PATCH_EXIT_DONE;
    gboolean quit = FALSE;

    g_print("Type 'help' for the commands, 'help COMMAND' for one of them, 'connect URI' for another libvirt, "
            "'quit' to leave.\n\n");
    while (!quit) {
        char *line = read_line();
        g_autoptr(GError) error = NULL;

        if (!line) {
            g_print("\n");
            break;
        }
        if (!patch_shell_run(shell, line, &status, &quit, &error)) {
            g_printerr("virt-livepatch: %s\n", error->message);
            status = patch_exit_status(error);
        }
        free(line);             /* it comes from the C library */
    }
    return status;
}

#ifdef HAVE_READLINE

/* What readline's functions have to know, which it has no other way to hand over. */
static const PatchShell *current;
static GPtrArray *candidates;

static void
add_matching(const char *candidate, const char *text)
{
    if (g_str_has_prefix(candidate, text))
        g_ptr_array_add(candidates, g_strdup(candidate));
}

static void
add_commands(const char *text)
{
    for (const PatchCommand *const *command = current->commands; *command; command++)
        add_matching((*command)->name, text);
    add_matching("connect", text);
    add_matching("help", text);
    add_matching("quit", text);
}

static void
add_guests(const char *text)
{
    static const char *const others[] = { "qmp:", "kvm:", "pid:", "core:", "saved:" };
    g_autoptr(GPtrArray) domains = vmm_domains_list(current->uri, FALSE, NULL);

    for (guint i = 0; domains && i < domains->len; i++) {
        const VmmDomain *domain = domains->pdata[i];

        add_matching(domain->name, text);
        if (*text && g_str_has_prefix(domain->uuid, text))
            add_matching(domain->uuid, text);
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        add_matching(others[i], text);
}

static void
add_ids(const char *guest, const char *text)
{
    const char *const words[] = { "-o", "json", "view", guest, NULL };
    g_autofree char *output = NULL;
    g_auto(GStrv) ids = NULL;
    int wait_status;

    if (!guest || !spawn(current, words, &output, &wait_status, NULL) || wait_status != 0)
        return;
    ids = patch_completion_ids(output);
    for (guint i = 0; ids[i]; i++)
        add_matching(ids[i], text);
}

/* readline asks for one after the other. */
static char *
next_candidate(const char *text, int state)
{
    static guint next;

    if (state == 0)
        next = 0;
    /* readline frees it by free. */
    return next < candidates->len ? strdup(candidates->pdata[next++]) : NULL;
}

/* A file behind a prefix that says what it is. */
static void
add_files(const char *text)
{
    const char *path = strchr(text, ':') + 1;
    char *file;

    for (int state = 0; (file = rl_filename_completion_function(path, state)) != NULL; state = 1) {
        g_ptr_array_add(candidates, g_strdup_printf("%.*s%s%s", (int) (path - text), text, file,
                                                    g_file_test(file, G_FILE_TEST_IS_DIR) ? "/" : ""));
        free(file);
    }
    rl_filename_completion_desired = 0;
}

static char **
complete(const char *text, int start, int end)
{
    g_autofree char *before = g_strndup(rl_line_buffer, start);
    g_autofree char *guest = NULL;
    PatchCompletion kind = patch_completion_kind(current->commands, before, &guest);

    rl_attempted_completion_over = kind != PATCH_COMPLETE_FILE;
    g_ptr_array_set_size(candidates, 0);
    if (kind == PATCH_COMPLETE_COMMAND)
        add_commands(text);
    else if (kind == PATCH_COMPLETE_GUEST && strchr(text, ':') && !g_str_has_prefix(text, "pid:"))
        add_files(text);
    else if (kind == PATCH_COMPLETE_GUEST)
        add_guests(text);
    else if (kind == PATCH_COMPLETE_ID)
        add_ids(guest, text);
    /* What ends in a colon or a slash is not complete. */
    rl_completion_suppress_append = candidates->len == 1 && (g_str_has_suffix(candidates->pdata[0], ":")
                                                             || g_str_has_suffix(candidates->pdata[0], "/"));
    return candidates->len ? rl_completion_matches(text, next_candidate) : NULL;
}

static char *
open_history(void)
{
    g_autofree char *directory = g_build_filename(g_get_user_cache_dir(), PACKAGE_NAME, NULL);
    char *path = g_build_filename(directory, "history", NULL);

    g_mkdir_with_parents(directory, 0700);
    using_history();
    stifle_history(HISTORY_LINES);
    read_history(path);
    return path;
}

static void
set_up_editing(const PatchShell *shell)
{
    current = shell;
    candidates = g_ptr_array_new_with_free_func(g_free);
    rl_readline_name = PACKAGE_NAME;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = (char *) " \t\n;";
    rl_completer_quote_characters = "'\"";
}

static char *
read_line(void)
{
    char *line = readline(PROMPT);

    if (line && *line)
        add_history(line);
    return line;
}

int
patch_shell_interact(PatchShell *shell)
{
    g_autofree char *history = open_history();
    int status = PATCH_EXIT_DONE;

    set_up_editing(shell);
    status = interact(shell, read_line);
    write_history(history);
    g_clear_pointer(&candidates, g_ptr_array_unref);
    return status;
}

#else

static char *
read_line(void)
{
    char *line = NULL;
    size_t size = 0;

    fputs(PROMPT, stdout);
    fflush(stdout);
    if (getline(&line, &size, stdin) < 0)
        g_clear_pointer(&line, free);
    return line;
}

int
patch_shell_interact(PatchShell *shell)
{
    return interact(shell, read_line);
}

#endif
