/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corrupt GUEST KIND UNDO-FILE [PID]: damages a running guest's kernel data as its own kernel could have, and notes in
 * UNDO-FILE what was there before; corrupt GUEST undo UNDO-FILE puts that back. PID is a task that sleeps on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/locate.h"
#include "introspect/tasks.h"
#include "tests/live/forge.h"

#define ENTRY_FLAGS 0x63ULL             /* of a page table: present, writable, accessed, dirty */
#define PAGE_BYTES 4096
#define STACK_BYTES 16384
#define WILD_POINTER 0x0000414141414140ULL
#define GARBAGE_BYTES 32768
#define N_TOKENS 256
#define ORC_ENTRY_BYTES 6
#define TABLE_ENTRIES 512
#define LOCAL_APIC 0xfee00000ULL
#define MANY_SYMBOLS 0x7fffffffU
#define N_MODULES 1000
#define N_LINKS 60000
#define RECORDS_BYTES (560 << 10)       /* as many changes as there can be */
#define TOO_MANY_RECORDS_BYTES (900 << 10)

typedef struct {
    GuestPa pa;
    GByteArray *bytes;
} Change;

typedef struct {
    VmmMachine *machine;
    IntroKernel *kernel;
    const IntroTask *task;              /* the one that was named; may be NULL */
    GPtrArray *tasks;
    GArray *changes;                    /* of Change, to be made */
} Job;

static GuestVa
symbol(const Job *job, const char *name)
{
    GuestVa va = 0;

    if (!intro_symbols_address(intro_kernel_symbols(job->kernel), name, &va, NULL))
        g_error("no symbol %s", name);
    return va;
}

static gsize
member(const Job *job, const char *type, const char *name)
{
    gsize offset = 0;

    if (!intro_btf_offset(intro_kernel_btf(job->kernel), type, name, &offset, NULL))
        g_error("no member %s of %s", name, type);
    return offset;
}

static GuestPa
place(const Job *job, GuestVa va)
{
    g_autoptr(GError) error = NULL;
    IntroMapping mapping;

    if (!intro_space_translate(intro_kernel_space(job->kernel), va, &mapping, &error))
        g_error("%s", error->message);
    return mapping.pa;
}

static guint64
word(const Job *job, GuestVa va)
{
    guint64 value = 0;

    if (!intro_space_read_u64(intro_kernel_space(job->kernel), va, &value, NULL))
        g_error("cannot read 0x%" G_GINT64_MODIFIER "x", va);
    return value;
}

static void
change_at(Job *job, GuestPa pa, const void *bytes, guint length)
{
    Change change = { pa, g_byte_array_new() };

    g_byte_array_append(change.bytes, bytes, length);
    g_array_append_val(job->changes, change);
}

static void
change_word(Job *job, GuestVa va, guint64 value)
{
    change_at(job, place(job, va), &value, sizeof value);
}

/* As far as the page goes, which in the kernel's image is far. */
static void
change_to_garbage(Job *job, GuestVa va)
{
    g_autofree guint8 *garbage = g_malloc(GARBAGE_BYTES);

    for (guint i = 0; i < GARBAGE_BYTES; i++)
        garbage[i] = (guint8) (i * 167 + (i >> 8) * 13);
    for (guint i = 0; i < GARBAGE_BYTES; i += PAGE_BYTES)
        change_at(job, place(job, va + i), garbage + i, PAGE_BYTES - (va + i) % PAGE_BYTES);
}

/* Memory of the image's that nothing uses, which can hold whatever a guest might make up. */
static IntroHole
unused(const Job *job, gboolean executable)
{
    g_autoptr(GArray) holes = intro_kernel_holes(job->kernel, NULL);

    for (guint i = 0; holes != NULL && i < holes->len; i++)
        if (g_array_index(holes, IntroHole, i).executable == executable)
            return g_array_index(holes, IntroHole, i);
    g_error("there is no unused memory");
}

/* ---- The kinds ---- */

/* The third process leads back to the second: those behind are never reached, nor is the beginning. */
static void
task_cycle(Job *job)
{
    gsize next = member(job, "task_struct", "tasks.next"), prev = member(job, "task_struct", "tasks.prev");
    GuestVa second = word(job, word(job, symbol(job, "init_task") + next)), third = word(job, second);

    change_word(job, third, second);
    change_word(job, second + (prev - next), third);
}

static void
module_wild(Job *job)
{
    change_word(job, word(job, symbol(job, "modules")), WILD_POINTER);
}

