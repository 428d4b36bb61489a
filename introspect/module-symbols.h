/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A loaded module's own symbol table.
 * Source: kernel/module/kallsyms.c of Linux; entries are those of ELF.
 */
#ifndef INTROSPECT_MODULE_SYMBOLS_H
#define INTROSPECT_MODULE_SYMBOLS_H

#include "introspect/modules.h"

/* BUDGET is what may still be copied out of the guest for symbols of modules (bytes), and is reduced. */
IntroSymbolGroup *intro_module_symbols_read(const IntroSpace *space, const IntroBtf *btf,
                                            const IntroLoadedModule *loaded, gsize *budget, GError **error);

#endif
