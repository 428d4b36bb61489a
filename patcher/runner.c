/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/runner.h"

#include "config.h"

#include <string.h>

#include "introspect/tasks.h"
#include "patcher/assembly.h"
#include "patcher/error.h"
#include "patcher/plan-undo.h"
#include "patcher/region.h"
#include "patcher/runner-end.h"

#define FIRST_WAIT_US 200
#define LONGEST_WAIT_US 50000
#define TIMEOUT_S 10.0          /* of putting in and taking out */
#define END_TIMEOUT_US (5 * G_USEC_PER_SEC)     /* of one that is led to its end, and may be waiting for something */
#define BEGIN_TIMEOUT_S 30.0    /* a busy host, or guest; what it may take itself counts from when it has begun */
#define NMI_TIMEOUT_US (5 * G_USEC_PER_SEC)     /* a CPU that takes NMIs does so as soon as it runs */

/* The start of the data, which is the same for all guests. */
typedef struct {
    guint64 state, result, task, cancelled, armed, stack;
    guint64 name, name_end;     /* the thread's, which is never empty */
    guint64 block_pages, region_pages;      /* of the memory that RESULT is, if it is some */
} Words;

/* Who may be on an entry of the list, or on the irq_work, without a lock that could be seen. */
static const char *const walkers[] = {
    "nmi_handle", "default_do_nmi", "exc_nmi", "irq_work_single", "irq_work_run_list", "irq_work_run",
    "__sysvec_irq_work", "sysvec_irq_work",
};

typedef struct {
    const PatchGuest *guest;
    const char *id;
    const PatchCall *call;
    PatchPauses *pauses;
    PatchArena *arena;          /* of the last plan */
    PatchRunnerObject *object;
    PatchAssembly *assembly;
    PatchRecord *record;        /* once it lies in the guest */
    GBytes *code;               /* of the function, when it is to be ended */
} Run;

