/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/vmm/dirty-log.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/inject.h"
#include "vmm/socket.h"

/* The machine's file in that process. */
static int
find_vm(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        if (g_strcmp0(target, "anon_inode:kvm-vm") == 0)
            return (int)g_ascii_strtoll(name, NULL, 10);
    }
    return -1;
}

static gboolean
find_memory(pid_t pid, struct kvm_userspace_memory_region *region)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", (int)pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 start, end;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        if (strstr(lines[i], "memfd:guest-memory") != NULL
            && sscanf(lines[i], "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", &start, &end) == 2) {
            region->userspace_addr = start;
            region->memory_size = end - start;
            return TRUE;
        }
    return FALSE;
}

/* In a process without children. */
static gboolean
set_flags(pid_t pid, guint32 flags)
{
    struct kvm_userspace_memory_region region = { .flags = flags };
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)pid);
    VMM_AUTO_FD int memory_fd = open(path, O_RDWR | O_CLOEXEC);
    g_autoptr(VmmInjector) injector = vmm_injector_new(pid, memory_fd, NULL);
    g_autoptr(VmmThreads) threads = vmm_threads_new(pid);
    int vm = find_vm(pid);
    long result = -1;
    gboolean done;

    if (injector == NULL || vm < 0 || !find_memory(pid, &region) || !vmm_threads_stop(threads, NULL))
        return FALSE;
    done = vmm_inject_begin(injector, threads, &g_array_index(vmm_threads_list(threads), VmmThread, 0), NULL)
           && vmm_inject_ioctl(injector, vm, KVM_SET_USER_MEMORY_REGION, &region, sizeof region, &result, NULL)
           && vmm_inject_end(injector, NULL);
    return vmm_threads_go(threads, NULL) && done && result == 0;
}

void
dirty_log_set(pid_t pid, gboolean on)
{
    pid_t child = fork();
    sigset_t set;
    int status;

    if (child == 0) {
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        _exit(!set_flags(pid, on ? KVM_MEM_LOG_DIRTY_PAGES : 0));
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}
