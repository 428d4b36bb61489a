/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/journal.h"
#include "vmm/socket.h"

#define FILE_BYTES 4096

typedef struct {
    char *directory, *path, *journal_path;
    int fd;
    VmmJournal *journal;
} Fixture;

static const char old_text[] = "as it was";
static const char new_text[] = "as it is!";
static const char newer_text[] = "Xs it IS?";
#define TEXT_BYTES (sizeof old_text - 1)

static const VmmJournalPiece pieces[] = { { 0, new_text, TEXT_BYTES }, { 2000, new_text, TEXT_BYTES } };
/* Over part of what those write, and over each other. */
static const VmmJournalPiece later[] = { { 2004, newer_text, TEXT_BYTES }, { 2006, new_text, TEXT_BYTES } };

static void
set_up(Fixture *fixture, gconstpointer data)
{
    char bytes[FILE_BYTES] = "";

    fixture->directory = g_dir_make_tmp("journal-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "file", NULL);
    fixture->journal_path = g_strconcat(fixture->path, ".vlp-journal", NULL);
    memcpy(bytes, old_text, TEXT_BYTES);
    memcpy(bytes + 2000, old_text, TEXT_BYTES);
    g_assert_true(g_file_set_contents(fixture->path, bytes, sizeof bytes, NULL));
    fixture->fd = open(fixture->path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fixture->fd, >=, 0);
    fixture->journal = vmm_journal_new(fixture->path);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vmm_journal_free(fixture->journal);
    vmm_fd_clear(&fixture->fd);
    g_unlink(fixture->path);
    g_unlink(fixture->journal_path);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);     /* nothing else was left there */
    g_free(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->journal_path);
}

static void
note_and_write(Fixture *fixture, const VmmJournalPiece *all, gsize n, gsize n_written)
{
    g_assert_true(vmm_journal_note(fixture->journal, fixture->fd, all, n, NULL));
    for (gsize i = 0; i < n_written; i++)
        g_assert_cmpint(pwrite(fixture->fd, all[i].data, all[i].length, all[i].offset), ==, all[i].length);
}

/* As after a death: another one, which knows nothing but the file's name. */
static void
forget(Fixture *fixture)
{
    vmm_journal_free(fixture->journal);
    fixture->journal = vmm_journal_new(fixture->path);
}

static void
assert_at(const Fixture *fixture, off_t offset, const char *text)
{
    char now[TEXT_BYTES];

    g_assert_cmpint(pread(fixture->fd, now, sizeof now, offset), ==, sizeof now);
    g_assert_cmpmem(now, sizeof now, text, TEXT_BYTES);
}

static void
assert_old(const Fixture *fixture)
{
    char now[FILE_BYTES];

    assert_at(fixture, 0, old_text);
    assert_at(fixture, 2000, old_text);
    g_assert_cmpint(pread(fixture->fd, now, sizeof now, 0), ==, sizeof now);
    for (gsize i = 2000 + TEXT_BYTES; i < sizeof now; i++)
        g_assert_cmpint(now[i], ==, 0);
}

static void
play_back(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    forget(fixture);
    g_assert_true(vmm_journal_is_there(fixture->journal));
    g_assert_true(vmm_journal_play_back(fixture->journal, fixture->fd, &error));
    g_assert_no_error(error);
    g_assert_false(vmm_journal_is_there(fixture->journal));
    assert_old(fixture);
}

static void
test_end(Fixture *fixture, gconstpointer data)
{
    struct stat facts;

    g_assert_false(vmm_journal_is_there(fixture->journal));
    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), G_N_ELEMENTS(pieces));
    g_assert_true(vmm_journal_is_there(fixture->journal));
    g_assert_cmpint(stat(fixture->journal_path, &facts), ==, 0);
    g_assert_cmphex(facts.st_mode & 0777, ==, 0600);
    g_assert_true(vmm_journal_end(fixture->journal, fixture->fd, NULL));
    g_assert_false(vmm_journal_is_there(fixture->journal));
    assert_at(fixture, 0, new_text);
    assert_at(fixture, 2000, new_text);
}

static void
test_any_number_written(Fixture *fixture, gconstpointer data)
{
    for (gsize n = 0; n <= G_N_ELEMENTS(pieces); n++) {
        note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), n);
        play_back(fixture);
    }
}

