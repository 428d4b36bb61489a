/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/libvirt-call.h"

#include <libvirt/virterror.h>

#include "vmm/error.h"

/* Shared by the thread and whoever waits for it; the last one to let go of it frees it. */
struct VmmLibvirtCall {
    gatomicrefcount references;
    GThread *thread;
    VmmLibvirtFunction function;
    gpointer data;              /* NULL once it was returned */
    GDestroyNotify free_data;
    GMutex lock;
    GCond finished;
    gboolean is_finished;
    GError *failure;
};

static void
call_unref(VmmLibvirtCall *call)
{
    if (!g_atomic_ref_count_dec(&call->references))
        return;
    if (call->data != NULL && call->free_data != NULL)
        call->free_data(call->data);
    g_mutex_clear(&call->lock);
    g_cond_clear(&call->finished);
    g_clear_error(&call->failure);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmLibvirtCall, call_unref)

static gpointer
run_call(gpointer data)
{
    g_autoptr(VmmLibvirtCall) call = data;
    g_autoptr(GError) failure = NULL;

    call->function(call->data, &failure);
    g_mutex_lock(&call->lock);
    call->failure = g_steal_pointer(&failure);
    call->is_finished = TRUE;
    g_cond_signal(&call->finished);
    g_mutex_unlock(&call->lock);
    return NULL;
}

VmmLibvirtCall *
vmm_libvirt_call_begin(VmmLibvirtFunction function, gpointer data, GDestroyNotify free_data)
{
    VmmLibvirtCall *call = g_new0(VmmLibvirtCall, 1);

    g_atomic_ref_count_init(&call->references);
    call->function = function;
    call->data = data;
    call->free_data = free_data;
    g_mutex_init(&call->lock);
    g_cond_init(&call->finished);
    g_atomic_ref_count_inc(&call->references);
    call->thread = g_thread_new("libvirt call", run_call, call);
    return call;
}

static gboolean
wait_for_call(VmmLibvirtCall *call, gint64 deadline)
{
    gboolean is_finished;

    g_mutex_lock(&call->lock);
    while (!call->is_finished && g_cond_wait_until(&call->finished, &call->lock, deadline))
        ;
    is_finished = call->is_finished;
    g_mutex_unlock(&call->lock);
    return is_finished;
}

gpointer
vmm_libvirt_call_end(VmmLibvirtCall *begun, gint64 deadline, GError **error)
{
    g_autoptr(VmmLibvirtCall) call = begun;

    if (!wait_for_call(call, deadline)) {
        g_thread_unref(call->thread);
        g_set_error_literal(error, VMM_ERROR, VMM_ERROR_UNREACHABLE,
                            "no answer through libvirt within the time allowed");
        return NULL;
    }
    g_thread_join(call->thread);
    if (call->failure == NULL)
        return g_steal_pointer(&call->data);
    g_propagate_error(error, g_steal_pointer(&call->failure));
    return NULL;
}

gpointer
vmm_libvirt_call(VmmLibvirtFunction function, gpointer data, GDestroyNotify free_data, gint64 timeout_us, GError **error)
{
    return vmm_libvirt_call_end(vmm_libvirt_call_begin(function, data, free_data), g_get_monotonic_time() + timeout_us,
                                error);
}

gboolean
vmm_libvirt_set_error(int code, const char *context, GError **error)
{
    const char *message = virGetLastErrorMessage();

    g_set_error(error, VMM_ERROR, code, "%s: %s", context, message != NULL ? message : "no reason given");
    return FALSE;
}
