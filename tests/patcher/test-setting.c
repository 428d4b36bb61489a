/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked for with --set: how it is read, and what it comes to in an object that was compiled here.
 */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "patcher/error.h"
#include "patcher/new-data.h"
#include "patcher/run.h"
#include "patcher/value-text.h"
#include "patcher/variable.h"

static const char source[] =
    "typedef _Bool bool;\n"
    "struct inner { short low; char name[8]; union { int number; void *pointer; }; };\n"
    "struct outer { unsigned char first : 3, second : 4; int signed_field : 5; struct inner inner, table[3];\n"
    "               struct outer *next; };\n"
    "struct static_key { int enabled; };\n"
    "struct static_key_true { struct static_key key; };\n"
    "enum colour { RED, GREEN };\n"
    "int plain = 10; static unsigned char small = 200; unsigned long wide; bool flag = 1; enum colour colour = GREEN;\n"
    "char text[8] = \"abc\"; const char *string = \"abc\"; int (*callback)(int); double real; int square[2][2];\n"
    "struct opaque *opaque;\n"
    "struct outer outer = { .second = 9, .signed_field = -3, .inner = { .low = 1, .name = \"in\" }, .next = &outer };\n"
    "struct static_key_true key; int per_cpu __attribute__((section(\".data..percpu\")));\n"
    "int boot __attribute__((section(\".init.data\"))); const int constant = 7;\n"
    "int one(int x) { static int count = 5; count += x; return count + small++; }\n"
    "int two(int x) { static int count = 6; count -= x; return count; }\n"
    "int three(void) { static int lonely = 3; return ++lonely; }\n";

static PatchElf *elf;

static void
compile(void)
{
    g_autofree char *folder = g_dir_make_tmp("test-setting-XXXXXX", NULL);
    g_autofree char *c_file = g_build_filename(folder, "a.c", NULL), *object = g_build_filename(folder, "a.o", NULL);
    const char *argv[] = {
        "gcc", "-g", "-O2", "-mcmodel=kernel", "-fno-pie", "-ffreestanding", "-fno-asynchronous-unwind-tables",
        "-fcf-protection=none", "-w", "-c", "-o", object, c_file, NULL,
    };
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(c_file, source, -1, &error));
    g_assert_true(patch_run(NULL, argv, NULL, &error));
    elf = patch_elf_read(object, &error);
    g_assert_no_error(error);
    g_unlink(c_file);
    g_unlink(object);
    g_rmdir(folder);
}

static void
test_parse(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchSetting) setting = patch_setting_parse("net/ipv4/tcp.c:a.b->c[3]+0x10=-1:\"x:\\\"=\"", &error);
    g_autoptr(PatchSetting) numbered = patch_setting_parse("count.12.x=&other", &error);
    const PatchSettingStep *steps;

    g_assert_no_error(error);
    g_assert_cmpstr(numbered->variable, ==, "count.12");
    g_assert_cmpuint(numbered->steps->len, ==, 1);
    g_assert_null(numbered->file);
    g_assert_null(numbered->expected);
    g_assert_cmpint(numbered->value->kind, ==, PATCH_LITERAL_ADDRESS);
    g_assert_cmpstr(numbered->value->text, ==, "other");
    g_assert_cmpstr(setting->file, ==, "net/ipv4/tcp.c");
    g_assert_cmpstr(setting->variable, ==, "a");
    g_assert_cmpstr(setting->place, ==, "a.b->c[3]+0x10");
    steps = (const PatchSettingStep *) setting->steps->data;
    g_assert_cmpuint(setting->steps->len, ==, 4);
    g_assert_cmpint(steps[0].kind, ==, PATCH_AT_MEMBER);
    g_assert_cmpint(steps[1].kind, ==, PATCH_AT_POINTER);
    g_assert_cmpstr(steps[1].name, ==, "c");
    g_assert_cmpint(steps[2].kind, ==, PATCH_AT_INDEX);
    g_assert_cmpuint(steps[3].number, ==, 16);
    g_assert_true(setting->expected->is_negative);
    g_assert_cmpint((gint64) setting->expected->number, ==, -1);
    g_assert_cmpstr(setting->value->text, ==, "x:\"=");
}

