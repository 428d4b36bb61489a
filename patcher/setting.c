/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/setting.h"

#include <errno.h>
#include <string.h>

#include "patcher/error.h"

#define MAX_SETTING_BYTES 4096

static void
literal_free(PatchLiteral *literal)
{
    if (!literal)
        return;
    g_free(literal->text);
    g_free(literal);
}

static void
step_clear(gpointer step)
{
    g_free(((PatchSettingStep *) step)->name);
}

void
patch_setting_free(PatchSetting *setting)
{
    if (!setting)
        return;
    g_free(setting->source);
    g_free(setting->file);
    g_free(setting->variable);
    g_free(setting->place);
    g_array_unref(setting->steps);
    literal_free(setting->expected);
    literal_free(setting->value);
    g_free(setting);
}

/* What is still to be read of an expression. */
typedef struct {
    const PatchSetting *setting;
    const char *at;
    GError **error;
} Reader;

static gboolean
refuse(const Reader *reader, const char *what)
{
    g_set_error(reader->error, PATCH_ERROR, PATCH_ERROR_USAGE,
                "%s: %s; a setting is [FILE:]VARIABLE[.MEMBER][+BYTES]=[EXPECTED:]VALUE, as in "
                "net/ipv4/tcp.c:tcp_orphans.limit=100", reader->setting->source, what);
    return FALSE;
}

static gboolean
is_first(char c)
{
    return g_ascii_isalpha(c) || c == '_';
}

static char *
read_name(Reader *reader)
{
    const char *start = reader->at;

    if (!is_first(*start))
        return NULL;
    while (is_first(*reader->at) || g_ascii_isdigit(*reader->at))
        reader->at++;
    return g_strndup(start, reader->at - start);
}

/* A number without a sign. */
static gboolean
read_number(Reader *reader, guint64 *number)
{
    gboolean is_hex = reader->at[0] == '0' && (reader->at[1] == 'x' || reader->at[1] == 'X');
    char *end;

    if (!g_ascii_isdigit(*reader->at) || (is_hex && !g_ascii_isxdigit(reader->at[2])))
        return FALSE;
    errno = 0;
    *number = g_ascii_strtoull(reader->at, &end, is_hex ? 16 : 10);
    if (errno != 0)
        return FALSE;
    reader->at = end;
    return TRUE;
}

/* ---- The place ---- */

/* Up to a colon that stands before any of what a file's name cannot have. */
static void
read_file(Reader *reader, PatchSetting *setting)
{
    gsize length = strcspn(reader->at, ":=\"&[+>");

    if (reader->at[length] != ':')
        return;
    setting->file = g_strndup(reader->at, length);
    reader->at += length + 1;
}

/* Static variables of functions have a number that the compiler gave out: name.12. */
static gboolean
read_variable(Reader *reader, PatchSetting *setting)
{
    const char *start = reader->at;
    g_autofree char *name = read_name(reader);

    if (!name)
        return refuse(reader, "the name of a variable is missing");
    if (reader->at[0] == '.' && g_ascii_isdigit(reader->at[1]))
        for (reader->at++; g_ascii_isdigit(*reader->at);)
            reader->at++;
    setting->variable = g_strndup(start, reader->at - start);
    return TRUE;
}

static gboolean
read_step(Reader *reader, PatchSettingStep *step)
{
    if (*reader->at == '[' || *reader->at == '+') {
        step->kind = *reader->at == '[' ? PATCH_AT_INDEX : PATCH_AT_BYTES;
        reader->at++;
        if (!read_number(reader, &step->number) || step->number > G_MAXINT32)
            return refuse(reader, step->kind == PATCH_AT_INDEX ? "the index is no number" : "the offset is no number");
        if (step->kind == PATCH_AT_INDEX && *reader->at++ != ']')
            return refuse(reader, "a ] is missing");
        return TRUE;
    }
    step->kind = *reader->at == '.' ? PATCH_AT_MEMBER : PATCH_AT_POINTER;
    reader->at += step->kind == PATCH_AT_MEMBER ? 1 : 2;
    step->name = read_name(reader);
    return step->name || refuse(reader, "the name of a member is missing");
}

