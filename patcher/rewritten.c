/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/rewritten.h"

#include <string.h>

#include "patcher/error.h"
#include "patcher/module.h"

/* Beyond any real guest. */
#define MAX_TABLE_BYTES (16 * 1024 * 1024)

#define FLAG_TRUE_BRANCH 1      /* of a jump label */
#define FLAG_TAIL_CALL 1        /* of a static call */
#define FLAG_SKIPPED 2          /* of both: "init" */
#define FLAGS 3

#define BRANCH_BYTES 5
enum { OP_CALL = 0xe8, OP_JMP = 0xe9, OP_JMP8 = 0xeb };

/* One of the kernel's tables, or a module's. */
typedef struct {
    PatchRewrittenKind kind;
    GuestVa va;
    guint64 length;             /* bytes */
    gsize entry_bytes, code, target, key;       /* of an entry; where its members are */
} Table;

/* ---- Finding ---- */

static gboolean
find_layout(const IntroBtf *btf, Table *table, GError **error)
{
    gboolean is_label = table->kind == PATCH_REWRITTEN_JUMP_LABEL;
    const char *type = is_label ? "jump_entry" : "static_call_site", *code = is_label ? "code" : "addr";
    IntroMember member;

    if (!intro_btf_size(btf, type, &table->entry_bytes, error) || !intro_btf_member(btf, type, code, &member, error) ||
        !intro_btf_offset(btf, type, code, &table->code, error) ||
        !intro_btf_offset(btf, type, "key", &table->key, error) ||
        (is_label && !intro_btf_offset(btf, type, "target", &table->target, error)))
        return FALSE;
    if (member.size_bits == 32 && table->entry_bytes > 0)
        return TRUE;
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "the guest's kernel has a struct %s of unknown form", type);
    return FALSE;
}

static gboolean
find_image_table(const IntroKernel *kernel, Table *table)
{
    gboolean is_label = table->kind == PATCH_REWRITTEN_JUMP_LABEL;
    const IntroSymbols *symbols = intro_kernel_symbols(kernel);
    GuestVa end;

    if (!intro_symbols_address(symbols, is_label ? "__start___jump_table" : "__start_static_call_sites", &table->va,
                               NULL) ||
        !intro_symbols_address(symbols, is_label ? "__stop___jump_table" : "__stop_static_call_sites", &end, NULL) ||
        end < table->va)
        return FALSE;
    table->length = end - table->va;
    return TRUE;
}

static gboolean
find_module_table(const IntroKernel *kernel, const IntroModule *module, Table *table, GError **error)
{
    gboolean is_label = table->kind == PATCH_REWRITTEN_JUMP_LABEL;
    const IntroBtf *btf = intro_kernel_btf(kernel);
    const IntroSpace *space = intro_kernel_space(kernel);
    gsize entries, count;
    guint32 n;

    if (!intro_btf_offset(btf, "module", is_label ? "jump_entries" : "static_call_sites", &entries, error) ||
        !intro_btf_offset(btf, "module", is_label ? "num_jump_entries" : "num_static_call_sites", &count, error) ||
        !intro_space_read_u64(space, module->module + entries, &table->va, error) ||
        !intro_space_read_u32(space, module->module + count, &n, error))
        return FALSE;
    table->length = (guint64) n * table->entry_bytes;
    return TRUE;
}

/* A kernel without such instructions has no table of them: *EXISTS is FALSE then. */
static gboolean
find_table(const IntroKernel *kernel, const char *module, Table *table, gboolean *exists, GError **error)
{
    const char *type = table->kind == PATCH_REWRITTEN_JUMP_LABEL ? "jump_entry" : "static_call_site";
    const IntroModule *found;

    *exists = FALSE;
    if (!intro_btf_has_member(intro_kernel_btf(kernel), type, "key") || (!*module && !find_image_table(kernel, table)))
        return TRUE;
    patch_module_state(kernel, module, &found);
    if (!find_layout(intro_kernel_btf(kernel), table, error) ||
        (found && !find_module_table(kernel, found, table, error)))
        return FALSE;
    if (table->length > MAX_TABLE_BYTES) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "the guest's table of struct %s is impossibly long", type);
        return FALSE;
    }
    *exists = table->length > 0;
    return TRUE;
}

static gint64
signed_field(const guint8 *at, gsize bytes)
{
    guint64 value = 0;

    memcpy(&value, at, bytes);
    return bytes == 4 ? (gint32) GUINT32_FROM_LE((guint32) value) : (gint64) GUINT64_FROM_LE(value);
}

