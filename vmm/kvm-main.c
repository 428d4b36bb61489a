/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-livepatch-kvm: a small virtual machine of its own, for tests, demonstrations and small appliances. It has memory,
 * vCPUs, a timer and a serial port, which is the terminal; no firmware, no PCI, no disk.
 */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/kvm-control.h"
#include "vmm/kvm-load.h"
#include "vmm/kvm-serial.h"
#include "vmm/kvm-state.h"
#include "vmm/socket.h"

#define MIN_MEMORY_MIB 2
#define MAX_MEMORY_MIB (1 << 20)
#define ESCAPE 1            /* Ctrl-A */

typedef struct {
    VmmLoadOrder load;
    char *initrd, *append, *control, *without, *save, *restore;
    int memory_mib, n_vcpus;
} Options;

typedef struct {
    VmmVm *vm;
    VmmSerial *serial;
    VmmControl *control;        /* may be NULL */
    int signal_fd;
    gboolean input_open, escaped, signalled;
} Session;

static struct termios terminal_before;
static gboolean terminal_is_raw;

static void
restore_terminal(void)
{
    if (terminal_is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

/* Keys go to the guest, Ctrl-C too; Ctrl-A x ends it. */
static void
make_terminal_raw(void)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal_before) != 0)
        return;
    raw = terminal_before;
    cfmakeraw(&raw);
    raw.c_oflag = terminal_before.c_oflag;
    terminal_is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static int
open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);       /* the vCPUs' own; nobody else's matter */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigdelset(&set, SIGUSR1);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
take_input(Session *session)
{
    char bytes[256];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        session->input_open = FALSE;
    for (ssize_t i = 0; i < n; i++) {
        if (session->escaped && bytes[i] == 'x') {
            vmm_vm_end(session->vm, NULL);
            return;
        }
        session->escaped = !session->escaped && terminal_is_raw && bytes[i] == ESCAPE;
        if (!session->escaped)
            vmm_serial_input(session->serial, &bytes[i], 1);
    }
}

static void
serve(Session *session)
{
    struct pollfd fds[3 + VMM_CONTROL_MAX_FDS];
    guint n = 0;

    for (;;) {
        fds[0] = (struct pollfd) { vmm_vm_end_fd(session->vm), POLLIN, 0 };
        fds[1] = (struct pollfd) { session->signal_fd, POLLIN, 0 };
        fds[2] = (struct pollfd) { session->input_open ? STDIN_FILENO : -1, POLLIN, 0 };
        n = session->control != NULL ? vmm_control_fds(session->control, fds + 3) : 0;
        if (poll(fds, 3 + n, session->control != NULL ? vmm_control_timeout_ms(session->control) : -1) < 0)
            continue;
        session->signalled = fds[0].revents == 0 && fds[1].revents != 0;
        if (fds[0].revents != 0 || session->signalled)
            return;
        if (fds[2].revents != 0)
            take_input(session);
        if (session->control != NULL)
            vmm_control_serve(session->control, fds + 3, n);
    }
}

static gboolean
run(const Options *options, GError **error)
{
    g_autoptr(VmmSerial) serial = vmm_serial_new(STDOUT_FILENO);
    VmmVmSetup setup = {
        .n_vcpus = options->n_vcpus, .memory_bytes = (guint64)options->memory_mib << 20, .without = options->without,
        .port = vmm_serial_port, .devices = serial,
    };
    g_autoptr(VmmState) state = NULL;
    g_autoptr(VmmVm) vm = NULL;
    VmmControlled machine;
    g_autoptr(VmmControl) control = NULL;
    VMM_AUTO_FD int signal_fd = open_signals();
    Session session = { .serial = serial, .signal_fd = signal_fd, .input_open = TRUE };

    if (options->restore != NULL) {
        state = vmm_state_open(options->restore, error);
        if (state == NULL)
            return FALSE;
        vmm_state_describe(state, &setup);
    }
    vm = vmm_vm_new(&setup, error);
    if (vm == NULL)
        return FALSE;
    vmm_serial_connect(serial, vm);
    if (state != NULL ? !vmm_state_load(state, vm, serial, error) : !vmm_load(vm, &options->load, error))
        return FALSE;
    if (options->control != NULL) {
        if (!vmm_vm_describe(vm, &machine, error))
            return FALSE;
        control = vmm_control_new(&machine);
        if (!vmm_control_listen(control, options->control, error))
            return FALSE;
    }
    session.vm = vm;
    session.control = control;
    make_terminal_raw();
    vmm_vm_start(vm);
    serve(&session);
    restore_terminal();
    if (session.signalled && options->save != NULL) {
        /* Whoever is at work on the guest is dropped first, and what that leaves is what is saved. */
        g_clear_pointer(&control, vmm_control_free);
        return vmm_state_save(vm, serial, setup.without, options->save, error);
    }
    if (vmm_vm_end_reason(vm) == NULL)
        return TRUE;
    g_set_error_literal(error, VMM_ERROR, VMM_ERROR_LOST, vmm_vm_end_reason(vm));
    return FALSE;
}

