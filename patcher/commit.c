/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/commit.h"

#include "patcher/error.h"
#include "patcher/places.h"
#include "patcher/reset.h"
#include "patcher/safety.h"

#define FIRST_WAIT_US 2000
#define LONGEST_WAIT_US 200000
#define MAX_NAMED_BLOCKERS 8

static void
set_blocked(GError **error, const PatchPlan *plan, const GPtrArray *blockers)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *ids = patch_plan_ids(plan->records);

    for (guint i = 0; i < MIN(blockers->len, MAX_NAMED_BLOCKERS); i++) {
        const PatchBlocker *blocker = blockers->pdata[i];

        g_string_append(text, i ? "; " : "");
        if (blocker->where)
            g_string_append_printf(text, "%s (pid %d) is in %s, at %s%s", blocker->name, blocker->pid, blocker->why,
                                   blocker->where, blocker->certain ? "" : " (perhaps)");
        else
            g_string_append_printf(text, "the %s %s, which a pre-undo hook has to see to", blocker->name, blocker->why);
    }
    if (blockers->len > MAX_NAMED_BLOCKERS)
        g_string_append_printf(text, "; and %u more", blockers->len - MAX_NAMED_BLOCKERS);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                "no safe moment to %s update %s: %s. The guest is as it was; try again when they are gone", plan->verb,
                ids, text->str);
}

typedef struct {
    const PatchGuest *guest;
    const PatchPlan *plan;
    PatchSurvey *survey;
    PatchCommitReport *report;
    GPtrArray *prepare, *commit, *clean;    /* of PatchWrite, of the plan */
    GPtrArray *prepared, *committed;        /* of GBytes: what they are to leave */
    GPtrArray *before;                      /* of GBytes: what was there before PREPARE; NULL if nothing is prepared */
    PatchProof proof;
} Job;