static void
test_parse_refused(void)
{
    static const char *const bad[] = {
        "", "a", "a=", "=1", "a b=1", "a= 1", "a=1 ", "a=1:", "a=1:2:3", "a=0x", "a=--1", "a=0x10000000000000000",
        "a=-9223372036854775809", "a.=1", "a->=1", "a[=1", "a[x]=1", "a[1=1", "a+=1", "a+1.b=1", "a=\"x", "a=x", "a=&", "a=&1",
        "b.h:a=1", "/b.c:a=1", "../b.c:a=1", "b.c:=1", "1=1", "a.1.2=1", "a[99999999999]=1",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(PatchSetting) setting = patch_setting_parse(bad[i], &error);

        g_test_message("%s", bad[i]);
        g_assert_null(setting);
        g_assert_error(error, PATCH_ERROR, PATCH_ERROR_USAGE);
    }
}

static void
test_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) settings = patch_settings_parse("f", "# one\n\n a=1\nb.c:d=2 \n", &error);
    g_autoptr(GPtrArray) refused = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(settings->len, ==, 2);
    refused = patch_settings_parse("f", "a=1\n\nb\n", &error);
    g_assert_null(refused);
    g_assert_true(g_str_has_prefix(error->message, "f:3: "));
}

/* What EXPRESSION makes of the object: "BEFORE -> AFTER", or the error's message. */
static char *
set(const char *expression, PatchObject *object)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PatchSetting) setting = patch_setting_parse(expression, &error);
    g_autoptr(PatchOldCode) old = patch_old_code_new(object, elf, &error);
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *before = NULL, *after = NULL;
    const PatchDatum *datum;
    gint32 item;

    g_assert_no_error(error);
    if (!patch_new_data_find(elf, setting, &item, &error))
        return g_strdup(error->message);
    if (item < 0)
        return g_strdup("none");
    if (!patch_new_data_set(object, elf, old, item, setting, notes, &error))
        return g_strdup(error->message);
    datum = object->data->pdata[object->data->len - 1];
    before = patch_datum_text(object, datum, datum->before);
    after = patch_datum_text(object, datum, datum->after);
    return g_strdup_printf("%s -> %s%s", before, after, notes->len ? ", noted" : "");
}

static void
test_values(void)
{
    static const char *const cases[][2] = {
        { "plain=5", "10 -> 5" }, { "plain=-5", "10 -> -5" }, { "plain=0xffffffff", "10 -> -1" }, { "plain=3:4", "3 -> 4" },
        { "small=255", "200 -> 255" }, { "wide=0xffffffffffffffff", "0 -> 0xffffffffffffffff" },
        { "flag=false", "1 -> 0" }, { "colour=0", "1 -> 0" }, { "text=\"abcdefg\"", "\"abc\" -> \"abcdefg\"" },
        { "text=\"\"", "\"abc\" -> \"\"" }, { "string=NULL", "\"abc\" -> 0" }, { "callback=&one", "0 -> &one" },
        { "callback=&elsewhere", "0 -> &elsewhere" }, { "callback=-12", "0 -> 0xfffffffffffffff4" },
        { "outer.second=6", "9 -> 6" }, { "outer.first=7", "0 -> 7" }, { "outer.signed_field=-16", "-3 -> -16" },
        { "outer.inner.low=2", "1 -> 2" }, { "outer.inner.name=\"out\"", "\"in\" -> \"out\"" },
        { "outer.inner.number=3", "0 -> 3" }, { "outer.table[2].low=4", "0 -> 4" }, { "outer.next=NULL", "&outer -> 0" },
        { "outer.next->next->inner.low=8:9", "8 -> 9" }, { "outer+8=9", "1 -> 9" }, { "text[1]=0x62", "98 -> 98" },
        { "lonely=4", "3 -> 4" }, { "constant=8", "7 -> 8, noted" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PatchObject) object = patch_object_new();
        g_autofree char *result = set(cases[i][0], object);

        g_test_message("%s", cases[i][0]);
        g_assert_cmpstr(result, ==, cases[i][1]);
    }
}