static gboolean
read_place(Reader *reader, PatchSetting *setting)
{
    const char *start;

    read_file(reader, setting);
    if (setting->file && (!g_str_has_suffix(setting->file, ".c") || g_path_is_absolute(setting->file) ||
                          strstr(setting->file, "..")))
        return refuse(reader, "what stands before the colon is no C file of the kernel's source");
    start = reader->at;
    if (!read_variable(reader, setting))
        return FALSE;
    while (*reader->at == '.' || *reader->at == '[' || *reader->at == '+' || g_str_has_prefix(reader->at, "->")) {
        PatchSettingStep step = { 0 };

        if (!read_step(reader, &step))
            return FALSE;
        g_array_append_val(setting->steps, step);
        if (step.kind == PATCH_AT_BYTES)
            break;
    }
    setting->place = g_strndup(start, reader->at - start);
    return *reader->at == '=' || refuse(reader, "the equals sign is missing, or something before it is not understood");
}

/* ---- The value ---- */

static PatchLiteral *
read_text(Reader *reader)
{
    PatchLiteral *literal = g_new0(PatchLiteral, 1);
    const char *start = ++reader->at;
    g_autofree char *escaped = NULL;

    while (*reader->at && *reader->at != '"')
        reader->at += reader->at[0] == '\\' && reader->at[1] ? 2 : 1;
    escaped = g_strndup(start, reader->at - start);
    *literal = (PatchLiteral) { .kind = PATCH_LITERAL_TEXT, .text = g_strcompress(escaped) };
    if (*reader->at++ == '"')
        return literal;
    literal_free(literal);
    reader->at--;
    refuse(reader, "a string does not end");
    return NULL;
}

static PatchLiteral *
read_word(Reader *reader)
{
    static const struct {
        const char *word;
        guint64 number;
    } words[] = { { "true", 1 }, { "false", 0 }, { "NULL", 0 } };
    gboolean is_address = *reader->at == '&';
    g_autofree char *name = NULL;
    PatchLiteral *literal;

    reader->at += is_address;
    name = read_name(reader);
    if (is_address && name) {
        literal = g_new0(PatchLiteral, 1);
        *literal = (PatchLiteral) { .kind = PATCH_LITERAL_ADDRESS, .text = g_steal_pointer(&name) };
        return literal;
    }
    for (gsize i = 0; name && i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(name, words[i].word)) {
            literal = g_new0(PatchLiteral, 1);
            literal->number = words[i].number;
            return literal;
        }
    refuse(reader, is_address ? "the name of a symbol is missing behind the &"
                              : "a value is a number, true, false, NULL, a \"string\" or &SYMBOL");
    return NULL;
}

static PatchLiteral *
read_literal(Reader *reader)
{
    gboolean is_negative = *reader->at == '-';
    PatchLiteral *literal;
    guint64 number;

    if (*reader->at == '"')
        return read_text(reader);
    if (!is_negative && !g_ascii_isdigit(*reader->at))
        return read_word(reader);
    reader->at += is_negative;
    if (!read_number(reader, &number) || (is_negative && number > (guint64) G_MAXINT64 + 1)) {
        refuse(reader, "a number is not understood, or has more than 64 bits");
        return NULL;
    }
    literal = g_new0(PatchLiteral, 1);
    literal->number = is_negative ? -number : number;
    literal->is_negative = is_negative && number != 0;
    return literal;
}

static gboolean
read_value(Reader *reader, PatchSetting *setting)
{
    reader->at++;
    setting->value = read_literal(reader);
    if (!setting->value)
        return FALSE;
    if (*reader->at == ':') {
        reader->at++;
        setting->expected = g_steal_pointer(&setting->value);
        setting->value = read_literal(reader);
        if (!setting->value)
            return FALSE;
    }
    return !*reader->at || refuse(reader, "something follows the value");
}

PatchSetting *
patch_setting_parse(const char *text, GError **error)
{
    g_autoptr(PatchSetting) setting = g_new0(PatchSetting, 1);
    Reader reader = { setting, text, error };

    setting->source = g_strndup(text, MAX_SETTING_BYTES);
    setting->steps = g_array_new(FALSE, FALSE, sizeof(PatchSettingStep));
    g_array_set_clear_func(setting->steps, step_clear);
    if (strlen(text) >= MAX_SETTING_BYTES) {
        refuse(&reader, "it is too long");
        return NULL;
    }
    return read_place(&reader, setting) && read_value(&reader, setting) ? g_steal_pointer(&setting) : NULL;
}

GPtrArray *
patch_settings_parse(const char *name, const char *text, GError **error)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify) patch_setting_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i]; i++) {
        const char *line = g_strstrip(lines[i]);
        PatchSetting *setting = *line && *line != '#' ? patch_setting_parse(line, error) : NULL;

        if (setting)
            g_ptr_array_add(settings, setting);
        if (!setting && *line && *line != '#') {
            g_prefix_error(error, "%s:%u: ", name, i + 1);
            return NULL;
        }
    }
    return g_steal_pointer(&settings);
}
