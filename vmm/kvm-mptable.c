/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/kvm-mptable.h"

#include <string.h>

#define LOCAL_APIC 0xfee00000U
#define IO_APIC 0xfec00000U
#define VERSION 0x14
#define ALL_APICS 0xff

enum { PROCESSOR, BUS, IOAPIC, IO_INTERRUPT, LOCAL_INTERRUPT };
enum { TYPE_INT, TYPE_NMI, TYPE_SMI, TYPE_EXTINT };

typedef struct {
    char signature[4];
    guint32 table_pa;
    guint8 length, version, checksum, features[5];
} Pointer;

typedef struct {
    char signature[4];
    guint16 length;
    guint8 version, checksum;
    char oem[8], product[12];
    guint32 oem_table;
    guint16 oem_length, n_entries;
    guint32 local_apic;
    guint16 extended_length;
    guint8 extended_checksum, reserved;
} Header;

typedef struct {
    guint8 type, apic_id, apic_version, flags;
    guint32 signature, features, reserved[2];
} Processor;

typedef struct {
    guint8 type, id;
    char name[6];
} Bus;

typedef struct {
    guint8 type, id, version, flags;
    guint32 address;
} IoApic;

typedef struct {
    guint8 type, interrupt;
    guint16 flags;
    guint8 bus, source, apic, pin;
} Interrupt;

G_STATIC_ASSERT(sizeof(Pointer) == 16 && sizeof(Header) == 44 && sizeof(Processor) == 20);

static guint8
checksum(const void *data, gsize length)
{
    guint8 sum = 0;

    for (gsize i = 0; i < length; i++)
        sum += ((const guint8 *)data)[i];
    return -sum;
}

static void
add_processors(GByteArray *table, guint n_vcpus)
{
    for (guint i = 0; i < n_vcpus; i++) {
        Processor processor = {
            .type = PROCESSOR, .apic_id = i, .apic_version = VERSION, .flags = 1 | (i == 0 ? 2 : 0),
            .signature = 0x600, .features = 0x201,
        };

        g_byte_array_append(table, (const guint8 *)&processor, sizeof processor);
    }
}

static void
add_interrupts(GByteArray *table, guint8 ioapic_id)
{
    const Interrupt local[] = {
        { LOCAL_INTERRUPT, TYPE_EXTINT, 0, 0, 0, ALL_APICS, 0 },
        { LOCAL_INTERRUPT, TYPE_NMI, 0, 0, 0, ALL_APICS, 1 },
    };

    for (guint irq = 0; irq < 16; irq++) {
        Interrupt interrupt = { IO_INTERRUPT, TYPE_INT, 0, 0, irq, ioapic_id, irq == 0 ? 2 : irq };

        if (irq != 2)       /* the cascade of the old controllers */
            g_byte_array_append(table, (const guint8 *)&interrupt, sizeof interrupt);
    }
    g_byte_array_append(table, (const guint8 *)local, sizeof local);
}

void
vmm_mptable_write(guint8 *bytes, guint32 pa, guint n_vcpus)
{
    Pointer pointer = { .signature = { '_', 'M', 'P', '_' }, .table_pa = pa + sizeof pointer, .length = 1, .version = 4 };
    Header header = {
        .signature = { 'P', 'C', 'M', 'P' }, .version = 4, .product = { [0 ... 11] = ' ' },
        .n_entries = n_vcpus + 1 + 1 + 15 + 2, .local_apic = LOCAL_APIC,
    };
    const Bus bus = { BUS, 0, { 'I', 'S', 'A', ' ', ' ', ' ' } };
    const IoApic ioapic = { IOAPIC, n_vcpus, 0x11, 1, IO_APIC };
    g_autoptr(GByteArray) table = g_byte_array_new();

    memset(header.oem, ' ', sizeof header.oem);
    g_byte_array_append(table, (const guint8 *)&header, sizeof header);
    add_processors(table, n_vcpus);
    g_byte_array_append(table, (const guint8 *)&bus, sizeof bus);
    g_byte_array_append(table, (const guint8 *)&ioapic, sizeof ioapic);
    add_interrupts(table, n_vcpus);
    header.length = table->len;
    memcpy(table->data, &header, sizeof header);
    table->data[G_STRUCT_OFFSET(Header, checksum)] = checksum(table->data, table->len);
    pointer.checksum = checksum(&pointer, sizeof pointer);
    memcpy(bytes, &pointer, sizeof pointer);
    memcpy(bytes + sizeof pointer, table->data, table->len);
}
