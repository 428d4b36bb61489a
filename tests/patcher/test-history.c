/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/history.h"

#define N_WRITERS 8
#define N_EVENTS 20

typedef struct {
    char *directory, *state;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("history-XXXXXX", NULL);
    g_assert_nonnull(fixture->directory);
    fixture->state = g_build_filename(fixture->directory, "state", NULL);
    g_setenv("VIRT_LIVEPATCH_STATE", fixture->state, TRUE);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = g_build_filename(fixture->state, "history.db", NULL);

    g_remove(file);
    g_remove(fixture->state);
    g_assert_cmpint(g_remove(fixture->directory), ==, 0);
    g_free(fixture->directory);
    g_free(fixture->state);
}

static void
add(const char *guest, int status, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchEvent) event = patch_event_new("apply", guest);

    patch_event_set_ids(event, "abcdefgh");
    event->status = status;
    event->pause_ns = 1234567;
    g_free(event->message);
    event->message = g_strdup(message);
    g_assert_true(patch_history_add(event, &error));
    g_assert_no_error(error);
}

static void
test_add_and_read(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = patch_history_read(NULL, &error), all = NULL, one = NULL;
    const PatchEvent *event;

    g_assert_no_error(error);
    g_assert_cmpuint(none->len, ==, 0);
    add("web1", PATCH_EXIT_DONE, "");
    add("it's; DROP TABLE event", PATCH_EXIT_NOT_NOW, "busy \"now\"\n");
    all = patch_history_read(NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, 2);
    event = all->pdata[0];
    g_assert_cmpstr(event->guest, ==, "web1");
    g_assert_cmpstr(event->verb, ==, "apply");
    g_assert_cmpstr(event->ids, ==, "abcdefgh");
    g_assert_cmpint(event->uid, ==, getuid());
    g_assert_cmpint(event->pause_ns, ==, 1234567);
    g_assert_cmpint(ABS(event->at - g_get_real_time()), <, 60 * G_USEC_PER_SEC);

    one = patch_history_read("it's; DROP TABLE event", &error);
    g_assert_cmpuint(one->len, ==, 1);
    event = one->pdata[0];
    g_assert_cmpint(event->status, ==, PATCH_EXIT_NOT_NOW);
    g_assert_cmpstr(event->message, ==, "busy \"now\"\n");
}

static void
test_private(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = g_build_filename(fixture->state, "history.db", NULL);
    const mode_t before = umask(0);
    struct stat found;

    add("web1", PATCH_EXIT_DONE, "");
    umask(before);
    g_assert_cmpint(stat(fixture->state, &found), ==, 0);
    g_assert_cmpint(found.st_mode & 0777, ==, 0700);
    g_assert_cmpint(stat(file, &found), ==, 0);
    g_assert_cmpint(found.st_mode & 0777, ==, 0600);
}

static void
test_many_writers(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = NULL;

    for (guint i = 0; i < N_WRITERS; i++)
        if (fork() == 0) {
            for (guint n = 0; n < N_EVENTS; n++)
                add("web1", PATCH_EXIT_DONE, "");
            _exit(0);
        }
    for (guint i = 0; i < N_WRITERS; i++) {
        int status;

        g_assert_cmpint(wait(&status), >, 0);
        g_assert_cmpint(status, ==, 0);
    }
    all = patch_history_read(NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, N_WRITERS * N_EVENTS);
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = g_build_filename(fixture->state, "history.db", NULL);
    g_autoptr(PatchEvent) event = patch_event_new("apply", "web1");
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(fixture->state, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "this is no database, but long enough for one to be looked for", -1, NULL));
    g_assert_false(patch_history_add(event, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
    g_clear_error(&error);
    g_assert_null(patch_history_read(NULL, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

static void
test_no_directory(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PatchEvent) event = patch_event_new("apply", "web1");
    g_autoptr(GError) error = NULL;

    g_setenv("VIRT_LIVEPATCH_STATE", "/dev/null/state", TRUE);
    g_assert_false(patch_history_add(event, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/patcher/history/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("add-and-read", test_add_and_read);
    ADD("private", test_private);
    ADD("many-writers", test_many_writers);
    ADD("damaged", test_damaged);
    ADD("no-directory", test_no_directory);
    return g_test_run();
}
