/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux kernel found in guest memory: the facade of introspect/. Everything comes from guest memory; nothing is
 * written, and the guest is not paused.
 */
#ifndef INTROSPECT_KERNEL_H
#define INTROSPECT_KERNEL_H

#include "introspect/btf.h"
#include "introspect/space.h"
#include "introspect/symbols.h"
#include "vmm/machine.h"

typedef struct IntroKernel IntroKernel;
typedef struct IntroTaskLayout IntroTaskLayout;     /* introspect/task-struct.h */
typedef struct IntroStackFacts IntroStackFacts;     /* introspect/stack-facts.h */

typedef struct {
    char *name;
    char state;             /* of /proc/modules: 'L'ive, 'l'oading ("Loading"), 'u'nloading ("Unloading") */
    GuestVa base;           /* where its text begins, as /proc/modules shows it */
    guint64 size;           /* bytes, as /proc/modules shows it */
    GuestVa module;         /* its struct module */
} IntroModule;

/* An unused part of the kernel's own image: mapped for good, part of no symbol. Whole pages, but for tails. */
typedef struct {
    GuestVa va;
    GuestPa pa;
    guint64 length;         /* bytes */
    gboolean executable;    /* R-X if so, else RW- */
} IntroHole;

/*
 * Finds the kernel under KASLR through a vCPU's page tables, and reads its symbols, types and modules. A kernel that is
 * still booting (system_state says so) is INTRO_ERROR_BOOTING; no kernel, INTRO_ERROR_NO_KERNEL. READER is borrowed
 * and has to live longer.
 */
IntroKernel *intro_kernel_attach(const VmmReader *reader, GError **error);
void intro_kernel_free(IntroKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroKernel, intro_kernel_free)

/* To be called when the guest has been paused, and before it goes on: what cannot change meanwhile is read once only. */
void intro_kernel_hold(IntroKernel *kernel);
void intro_kernel_let_go(IntroKernel *kernel);

/* All of these are owned by the kernel. */
const VmmReader *intro_kernel_reader(const IntroKernel *kernel);
const IntroSpace *intro_kernel_space(const IntroKernel *kernel);
const IntroSymbols *intro_kernel_symbols(const IntroKernel *kernel);
const IntroBtf *intro_kernel_btf(const IntroKernel *kernel);
GPtrArray *intro_kernel_modules(const IntroKernel *kernel);     /* of const IntroModule, in the kernel's order */

const char *intro_kernel_release(const IntroKernel *kernel);    /* as uname -r */
const char *intro_kernel_version(const IntroKernel *kernel);    /* as uname -v */
const char *intro_kernel_build_id(const IntroKernel *kernel);   /* hex; "" if the kernel has none */
GuestVa intro_kernel_text_start(const IntroKernel *kernel);     /* _text */
guint64 intro_kernel_kaslr_offset(const IntroKernel *kernel);   /* bytes the image was moved by */

/* The image's own text, _stext to _etext and the entry text behind it, or a module's: where a return address can be. */
gboolean intro_kernel_is_text(const IntroKernel *kernel, GuestVa va);

/* Address of CPU's copy of the per-CPU symbol NAME. */
gboolean intro_kernel_percpu(const IntroKernel *kernel, guint cpu, const char *name, GuestVa *va, GError **error);
/* Those of all possible CPUs, in whose numbers there may be gaps: of GuestVa, by the CPUs' numbers, at least one. */
GArray *intro_kernel_percpu_copies(const IntroKernel *kernel, const char *name, GError **error);
/* What is added to a per-CPU symbol's address for CPU's copy. */
gboolean intro_kernel_percpu_offset(const IntroKernel *kernel, guint cpu, guint64 *offset, GError **error);
guint intro_kernel_n_cpus(const IntroKernel *kernel);           /* possible ones */
/* Of those, some may not be there yet, or be switched off. */
gboolean intro_kernel_cpu_is_online(const IntroKernel *kernel, guint cpu, gboolean *online, GError **error);

/* A bit of boot_cpu_data.x86_capability: WORD * 32 + BIT as in the kernel's cpufeatures.h. */
gboolean intro_kernel_has_cpu_feature(const IntroKernel *kernel, guint feature, gboolean *has, GError **error);

/* The names of the features that the kernel's CPU has, as in /proc/cpuinfo; NULL if the kernel does not tell. */
char **intro_kernel_cpu_feature_names(const IntroKernel *kernel);

/* Holes large enough to be of use, largest first: array of IntroHole, to be unreffed. Whether a hole is empty is for
 * the caller to see; what is promised is that no symbol, no unwind data and no page given back to the allocator is in
 * it. */
GArray *intro_kernel_holes(const IntroKernel *kernel, GError **error);

/* The same for what is too small for that: unused ends of pages, each shorter than a page. What they are filled with, the
 * first byte of each tells. */
GArray *intro_kernel_tails(const IntroKernel *kernel, GError **error);

/* What tasks.c and stack.c need to know of this kernel; read when first asked for, and owned by the kernel. */
const IntroTaskLayout *intro_kernel_task_layout(const IntroKernel *kernel, GError **error);
const IntroStackFacts *intro_kernel_stack_facts(const IntroKernel *kernel, GError **error);

/* Code that the kernel has made while it runs (introspect/generated.h), as it was when first asked for since the kernel was
 * attached to, or held; owned by the kernel. Empty if it cannot be read. */
const GArray *intro_kernel_generated(const IntroKernel *kernel);

/* As intro_symbols_describe(), for generated code too, which is shown without its module. To be freed. */
char *intro_kernel_describe(const IntroKernel *kernel, GuestVa va, gboolean is_return);

#endif
