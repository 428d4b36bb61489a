/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that a kernel makes while it runs, which is no part of its image or of a module: BPF programs and what leads to
 * them, trampolines of function tracers, and the pages where kprobes run instructions out of line.
 * Sources: kernel/bpf/core.c, kernel/bpf/trampoline.c, arch/x86/net/bpf_jit_comp.c, kernel/trace/ftrace.c,
 * arch/x86/kernel/ftrace.c, kernel/kprobes.c of Linux.
 */
#ifndef INTROSPECT_GENERATED_H
#define INTROSPECT_GENERATED_H

#include "introspect/kernel.h"

typedef enum {
    INTRO_GENERATED_BPF,        /* a program, a trampoline or a dispatcher */
    INTRO_GENERATED_TRACER,     /* a copy of code of the image: ftrace_caller or ftrace_regs_caller */
    INTRO_GENERATED_KPROBES,
} IntroGeneratedKind;

typedef struct {
    GuestVa start, end;         /* START inclusive, END exclusive */
    IntroGeneratedKind kind;
    GuestVa original;           /* of a tracer's: where that code begins in the image; 0 if that is not known */
    char *name;
    const char *module;         /* as /proc/kallsyms has it, in brackets; static */
} IntroGenerated;

/* By address, of IntroGenerated, to be unreffed. A kernel without one of these features has none of it. The lists of a
 * running guest may change under the walk; INTRO_ERROR_CORRUPT or INTRO_ERROR_NOT_MAPPED may be gone at the next try. */
GArray *intro_generated_read(const IntroKernel *kernel, GError **error);

/* What VA lies in; NULL if in none of them. */
const IntroGenerated *intro_generated_at(const GArray *generated, GuestVa va);

/* TRUE if a frame pointer leads from PC in that code to its caller: behind the instructions that make a frame, and before
 * those that take it away. What lies at PC is a call's return address if IS_RETURN, else the next instruction. */
gboolean intro_generated_has_frame(const IntroGenerated *generated, const IntroSpace *space, GuestVa pc,
                                   gboolean is_return);

#endif
