/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two parts of an assembly share: its layout (assembly-layout.c), and all else (assembly.c). */
#ifndef PATCHER_ASSEMBLY_PRIVATE_H
#define PATCHER_ASSEMBLY_PRIVATE_H

#include "patcher/assembly.h"

/* Lays out block and data area: offsets, ends and tables. */
gboolean patch_assembly_lay_out(PatchAssembly *assembly, GError **error);

/* Links all pieces into the two areas' bytes and notes them in the record; with no bytes given, only notes them. */
gboolean patch_assembly_link(const PatchAssembly *assembly, guint8 *text, guint8 *data, PatchRecord *record, GError **error);

/* The assembly's code, as it is to be made known to the kernel: of PatchKnownCode; to be unreffed. */
GArray *patch_assembly_known_code(const PatchAssembly *assembly);

#endif
