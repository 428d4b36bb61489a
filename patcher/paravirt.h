/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernels until 5.12 make of a call through pv_ops where nobody virtualises the operation: its instructions, in the place of
 * the call. Later kernels say that by alternatives. Source of the knowledge: arch/x86/kernel/paravirt_patch.c of Linux 5.10.
 */
#ifndef PATCHER_PARAVIRT_H
#define PATCHER_PARAVIRT_H

#include "introspect/btf.h"

/* The bytes for member number INDEX of pv_ops (of 8 bytes each); *LENGTH is how many. NULL if there are none. */
const guint8 *patch_paravirt_native(const IntroBtf *btf, guint64 index, gsize *length);

#endif
