/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show --disassemble: the old and the new code of an update's functions, side by side.
 */
#ifndef PATCHER_SHOW_CODE_H
#define PATCHER_SHOW_CODE_H

#include <json-glib/json-glib.h>

#include "patcher/update.h"

/* To standard output; marked with | where the two differ, with < and > where one side has nothing. */
void patch_show_code(const PatchObject *object);

/* A member "code" of the object that is being built: an array of functions, each with the lines of both sides. */
void patch_show_code_json(JsonBuilder *builder, const PatchObject *object);

#endif
