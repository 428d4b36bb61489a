/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/guest-record.h"

#include <string.h>

#include "vmm/backend.h"

#define PAGE_BYTES 4096
#define WORD_BYTES sizeof(guint64)
#define EDIT_BYTES 13

/* A read of more than this is one of tables, of which single words matter less. */
#define BULK_BYTES (64u << 10)

static const char magic[8] = "VLPguest";

typedef struct {
    guint64 pa;
    guint8 bytes[PAGE_BYTES];
} Page;

typedef struct {
    guint8 *word, before[WORD_BYTES];
} Edit;

struct GuestRecord {
    const VmmReader *source;            /* NULL: what is not there is zero */
    VmmMachine *machine;
    GArray *vcpus;                      /* of VmmVcpu */
    GHashTable *pages;                  /* address to Page */
    gboolean watching;
    GHashTable *seen;                   /* words that were noted */
    GPtrArray *words, *bulk_words;      /* where in a page, or in a vCPU, they lie */
    GArray *edits;                      /* of Edit, in their order */
};

static Page *
get_page(GuestRecord *record, guint64 pa, GError **error)
{
    Page *page = g_hash_table_lookup(record->pages, &pa);

    if (page != NULL || record->source == NULL)
        return page;
    page = g_new0(Page, 1);
    page->pa = pa;
    if (!vmm_read(record->source, guest_pa(pa), page->bytes, PAGE_BYTES, error)) {
        g_free(page);
        return NULL;
    }
    g_hash_table_insert(record->pages, &page->pa, page);
    return page;
}

static void
note_words(GuestRecord *record, guint8 *bytes, gsize length, gboolean bulk)
{
    for (gsize i = 0; i + WORD_BYTES <= length; i += WORD_BYTES)
        if (g_hash_table_add(record->seen, bytes + i))
            g_ptr_array_add(bulk ? record->bulk_words : record->words, bytes + i);
}

static gboolean
read_extent(GuestRecord *record, const VmmExtent *extent, GError **error)
{
    for (gsize done = 0; done < extent->length;) {
        guint64 at = extent->pa.value + done, within = at % PAGE_BYTES;
        gsize length = MIN(extent->length - done, PAGE_BYTES - within);
        GError *cause = NULL;
        Page *page = get_page(record, at - within, &cause);

        if (cause != NULL) {
            g_propagate_error(error, cause);
            return FALSE;
        }
        if (page != NULL)
            memcpy((guint8 *) extent->buffer + done, page->bytes + within, length);
        else
            memset((guint8 *) extent->buffer + done, 0, length);
        if (page != NULL && record->watching)
            note_words(record, page->bytes + within / WORD_BYTES * WORD_BYTES,
                       MIN(length + WORD_BYTES - 1, PAGE_BYTES - within / WORD_BYTES * WORD_BYTES),
                       extent->length > BULK_BYTES);
        done += length;
    }
    return TRUE;
}

static gboolean
record_read(gpointer self, const VmmExtent *extents, gsize n_extents, GError **error)
{
    for (gsize i = 0; i < n_extents; i++)
        if (!read_extent(self, &extents[i], error))
            return FALSE;
    return TRUE;
}

static gboolean
record_peek_vcpu(gpointer self, guint index, VmmVcpu *vcpu, GError **error)
{
    GuestRecord *record = self;
    VmmVcpu *kept = &g_array_index(record->vcpus, VmmVcpu, index);

    if (record->watching)
        note_words(record, (guint8 *) kept->gpr, sizeof *kept - G_STRUCT_OFFSET(VmmVcpu, gpr), FALSE);
    *vcpu = *kept;
    return TRUE;
}

static void
record_close(gpointer self)
{
}

static const VmmBackend record_backend = {
    .kind = "record",
    .close = record_close,
    .read = record_read,
    .peek_vcpu = record_peek_vcpu,
};