static void
run_clear(Run *run)
{
    g_clear_pointer(&run->assembly, patch_assembly_free);
    g_clear_pointer(&run->object, patch_runner_object_free);
    g_clear_pointer(&run->arena, patch_arena_free);
    g_clear_pointer(&run->record, patch_record_unref);
    g_clear_pointer(&run->code, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static gboolean
read_words(const IntroKernel *kernel, const PatchRecord *record, Words *words, GError **error)
{
    guint64 *word = (guint64 *) words;

    if (!intro_space_read(intro_kernel_space(kernel), record->data.va, words, sizeof *words, error))
        return FALSE;
    for (guint i = 0; i < sizeof *words / sizeof *word; i++)
        word[i] = GUINT64_FROM_LE(word[i]);
    return TRUE;
}

static PatchPlan *
commit(Run *run, PatchPlanner planner, GError **error)
{
    return patch_commit_aside(run->guest, planner, run, TIMEOUT_S, run->pauses, error);
}

/* ---- Putting it in ---- */

static PatchRecord *
new_record(const Run *run)
{
    PatchRecord *record = patch_record_new();

    g_strlcpy(record->id, run->id, sizeof record->id);
    record->description = g_strdup_printf("runs %s", run->call->name);
    record->kernel = g_strdup(intro_kernel_release(run->guest->kernel));
    record->tool = g_strdup(PACKAGE_STRING);
    record->cves = g_new0(char *, 1);
    record->waiting = g_new0(char *, 1);
    record->module.name = g_strdup("");
    record->applied_at = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = patch_arena_next_sequence(run->arena);
    return record;
}

static gboolean
look_again(Run *run, GError **error)
{
    g_clear_pointer(&run->assembly, patch_assembly_free);
    g_clear_pointer(&run->object, patch_runner_object_free);
    g_clear_pointer(&run->arena, patch_arena_free);
    run->arena = patch_arena_open(run->guest->kernel, error);
    return run->arena != NULL;
}

static gboolean
assemble(Run *run, const PatchNmiList *list, GError **error)
{
    const IntroKernel *kernel = run->guest->kernel;
    g_autofree char *name = g_strdup_printf("vlp_%s", run->id);
    const PatchPart *part;

    run->object = patch_runner_object_new(kernel, list, run->call, name, error);
    if (!run->object)
        return FALSE;
    run->assembly = patch_assembly_new(kernel, run->arena, new_record(run));
    run->assembly->is_private = TRUE;
    if (!patch_assembly_add(run->assembly, run->object->object, error) ||
        !patch_assembly_place(run->assembly, run->arena, error))
        return FALSE;
    part = run->assembly->parts->pdata[0];
    return patch_runner_object_aim(run->object, run->call,
                                   run->assembly->record->code_va + part->offsets[PATCH_RUNNER_TEXT_PIECE], error);
}

static PatchPlan *
plan_start(gpointer data, GError **error)
{
    Run *run = data;
    const IntroKernel *kernel = run->guest->kernel;
    g_autoptr(PatchPlan) plan = patch_plan_new("run something for");
    PatchNmiList list;

    if (!look_again(run, error) || !patch_nmi_list_read(kernel, &list, error) || !assemble(run, &list, error))
        return NULL;
    g_ptr_array_add(plan->records, patch_record_ref(run->assembly->record));
    plan->sends_nmi = TRUE;
    plan->step = PATCH_STEP_PREPARE;
    if (!patch_assembly_plan(run->assembly, plan, error))
        return NULL;
    plan->step = PATCH_STEP_COMMIT;
    if (!patch_nmi_list_plan_link(plan, kernel, &list, run->assembly->record->data.va + run->object->action, error))
        return NULL;
    return g_steal_pointer(&plan);
}

/* ---- Taking it out ---- */

gboolean
patch_record_is_runner(const PatchRecord *record)
{
    return record->jumps->len + record->values->len + record->hooks->len == 0 && record->known_va == 0 &&
           record->data.length >= sizeof(Words) && record->placed->len == 2 &&
           g_str_equal(((const PatchPlaced *) record->placed->pdata[0])->name, PATCH_RUNNER_PIECE_NAME);
}

static void
forbid_walkers(PatchPlan *plan, const IntroKernel *kernel)
{
    gsize n_symbols;
    const IntroSymbol *symbols = intro_symbols_all(intro_kernel_symbols(kernel), &n_symbols);

    for (gsize i = 0; i < n_symbols; i++) {
        const IntroSymbol *symbol = &symbols[i];
        g_autofree char *name = g_strndup(symbol->name, strcspn(symbol->name, "."));

        for (gsize w = 0; w < G_N_ELEMENTS(walkers); w++)
            if (symbol->module == NULL && symbol->size > 0 && g_str_equal(name, walkers[w]))
                patch_plan_forbid(plan, symbol->name, symbol->va, symbol->size, symbol->va);
    }
}

/* Nobody will come any more if nobody has been sent, or who was sent is there: then the stacks tell. The data are put in before
 * anybody is sent, and taken out, in one write, when all have left. */
static gboolean
require_arrived(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    guint64 armed = GUINT64_TO_LE(1);
    g_autoptr(GBytes) bytes = g_bytes_new(&armed, sizeof armed);
    Words words;

    if (!read_words(kernel, record, &words, error))
        return FALSE;
    if (words.armed) {
        patch_plan_require(plan, record->data.va + G_STRUCT_OFFSET(Words, armed), bytes, PATCH_ERROR_NOT_NOW,
                           g_strdup("an NMI reached the guest in this moment"));
        return TRUE;
    }
    if (words.state || !words.name)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_PASSING,
                "the guest's kernel has been told to run something for update %s, and has not come to it yet",
                record->id);
    return FALSE;
}

/* What it has got of the guest's memory does not get lost. A thread that is still getting it would not be seen to be done. */
static gboolean
plan_claim(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    g_autoptr(GBytes) state = NULL;
    guint64 seen;
    Words words;

    if (!read_words(kernel, record, &words, error))
        return FALSE;
    if (words.region_pages == 0)
        return TRUE;
    seen = GUINT64_TO_LE(words.state);
    state = g_bytes_new(&seen, sizeof seen);
    patch_plan_require(plan, record->data.va + G_STRUCT_OFFSET(Words, state), state, PATCH_ERROR_PASSING,
                       g_strdup_printf("the guest has come to run something for update %s in this moment", record->id));
    return words.state != PATCH_RUNNER_HAS_RETURNED || words.result == 0 ||
           patch_region_plan_claim(plan, kernel, words.result, words.block_pages, words.region_pages, error);
}

gboolean
patch_runner_plan_removed(PatchPlan *plan, const IntroKernel *kernel, const PatchRecord *record, GError **error)
{
    forbid_walkers(plan, kernel);
    return require_arrived(plan, kernel, record, error) && plan_claim(plan, kernel, record, error) &&
           patch_nmi_list_plan_unlink(plan, kernel, &record->data, error);
}

static PatchPlan *
plan_removal(gpointer data, GError **error)
{
    Run *run = data;

    return look_again(run, error)
               ? patch_plan_take_out(run->guest->kernel, run->arena, run->record->block.va, error) : NULL;
}

static gboolean
take_out(Run *run, GError **error)
{
    g_autoptr(PatchPlan) plan = commit(run, plan_removal, error);

    return plan != NULL;
}

/* From the pause on in which this is written, a thread that has not begun calls nothing; nor is another NMI claimed. */
static PatchPlan *
plan_cancellation(gpointer data, GError **error)
{
    Run *run = data;
    const IntroKernel *kernel = run->guest->kernel;
    g_autoptr(PatchPlan) plan = patch_plan_new("cancel what runs for");
    guint64 one = GUINT64_TO_LE(1);
    g_autoptr(GBytes) yes = g_bytes_new(&one, sizeof one);

    g_ptr_array_add(plan->records, patch_record_ref(run->record));
    if (!patch_plan_write(plan, kernel, run->record->data.va + G_STRUCT_OFFSET(Words, cancelled), NULL, yes, error) ||
        !patch_nmi_list_plan_unlink(plan, kernel, &run->record->data, error))
        return NULL;
    return g_steal_pointer(&plan);
}

static gboolean
cancel(Run *run, GError **error)
{
    g_autoptr(PatchPlan) plan = commit(run, plan_cancellation, error);

    return plan != NULL;
}

/* ---- Ending it ---- */

static PatchPlan *
plan_end(gpointer data, GError **error)
{
    Run *run = data;
    g_autoptr(PatchPlan) plan = patch_plan_new("end what runs for");

    g_ptr_array_add(plan->records, patch_record_ref(run->record));
    return patch_runner_end_plan(plan, run->guest->kernel, run->call, run->code, run->record, error)
               ? g_steal_pointer(&plan) : NULL;
}

static PatchPlan *
plan_restoration(gpointer data, GError **error)
{
    Run *run = data;
    g_autoptr(PatchPlan) plan = patch_plan_new("put back what ran for");

    g_ptr_array_add(plan->records, patch_record_ref(run->record));
    return patch_runner_end_plan_restored(plan, run->guest->kernel, run->call, run->code, error) ? g_steal_pointer(&plan)
                                                                                                : NULL;
}

/* ---- Waiting ---- */

static gboolean
is_alive(const Run *run, GuestVa task, GError **error)
{
    g_autoptr(GPtrArray) tasks = intro_tasks_briefly(run->guest->kernel, error);

    for (guint i = 0; tasks && i < tasks->len; i++)
        if (((const IntroTask *) tasks->pdata[i])->task == task)
            return TRUE;
    return FALSE;
}

/* A thread that has ended without a word has faulted: the kernel ends it then. */
static gboolean
has_died(const Run *run, const Words *seen, Words *words)
{
    g_autoptr(GError) failure = NULL;

    if (seen->state != PATCH_RUNNER_HAS_BEGUN || seen->task == 0 || is_alive(run, seen->task, &failure) || failure)
        return FALSE;
    return read_words(run->guest->kernel, run->record, words, NULL) && words->state == PATCH_RUNNER_HAS_BEGUN;
}

typedef enum { OVER, DEAD, LATE, UNREADABLE } Outcome;

static Outcome
wait_for_it(const Run *run, gint64 limit_us, Words *words, GError **error)
{
    gint64 start = g_get_monotonic_time(), deadline = start + MAX(limit_us, (gint64) (BEGIN_TIMEOUT_S * G_USEC_PER_SEC));
    gboolean has_begun = FALSE;
    gulong wait = FIRST_WAIT_US;

    for (;;) {
        gint64 now = g_get_monotonic_time();

        if (!read_words(run->guest->kernel, run->record, words, error))
            return UNREADABLE;
        if (words->state > PATCH_RUNNER_HAS_BEGUN)
            return OVER;
        if (words->state == PATCH_RUNNER_HAS_BEGUN && !has_begun) {
            has_begun = TRUE;
            deadline = now + limit_us;
        }
        if (wait == LONGEST_WAIT_US && has_died(run, words, words))
            return DEAD;
        if (words->state > PATCH_RUNNER_HAS_BEGUN)
            return OVER;
        if (now >= deadline || (words->armed && now >= start + NMI_TIMEOUT_US))
            return LATE;
        g_usleep(MIN((gint64) wait, deadline - now));
        wait = MIN(wait * 2, LONGEST_WAIT_US);
    }
}

static void
set_failure(const Run *run, Outcome outcome, const Words *words, GError **error)
{
    const PatchCall *call = run->call;

    if (outcome == DEAD)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                    "%s faulted in the guest, whose log has the details; its thread is gone, and whatever it held is "
                    "held for good", call->name);
    else if (words->state == PATCH_RUNNER_WAS_ENDED)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "%s has not returned within %g s, and was ended where it was; whatever it held is held for good",
                    call->name, call->limit_s);
    else if (words->state == PATCH_RUNNER_HAS_NO_THREAD)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "the guest's kernel could not make a thread for %s (error %d)", call->name, (int) -words->task);
    else if (words->state == PATCH_RUNNER_HAS_BEGUN)
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    "%s has not returned within %g s. It goes on, in thread vlp_%s of the guest; when it has ended, "
                    "recover takes out what it needed", call->name, call->limit_s, run->id);
    else
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                    words->armed ? "the guest's CPU 0 does not take NMIs, so %1$s could not be run in it"
                                 : "the guest has not come to run %1$s within %2$g s, and will not do so any more",
                    call->name, MAX(call->limit_s, BEGIN_TIMEOUT_S));
}

