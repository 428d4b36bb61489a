/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is seen of a guest from outside, in the words that its agent's answers are put into (agent.h).
 */
#ifndef PATCHER_AGENT_FACTS_H
#define PATCHER_AGENT_FACTS_H

#include "introspect/kernel.h"

/* Of char * to char *. Errors: INTRO_ERROR, VMM_ERROR. */
GHashTable *patch_host_facts(const IntroKernel *kernel, const char *word, GError **error);

#endif
