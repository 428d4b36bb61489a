/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/runner-object.h"

#include <elf.h>
#include <string.h>

#include "patcher/error.h"

#define WORD_BYTES 8
#define ARGUMENT_BYTES (PATCH_RUNNER_ARGUMENTS_N * WORD_BYTES)
#define NAME_BYTES 16           /* TASK_COMM_LEN */
#define DATA_ALIGNMENT 64

static const char *const functions[] = {
    [PATCH_RUNNER_IRQ_WORK_QUEUE] = "irq_work_queue",
    [PATCH_RUNNER_QUEUE_WORK_ON] = "queue_work_on",
    [PATCH_RUNNER_KTHREAD_CREATE] = "kthread_create_on_node",
    [PATCH_RUNNER_WAKE_UP] = "wake_up_process",
};

typedef struct {
    const IntroKernel *kernel;
    PatchRunnerObject *runner;
    GByteArray *data;
    PatchCode *data_code;
    GError *error;              /* the first one */
} Maker;

static gboolean
unsupported(const GError *cause, GError **error)
{
    g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT,
                "nothing can be run in this guest, since its kernel is of a kind that is not known: %s",
                cause->message);
    return FALSE;
}

/* ---- Data ---- */

static gsize
add_data(Maker *maker, const void *bytes, gsize length)
{
    gsize offset = (maker->data->len + WORD_BYTES - 1) & ~(gsize) (WORD_BYTES - 1);

    g_byte_array_set_size(maker->data, offset + length);
    memset(maker->data->data + offset, 0, length);
    if (bytes)
        memcpy(maker->data->data + offset, bytes, length);
    return offset;
}

static gsize
add_word(Maker *maker, guint64 word)
{
    word = GUINT64_TO_LE(word);
    return add_data(maker, &word, sizeof word);
}

static void
put(Maker *maker, gsize offset, guint64 word)
{
    word = GUINT64_TO_LE(word);
    memcpy(maker->data->data + offset, &word, sizeof word);
}

/* The address of byte ADDEND of a piece, to be filled in when it has one. */
static void
put_address(Maker *maker, gsize offset, guint32 piece, gint64 addend)
{
    PatchFixup fixup = { offset, R_X86_64_64, addend, PATCH_TARGET_PIECE, piece };

    g_array_append_val(maker->data_code->fixups, fixup);
}

static gsize
add_struct(Maker *maker, const char *type)
{
    gsize bytes = 0;

    if (!maker->error)
        intro_btf_size(intro_kernel_btf(maker->kernel), type, &bytes, &maker->error);
    return add_data(maker, NULL, maker->error ? 0 : bytes);
}

/* Where MEMBER of the struct TYPE at AT is. */
static gsize
member(Maker *maker, gsize at, const char *type, const char *name)
{
    gsize offset = 0, bytes = 0;

    if (!maker->error && intro_btf_size(intro_kernel_btf(maker->kernel), type, &bytes, &maker->error) &&
        intro_btf_offset(intro_kernel_btf(maker->kernel), type, name, &offset, &maker->error) &&
        (bytes < WORD_BYTES || offset > bytes - WORD_BYTES))
        g_set_error(&maker->error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "%s of %s lies outside of it", name, type);
    return at + (maker->error ? 0 : offset);
}

static gint64
offset_of(const guint8 *code)
{
    return code - patch_runner_code;
}

/* Last in the list, and never slow enough to be reported. */
static void
add_action(Maker *maker, const PatchNmiList *list)
{
    PatchRunnerObject *runner = maker->runner;
    gsize at = add_struct(maker, "nmiaction");
    gsize link = member(maker, at, "nmiaction", "list"), handler = member(maker, at, "nmiaction", "handler");
    gsize name = member(maker, at, "nmiaction", "name"), duration = member(maker, at, "nmiaction", "max_duration");

    if (maker->error)
        return;
    runner->action = link;
    put(maker, link, list->head);
    put(maker, link + WORD_BYTES, list->last);
    put(maker, duration, G_MAXUINT64);
    put_address(maker, handler, PATCH_RUNNER_TEXT_PIECE, offset_of(patch_runner_nmi));
    put_address(maker, name, PATCH_RUNNER_DATA_PIECE, runner->parts[PATCH_RUNNER_NAME]);
}

