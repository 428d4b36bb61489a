/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/sites.h"

#include <elf.h>

#include "patcher/error.h"

#define THUNK_PREFIX "__x86_indirect_thunk_"

static gboolean
malformed(GError **error, const PatchTableEntry *entry)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "an entry of the section %s does not fit the code it speaks of",
                patch_table_name(entry->kind));
    return FALSE;
}

/* Bytes of a direct branch with a 32-bit displacement; 0 if it is none. */
static guint32
branch_length(const guint8 *bytes, guint64 left)
{
    guint32 prefix = left && bytes[0] == 0x2e ? 1 : 0;

    if (left < prefix + 5u)
        return 0;
    if (bytes[prefix] == 0xe8 || bytes[prefix] == 0xe9)
        return prefix + 5;
    if (bytes[prefix] == 0x0f && (bytes[prefix + 1] & 0xf0) == 0x80 && left >= prefix + 6u)
        return prefix + 6;
    return 0;
}

static gint
thunk_register(const char *name)
{
    static const char *const registers[] = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    };

    for (guint i = 0; g_str_has_prefix(name, THUNK_PREFIX) && i < G_N_ELEMENTS(registers); i++)
        if (g_str_equal(name + strlen(THUNK_PREFIX), registers[i]))
            return i;
    return -1;
}

static gboolean
retpoline_site(const PatchSiteSource *source, const PatchTableEntry *entry, const guint8 *bytes, guint64 left,
               PatchSite *site)
{
    const PatchElfSection *section = patch_elf_section(source->elf, entry->code_section);
    guint index = patch_elf_first_reloc(section, entry->code_offset);
    const PatchReloc *reloc;
    gint number;

    site->length = branch_length(bytes, left);
    if (!site->length || index >= section->relocs->len)
        return FALSE;
    reloc = &g_array_index(section->relocs, PatchReloc, index);
    if (reloc->offset >= entry->code_offset + site->length)
        return FALSE;
    number = thunk_register(patch_elf_symbol(source->elf, reloc->symbol)->name);
    site->arg = number;
    return number >= 0;
}

/* A jump label's target, if in other code, is told by a fixup: the code may be a nop as it stands. */
static gboolean
distant_jump(const PatchSiteSource *source, const PatchTableEntry *entry, PatchSite *site, PatchCode *code,
             GError **error)
{
    const PatchElfSection *section = patch_elf_section(source->elf, entry->code_section);
    guint index = patch_elf_first_reloc(section, entry->code_offset);
    PatchReloc reloc = *patch_table_reloc(source->elf, entry, 4);

    site->arg = PATCH_JUMP_BY_FIXUP;
    if (index < section->relocs->len &&
        g_array_index(section->relocs, PatchReloc, index).offset < entry->code_offset + site->length)
        return TRUE;
    if (site->length != 5)
        return malformed(error, entry);
    reloc.offset = entry->code_offset + 1;
    reloc.addend -= 4;
    reloc.tail = 4;
    reloc.is_branch = TRUE;
    return source->make_fixup(source->data, &reloc, site->offset + 1, code->fixups, error);
}

static gboolean
jump_site(const PatchSiteSource *source, const PatchTableEntry *entry, const guint8 *bytes, PatchSite *site,
          PatchCode *code, GError **error)
{
    guint32 target_section;
    guint64 target;

    if (!patch_table_field(source->elf, entry, 4, &target_section, &target))
        return malformed(error, entry);
    site->length = bytes[0] == 0xeb || bytes[0] == 0x66 ? 2 : 5;
    if (target_section != source->section || target < source->start || target >= source->start + source->size)
        return distant_jump(source, entry, site, code, error);
    site->arg = target - source->start;
    return TRUE;
}

static gboolean
add_choice(const PatchSiteSource *source, const PatchAlternative *alternative, PatchSite *site, GError **error)
{
    const PatchElfSection *section = patch_elf_section(source->elf, alternative->section);
    PatchChoice *choice = patch_choice_new(alternative->feature);

    g_ptr_array_add(site->choices, choice);
    g_byte_array_append(choice->bytes, section->data + alternative->offset, alternative->choice_length);
    for (guint i = patch_elf_first_reloc(section, alternative->offset); i < section->relocs->len; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);
        guint32 offset = reloc->offset - alternative->offset;

        if (offset >= alternative->choice_length)
            break;
        if (!source->make_fixup(source->data, reloc, offset, choice->fixups, error))
            return FALSE;
    }
    return TRUE;
}

/* Entries for one stretch of code come behind one another, and make one site. */
static gboolean
alternative_site(const PatchSiteSource *source, const PatchTableEntry *entry, guint32 offset, PatchCode *code,
                 GError **error)
{
    PatchSite *last = code->sites->len ? code->sites->pdata[code->sites->len - 1] : NULL;
    PatchAlternative alternative;

    if (!patch_table_alternative(source->elf, entry, &alternative, error))
        return FALSE;
    if (!alternative.length || offset + alternative.length > source->size)
        return malformed(error, entry);
    if (!last || last->kind != PATCH_SITE_ALTERNATIVE || last->offset != offset) {
        last = patch_site_new(PATCH_SITE_ALTERNATIVE, offset, alternative.length, 0);
        g_ptr_array_add(code->sites, last);
    }
    last->length = MAX(last->length, alternative.length);
    return add_choice(source, &alternative, last, error);
}

