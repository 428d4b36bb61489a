/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest says of itself, through an agent that somebody may have put there (docs/agent-protocol.md), beside what is
 * seen of it from outside. For people to compare: nothing that is decided rests on it, and the agent may lie.
 */
#ifndef PATCHER_AGENT_H
#define PATCHER_AGENT_H

#include "patcher/guest.h"

typedef struct PatchAgent PatchAgent;

/* Connects to the agent at the UNIX socket PATH (NULL: where the machine's port for it ends); to be called before the
 * guest is looked at. Errors: VMM_ERROR. */
PatchAgent *patch_agent_connect(VmmMachine *machine, const char *path, GError **error);
void patch_agent_free(PatchAgent *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchAgent, patch_agent_free)

/* Something that both sides know, and do not say the same of. */
typedef struct {
    char *what, *guest, *host;      /* GUEST or HOST is NULL if that side knows nothing of it */
} PatchDifference;

typedef struct {
    guint n_compared;
    GPtrArray *differences;         /* of PatchDifference, by name */
} PatchComparison;

void patch_comparison_free(PatchComparison *comparison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchComparison, patch_comparison_free)

/* What changes while it is compared is left out. Errors: VMM_ERROR, INTRO_ERROR. */
PatchComparison *patch_agent_compare(PatchAgent *agent, const IntroKernel *kernel, GError **error);

/* What the guest says to WORD (docs/agent-protocol.md): of char * to char *, printable both. Errors: VMM_ERROR. */
GHashTable *patch_agent_ask(PatchAgent *agent, const char *word, GError **error);

#endif
