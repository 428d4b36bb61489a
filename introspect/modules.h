/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's loaded modules, from its list of them.
 * Source: include/linux/module.h and kernel/module/ of Linux.
 */
#ifndef INTROSPECT_MODULES_H
#define INTROSPECT_MODULES_H

#include "introspect/kernel.h"

/* An IntroModule, and what only introspect/ needs to know of it. */
typedef struct {
    IntroModule module;
    GArray *regions;        /* of IntroRegion: all its memory; text and the rest apart */
    GArray *text;           /* of IntroRegion: what of it is code */
} IntroLoadedModule;

/* Every module but those that the kernel does not show yet either ("unformed"), in the kernel's order: of
 * IntroLoadedModule, to be unreffed. The list of a running guest may change under the walk; INTRO_ERROR_CORRUPT or
 * INTRO_ERROR_NOT_MAPPED may then be gone at the next try. */
GPtrArray *intro_modules_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf,
                              GError **error);

#endif
