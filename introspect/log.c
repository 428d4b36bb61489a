/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/log.h"

#include <string.h>

#include "introspect/cursor.h"

/* Of a descriptor, or of what is told about a record; and the longest text, which the kernel's own length limits. */
#define MAX_STRUCT_BYTES 512
#define MAX_COUNT_BITS 26
#define MAX_SIZE_BITS 31

/* A descriptor's state is in the two topmost bits of a word that holds its id for the rest. */
#define STATE_SHIFT 62
#define ID_MASK ((1ULL << STATE_SHIFT) - 1)
#define STATE_COMMITTED 1
#define STATE_FINALIZED 2

/* Before each text in the data ring stands its descriptor's id. A position that is odd stands for no text. */
#define ID_BYTES sizeof(guint64)

typedef struct {
    gsize count_bits, descs, infos, head_id, tail_id, size_bits, data;     /* in struct printk_ringbuffer */
    gsize desc_bytes, state, begin, next;                                   /* struct prb_desc */
    gsize info_bytes, sequence, time, text_length, facility;                /* struct printk_info */
    IntroMember level;
} Layout;

typedef struct {
    const IntroSpace *space;
    Layout layout;
    GuestVa descs, infos, data;
    guint32 n_descs;            /* a power of two, as is */
    guint64 data_bytes;
    guint64 head_id, tail_id;   /* of the newest and the oldest */
} Ring;

/* What is known of one record. */
typedef struct {
    guint64 id, state;
    guint64 begin, next;        /* of its text, in the data ring: positions that count on for ever */
    guint64 sequence, time_ns;
    guint16 text_length;
    guint8 facility, level;
} Entry;