static void
add_irq_work(Maker *maker)
{
    gsize at = add_struct(maker, "irq_work");
    gsize func = member(maker, at, "irq_work", "func");

    maker->runner->parts[PATCH_RUNNER_IRQ_WORK] = at;
    if (!maker->error)
        put_address(maker, func, PATCH_RUNNER_TEXT_PIECE, offset_of(patch_runner_interrupt));
}

/* Data of zero name the kernel's first pool of workers as the one where the work was last; it is not found there. */
static void
add_work(Maker *maker)
{
    gsize at = add_struct(maker, "work_struct");
    gsize entry = member(maker, at, "work_struct", "entry"), func = member(maker, at, "work_struct", "func");

    maker->runner->parts[PATCH_RUNNER_WORK] = at;
    if (maker->error)
        return;
    put_address(maker, entry, PATCH_RUNNER_DATA_PIECE, entry);
    put_address(maker, entry + WORD_BYTES, PATCH_RUNNER_DATA_PIECE, entry);
    put_address(maker, func, PATCH_RUNNER_TEXT_PIECE, offset_of(patch_runner_work));
}

/* The queue whose workers are bound to no CPU; it is called otherwise in newer kernels. */
static void
add_queue(Maker *maker)
{
    const IntroSymbols *symbols = intro_kernel_symbols(maker->kernel);
    GuestVa pointer, queue = 0;

    if (!maker->error && (intro_symbols_address(symbols, "system_dfl_wq", &pointer, NULL) ||
                          intro_symbols_address(symbols, "system_unbound_wq", &pointer, &maker->error)))
        intro_space_read_u64(intro_kernel_space(maker->kernel), pointer, &queue, &maker->error);
    maker->runner->parts[PATCH_RUNNER_QUEUE] = add_word(maker, queue);
}

static void
add_call(Maker *maker, const PatchCall *call)
{
    gsize at = add_data(maker, NULL, ARGUMENT_BYTES);

    maker->runner->parts[PATCH_RUNNER_ARGUMENTS] = at;
    for (guint i = 0; i < PATCH_RUNNER_ARGUMENTS_N; i++)
        put(maker, at + i * WORD_BYTES, call->arguments[i]);
    if (call->bytes && call->bytes_argument >= 0)
        put_address(maker, at + call->bytes_argument * WORD_BYTES, PATCH_RUNNER_DATA_PIECE,
                    add_data(maker, g_bytes_get_data(call->bytes, NULL), g_bytes_get_size(call->bytes)));
}

static void
add_follow_ups(Maker *maker, const PatchCall *call)
{
    gsize at = add_data(maker, NULL, PATCH_RUNNER_FOLLOW_UPS_N * PATCH_RUNNER_FOLLOW_UP_BYTES);

    maker->runner->parts[PATCH_RUNNER_FOLLOW_UPS] = at;
    for (guint i = 0; i < PATCH_RUNNER_FOLLOW_UPS_N; i++, at += PATCH_RUNNER_FOLLOW_UP_BYTES) {
        put(maker, at, call->follow_ups[i].function != 0);
        put(maker, at + WORD_BYTES, call->follow_ups[i].arguments[0]);
        put(maker, at + 2 * WORD_BYTES, call->follow_ups[i].arguments[1]);
    }
}

