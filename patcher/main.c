/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: global options, the table of commands, and the one place that decides the exit status.
 */
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "patcher/command.h"
#include "patcher/error.h"
#include "patcher/shell.h"

static const PatchCommand *const commands[] = {
    &patch_cmd_create, &patch_cmd_diff, &patch_cmd_show, &patch_cmd_check, &patch_cmd_apply, &patch_cmd_view,
    &patch_cmd_undo, &patch_cmd_verify, &patch_cmd_recover, &patch_cmd_inspect, &patch_cmd_symbols, &patch_cmd_tasks,
    &patch_cmd_stack, &patch_cmd_list, &patch_cmd_log, NULL
};

static const PatchCommand *
find_command(const char *name)
{
    for (gsize i = 0; commands[i]; i++)
        if (g_str_equal(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static char *
command_list(void)
{
    GString *text = g_string_new("Commands:\n");

    for (gsize i = 0; commands[i]; i++) {
        g_autofree char *call = g_strdup_printf("%s %s", commands[i]->name, commands[i]->arguments);

        if (strlen(call) > 28)
            g_string_append_printf(text, "  %s\n  %-28s %s\n", call, "", commands[i]->summary);
        else
            g_string_append_printf(text, "  %-28s %s\n", call, commands[i]->summary);
    }
    g_string_append_printf(text, "  %-28s %s\n\n", "help [COMMAND]", "this text, or a command's");
    g_string_append(text, "Alone on a terminal it asks for commands; several of them can be in one argument, separated by ;\n"
                    "GUEST is a libvirt domain (name, id or UUID), qmp:SOCKET for a QEMU monitor socket,\n"
                    "kvm:SOCKET for a machine of virt-livepatch-kvm, pid:N for any process with a machine of KVM's, or\n"
                    "core:FILE for a memory image, which can be looked at; saved:FILE for one that a machine is restored from.\n"
                    "Exit status: 0 done; 1 failed, and the guest is as it was; 2 wrong usage; 3 not now, try again;\n"
                    "4 does not fit; 5 done, but the guest has not been well since.");
    return g_string_free(text, FALSE);
}

static gboolean
show_help(GOptionContext *context, int argc, char **argv, GError **error)
{
    char *help_argv[] = { NULL, (char *) "--help", NULL };
    g_autofree char *program = NULL;
    const PatchCommand *command;
    int status;

    if (argc < 2) {
        g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);

        g_print("%s", text);
        return TRUE;
    }
    command = find_command(argv[1]);
    if (!command) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "no command %s; see virt-livepatch help", argv[1]);
        return FALSE;
    }
    program = g_strdup_printf("%s %s", PACKAGE_NAME, command->name);
    g_set_prgname(program);
    help_argv[0] = argv[1];
    return command->run(&(PatchCli) { 0 }, 2, help_argv, &status, error);
}

static gboolean
parse_format(const char *format, PatchCli *cli, GError **error)
{
    cli->json = g_strcmp0(format, "json") == 0;
    if (format && !cli->json && !g_str_equal(format, "text")) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "-o takes text or json before the command, not %s", format);
        return FALSE;
    }
    return TRUE;
}

/* What each command of a shell is to be told of what this one was told. */
static GPtrArray *
pass_options(const PatchCli *cli)
{
    GPtrArray *options = g_ptr_array_new();

    if (cli->json)
        g_ptr_array_add(options, (char *) "--output=json");
    if (cli->quiet)
        g_ptr_array_add(options, (char *) "-q");
    if (cli->verbose)
        g_ptr_array_add(options, (char *) "-v");
    g_ptr_array_add(options, NULL);
    return options;
}

/* No command, on a terminal; or one argument that is none, and so may be a line of them, as virsh has it. */
static gboolean
run_shell(const PatchCli *cli, const char *line, int *status, GError **error)
{
    g_autoptr(GPtrArray) options = pass_options(cli);
    PatchShell shell = { commands, g_strdup(cli->uri), (const char *const *) options->pdata };
    gboolean done = TRUE;

    if (line) {
        done = patch_shell_run(&shell, line, status, NULL, error);
    } else if (isatty(STDIN_FILENO)) {
        *status = patch_shell_interact(&shell);
    } else {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "no command; see virt-livepatch help");
        done = FALSE;
    }
    g_free(shell.uri);
    return done;
}

static gboolean
run(int argc, char **argv, PatchEvent **event, int *status, GError **error)
{
    PatchCli cli = { .event = event };
    g_autofree char *uri = NULL, *format = NULL, *program = NULL, *summary = command_list();
    gboolean version = FALSE;
    const GOptionEntry options[] = {
        { "connect", 'c', 0, G_OPTION_ARG_STRING, &uri, "libvirt connection for guests given by domain", "URI" },
        { "output", 'o', 0, G_OPTION_ARG_STRING, &format, "text for people (default), json for programs", "FORMAT" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &cli.quiet, "say nothing but the result", NULL },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &cli.verbose, "say what is being done", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &version, "print the version", NULL },
        G_OPTION_ENTRY_NULL
    };
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND [OPTION...] [ARGUMENT...]");
    const PatchCommand *command;

    g_set_prgname(PACKAGE_NAME);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_summary(context, "Patches the kernel of a running KVM guest from its host.");
    g_option_context_set_description(context, summary);
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error) || !parse_format(format, &cli, error))
        return FALSE;
    cli.uri = uri;
    if (version) {
        g_print("%s\n", PACKAGE_STRING);
        return TRUE;
    }
    if (argc < 2)
        return run_shell(&cli, NULL, status, error);
    if (g_str_equal(argv[1], "help"))
        return show_help(context, argc - 1, argv + 1, error);
    command = find_command(argv[1]);
    if (!command && argc == 2)
        return run_shell(&cli, argv[1], status, error);
    if (!command) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_USAGE, "no command %s; see virt-livepatch help", argv[1]);
        return FALSE;
    }
    program = g_strdup_printf("%s %s", PACKAGE_NAME, command->name);
    g_set_prgname(program);
    return command->run(&cli, argc - 1, argv + 1, status, error);
}

/* A history that cannot be written is no reason for anything else to fail. */
static void
remember(PatchEvent *event, int status, const GError *failure)
{
    g_autoptr(GError) error = NULL;

    event->status = status;
    if (failure) {
        g_free(event->message);
        event->message = g_strdup(failure->message);
    }
    if (!patch_history_add(event, &error))
        g_printerr("virt-livepatch: this is not in the history: %s\n", error->message);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchEvent) event = NULL;
    int status = PATCH_EXIT_DONE;

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (!run(argc, argv, &event, &status, &error)) {
        g_printerr("virt-livepatch: %s\n", error->message);
        status = patch_exit_status(error);
    }
    if (event)
        remember(event, status, error);
    return status;
}
