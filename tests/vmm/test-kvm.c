/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vmm/dirty-log.h"
#include "tests/vmm/kvm-guest.h"
#include "vmm/kvm-protocol.h"
#include "vmm/socket.h"

#define ROUNDS 1000
#define STRANGER_ROUNDS 100
#define N_VCPUS 3
#define HELPERS 50
#define SECONDS_FOR_AN_ERROR 15         /* it is waited for once, for 8 (kvm.c) */

/* mov $2, %eax; ret */
static const guint8 replacement[] = { 0xb8, 2, 0, 0, 0, 0xc3 };

typedef struct {
    KvmGuest *guest;
    VmmMachine *machine;
    KvmGuestTable table;
    guint8 nop[5], jump[5];
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->guest = kvm_guest_new(N_VCPUS, data != NULL);
    if (fixture->guest == NULL)
        return;
    fixture->machine = kvm_guest_open(fixture->guest);
    fixture->table = kvm_guest_table(fixture->machine);
    g_assert_true(vmm_read(vmm_machine_reader(fixture->machine), guest_pa(fixture->table.answer), fixture->nop,
                           sizeof fixture->nop, NULL));
    kvm_guest_make_jump(fixture->jump, fixture->table.answer, fixture->table.spare);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    if (fixture->guest == NULL)
        return;
    g_clear_pointer(&fixture->machine, vmm_machine_free);
    kvm_guest_free(fixture->guest);
}

static gboolean
is_missing(const Fixture *fixture)
{
    if (fixture->guest == NULL)
        g_test_skip("there is no /dev/kvm");
    return fixture->guest == NULL;
}

static void
write_in_a_pause(Fixture *fixture, const VmmChunk *chunks, gsize n)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause = vmm_pause_begin(fixture->machine, &error);

    g_assert_no_error(error);
    vmm_pause_write(pause, chunks, n, &error);
    g_assert_no_error(error);
    vmm_pause_end(pause, NULL, &error);
    g_assert_no_error(error);
}

/* To stop a stranger's threads takes the host's scheduler, and so much longer on a busy one. */
static guint
stranger_rounds(void)
{
    const char *wanted = g_getenv("VLP_ROUNDS");

    return wanted != NULL ? atoi(wanted) : STRANGER_ROUNDS;
}

/* A function of a running guest is replaced and put back, again and again, and each vCPU runs what it should. */
static void
test_thousand_times(Fixture *fixture, gconstpointer data)
{
    const KvmGuestTable *table = &fixture->table;
    const VmmChunk apply[] = {
        { guest_pa(table->spare), replacement, sizeof replacement }, { guest_pa(table->answer), fixture->jump, 5 },
    };
    const VmmChunk undo = { guest_pa(table->answer), fixture->nop, 5 };

    if (is_missing(fixture))
        return;
    for (guint i = 0; i < (data == NULL ? ROUNDS : stranger_rounds()); i++) {
        guint64 old_sum, new_sum;

        write_in_a_pause(fixture, apply, G_N_ELEMENTS(apply));
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->new_counts));
        old_sum = kvm_guest_sum(fixture->guest, fixture->machine, table->old_counts);
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->new_counts));
        g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->old_counts), ==, old_sum);
        write_in_a_pause(fixture, &undo, 1);
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->old_counts));
        new_sum = kvm_guest_sum(fixture->guest, fixture->machine, table->new_counts);
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->old_counts));
        g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->new_counts), ==, new_sum);
    }
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->wrong_counts), ==, 0);
}

