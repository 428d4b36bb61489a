/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/commit.h"

#include <string.h>

#include "patcher/error.h"
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

        g_string_append_printf(text, "%s%s (pid %d) is in %s, at %s%s", i ? "; " : "", blocker->name, blocker->pid,
                               blocker->why, blocker->where, blocker->certain ? "" : " (perhaps)");
    }
    if (blockers->len > MAX_NAMED_BLOCKERS)
        g_string_append_printf(text, "; and %u more", blockers->len - MAX_NAMED_BLOCKERS);
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                "no safe moment to %s update %s: %s. The guest is as it was; try again when they have left", plan->verb,
                ids, text->str);
}

/* What is in the guest at a write's place. */
static GBytes *
read_place(const PatchGuest *guest, const PatchWrite *write, GError **error)
{
    gsize length = g_bytes_get_size(write->after), done = 0;
    g_autofree guint8 *bytes = g_malloc(length);
    g_autofree VmmExtent *extents = g_new(VmmExtent, write->mappings->len);

    for (guint i = 0; i < write->mappings->len; i++) {
        const IntroMapping *mapping = &g_array_index(write->mappings, IntroMapping, i);

        extents[i] = (VmmExtent) { mapping->pa, bytes + done, mapping->length };
        done += mapping->length;
    }
    if (!vmm_read_extents(vmm_machine_reader(guest->machine), extents, write->mappings->len, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), length);
}

static void
add_chunks(GArray *chunks, const PatchWrite *write, GBytes *bytes)
{
    const guint8 *data = g_bytes_get_data(bytes, NULL);

    for (guint i = 0; i < write->mappings->len; i++) {
        const IntroMapping *mapping = &g_array_index(write->mappings, IntroMapping, i);
        VmmChunk chunk = { mapping->pa, data, mapping->length };

        g_array_append_val(chunks, chunk);
        data += mapping->length;
    }
}

/* What is there now, write by write, to go back to. */
static GPtrArray *
check_places(const PatchGuest *guest, const PatchPlan *plan, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);

    if (!patch_plan_holds(plan, guest->kernel, error))
        return NULL;
    for (guint i = 0; i < plan->writes->len; i++) {
        const PatchWrite *write = plan->writes->pdata[i];
        GBytes *now = read_place(guest, write, error);

        if (!now)
            return NULL;
        g_ptr_array_add(places, now);
        if (write->before && !g_bytes_equal(now, write->before)) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_NOT_NOW,
                        "the guest's memory at %#" G_GINT64_MODIFIER "x changed after it was looked at: somebody else "
                        "is patching this guest. Nothing was written; try again", write->va);
            return NULL;
        }
    }
    return g_steal_pointer(&places);
}

/* Writes back what was there, last write first. */
static void
roll_back(VmmPause *pause, const PatchPlan *plan, const GPtrArray *places, GError **error)
{
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));
    g_autoptr(GError) failure = NULL;

    for (guint i = plan->writes->len; i > 0; i--)
        add_chunks(chunks, plan->writes->pdata[i - 1], places->pdata[i - 1]);
    if (!vmm_pause_write(pause, (const VmmChunk *) chunks->data, chunks->len, &failure))
        g_prefix_error(error, "the guest is half patched, since what was written could not be taken back either (%s); "
                       "run recover: ", failure->message);
}

/* What WRITES[index] leaves in the end: some of it is written over by later ones. */
static GBytes *
final_bytes(const GPtrArray *writes, guint index)
{
    const PatchWrite *write = writes->pdata[index];
    gsize length = g_bytes_get_size(write->after);
    guint8 *bytes = g_memdup2(g_bytes_get_data(write->after, NULL), length);

    for (guint i = index + 1; i < writes->len; i++) {
        const PatchWrite *later = writes->pdata[i];
        gsize later_length = g_bytes_get_size(later->after);
        const guint8 *data = g_bytes_get_data(later->after, NULL);
        GuestVa start = MAX(write->va, later->va), end = MIN(write->va + length, later->va + later_length);

        if (start < end)
            memcpy(bytes + (start - write->va), data + (start - later->va), end - start);
    }
    return g_bytes_new_take(bytes, length);
}

static gboolean
read_back(const PatchGuest *guest, const PatchPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->writes->len; i++) {
        const PatchWrite *write = plan->writes->pdata[i];
        g_autoptr(GBytes) expected = final_bytes(plan->writes, i), now = read_place(guest, write, error);

        if (now && !g_bytes_equal(now, expected))
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED,
                        "what was written at %#" G_GINT64_MODIFIER "x does not read back", write->va);
        if (!now || !g_bytes_equal(now, expected))
            return FALSE;
    }
    return TRUE;
}