static gboolean
parse(int argc, char **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        { "memory", 'm', 0, G_OPTION_ARG_INT, &options->memory_mib, "memory in MiB (256)", "MIB" },
        { "vcpus", 's', 0, G_OPTION_ARG_INT, &options->n_vcpus, "number of vCPUs (1)", "N" },
        { "initrd", 'i', 0, G_OPTION_ARG_FILENAME, &options->initrd, "initial file system", "FILE" },
        { "append", 'a', 0, G_OPTION_ARG_STRING, &options->append, "the kernel's command line", "TEXT" },
        { "control", 'c', 0, G_OPTION_ARG_FILENAME, &options->control, "control socket, for kvm:SOCKET", "SOCKET" },
        { "bare", 'b', 0, G_OPTION_ARG_NONE, &options->load.is_bare, "the kernel is a bare-metal ELF file", NULL },
        { "save", 0, 0, G_OPTION_ARG_FILENAME, &options->save, "when a signal ends the machine, save it in a new file",
          "FILE" },
        { "restore", 'r', 0, G_OPTION_ARG_FILENAME, &options->restore, "go on with a machine that was saved; no KERNEL",
          "FILE" },
        { "without", 'w', 0, G_OPTION_ARG_STRING, &options->without, "processor features to leave out, by comma",
          "FEATURES" },
        G_OPTION_ENTRY_NULL
    };
    g_autoptr(GOptionContext) context = g_option_context_new("KERNEL");

    g_option_context_set_summary(context, "Boots KERNEL, a Linux bzImage or vmlinux, in a small virtual machine whose "
                                 "serial port is the terminal.");
    g_option_context_set_description(context, "Ctrl-A x ends the machine. Exit status: 0 when the guest or a signal "
                                     "ended it, and it was saved if it was to be, 1 when it failed, 2 for wrong usage.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc != (options->restore != NULL ? 1 : 2) || options->memory_mib < MIN_MEMORY_MIB || options->memory_mib > MAX_MEMORY_MIB
        || options->memory_mib % 2 != 0 || options->n_vcpus < 1 || options->n_vcpus > VMM_KVM_MAX_VCPUS) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "usage: virt-livepatch-kvm [OPTION...] KERNEL, with an even "
                    "number of MiB and 1 to %d vCPUs, or --restore FILE", VMM_KVM_MAX_VCPUS);
        return FALSE;
    }
    if (options->save != NULL && g_file_test(options->save, G_FILE_TEST_EXISTS)) {
        g_set_error(error, VMM_ERROR, VMM_ERROR_USAGE, "%s is there already, and would not be overwritten", options->save);
        return FALSE;
    }
    options->load.kernel = argv[1];
    options->load.initrd = options->initrd;
    options->load.command_line = options->append != NULL ? options->append : "console=ttyS0 reboot=k panic=-1";
    return TRUE;
}

int
main(int argc, char **argv)
{
    Options options = { .memory_mib = 256, .n_vcpus = 1 };
    g_autoptr(GError) error = NULL;
    gboolean done;

    setlocale(LC_ALL, "");
    done = parse(argc, argv, &options, &error) && run(&options, &error);
    g_free(options.initrd);
    g_free(options.append);
    g_free(options.control);
    g_free(options.without);
    g_free(options.save);
    g_free(options.restore);
    if (done)
        return 0;
    g_printerr("virt-livepatch-kvm: %s\n", error->message);
    return error->domain == G_OPTION_ERROR || g_error_matches(error, VMM_ERROR, VMM_ERROR_USAGE) ? 2 : 1;
}