static void
add_words(Maker *maker, const char *name, const PatchCall *call)
{
    gsize *parts = maker->runner->parts;
    guint n_words = (intro_kernel_n_cpus(maker->kernel) + 63) / 64;
    char comm[NAME_BYTES] = "";

    g_strlcpy(comm, name, sizeof comm);
    parts[PATCH_RUNNER_STATE] = add_word(maker, 0);
    parts[PATCH_RUNNER_RESULT] = add_word(maker, 0);
    parts[PATCH_RUNNER_TASK] = add_word(maker, 0);
    parts[PATCH_RUNNER_CANCELLED] = add_word(maker, 0);
    parts[PATCH_RUNNER_ARMED] = add_word(maker, 1);
    parts[PATCH_RUNNER_STACK] = add_word(maker, 0);
    parts[PATCH_RUNNER_NAME] = add_data(maker, comm, sizeof comm);
    add_word(maker, call->block_pages);
    add_word(maker, call->region_pages);
    parts[PATCH_RUNNER_PENDING] = add_word(maker, G_MAXUINT64);
    for (guint i = 1; i < n_words; i++)
        add_word(maker, G_MAXUINT64);
}

/* ---- Code ---- */

static void
put_field(PatchCode *code, guint32 offset, guint64 value)
{
    guint32 field = GUINT32_TO_LE((guint32) value);

    memcpy(code->bytes->data + offset, &field, sizeof field);
}

/* A per-CPU variable, as an offset from the base in GS; some have moved to a struct and back. */
static guint32
per_cpu(Maker *maker, const char *variable, const char *hot_member)
{
    const IntroSymbols *symbols = intro_kernel_symbols(maker->kernel);
    gsize offset = 0;
    GuestVa va = 0;

    if (maker->error || intro_symbols_address(symbols, variable, &va, NULL))
        return va;
    if (intro_symbols_address(symbols, "pcpu_hot", &va, &maker->error))
        intro_btf_offset(intro_kernel_btf(maker->kernel), "pcpu_hot", hot_member, &offset, &maker->error);
    return va + offset;
}

static void
add_field(Maker *maker, PatchCode *code, const PatchRunnerField *field)
{
    PatchObject *object = maker->runner->object;
    PatchFixup fixup = { field->offset, R_X86_64_PC32, -4, PATCH_TARGET_PIECE, PATCH_RUNNER_DATA_PIECE };

    if (field->what == PATCH_RUNNER_RETURN) {
        g_ptr_array_add(code->sites, patch_site_new(PATCH_SITE_RETURN, field->offset, 5, 0));
        return;
    }
    if (field->what == PATCH_RUNNER_CPU_NUMBER) {
        put_field(code, field->offset, per_cpu(maker, "cpu_number", "cpu_number"));
        return;
    }
    if (field->what == PATCH_RUNNER_PREEMPT_COUNT) {
        put_field(code, field->offset, per_cpu(maker, "__preempt_count", "preempt_count"));
        return;
    }
    if (field->what == PATCH_RUNNER_FUNCTION || field->what == PATCH_RUNNER_SECOND || field->what == PATCH_RUNNER_THIRD)
        return;
    if (field->what < G_N_ELEMENTS(functions)) {
        fixup.target = PATCH_TARGET_SYMBOL;
        fixup.index = object->symbols->len;
        patch_object_add_symbol(object, functions[field->what], -1, 0, 0)->is_function = TRUE;
    } else {
        fixup.addend += maker->runner->parts[field->what] + field->addend;
    }
    g_array_append_val(code->fixups, fixup);
}

static void
add_code(Maker *maker, PatchCode *code)
{
    g_byte_array_append(code->bytes, patch_runner_code, patch_runner_code_end - patch_runner_code);
    for (const PatchRunnerField *field = patch_runner_fields; field < patch_runner_fields_end; field++)
        add_field(maker, code, field);
}

gsize
patch_runner_object_function(void)
{
    const PatchRunnerField *field = patch_runner_fields;

    while (field->what != PATCH_RUNNER_FUNCTION)
        field++;
    return field->offset;
}

