/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>

#include "patcher/error.h"
#include "patcher/update-format.h"

#define MAX_ITEMS (1 << 20)             /* of one kind, in one object */
#define MAX_DATA 4096                   /* the same of data that are to change */
#define MAX_BYTES (16 * 1024 * 1024)    /* of one piece of code or data */
#define MAX_ALIGNMENT (1 << 20)
#define MAX_ADDEND (G_GINT64_CONSTANT(1) << 32)
#define MAX_SECTION_BYTES (G_GUINT64_CONSTANT(1) << 31)

typedef struct {
    const PatchObject *object;
    const char *where;          /* what is being looked at, for the message */
    GError **error;
} Check;

static gboolean G_GNUC_PRINTF(2, 3)
refuse(const Check *check, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(check->error, PATCH_ERROR, PATCH_ERROR_FAILED, "the update is inconsistent: %s: %s", check->where,
                text);
    return FALSE;
}

guint
patch_fixup_width(guint32 type)
{
    switch (type) {
    case R_X86_64_64:
    case R_X86_64_PC64:
        return 8;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
    case R_X86_64_32:
    case R_X86_64_32S:
        return 4;
    default:
        return 0;
    }
}

static gboolean
check_text(const Check *check, const char *what, const char *text, gboolean lines)
{
    for (const char *p = text; *p; p++) {
        guchar c = *p;

        if ((c < 0x20 && !(lines && strchr("\n\t\r\f", c))) || c == 0x7f)
            return refuse(check, "%s holds control characters", what);
    }
    return TRUE;
}

static gboolean
check_name(const Check *check, const char *what, const char *text)
{
    return *text ? check_text(check, what, text, FALSE) : refuse(check, "%s is empty", what);
}

static gboolean
check_target(const Check *check, const PatchFixup *fixup, gboolean is_new)
{
    const PatchObject *object = check->object;

    switch (fixup->target) {
    case PATCH_TARGET_SYMBOL:
        return fixup->index < object->symbols->len || refuse(check, "a fixup names symbol %u", fixup->index);
    case PATCH_TARGET_PIECE:
        return (is_new && fixup->index < object->pieces->len) || refuse(check, "a fixup names piece %u", fixup->index);
    case PATCH_TARGET_LITERAL:
        return (!is_new && fixup->index < object->literals->len) ||
            refuse(check, "a fixup names literal %u", fixup->index);
    }
    return refuse(check, "a fixup has target kind %u", (guint) fixup->target);
}

static gboolean
check_fixups(const Check *check, GArray *fixups, guint64 length, gboolean is_new)
{
    guint64 end = 0;

    for (guint i = 0; i < fixups->len; i++) {
        const PatchFixup *fixup = &g_array_index(fixups, PatchFixup, i);
        guint width = patch_fixup_width(fixup->type);

        if (!width)
            return refuse(check, "a fixup has type %u", fixup->type);
        if (fixup->offset < end || (guint64) fixup->offset + width > length)
            return refuse(check, "the fixup at 0x%x overlaps another or the end", fixup->offset);
        if (fixup->addend > MAX_ADDEND || fixup->addend < -MAX_ADDEND)
            return refuse(check, "the fixup at 0x%x has an addend out of range", fixup->offset);
        if (!check_target(check, fixup, is_new))
            return FALSE;
        end = (guint64) fixup->offset + width;
    }
    return TRUE;
}

static gboolean
check_site_shape(const Check *check, const PatchSite *site, guint64 length)
{
    gboolean ok = TRUE;

    switch (site->kind) {
    case PATCH_SITE_FTRACE:
    case PATCH_SITE_STATIC_CALL:
        ok = site->length == 5;
        break;
    case PATCH_SITE_RETURN:
        ok = site->length >= 1;
        break;
    case PATCH_SITE_ENDBR:
        ok = site->length == 4;
        break;
    case PATCH_SITE_SMP_LOCK:
        ok = site->length == 1;
        break;
    case PATCH_SITE_RUNTIME_CONSTANT:
        ok = site->length == 1 || site->length == 8;
        break;
    case PATCH_SITE_JUMP_LABEL:
        ok = (site->length == 2 || site->length == 5) && (site->arg < length || site->arg == PATCH_JUMP_BY_FIXUP);
        break;
    case PATCH_SITE_RETPOLINE:
        ok = site->length >= 5 && site->arg < 16;
        break;
    case PATCH_SITE_ALTERNATIVE:
        ok = site->choices && site->choices->len;
        break;
    case PATCH_SITE_PARAVIRT:
        ok = site->arg < 4096;
        break;
    case PATCH_N_SITE_KINDS:
    default:
        return refuse(check, "a site has kind %u", (guint) site->kind);
    }
    return ok || refuse(check, "the %s site at 0x%x is malformed", patch_site_kind_name(site->kind), site->offset);
}

