/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What state a kernel is in that matters to whoever wants to change it: has it crashed, is it locked down, does it patch
 * itself, and which of its text has it rewritten.
 * Sources: kernel/panic.c, security/lockdown/lockdown.c, kernel/livepatch/, kernel/kprobes.c, kernel/trace/ftrace.c,
 * kernel/jump_label.c, kernel/static_call_inline.c of Linux.
 */
#ifndef INTROSPECT_CONDITION_H
#define INTROSPECT_CONDITION_H

#include "introspect/kernel.h"

typedef enum { INTRO_LOCKDOWN_NONE, INTRO_LOCKDOWN_INTEGRITY, INTRO_LOCKDOWN_CONFIDENTIALITY } IntroLockdown;

/* Sites in the image's text that the kernel rewrites while it runs. */
typedef struct {
    guint n_static_keys, n_static_keys_jumping;     /* tests of static keys; those that are jumps at the moment */
    guint n_static_calls, n_static_calls_off;       /* static calls; those that are a nop, or a return, at the moment */
    guint n_ftrace_sites, n_ftrace_calls;           /* functions' entries, modules' too; those that call a tracer */
    guint n_kprobes;
    guint n_tracers;                                /* struct ftrace_ops in use: tracers of functions, livepatches */
    gboolean lock_prefixes_removed;                 /* on a machine of one CPU */
} IntroLiveText;

typedef struct {
    gboolean has_panicked;
    IntroLockdown lockdown;
    char *hypervisor;               /* whose operations its paravirt sites were patched for, by its own name; NULL if none */
    GPtrArray *livepatches;         /* names of the kernel's own livepatches' modules */
    gboolean livepatch_in_transition;
    IntroLiveText text;
} IntroCondition;

/* Cheap: for whoever asks nothing else. FALSE as well where the kernel does not tell. */
gboolean intro_kernel_has_panicked(const IntroKernel *kernel);

/* A kernel without one of these features has none of it. Of a running guest, each part is of a moment of its own. */
IntroCondition *intro_condition_new(const IntroKernel *kernel, GError **error);
void intro_condition_free(IntroCondition *condition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroCondition, intro_condition_free)

/* That part of it alone. */
gboolean intro_live_text_read(const IntroKernel *kernel, IntroLiveText *text, GError **error);

#endif