/* As another process goes on with it. */
static void
test_several_parts(Fixture *fixture, gconstpointer data)
{
    for (gsize n = 0; n <= G_N_ELEMENTS(later); n++) {
        note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), G_N_ELEMENTS(pieces));
        forget(fixture);
        note_and_write(fixture, later, G_N_ELEMENTS(later), n);
        play_back(fixture);
    }
}

/* Killed in the middle of a piece, and again in the middle of playing it back. */
static void
test_in_part(Fixture *fixture, gconstpointer data)
{
    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), 1);
    g_assert_cmpint(pwrite(fixture->fd, new_text, 4, 2000), ==, 4);
    g_assert_cmpint(pwrite(fixture->fd, old_text, 5, 0), ==, 5);
    play_back(fixture);
}

/* However much of it has reached the disk: what is not whole was not relied on. */
static void
test_cut_off(Fixture *fixture, gconstpointer data)
{
    g_autofree char *whole = NULL;
    gsize length;

    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), 0);
    g_assert_true(g_file_get_contents(fixture->journal_path, &whole, &length, NULL));
    for (gsize n = 0; n <= length; n++) {
        g_assert_true(g_file_set_contents(fixture->journal_path, whole, n, NULL));
        g_assert_cmpint(chmod(fixture->journal_path, 0600), ==, 0);
        play_back(fixture);
    }
    /* Nor one with a wrong bit. */
    for (gsize n = 0; n < length; n++) {
        g_autofree char *wrong = g_memdup2(whole, length);

        wrong[n] ^= 4;
        g_assert_true(g_file_set_contents(fixture->journal_path, wrong, length, NULL));
        g_assert_cmpint(chmod(fixture->journal_path, 0600), ==, 0);
        g_assert_cmpint(pwrite(fixture->fd, old_text, TEXT_BYTES, 0), ==, TEXT_BYTES);
        play_back(fixture);
    }
}

static void
assert_refused(Fixture *fixture, int code)
{
    g_autoptr(GError) error = NULL;

    forget(fixture);
    g_assert_false(vmm_journal_play_back(fixture->journal, fixture->fd, &error));
    g_assert_error(error, VMM_ERROR, code);
    g_assert_true(vmm_journal_is_there(fixture->journal));
}

static void
test_other_file(Fixture *fixture, gconstpointer data)
{
    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), 1);
    g_assert_cmpint(pwrite(fixture->fd, "other", 5, 2001), ==, 5);
    assert_refused(fixture, VMM_ERROR_PROTOCOL);
    assert_at(fixture, 0, new_text);
    g_assert_cmpint(ftruncate(fixture->fd, 2003), ==, 0);
    assert_refused(fixture, VMM_ERROR_PROTOCOL);
}

static void
test_not_trusted(Fixture *fixture, gconstpointer data)
{
    g_autofree char *aside = g_strconcat(fixture->path, ".aside", NULL);
    g_autoptr(GError) error = NULL;

    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), 1);
    g_assert_cmpint(chmod(fixture->journal_path, 0620), ==, 0);
    assert_refused(fixture, VMM_ERROR_UNREACHABLE);
    g_assert_cmpint(chmod(fixture->journal_path, 0600), ==, 0);
    g_assert_cmpint(rename(fixture->journal_path, aside), ==, 0);
    g_assert_cmpint(symlink(aside, fixture->journal_path), ==, 0);
    assert_refused(fixture, VMM_ERROR_UNREACHABLE);
    forget(fixture);
    g_assert_false(vmm_journal_note(fixture->journal, fixture->fd, pieces, 1, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE);
    g_unlink(aside);
}

/* It is the same one by each of the file's names. */
static void
test_symbolic_link(Fixture *fixture, gconstpointer data)
{
    g_autofree char *link = g_strconcat(fixture->path, ".link", NULL);
    g_autoptr(VmmJournal) journal = NULL;

    g_assert_cmpint(symlink("file", link), ==, 0);
    journal = vmm_journal_new(link);
    note_and_write(fixture, pieces, G_N_ELEMENTS(pieces), 1);
    g_assert_true(vmm_journal_is_there(journal));
    g_unlink(link);
}

#define ADD(name, function) g_test_add("/vmm/journal/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("end", test_end);
    ADD("any-number-written", test_any_number_written);
    ADD("several-parts", test_several_parts);
    ADD("in-part", test_in_part);
    ADD("cut-off", test_cut_off);
    ADD("other-file", test_other_file);
    ADD("not-trusted", test_not_trusted);
    ADD("symbolic-link", test_symbolic_link);
    return g_test_run();
}