static GuestRecord *
new_record(const VmmVcpu *vcpus, guint n_vcpus, const VmmRange *ranges, guint n_ranges)
{
    GuestRecord *record = g_new0(GuestRecord, 1);
    VmmBackendInstance instance = { .ops = &record_backend, .self = record, .n_vcpus = n_vcpus };

    instance.name = g_strdup("record");
    instance.ranges = g_array_new(FALSE, FALSE, sizeof(VmmRange));
    g_array_append_vals(instance.ranges, ranges, n_ranges);
    record->vcpus = g_array_new(FALSE, FALSE, sizeof(VmmVcpu));
    g_array_append_vals(record->vcpus, vcpus, n_vcpus);
    record->pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    record->seen = g_hash_table_new(NULL, NULL);
    record->words = g_ptr_array_new();
    record->bulk_words = g_ptr_array_new();
    record->edits = g_array_new(FALSE, FALSE, sizeof(Edit));
    record->machine = vmm_machine_new(&instance);
    return record;
}

GuestRecord *
guest_record_new(const VmmReader *source, const VmmVcpu *vcpus, guint n_vcpus)
{
    guint n_ranges;
    const VmmRange *ranges = vmm_reader_ranges(source, &n_ranges);
    GuestRecord *record = new_record(vcpus, n_vcpus, ranges, n_ranges);

    record->source = source;
    return record;
}

void
guest_record_free(GuestRecord *record)
{
    if (record == NULL)
        return;
    vmm_machine_free(record->machine);
    g_array_unref(record->vcpus);
    g_hash_table_unref(record->pages);
    g_hash_table_unref(record->seen);
    g_ptr_array_unref(record->words);
    g_ptr_array_unref(record->bulk_words);
    g_array_unref(record->edits);
    g_free(record);
}

const VmmReader *
guest_record_reader(GuestRecord *record)
{
    return vmm_machine_reader(record->machine);
}

/* ---- Files ---- */

static gint
compare_pages(gconstpointer a, gconstpointer b)
{
    const Page *left = *(Page *const *) a, *right = *(Page *const *) b;

    return left->pa < right->pa ? -1 : left->pa > right->pa;
}

gboolean
guest_record_save(const GuestRecord *record, const char *path, GError **error)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GPtrArray) pages = g_ptr_array_new();
    guint counts[3] = { record->vcpus->len };
    const VmmRange *ranges = vmm_reader_ranges(vmm_machine_reader(record->machine), &counts[1]);
    GHashTableIter iter;
    gpointer page;

    g_hash_table_iter_init(&iter, record->pages);
    while (g_hash_table_iter_next(&iter, NULL, &page))
        g_ptr_array_add(pages, page);
    g_ptr_array_sort(pages, compare_pages);
    counts[2] = pages->len;
    g_byte_array_append(file, (const guint8 *) magic, sizeof magic);
    g_byte_array_append(file, (const guint8 *) counts, sizeof counts);
    g_byte_array_append(file, (const guint8 *) record->vcpus->data, counts[0] * sizeof(VmmVcpu));
    g_byte_array_append(file, (const guint8 *) ranges, counts[1] * sizeof(VmmRange));
    for (guint i = 0; i < pages->len; i++)
        g_byte_array_append(file, pages->pdata[i], sizeof(Page));
    return g_file_set_contents(path, (const char *) file->data, file->len, error);
}

