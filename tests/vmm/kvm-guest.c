/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/vmm/kvm-guest.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE_PA 0x100008
#define PATIENCE_US (60 * G_USEC_PER_SEC)
#define LOOK_AGAIN_US 50

/* The guest's serial port: each vCPU says one letter. */
static void
wait_for_vcpus(int fd, guint n_vcpus)
{
    guint n_seen = 0;
    char letters[16];

    while (n_seen < n_vcpus) {
        struct pollfd end = { fd, POLLIN, 0 };
        ssize_t n = poll(&end, 1, PATIENCE_US / 1000) == 1 ? read(fd, letters, sizeof letters) : 0;

        g_assert_cmpint(n, >, 0);
        n_seen += n;
    }
}

/* A test that aborts leaves nothing running. */
static void
end_with_the_test(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* With its output's end in *OUTPUT, to be closed, if that is not NULL. */
static void
spawn_machine(KvmGuest *guest, const char *const *what, int *output)
{
    g_autofree char *machine = g_build_filename(g_test_get_dir(G_TEST_BUILT), "../../virt-livepatch-kvm", NULL);
    const char *argv[16] = { machine, "-c", guest->socket, "--save", guest->saved };
    g_autoptr(GError) error = NULL;

    for (guint i = 0; what[i] != NULL; i++)
        argv[5 + i] = what[i];
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, end_with_the_test, NULL, &guest->pid, NULL,
                             output, NULL, &error);
    g_assert_no_error(error);
}

KvmGuest *
kvm_guest_new(guint n_vcpus, gboolean is_stranger)
{
    g_autofree char *count = g_strdup_printf("%u", n_vcpus);
    g_autofree char *kernel = g_build_filename(g_test_get_dir(G_TEST_BUILT), "bare-guest", NULL);
    const char *const what[] = { "-b", "-m", "16", "-s", count, kernel, NULL };
    KvmGuest *guest = NULL;
    int output;

    if (access("/dev/kvm", R_OK | W_OK) != 0)
        return NULL;
    guest = g_new0(KvmGuest, 1);
    guest->n_vcpus = n_vcpus;
    guest->directory = g_dir_make_tmp("kvm-guest-XXXXXX", NULL);
    guest->socket = g_build_filename(guest->directory, "control", NULL);
    guest->saved = g_build_filename(guest->directory, "saved", NULL);
    spawn_machine(guest, what, &output);
    guest->address = is_stranger ? g_strdup_printf("pid:%d", (int)guest->pid) : g_strconcat("kvm:", guest->socket, NULL);
    wait_for_vcpus(output, n_vcpus);
    close(output);
    return guest;
}

void
kvm_guest_save(KvmGuest *guest)
{
    int status;

    kill(guest->pid, SIGTERM);
    g_assert_cmpint(waitpid(guest->pid, &status, 0), ==, guest->pid);
    g_assert_cmpint(status, ==, 0);
}

void
kvm_guest_restore(KvmGuest *guest)
{
    g_autofree char *from = g_strconcat(guest->saved, ".before", NULL);
    const char *const what[] = { "-r", from, NULL };
    gint64 deadline = g_get_monotonic_time() + PATIENCE_US;
    g_autoptr(VmmMachine) machine = NULL;

    g_assert_cmpint(rename(guest->saved, from), ==, 0);
    spawn_machine(guest, what, NULL);
    /* It answers once it has read all of the file. */
    while (machine == NULL && g_get_monotonic_time() < deadline) {
        g_usleep(LOOK_AGAIN_US);
        machine = vmm_machine_open(guest->address, NULL, NULL);
    }
    g_assert_nonnull(machine);
    g_assert_cmpint(unlink(from), ==, 0);
}

int
kvm_guest_free(KvmGuest *guest)
{
    int status;

    kill(guest->pid, SIGTERM);
    kill(guest->pid, SIGCONT);
    g_assert_cmpint(waitpid(guest->pid, &status, 0), ==, guest->pid);
    if (WIFSIGNALED(status))        /* killed, it cannot tidy up */
        g_assert_cmpint(unlink(guest->socket), ==, 0);
    unlink(guest->saved);
    g_assert_cmpint(rmdir(guest->directory), ==, 0);
    g_free(guest->directory);
    g_free(guest->socket);
    g_free(guest->saved);
    g_free(guest->address);
    g_free(guest);
    return status;
}

VmmMachine *
kvm_guest_open(const KvmGuest *guest)
{
    g_autoptr(GError) error = NULL;
    VmmMachine *machine = vmm_machine_open(guest->address, NULL, &error);

    g_assert_no_error(error);
    return machine;
}

KvmGuestTable
kvm_guest_table(VmmMachine *machine)
{
    KvmGuestTable table;

    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(TABLE_PA), &table, sizeof table, NULL));
    return table;
}

static void
read_counts(const KvmGuest *guest, VmmMachine *machine, guint64 pa, guint64 counts[KVM_GUEST_MAX_VCPUS])
{
    g_assert_true(vmm_read(vmm_machine_reader(machine), guest_pa(pa), counts, guest->n_vcpus * sizeof counts[0], NULL));
}

gboolean
kvm_guest_counts(const KvmGuest *guest, VmmMachine *machine, guint64 counts_pa)
{
    guint64 before[KVM_GUEST_MAX_VCPUS], now[KVM_GUEST_MAX_VCPUS];
    gint64 deadline = g_get_monotonic_time() + PATIENCE_US;

    read_counts(guest, machine, counts_pa, before);
    for (guint i = 0; i < guest->n_vcpus; i++)
        for (;;) {
            read_counts(guest, machine, counts_pa, now);
            if (now[i] > before[i])
                break;
            if (g_get_monotonic_time() > deadline)
                return FALSE;
            g_usleep(LOOK_AGAIN_US);
        }
    return TRUE;
}

guint64
kvm_guest_sum(const KvmGuest *guest, VmmMachine *machine, guint64 counts_pa)
{
    guint64 counts[KVM_GUEST_MAX_VCPUS], sum = 0;

    read_counts(guest, machine, counts_pa, counts);
    for (guint i = 0; i < guest->n_vcpus; i++)
        sum += counts[i];
    return sum;
}

void
kvm_guest_make_jump(guint8 bytes[5], guint64 from, guint64 to)
{
    gint32 distance = GINT32_TO_LE((gint32)(to - (from + 5)));

    bytes[0] = 0xe9;
    memcpy(bytes + 1, &distance, sizeof distance);
}
