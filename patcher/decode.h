/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine code, instruction by instruction: capstone's, and those that kernels use and capstone 4 has no word for.
 * Their lengths: Intel SDM, volume 2, appendix A (opcode map), and AMD APM, volume 3.
 */
#ifndef PATCHER_DECODE_H
#define PATCHER_DECODE_H

#include <capstone/capstone.h>
#include <glib.h>

/* As cs_disasm_iter(). An instruction that capstone does not know has its address, size and bytes, a mnemonic if it has a
 * name here, and no id, groups or operands: it is none that branches. */
gboolean patch_decode_next(csh decoder, const guint8 **code, gsize *left, guint64 *address, cs_insn *insn);

#endif