static gboolean
finish(Run *run, Outcome outcome, Words *words, guint64 *result, GError **error)
{
    gboolean has_returned = outcome == OVER && words->state == PATCH_RUNNER_HAS_RETURNED;
    g_autoptr(GError) failure = NULL;

    if (has_returned)
        *result = words->result;
    else
        set_failure(run, outcome, words, error);
    if ((outcome != LATE || words->state != PATCH_RUNNER_HAS_BEGUN) && !take_out(run, &failure))
        g_warning("what ran %s could not be taken out of the guest yet (%s); recover does that", run->call->name,
                  failure->message);
    return has_returned;
}

/* What is late and cannot be ended goes on; what waits for something meanwhile ends when it has that. */
static Outcome
end(Run *run, Words *words, GError **error)
{
    g_autoptr(PatchPlan) led = NULL, restored = NULL;
    Outcome outcome;

    run->code = patch_runner_end_code(run->guest->kernel, run->call);
    if (!run->code)
        return LATE;
    led = commit(run, plan_end, error);
    if (!led)
        return UNREADABLE;
    outcome = wait_for_it(run, END_TIMEOUT_US, words, error);
    if (outcome == LATE || outcome == UNREADABLE)
        return outcome;
    restored = commit(run, plan_restoration, error);
    return restored ? outcome : UNREADABLE;
}

