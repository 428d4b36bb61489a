/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent in a guest answers: the first byte chooses what it was asked.
 */
#include "patcher/agent.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/json.h"

void
fuzz(const guint8 *data, gsize size)
{
    static const char *const words[] = { "kernel", "kallsyms", "modules", "tasks", "stacks" };
    g_autofree char *text = NULL;
    g_autoptr(JsonObject) answer = NULL;
    g_autoptr(GHashTable) facts = NULL;
    GHashTableIter iter;
    gpointer what, value;

    if (size == 0)
        return;
    text = g_strndup((const char *) data + 1, size - 1);
    answer = vmm_json_parse(text, NULL);
    facts = answer ? patch_agent_facts(answer, words[data[0] % G_N_ELEMENTS(words)]) : NULL;
    if (!facts)
        return;
    g_hash_table_iter_init(&iter, facts);
    while (g_hash_table_iter_next(&iter, &what, &value))
        for (const char *c = value; *c; c++)
            if (!g_ascii_isprint(*c))
                __builtin_trap();
}