static PatchRewritten
read_entry(const Table *table, const guint8 *entry, GuestVa va)
{
    gboolean is_label = table->kind == PATCH_REWRITTEN_JUMP_LABEL;
    gint64 key = signed_field(entry + table->key, is_label ? 8 : 4);
    PatchRewritten site = {
        .kind = table->kind, .entry = va, .va = va + table->code + signed_field(entry + table->code, 4),
        .flag_va = va + table->key, .flags = key & FLAGS, .key = (va + table->key + key) & ~(guint64) FLAGS,
    };

    if (is_label)
        site.target = va + table->target + signed_field(entry + table->target, 4);
    return site;
}

static gboolean
search_table(const IntroKernel *kernel, const Table *table, GuestVa va, guint64 length, GArray *found, GError **error)
{
    g_autofree guint8 *entries = g_try_malloc(table->length);

    if (!entries) {
        g_set_error(error, PATCH_ERROR, PATCH_ERROR_FAILED, "no memory for a table of the guest's kernel");
        return FALSE;
    }
    if (!intro_space_read(intro_kernel_space(kernel), table->va, entries, table->length, error))
        return FALSE;
    for (guint64 at = 0; at + table->entry_bytes <= table->length; at += table->entry_bytes) {
        PatchRewritten site = read_entry(table, entries + at, table->va + at);

        if (site.va >= va && site.va - va < length)
            g_array_append_val(found, site);
    }
    return TRUE;
}

GArray *
patch_rewritten_find(const IntroKernel *kernel, const char *module, GuestVa va, guint64 length, GError **error)
{
    static const PatchRewrittenKind kinds[] = { PATCH_REWRITTEN_JUMP_LABEL, PATCH_REWRITTEN_STATIC_CALL };
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(PatchRewritten));

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        Table table = { .kind = kinds[i] };
        gboolean exists;

        if (!find_table(kernel, module, &table, &exists, error) ||
            (exists && !search_table(kernel, &table, va, length, found, error)))
            return NULL;
    }
    return g_steal_pointer(&found);
}

gboolean
patch_rewritten_is_skipped(const PatchRewritten *site)
{
    return (site->flags & FLAG_SKIPPED) != 0;
}

/* ---- What has to be there ---- */

static gboolean
cannot_tell(const PatchRewritten *site, GError **error)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "what the kernel would have made of the %s at %#" G_GINT64_MODIFIER "x meanwhile cannot be told",
                site->kind == PATCH_REWRITTEN_JUMP_LABEL ? "jump label" : "static call", site->va);
    return FALSE;
}

static void
put_branch(guint8 *at, guint8 opcode, GuestVa va, GuestVa target)
{
    gint32 distance = GINT32_TO_LE((gint32) (target - (va + BRANCH_BYTES)));

    at[0] = opcode;
    memcpy(at + 1, &distance, sizeof distance);
}

static void
put_nop(guint8 *at, gsize bytes)
{
    static const guint8 nop2[] = { 0x66, 0x90 }, nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

    memcpy(at, bytes == 2 ? nop2 : nop5, bytes);
}

static gboolean
key_count(const IntroKernel *kernel, const PatchRewritten *site, GuestVa *va, gint32 *count, GError **error)
{
    guint32 value;
    gsize offset;

    if (!intro_btf_offset(intro_kernel_btf(kernel), "static_key", "enabled.counter", &offset, error) ||
        !intro_space_read_u32(intro_kernel_space(kernel), site->key + offset, &value, error))
        return FALSE;
    *va = site->key + offset;
    *count = (gint32) value;
    return TRUE;
}

/* A form of two bytes is told from one of five by its first: a short jump or the short nop. */
static gboolean
fill_jump_label(const IntroKernel *kernel, const PatchRewritten *site, guint8 *at, gsize room, GError **error)
{
    gsize bytes = at[0] == OP_JMP8 || at[0] == 0x66 ? 2 : BRANCH_BYTES;
    GuestVa count_va;
    gint32 count;

    if (!key_count(kernel, site, &count_va, &count, error))
        return FALSE;
    if (bytes > room)
        return cannot_tell(site, error);
    if ((count > 0) == ((site->flags & FLAG_TRUE_BRANCH) != 0)) {
        put_nop(at, bytes);
    } else if (bytes == 2) {
        at[0] = OP_JMP8;
        at[1] = (guint8) (site->target - (site->va + 2));
    } else {
        put_branch(at, OP_JMP, site->va, site->target);
    }
    return TRUE;
}