/* What is changed in the file is what runs when it is restored, and all else goes on where it was. */
static void
test_saved(Fixture *fixture, gconstpointer data)
{
    const KvmGuestTable *table = &fixture->table;
    const VmmChunk apply[] = {
        { guest_pa(table->spare), replacement, sizeof replacement }, { guest_pa(table->answer), fixture->jump, 5 },
    };
    g_autofree char *name = NULL;
    guint64 old_sum;

    if (is_missing(fixture))
        return;
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->old_counts));
    g_clear_pointer(&fixture->machine, vmm_machine_free);
    kvm_guest_save(fixture->guest);
    name = g_strconcat("saved:", fixture->guest->saved, NULL);
    fixture->machine = vmm_machine_open(name, NULL, NULL);
    g_assert_nonnull(fixture->machine);
    old_sum = kvm_guest_sum(fixture->guest, fixture->machine, table->old_counts);
    g_assert_cmpuint(old_sum, >, 0);
    write_in_a_pause(fixture, apply, G_N_ELEMENTS(apply));
    vmm_machine_free(fixture->machine);
    kvm_guest_restore(fixture->guest);
    fixture->machine = kvm_guest_open(fixture->guest);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, table->new_counts));
    /* A vCPU may have stood between the answer and the count. */
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->old_counts), <=, old_sum + N_VCPUS);
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->old_counts), >=, old_sum);
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, table->wrong_counts), ==, 0);
}

static void
test_paused(Fixture *fixture, gconstpointer data)
{
    VmmMachine *other = NULL;
    VmmPause *pause = NULL;
    const VmmVcpu *vcpus;
    g_autoptr(GError) error = NULL;
    guint64 before, stood_ns = 0;
    gboolean running;
    guint n;

    if (is_missing(fixture))
        return;
    pause = vmm_pause_begin(fixture->machine, &error);
    g_assert_no_error(error);
    vcpus = vmm_pause_vcpus(pause, &n);
    g_assert_cmpuint(n, ==, N_VCPUS);
    for (guint i = 0; i < n; i++) {
        g_assert_cmphex(vcpus[i].rip, >=, 0x100000);
        g_assert_cmphex(vcpus[i].rip, <, fixture->table.spare);
        g_assert_cmphex(vcpus[i].gpr[VMM_RDI], ==, i);
        g_assert_cmphex(vcpus[i].cr3, !=, 0);
        g_assert_cmphex(vcpus[i].efer & VMM_EFER_LMA, !=, 0);
    }
    before = kvm_guest_sum(fixture->guest, fixture->machine, fixture->table.old_counts);
    other = kvm_guest_open(fixture->guest);
    g_assert_true(vmm_machine_is_running(other, &running, NULL, NULL));
    g_assert_false(running);
    g_assert_null(vmm_pause_begin(other, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BUSY);
    vmm_machine_free(other);
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, fixture->table.old_counts), ==, before);
    g_assert_true(vmm_pause_end(pause, &stood_ns, NULL));
    g_assert_cmpuint(stood_ns, >, 0);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

/* Each vCPU takes one, and not before the guest goes on. */
static void
test_nmi(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmmPause *pause;

    if (is_missing(fixture))
        return;
    pause = vmm_pause_begin(fixture->machine, &error);
    g_assert_no_error(error);
    g_assert_true(vmm_pause_inject_nmi(pause, &error));
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, fixture->table.nmi_counts), ==, 0);
    g_assert_true(vmm_pause_end(pause, NULL, NULL));
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, fixture->table.nmi_counts), ==, N_VCPUS);
}

