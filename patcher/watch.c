/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/watch.h"

#include <signal.h>
#include <string.h>

#include "introspect/condition.h"
#include "introspect/log.h"
#include "introspect/pulse.h"
#include "introspect/tasks.h"
#include "patcher/brief.h"

#define INTERVAL_US 50000

/* For how long a guest that has complained is looked at further: an oops may end in a panic. */
#define LAST_LOOK_US 300000
/* And one that has crashed, for what its kernel says of that: it counts as crashed before it does. */
#define LAST_WORDS_US (5 * G_USEC_PER_SEC)

/* A CPU that has stood still for so long is looked at further; and it has to go on for so long, since the host may have
 * been busy with something else. */
#define SUSPICIOUS_US 200000
#define STUCK_US (5 * G_USEC_PER_SEC)

#define MAX_SHOWN 200           /* characters of a line of the log */

struct PatchWatch {
    const PatchGuest *guest;
    gboolean has_log;
    guint64 next_record;        /* of the log */
    PatchProof kernel, installed;   /* both are there still */
    char *alarm;                /* the first line of the log that tells of something wrong */
};

void
patch_watch_report_clear(PatchWatchReport *report)
{
    g_clear_pointer(&report->seen, g_free);
}

PatchWatch *
patch_watch_new(const PatchGuest *guest, GError **error)
{
    g_autoptr(PatchWatch) watch = g_new0(PatchWatch, 1);
    g_autoptr(GError) no_log = NULL;

    watch->guest = guest;
    if (!patch_proof_take(&watch->kernel, guest->kernel, intro_kernel_text_start(guest->kernel), error))
        return NULL;
    watch->has_log = intro_log_next_sequence(guest->kernel, &watch->next_record, &no_log);
    if (!watch->has_log)
        g_warning("the guest will not be watched by its log, only by its CPUs: %s", no_log->message);
    return g_steal_pointer(&watch);
}

void
patch_watch_free(PatchWatch *watch)
{
    if (!watch)
        return;
    g_free(watch->alarm);
    g_free(watch);
}

static void
find_ill(PatchWatchReport *report, const PatchWatch *watch, gboolean runs, const char *what)
{
    report->health = PATCH_HEALTH_ILL;
    report->runs = runs;
    g_free(report->seen);
    if (watch->alarm && what)
        report->seen = g_strdup_printf("its kernel says \"%s\", and %s", watch->alarm, what);
    else
        report->seen = watch->alarm ? g_strdup_printf("its kernel says \"%s\"", watch->alarm) : g_strdup(what);
}

static char *
first_line(const char *text)
{
    g_autofree char *line = g_strndup(text, strcspn(text, "\n"));

    return g_utf8_strlen(line, -1) > MAX_SHOWN ? g_utf8_substring(line, 0, MAX_SHOWN) : g_steal_pointer(&line);
}

/* What cannot be read now may be readable at the next look: a guest that goes on writes there. */
static void
read_log(PatchWatch *watch)
{
    g_autoptr(GPtrArray) records =
        watch->has_log && !watch->alarm ? intro_log_read(watch->guest->kernel, watch->next_record, NULL) : NULL;

    for (guint i = 0; records && i < records->len && !watch->alarm; i++) {
        const IntroLogRecord *record = records->pdata[i];

        if (intro_log_is_alarm(record))
            watch->alarm = first_line(record->text);
        watch->next_record = record->sequence + 1;
    }
}

/* States of a QEMU that nobody but the guest itself brings about, or its disks. */
static gboolean
is_bad_state(const char *state)
{
    static const char *const bad[] = { "guest-panicked", "internal-error", "io-error", "shutdown", "watchdog", NULL };

    return g_strv_contains(bad, state);
}

static gboolean
look_at_machine(const PatchWatch *watch, PatchWatchReport *report)
{
    VmmMachine *machine = watch->guest->machine;
    g_autofree char *state = NULL, *what = NULL;
    g_autoptr(GError) error = NULL;
    gboolean running;

    if (!vmm_machine_is_running(machine, &running, &state, &error)) {
        what = g_strdup_printf("its machine does not answer any more: %s", error->message);
        find_ill(report, watch, FALSE, what);
        return FALSE;
    }
    if (running)
        return TRUE;
    what = g_strdup_printf("its machine does not run any more (state: %s)", state);
    if (is_bad_state(state) || watch->alarm)
        find_ill(report, watch, FALSE, what);
    else
        *report = (PatchWatchReport) { PATCH_HEALTH_UNKNOWN, .seen = g_steal_pointer(&what) };
    return FALSE;
}

