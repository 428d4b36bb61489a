/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/file.h"
#include "vmm/socket.h"

#define SUFFIX ".vlp-journal"
#define MAX_BYTES (256 << 20)
#define DIGEST_BYTES 32

static const char magic[8] = "vlpjrnl1";

/* A part: this, N_PIECES of Place, what was in the file at each of them, what was to be written there, and a digest of all
 * that. One that is not whole was never relied on: nothing of it had been written to the file yet. */
typedef struct {
    char magic[8];
    guint64 n_pieces, n_bytes;      /* N_BYTES of all pieces together, as they were */
} Head;

typedef struct {
    guint64 offset, length;
} Place;

/* One piece, in a part that was read. */
typedef struct {
    guint64 offset, length;
    const guint8 *before, *after;
} Entry;

struct VmmJournal {
    char *file_name, *path, *directory;
    int fd;                         /* -1 before the first note */
    guint64 length;                 /* up to where FD is whole */
};

VmmJournal *
vmm_journal_new(const char *path)
{
    VmmJournal *journal = g_new0(VmmJournal, 1);
    char *real = realpath(path, NULL);      /* so that it is the same one by each of the file's names */

    journal->file_name = g_strdup(path);
    journal->path = g_strconcat(real != NULL ? real : path, SUFFIX, NULL);
    journal->directory = g_path_get_dirname(journal->path);
    journal->fd = -1;
    free(real);
    return journal;
}

void
vmm_journal_free(VmmJournal *journal)
{
    if (journal == NULL)
        return;
    vmm_fd_clear(&journal->fd);
    g_free(journal->file_name);
    g_free(journal->path);
    g_free(journal->directory);
    g_free(journal);
}

gboolean
vmm_journal_is_there(const VmmJournal *journal)
{
    return faccessat(AT_FDCWD, journal->path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean
set_journal_error(const VmmJournal *journal, GError **error, const char *what)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "cannot %s the journal %s: %s", what, journal->path,
                g_strerror(errno));
    return FALSE;
}

static gboolean
set_not_of_this_file(const VmmJournal *journal, GError **error, const char *why)
{
    g_set_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL, "the journal %s is not that of %s as it is now (%s): if the file has "
                "been replaced since, remove the journal", journal->path, journal->file_name, why);
    return FALSE;
}

/* ---- Reading ---- */

static gboolean
is_whole(const guint8 *part, gsize length)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[DIGEST_BYTES];
    gsize n = sizeof digest;

    g_checksum_update(checksum, part, length);
    g_checksum_get_digest(checksum, digest, &n);
    return memcmp(part + length, digest, sizeof digest) == 0;
}

/* The length of the part at BYTES without its digest; 0 if it is not whole. Adds its pieces to ENTRIES. */
static gsize
read_part(const guint8 *bytes, gsize available, GArray *entries)
{
    const guint8 *places = bytes + sizeof(Head), *before;
    gsize length, used = 0;
    Head head;

    if (available < sizeof head)
        return 0;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0 || head.n_pieces > available / sizeof(Place)
        || head.n_bytes > available / 2)
        return 0;
    length = sizeof head + head.n_pieces * sizeof(Place) + 2 * head.n_bytes;
    if (length + DIGEST_BYTES > available || !is_whole(bytes, length))
        return 0;
    before = places + head.n_pieces * sizeof(Place);
    for (gsize i = 0; i < head.n_pieces; i++) {
        Place place;
        Entry entry;

        memcpy(&place, places + i * sizeof place, sizeof place);
        if (place.length > head.n_bytes - used)
            return 0;
        entry = (Entry) { place.offset, place.length, before + used, before + head.n_bytes + used };
        g_array_append_val(entries, entry);
        used += place.length;
    }
    return length;
}

/* All parts up to the first one that is not whole; sets the journal's LENGTH to that. */
static GArray *
read_parts(VmmJournal *journal, GBytes *store)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    gsize length, part;
    const guint8 *bytes = g_bytes_get_data(store, &length);

    journal->length = 0;
    while ((part = read_part(bytes + journal->length, length - journal->length, entries)) > 0)
        journal->length += part + DIGEST_BYTES;
    return entries;
}

/* Whoever can make a journal can have the file changed when it is played back. */
static gboolean
check_owner(const VmmJournal *journal, const struct stat *facts, GError **error)
{
    if (S_ISREG(facts->st_mode) && facts->st_uid == geteuid() && (facts->st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_UNREACHABLE, "the journal %s is not trusted: it is no ordinary file of ours, or "
                "others may write to it", journal->path);
    return FALSE;
}

static GBytes *
load(VmmJournal *journal, GError **error)
{
    g_autofree guint8 *bytes = NULL;
    struct stat facts;

    if (fstat(journal->fd, &facts) != 0) {
        set_journal_error(journal, error, "read");
        return NULL;
    }
    if (!check_owner(journal, &facts, error))
        return NULL;
    errno = EFBIG;
    bytes = facts.st_size <= MAX_BYTES ? g_try_malloc(facts.st_size + 1) : NULL;
    if (bytes == NULL || !vmm_file_read(journal->fd, 0, bytes, facts.st_size)) {
        set_journal_error(journal, error, "read");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), facts.st_size);
}

/* ---- Writing ---- */

static gboolean
sync_directory(const VmmJournal *journal)
{
    VMM_AUTO_FD int fd = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && fsync(fd) == 0;
}