/* The first module has more symbols than there is memory. */
static void
module_symbols(Job *job)
{
    const GuestVa module = word(job, symbol(job, "modules")) - member(job, "module", "list.next");
    const GuestVa tables = word(job, module + member(job, "module", "kallsyms"));
    const guint32 n = MANY_SYMBOLS;

    change_at(job, place(job, tables + member(job, "mod_kallsyms", "num_symtab")), &n, sizeof n);
}

/* One module a thousand times, each with as much unwind data as a module can have. */
static void
modules_many(Job *job)
{
    const GuestVa list = symbol(job, "modules"), first = word(job, list);
    const gsize link = member(job, "module", "list.next"), n = member(job, "module", "arch.num_orcs");
    const gsize offsets = member(job, "module", "arch.orc_unwind_ip"), entries = member(job, "module", "arch.orc_unwind");
    const guint64 n_orcs = 1 << 20, memory = word(job, symbol(job, "page_offset_base")) + (128 << 20);
    const IntroHole hole = unused(job, FALSE);
    g_autofree guint8 *copies = NULL;
    gsize bytes;

    if (!intro_btf_size(intro_kernel_btf(job->kernel), "module", &bytes, NULL) || hole.length < N_MODULES * bytes)
        g_error("there is no room for modules");
    copies = g_malloc(N_MODULES * bytes);
    for (guint i = 0; i < N_MODULES; i++) {
        guint8 *copy = copies + i * bytes;
        GuestVa next = i + 1 < N_MODULES ? hole.va + (i + 1) * bytes + link : first;

        if (!intro_space_read(intro_kernel_space(job->kernel), first - link, copy, bytes, NULL))
            g_error("there is no module");
        memcpy(copy + link, &next, sizeof next);
        memcpy(copy + n, &n_orcs, sizeof(guint32));
        memcpy(copy + offsets, &memory, sizeof memory);
        memcpy(copy + entries, &memory, sizeof memory);
    }
    change_at(job, hole.pa, copies, N_MODULES * bytes);
    change_word(job, list, hole.va + link);
}

/* Livepatches, their objects and their functions, each a list of all of it. */
static void
livepatch_web(Job *job)
{
    const GuestVa list = symbol(job, "klp_patches");
    const IntroHole hole = unused(job, FALSE);
    g_autofree guint64 *links = g_new(guint64, N_LINKS);

    for (guint i = 0; i < N_LINKS; i++)
        links[i] = i + 1 < N_LINKS ? hole.va + (i + 1) * sizeof *links : list;
    if (hole.length < N_LINKS * sizeof *links)
        g_error("there is no room for links");
    change_at(job, hole.pa, links, N_LINKS * sizeof *links);
    change_word(job, list, hole.va);
}

/* As of two updates with thousands of jumps. */
static void
forge(Job *job, gsize length)
{
    const IntroHole hole = unused(job, TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) records = forge_records(job->kernel, &hole, length, &error);

    if (records == NULL)
        g_error("there is no room for records: %s", error != NULL ? error->message : "or no module");
    change_at(job, hole.pa, g_bytes_get_data(records, NULL), g_bytes_get_size(records));
}

static void
records_many(Job *job)
{
    forge(job, RECORDS_BYTES);
}

static void
records_too_many(Job *job)
{
    forge(job, TOO_MANY_RECORDS_BYTES);
}

/* The tokens themselves lie before their index. */
static gboolean
is_text_before(const guint8 *bytes, guint64 at)
{
    for (guint64 i = at - MIN(at, 64); i < at; i++)
        if (bytes[i] != '\0' && !g_ascii_isgraph(bytes[i]))
            return FALSE;
    return at >= 64;
}

/* The index of the tokens that names are packed with: 256 ascending numbers from 0, each with a short string. */
static void
kallsyms_tokens(Job *job)
{
    g_autoptr(IntroImage) image = intro_image_locate(vmm_machine_reader(job->machine), NULL);

    for (guint i = 0; image != NULL && i < image->runs->len; i++) {
        const IntroMapping *run = &g_array_index(image->runs, IntroMapping, i);
        g_autofree guint8 *bytes = NULL;

        if (run->writable || run->executable)
            continue;
        bytes = g_malloc(run->length);
        if (!vmm_read(vmm_machine_reader(job->machine), run->pa, bytes, run->length, NULL))
            continue;
        for (guint64 at = 0; at + N_TOKENS * 2 <= run->length; at += 4) {
            guint16 index[N_TOKENS];
            guint n = 1;

            memcpy(index, bytes + at, sizeof index);
            while (index[0] == 0 && n < N_TOKENS && index[n] > index[n - 1] && index[n] - index[n - 1] < 100)
                n++;
            if (n == N_TOKENS && is_text_before(bytes, at)) {
                memset(index, 0xa5, sizeof index);
                change_at(job, guest_pa_add(run->pa, at + sizeof index / 2), index, sizeof index / 2);
                return;
            }
        }
    }
    g_error("there is no token index");
}