static gboolean
check_choices(const Check *check, const PatchSite *site, gboolean is_new)
{
    if (site->choices && site->kind != PATCH_SITE_ALTERNATIVE)
        return refuse(check, "the %s site at 0x%x has choices", patch_site_kind_name(site->kind), site->offset);
    for (guint i = 0; site->choices && i < site->choices->len; i++) {
        const PatchChoice *choice = site->choices->pdata[i];

        if (choice->bytes->len > site->length)
            return refuse(check, "the alternative at 0x%x has a choice longer than itself", site->offset);
        if (!check_fixups(check, choice->fixups, choice->bytes->len, is_new))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_code(const Check *check, const PatchCode *code, gboolean is_new)
{
    guint64 length = code->bytes->len;
    guint32 last = 0;

    if (length > MAX_BYTES || code->sites->len > MAX_ITEMS)
        return refuse(check, "it is too large");
    if (!check_fixups(check, code->fixups, length, is_new))
        return FALSE;
    for (guint i = 0; i < code->sites->len; i++) {
        const PatchSite *site = code->sites->pdata[i];

        if (site->offset < last || !site->length || (guint64) site->offset + site->length > length)
            return refuse(check, "the site at 0x%x is out of order or out of bounds", site->offset);
        if (!check_site_shape(check, site, length) || !check_choices(check, site, is_new))
            return FALSE;
        last = site->offset;
    }
    return TRUE;
}

static gboolean
check_symbols(Check *check)
{
    const PatchObject *object = check->object;

    for (guint i = 0; i < object->sections->len; i++) {
        const PatchSection *section = object->sections->pdata[i];

        if (!check_name(check, "a section's name", section->name))
            return FALSE;
        if (section->size > MAX_SECTION_BYTES || !section->alignment || section->alignment > MAX_ALIGNMENT ||
            (section->alignment & (section->alignment - 1)))
            return refuse(check, "section %s has an impossible size or alignment", section->name);
    }
    for (guint i = 0; i < object->symbols->len; i++) {
        const PatchSymbol *symbol = object->symbols->pdata[i];
        const PatchSection *section = NULL;

        if (!check_name(check, "a symbol's name", symbol->name))
            return FALSE;
        if (symbol->section < -1 || (symbol->section >= 0 && (guint) symbol->section >= object->sections->len))
            return refuse(check, "symbol %s names section %d", symbol->name, symbol->section);
        if (symbol->section >= 0)
            section = object->sections->pdata[symbol->section];
        if (section ? symbol->value > section->size || symbol->size > section->size - symbol->value
                    : symbol->value || symbol->size)
            return refuse(check, "symbol %s does not lie in its section", symbol->name);
    }
    return TRUE;
}

static gboolean
check_functions(Check *check)
{
    const PatchObject *object = check->object;

    for (guint i = 0; i < object->functions->len; i++) {
        const PatchOldFunction *function = object->functions->pdata[i];
        const PatchSymbol *symbol;

        if (function->symbol >= object->symbols->len)
            return refuse(check, "function %u names symbol %u", i, function->symbol);
        symbol = object->symbols->pdata[function->symbol];
        check->where = symbol->name;
        if (!symbol->is_function || symbol->section < 0 || !symbol->size || symbol->size != function->code->bytes->len)
            return refuse(check, "its code is not what its symbol says");
        if (!check_code(check, function->code, FALSE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_pieces(Check *check)
{
    const PatchObject *object = check->object;

    for (guint i = 0; i < object->pieces->len; i++) {
        const PatchPiece *piece = object->pieces->pdata[i];
        gboolean is_bss = piece->kind == PATCH_PIECE_BSS;

        if (!check_name(check, "a piece's name", piece->name))
            return FALSE;
        check->where = piece->name;
        if ((guint) piece->kind > PATCH_PIECE_BSS)
            return refuse(check, "it is of kind %u", (guint) piece->kind);
        if (!piece->alignment || piece->alignment > MAX_ALIGNMENT || (piece->alignment & (piece->alignment - 1)))
            return refuse(check, "its alignment is impossible");
        if (!piece->size || piece->size > MAX_BYTES || piece->code->bytes->len != (is_bss ? 0 : piece->size))
            return refuse(check, "its size is impossible");
        if (piece->kind != PATCH_PIECE_TEXT && piece->code->sites->len)
            return refuse(check, "it is data and has sites");
        if (!check_code(check, piece->code, TRUE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_replacements(Check *check)
{
    const PatchObject *object = check->object;
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < object->replacements->len; i++) {
        const PatchReplacement *replacement = object->replacements->pdata[i];

        if (replacement->function >= object->functions->len || replacement->piece >= object->pieces->len)
            return refuse(check, "replacement %u names what is not there", i);
        if (((const PatchPiece *) object->pieces->pdata[replacement->piece])->kind != PATCH_PIECE_TEXT)
            return refuse(check, "replacement %u is no code", i);
        if ((guint) replacement->reason >= PATCH_N_REASONS)
            return refuse(check, "replacement %u has reason %u", i, (guint) replacement->reason);
        if (!check_text(check, "the cause of a replacement", replacement->cause, FALSE))
            return FALSE;
        if (!g_hash_table_add(seen, GUINT_TO_POINTER(replacement->function + 1)))
            return refuse(check, "function %u is replaced twice", replacement->function);
        for (guint j = 0; j < replacement->parts->len; j++)
            if (g_array_index(replacement->parts, guint32, j) >= object->functions->len)
                return refuse(check, "replacement %u names a part that is not there", i);
    }
    return TRUE;
}

static gboolean
is_code_place(const PatchObject *object, guint32 piece, guint32 offset)
{
    const PatchPiece *found = piece < object->pieces->len ? object->pieces->pdata[piece] : NULL;

    return found && found->kind == PATCH_PIECE_TEXT && offset < found->size;
}

static gboolean
check_exceptions(Check *check)
{
    const PatchObject *object = check->object;

    for (guint i = 0; i < object->exceptions->len; i++) {
        const PatchException *exception = &g_array_index(object->exceptions, PatchException, i);

        if (!is_code_place(object, exception->piece, exception->offset) ||
            !is_code_place(object, exception->to_piece, exception->to_offset))
            return refuse(check, "exception %u is not in its code", i);
        if (exception->handler < -1 || (exception->handler >= 0 && (guint) exception->handler >= object->symbols->len))
            return refuse(check, "exception %u names symbol %d", i, exception->handler);
    }
    return TRUE;
}

static gboolean
check_unwinds(Check *check)
{
    const PatchObject *object = check->object;
    guint bits = object->unwind_bytes * 8;
    guint64 least = 0;

    if (object->unwind_bytes > sizeof(guint64) || (!bits && object->unwinds->len))
        return refuse(check, "its unwind data are of %u bytes each", object->unwind_bytes);
    for (guint i = 0; i < object->unwinds->len; i++) {
        const PatchUnwind *unwind = &g_array_index(object->unwinds, PatchUnwind, i);
        guint64 place = (guint64) unwind->piece << 32 | unwind->offset;

        if (!is_code_place(object, unwind->piece, unwind->offset) || place < least)
            return refuse(check, "unwind entry %u is not in its code, or out of order", i);
        if (bits < 64 && unwind->entry >> bits)
            return refuse(check, "unwind entry %u is longer than it may be", i);
        least = place + 1;
    }
    return TRUE;
}

/* What a datum holds: bytes that are the same for all guests, but for its fixups. */
static gboolean
check_value(const Check *check, const PatchCode *value, gboolean is_new)
{
    return check_code(check, value, is_new) && (!value->sites->len || refuse(check, "it is data and has sites"));
}

static gboolean
check_datum_place(const Check *check, const PatchDatum *datum)
{
    const PatchSymbol *symbol;
    guint64 end;

    if (datum->symbol >= check->object->symbols->len)
        return refuse(check, "it is at symbol %u", datum->symbol);
    if (!datum->offsets->len || datum->offsets->len > 1 + PATCH_MAX_POINTERS)
        return refuse(check, "it is behind %u pointers", datum->offsets->len);
    for (guint i = 0; i < datum->offsets->len; i++)
        if (g_array_index(datum->offsets, guint64, i) > MAX_SECTION_BYTES)
            return refuse(check, "it is at an impossible offset");
    symbol = check->object->symbols->pdata[datum->symbol];
    end = g_array_index(datum->offsets, guint64, 0) +
        (datum->offsets->len > 1 ? sizeof(guint64) : datum->before->bytes->len);
    return symbol->section < 0 || end <= symbol->size || refuse(check, "it does not lie in %s", symbol->name);
}

static gboolean
check_datum(const Check *check, const PatchDatum *datum)
{
    guint length = datum->before->bytes->len;

    if ((guint) datum->form >= PATCH_N_FORMS || (guint) datum->origin >= PATCH_N_ORIGINS)
        return refuse(check, "it is of form %u and origin %u", (guint) datum->form, (guint) datum->origin);
    if (!length || (datum->after->bytes->len && datum->after->bytes->len != length) ||
        (datum->mask->len && datum->mask->len != length))
        return refuse(check, "its size is impossible");
    if (datum->mask->len && datum->before->fixups->len + datum->after->fixups->len)
        return refuse(check, "it is part of a reference");
    return check_value(check, datum->before, FALSE) && check_value(check, datum->after, TRUE) &&
           check_datum_place(check, datum);
}

static gboolean
check_data(Check *check)
{
    for (guint i = 0; i < check->object->data->len; i++) {
        const PatchDatum *datum = check->object->data->pdata[i];

        if (!check_name(check, "a datum's name", datum->name))
            return FALSE;
        check->where = datum->name;
        if (!check_datum(check, datum))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_hooks(Check *check)
{
    const PatchObject *object = check->object;

    if (object->hooks->len > PATCH_MAX_HOOKS)
        return refuse(check, "it is too large");
    for (guint i = 0; i < object->hooks->len; i++) {
        const PatchHook *hook = &g_array_index(object->hooks, PatchHook, i);

        if ((guint) hook->kind >= PATCH_N_HOOK_KINDS || !is_code_place(object, hook->piece, 0) || hook->limit_s == 0 ||
            hook->limit_s > PATCH_MAX_HOOK_SECONDS)
            return refuse(check, "hook %u is impossible", i);
    }
    return TRUE;
}

static gboolean
check_object(Check *check)
{
    const PatchObject *object = check->object;
    const GPtrArray *arrays[] = {
        object->sections, object->symbols, object->literals, object->functions, object->pieces, object->replacements,
    };

    check->where = "object";
    if (!check_name(check, "its path", object->path) || !check_text(check, "its module", object->module, FALSE))
        return FALSE;
    check->where = object->path;
    for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++)
        if (arrays[i]->len > MAX_ITEMS)
            return refuse(check, "it is too large");
    if (object->exceptions->len > MAX_ITEMS || object->unwinds->len > MAX_ITEMS || object->data->len > MAX_DATA)
        return refuse(check, "it is too large");
    for (guint i = 0; i < object->literals->len; i++) {
        gsize size = g_bytes_get_size(object->literals->pdata[i]);

        if (size == 0 || size > MAX_BYTES)
            return refuse(check, "literal %u has an impossible size", i);
    }
    if (!check_symbols(check) || !check_functions(check) || !check_pieces(check) || !check_data(check))
        return FALSE;
    check->where = object->path;
    return check_replacements(check) && check_exceptions(check) && check_unwinds(check) && check_hooks(check);
}

static gboolean
check_build_id(const Check *check, const char *build_id)
{
    gsize length = strlen(build_id);

    if (length % 2 || length > 128 || strspn(build_id, "0123456789abcdef") != length)
        return refuse(check, "the build id is not one");
    return TRUE;
}

gboolean
patch_update_validate(const PatchUpdate *update, GError **error)
{
    Check check = { .where = "header", .error = error };

    if (!check_text(&check, "the description", update->description, TRUE) ||
        !check_name(&check, "the kernel's version", update->kernel) ||
        !check_text(&check, "the compiler's version", update->compiler, FALSE) ||
        !check_text(&check, "the patch", update->patch, TRUE) || !check_build_id(&check, update->build_id))
        return FALSE;
    for (char **cve = update->cves; *cve; cve++)
        if (!check_name(&check, "a CVE's name", *cve))
            return FALSE;
    for (char **name = update->forced; name && *name; name++)
        if (!check_name(&check, "a forced class", *name))
            return FALSE;
    if (!update->objects->len || update->objects->len > PATCH_UPDATE_MAX_OBJECTS)
        return refuse(&check, "it has %u objects", update->objects->len);
    for (guint i = 0; i < update->objects->len; i++) {
        check.object = update->objects->pdata[i];
        if (!check_object(&check))
            return FALSE;
    }
    return TRUE;
}
