/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corrupt GUEST KIND UNDO-FILE [PID]: damages a running guest's kernel data as its own kernel could have, and notes in
 * UNDO-FILE what was there before; corrupt GUEST undo UNDO-FILE puts that back. PID is a task that sleeps on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/locate.h"
#include "tests/live/damage.h"
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

/* As far as the page goes, which in the kernel's image is far. */
static void
change_to_garbage(Damage *damage, GuestVa va)
{
    g_autofree guint8 *garbage = g_malloc(GARBAGE_BYTES);

    for (guint i = 0; i < GARBAGE_BYTES; i++)
        garbage[i] = (guint8) (i * 167 + (i >> 8) * 13);
    for (guint i = 0; i < GARBAGE_BYTES; i += PAGE_BYTES)
        damage_add(damage, damage_place(damage, va + i), garbage + i, PAGE_BYTES - (va + i) % PAGE_BYTES);
}

/* ---- The kinds ---- */

/* The third process leads back to the second: those behind are never reached, nor is the beginning. */
static void
task_cycle(Damage *damage)
{
    gsize next = damage_member(damage, "task_struct", "tasks.next"), prev = damage_member(damage, "task_struct", "tasks.prev");
    GuestVa first = damage_word(damage, damage_symbol(damage, "init_task") + next), second = damage_word(damage, first);
    GuestVa third = damage_word(damage, second);

    damage_add_word(damage, third, second);
    damage_add_word(damage, second + (prev - next), third);
}

static void
module_wild(Damage *damage)
{
    damage_add_word(damage, damage_word(damage, damage_symbol(damage, "modules")), WILD_POINTER);
}

/* The first module has more symbols than there is memory. */
static void
module_symbols(Damage *damage)
{
    const GuestVa module = damage_word(damage, damage_symbol(damage, "modules")) - damage_member(damage, "module", "list.next");
    const GuestVa tables = damage_word(damage, module + damage_member(damage, "module", "kallsyms"));
    const guint32 n = MANY_SYMBOLS;

    damage_add(damage, damage_place(damage, tables + damage_member(damage, "mod_kallsyms", "num_symtab")), &n, sizeof n);
}

/* One module a thousand times, each with as much unwind data as a module can have. */
static void
modules_many(Damage *damage)
{
    const GuestVa list = damage_symbol(damage, "modules"), first = damage_word(damage, list);
    const gsize link = damage_member(damage, "module", "list.next"), n = damage_member(damage, "module", "arch.num_orcs");
    const gsize offsets = damage_member(damage, "module", "arch.orc_unwind_ip");
    const gsize entries = damage_member(damage, "module", "arch.orc_unwind");
    const guint64 n_orcs = 1 << 20, memory = damage_word(damage, damage_symbol(damage, "page_offset_base")) + (128 << 20);
    const IntroHole hole = damage_unused(damage, FALSE);
    g_autofree guint8 *copies = NULL;
    gsize bytes;

    if (!intro_btf_size(intro_kernel_btf(damage->kernel), "module", &bytes, NULL) || hole.length < N_MODULES * bytes)
        g_error("there is no room for modules");
    copies = g_malloc(N_MODULES * bytes);
    for (guint i = 0; i < N_MODULES; i++) {
        guint8 *copy = copies + i * bytes;
        GuestVa next = i + 1 < N_MODULES ? hole.va + (i + 1) * bytes + link : first;

        if (!intro_space_read(intro_kernel_space(damage->kernel), first - link, copy, bytes, NULL))
            g_error("there is no module");
        memcpy(copy + link, &next, sizeof next);
        memcpy(copy + n, &n_orcs, sizeof(guint32));
        memcpy(copy + offsets, &memory, sizeof memory);
        memcpy(copy + entries, &memory, sizeof memory);
    }
    damage_add(damage, hole.pa, copies, N_MODULES * bytes);
    damage_add_word(damage, list, hole.va + link);
}

/* Livepatches, their objects and their functions, each a list of all of it. */
static void
livepatch_web(Damage *damage)
{
    const GuestVa list = damage_symbol(damage, "klp_patches");
    const IntroHole hole = damage_unused(damage, FALSE);
    g_autofree guint64 *links = g_new(guint64, N_LINKS);

    for (guint i = 0; i < N_LINKS; i++)
        links[i] = i + 1 < N_LINKS ? hole.va + (i + 1) * sizeof *links : list;
    if (hole.length < N_LINKS * sizeof *links)
        g_error("there is no room for links");
    damage_add(damage, hole.pa, links, N_LINKS * sizeof *links);
    damage_add_word(damage, list, hole.va);
}