/* It may have been reset into the same kernel at the same place. */
static gboolean
look_at_proofs(const PatchWatch *watch, PatchWatchReport *report)
{
    const VmmReader *reader = vmm_machine_reader(watch->guest->machine);
    const char *gone = "what was installed is not there any more: somebody took it out, or the guest has been reset";
    g_autoptr(GError) error = NULL;

    if (!patch_proof_check(&watch->kernel, reader, &error))
        find_ill(report, watch, FALSE, error->message);
    else if (patch_proof_check(&watch->installed, reader, NULL))
        return TRUE;
    else if (watch->alarm)
        find_ill(report, watch, FALSE, gone);
    else
        *report = (PatchWatchReport) { PATCH_HEALTH_UNKNOWN, .seen = g_strdup(gone) };
    return FALSE;
}

/* FALSE if there is nothing more to wait for. The log comes first: it may be gone with the machine. */
static gboolean
look(PatchWatch *watch, PatchWatchReport *report)
{
    read_log(watch);
    if (!look_at_machine(watch, report) || !look_at_proofs(watch, report))
        return FALSE;
    if (intro_kernel_has_panicked(watch->guest->kernel)) {
        find_ill(report, watch, FALSE, "has crashed (panic)");
        return watch->alarm == NULL;
    }
    if (watch->alarm && report->health == PATCH_HEALTH_WELL)
        find_ill(report, watch, TRUE, NULL);
    return TRUE;
}

static void
find_stuck(const PatchWatch *watch, const IntroPulse *pulse, PatchWatchReport *report)
{
    g_autoptr(IntroTask) task = NULL;
    g_autofree char *what = NULL;
    GuestVa task_va = 0;
    guint cpu = 0;

    if (report->health != PATCH_HEALTH_WELL || intro_pulse_stillness(pulse, &cpu, &task_va) < STUCK_US)
        return;
    task = intro_task_read(watch->guest->kernel, task_va, NULL);
    what = g_strdup_printf("its CPU %u stands still, at task %s (pid %d)", cpu, task ? task->name : "?",
                           task ? task->pid : -1);
    find_ill(report, watch, TRUE, what);
}

/* FALSE if a signal came. */
static gboolean
wait_for_signal(const sigset_t *signals)
{
    const struct timespec interval = { .tv_nsec = INTERVAL_US * 1000 };

    return sigtimedwait(signals, NULL, &interval) < 0;
}

/* Whether there is more to see at NOW, the guest being ill since ILL_SINCE, if it is. */
static gboolean
goes_on(const PatchWatchReport *report, const IntroPulse *pulse, gint64 end, gint64 now, gint64 ill_since)
{
    gint64 stillness;
    GuestVa task;
    guint cpu;

    if (report->health == PATCH_HEALTH_ILL)
        return now < ill_since + (report->runs ? LAST_LOOK_US : LAST_WORDS_US);
    stillness = pulse ? intro_pulse_stillness(pulse, &cpu, &task) : 0;
    return stillness < STUCK_US && (now < end || stillness >= SUSPICIOUS_US);
}

static void
watch_on(PatchWatch *watch, IntroPulse *pulse, double seconds, const sigset_t *signals, PatchWatchReport *report)
{
    const gint64 start = g_get_monotonic_time(), end = start + (gint64) (seconds * G_USEC_PER_SEC);
    gint64 ill_since = start;

    while (look(watch, report)) {
        const gint64 now = g_get_monotonic_time();

        if (pulse)
            intro_pulse_look(pulse, NULL);
        if (report->health == PATCH_HEALTH_WELL)
            ill_since = now;
        if (!goes_on(report, pulse, end, now, ill_since))
            break;
        if (wait_for_signal(signals))
            continue;
        if (report->health == PATCH_HEALTH_WELL)
            *report = (PatchWatchReport) { PATCH_HEALTH_UNKNOWN, .seen = g_strdup("a signal came") };
        break;
    }
    if (pulse)
        find_stuck(watch, pulse, report);
    report->watched_s = (gdouble) (g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

void
patch_watch_settle(PatchWatch *watch, const PatchRecord *record, double seconds, PatchWatchReport *report)
{
    const IntroKernel *kernel = watch->guest->kernel;
    g_autoptr(IntroPulse) pulse = NULL;
    g_autoptr(GError) error = NULL;
    sigset_t signals, before;

    *report = (PatchWatchReport) { PATCH_HEALTH_WELL, .runs = TRUE };
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    if (patch_proof_take(&watch->installed, kernel, record->block.va, &error)) {
        pulse = intro_pulse_new(kernel, NULL);
        watch_on(watch, pulse, seconds, &signals, report);
    } else {
        find_ill(report, watch, FALSE, error->message);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
