/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running programs: what comes of it, and what is left of it when a signal ends us.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patcher/error.h"
#include "patcher/run.h"

static gboolean
shell(const char *folder, const char *script, char **output, GError **error)
{
    const char *argv[] = { "sh", "-c", script, NULL };

    return patch_run(folder, argv, output, error);
}

static void
test_output(void)
{
    g_autofree char *output = NULL, *large = NULL, *where = NULL;

    g_assert_true(shell(NULL, "echo said; echo told >&2; cat", &output, NULL));
    g_assert_cmpstr(output, ==, "said\n");
    g_assert_true(shell(NULL, "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero >&2", &large, NULL));
    g_assert_cmpuint(strlen(large), ==, 300000);
    g_assert_true(shell("/", "pwd", &where, NULL));
    g_assert_cmpstr(where, ==, "/\n");
}

static void
test_failures(void)
{
    static const char *const absent[] = { "/dev/null/program", NULL };
    g_autoptr(GError) failed = NULL, killed = NULL, missing = NULL, nowhere = NULL;

    g_assert_false(shell(NULL, "echo said; echo why >&2; exit 3", NULL, &failed));
    g_assert_cmpstr(failed->message, ==, "sh failed:\nwhy");
    g_assert_false(shell(NULL, "kill -9 $$", NULL, &killed));
    g_assert_error(killed, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_assert_false(patch_run(NULL, absent, NULL, &missing));
    g_assert_cmpstr(missing->message, ==, "cannot run /dev/null/program: Not a directory");
    g_assert_false(shell("/dev/null/folder", "true", NULL, &nowhere));
    g_assert_cmpstr(nowhere->message, ==, "cannot run sh: Not a directory");
}

/* What it gets does not depend on ours: no file of ours, no signal blocked or ignored by chance, a group of its own. */
static void
test_surroundings(void)
{
    g_autofree char *files = NULL, *group = NULL, *variables = NULL;
    int fd = dup(STDIN_FILENO);

    g_setenv("VLP_TEST_VARIABLE", "x", TRUE);
    g_assert_true(shell(NULL, "ls /proc/self/fd | wc -l", &files, NULL));
    g_assert_cmpstr(g_strstrip(files), ==, "4");    /* three, and the one that ls looks through */
    g_assert_true(shell(NULL, "test $$ = $(cut -d' ' -f5 /proc/$$/stat) && echo own", &group, NULL));
    g_assert_cmpstr(group, ==, "own\n");
    g_assert_true(shell(NULL, "echo $LC_ALL $VLP_TEST_VARIABLE", &variables, NULL));
    g_assert_cmpstr(variables, ==, "C\n");
    close(fd);
}

/* In a process of its own: runs a program that says, by a byte through FD, when it is there. */
G_GNUC_NORETURN static void
run_until_killed(const char *scratch, int fd)
{
    g_autofree char *script = g_strdup_printf("mkdir -p in/ner; touch in/ner/file; echo x > /proc/%d/fd/%d; sleep 600; touch late",
                                              getpid(), fd);

    patch_run_ends_with_us();
    patch_run_set_scratch(scratch);
    shell(scratch, script, NULL, NULL);
    _exit(1);
}

static void
test_end(gconstpointer data)
{
    int number = GPOINTER_TO_INT(data), ends[2], status;
    g_autofree char *scratch = g_dir_make_tmp("run-XXXXXX", NULL), *outside = g_dir_make_tmp("run-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(scratch, "link", NULL), *kept = g_build_filename(outside, "kept", NULL);
    pid_t pid;
    char byte;

    g_assert_cmpint(symlink(outside, link), ==, 0);
    g_assert_true(g_file_set_contents(kept, "", 0, NULL));
    g_assert_cmpint(pipe(ends), ==, 0);
    pid = fork();
    if (pid == 0)
        run_until_killed(scratch, ends[1]);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    g_assert_cmpint(kill(pid, number), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, number);
    g_assert_false(g_file_test(scratch, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
    close(ends[0]);
    close(ends[1]);
    g_unlink(kept);
    g_rmdir(outside);
}

int
main(int argc, char **argv)
{
    signal(SIGINT, SIG_DFL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/output", test_output);
    g_test_add_func("/run/failures", test_failures);
    g_test_add_func("/run/surroundings", test_surroundings);
    g_test_add_data_func("/run/end/term", GINT_TO_POINTER(SIGTERM), test_end);
    g_test_add_data_func("/run/end/int", GINT_TO_POINTER(SIGINT), test_end);
    return g_test_run();
}
