/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/blockers.h"

struct PatchJudge {
    const IntroKernel *kernel;
    const GPtrArray *forbidden;
    GArray *hidden;             /* of PatchForbidden: where return addresses are replaced by a tracer's */
};

static void
blocker_free(PatchBlocker *blocker)
{
    g_free(blocker->name);
    g_free(blocker->where);
    g_free(blocker->why);
    g_free(blocker);
}

static PatchBlocker *
blocker_copy(const PatchBlocker *blocker)
{
    PatchBlocker *copy = g_memdup2(blocker, sizeof *blocker);

    copy->name = g_strdup(blocker->name);
    copy->where = g_strdup(blocker->where);
    copy->why = g_strdup(blocker->why);
    return copy;
}

GPtrArray *
patch_blockers_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) blocker_free);
}

void
patch_blockers_add(GPtrArray *blockers, const GPtrArray *more)
{
    for (guint i = 0; i < more->len; i++)
        g_ptr_array_add(blockers, blocker_copy(more->pdata[i]));
}

static void
add_of_kernel(GPtrArray *blockers, const char *name, GuestVa at, char *why)
{
    PatchBlocker *blocker = g_new0(PatchBlocker, 1);

    *blocker = (PatchBlocker) {
        .name = g_strdup_printf("%s at %#" G_GINT64_MODIFIER "x", name, at), .why = why, .certain = TRUE,
    };
    g_ptr_array_add(blockers, blocker);
}

void
patch_blockers_add_pending(GPtrArray *blockers, const char *kind, GuestVa object, const char *name)
{
    add_of_kernel(blockers, kind, object, g_strdup_printf("is pending, and is to call %s of the update", name));
}

void
patch_blockers_add_reference(GPtrArray *blockers, const char *variable, GuestVa at, const char *name)
{
    add_of_kernel(blockers, variable, at, g_strdup_printf("leads to %s of the update", name));
}

/* A function that is being traced at its return has its caller's address replaced by one of these on the stack. */
static GArray *
find_hiding_places(const IntroKernel *kernel)
{
    static const char *const names[] = {
        "return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline", "kretprobe_trampoline",
    };
    GArray *found = g_array_new(FALSE, FALSE, sizeof(PatchForbidden));

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        GuestVa va;

        if (intro_symbols_address(intro_kernel_symbols(kernel), names[i], &va, NULL)) {
            const IntroSymbol *symbol = intro_symbols_at(intro_kernel_symbols(kernel), va, NULL);
            PatchForbidden place = { (char *) "a call that is being traced", va, symbol->size, 0 };

            g_array_append_val(found, place);
        }
    }
    return found;
}

PatchJudge *
patch_judge_new(const IntroKernel *kernel, const GPtrArray *forbidden)
{
    PatchJudge *judge = g_new0(PatchJudge, 1);

    *judge = (PatchJudge) { kernel, forbidden, find_hiding_places(kernel) };
    return judge;
}

void
patch_judge_free(PatchJudge *judge)
{
    if (!judge)
        return;
    g_array_unref(judge->hidden);
    g_free(judge);
}

/* A return address belongs to the call before it, which may be a function's last instruction. */
static gboolean
is_inside(const PatchForbidden *forbidden, const IntroFrame *frame)
{
    GuestVa pc = frame->is_return ? frame->pc - 1 : frame->pc;

    if (frame->pc >= forbidden->va && frame->pc <= forbidden->open_until)
        return FALSE;
    return pc >= forbidden->va && pc - forbidden->va < forbidden->length;
}

static const PatchForbidden *
find_forbidden(const PatchJudge *judge, const IntroFrame *frame)
{
    for (guint i = 0; i < judge->forbidden->len; i++)
        if (is_inside(judge->forbidden->pdata[i], frame))
            return judge->forbidden->pdata[i];
    for (guint i = 0; i < judge->hidden->len; i++)
        if (is_inside(&g_array_index(judge->hidden, PatchForbidden, i), frame))
            return &g_array_index(judge->hidden, PatchForbidden, i);
    return NULL;
}

void
patch_judge_stack(const PatchJudge *judge, const IntroStack *stack, gint32 pid, const char *name, GPtrArray *blockers)
{
    for (guint i = 0; i < stack->frames->len; i++) {
        const IntroFrame *frame = &g_array_index(stack->frames, IntroFrame, i);
        const PatchForbidden *forbidden = find_forbidden(judge, frame);
        PatchBlocker *blocker;

        if (!forbidden)
            continue;
        blocker = g_new0(PatchBlocker, 1);
        *blocker = (PatchBlocker) {
            .pid = pid, .name = g_strdup(name), .why = g_strdup(forbidden->name), .certain = frame->certain,
            .where = intro_kernel_describe(judge->kernel, frame->pc, frame->is_return),
        };
        g_ptr_array_add(blockers, blocker);
        return;
    }
}
