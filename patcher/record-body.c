/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/record-private.h"

#include <string.h>

#define JUMP_TYPE "(stttttayay)"
#define KINDS_THAT_STAY 3        /* added to the PatchPieceKind of what stays; code does not */
#define PLACED_TYPE "(sytts)"
#define VALUE_TYPE "(syta(tt)ayayay)"
#define HOOK_TYPE "(sytu)"
#define PARTS_TYPE "(stt)asat(tt)(tt)tta" JUMP_TYPE "a" PLACED_TYPE "a" VALUE_TYPE "a" HOOK_TYPE
#define RECORD_TYPE "(ssssasxt" PARTS_TYPE ")"

static GVariant *
bytes_variant(GBytes *bytes)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 1);
}

static GVariant *
little_endian(GVariant *value)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value);

    return G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_steal_pointer(&sunk) : g_variant_byteswap(sunk);
}

static GVariant *
jumps_variant(const PatchRecord *record)
{
    GVariantBuilder jumps;

    g_variant_builder_init(&jumps, G_VARIANT_TYPE("a" JUMP_TYPE));
    for (guint i = 0; i < record->jumps->len; i++) {
        const PatchJump *jump = record->jumps->pdata[i];

        g_variant_builder_add(&jumps, "(sttttt@ay@ay)", jump->name, jump->va, jump->size, jump->replacement_va,
                              jump->replacement_size, jump->jump_va, bytes_variant(jump->before),
                              bytes_variant(jump->jump));
    }
    return g_variant_builder_end(&jumps);
}

static GVariant *
placed_variant(const PatchRecord *record)
{
    GVariantBuilder placed;

    g_variant_builder_init(&placed, G_VARIANT_TYPE("a" PLACED_TYPE));
    for (guint i = 0; i < record->placed->len; i++) {
        const PatchPlaced *piece = record->placed->pdata[i];

        g_variant_builder_add(&placed, PLACED_TYPE, piece->name,
                              (guchar) (piece->kind + (piece->stays ? KINDS_THAT_STAY : 0)), piece->va, piece->size,
                              piece->sha256);
    }
    return g_variant_builder_end(&placed);
}

static GVariant *
pointers_variant(const PatchValue *value)
{
    GVariantBuilder pointers;

    g_variant_builder_init(&pointers, G_VARIANT_TYPE("a(tt)"));
    for (guint i = 0; i < value->pointers->len; i++) {
        const PatchPointer *pointer = &g_array_index(value->pointers, PatchPointer, i);

        g_variant_builder_add(&pointers, "(tt)", pointer->va, pointer->target);
    }
    return g_variant_builder_end(&pointers);
}

static GVariant *
values_variant(const PatchRecord *record)
{
    GVariantBuilder values;

    g_variant_builder_init(&values, G_VARIANT_TYPE("a" VALUE_TYPE));
    for (guint i = 0; i < record->values->len; i++) {
        const PatchValue *value = record->values->pdata[i];

        g_variant_builder_add(&values, "(syt@a(tt)@ay@ay@ay)", value->name, (guchar) value->form, value->va,
                              pointers_variant(value), bytes_variant(value->mask), bytes_variant(value->before),
                              bytes_variant(value->after));
    }
    return g_variant_builder_end(&values);
}

static GVariant *
hooks_variant(const PatchRecord *record)
{
    GVariantBuilder hooks;

    g_variant_builder_init(&hooks, G_VARIANT_TYPE("a" HOOK_TYPE));
    for (guint i = 0; i < record->hooks->len; i++) {
        const PatchHookPlace *hook = record->hooks->pdata[i];

        g_variant_builder_add(&hooks, HOOK_TYPE, hook->name, (guchar) hook->kind, hook->va, hook->limit_s);
    }
    return g_variant_builder_end(&hooks);
}

GBytes *
patch_record_save(const PatchRecord *record)
{
    static const char *const none[] = { NULL };
    GVariant *replaces = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, record->replaces->data,
                                                   record->replaces->len, sizeof(GuestVa));
    g_autoptr(GVariant) value = NULL;

    value = little_endian(g_variant_new("(ssss^asxt(stt)^as@at(tt)(tt)tt@a" JUMP_TYPE "@a" PLACED_TYPE
                                        "@a" VALUE_TYPE "@a" HOOK_TYPE ")", record->id, record->description, record->kernel,
                                        record->tool,
                                        record->cves ? (const char *const *) record->cves : none, record->applied_at,
                                        record->sequence, record->module.name, record->module.module,
                                        record->module.base,
                                        record->waiting ? (const char *const *) record->waiting : none, replaces,
                                        record->block.va, record->block.length, record->data.va, record->data.length,
                                        record->code_va, record->known_va, jumps_variant(record),
                                        placed_variant(record), values_variant(record), hooks_variant(record)));
    return g_variant_get_data_as_bytes(value);
}

