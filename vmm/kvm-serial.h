/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of the embedded machine: a serial port (a 16450 at 0x3f8, interrupt 4), and a keyboard controller that
 * knows nothing but to reset the machine, which ends it.
 */
#ifndef VMM_KVM_SERIAL_H
#define VMM_KVM_SERIAL_H

#include "vmm/kvm-vm.h"

typedef struct VmmSerial VmmSerial;

/* What the guest sends is written to OUT_FD. */
VmmSerial *vmm_serial_new(int out_fd);
void vmm_serial_free(VmmSerial *serial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmSerial, vmm_serial_free)

/* To be called before the machine is started. */
void vmm_serial_connect(VmmSerial *serial, VmmVm *vm);

/* A VmmVmPort; the devices are the serial port. */
void vmm_serial_port(gpointer serial, guint16 port, gboolean is_write, guint8 *data, guint bytes);

/* Of the serial port, but for what the guest has not received yet. */
typedef struct {
    guint8 registers[8], divisor[2];
    guint8 sent_pending, line;
} VmmSerialState;

VmmSerialState vmm_serial_state(VmmSerial *serial);
void vmm_serial_set_state(VmmSerial *serial, const VmmSerialState *state);

/* For the guest to receive. What it leaves lying for too long is dropped. */
void vmm_serial_input(VmmSerial *serial, const char *bytes, gsize length);

#endif
