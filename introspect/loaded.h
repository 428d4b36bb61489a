/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's loaded modules with their symbols, all as they were at one moment.
 */
#ifndef INTROSPECT_LOADED_H
#define INTROSPECT_LOADED_H

#include "introspect/modules.h"

/* MODULES: of IntroLoadedModule; GROUPS: of IntroSymbolGroup, in the same order; both to be unreffed. Modules that come and go
 * meanwhile make it begin again, a few times. INTRO_ERROR_CORRUPT, INTRO_ERROR_NOT_MAPPED: they did so each time, or are
 * broken. */
gboolean intro_loaded_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf, GPtrArray **modules,
                           GPtrArray **groups, GError **error);

#endif
