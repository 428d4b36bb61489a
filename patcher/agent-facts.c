/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/agent-facts.h"

#include "introspect/condition.h"
#include "introspect/modules.h"
#include "introspect/sleeping.h"

static void
add(GHashTable *facts, char *what, char *value)
{
    g_hash_table_insert(facts, what, value);
}

static void
add_kernel(GHashTable *facts, const IntroKernel *kernel)
{
    add(facts, g_strdup("release"), g_strdup(intro_kernel_release(kernel)));
    add(facts, g_strdup("version"), g_strdup(intro_kernel_version(kernel)));
    add(facts, g_strdup("build-id"), g_strdup(intro_kernel_build_id(kernel)));
}

/* vmlinux's symbols as the lines of /proc/kallsyms. */
static void
add_symbols(GHashTable *facts, const IntroKernel *kernel)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint n_of_vmlinux = 0;
    gsize n;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(kernel), &n);

    for (gsize i = 0; i < n; i++) {
        char head[32];

        if (symbols[i].module)
            continue;
        g_checksum_update(checksum, (const guchar *) head, g_snprintf(head, sizeof head, "%016" G_GINT64_MODIFIER "x %c ",
                                                                      symbols[i].va, symbols[i].type));
        g_checksum_update(checksum, (const guchar *) symbols[i].name, -1);
        g_checksum_update(checksum, (const guchar *) "\n", 1);
        n_of_vmlinux++;
    }
    add(facts, g_strdup("symbols"), g_strdup_printf("%u", n_of_vmlinux));
    add(facts, g_strdup("digest of symbols"), g_strdup(g_checksum_get_string(checksum)));
}

/* As they are now: some may have come or gone since the kernel was attached to. */
static gboolean
add_modules(GHashTable *facts, const IntroKernel *kernel, GError **error)
{
    g_autoptr(GPtrArray) modules = intro_modules_read(intro_kernel_space(kernel), intro_kernel_symbols(kernel),
                                                      intro_kernel_btf(kernel), error);

    for (guint i = 0; modules && i < modules->len; i++) {
        const IntroModule *module = &((const IntroLoadedModule *) modules->pdata[i])->module;

        add(facts, g_strdup_printf("module %s", module->name),
            g_strdup_printf("%" G_GUINT64_FORMAT " bytes at %#" G_GINT64_MODIFIER "x", module->size, module->base));
    }
    return modules != NULL;
}

static gboolean
add_livepatches(GHashTable *facts, const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroCondition) condition = intro_condition_new(kernel, error);

    if (!condition)
        return FALSE;
    add(facts, g_strdup("livepatch in transition"), g_strdup(condition->livepatch_in_transition ? "yes" : "no"));
    for (guint i = 0; i < condition->livepatches->len; i++)
        add(facts, g_strdup_printf("livepatch %s", (const char *) condition->livepatches->pdata[i]), g_strdup("there"));
    return TRUE;
}

static char *
describe_stack(const IntroKernel *kernel, const IntroTask *task)
{
    g_autoptr(IntroStack) stack = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (!task->stack || !intro_stack_while_asleep(kernel, task, &stack, NULL) || !stack || !stack->complete)
        return NULL;
    for (guint i = 0; i < stack->frames->len; i++) {
        const IntroFrame *frame = &g_array_index(stack->frames, IntroFrame, i);
        g_autofree char *where = intro_kernel_describe(kernel, frame->pc, frame->is_return);

        if (!intro_stack_is_scheduler(kernel, frame->pc))
            g_string_append_printf(text, "%s%s", text->len ? " < " : "", where);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
add_tasks(GHashTable *facts, const IntroKernel *kernel, gboolean stacks, GError **error)
{
    g_autoptr(GPtrArray) tasks = intro_tasks(kernel, error);

    for (guint i = 0; tasks && i < tasks->len; i++) {
        const IntroTask *task = tasks->pdata[i];
        char *value = stacks ? NULL : g_strdup(task->name);

        if (stacks && !task->is_idle)
            value = describe_stack(kernel, task);
        if (!task->is_idle && value)
            add(facts, g_strdup_printf("%s %d", stacks ? "stack of" : "task", task->pid), value);
        else
            g_free(value);
    }
    return tasks != NULL;
}

GHashTable *
patch_host_facts(const IntroKernel *kernel, const char *word, GError **error)
{
    g_autoptr(GHashTable) facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    gboolean done = TRUE;

    if (g_str_equal(word, "kernel"))
        add_kernel(facts, kernel);
    else if (g_str_equal(word, "kallsyms"))
        add_symbols(facts, kernel);
    else if (g_str_equal(word, "modules"))
        done = add_modules(facts, kernel, error);
    else if (g_str_equal(word, "livepatch"))
        done = add_livepatches(facts, kernel, error);
    else
        done = add_tasks(facts, kernel, g_str_equal(word, "stacks"), error);
    return done ? g_steal_pointer(&facts) : NULL;
}
