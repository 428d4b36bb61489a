/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/condition.h"

#define MAX_LIVEPATCHES 1024
#define MAX_NAME_BYTES 256
#define NO_CPU (-1)     /* PANIC_CPU_INVALID */

static gboolean
read_variable(const IntroKernel *kernel, const char *name, gpointer value, gsize length)
{
    GuestVa va;

    return intro_symbols_address(intro_kernel_symbols(kernel), name, &va, NULL)
           && intro_space_read(intro_kernel_space(kernel), va, value, length, NULL);
}

gboolean
intro_kernel_has_panicked(const IntroKernel *kernel)
{
    gint32 cpu;

    return read_variable(kernel, "panic_cpu", &cpu, sizeof cpu) && GINT32_FROM_LE(cpu) != NO_CPU;
}

static IntroLockdown
read_lockdown(const IntroKernel *kernel)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    gint64 integrity, confidentiality;
    guint32 level;

    if (!read_variable(kernel, "kernel_locked_down", &level, sizeof level)
        || !intro_btf_enumerator(btf, "LOCKDOWN_INTEGRITY_MAX", &integrity, NULL)
        || !intro_btf_enumerator(btf, "LOCKDOWN_CONFIDENTIALITY_MAX", &confidentiality, NULL))
        return INTRO_LOCKDOWN_NONE;
    level = GUINT32_FROM_LE(level);
    if (level >= confidentiality)
        return INTRO_LOCKDOWN_CONFIDENTIALITY;
    return level >= integrity ? INTRO_LOCKDOWN_INTEGRITY : INTRO_LOCKDOWN_NONE;
}

/* The lists of paravirt sites go away at the end of boot; this is what they were all patched for. */
static char *
read_hypervisor(const IntroKernel *kernel)
{
    GuestVa info, name;
    gsize offset;
    char *text;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "pv_info", &info, NULL)
        || !intro_btf_offset(intro_kernel_btf(kernel), "pv_info", "name", &offset, NULL)
        || !intro_space_read_u64(intro_kernel_space(kernel), info + offset, &name, NULL))
        return NULL;
    text = intro_space_read_string(intro_kernel_space(kernel), name, MAX_NAME_BYTES, NULL);
    for (char *letter = text; letter != NULL && *letter != '\0'; letter++)
        if (!g_ascii_isprint(*letter))
            *letter = '?';
    return text;
}

static char *
read_livepatch_name(const IntroKernel *kernel, GuestVa patch, GError **error)
{
    const IntroBtf *btf = intro_kernel_btf(kernel);
    gsize module, name;
    GuestVa va;

    if (!intro_btf_offset(btf, "klp_patch", "mod", &module, error)
        || !intro_btf_offset(btf, "module", "name", &name, error)
        || !intro_space_read_u64(intro_kernel_space(kernel), patch + module, &va, error))
        return NULL;
    return intro_space_read_string(intro_kernel_space(kernel), va + name, MAX_NAME_BYTES, error);
}

static gboolean
read_livepatches(const IntroKernel *kernel, GPtrArray *names, GError **error)
{
    GuestVa head, link;
    gsize list;

    if (!intro_symbols_address(intro_kernel_symbols(kernel), "klp_patches", &head, NULL))
        return TRUE;
    if (!intro_btf_offset(intro_kernel_btf(kernel), "klp_patch", "list", &list, error)
        || !intro_space_read_u64(intro_kernel_space(kernel), head, &link, error))
        return FALSE;
    while (link != head) {
        char *name = read_livepatch_name(kernel, link - list, error);

        if (name == NULL)
            return FALSE;
        g_ptr_array_add(names, name);
        if (names->len > MAX_LIVEPATCHES) {
            g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the list of the guest's own livepatches does "
                                                                         "not end");
            return FALSE;
        }
        if (!intro_space_read_u64(intro_kernel_space(kernel), link, &link, error))
            return FALSE;
    }
    return TRUE;
}

IntroCondition *
intro_condition_new(const IntroKernel *kernel, GError **error)
{
    g_autoptr(IntroCondition) condition = g_new0(IntroCondition, 1);
    guint64 transition = 0;

    condition->livepatches = g_ptr_array_new_with_free_func(g_free);
    condition->has_panicked = intro_kernel_has_panicked(kernel);
    condition->lockdown = read_lockdown(kernel);
    condition->hypervisor = read_hypervisor(kernel);
    condition->livepatch_in_transition =
        read_variable(kernel, "klp_transition_patch", &transition, sizeof transition) && transition != 0;
    if (!read_livepatches(kernel, condition->livepatches, error)
        || !intro_live_text_read(kernel, &condition->text, error))
        return NULL;
    return g_steal_pointer(&condition);
}

void
intro_condition_free(IntroCondition *condition)
{
    if (condition == NULL)
        return;
    g_ptr_array_unref(condition->livepatches);
    g_free(condition->hypervisor);
    g_free(condition);
}