static gboolean
static_call_site(const PatchSiteSource *source, const PatchTableEntry *entry, PatchSite *site)
{
    const PatchReloc *key = patch_table_reloc(source->elf, entry, 4);

    site->arg = key && key->addend & 1;
    site->length = 5;
    return key != NULL;
}

/* What ENTRY of any other kind says; LEFT bytes of code are left at the place. A site of length 0: none. */
static gboolean
simple_site(const PatchSiteSource *source, const PatchTableEntry *entry, const guint8 *bytes, guint64 left,
            PatchSite *site)
{
    const guint8 *raw = patch_elf_section(source->elf, entry->section)->data + entry->offset;

    switch (entry->kind) {
    case PATCH_TABLE_MCOUNT:
        site->kind = PATCH_SITE_FTRACE;
        site->length = 5;
        return TRUE;
    case PATCH_TABLE_PARAVIRT:
        site->kind = PATCH_SITE_PARAVIRT;
        site->arg = raw[8];
        site->length = raw[9];
        return entry->size >= 10 && site->length;
    case PATCH_TABLE_SMP_LOCKS:
        site->kind = PATCH_SITE_SMP_LOCK;
        site->length = 1;
        return TRUE;
    case PATCH_TABLE_STATIC_CALLS:
        site->kind = PATCH_SITE_STATIC_CALL;
        return static_call_site(source, entry, site);
    case PATCH_TABLE_RETPOLINES:
        site->kind = PATCH_SITE_RETPOLINE;
        return retpoline_site(source, entry, bytes, left, site);
    case PATCH_TABLE_RETURNS:
        site->kind = PATCH_SITE_RETURN;
        site->length = branch_length(bytes, left);
        return site->length;
    case PATCH_TABLE_ENDBRS:
        site->kind = PATCH_SITE_ENDBR;
        site->length = 4;
        return TRUE;
    case PATCH_TABLE_RUNTIME_POINTERS:
        site->kind = PATCH_SITE_RUNTIME_CONSTANT;
        site->length = 8;
        return TRUE;
    case PATCH_TABLE_RUNTIME_SHIFTS:
        site->kind = PATCH_SITE_RUNTIME_CONSTANT;
        site->length = 1;
        return TRUE;
    case PATCH_TABLE_ALTERNATIVES:
    case PATCH_TABLE_JUMPS:
    case PATCH_TABLE_CALLS:
    case PATCH_TABLE_BUGS:
    case PATCH_TABLE_EXCEPTIONS:
    default:
        return TRUE;
    }
}

static gboolean
add_site(const PatchSiteSource *source, const PatchTableEntry *entry, PatchCode *code, GError **error)
{
    guint32 offset = entry->code_offset - source->start;
    const guint8 *bytes = code->bytes->data + offset;
    PatchSite site = { .offset = offset };
    PatchSite *added;

    if (entry->kind == PATCH_TABLE_ALTERNATIVES)
        return alternative_site(source, entry, offset, code, error);
    if (entry->kind == PATCH_TABLE_JUMPS) {
        site.kind = PATCH_SITE_JUMP_LABEL;
        if (!jump_site(source, entry, bytes, &site, code, error))
            return FALSE;
    } else if (!simple_site(source, entry, bytes, source->size - offset, &site)) {
        return malformed(error, entry);
    }
    if (!site.length)
        return TRUE;
    if (offset + site.length > source->size)
        return malformed(error, entry);
    added = patch_site_new(site.kind, site.offset, site.length, site.arg);
    g_ptr_array_add(code->sites, added);
    return TRUE;
}

gboolean
patch_sites_add(const PatchSiteSource *source, PatchCode *code, GError **error)
{
    for (guint i = patch_tables_first(source->entries, source->section, source->start); i < source->entries->len; i++) {
        const PatchTableEntry *entry = &g_array_index(source->entries, PatchTableEntry, i);

        if (entry->code_section != source->section || entry->code_offset >= source->start + source->size)
            break;
        if (!add_site(source, entry, code, error))
            return FALSE;
    }
    return TRUE;
}

static int
compare_fixups(gconstpointer a, gconstpointer b)
{
    guint32 first = ((const PatchFixup *) a)->offset, second = ((const PatchFixup *) b)->offset;

    return first < second ? -1 : first > second;
}

void
patch_sites_sort_fixups(PatchCode *code)
{
    g_array_sort(code->fixups, compare_fixups);
}

gboolean
patch_sites_copy(const PatchSiteSource *source, PatchCode *code, GError **error)
{
    const PatchElfSection *section = patch_elf_section(source->elf, source->section);
    guint end = patch_elf_first_reloc(section, source->start + source->size), at = code->bytes->len;

    g_byte_array_set_size(code->bytes, at + source->size);
    memset(code->bytes->data + at, 0, source->size);
    if (section->data)
        memcpy(code->bytes->data + at, section->data + source->start, source->size);
    for (guint i = patch_elf_first_reloc(section, source->start); i < end; i++) {
        const PatchReloc *reloc = &g_array_index(section->relocs, PatchReloc, i);

        if (!source->make_fixup(source->data, reloc, reloc->offset - source->start, code->fixups, error))
            return FALSE;
    }
    patch_sites_sort_fixups(code);
    return TRUE;
}