/* A pause that follows on another one, before the vCPUs have begun to run again. */
static void
test_close_together(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (is_missing(fixture))
        return;
    for (guint i = 0; i < ROUNDS; i++) {
        vmm_pause_free(vmm_pause_begin(fixture->machine, &error));
        g_assert_no_error(error);
    }
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

/* A write of more than a packet, in odd pieces. */
static void
test_long_write(Fixture *fixture, gconstpointer data)
{
    enum { PIECES = 50, STEP = 5000, AT = 0x400000 };
    g_autofree guint8 *bytes = g_malloc(PIECES * STEP), *seen = g_malloc(PIECES * STEP);
    VmmChunk chunks[PIECES];

    if (is_missing(fixture))
        return;
    for (guint i = 0; i < PIECES * STEP; i++)
        bytes[i] = g_test_rand_int();
    for (guint i = 0; i < PIECES; i++)
        chunks[i] = (VmmChunk) { guest_pa(AT + i * STEP), bytes + i * STEP, STEP };
    write_in_a_pause(fixture, chunks, PIECES);
    g_assert_true(vmm_read(vmm_machine_reader(fixture->machine), guest_pa(AT), seen, PIECES * STEP, NULL));
    g_assert_cmpmem(bytes, PIECES * STEP, seen, PIECES * STEP);
}

/* Runs FUNC in a process of its own, which is killed when it has said that it is ready. */
static void
be_killed(void (*func)(Fixture *), Fixture *fixture)
{
    int ready[2];
    pid_t pid;
    char byte;

    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    if (pid == 0) {
        func(fixture);
        _exit(write(ready[1], "r", 1) == 1 && pause() != 0);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void
pause_and_write(Fixture *fixture)
{
    VmmPause *pause = vmm_pause_begin(kvm_guest_open(fixture->guest), NULL);
    const VmmChunk chunk = { guest_pa(fixture->table.spare), "left", 4 };

    if (pause == NULL || !vmm_pause_write(pause, &chunk, 1, NULL))
        _exit(1);
}

static void
test_client_dies(Fixture *fixture, gconstpointer data)
{
    char seen[4];

    if (is_missing(fixture))
        return;
    be_killed(pause_and_write, fixture);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    g_assert_true(vmm_read(vmm_machine_reader(fixture->machine), guest_pa(fixture->table.spare), seen, 4, NULL));
    g_assert_cmpmem(seen, 4, "left", 4);
}

/* Leaves a will that puts DONE behind what is half done, and half does it; the caller has to end the pause. */
static VmmPause *
half_do(VmmMachine *machine, guint64 spare)
{
    const VmmChunk half = { guest_pa(spare), "half", 4 }, done = { guest_pa(spare + 8), "done", 4 };
    g_autoptr(GError) error = NULL;
    VmmPause *pause = NULL;

    g_assert_true(vmm_machine_claim(machine, &error));
    g_assert_true(vmm_machine_set_will(machine, &half, &done, 1, &error));
    pause = vmm_pause_begin(machine, &error);
    g_assert_no_error(error);
    g_assert_true(vmm_pause_write(pause, &half, 1, &error));
    return pause;
}

static void
half_do_and_wait(Fixture *fixture)
{
    half_do(kvm_guest_open(fixture->guest), fixture->table.spare);
}

static void
assert_bytes(const Fixture *fixture, guint64 pa, const char *expected)
{
    char seen[4];

    /* Counters that go on tell that the machine is through with the client that has left. */
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    g_assert_true(vmm_read(vmm_machine_reader(fixture->machine), guest_pa(pa), seen, 4, NULL));
    g_assert_cmpmem(seen, 4, expected, 4);
}

static void
test_client_with_a_will_dies(Fixture *fixture, gconstpointer data)
{
    if (is_missing(fixture))
        return;
    be_killed(half_do_and_wait, fixture);
    assert_bytes(fixture, fixture->table.spare + 8, "done");
}

static void
test_will_is_withdrawn(Fixture *fixture, gconstpointer data)
{
    VmmMachine *machine = NULL;

    if (is_missing(fixture))
        return;
    machine = kvm_guest_open(fixture->guest);
    vmm_pause_free(half_do(machine, fixture->table.spare));
    g_assert_true(vmm_machine_set_will(machine, NULL, NULL, 0, NULL));
    vmm_machine_free(machine);
    assert_bytes(fixture, fixture->table.spare + 8, "\xcc\xcc\xcc\xcc");
}

static void
test_abandoned(Fixture *fixture, gconstpointer data)
{
    VmmMachine *machine = NULL;

    if (is_missing(fixture))
        return;
    machine = kvm_guest_open(fixture->guest);
    vmm_pause_abandon(half_do(machine, fixture->table.spare));
    vmm_machine_free(machine);
    assert_bytes(fixture, fixture->table.spare + 8, "done");
}

static void
test_claim(Fixture *fixture, gconstpointer data)
{
    VmmMachine *other = NULL;
    g_autoptr(GError) error = NULL;

    if (is_missing(fixture))
        return;
    other = kvm_guest_open(fixture->guest);
    g_assert_true(vmm_machine_claim(other, NULL));
    g_assert_false(vmm_machine_claim(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BUSY);
    vmm_machine_free(other);
    /* The machine notices the end of one client before it answers another one that asks later. */
    g_assert_true(vmm_machine_is_running(fixture->machine, &(gboolean) { FALSE }, NULL, NULL));
    g_assert_true(vmm_machine_claim(fixture->machine, NULL));
}

/* The protocol without the backend: what a peer can send. */
static gboolean
talk(int fd, guint32 request, guint64 value, const void *payload, gsize length, VmmKvmHeader *answer)
{
    VmmKvmHeader header = { request, 0, value };
    g_autofree guint8 *packet = g_malloc(sizeof header + length);
    guint8 reply[8192];

    memcpy(packet, &header, sizeof header);
    if (length > 0)
        memcpy(packet + sizeof header, payload, length);
    if (send(fd, packet, sizeof header + length, MSG_NOSIGNAL) < 0
        || recv(fd, reply, sizeof reply, 0) < (ssize_t)sizeof *answer)
        return FALSE;
    memcpy(answer, reply, sizeof *answer);
    return TRUE;
}

static guint32
status_of(int fd, guint32 request, const void *payload, gsize length)
{
    VmmKvmHeader answer;

    g_assert_true(talk(fd, request, 0, payload, length, &answer));
    g_assert_cmpuint(answer.request, ==, request);
    return answer.status;
}

static int
connect_raw(const Fixture *fixture)
{
    int fd = vmm_socket_connect_packets(fixture->guest->socket, NULL);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

typedef struct {
    VmmKvmPiece piece;
    char bytes[4];
} __attribute__((packed)) Piece;

static void
leave_a_will(const Fixture *fixture, const char *proof, gboolean taken_back)
{
    guint64 spare = fixture->table.spare;
    VMM_AUTO_FD int fd = connect_raw(fixture);
    Piece will[] = { { { spare, 4 }, "" }, { { spare + 8, 4 }, "done" } };
    const Piece half = { { spare, 4 }, "half" };

    memcpy(will[0].bytes, proof, 4);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WILL_ADD, will, sizeof will), ==, VMM_KVM_OK);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WILL_SET, NULL, 0), ==, VMM_KVM_OK);
    g_assert_cmpuint(status_of(fd, VMM_KVM_PAUSE, NULL, 0), ==, VMM_KVM_OK);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &half, sizeof half), ==, VMM_KVM_OK);
    if (taken_back)
        g_assert_cmpuint(status_of(fd, VMM_KVM_WILL_SET, NULL, 0), ==, VMM_KVM_OK);
}

