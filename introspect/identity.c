/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/identity.h"

#include <elf.h>
#include <string.h>

#include "introspect/cursor.h"

#define NOTE_ALIGNMENT 4
#define MAX_NOTES_BYTES (64 * 1024)
#define MAX_BUILD_ID_BYTES 64
#define MAX_CRASH_INFO_BYTES 4096

/* Where the image is linked to when CONFIG_PHYSICAL_START is not changed; it is looked at only in kernels that do not
 * tell their offset. */
#define DEFAULT_TEXT_START 0xffffffff81000000ULL

static char *
to_hex(const guint8 *bytes, gsize length)
{
    GString *hex = g_string_new(NULL);

    for (gsize i = 0; i < length; i++)
        g_string_append_printf(hex, "%02x", bytes[i]);
    return g_string_free(hex, FALSE);
}

char *
intro_identity_find_build_id(const guint8 *notes, gsize length)
{
    IntroCursor cursor = intro_cursor(notes, length);
    guint32 name_bytes, desc_bytes, type;
    const guint8 *name, *desc;

    while (intro_cursor_u32(&cursor, &name_bytes) && intro_cursor_u32(&cursor, &desc_bytes)
           && intro_cursor_u32(&cursor, &type)
           && intro_cursor_bytes(&cursor, name_bytes, &name) && intro_cursor_align(&cursor, NOTE_ALIGNMENT)
           && intro_cursor_bytes(&cursor, desc_bytes, &desc)) {
        if (type == NT_GNU_BUILD_ID && name_bytes == sizeof ELF_NOTE_GNU
            && memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 && desc_bytes <= MAX_BUILD_ID_BYTES)
            return to_hex(desc, desc_bytes);
        if (!intro_cursor_align(&cursor, NOTE_ALIGNMENT))
            break;
    }
    return NULL;
}

static char *
read_build_id(const IntroSpace *space, const IntroSymbols *symbols, GError **error)
{
    g_autofree guint8 *notes = NULL;
    char *build_id;
    GuestVa start, stop;

    if (!intro_symbols_address(symbols, "__start_notes", &start, NULL)
        || !intro_symbols_address(symbols, "__stop_notes", &stop, NULL) || stop <= start)
        return g_strdup("");
    if (stop - start > MAX_NOTES_BYTES) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT,
                    "the kernel's notes have an impossible length of %" G_GUINT64_FORMAT " bytes", stop - start);
        return NULL;
    }
    notes = g_malloc(stop - start);
    if (!intro_space_read(space, start, notes, stop - start, error))
        return NULL;
    build_id = intro_identity_find_build_id(notes, stop - start);
    return build_id != NULL ? build_id : g_strdup("");
}

static gboolean
is_text(const char *string)
{
    for (; *string != '\0'; string++)
        if (!g_ascii_isprint(*string))
            return FALSE;
    return TRUE;
}

static char *
read_uts_member(const IntroSpace *space, const IntroBtf *btf, GuestVa init_uts_ns, const char *path, GError **error)
{
    g_autofree char *string = NULL;
    IntroMember member;

    if (!intro_btf_member(btf, "uts_namespace", path, &member, error))
        return NULL;
    string = intro_space_read_string(space, init_uts_ns + member.offset_bits / 8, member.n_elements, error);
    if (string != NULL && !is_text(string)) {
        g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's %s is no text", path);
        return NULL;
    }
    return g_steal_pointer(&string);
}

/* The notes that a kernel keeps for reading its crash dump say by how much it was moved; FALSE if it keeps none. */
static gboolean
read_told_offset(const IntroSpace *space, const IntroSymbols *symbols, guint64 *offset)
{
    static const char key[] = "\nKERNELOFFSET=";
    char info[MAX_CRASH_INFO_BYTES + 1] = { 0 };
    GuestVa pointer, size_va, va;
    guint64 size;
    const char *found;

    if (!intro_symbols_address(symbols, "vmcoreinfo_data", &pointer, NULL)
        || !intro_symbols_address(symbols, "vmcoreinfo_size", &size_va, NULL)
        || !intro_space_read_u64(space, pointer, &va, NULL) || !intro_space_read_u64(space, size_va, &size, NULL)
        || !intro_space_read(space, va, info, MIN(size, MAX_CRASH_INFO_BYTES), NULL))
        return FALSE;
    found = strstr(info, key);
    if (found == NULL)
        return FALSE;
    *offset = g_ascii_strtoull(found + strlen(key), NULL, 16);
    return TRUE;
}

gboolean
intro_identity_read(const IntroSpace *space, const IntroSymbols *symbols, const IntroBtf *btf,
                    IntroIdentity *identity, GError **error)
{
    GuestVa init_uts_ns, text;

    if (!intro_symbols_address(symbols, "init_uts_ns", &init_uts_ns, error)
        || !intro_symbols_address(symbols, "_text", &text, error))
        return FALSE;
    identity->release = read_uts_member(space, btf, init_uts_ns, "name.release", error);
    if (identity->release == NULL)
        return FALSE;
    identity->version = read_uts_member(space, btf, init_uts_ns, "name.version", error);
    if (identity->version == NULL)
        return FALSE;
    identity->build_id = read_build_id(space, symbols, error);
    if (identity->build_id == NULL)
        return FALSE;
    if (!read_told_offset(space, symbols, &identity->kaslr_offset))
        identity->kaslr_offset = text - DEFAULT_TEXT_START;
    return TRUE;
}

void
intro_identity_clear(IntroIdentity *identity)
{
    g_clear_pointer(&identity->release, g_free);
    g_clear_pointer(&identity->version, g_free);
    g_clear_pointer(&identity->build_id, g_free);
}
