/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/progress.h"

#define WORTH_TELLING 20        /* seconds */

typedef struct {
    const PatchJobs *jobs;
    guint n_items;
    gint64 start;               /* us */
    GMutex lock;                /* of what follows, and of say() */
    guint n_begun, n_done;
} Progress;

static char *
time_left(const Progress *progress)
{
    gint64 spent = g_get_monotonic_time() - progress->start;
    guint n_done = progress->jobs->n_before + progress->n_done;
    gint64 left = n_done ? spent / n_done * (progress->n_items - n_done) / G_USEC_PER_SEC : 0;

    if (left < WORTH_TELLING)
        return g_strdup("");
    return left < 120 ? g_strdup_printf(", %" G_GINT64_FORMAT " s left", left)
                      : g_strdup_printf(", %" G_GINT64_FORMAT " min left", (left + 59) / 60);
}

static void
run_item(gpointer item, gpointer user_data)
{
    Progress *progress = user_data;
    const PatchJobs *jobs = progress->jobs;

    g_mutex_lock(&progress->lock);
    progress->n_begun++;
    if (jobs->say) {
        g_autofree char *left = time_left(progress);
        g_autofree char *text = g_strdup_printf("[%u/%u%s] %s", jobs->n_before + progress->n_begun, progress->n_items,
                                                left, jobs->name(item));

        jobs->say(text);
    }
    g_mutex_unlock(&progress->lock);
    jobs->run(item, jobs->data);
    g_mutex_lock(&progress->lock);
    progress->n_done++;
    g_mutex_unlock(&progress->lock);
}

void
patch_jobs_run(const PatchJobs *jobs, const GPtrArray *items)
{
    Progress progress = {
        .jobs = jobs, .n_items = jobs->n_all ? jobs->n_all : items->len,
        .start = jobs->begun ? jobs->begun : g_get_monotonic_time(),
    };
    GThreadPool *threads = g_thread_pool_new(run_item, &progress, g_get_num_processors(), TRUE, NULL);

    g_mutex_init(&progress.lock);
    for (guint i = 0; i < items->len; i++)
        if (threads)
            g_thread_pool_push(threads, items->pdata[i], NULL);
        else
            run_item(items->pdata[i], &progress);
    if (threads)
        g_thread_pool_free(threads, FALSE, TRUE);
    g_mutex_clear(&progress.lock);
}
