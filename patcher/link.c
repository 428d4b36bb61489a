/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/link.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"
#include "patcher/guestcode.h"

/* One piece, or a replacement that is copied into one. */
typedef struct {
    const IntroKernel *kernel;
    const PatchResolved *resolved;
    const GuestVa *piece_vas;
    const char *name;
} Linker;

guint64
patch_link_layout(const PatchObject *object, const PatchHome *homes, PatchHome home, guint64 offset, guint64 *piece_offsets)
{
    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];
        guint64 alignment = MAX(piece->alignment, 1);

        if (homes[i] != home)
            continue;
        offset = (offset + alignment - 1) / alignment * alignment;
        piece_offsets[i] = offset;
        offset += piece->size;
    }
    return offset;
}

static gboolean
store(const Linker *linker, const PatchFixup *fixup, guint64 value, guint8 *at, GError **error)
{
    guint64 field = GUINT64_TO_LE(value);
    gboolean fits;

    switch (fixup->type) {
    case R_X86_64_64:
    case R_X86_64_PC64:
        memcpy(at, &field, 8);
        return TRUE;
    case R_X86_64_32:
        fits = value == (guint32) value;
        break;
    default:
        fits = (gint64) value == (gint32) value;
        break;
    }
    if (!fits) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                    "the new code of %s cannot reach what it refers to from where there is room", linker->name);
        return FALSE;
    }
    memcpy(at, &field, 4);
    return TRUE;
}

static gboolean
is_relative(guint32 type)
{
    return type == R_X86_64_PC32 || type == R_X86_64_PLT32 || type == R_X86_64_PC64;
}

static gboolean
apply_fixup(const Linker *linker, const PatchFixup *fixup, guint8 *at, GuestVa va, GError **error)
{
    GuestVa target;

    if (fixup->target == PATCH_TARGET_PIECE)
        target = linker->piece_vas[fixup->index];
    else if (!patch_resolved_symbol(linker->resolved, fixup->index, &target, error))
        return FALSE;
    return store(linker, fixup, target + fixup->addend - (is_relative(fixup->type) ? va : 0), at, error);
}

/* The longest nops the kernel itself uses, from AT to END. */
static void
fill_nops(guint8 *at, guint8 *end)
{
    static const guint8 nops[9][8] = {
        { 0 }, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
    };

    while (at < end) {
        gsize size = MIN(8, end - at);

        memcpy(at, nops[size], size);
        at += size;
    }
}

/* A choice's feature word: the feature's number and, in the top bit of 16 (until 6.3) or the lowest of the upper half
 * (since 6.4), that it is meant for CPUs without it. */
static gboolean
is_wanted(const Linker *linker, guint32 feature, gboolean *wanted, GError **error)
{
    gboolean inverted = (feature & 0x8000) || (feature & 0x10000);
    gboolean has;

    if (!intro_kernel_has_cpu_feature(linker->kernel, feature & 0x7fff, &has, error))
        return FALSE;
    *wanted = has != inverted;
    return TRUE;
}