static void
job_clear(Job *job)
{
    g_clear_pointer(&job->survey, patch_survey_free);
    g_clear_pointer(&job->prepare, g_ptr_array_unref);
    g_clear_pointer(&job->commit, g_ptr_array_unref);
    g_clear_pointer(&job->clean, g_ptr_array_unref);
    g_clear_pointer(&job->prepared, g_ptr_array_unref);
    g_clear_pointer(&job->committed, g_ptr_array_unref);
    g_clear_pointer(&job->before, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static gboolean
job_init(Job *job, GError **error)
{
    job->survey = patch_survey_new(job->guest->kernel, job->plan);
    job->prepare = patch_plan_step(job->plan, PATCH_STEP_PREPARE);
    job->commit = patch_plan_step(job->plan, PATCH_STEP_COMMIT);
    job->clean = patch_plan_step(job->plan, PATCH_STEP_CLEAN);
    job->prepared = patch_places_outcome(job->prepare);
    job->committed = patch_places_outcome(job->commit);
    return patch_proof_take(&job->proof, job->guest->kernel, intro_kernel_text_start(job->guest->kernel), error);
}

static GArray *
new_chunks(void)
{
    return g_array_new(FALSE, FALSE, sizeof(VmmChunk));
}

static gboolean
set_will(const Job *job, const GArray *chunks, GError **error)
{
    return vmm_machine_set_will(job->guest->machine, &job->proof.chunk, (const VmmChunk *) chunks->data, chunks->len,
                                error);
}

static GPtrArray *
read_places(const Job *job, const GPtrArray *writes, GError **error)
{
    return patch_places_read(vmm_machine_reader(job->guest->machine), writes, error);
}

/* ---- Prepare, and take back what was prepared ---- */

/* Nothing of it was written, where the guest could not even be stopped for that. */
static gboolean
is_as_before(const Job *job)
{
    g_autoptr(GPtrArray) now = read_places(job, job->prepare, NULL);

    return now && patch_places_check_outcome(job->prepare, now, job->before, NULL);
}

/* If it fails, the will stands, and is carried out when this process ends. */
static void
take_back(Job *job, GError **error)
{
    g_autoptr(GArray) returns = new_chunks(), none = new_chunks();
    g_autoptr(GError) failure = NULL;

    if (!job->before)
        return;
    patch_places_add_returns(returns, job->prepare, job->before);
    if (is_as_before(job) || patch_write_briefly(job->guest, &job->proof, returns, &job->report->others, &failure) ||
        g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_NOT_NOW))
        set_will(job, none, NULL);
    else
        g_prefix_error(error, "what was prepared could not be taken back at once (%s); view tells whether it was "
                       "afterwards: ", failure->message);
}

static gboolean
write_prepared(Job *job, GError **error)
{
    g_autoptr(GArray) writes = new_chunks(), returns = new_chunks();
    g_autoptr(GPtrArray) now = NULL;

    patch_places_add_writes(writes, job->prepare);
    patch_places_add_returns(returns, job->prepare, job->before);
    if (!set_will(job, returns, error) ||
        !patch_write_briefly(job->guest, &job->proof, writes, &job->report->others, error))
        return FALSE;
    now = read_places(job, job->prepare, error);
    return now && patch_places_check_outcome(job->prepare, now, job->prepared, error);
}

static gboolean
prepare(Job *job, GError **error)
{
    g_autoptr(GPtrArray) now = read_places(job, job->prepare, error);

    if (!now || !patch_places_check_before(job->prepare, now, error))
        return FALSE;
    job->before = g_steal_pointer(&now);
    return write_prepared(job, error);
}

/* ---- Commit ---- */

/* What is there now, to go back to. */
static GPtrArray *
check_places(const Job *job, GError **error)
{
    g_autoptr(GPtrArray) prepared = NULL, places = NULL;

    if (!patch_proof_check(&job->proof, vmm_machine_reader(job->guest->machine), error) ||
        !patch_plan_holds(job->plan, job->guest->kernel, error))
        return NULL;
    prepared = read_places(job, job->prepare, error);
    places = prepared ? read_places(job, job->commit, error) : NULL;
    if (!places || !patch_places_check_outcome(job->prepare, prepared, job->prepared, error) ||
        !patch_places_check_before(job->commit, places, error))
        return NULL;
    return g_steal_pointer(&places);
}

static gboolean
write_and_read_back(const Job *job, VmmPause *pause, GError **error)
{
    g_autoptr(GArray) writes = new_chunks();
    g_autoptr(GPtrArray) now = NULL;

    patch_places_add_writes(writes, job->commit);
    if (!vmm_pause_write(pause, (const VmmChunk *) writes->data, writes->len, error))
        return FALSE;
    now = read_places(job, job->commit, error);
    return now && patch_places_check_outcome(job->commit, now, job->committed, error);
}

/* Writes back what was there, last write first. FALSE if that is left to the will. */
static gboolean
roll_back(const Job *job, VmmPause *pause, const GPtrArray *places, GError **error)
{
    g_autoptr(GArray) returns = new_chunks();
    g_autoptr(GError) failure = NULL;

    patch_places_add_returns(returns, job->commit, places);
    if (vmm_pause_write(pause, (const VmmChunk *) returns->data, returns->len, &failure))
        return TRUE;
    g_prefix_error(error, "what was written could not be taken back at once (%s); view tells whether it was "
                   "afterwards: ", failure->message);
    return FALSE;
}

typedef enum {
    MOMENT_SAFE,
    MOMENT_BLOCKED,
    MOMENT_FAILED,
    MOMENT_LOST,                /* the guest stands still, and is in the will's hands */
} Moment;

/* From the last will on, the plan is carried out, whatever happens. */
static Moment
check_and_write(const Job *job, VmmPause *pause, GError **error)
{
    g_autoptr(GPtrArray) places = check_places(job, error);
    g_autoptr(GArray) returns = new_chunks(), rest = new_chunks();

    if (!places)
        return MOMENT_FAILED;
    patch_places_add_returns(returns, job->commit, places);
    if (job->before)
        patch_places_add_returns(returns, job->prepare, job->before);
    patch_places_add_writes(rest, job->clean);
    if (!set_will(job, returns, error))
        return MOMENT_FAILED;
    if (write_and_read_back(job, pause, error) && set_will(job, rest, error) &&
        (!job->plan->sends_nmi || vmm_pause_inject_nmi(pause, error)))
        return MOMENT_SAFE;
    return roll_back(job, pause, places, error) ? MOMENT_FAILED : MOMENT_LOST;
}

static Moment
look(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    if (!patch_survey_look(survey, vcpus, n_vcpus, error))
        return MOMENT_FAILED;
    return patch_survey_blockers(survey)->len == 0 ? MOMENT_SAFE : MOMENT_BLOCKED;
}

/* One pause: look, and if nobody is in the way, write. */
static Moment
try_in_pause(const Job *job, VmmPause *pause, GError **error)
{
    PatchCommitReport *report = job->report;
    gint64 start = g_get_monotonic_time(), looked;
    const VmmVcpu *vcpus;
    guint n_vcpus;
    Moment moment;

    vcpus = vmm_pause_vcpus(pause, &n_vcpus);
    intro_kernel_hold(job->guest->kernel);
    moment = look(job->survey, vcpus, n_vcpus, error);
    looked = g_get_monotonic_time();
    report->look_ns = (looked - start) * 1000;
    report->n_tasks_again = patch_survey_n_looked_at(job->survey);
    if (moment == MOMENT_SAFE)
        moment = check_and_write(job, pause, error);
    intro_kernel_let_go(job->guest->kernel);
    report->write_ns = (g_get_monotonic_time() - looked) * 1000;
    return moment;
}

static Moment
try_once(const Job *job, GError **error)
{
    PatchCommitReport *report = job->report;
    g_autoptr(VmmPause) pause = patch_pause_begin(job->guest, &report->tries, error);
    Moment moment = pause ? try_in_pause(job, pause, error) : MOMENT_FAILED;

    if (moment == MOMENT_LOST) {
        vmm_pause_abandon(g_steal_pointer(&pause));
        return MOMENT_LOST;
    }
    if (!pause)
        return MOMENT_FAILED;
    if (!vmm_pause_end(g_steal_pointer(&pause), &report->stood_ns, moment == MOMENT_FAILED ? NULL : error))
        return moment == MOMENT_SAFE ? MOMENT_LOST : MOMENT_FAILED;
    if (moment != MOMENT_SAFE) {
        report->tries.n++;
        report->tries.total_ns += report->stood_ns;
        report->tries.longest_ns = MAX(report->tries.longest_ns, report->stood_ns);
    }
    return moment;
}

static gboolean
begin_in_pause(Job *job, GError **error)
{
    g_autoptr(VmmPause) pause = vmm_pause_begin(job->guest->machine, error);
    PatchPauses own = { .n = 1 };
    const VmmVcpu *vcpus;
    guint n_vcpus;
    gboolean done;

    if (!pause)
        return FALSE;
    vcpus = vmm_pause_vcpus(pause, &n_vcpus);
    done = patch_survey_begin(job->survey, vcpus, n_vcpus, error);
    if (!vmm_pause_end(g_steal_pointer(&pause), &own.total_ns, done ? error : NULL))
        return FALSE;
    own.longest_ns = own.total_ns;
    patch_pauses_add(&job->report->others, &own);
    return done;
}

/* So that the pause does not grow with the number of tasks. */
static gboolean
narrow_survey(Job *job, GError **error)
{
    if (!patch_survey_is_large(job->survey) || patch_guest_stands_still(job->guest))
        return TRUE;
    return patch_survey_narrow(job->survey, error) && begin_in_pause(job, error) &&
           patch_survey_confirm(job->survey, error);
}

/* So that the pause reads in one go the page tables that it needs. */
static void
rehearse(const Job *job)
{
    intro_kernel_hold(job->guest->kernel);
    patch_survey_rehearse(job->survey);
    (void) patch_plan_holds(job->plan, job->guest->kernel, NULL);
    intro_kernel_let_go(job->guest->kernel);
}

/* The first look tells whether it is worth while to prepare anything. */
static Moment
look_and_try(Job *job, GError **error)
{
    Moment moment = look(job->survey, NULL, 0, error);

    if (moment == MOMENT_SAFE && job->prepare->len > 0 && !job->before)
        moment = prepare(job, error) ? look(job->survey, NULL, 0, error) : MOMENT_FAILED;
    if (moment != MOMENT_SAFE)
        return moment;
    rehearse(job);
    return narrow_survey(job, error) ? try_once(job, error) : MOMENT_FAILED;
}

static Moment
keep_trying(Job *job, gint64 deadline, GError **error)
{
    gulong wait = FIRST_WAIT_US;

    for (;;) {
        Moment moment = look_and_try(job, error);

        if (moment != MOMENT_BLOCKED || patch_guest_stands_still(job->guest) || g_get_monotonic_time() + (gint64) wait >= deadline)
            return moment;
        if (!patch_guest_require_alive(job->guest, error) ||
            !patch_proof_check(&job->proof, vmm_machine_reader(job->guest->machine), error))
            return MOMENT_FAILED;
        g_usleep(wait);
        wait = MIN(wait * 2, LONGEST_WAIT_US);
    }
}

/* ---- Clean ---- */

/* What is not done now is done by the will. A guest that was reset has nothing to clean. */
static void
clean(const Job *job)
{
    g_autoptr(GArray) rest = new_chunks(), none = new_chunks();
    g_autoptr(GError) failure = NULL;

    patch_places_add_writes(rest, job->clean);
    if (patch_write_briefly(job->guest, &job->proof, rest, &job->report->others, &failure) ||
        g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_NOT_NOW))
        set_will(job, none, NULL);
    else
        g_warning("what is not in use any more could not be taken out at once (%s); view tells whether it was "
                  "afterwards", failure->message);
}