static GBytes *
bytes_of(GVariant *value)
{
    return g_variant_get_data_as_bytes(value);
}

static void
load_jumps(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    GuestVa va, replacement_va, jump_va;
    guint64 size, replacement_size;
    GVariant *before, *after;

    while (g_variant_iter_loop(iter, "(&sttttt@ay@ay)", &name, &va, &size, &replacement_va, &replacement_size,
                               &jump_va, &before, &after)) {
        PatchJump *jump = g_new0(PatchJump, 1);

        *jump = (PatchJump) {
            .name = g_strdup(name), .va = va, .size = size,
            .replacement_va = replacement_va, .replacement_size = replacement_size, .jump_va = jump_va,
            .before = bytes_of(before), .jump = bytes_of(after),
        };
        g_ptr_array_add(record->jumps, jump);
    }
}

static void
load_placed(PatchRecord *record, GVariantIter *iter)
{
    const char *name, *sha256;
    GuestVa va;
    guint64 size;
    guchar kind;

    while (g_variant_iter_loop(iter, "(&sytt&s)", &name, &kind, &va, &size, &sha256)) {
        PatchPlaced *placed = g_new0(PatchPlaced, 1);
        gboolean stays = kind > KINDS_THAT_STAY && kind <= KINDS_THAT_STAY + PATCH_PIECE_BSS;

        *placed = (PatchPlaced) {
            .name = g_strdup(name), .kind = stays ? kind - KINDS_THAT_STAY : kind, .stays = stays, .va = va, .size = size,
            .sha256 = g_strdup(sha256),
        };
        g_ptr_array_add(record->placed, placed);
    }
}

static void
load_values(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    guchar form;
    GuestVa va;
    GVariantIter *pointers;
    GVariant *mask, *before, *after;

    while (g_variant_iter_loop(iter, "(&syta(tt)@ay@ay@ay)", &name, &form, &va, &pointers, &mask, &before, &after)) {
        PatchValue *value = g_new0(PatchValue, 1);
        PatchPointer pointer;

        *value = (PatchValue) {
            .name = g_strdup(name), .form = form, .va = va, .pointers = g_array_new(FALSE, FALSE, sizeof(PatchPointer)),
            .mask = bytes_of(mask), .before = bytes_of(before), .after = bytes_of(after),
        };
        while (g_variant_iter_next(pointers, "(tt)", &pointer.va, &pointer.target))
            g_array_append_val(value->pointers, pointer);
        g_ptr_array_add(record->values, value);
    }
}

static void
load_hooks(PatchRecord *record, GVariantIter *iter)
{
    const char *name;
    guchar kind;
    GuestVa va;
    guint32 limit_s;

    while (g_variant_iter_loop(iter, "(&sytu)", &name, &kind, &va, &limit_s)) {
        PatchHookPlace *hook = g_new0(PatchHookPlace, 1);

        *hook = (PatchHookPlace) { g_strdup(name), kind, va, limit_s };
        g_ptr_array_add(record->hooks, hook);
    }
}

static void
load_replaces(PatchRecord *record, GVariant *replaces)
{
    gsize n;
    const GuestVa *blocks = g_variant_get_fixed_array(replaces, &n, sizeof *blocks);

    g_array_append_vals(record->replaces, blocks, n);
}

PatchRecord *
patch_record_load_body(GBytes *body)
{
    g_autoptr(GVariant) raw = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(RECORD_TYPE), body, FALSE));
    g_autoptr(GVariant) value = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(raw) : g_variant_byteswap(raw);
    g_autoptr(PatchRecord) record = patch_record_new();
    g_autoptr(GVariantIter) jumps = NULL, placed = NULL, values = NULL, hooks = NULL;
    g_autoptr(GVariant) replaces = NULL;
    const char *id;

    if (!g_variant_is_normal_form(value))
        return NULL;
    g_variant_get(value, "(&ssss^asxt(stt)^as@at(tt)(tt)tta" JUMP_TYPE "a" PLACED_TYPE "a" VALUE_TYPE "a" HOOK_TYPE ")",
                  &id,
                  &record->description, &record->kernel, &record->tool, &record->cves, &record->applied_at, &record->sequence,
                  &record->module.name, &record->module.module, &record->module.base, &record->waiting, &replaces,
                  &record->block.va, &record->block.length, &record->data.va, &record->data.length, &record->code_va,
                  &record->known_va, &jumps, &placed, &values, &hooks);
    if (strlen(id) != PATCH_ID_LENGTH || strspn(id, "abcdefghijklmnopqrstuvwxyz234567") != PATCH_ID_LENGTH)
        return NULL;
    g_strlcpy(record->id, id, sizeof record->id);
    load_replaces(record, replaces);
    load_jumps(record, jumps);
    load_placed(record, placed);
    load_values(record, values);
    load_hooks(record, hooks);
    return g_steal_pointer(&record);
}