static gboolean
read_layout(const IntroBtf *btf, Layout *layout, GError **error)
{
    const struct {
        const char *type, *member;
        gsize *offset;
    } members[] = {
        { "printk_ringbuffer", "desc_ring.count_bits", &layout->count_bits },
        { "printk_ringbuffer", "desc_ring.descs", &layout->descs },
        { "printk_ringbuffer", "desc_ring.infos", &layout->infos },
        { "printk_ringbuffer", "desc_ring.head_id", &layout->head_id },
        { "printk_ringbuffer", "desc_ring.tail_id", &layout->tail_id },
        { "printk_ringbuffer", "text_data_ring.size_bits", &layout->size_bits },
        { "printk_ringbuffer", "text_data_ring.data", &layout->data },
        { "prb_desc", "state_var", &layout->state },
        { "prb_desc", "text_blk_lpos.begin", &layout->begin },
        { "prb_desc", "text_blk_lpos.next", &layout->next },
        { "printk_info", "seq", &layout->sequence },
        { "printk_info", "ts_nsec", &layout->time },
        { "printk_info", "text_len", &layout->text_length },
        { "printk_info", "facility", &layout->facility },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
        if (!intro_btf_offset(btf, members[i].type, members[i].member, members[i].offset, error))
            return FALSE;
    return intro_btf_member(btf, "printk_info", "level", &layout->level, error)
           && intro_btf_size(btf, "prb_desc", &layout->desc_bytes, error)
           && intro_btf_size(btf, "printk_info", &layout->info_bytes, error);
}

static gboolean
set_corrupt(GError **error, const char *what)
{
    g_set_error(error, INTRO_ERROR, INTRO_ERROR_CORRUPT, "the kernel's log buffer %s", what);
    return FALSE;
}

/* Members end within their structs, as the struct's own size says, so the one check will do for all of them. */
static gboolean
check_sizes(const Layout *layout, GError **error)
{
    if (layout->desc_bytes < 3 * sizeof(guint64) || layout->desc_bytes > MAX_STRUCT_BYTES
        || layout->info_bytes < 3 * sizeof(guint64) || layout->info_bytes > MAX_STRUCT_BYTES)
        return set_corrupt(error, "has entries of an impossible size");
    return TRUE;
}

static gboolean
read_ring(const IntroKernel *kernel, Ring *ring, GError **error)
{
    const Layout *layout = &ring->layout;
    guint32 count_bits, size_bits;
    GuestVa pointer, va;

    ring->space = intro_kernel_space(kernel);
    if (!intro_symbols_address(intro_kernel_symbols(kernel), "prb", &pointer, NULL)) {
        g_set_error_literal(error, INTRO_ERROR, INTRO_ERROR_UNSUPPORTED,
                            "the guest's kernel has no log buffer of the kind that Linux 5.10 came with");
        return FALSE;
    }
    if (!read_layout(intro_kernel_btf(kernel), &ring->layout, error) || !check_sizes(layout, error)
        || !intro_space_read_u64(ring->space, pointer, &va, error)
        || !intro_space_read_u32(ring->space, va + layout->count_bits, &count_bits, error)
        || !intro_space_read_u32(ring->space, va + layout->size_bits, &size_bits, error)
        || !intro_space_read_u64(ring->space, va + layout->descs, &ring->descs, error)
        || !intro_space_read_u64(ring->space, va + layout->infos, &ring->infos, error)
        || !intro_space_read_u64(ring->space, va + layout->data, &ring->data, error)
        || !intro_space_read_u64(ring->space, va + layout->tail_id, &ring->tail_id, error)
        || !intro_space_read_u64(ring->space, va + layout->head_id, &ring->head_id, error))
        return FALSE;
    if (count_bits > MAX_COUNT_BITS || size_bits > MAX_SIZE_BITS)
        return set_corrupt(error, "is of an impossible size");
    ring->n_descs = 1U << count_bits;
    ring->data_bytes = 1ULL << size_bits;
    return TRUE;
}

/* LENGTH bytes at OFFSET of STRUCT, which has MAX_STRUCT_BYTES; what does not fit reads as 0. */
static guint64
field(const guint8 *bytes, gsize offset, gsize length)
{
    guint64 value = 0;

    if (offset <= MAX_STRUCT_BYTES - length)
        memcpy(&value, bytes + offset, length);
    return GUINT64_FROM_LE(value);
}

static guint8
bit_field(const guint8 *bytes, const IntroMember *member)
{
    const guint mask = (1U << MIN(member->size_bits, 8)) - 1;

    return field(bytes, member->offset_bits / 8, 1) >> member->offset_bits % 8 & mask;
}

/* FALSE if it cannot be read. */
static gboolean
read_entry(const Ring *ring, guint64 id, Entry *entry)
{
    const Layout *layout = &ring->layout;
    const guint64 index = id & (ring->n_descs - 1);
    guint8 desc[MAX_STRUCT_BYTES] = { 0 }, info[MAX_STRUCT_BYTES] = { 0 };
    const IntroExtent extents[] = {
        { ring->descs + index * layout->desc_bytes, desc, layout->desc_bytes },
        { ring->infos + index * layout->info_bytes, info, layout->info_bytes },
    };
    guint64 state;

    if (!intro_space_read_extents(ring->space, extents, G_N_ELEMENTS(extents), NULL))
        return FALSE;
    state = field(desc, layout->state, sizeof state);
    *entry = (Entry) {
        .id = state & ID_MASK, .state = state >> STATE_SHIFT,
        .begin = field(desc, layout->begin, sizeof(guint64)), .next = field(desc, layout->next, sizeof(guint64)),
        .sequence = field(info, layout->sequence, sizeof(guint64)),
        .time_ns = field(info, layout->time, sizeof(guint64)),
        .text_length = field(info, layout->text_length, sizeof(guint16)),
        .facility = field(info, layout->facility, sizeof(guint8)), .level = bit_field(info, &layout->level),
    };
    return TRUE;
}

static gboolean
is_whole(const Entry *entry, guint64 id)
{
    return entry->id == id && (entry->state == STATE_COMMITTED || entry->state == STATE_FINALIZED);
}

/*
 * Where the text of ENTRY is, and how many bytes there can be; FALSE if there is none. One that does not fit before the
 * end of the ring is at its start. (From 6.18 on, one that ends where the ring does fits; before, the kernel put that one,
 * too, at the start, and then it ends elsewhere.)
 */
static gboolean
find_text(const Ring *ring, const Entry *entry, GuestVa *va, guint64 *length)
{
    const guint64 begin = entry->begin, next = entry->next, mask = ring->data_bytes - 1;
    guint64 at = begin & mask, bytes = next - begin;

    if ((begin & 1) != 0 || (next & 1) != 0 || next == begin)
        return FALSE;
    if ((begin & ~mask) != ((next - 1) & ~mask)) {
        if (((begin + ring->data_bytes) & ~mask) != ((next - 1) & ~mask))
            return FALSE;
        at = 0;
        bytes = ((next - 1) & mask) + 1;
    }
    if (bytes < ID_BYTES || bytes > ring->data_bytes - at)
        return FALSE;
    *va = ring->data + at + ID_BYTES;
    *length = MIN(bytes - ID_BYTES, entry->text_length);
    return TRUE;
}

/* What would do something to a terminal is shown as /dev/kmsg shows it. */
static char *
make_printable(const char *text, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, length);
    GString *printable = g_string_new(NULL);

    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        const gunichar character = g_utf8_get_char(c);

        if (g_unichar_iscntrl(character) && character != '\n' && character != '\t')
            g_string_append_printf(printable, "\\x%02x", character);
        else
            g_string_append_unichar(printable, character);
    }
    return g_string_free(printable, FALSE);
}

