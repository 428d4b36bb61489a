/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-serial.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SERIAL_BASE 0x3f8
#define SERIAL_IRQ 4
#define KEYBOARD_DATA 0x60
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define MAX_WAITING 4096

enum { DATA, INTERRUPTS, IDENTIFICATION, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS, MODEM_STATUS, SCRATCH, N_REGISTERS };

#define INTERRUPT_RECEIVED 1
#define INTERRUPT_SENT 2
#define ID_NONE 1
#define ID_SENT 2
#define ID_RECEIVED 4
#define DIVISOR_ACCESS 0x80
#define LOOPBACK 0x10
#define STATUS_RECEIVED 1
#define STATUS_SENT 0x60
#define MODEM_READY 0xb0

struct VmmSerial {
    int out_fd;
    VmmVm *vm;
    GMutex lock;
    guint8 registers[N_REGISTERS];
    guint8 divisor[2];
    GString *input;
    gboolean sent_pending;      /* "may send" has not been told yet */
    gboolean line;
};

VmmSerial *
vmm_serial_new(int out_fd)
{
    VmmSerial *serial = g_new0(VmmSerial, 1);

    serial->out_fd = out_fd;
    serial->input = g_string_new(NULL);
    g_mutex_init(&serial->lock);
    return serial;
}

void
vmm_serial_free(VmmSerial *serial)
{
    if (serial == NULL)
        return;
    g_mutex_clear(&serial->lock);
    g_string_free(serial->input, TRUE);
    g_free(serial);
}

void
vmm_serial_connect(VmmSerial *serial, VmmVm *vm)
{
    serial->vm = vm;
}

static guint8
identify(const VmmSerial *serial)
{
    if ((serial->registers[INTERRUPTS] & INTERRUPT_RECEIVED) != 0 && serial->input->len > 0)
        return ID_RECEIVED;
    if ((serial->registers[INTERRUPTS] & INTERRUPT_SENT) != 0 && serial->sent_pending)
        return ID_SENT;
    return ID_NONE;
}

static void
update_line(VmmSerial *serial)
{
    gboolean line = identify(serial) != ID_NONE;

    if (line != serial->line)
        vmm_vm_set_irq(serial->vm, SERIAL_IRQ, line);
    serial->line = line;
}

static void
send_byte(VmmSerial *serial, guint8 byte)
{
    ssize_t n;

    if ((serial->registers[MODEM_CONTROL] & LOOPBACK) != 0) {
        g_string_append_c(serial->input, byte);
    } else {
        do
            n = write(serial->out_fd, &byte, 1);
        while (n < 0 && errno == EINTR);
    }
    serial->sent_pending = TRUE;
}

static void
write_register(VmmSerial *serial, guint number, guint8 value)
{
    gboolean divisor = (serial->registers[LINE_CONTROL] & DIVISOR_ACCESS) != 0;

    if (divisor && number <= INTERRUPTS) {
        serial->divisor[number] = value;
        return;
    }
    switch (number) {
    case DATA:
        send_byte(serial, value);
        return;
    case INTERRUPTS:
        serial->sent_pending |= (value & ~serial->registers[INTERRUPTS] & INTERRUPT_SENT) != 0;
        serial->registers[INTERRUPTS] = value & 0xf;
        return;
    case LINE_CONTROL:
    case MODEM_CONTROL:
    case SCRATCH:
        serial->registers[number] = value;
        return;
    default:
        return;
    }
}

static guint8
read_register(VmmSerial *serial, guint number)
{
    gboolean divisor = (serial->registers[LINE_CONTROL] & DIVISOR_ACCESS) != 0;
    guint8 value = 0;

    if (divisor && number <= INTERRUPTS)
        return serial->divisor[number];
    switch (number) {
    case DATA:
        if (serial->input->len > 0) {
            value = serial->input->str[0];
            g_string_erase(serial->input, 0, 1);
        }
        return value;
    case IDENTIFICATION:
        value = identify(serial);
        if (value == ID_SENT)
            serial->sent_pending = FALSE;
        return value;
    case LINE_STATUS:
        return STATUS_SENT | (serial->input->len > 0 ? STATUS_RECEIVED : 0);
    case MODEM_STATUS:
        if ((serial->registers[MODEM_CONTROL] & LOOPBACK) == 0)
            return MODEM_READY;
        value = serial->registers[MODEM_CONTROL];
        return (value & 2) << 3 | (value & 1) << 5 | (value & 0xc) << 4;
    default:
        return serial->registers[number];
    }
}

void
vmm_serial_port(gpointer devices, guint16 port, gboolean is_write, guint8 *data, guint bytes)
{
    VmmSerial *serial = devices;

    if (port >= SERIAL_BASE && port < SERIAL_BASE + N_REGISTERS) {
        g_mutex_lock(&serial->lock);
        if (is_write)
            write_register(serial, port - SERIAL_BASE, *data);
        else
            *data = read_register(serial, port - SERIAL_BASE);
        update_line(serial);
        g_mutex_unlock(&serial->lock);
    } else if (port == KEYBOARD_COMMAND && is_write && *data == KEYBOARD_RESET) {
        vmm_vm_end(serial->vm, NULL);
    } else if (!is_write && (port == KEYBOARD_COMMAND || port == KEYBOARD_DATA)) {
        memset(data, 0, bytes);     /* never busy */
    }
}

void
vmm_serial_input(VmmSerial *serial, const char *bytes, gsize length)
{
    g_mutex_lock(&serial->lock);
    g_string_append_len(serial->input, bytes, MIN(length, MAX_WAITING - MIN(serial->input->len, MAX_WAITING)));
    update_line(serial);
    g_mutex_unlock(&serial->lock);
}

VmmSerialState
vmm_serial_state(VmmSerial *serial)
{
    VmmSerialState state = { .sent_pending = serial->sent_pending, .line = serial->line };

    G_STATIC_ASSERT(sizeof state.registers == sizeof serial->registers);
    memcpy(state.registers, serial->registers, sizeof state.registers);
    memcpy(state.divisor, serial->divisor, sizeof state.divisor);
    return state;
}

void
vmm_serial_set_state(VmmSerial *serial, const VmmSerialState *state)
{
    memcpy(serial->registers, state->registers, sizeof serial->registers);
    memcpy(serial->divisor, state->divisor, sizeof serial->divisor);
    serial->sent_pending = state->sent_pending != 0;
    serial->line = state->line != 0;
}
