/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/mutex.h"

/* With PREEMPT_RT, a mutex is one that lends priority. */
gboolean
intro_mutex_owner(const IntroBtf *btf, gsize *offset, GError **error)
{
    const char *owner = intro_btf_has_member(btf, "mutex", "rtmutex") ? "rtmutex.owner" : "owner";

    return intro_btf_offset(btf, "mutex", owner, offset, error);
}