static void
test_last_will(Fixture *fixture, gconstpointer data)
{
    if (is_missing(fixture))
        return;
    leave_a_will(fixture, "half", TRUE);
    assert_bytes(fixture, fixture->table.spare + 8, "\xcc\xcc\xcc\xcc");
    leave_a_will(fixture, "else", FALSE);
    assert_bytes(fixture, fixture->table.spare + 8, "\xcc\xcc\xcc\xcc");
    leave_a_will(fixture, "half", FALSE);
    assert_bytes(fixture, fixture->table.spare + 8, "done");
}

static void
test_bad_requests(Fixture *fixture, gconstpointer data)
{
    VMM_AUTO_FD int fd = -1;
    VmmKvmHeader answer;
    const Piece beyond = { { 1ULL << 40, 4 }, "" }, overflowing = { { G_MAXUINT64 - 1, 4 }, "" };
    const Piece cut_off = { { 0x1000, 5 }, "" }, endless = { { 0x1000, G_MAXUINT64 }, "" };

    if (is_missing(fixture))
        return;
    fd = connect_raw(fixture);
    g_assert_cmpuint(status_of(fd, 99, NULL, 0), ==, VMM_KVM_REFUSED);
    g_assert_cmpuint(status_of(fd, VMM_KVM_RESUME, NULL, 0), ==, VMM_KVM_REFUSED);
    g_assert_cmpuint(status_of(fd, VMM_KVM_INJECT_NMI, NULL, 0), ==, VMM_KVM_REFUSED);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &cut_off, sizeof cut_off), ==, VMM_KVM_REFUSED);
    g_assert_true(talk(fd, VMM_KVM_PEEK, N_VCPUS, NULL, 0, &answer));
    g_assert_cmpuint(answer.status, ==, VMM_KVM_REFUSED);
    g_assert_true(talk(fd, VMM_KVM_HELLO, 2, NULL, 0, &answer));
    g_assert_cmpuint(answer.status, ==, VMM_KVM_REFUSED);
    g_assert_cmpuint(status_of(fd, VMM_KVM_PAUSE, NULL, 0), ==, VMM_KVM_OK);
    g_assert_cmpuint(status_of(fd, VMM_KVM_PAUSE, NULL, 0), ==, VMM_KVM_BUSY);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &beyond, sizeof beyond), ==, VMM_KVM_BAD_ADDRESS);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &overflowing, sizeof overflowing), ==, VMM_KVM_BAD_ADDRESS);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &cut_off, sizeof cut_off), ==, VMM_KVM_BAD_ADDRESS);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, &endless, sizeof endless), ==, VMM_KVM_BAD_ADDRESS);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WILL_ADD, &beyond, sizeof beyond), ==, VMM_KVM_BAD_ADDRESS);
    g_assert_cmpuint(status_of(fd, VMM_KVM_WRITE, "short", 5), ==, VMM_KVM_BAD_ADDRESS);
    /* Less than a header: it hangs up, and the guest runs on. */
    g_assert_cmpint(send(fd, "x", 1, 0), ==, 1);
    g_assert_cmpint(recv(fd, &answer, sizeof answer, 0), ==, 0);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