static gboolean
write_plan(const PatchGuest *guest, VmmPause *pause, const PatchPlan *plan, const GPtrArray *places, GError **error)
{
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));

    for (guint i = 0; i < plan->writes->len; i++)
        add_chunks(chunks, plan->writes->pdata[i], ((const PatchWrite *) plan->writes->pdata[i])->after);
    if (vmm_pause_write(pause, (const VmmChunk *) chunks->data, chunks->len, error) && read_back(guest, plan, error))
        return TRUE;
    roll_back(pause, plan, places, error);
    return FALSE;
}

typedef enum { MOMENT_SAFE, MOMENT_BLOCKED, MOMENT_FAILED } Moment;

static Moment
look(PatchSurvey *survey, const VmmVcpu *vcpus, guint n_vcpus, GError **error)
{
    if (!patch_survey_look(survey, vcpus, n_vcpus, error))
        return MOMENT_FAILED;
    return patch_survey_blockers(survey)->len == 0 ? MOMENT_SAFE : MOMENT_BLOCKED;
}

static gboolean
check_and_write(const PatchGuest *guest, VmmPause *pause, const PatchPlan *plan, GError **error)
{
    g_autoptr(GPtrArray) places = check_places(guest, plan, error);

    return places && write_plan(guest, pause, plan, places, error);
}

/* One pause: look, and if nobody is in the way, write. */
static Moment
try_once(const PatchGuest *guest, const PatchPlan *plan, PatchSurvey *survey, PatchCommitReport *report, GError **error)
{
    g_autoptr(VmmPause) pause = vmm_pause_begin(guest->machine, error);
    gint64 start = g_get_monotonic_time(), looked;
    const VmmVcpu *vcpus;
    guint n_vcpus;
    Moment moment;

    if (!pause)
        return MOMENT_FAILED;
    report->n_pauses++;
    report->earlier_ns += report->stood_ns;
    vcpus = vmm_pause_vcpus(pause, &n_vcpus);
    intro_kernel_hold(guest->kernel);
    moment = look(survey, vcpus, n_vcpus, error);
    intro_kernel_let_go(guest->kernel);
    looked = g_get_monotonic_time();
    report->look_ns = (looked - start) * 1000;
    report->n_tasks_again = patch_survey_n_looked_at(survey);
    if (moment == MOMENT_SAFE && !check_and_write(guest, pause, plan, error))
        moment = MOMENT_FAILED;
    report->write_ns = (g_get_monotonic_time() - looked) * 1000;
    if (moment == MOMENT_FAILED)
        return moment;
    return vmm_pause_end(g_steal_pointer(&pause), &report->stood_ns, error) ? moment : MOMENT_FAILED;
}

gboolean
patch_commit(const PatchGuest *guest, const PatchPlan *plan, double timeout_s, PatchCommitReport *report, GError **error)
{
    g_autoptr(PatchSurvey) survey = patch_survey_new(guest->kernel, plan->forbidden);
    gint64 deadline = g_get_monotonic_time() + (gint64) (timeout_s * G_USEC_PER_SEC);
    gulong wait = FIRST_WAIT_US;

    *report = (PatchCommitReport) { 0 };
    for (;;) {
        Moment moment = look(survey, NULL, 0, error);

        if (moment == MOMENT_SAFE)
            moment = try_once(guest, plan, survey, report, error);
        if (moment != MOMENT_BLOCKED)
            return moment == MOMENT_SAFE;
        if (g_get_monotonic_time() + (gint64) wait >= deadline)
            break;
        g_usleep(wait);
        wait = MIN(wait * 2, LONGEST_WAIT_US);
    }
    set_blocked(error, plan, patch_survey_blockers(survey));
    return FALSE;
}

/* What stands still can be seen as a pause would see it. */
static gboolean
peek_vcpus(const PatchGuest *guest, GArray *vcpus, GError **error)
{
    const VmmReader *reader = vmm_machine_reader(guest->machine);

    g_array_set_size(vcpus, vmm_machine_is_image(guest->machine) ? vmm_reader_n_vcpus(reader) : 0);
    for (guint i = 0; i < vcpus->len; i++)
        if (!vmm_reader_peek_vcpu(reader, i, &g_array_index(vcpus, VmmVcpu, i), error))
            return FALSE;
    return TRUE;
}

gboolean
patch_commit_rehearse(const PatchGuest *guest, const PatchPlan *plan, GError **error)
{
    g_autoptr(PatchSurvey) survey = patch_survey_new(guest->kernel, plan->forbidden);
    g_autoptr(GArray) vcpus = g_array_new(FALSE, TRUE, sizeof(VmmVcpu));
    Moment moment = MOMENT_FAILED;

    if (peek_vcpus(guest, vcpus, error))
        moment = look(survey, vcpus->len > 0 ? (const VmmVcpu *) vcpus->data : NULL, vcpus->len, error);
    if (moment == MOMENT_BLOCKED)
        set_blocked(error, plan, patch_survey_blockers(survey));
    return moment == MOMENT_SAFE;
}