gboolean
patch_commit(const PatchGuest *guest, const PatchPlan *plan, double timeout_s, PatchCommitReport *report, GError **error)
{
    g_auto(Job) job = { .guest = guest, .plan = plan, .report = report };
    gint64 deadline = g_get_monotonic_time() + (gint64) (timeout_s * G_USEC_PER_SEC);
    Moment moment = job_init(&job, error) ? keep_trying(&job, deadline, error) : MOMENT_FAILED;

    if (moment == MOMENT_SAFE) {
        clean(&job);
        return TRUE;
    }
    if (moment == MOMENT_BLOCKED)
        set_blocked(error, plan, patch_survey_blockers(job.survey));
    if (moment != MOMENT_LOST)
        take_back(&job, error);
    return FALSE;
}

PatchPlan *
patch_commit_planned(const PatchGuest *guest, PatchPlanner planner, gpointer data, double timeout_s,
                     PatchCommitReport *report, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64) (timeout_s * G_USEC_PER_SEC);
    gulong wait = FIRST_WAIT_US;

    for (;;) {
        g_autoptr(GError) failure = NULL;
        g_autoptr(PatchPlan) plan = planner(data, &failure);
        gdouble left_s = (gdouble) (deadline - g_get_monotonic_time()) / G_USEC_PER_SEC;

        if (plan && patch_commit(guest, plan, left_s, report, &failure))
            return g_steal_pointer(&plan);
        if (!g_error_matches(failure, PATCH_ERROR, PATCH_ERROR_PASSING) || patch_guest_stands_still(guest) ||
            g_get_monotonic_time() + (gint64) wait >= deadline) {
            patch_reset_explain(guest, &failure);
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
        g_usleep(wait);
        wait = MIN(wait * 2, LONGEST_WAIT_US);
    }
}