/* As of two updates with thousands of jumps. */
static void
forge(Damage *damage, gsize length)
{
    const IntroHole hole = damage_unused(damage, TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) records = forge_records(damage->kernel, &hole, length, &error);

    if (records == NULL)
        g_error("there is no room for records: %s", error != NULL ? error->message : "or no module");
    damage_add(damage, hole.pa, g_bytes_get_data(records, NULL), g_bytes_get_size(records));
}

static void
records_many(Damage *damage)
{
    forge(damage, RECORDS_BYTES);
}

static void
records_too_many(Damage *damage)
{
    forge(damage, TOO_MANY_RECORDS_BYTES);
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
kallsyms_tokens(Damage *damage)
{
    g_autoptr(IntroImage) image = intro_image_locate(vmm_machine_reader(damage->machine), NULL);

    for (guint i = 0; image != NULL && i < image->runs->len; i++) {
        const IntroMapping *run = &g_array_index(image->runs, IntroMapping, i);
        g_autofree guint8 *bytes = NULL;

        if (run->writable || run->executable)
            continue;
        bytes = g_malloc(run->length);
        if (!vmm_read(vmm_machine_reader(damage->machine), run->pa, bytes, run->length, NULL))
            continue;
        for (guint64 at = 0; at + N_TOKENS * 2 <= run->length; at += 4) {
            guint16 index[N_TOKENS];
            guint n = 1;

            memcpy(index, bytes + at, sizeof index);
            while (index[0] == 0 && n < N_TOKENS && index[n] > index[n - 1] && index[n] - index[n - 1] < 100)
                n++;
            if (n == N_TOKENS && is_text_before(bytes, at)) {
                memset(index, 0xa5, sizeof index);
                damage_add(damage, guest_pa_add(run->pa, at + sizeof index / 2), index, sizeof index / 2);
                return;
            }
        }
    }
    g_error("there is no token index");
}

/* The unwind data of the scheduler, which every sleeping task is in. */
static void
orc_garbage(Damage *damage)
{
    GuestVa addresses = damage_symbol(damage, "__start_orc_unwind_ip"), schedule = damage_symbol(damage, "schedule");
    guint64 n = (damage_symbol(damage, "__stop_orc_unwind_ip") - addresses) / sizeof(gint32), at = 0;
    g_autofree gint32 *places = g_new(gint32, n);

    if (!intro_space_read(intro_kernel_space(damage->kernel), addresses, places, n * sizeof *places, NULL))
        g_error("the unwind tables cannot be read");
    while (at < n && addresses + at * sizeof *places + (gint64) places[at] <= schedule)
        at++;
    change_to_garbage(damage, damage_symbol(damage, "__start_orc_unwind") + at * ORC_ENTRY_BYTES - GARBAGE_BYTES / 2);
}

static void
btf_garbage(Damage *damage)
{
    change_to_garbage(damage, damage_symbol(damage, "__start_BTF") + 24);
}

/* Where the top page table has no entry: its index. WHERE is the address of memory that an entry there is for, and that is for
 * itself all the way down. */
static guint64
unused_entry(const Damage *damage, GuestVa *where)
{
    g_autoptr(IntroImage) image = intro_image_locate(vmm_machine_reader(damage->machine), NULL);
    guint top = image != NULL && image->five_levels ? 48 : 39;
    GuestVa table = damage_symbol(damage, "init_top_pgt");
    guint64 free = TABLE_ENTRIES / 2;

    while (free < TABLE_ENTRIES && damage_word(damage, table + free * 8) != 0)
        free++;
    if (free == TABLE_ENTRIES)
        g_error("there is no unused entry");
    *where = G_MAXUINT64 << (top + 9);
    for (guint shift = 12; shift <= top; shift += 9)
        *where |= free << shift;
    return free;
}

static void
move_stack(Damage *damage, guint64 entry)
{
    GuestVa where;
    guint64 index = unused_entry(damage, &where);

    damage_add_word(damage, damage_symbol(damage, "init_top_pgt") + index * 8, entry | ENTRY_FLAGS);
    damage_add_word(damage, damage->task->task + damage_member(damage, "task_struct", "stack"), where);
    damage_add_word(damage, damage->task->task + damage_member(damage, "task_struct", "thread.sp"), where + 0x800);
}

/* The top page table is its own lower ones, as deep as one walks; and a stack there. */
static void
page_table_loop(Damage *damage)
{
    move_stack(damage, damage_place(damage, damage_symbol(damage, "init_top_pgt")).value);
}

/* A page table where a device is. */
static void
page_table_device(Damage *damage)
{
    move_stack(damage, LOCAL_APIC);
}

static void
stack_nowhere(Damage *damage)
{
    damage_add_word(damage, damage->task->task + damage_member(damage, "task_struct", "stack"), 0xdead4ead00000000ULL);
    damage_add_word(damage, damage->task->task + damage_member(damage, "task_struct", "thread.sp"), 0xdead4ead00003f00ULL);
}

/* Its own frame again and again. */
static void
stack_circle(Damage *damage)
{
    for (guint64 offset = 0x3000; offset < 0x4000; offset += 8)
        damage_add_word(damage, damage->task->stack + offset, damage->task->stack + offset - 8);
}

/* Of addresses of code, each of which looks like one to return to, all threads of a crowd have a stack full: the same one. */
static void
stacks_deep(Damage *damage)
{
    const gsize stack = damage_member(damage, "task_struct", "stack"), sp = damage_member(damage, "task_struct", "thread.sp");
    const GuestVa start = (damage_unused(damage, FALSE).va + STACK_BYTES - 1) & ~(GuestVa) (STACK_BYTES - 1);
    guint64 words[STACK_BYTES / sizeof(guint64)];

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = damage_symbol(damage, "_stext") + i * 1024;
    damage_add(damage, damage_place(damage, start), words, sizeof words);
    for (guint i = 0; i < damage->tasks->len; i++) {
        const IntroTask *task = damage->tasks->pdata[i];

        if (strcmp(task->name, "crowd") == 0) {
            damage_add_word(damage, task->task + stack, start);
            damage_add_word(damage, task->task + sp, start);
        }
    }
}

/* Unwind data that are for no code at all. */
static void
orc_astray(Damage *damage)
{
    GuestVa va = damage_symbol(damage, "__start_orc_unwind_ip"), end = damage_symbol(damage, "__stop_orc_unwind_ip");
    gint32 far[PAGE_BYTES / sizeof(gint32)];

    for (gsize i = 0; i < G_N_ELEMENTS(far); i++)
        far[i] = i % 2 != 0 ? G_MAXINT32 : G_MININT32;
    for (guint64 n; va < end; va += n) {
        n = MIN(end - va, PAGE_BYTES - va % PAGE_BYTES);
        damage_add(damage, damage_place(damage, va), far, n);
    }
}

static const struct {
    const char *name;
    void (*run)(Damage *damage);
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

static gboolean
prepare(Damage *damage, const char *kind, const char *pid, GError **error)
{
    damage->kernel = intro_kernel_attach(vmm_machine_reader(damage->machine), error);
    damage->tasks = damage->kernel != NULL ? intro_tasks(damage->kernel, error) : NULL;
    if (damage->tasks == NULL)
        return FALSE;
    for (guint i = 0; pid != NULL && i < damage->tasks->len; i++)
        if (((const IntroTask *) damage->tasks->pdata[i])->pid == atoi(pid))
            damage->task = damage->tasks->pdata[i];
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0) {
            if (kinds[i].needs_task && damage->task == NULL)
                g_error("there is no such task");
            kinds[i].run(damage);
            return TRUE;
        }
    g_error("there is no kind %s", kind);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Damage damage;
    gboolean done;

    if (argc < 4) {
        fprintf(stderr, "usage: corrupt GUEST KIND|undo UNDO-FILE [PID]\n");
        return 2;
    }
    damage_init(&damage, vmm_machine_open(argv[1], NULL, &error));
    if (damage.machine == NULL)
        done = FALSE;
    else if (strcmp(argv[2], "undo") == 0)
        done = damage_read_noted(&damage, argv[3], &error);
    else
        done = prepare(&damage, argv[2], argv[4], &error) && damage_note(&damage, argv[3], &error);
    if (done && damage_do(&damage, &error)) {
        vmm_machine_free(damage.machine);
        return 0;
    }
    fprintf(stderr, "corrupt: %s\n", error->message);
    vmm_machine_free(damage.machine);
    return 1;
}
