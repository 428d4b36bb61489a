/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent can be asked; docs/agent-protocol.md.
 */
#ifndef AGENT_ANSWERS_H
#define AGENT_ANSWERS_H

#include "guest-agent/out.h"

/* Answers REQUEST, one line without its end, into OUT. */
void answer(const char *request, Out *out);

#endif