GuestVa
patch_runner_function(const IntroKernel *kernel, const PatchRecord *runner)
{
    GuestVa field = ((const PatchPlaced *) runner->placed->pdata[PATCH_RUNNER_TEXT_PIECE])->va + patch_runner_object_function();
    guint32 distance;

    return intro_space_read_u32(intro_kernel_space(kernel), field, &distance, NULL)
               ? field + 4 + (guint64) (gint64) (gint32) distance : 0;
}

gboolean
patch_runner_stop(const PatchGuest *guest, const PatchRecord *runner, const PatchCall *call, PatchPauses *pauses)
{
    g_auto(Run) run = { .guest = guest, .id = runner->id, .call = call, .pauses = pauses,
                        .record = patch_record_ref(runner) };
    Words words;

    return read_words(guest->kernel, runner, &words, NULL) && words.state == PATCH_RUNNER_HAS_BEGUN &&
           end(&run, &words, NULL) == OVER;
}

/* What is late is cancelled, and may have come to its end in that moment. */
static gboolean
watch(Run *run, guint64 *result, GError **error)
{
    Words words = { 0 };
    Outcome outcome = wait_for_it(run, (gint64) (run->call->limit_s * G_USEC_PER_SEC), &words, error);

    if (outcome == UNREADABLE)
        return FALSE;
    if (outcome == LATE) {
        if (!cancel(run, error) || !read_words(run->guest->kernel, run->record, &words, error))
            return FALSE;
        outcome = words.state > PATCH_RUNNER_HAS_BEGUN ? OVER
                  : words.state == PATCH_RUNNER_HAS_BEGUN ? end(run, &words, error) : LATE;
        if (outcome == UNREADABLE)
            return FALSE;
    }
    return finish(run, outcome, &words, result, error);
}

gboolean
patch_runner_call(const PatchGuest *guest, const char *id, const PatchCall *call, PatchPauses *pauses, guint64 *result,
                  GError **error)
{
    g_auto(Run) run = { .guest = guest, .id = id, .call = call, .pauses = pauses };
    g_autoptr(PatchPlan) plan = NULL;

    if (vmm_machine_is_saved(guest->machine)) {
        g_set_error_literal(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "nothing can be run in a guest that is saved");
        return FALSE;
    }
    plan = commit(&run, plan_start, error);
    if (!plan)
        return FALSE;
    run.record = patch_record_ref(plan->records->pdata[0]);
    return watch(&run, result, error);
}
