/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's own build makes of each object under a config: part of vmlinux, part of a module, or nothing.
 */
#ifndef PATCHER_KBUILD_H
#define PATCHER_KBUILD_H

#include <glib.h>

typedef struct {
    GHashTable *objects;        /* char *, as net/ipv4/udp.o -> char *: the module that it becomes part of, as
                                   net/ipv4/esp4; "" for vmlinux */
    GHashTable *targets;        /* of those, the ones that their Makefile reaches through another folder: -> char *, how
                                   it names them, as arch/x86/kvm/../../../virt/kvm/kvm_main.o */
} PatchKbuild;

/* Reads the Makefiles of the tree SOURCE with the config that the build folder BUILD is prepared for. STORE is a file
 * that keeps the answer; if it is there, it is the answer. PATCH_ERROR_FAILED. */
PatchKbuild *patch_kbuild_open(const char *source, const char *build, const char *store, GError **error);
PatchKbuild *patch_kbuild_parse(const char *text);
void patch_kbuild_free(PatchKbuild *kbuild);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchKbuild, patch_kbuild_free)

/* The lines of TEXT, of a top Makefile, that say which folders are built. */
char *patch_kbuild_tops(const char *text);

/* Whether the object of the C or assembly file FILE is built. */
gboolean patch_kbuild_has(const PatchKbuild *kbuild, const char *file);

/* The module that it becomes part of, as in PatchKbuild.objects; NULL if it is not built. */
const char *patch_kbuild_module(const PatchKbuild *kbuild, const char *file);

/* What to tell make to make the object; to be freed. */
char *patch_kbuild_target(const PatchKbuild *kbuild, const char *file);

/* Names of the C files (or assembly files) of all objects, sorted; those that are not in the tree SOURCE are left out. */
GPtrArray *patch_kbuild_sources(const PatchKbuild *kbuild, const char *source);

#endif