static void
assert_gone(Fixture *fixture, VmmPause *pause, int code)
{
    const VmmChunk chunk = { guest_pa(fixture->table.spare), "late", 4 };
    gint64 start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    char byte;

    g_assert_false(vmm_pause_write(pause, &chunk, 1, &error));
    g_assert_error(error, VMM_ERROR, code);
    g_clear_error(&error);
    g_assert_false(vmm_pause_end(pause, NULL, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_clear_error(&error);
    g_assert_false(vmm_read(vmm_machine_reader(fixture->machine), guest_pa(0x1000), &byte, 1, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_clear_error(&error);
    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_LOST);
    g_assert_cmpint(g_get_monotonic_time() - start, <, SECONDS_FOR_AN_ERROR * G_USEC_PER_SEC);
}

static void
test_machine_is_killed(Fixture *fixture, gconstpointer data)
{
    VmmPause *pause;
    siginfo_t info;

    if (is_missing(fixture))
        return;
    pause = vmm_pause_begin(fixture->machine, NULL);
    g_assert_nonnull(pause);
    kill(fixture->guest->pid, SIGKILL);
    g_assert_cmpint(waitid(P_PID, fixture->guest->pid, &info, WEXITED | WNOWAIT), ==, 0);
    assert_gone(fixture, pause, VMM_ERROR_LOST);
}

static void
test_machine_is_stopped(Fixture *fixture, gconstpointer data)
{
    VmmPause *pause;
    int status;

    if (is_missing(fixture))
        return;
    pause = vmm_pause_begin(fixture->machine, NULL);
    g_assert_nonnull(pause);
    kill(fixture->guest->pid, SIGSTOP);
    g_assert_cmpint(waitpid(fixture->guest->pid, &status, WUNTRACED), ==, fixture->guest->pid);
    assert_gone(fixture, pause, VMM_ERROR_UNREACHABLE);
    kill(fixture->guest->pid, SIGCONT);
    vmm_machine_free(fixture->machine);
    fixture->machine = kvm_guest_open(fixture->guest);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

/* Where KVM does not deliver it, the machine does. And a guest that resets its machine ends it. */
static void
test_software_interrupt(void)
{
    g_autofree char *machine = g_build_filename(g_test_get_dir(G_TEST_BUILT), "../../virt-livepatch-kvm", NULL);
    g_autofree char *kernel = g_build_filename(g_test_get_dir(G_TEST_BUILT), "int3-guest", NULL);
    const char *const argv[] = { machine, "--bare", "--memory", "16", kernel, NULL };
    g_autofree char *said = NULL, *complaint = NULL;
    int status;

    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        g_test_skip("there is no /dev/kvm");
        return;
    }
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &said, &complaint, &status, NULL));
    g_assert_cmpstr(complaint, ==, "");
    g_assert_cmpstr(said, ==, "3r");
    g_assert_cmpint(status, ==, 0);
}

static void
test_ends_as_it_should(Fixture *fixture, gconstpointer data)
{
    if (is_missing(fixture))
        return;
    g_clear_pointer(&fixture->machine, vmm_machine_free);
    g_assert_cmpint(kvm_guest_free(g_steal_pointer(&fixture->guest)), ==, 0);
}

/* Its helper dies instead, at any moment of what it does: the guest's process must not find out. */
static void
kill_helper_after(const Fixture *fixture, gint64 us)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
    g_autofree char *text = NULL;
    VmmMachine *machine = kvm_guest_open(fixture->guest);
    g_auto(GStrv) children = NULL;
    pid_t killer;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    children = g_strsplit(g_strstrip(text), " ", -1);
    killer = fork();
    if (killer == 0) {
        g_usleep(us);
        _exit(kill(atoi(children[g_strv_length(children) - 1]), SIGKILL) != 0);
    }
    for (VmmPause *pause; (pause = vmm_pause_begin(machine, NULL)) != NULL;)
        if (!vmm_pause_end(pause, NULL, NULL))
            break;
    g_assert_cmpint(waitpid(killer, NULL, 0), ==, killer);
    vmm_machine_free(machine);
}

