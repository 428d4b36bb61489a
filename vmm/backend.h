/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kind of machine has to provide. Only vmm/ and tests include this.
 *
 * To add a kind: write its open function that fills a VmmBackendInstance, and give it a row in machine.c's table of
 * prefixes. A kind that cannot do something (memory images cannot be paused) leaves that member NULL.
 */
#ifndef VMM_BACKEND_H
#define VMM_BACKEND_H

#include "vmm/machine.h"

typedef struct {
    const char *kind;       /* for messages */
    gboolean is_saved;      /* nothing runs in it before it is restored; a pause only stands for being changed */

    void (*close)(gpointer self);
    gboolean (*is_running)(gpointer self, gboolean *running, char **state, GError **error);
    /* Extents lie within the ranges the backend announced; machine.c has checked that. */
    gboolean (*read)(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error);
    gboolean (*peek_vcpu)(gpointer self, guint index, VmmVcpu *vcpu, GError **error);

    gboolean (*pause)(gpointer self, GArray *vcpus /* of VmmVcpu */, GError **error);
    gboolean (*write)(gpointer self, const VmmChunk *chunks, gsize n_chunks, GError **error);
    gboolean (*resume)(gpointer self, guint64 *stood_ns, GError **error);
    gboolean (*inject_nmi)(gpointer self, GError **error);  /* in a pause */

    char *(*find_channel)(gpointer self, const char *name, GError **error);
    /* NULL if one client at a time is all that there can be. */
    gboolean (*claim)(gpointer self, GError **error);
    /* Drops the pause without resuming, which is left to the executor of the will; NULL if there is none. */
    void (*abandon)(gpointer self);
    /* NULL if whatever holds the guest takes back by itself what was begun. N_CHUNKS 0: no will from now on. */
    gboolean (*set_will)(gpointer self, const VmmChunk *proof, const VmmChunk *chunks, gsize n_chunks, GError **error);
    /* NULL if nothing is ever left. */
    gboolean (*adopt)(gpointer self, gboolean *stopped, GError **error);
} VmmBackend;

typedef struct {
    const VmmBackend *ops;
    gpointer self;          /* passed to every op; freed by close */
    char *name;             /* taken over */
    GArray *ranges;         /* of VmmRange, sorted; taken over */
    guint n_vcpus;
    VmmSandbox sandbox;     /* set before: to be entered before what may be a stranger's is parsed; LOOK: it will only be read */
} VmmBackendInstance;

/* A machine made of what an open function has filled in; takes INSTANCE's members over. Tests use this with a backend
 * of their own. */
VmmMachine *vmm_machine_new(const VmmBackendInstance *instance);

gboolean vmm_core_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error);
gboolean vmm_kvm_open(const char *socket_path, const char *uri, VmmBackendInstance *instance, GError **error);
gboolean vmm_pid_open(const char *pid, const char *uri, VmmBackendInstance *instance, GError **error);
gboolean vmm_saved_open(const char *path, const char *uri, VmmBackendInstance *instance, GError **error);
gboolean vmm_qmp_open(const char *socket_path, const char *uri, VmmBackendInstance *instance, GError **error);
gboolean vmm_libvirt_open(const char *domain, const char *uri, VmmBackendInstance *instance, GError **error);

#endif