static gboolean
call_target(const IntroKernel *kernel, const PatchRewritten *site, GuestVa *va, GuestVa *target, GError **error)
{
    gsize offset;

    if (!intro_btf_offset(intro_kernel_btf(kernel), "static_call_key", "func", &offset, error) ||
        !intro_space_read_u64(intro_kernel_space(kernel), site->key + offset, target, error))
        return FALSE;
    *va = site->key + offset;
    return TRUE;
}

/* A call of a function that only returns 0 becomes an instruction that the kernel has by this name. */
static gboolean
fill_return_zero(const IntroKernel *kernel, const PatchRewritten *site, guint8 *at, GError **error)
{
    GuestVa va;

    return intro_symbols_address(intro_kernel_symbols(kernel), "xor5rax", &va, NULL)
               ? intro_space_read(intro_kernel_space(kernel), va, at, BRANCH_BYTES, error) : cannot_tell(site, error);
}

static gboolean
fill_static_call(const IntroKernel *kernel, const PatchRewritten *site, guint8 *at, gsize room, GError **error)
{
    gboolean is_tail = (site->flags & FLAG_TAIL_CALL) != 0;
    guint8 opcode = is_tail ? OP_JMP : OP_CALL;
    GuestVa va, target, return_zero = 0;

    if (!call_target(kernel, site, &va, &target, error))
        return FALSE;
    intro_symbols_address(intro_kernel_symbols(kernel), "__static_call_return0", &return_zero, NULL);
    if (room < BRANCH_BYTES || (is_tail && target == 0))
        return cannot_tell(site, error);
    if (target == 0)
        put_nop(at, BRANCH_BYTES);
    else if (target == return_zero && !is_tail)
        return fill_return_zero(kernel, site, at, error);
    else
        put_branch(at, opcode, site->va, target);
    return TRUE;
}

gboolean
patch_rewritten_fill(const IntroKernel *kernel, const PatchRewritten *site, GuestVa va, guint8 *bytes, gsize length,
                     GError **error)
{
    guint8 *at = bytes + (site->va - va);
    gsize room = length - (site->va - va);

    return site->kind == PATCH_REWRITTEN_JUMP_LABEL ? fill_jump_label(kernel, site, at, room, error)
                                                    : fill_static_call(kernel, site, at, room, error);
}

/* ---- In the plan ---- */

static gboolean
require_same_key(PatchPlan *plan, const IntroKernel *kernel, const PatchRewritten *site, GError **error)
{
    g_autoptr(GBytes) now = NULL;
    GuestVa va, target;
    gint32 count;

    if (site->kind == PATCH_REWRITTEN_JUMP_LABEL) {
        if (!key_count(kernel, site, &va, &count, error))
            return FALSE;
        now = g_bytes_new(&count, sizeof count);
    } else {
        if (!call_target(kernel, site, &va, &target, error))
            return FALSE;
        now = g_bytes_new(&target, sizeof target);
    }
    patch_plan_require(plan, va, now, PATCH_ERROR_PASSING,
                       g_strdup("a static key or call of the guest's kernel was switched in this moment"));
    return TRUE;
}

gboolean
patch_rewritten_plan(PatchPlan *plan, const IntroKernel *kernel, const PatchRewritten *site, gboolean skip,
                     GError **error)
{
    gboolean is_label = site->kind == PATCH_REWRITTEN_JUMP_LABEL;
    guint8 before, after;
    g_autoptr(GBytes) old = NULL, new = NULL;

    if (!patch_plan_require_unlocked(plan, kernel, "text_mutex", error) ||
        !patch_plan_require_unlocked(plan, kernel, is_label ? "jump_label_mutex" : "static_call_mutex", error) ||
        !require_same_key(plan, kernel, site, error) ||
        !intro_space_read(intro_kernel_space(kernel), site->flag_va, &before, 1, error))
        return FALSE;
    after = skip ? before | FLAG_SKIPPED : before & ~FLAG_SKIPPED;
    if (after == before)
        return TRUE;
    old = g_bytes_new(&before, 1);
    new = g_bytes_new(&after, 1);
    return patch_plan_write_module(plan, kernel, site->flag_va, old, new, error);
}