static void
record_free(gpointer data)
{
    IntroLogRecord *record = data;

    g_free(record->text);
    g_free(record);
}

/* NULL if it is none, or is gone by now. Whatever reuses the descriptor or the text first changes its state. */
static IntroLogRecord *
read_record(const Ring *ring, const Entry *entry)
{
    g_autofree char *text = NULL;
    IntroLogRecord *record;
    guint64 length = 0;
    GuestVa va = 0;
    Entry again;

    if (find_text(ring, entry, &va, &length)) {
        text = g_malloc(length);
        if (!intro_space_read(ring->space, va, text, length, NULL))
            return NULL;
    }
    if (!read_entry(ring, entry->id, &again) || !is_whole(&again, entry->id) || again.sequence != entry->sequence
        || again.begin != entry->begin)
        return NULL;
    record = g_new0(IntroLogRecord, 1);
    *record = (IntroLogRecord) {
        .sequence = entry->sequence, .time_ns = entry->time_ns, .level = entry->level, .facility = entry->facility,
        .text = make_printable(text != NULL ? text : "", length),
    };
    return record;
}

/* How many descriptors there are from the oldest to the newest, as far as they are looked at. */
static guint
n_to_look_at(const Ring *ring)
{
    const guint64 n = ((ring->head_id - ring->tail_id) & ID_MASK) + 1;

    return MIN(MIN(n, ring->n_descs), INTRO_LOG_MAX_RECORDS);
}

gboolean
intro_log_next_sequence(const IntroKernel *kernel, guint64 *sequence, GError **error)
{
    Ring ring;

    if (!read_ring(kernel, &ring, error))
        return FALSE;
    *sequence = 0;
    for (guint i = 0; i < n_to_look_at(&ring); i++) {
        const guint64 id = (ring.head_id - i) & ID_MASK;
        Entry entry;

        if (read_entry(&ring, id, &entry) && is_whole(&entry, id)) {
            *sequence = entry.sequence + 1;
            break;
        }
    }
    return TRUE;
}

static void
reverse(GPtrArray *array)
{
    for (guint i = 0; i < array->len / 2; i++) {
        gpointer element = array->pdata[i];

        array->pdata[i] = array->pdata[array->len - 1 - i];
        array->pdata[array->len - 1 - i] = element;
    }
}

GPtrArray *
intro_log_read(const IntroKernel *kernel, guint64 from, GError **error)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(record_free);
    Ring ring;

    if (!read_ring(kernel, &ring, error))
        return NULL;
    for (guint i = 0; i < n_to_look_at(&ring); i++) {
        const guint64 id = (ring.head_id - i) & ID_MASK;
        IntroLogRecord *record;
        Entry entry;

        if (!read_entry(&ring, id, &entry) || !is_whole(&entry, id))
            continue;
        if (entry.sequence < from)
            break;
        record = read_record(&ring, &entry);
        if (record != NULL)
            g_ptr_array_add(records, record);
    }
    reverse(records);
    return g_steal_pointer(&records);
}

/* Oopses of all kinds count themselves: "[#1]". */
static gboolean
has_oops_number(const char *text)
{
    const char *mark = strstr(text, "[#");

    return mark != NULL && g_ascii_isdigit(mark[2]);
}

/*
 * Sources: lib/bug.c and kernel/panic.c (warnings), arch/x86/kernel/dumpstack.c (oopses), kernel/watchdog*.c (lockups),
 * kernel/rcu/tree_stall.h, kernel/hung_task.c, lib/ubsan.c.
 */
gboolean
intro_log_is_alarm(const IntroLogRecord *record)
{
    static const char *const beginnings[] = { "WARNING: ", "INFO: task ", "UBSAN: " };
    static const char *const words[] = {
        "BUG: ", "kernel BUG at ", "Kernel panic", "detected stall", "detected expedited stall", "hard LOCKUP",
    };

    if (record->facility != 0)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(beginnings); i++)
        if (g_str_has_prefix(record->text, beginnings[i]))
            return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (strstr(record->text, words[i]) != NULL)
            return TRUE;
    return has_oops_number(record->text);
}