PatchPlan *
patch_commit_aside(const PatchGuest *guest, PatchPlanner planner, gpointer data, double timeout_s, PatchPauses *pauses,
                   GError **error)
{
    PatchCommitReport report = { 0 };
    g_autoptr(PatchPlan) plan = patch_commit_planned(guest, planner, data, timeout_s, &report, error);
    PatchPauses last = { 1, report.stood_ns, report.stood_ns };

    patch_pauses_add(pauses, &report.tries);
    patch_pauses_add(pauses, &report.others);
    if (plan)
        patch_pauses_add(pauses, &last);
    return g_steal_pointer(&plan);
}

/* What does can be seen as a pause would see it. */
static gboolean
peek_vcpus(const PatchGuest *guest, GArray *vcpus, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(guest->machine);

    g_array_set_size(vcpus, patch_guest_stands_still(guest) ? vmm_reader_n_vcpus(reader) : 0);
    for (guint i = 0; i < vcpus->len; i++)
        if (!vmm_reader_peek_vcpu(reader, i, &g_array_index(vcpus, VmmVcpu, i), error))
            return FALSE;
    return TRUE;
}

gboolean
patch_commit_rehearse(const PatchGuest *guest, const PatchPlan *plan, GError **error)
{
    g_autoptr(PatchSurvey) survey = patch_survey_new(guest->kernel, plan);
    g_autoptr(GArray) vcpus = g_array_new(FALSE, TRUE, sizeof(VmmVcpu));
    Moment moment = MOMENT_FAILED;

    if (peek_vcpus(guest, vcpus, error))
        moment = look(survey, vcpus->len > 0 ? (const VmmVcpu *) vcpus->data : NULL, vcpus->len, error);
    if (moment == MOMENT_BLOCKED)
        set_blocked(error, plan, patch_survey_blockers(survey));
    return moment == MOMENT_SAFE;
}