static gboolean
choose_alternative(const Linker *linker, const PatchSite *site, guint8 *bytes, GuestVa va, GError **error)
{
    guint8 *start = bytes + site->offset;

    for (guint i = 0; i < site->choices->len; i++) {
        const PatchChoice *choice = site->choices->pdata[i];
        gboolean wanted;

        if (!is_wanted(linker, choice->feature, &wanted, error))
            return FALSE;
        if (!wanted)
            continue;
        memcpy(start, choice->bytes->data, choice->bytes->len);
        fill_nops(start + choice->bytes->len, start + site->length);
        for (guint f = 0; f < choice->fixups->len; f++) {
            const PatchFixup *fixup = &g_array_index(choice->fixups, PatchFixup, f);

            if (!apply_fixup(linker, fixup, start + fixup->offset, va + site->offset + fixup->offset, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* Return sites end up as the kernel's own: a plain return, or a jump to the thunk that the guest's mitigations want.
 * The kernel names that thunk in x86_return_thunk; without that variable the thunk of the object is the only one. */
static gboolean
decide_return(const Linker *linker, const PatchSite *site, guint8 *bytes, GuestVa va, GError **error)
{
    const IntroSymbols *symbols = intro_kernel_symbols(linker->kernel);
    GuestVa variable, thunk, plain;
    gint32 distance;

    if (!intro_symbols_address(symbols, "x86_return_thunk", &variable, NULL) ||
        !intro_symbols_address(symbols, "__x86_return_thunk", &plain, NULL))
        return TRUE;
    if (!intro_space_read_u64(intro_kernel_space(linker->kernel), variable, &thunk, error))
        return FALSE;
    if (thunk == plain) {
        bytes[site->offset] = 0xc3;
        memset(bytes + site->offset + 1, 0xcc, site->length - 1);
        return TRUE;
    }
    if (!intro_kernel_is_text(linker->kernel, thunk)) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the guest's x86_return_thunk points outside its text");
        return FALSE;
    }
    distance = GINT32_TO_LE((gint32) (thunk - (va + site->offset + 5)));
    bytes[site->offset] = 0xe9;
    memcpy(bytes + site->offset + 1, &distance, sizeof distance);
    return TRUE;
}

static gboolean
decide_site(const Linker *linker, const PatchSite *site, guint8 *bytes, GuestVa va, GError **error)
{
    switch (site->kind) {
    case PATCH_SITE_RETURN:
        return decide_return(linker, site, bytes, va, error);
    case PATCH_SITE_ALTERNATIVE:
    case PATCH_SITE_PARAVIRT:
    case PATCH_SITE_SMP_LOCK:
    case PATCH_SITE_STATIC_CALL:
    case PATCH_SITE_RETPOLINE:
    case PATCH_SITE_ENDBR:
        return TRUE;    /* right as they are: slower than rewritten ones, by an indirection */
    case PATCH_SITE_FTRACE:
    case PATCH_SITE_JUMP_LABEL:
    case PATCH_SITE_RUNTIME_CONSTANT:
    case PATCH_N_SITE_KINDS:
        break;
    }
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the new code of %s contains a %s, which new code cannot "
                "have", linker->name, patch_site_kind_name(site->kind));
    return FALSE;
}

/* In the kernel's order: alternatives last, whatever they overlap. */
static gboolean
decide_sites(const Linker *linker, const GPtrArray *sites, guint8 *bytes, GuestVa va, GError **error)
{
    for (guint i = 0; i < sites->len; i++)
        if (!decide_site(linker, sites->pdata[i], bytes, va, error))
            return FALSE;
    for (guint i = 0; i < sites->len; i++) {
        const PatchSite *site = sites->pdata[i];

        if (site->kind == PATCH_SITE_ALTERNATIVE && !choose_alternative(linker, site, bytes, va, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
fill(const Linker *linker, const PatchCode *code, GuestVa va, guint8 *bytes, GError **error)
{
    memcpy(bytes, code->bytes->data, code->bytes->len);
    for (guint i = 0; i < code->fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(code->fixups, PatchFixup, i);

        if (!apply_fixup(linker, fixup, bytes + fixup->offset, va + fixup->offset, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
patch_link_value(const IntroKernel *kernel, const PatchResolved *resolved, const PatchCode *code, const char *name,
                 GuestVa va, const GuestVa *piece_vas, guint8 *bytes, GError **error)
{
    const Linker linker = { kernel, resolved, piece_vas, name };

    return fill(&linker, code, va, bytes, error);
}

gboolean
patch_link_piece(const IntroKernel *kernel, const PatchResolved *resolved, guint32 index, const GuestVa *piece_vas,
                 guint8 *bytes, GError **error)
{
    const PatchPiece *piece = patch_resolved_object(resolved)->pieces->pdata[index];
    const Linker linker = { kernel, resolved, piece_vas, piece->name };
    GuestVa va = piece_vas[index];

    memset(bytes, 0, piece->size);
    return fill(&linker, piece->code, va, bytes, error) && decide_sites(&linker, piece->code->sites, bytes, va, error);
}