static void
test_helper_is_killed(Fixture *fixture, gconstpointer data)
{
    if (is_missing(fixture))
        return;
    for (guint i = 0; i < HELPERS; i++) {
        kill_helper_after(fixture, g_test_rand_int_range(0, 5000));
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    }
    g_assert_cmpuint(kvm_guest_sum(fixture->guest, fixture->machine, fixture->table.wrong_counts), ==, 0);
}

/* Somebody who stopped it may rely on that. */
static void
test_stopped_stranger(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gboolean running = TRUE;
    int status;

    if (is_missing(fixture))
        return;
    kill(fixture->guest->pid, SIGSTOP);
    g_assert_cmpint(waitpid(fixture->guest->pid, &status, WUNTRACED), ==, fixture->guest->pid);
    g_assert_true(vmm_machine_is_running(fixture->machine, &running, NULL, NULL));
    g_assert_false(running);
    g_assert_null(vmm_pause_begin(fixture->machine, &error));
    g_assert_error(error, VMM_ERROR, VMM_ERROR_BUSY);
    kill(fixture->guest->pid, SIGCONT);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    vmm_pause_free(vmm_pause_begin(fixture->machine, NULL));
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

/* Stopped while we hold it, it stays stopped when we let go. */
static void
test_stopped_in_a_pause(Fixture *fixture, gconstpointer data)
{
    VmmPause *pause = NULL;
    int status;

    if (is_missing(fixture))
        return;
    pause = vmm_pause_begin(fixture->machine, NULL);
    g_assert_nonnull(pause);
    kill(fixture->guest->pid, SIGSTOP);
    g_assert_true(vmm_pause_end(pause, NULL, NULL));
    g_assert_cmpint(waitpid(fixture->guest->pid, &status, WUNTRACED), ==, fixture->guest->pid);
    g_assert_true(WIFSTOPPED(status));
    kill(fixture->guest->pid, SIGCONT);
    g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
}

/* Whoever migrates the machine would not see what is written from outside. */
static void
test_migrated(Fixture *fixture, gconstpointer data)
{
    const VmmChunk chunk = { { fixture->table.spare }, replacement, sizeof replacement };
    g_autoptr(GError) error = NULL;
    guint8 seen[sizeof replacement];
    VmmPause *pause = NULL;

    if (is_missing(fixture))
        return;
    for (gint logged = 1; logged >= 0; logged--) {
        dirty_log_set(fixture->guest->pid, logged);
        pause = vmm_pause_begin(fixture->machine, &error);
        g_assert_no_error(error);
        g_assert_cmpint(vmm_pause_write(pause, &chunk, 1, &error), ==, !logged);
        g_assert_true(logged ? g_error_matches(error, VMM_ERROR, VMM_ERROR_BUSY) : error == NULL);
        g_clear_error(&error);
        g_assert_true(vmm_read(vmm_machine_reader(fixture->machine), chunk.pa, seen, sizeof seen, NULL));
        g_assert_cmpint(memcmp(seen, replacement, sizeof seen) == 0, ==, !logged);
        g_assert_true(vmm_pause_end(pause, NULL, NULL));
        g_assert_true(kvm_guest_counts(fixture->guest, fixture->machine, fixture->table.old_counts));
    }
}

static void
assert_no_machine(const char *guest, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmm_machine_open(guest, NULL, &error));
    g_assert_error(error, VMM_ERROR, code);
}

