/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/live/damage.h"

#include <stdlib.h>

typedef struct {
    GuestPa pa;
    GByteArray *bytes;
} Change;

void
damage_init(Damage *damage, VmmMachine *machine)
{
    *damage = (Damage) { .machine = machine, .changes = g_array_new(FALSE, FALSE, sizeof(Change)) };
}

GuestVa
damage_symbol(const Damage *damage, const char *name)
{
    GuestVa va = 0;

    if (!intro_symbols_address(intro_kernel_symbols(damage->kernel), name, &va, NULL))
        g_error("no symbol %s", name);
    return va;
}

gsize
damage_member(const Damage *damage, const char *type, const char *name)
{
    gsize offset = 0;

    if (!intro_btf_offset(intro_kernel_btf(damage->kernel), type, name, &offset, NULL))
        g_error("no member %s of %s", name, type);
    return offset;
}

GuestPa
damage_place(const Damage *damage, GuestVa va)
{
    g_autoptr(GError) error = NULL;
    IntroMapping mapping;

    if (!intro_space_translate(intro_kernel_space(damage->kernel), va, &mapping, &error))
        g_error("%s", error->message);
    return mapping.pa;
}

guint64
damage_word(const Damage *damage, GuestVa va)
{
    guint64 value = 0;

    if (!intro_space_read_u64(intro_kernel_space(damage->kernel), va, &value, NULL))
        g_error("cannot read 0x%" G_GINT64_MODIFIER "x", va);
    return value;
}

void
damage_add(Damage *damage, GuestPa pa, const void *bytes, guint length)
{
    Change change = { pa, g_byte_array_new() };

    g_byte_array_append(change.bytes, bytes, length);
    g_array_append_val(damage->changes, change);
}

void
damage_add_word(Damage *damage, GuestVa va, guint64 value)
{
    damage_add(damage, damage_place(damage, va), &value, sizeof value);
}

IntroHole
damage_unused(const Damage *damage, gboolean executable)
{
    g_autoptr(GArray) holes = intro_kernel_holes(damage->kernel, NULL);

    for (guint i = 0; holes != NULL && i < holes->len; i++)
        if (g_array_index(holes, IntroHole, i).executable == executable)
            return g_array_index(holes, IntroHole, i);
    g_error("there is no unused memory");
}

/* ---- Doing and undoing ---- */

gboolean
damage_do(const Damage *damage, GError **error)
{
    g_autoptr(VmmPause) pause = vmm_pause_begin(damage->machine, error);
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));

    for (guint i = 0; i < damage->changes->len; i++) {
        const Change *change = &g_array_index(damage->changes, Change, i);
        VmmChunk chunk = { change->pa, change->bytes->data, change->bytes->len };

        g_array_append_val(chunks, chunk);
    }
    return pause != NULL && vmm_pause_write(pause, (const VmmChunk *) chunks->data, chunks->len, error)
           && vmm_pause_end(g_steal_pointer(&pause), NULL, error);
}

gboolean
damage_note(const Damage *damage, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < damage->changes->len; i++) {
        const Change *change = &g_array_index(damage->changes, Change, i);
        g_autofree guint8 *before = g_malloc(change->bytes->len);

        if (!vmm_read(vmm_machine_reader(damage->machine), change->pa, before, change->bytes->len, error))
            return FALSE;
        g_string_append_printf(text, "%" G_GINT64_MODIFIER "x ", change->pa.value);
        for (guint n = 0; n < change->bytes->len; n++)
            g_string_append_printf(text, "%02x", before[n]);
        g_string_append_c(text, '\n');
    }
    return g_file_set_contents(path, text->str, -1, error);
}

gboolean
damage_read_noted(Damage *damage, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, error))
        return FALSE;
    lines = g_strsplit(g_strchomp(text), "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        char *at;
        guint64 pa = strtoull(lines[i], &at, 16);

        for (at++; at[0] != '\0'; at += 2) {
            const guint8 byte = (guint8) (g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));

            g_byte_array_append(bytes, &byte, 1);
        }
        damage_add(damage, guest_pa(pa), bytes->data, bytes->len);
    }
    return TRUE;
}
