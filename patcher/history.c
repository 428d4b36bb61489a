/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/history.h"

#include "config.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "patcher/error.h"

#define FILE_NAME "history.db"
/* What was done is done, and only its entry waits: for many others on a slow disk, each of which takes some syncs. */
#define BUSY_TIMEOUT_MS 60000

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite3_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS event (at INTEGER NOT NULL, guest TEXT NOT NULL, verb TEXT NOT NULL, ids TEXT NOT NULL, "
    "user TEXT NOT NULL, uid INTEGER NOT NULL, pause_ns INTEGER NOT NULL, status INTEGER NOT NULL, "
    "message TEXT NOT NULL)";

void
patch_event_free(PatchEvent *event)
{
    if (!event)
        return;
    g_free(event->guest);
    g_free(event->verb);
    g_free(event->ids);
    g_free(event->user);
    g_free(event->message);
    g_free(event);
}

PatchEvent *
patch_event_new(const char *verb, const char *guest)
{
    const char *sudo_user = getuid() == 0 ? g_getenv("SUDO_USER") : NULL;
    PatchEvent *event = g_new0(PatchEvent, 1);

    *event = (PatchEvent) {
        .at = g_get_real_time(), .verb = g_strdup(verb), .guest = g_strdup(guest), .ids = g_strdup(""),
        .user = g_strdup(sudo_user && *sudo_user ? sudo_user : g_get_user_name()), .uid = getuid(),
        .message = g_strdup(""),
    };
    return event;
}

void
patch_event_set_ids(PatchEvent *event, const char *ids)
{
    g_free(event->ids);
    event->ids = g_strdup(ids);
}

static const char *
state_directory(void)
{
    const char *set = g_getenv("VIRT_LIVEPATCH_STATE");

    return set && *set ? set : PATCH_STATE_DIRECTORY;
}

static gboolean
set_error(sqlite3 *database, const char *path, GError **error)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "history %s: %s", path,
                database ? sqlite3_errmsg(database) : "no memory");
    return FALSE;
}

static sqlite3 *
open_database(const char *path, int flags, GError **error)
{
    sqlite3 *database = NULL;

    if (sqlite3_open_v2(path, &database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS) == SQLITE_OK)
        return database;
    set_error(database, path, error);
    sqlite3_close(database);
    return NULL;
}

static gboolean
make_directory(const char *directory, GError **error)
{
    if (g_mkdir_with_parents(directory, 0700) == 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "cannot make %s for the history: %s", directory,
                g_strerror(errno));
    return FALSE;
}

/* SQLite takes the caller's umask, and what is in here is nobody else's business. */
static sqlite3 *
open_to_write(const char *path, GError **error)
{
    const mode_t before = umask(0077);
    sqlite3 *database = make_directory(state_directory(), error)
                        ? open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error) : NULL;

    umask(before);
    return database;
}

static sqlite3_stmt *
prepare_insert(sqlite3 *database, const PatchEvent *event)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(database, "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &statement, NULL))
        return NULL;
    sqlite3_bind_int64(statement, 1, event->at);
    sqlite3_bind_text(statement, 2, event->guest, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, event->verb, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, event->ids, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 5, event->user, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 6, event->uid);
    sqlite3_bind_int64(statement, 7, event->pause_ns);
    sqlite3_bind_int(statement, 8, event->status);
    sqlite3_bind_text(statement, 9, event->message, -1, SQLITE_STATIC);
    return statement;
}

gboolean
patch_history_add(const PatchEvent *event, GError **error)
{
    g_autofree char *path = g_build_filename(state_directory(), FILE_NAME, NULL);
    g_autoptr(sqlite3) database = open_to_write(path, error);
    g_autoptr(sqlite3_stmt) statement = NULL;

    if (!database)
        return FALSE;
    if (sqlite3_exec(database, schema, NULL, NULL, NULL) != SQLITE_OK)
        return set_error(database, path, error);
    statement = prepare_insert(database, event);
    return (statement && sqlite3_step(statement) == SQLITE_DONE) || set_error(database, path, error);
}

static char *
text_at(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *) sqlite3_column_text(statement, column);

    return g_strdup(text ? text : "");
}

static PatchEvent *
read_event(sqlite3_stmt *statement)
{
    PatchEvent *event = g_new0(PatchEvent, 1);

    *event = (PatchEvent) {
        .at = sqlite3_column_int64(statement, 0), .guest = text_at(statement, 1), .verb = text_at(statement, 2),
        .ids = text_at(statement, 3), .user = text_at(statement, 4), .uid = sqlite3_column_int64(statement, 5),
        .pause_ns = sqlite3_column_int64(statement, 6), .status = sqlite3_column_int(statement, 7),
        .message = text_at(statement, 8),
    };
    return event;
}

GPtrArray *
patch_history_read(const char *guest, GError **error)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify) patch_event_free);
    g_autofree char *path = g_build_filename(state_directory(), FILE_NAME, NULL);
    g_autoptr(sqlite3) database = NULL;
    g_autoptr(sqlite3_stmt) statement = NULL;
    int result;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return g_steal_pointer(&events);
    database = open_database(path, SQLITE_OPEN_READONLY, error);
    if (!database)
        return NULL;
    if (sqlite3_prepare_v2(database, "SELECT * FROM event WHERE ?1 IS NULL OR guest = ?1 ORDER BY at, rowid", -1,
                           &statement, NULL) != SQLITE_OK) {
        set_error(database, path, error);
        return NULL;
    }
    if (guest)
        sqlite3_bind_text(statement, 1, guest, -1, SQLITE_STATIC);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        g_ptr_array_add(events, read_event(statement));
    if (result == SQLITE_DONE)
        return g_steal_pointer(&events);
    set_error(database, path, error);
    return NULL;
}