static void
test_values_refused(void)
{
    static const char *const cases[][2] = {
        { "small=256", "does not fit into 8 bits" }, { "small=-1", "cannot be negative" }, { "plain=-2147483649", "does not fit" },
        { "flag=2", "takes true or false" }, { "text=\"abcdefgh\"", "does not fit into 8 bytes" }, { "text=5", "takes a \"string\"" },
        { "plain=\"5\"", "takes no string" }, { "plain=&one", "takes no address" }, { "callback=0xffffffff81000000", "addresses" },
        { "outer=1", "name one of its members" }, { "real=1", "name one of its members" }, { "outer.none=1", "no member none" },
        { "opaque->x=0:1", "only declares opaque" }, { "outer.first=8", "does not fit into 3 bits" }, { "outer.signed_field=-17", "does not fit into 5 bits" },
        { "plain.x=1", "no structure" }, { "plain->x=1", "no pointer" }, { "plain[0]=1", "no array" },
        { "outer.table[3].low=1", "has 3 elements" }, { "square[0]=1", "several dimensions" }, { "outer+9=1", "no member" },
        { "outer+4000=1", "no member" }, { "outer.next->inner.low=1", "say what has to be there" },
        { "outer.next->next->next->next->next->inner.low=0:1", "more than 4 pointers" },
        { "key=1", "static key" }, { "key.key.enabled=1", "static key" }, { "key+0=1", "static key" },
        { "per_cpu=1", "per-CPU" }, { "boot=1", "gone once" }, { "count=1", "several variables of that name: count." },
        { "nothing=1", "none" }, { "one=1", "none" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PatchObject) object = patch_object_new();
        g_autofree char *result = set(cases[i][0], object);

        g_test_message("%s: %s", cases[i][0], result);
        g_assert_nonnull(strstr(result, cases[i][1]));
    }
}

/* Where the bits of a field lie, and what is behind pointers. */
static void
test_places(void)
{
    g_autoptr(PatchObject) object = patch_object_new();
    g_autofree char *field = set("outer.second=6", object), *far = set("outer.next->next->inner.low=8:9", object);
    const PatchDatum *datum = object->data->pdata[0];

    g_assert_cmpuint(datum->mask->len, ==, 1);
    g_assert_cmphex(datum->mask->data[0], ==, 0x78);
    g_assert_cmphex(datum->before->bytes->data[0] & 0x78, ==, 9 << 3);
    g_assert_cmphex(datum->after->bytes->data[0], ==, 6 << 3);
    datum = object->data->pdata[1];
    g_assert_cmpuint(datum->offsets->len, ==, 3);
    g_assert_cmpuint(g_array_index(datum->offsets, guint64, 0), ==, g_array_index(datum->offsets, guint64, 1));
    g_assert_cmpuint(g_array_index(datum->offsets, guint64, 2), ==, 8);
}

static void
test_twice(void)
{
    g_autoptr(PatchObject) object = patch_object_new();
    g_autofree char *one = set("outer.first=1", object), *two = set("outer.second=1", object), *three = NULL;
    g_autoptr(GError) error = NULL;

    /* Each has symbols of its own here. */
    for (guint i = 0; i < object->data->len; i++)
        ((PatchDatum *) object->data->pdata[i])->symbol = 0;
    g_assert_true(patch_new_data_check(object, &error));
    three = set("outer.first=2", object);
    ((PatchDatum *) object->data->pdata[2])->symbol = 0;
    g_assert_false(patch_new_data_check(object, &error));
    g_assert_error(error, PATCH_ERROR, PATCH_ERROR_USAGE);
}

static void
test_names(void)
{
    static const struct {
        const char *variable, *name;
        guint64 offset;
    } cases[] = {
        { "outer", "outer.inner.low", 8 }, { "outer", "outer.inner.name+0x2", 12 }, { "plain", "plain+0x1", 1 },
        { "nothing", "nothing+0x3", 3 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint32 item = patch_elf_find_item(elf, cases[i].variable);
        g_autofree char *name = patch_variable_name_at(elf, cases[i].variable, item < 0 ? 8 : patch_elf_item(elf, item)->size,
                                                       cases[i].offset);

        g_assert_cmpstr(name, ==, cases[i].name);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    compile();
    g_test_add_func("/setting/parse", test_parse);
    g_test_add_func("/setting/parse-refused", test_parse_refused);
    g_test_add_func("/setting/file", test_file);
    g_test_add_func("/setting/values", test_values);
    g_test_add_func("/setting/values-refused", test_values_refused);
    g_test_add_func("/setting/places", test_places);
    g_test_add_func("/setting/twice", test_twice);
    g_test_add_func("/setting/names", test_names);
    status = g_test_run();
    patch_elf_free(elf);
    return status;
}
