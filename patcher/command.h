/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of the command line: one file cmd-NAME.c each, one row each in main.c's table. A command parses its own
 * options, calls one verb of the library, and prints one result.
 */
#ifndef PATCHER_COMMAND_H
#define PATCHER_COMMAND_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "patcher/history.h"

typedef struct {
    const char *uri;            /* -c; may be NULL */
    gboolean json;              /* -o json */
    gboolean quiet, verbose;    /* -q, -v */
    PatchEvent **event;         /* what goes into the history: set by a command that is about to change a guest */
} PatchCli;

typedef struct {
    const char *name;
    const char *arguments;      /* for the usage line */
    const char *summary;
    /* ARGC and ARGV begin with the command's own name. Returns TRUE with STATUS 0 unless it says otherwise. */
    gboolean (*run)(const PatchCli *cli, int argc, char **argv, int *status, GError **error);
} PatchCommand;

extern const PatchCommand patch_cmd_create, patch_cmd_diff, patch_cmd_show, patch_cmd_check, patch_cmd_apply, patch_cmd_view,
    patch_cmd_undo, patch_cmd_verify, patch_cmd_recover, patch_cmd_inspect, patch_cmd_symbols, patch_cmd_tasks,
    patch_cmd_stack, patch_cmd_list, patch_cmd_log;

/* Parses a command's OPTIONS (may be NULL) and checks that MIN to MAX arguments are left, which are then in ARGV[1] to
 * ARGV[n]; returns how many, or -1 with PATCH_ERROR_USAGE. */
int patch_cli_parse(const PatchCommand *command, const GOptionEntry *options, int argc, char **argv, int min, int max,
                    GError **error);

/* Members of the object that is being built. Addresses are strings in hex, since JSON's numbers are too small. */
void patch_json_string(JsonBuilder *json, const char *name, const char *value);
void patch_json_int(JsonBuilder *json, const char *name, gint64 value);
void patch_json_boolean(JsonBuilder *json, const char *name, gboolean value);
void patch_json_address(JsonBuilder *json, const char *name, guint64 value);
/* Begins an array; json_builder_end_array ends it. */
void patch_json_array(JsonBuilder *json, const char *name);
/* A whole array of strings: of char *, or NULL-terminated (STRINGS may be NULL: an empty one). */
void patch_json_texts(JsonBuilder *json, const char *name, const GPtrArray *texts);
void patch_json_strings(JsonBuilder *json, const char *name, char **strings);

/* Prints what BUILDER holds as one line of JSON, and a newline. */
void patch_cli_print_json(JsonBuilder *builder);

#endif