/* The journal that is there already may be one that was begun by the process that we stand in for. */
static gboolean
open_for_writing(VmmJournal *journal, GError **error)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) entries = NULL;

    if (journal->fd >= 0)
        return TRUE;
    journal->fd = open(journal->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (journal->fd < 0 || !sync_directory(journal))
        return set_journal_error(journal, error, "make");
    store = load(journal, error);
    if (store == NULL)
        return FALSE;
    entries = read_parts(journal, store);
    return TRUE;
}

static GByteArray *
make_part(int fd, const VmmJournalPiece *pieces, gsize n_pieces)
{
    g_autoptr(GByteArray) part = g_byte_array_new();
    g_autoptr(GByteArray) after = g_byte_array_new();
    Head head = { .n_pieces = n_pieces };

    memcpy(head.magic, magic, sizeof magic);
    for (gsize i = 0; i < n_pieces; i++)
        head.n_bytes += pieces[i].length;
    g_byte_array_append(part, (const guint8 *)&head, sizeof head);
    for (gsize i = 0; i < n_pieces; i++) {
        const Place place = { pieces[i].offset, pieces[i].length };

        g_byte_array_append(part, (const guint8 *)&place, sizeof place);
        g_byte_array_append(after, pieces[i].data, pieces[i].length);
    }
    for (gsize i = 0; i < n_pieces; i++) {
        guint at = part->len;

        g_byte_array_set_size(part, at + pieces[i].length);
        if (!vmm_file_read(fd, pieces[i].offset, part->data + at, pieces[i].length))
            return NULL;
    }
    g_byte_array_append(part, after->data, after->len);
    return g_steal_pointer(&part);
}

static void
seal(GByteArray *part)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[DIGEST_BYTES];
    gsize n = sizeof digest;

    g_checksum_update(checksum, part->data, part->len);
    g_checksum_get_digest(checksum, digest, &n);
    g_byte_array_append(part, digest, sizeof digest);
}

gboolean
vmm_journal_note(VmmJournal *journal, int fd, const VmmJournalPiece *pieces, gsize n_pieces, GError **error)
{
    g_autoptr(GByteArray) part = NULL;

    if (!open_for_writing(journal, error))
        return FALSE;
    part = make_part(fd, pieces, n_pieces);
    if (part == NULL)
        return set_journal_error(journal, error, "read the file for");
    seal(part);
    errno = EFBIG;
    if (journal->length + part->len > MAX_BYTES || (journal->length > 0 && fdatasync(fd) != 0)
        || !vmm_file_write(journal->fd, journal->length, part->data, part->len) || fdatasync(journal->fd) != 0)
        return set_journal_error(journal, error, "write");
    journal->length += part->len;
    return TRUE;
}

gboolean
vmm_journal_end(VmmJournal *journal, int fd, GError **error)
{
    const gboolean is_begun = journal->fd >= 0;

    vmm_fd_clear(&journal->fd);
    journal->length = 0;
    if (fdatasync(fd) == 0
        && (!is_begun || ((unlink(journal->path) == 0 || errno == ENOENT) && sync_directory(journal))))
        return TRUE;
    g_set_error(error, VMM_ERROR, VMM_ERROR_LOST, "%s cannot be written to: %s", journal->file_name, g_strerror(errno));
    return FALSE;
}

/* ---- Playing back ---- */

/* Whether the byte of the file at OFFSET may be BYTE: what was there before or after one of the writes. */
static gboolean
may_be(const GArray *entries, guint64 offset, guint8 byte)
{
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);

        if (offset >= entry->offset && offset - entry->offset < entry->length
            && (entry->before[offset - entry->offset] == byte || entry->after[offset - entry->offset] == byte))
            return TRUE;
    }
    return FALSE;
}

static gboolean
check_entry(const VmmJournal *journal, int fd, const GArray *entries, const Entry *entry, GError **error)
{
    g_autofree guint8 *now = g_try_malloc(entry->length + 1);

    if (now == NULL || !vmm_file_read(fd, entry->offset, now, entry->length))
        return set_not_of_this_file(journal, error, "the file is shorter");
    for (guint64 i = 0; i < entry->length; i++)
        if (now[i] != entry->before[i] && now[i] != entry->after[i] && !may_be(entries, entry->offset + i, now[i]))
            return set_not_of_this_file(journal, error, "it holds something else");
    return TRUE;
}

static gboolean
put_back(const VmmJournal *journal, int fd, const GArray *entries, GError **error)
{
    for (guint i = 0; i < entries->len; i++)
        if (!check_entry(journal, fd, entries, &g_array_index(entries, Entry, i), error))
            return FALSE;
    for (guint i = entries->len; i-- > 0;) {
        const Entry *entry = &g_array_index(entries, Entry, i);

        if (!vmm_file_write(fd, entry->offset, entry->before, entry->length))
            return set_journal_error(journal, error, "play back");
    }
    return TRUE;
}

gboolean
vmm_journal_play_back(VmmJournal *journal, int fd, GError **error)
{
    g_autoptr(GBytes) store = NULL;
    g_autoptr(GArray) entries = NULL;

    journal->fd = open(journal->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (journal->fd < 0)
        return errno == ENOENT || set_journal_error(journal, error, "open");
    store = load(journal, error);
    if (store == NULL)
        return FALSE;
    entries = read_parts(journal, store);
    return put_back(journal, fd, entries, error) && vmm_journal_end(journal, fd, error);
}