GuestRecord *
guest_record_load(const char *path, GError **error)
{
    g_autofree char *bytes = NULL;
    GuestRecord *record;
    guint counts[3];
    const char *at;
    gsize length;

    if (!g_file_get_contents(path, &bytes, &length, error))
        return NULL;
    g_assert_true(length > sizeof magic + sizeof counts && memcmp(bytes, magic, sizeof magic) == 0);
    memcpy(counts, bytes + sizeof magic, sizeof counts);
    at = bytes + sizeof magic + sizeof counts;
    g_assert_cmpuint(length, ==, at - bytes + counts[0] * sizeof(VmmVcpu) + counts[1] * sizeof(VmmRange)
                     + counts[2] * sizeof(Page));
    record = new_record((const VmmVcpu *) (gconstpointer) at, counts[0],
                        (const VmmRange *) (gconstpointer) (at + counts[0] * sizeof(VmmVcpu)), counts[1]);
    at += counts[0] * sizeof(VmmVcpu) + counts[1] * sizeof(VmmRange);
    for (guint i = 0; i < counts[2]; i++, at += sizeof(Page)) {
        Page *page = g_memdup2(at, sizeof(Page));

        g_hash_table_insert(record->pages, &page->pa, page);
    }
    return record;
}

/* ---- Damage ---- */

void
guest_record_watch(GuestRecord *record)
{
    record->watching = TRUE;
}

void
guest_record_watched(GuestRecord *record)
{
    record->watching = FALSE;
}

static guint8 *
choose_word(const GuestRecord *record, const guint8 *choice, gboolean bulk)
{
    const GPtrArray *words = bulk && record->bulk_words->len > 0 ? record->bulk_words : record->words;

    return words->pdata[(choice[0] | choice[1] << 8 | (guint) choice[2] << 16) % words->len];
}

/* Bits 0 to 2 of the first byte: what to do. Bit 3: copy from, and bit 4: change, a word of a long table. */
static void
edit_word(GuestRecord *record, const guint8 *data)
{
    guint8 *word = choose_word(record, data + 1, (data[0] & 16) != 0);
    const guint8 *operand = data + 5, *other = choose_word(record, operand, (data[0] & 8) != 0);
    guint64 value, change, page_bits = PAGE_BYTES - 1;
    Edit edit = { .word = word };

    memcpy(edit.before, word, WORD_BYTES);
    g_array_append_val(record->edits, edit);
    memcpy(&value, word, WORD_BYTES);
    memcpy(&change, operand, WORD_BYTES);
    switch (data[0] & 7) {
    case 0:
        word[data[4] % WORD_BYTES] = operand[0];
        return;
    case 1:
        memcpy(word + (data[4] & 4), operand, sizeof(guint32));
        return;
    case 2:
        value = change;
        break;
    case 3:
        memcpy(&value, other, WORD_BYTES);
        break;
    case 4:
        value += (gint64) (gint16) (operand[0] | operand[1] << 8);
        break;
    case 5:
        value ^= 1ULL << (data[4] % 64);
        break;
    case 6:
        /* The frame number of another entry of a page table, with this one's flags. */
        memcpy(&change, other, WORD_BYTES);
        value = (value & page_bits) | (change & ~page_bits);
        break;
    default:
        value = 0;
        break;
    }
    memcpy(word, &value, WORD_BYTES);
}

void
guest_record_edit(GuestRecord *record, const guint8 *data, gsize size)
{
    for (gsize i = 0; i + EDIT_BYTES <= size && record->words->len > 0; i += EDIT_BYTES)
        edit_word(record, data + i);
}

void
guest_record_write(GuestRecord *record, guint64 pa, const guint8 *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guint64 at = pa + i, page_pa = at - at % PAGE_BYTES;
        Page *page = g_hash_table_lookup(record->pages, &page_pa);
        Edit edit;

        if (page == NULL)
            continue;
        edit.word = page->bytes + at % PAGE_BYTES / WORD_BYTES * WORD_BYTES;
        memcpy(edit.before, edit.word, WORD_BYTES);
        g_array_append_val(record->edits, edit);
        page->bytes[at % PAGE_BYTES] = bytes[i];
    }
}

void
guest_record_restore(GuestRecord *record)
{
    for (guint i = record->edits->len; i > 0; i--) {
        const Edit *edit = &g_array_index(record->edits, Edit, i - 1);

        memcpy(edit->word, edit->before, WORD_BYTES);
    }
    g_array_set_size(record->edits, 0);
}