/* The function of CALL's that FIELD is to lead to; 0 if none. */
static GuestVa
function_of(const PatchRunnerField *field, const PatchCall *call)
{
    switch (field->what) {
    case PATCH_RUNNER_FUNCTION:
        return call->function;
    case PATCH_RUNNER_SECOND:
        return call->follow_ups[0].function;
    case PATCH_RUNNER_THIRD:
        return call->follow_ups[1].function;
    }
    return 0;
}

gboolean
patch_runner_object_aim(PatchRunnerObject *runner, const PatchCall *call, GuestVa text, GError **error)
{
    const PatchPiece *piece = runner->object->pieces->pdata[PATCH_RUNNER_TEXT_PIECE];

    for (const PatchRunnerField *field = patch_runner_fields; field < patch_runner_fields_end; field++) {
        GuestVa function = function_of(field, call);
        gint64 distance = (gint64) (function - (text + field->offset + 4));

        if (function && distance != (gint32) distance) {
            g_set_error(error, PATCH_ERROR, PATCH_ERROR_DOES_NOT_FIT, "%s cannot be called from where there is room",
                        call->name);
            return FALSE;
        }
        if (function)
            put_field(piece->code, field->offset, distance);
    }
    return TRUE;
}

/* A kernel that checks the targets of its indirect calls takes ours for an attack. */
static void
check_calls(Maker *maker)
{
    GuestVa mode;
    guint32 now;
    gint64 off;

    if (intro_symbols_address(intro_kernel_symbols(maker->kernel), "cfi_mode", &mode, NULL) &&
        intro_btf_enumerator(intro_kernel_btf(maker->kernel), "CFI_OFF", &off, &maker->error) &&
        intro_space_read_u32(intro_kernel_space(maker->kernel), mode, &now, &maker->error) && now != off)
        g_set_error_literal(&maker->error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "it checks the types of the functions that it calls (CONFIG_CFI_CLANG)");
}

static void
make(Maker *maker, const PatchNmiList *list, const PatchCall *call, const char *name)
{
    PatchObject *object = maker->runner->object;
    PatchPiece *text = patch_object_add_piece(object, PATCH_RUNNER_PIECE_NAME, PATCH_PIECE_TEXT, 16,
                                              patch_runner_code_end - patch_runner_code);
    PatchPiece *data;

    check_calls(maker);
    if (maker->error)
        return;
    add_words(maker, name, call);
    add_queue(maker);
    add_action(maker, list);
    add_irq_work(maker);
    add_work(maker);
    add_call(maker, call);
    add_follow_ups(maker, call);
    data = patch_object_add_piece(object, PATCH_RUNNER_PIECE_NAME, PATCH_PIECE_DATA, DATA_ALIGNMENT, maker->data->len);
    g_byte_array_append(data->code->bytes, maker->data->data, maker->data->len);
    g_array_append_vals(data->code->fixups, maker->data_code->fixups->data, maker->data_code->fixups->len);
    add_code(maker, text->code);
}

PatchRunnerObject *
patch_runner_object_new(const IntroKernel *kernel, const PatchNmiList *list, const PatchCall *call, const char *name,
                        GError **error)
{
    g_autoptr(PatchRunnerObject) runner = g_new0(PatchRunnerObject, 1);
    g_autoptr(GByteArray) data = g_byte_array_new();
    g_autoptr(PatchCode) data_code = patch_code_new();
    Maker maker = { kernel, runner, data, data_code, NULL };

    runner->object = patch_object_new();
    runner->object->path = g_strdup(call->name);
    runner->object->module = g_strdup("");
    make(&maker, list, call, name);
    if (!maker.error)
        return g_steal_pointer(&runner);
    unsupported(maker.error, error);
    g_error_free(maker.error);
    return NULL;
}

void
patch_runner_object_free(PatchRunnerObject *runner)
{
    if (!runner)
        return;
    patch_object_free(runner->object);
    g_free(runner);
}
