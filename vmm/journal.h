/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rollback journal beside a file (FILE.vlp-journal): what is about to be overwritten is kept there, on the disk, until all
 * that belongs together has been written, on the disk too. Whatever dies meanwhile, be it the host: who finds a journal can
 * make the file what it was.
 *
 * Each part of it also holds what was to be written instead, so that one is never played back into a file that it is not of.
 */
#ifndef VMM_JOURNAL_H
#define VMM_JOURNAL_H

#include <glib.h>

typedef struct VmmJournal VmmJournal;

/* One write to the file. */
typedef struct {
    guint64 offset;
    const void *data;
    gsize length;
} VmmJournalPiece;

/* The journal of the file at PATH, which is there; looks at nothing but where that is. */
VmmJournal *vmm_journal_new(const char *path);
void vmm_journal_free(VmmJournal *journal);     /* NULL is fine; what is on the disk stays */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmJournal, vmm_journal_free)

/* Whether there is one: somebody is writing to the file, or died while doing so. */
gboolean vmm_journal_is_there(const VmmJournal *journal);

/* To be called before PIECES are written to the file in FD. What is in the file by then goes onto the disk first. Goes on
 * with a journal that is there already. Errors: UNREACHABLE (nothing may be written then). */
gboolean vmm_journal_note(VmmJournal *journal, int fd, const VmmJournalPiece *pieces, gsize n_pieces, GError **error);

/* All has been written that belongs together: it goes onto the disk, and there is no journal afterwards. Errors: LOST. */
gboolean vmm_journal_end(VmmJournal *journal, int fd, GError **error);

/* Makes the file in FD, which nobody else may be at work on, what it was before the journal was begun; there is none
 * afterwards. Errors: UNREACHABLE; PROTOCOL (it is not of this file as it is now: nothing has been changed). */
gboolean vmm_journal_play_back(VmmJournal *journal, int fd, GError **error);

#endif
