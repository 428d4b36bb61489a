/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent in a guest says, from the first byte on: lines, answers that nobody waits for, and no end.
 */
#include <sys/socket.h>

#include "patcher/agent.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"

static void
look(GHashTable *facts)
{
    GHashTableIter iter;
    gpointer what, value;

    g_hash_table_iter_init(&iter, facts);
    while (g_hash_table_iter_next(&iter, &what, &value)) {
        for (const char *c = what; *c; c++)
            if (!g_ascii_isprint(*c))
                __builtin_trap();
        for (const char *c = value; *c; c++)
            if (!g_ascii_isprint(*c))
                __builtin_trap();
    }
}

void
fuzz(const guint8 *data, gsize size)
{
    static const char *const words[] = { "kernel", "kallsyms", "modules", "livepatch", "tasks", "stacks" };
    static const char *path;
    g_autoptr(PatchAgent) agent = NULL;

    if (!path)
        path = fuzz_peer_listen(SOCK_STREAM);
    fuzz_peer_says(data, size, -1);
    agent = patch_agent_connect(NULL, path, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(GHashTable) facts = patch_agent_ask(agent, words[i], NULL);

        if (facts)
            look(facts);
    }
}
