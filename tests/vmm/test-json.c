/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/json.h"
#include "vmm/machine.h"

static void
assert_parses(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = vmm_json_parse(text, &error);

    g_assert_no_error(error);
    g_assert_nonnull(object);
}

static void
assert_refused(const char *text, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = vmm_json_parse(text, &error);

    g_assert_error(error, VMM_ERROR, VMM_ERROR_PROTOCOL);
    g_assert_null(object);
    g_assert_nonnull(strstr(error->message, why));
}

/* BEFORE, N times MIDDLE, AFTER. */
static char *
repeat(const char *before, const char *middle, guint n, const char *after)
{
    GString *text = g_string_new(before);

    for (guint i = 0; i < n; i++)
        g_string_append(text, middle);
    g_string_append(text, after);
    return g_string_free(text, FALSE);
}

static void
test_kinds(void)
{
    g_autoptr(JsonObject) object = vmm_json_parse("{\"a\":\"x\",\"b\":-2,\"c\":true,\"d\":{\"a\":\"y\"}}", NULL);
    gboolean boolean;
    gint64 number;

    g_assert_cmpstr(vmm_json_string(object, "a"), ==, "x");
    g_assert_null(vmm_json_string(object, "b"));
    g_assert_true(vmm_json_int(object, "b", &number));
    g_assert_cmpint(number, ==, -2);
    g_assert_false(vmm_json_int(object, "e", &number));
    g_assert_true(vmm_json_boolean(object, "c", &boolean));
    g_assert_true(boolean);
    g_assert_cmpstr(vmm_json_string(vmm_json_object(object, "d"), "a"), ==, "y");
    g_assert_null(vmm_json_string(vmm_json_object(object, "a"), "a"));
    assert_refused("", "");
    assert_refused("[]", "another kind");
    assert_refused("{", "");
}

static void
test_depth(void)
{
    g_autofree char *deep = repeat("{\"a\":", "[", 60, ""), *deeper = repeat("{\"a\":", "[", 100000, "");
    g_autofree char *good = repeat(deep, "]", 60, "}"), *in_string = repeat("{\"a\":\"", "[\\\"{", 1000, "\"}");

    assert_parses(good);
    assert_parses(in_string);
    assert_refused(deeper, "nests too deeply");
}

/* A few megabytes of text would be most of a gigabyte. */
static void
test_many_values(void)
{
    g_autofree char *many = repeat("{\"a\":[", "{},", 50000, "1]}"), *too_many = repeat("{\"a\":[", "{},", 2000000, "1]}");
    g_autofree char *in_string = repeat("{\"a\":\"", "{},", 500000, "\"}");

    assert_parses(many);
    assert_parses(in_string);
    assert_refused(too_many, "too many values");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmm/json/kinds", test_kinds);
    g_test_add_func("/vmm/json/depth", test_depth);
    g_test_add_func("/vmm/json/many-values", test_many_values);
    return g_test_run();
}