static void
test_no_stranger(void)
{
    g_autofree char *ourselves = g_strdup_printf("pid:%d", (int)getpid());

    assert_no_machine(ourselves, VMM_ERROR_NOT_FOUND);
    assert_no_machine("pid:", VMM_ERROR_USAGE);
    assert_no_machine("pid:-1", VMM_ERROR_USAGE);
    assert_no_machine("pid:12x", VMM_ERROR_USAGE);
    assert_no_machine("pid:2147483646", VMM_ERROR_LOST);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vmm/kvm/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("thousand-times", test_thousand_times);
    ADD("paused", test_paused);
    ADD("nmi", test_nmi);
    ADD("close-together", test_close_together);
    ADD("saved", test_saved);
    ADD("long-write", test_long_write);
    ADD("client-dies", test_client_dies);
    ADD("client-with-a-will-dies", test_client_with_a_will_dies);
    ADD("will-is-withdrawn", test_will_is_withdrawn);
    ADD("abandoned", test_abandoned);
    ADD("claim", test_claim);
    ADD("last-will", test_last_will);
    ADD("bad-requests", test_bad_requests);
    ADD("machine-is-killed", test_machine_is_killed);
    ADD("machine-is-stopped", test_machine_is_stopped);
    ADD("ends-as-it-should", test_ends_as_it_should);
    g_test_add_func("/vmm/kvm/software-interrupt", test_software_interrupt);
#undef ADD
#define ADD(name, func) g_test_add("/vmm/pid/" name, Fixture, "stranger", set_up, func, tear_down)
    ADD("many-times", test_thousand_times);
    ADD("nmi", test_nmi);
    ADD("paused", test_paused);
    ADD("long-write", test_long_write);
    ADD("client-dies", test_client_dies);
    ADD("client-with-a-will-dies", test_client_with_a_will_dies);
    ADD("will-is-withdrawn", test_will_is_withdrawn);
    ADD("abandoned", test_abandoned);
    ADD("claim", test_claim);
    ADD("machine-is-killed", test_machine_is_killed);
    ADD("helper-is-killed", test_helper_is_killed);
    ADD("stopped", test_stopped_stranger);
    ADD("stopped-in-a-pause", test_stopped_in_a_pause);
    ADD("migrated", test_migrated);
    ADD("ends-as-it-should", test_ends_as_it_should);
    g_test_add_func("/vmm/pid/none", test_no_stranger);
    return g_test_run();
}