/* The unwind data of the scheduler, which every sleeping task is in. */
static void
orc_garbage(Job *job)
{
    GuestVa addresses = symbol(job, "__start_orc_unwind_ip"), schedule = symbol(job, "schedule");
    guint64 n = (symbol(job, "__stop_orc_unwind_ip") - addresses) / sizeof(gint32), at = 0;
    g_autofree gint32 *places = g_new(gint32, n);

    if (!intro_space_read(intro_kernel_space(job->kernel), addresses, places, n * sizeof *places, NULL))
        g_error("the unwind tables cannot be read");
    while (at < n && addresses + at * sizeof *places + (gint64) places[at] <= schedule)
        at++;
    change_to_garbage(job, symbol(job, "__start_orc_unwind") + at * ORC_ENTRY_BYTES - GARBAGE_BYTES / 2);
}

static void
btf_garbage(Job *job)
{
    change_to_garbage(job, symbol(job, "__start_BTF") + 24);
}

/* Where the top page table has no entry: its index. WHERE is the address of memory that an entry there is for, and that is for
 * itself all the way down. */
static guint64
unused_entry(const Job *job, GuestVa *where)
{
    g_autoptr(IntroImage) image = intro_image_locate(vmm_machine_reader(job->machine), NULL);
    guint top = image != NULL && image->five_levels ? 48 : 39;
    GuestVa table = symbol(job, "init_top_pgt");
    guint64 free = TABLE_ENTRIES / 2;

    while (free < TABLE_ENTRIES && word(job, table + free * 8) != 0)
        free++;
    if (free == TABLE_ENTRIES)
        g_error("there is no unused entry");
    *where = G_MAXUINT64 << (top + 9);
    for (guint shift = 12; shift <= top; shift += 9)
        *where |= free << shift;
    return free;
}

static void
move_stack(Job *job, guint64 entry)
{
    GuestVa where;
    guint64 index = unused_entry(job, &where);

    change_word(job, symbol(job, "init_top_pgt") + index * 8, entry | ENTRY_FLAGS);
    change_word(job, job->task->task + member(job, "task_struct", "stack"), where);
    change_word(job, job->task->task + member(job, "task_struct", "thread.sp"), where + 0x800);
}

/* The top page table is its own lower ones, as deep as one walks; and a stack there. */
static void
page_table_loop(Job *job)
{
    move_stack(job, place(job, symbol(job, "init_top_pgt")).value);
}

/* A page table where a device is. */
static void
page_table_device(Job *job)
{
    move_stack(job, LOCAL_APIC);
}

static void
stack_nowhere(Job *job)
{
    change_word(job, job->task->task + member(job, "task_struct", "stack"), 0xdead4ead00000000ULL);
    change_word(job, job->task->task + member(job, "task_struct", "thread.sp"), 0xdead4ead00003f00ULL);
}

/* Its own frame again and again. */
static void
stack_circle(Job *job)
{
    for (guint64 offset = 0x3000; offset < 0x4000; offset += 8)
        change_word(job, job->task->stack + offset, job->task->stack + offset - 8);
}

/* Of addresses of code, each of which looks like one to return to, all threads of a crowd have a stack full: the same one. */
static void
stacks_deep(Job *job)
{
    const gsize stack = member(job, "task_struct", "stack"), sp = member(job, "task_struct", "thread.sp");
    const GuestVa start = (unused(job, FALSE).va + STACK_BYTES - 1) & ~(GuestVa) (STACK_BYTES - 1);
    guint64 words[STACK_BYTES / sizeof(guint64)];

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = symbol(job, "_stext") + i * 1024;
    change_at(job, place(job, start), words, sizeof words);
    for (guint i = 0; i < job->tasks->len; i++) {
        const IntroTask *task = job->tasks->pdata[i];

        if (strcmp(task->name, "crowd") == 0) {
            change_word(job, task->task + stack, start);
            change_word(job, task->task + sp, start);
        }
    }
}

/* Unwind data that are for no code at all. */
static void
orc_astray(Job *job)
{
    GuestVa va = symbol(job, "__start_orc_unwind_ip"), end = symbol(job, "__stop_orc_unwind_ip");
    gint32 far[PAGE_BYTES / sizeof(gint32)];

    for (gsize i = 0; i < G_N_ELEMENTS(far); i++)
        far[i] = i % 2 != 0 ? G_MAXINT32 : G_MININT32;
    for (guint64 n; va < end; va += n) {
        n = MIN(end - va, PAGE_BYTES - va % PAGE_BYTES);
        change_at(job, place(job, va), far, n);
    }
}

static const struct {
    const char *name;
    void (*run)(Job *job);
    gboolean needs_task;
} kinds[] = {
    { "task-cycle", task_cycle, FALSE }, { "module-wild", module_wild, FALSE },
    { "modules-many", modules_many, FALSE }, { "livepatch-web", livepatch_web, FALSE },
    { "records-many", records_many, FALSE }, { "records-too-many", records_too_many, FALSE },
    { "kallsyms-tokens", kallsyms_tokens, FALSE }, { "orc-garbage", orc_garbage, FALSE },
    { "btf-garbage", btf_garbage, FALSE }, { "page-table-loop", page_table_loop, TRUE },
    { "page-table-device", page_table_device, TRUE }, { "module-symbols", module_symbols, FALSE },
    { "stack-nowhere", stack_nowhere, TRUE }, { "stack-circle", stack_circle, TRUE },
    { "stacks-deep", stacks_deep, FALSE }, { "orc-astray", orc_astray, FALSE },
};

/* ---- Doing and undoing ---- */

static gboolean
write_all(const Job *job, GError **error)
{
    g_autoptr(VmmPause) pause = vmm_pause_begin(job->machine, error);
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(VmmChunk));

    for (guint i = 0; i < job->changes->len; i++) {
        const Change *change = &g_array_index(job->changes, Change, i);
        VmmChunk chunk = { change->pa, change->bytes->data, change->bytes->len };

        g_array_append_val(chunks, chunk);
    }
    return pause != NULL && vmm_pause_write(pause, (const VmmChunk *) chunks->data, chunks->len, error)
           && vmm_pause_end(g_steal_pointer(&pause), NULL, error);
}

static gboolean
note_before(const Job *job, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < job->changes->len; i++) {
        const Change *change = &g_array_index(job->changes, Change, i);
        g_autofree guint8 *before = g_malloc(change->bytes->len);

        if (!vmm_read(vmm_machine_reader(job->machine), change->pa, before, change->bytes->len, error))
            return FALSE;
        g_string_append_printf(text, "%" G_GINT64_MODIFIER "x ", change->pa.value);
        for (guint n = 0; n < change->bytes->len; n++)
            g_string_append_printf(text, "%02x", before[n]);
        g_string_append_c(text, '\n');
    }
    return g_file_set_contents(path, text->str, -1, error);
}

static gboolean
read_noted(Job *job, const char *path, GError **error)
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
        change_at(job, guest_pa(pa), bytes->data, bytes->len);
    }
    return TRUE;
}

static gboolean
prepare(Job *job, const char *kind, const char *pid, GError **error)
{
    job->kernel = intro_kernel_attach(vmm_machine_reader(job->machine), error);
    job->tasks = job->kernel != NULL ? intro_tasks(job->kernel, error) : NULL;
    if (job->tasks == NULL)
        return FALSE;
    for (guint i = 0; pid != NULL && i < job->tasks->len; i++)
        if (((const IntroTask *) job->tasks->pdata[i])->pid == atoi(pid))
            job->task = job->tasks->pdata[i];
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0) {
            if (kinds[i].needs_task && job->task == NULL)
                g_error("there is no such task");
            kinds[i].run(job);
            return TRUE;
        }
    g_error("there is no kind %s", kind);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Job job = { .changes = g_array_new(FALSE, FALSE, sizeof(Change)) };
    gboolean done;

    if (argc < 4) {
        fprintf(stderr, "usage: corrupt GUEST KIND|undo UNDO-FILE [PID]\n");
        return 2;
    }
    job.machine = vmm_machine_open(argv[1], NULL, &error);
    if (job.machine == NULL)
        done = FALSE;
    else if (strcmp(argv[2], "undo") == 0)
        done = read_noted(&job, argv[3], &error);
    else
        done = prepare(&job, argv[2], argv[4], &error) && note_before(&job, argv[3], &error);
    if (done && write_all(&job, &error)) {
        vmm_machine_free(job.machine);
        return 0;
    }
    fprintf(stderr, "corrupt: %s\n", error->message);
    vmm_machine_free(job.machine);
    return 1;
}
