/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of settings (create --set-file): whatever is understood has a variable and a value, and is understood in the same
 * way when it is read alone.
 */
#include <string.h>

#include "patcher/setting.h"
#include "tests/fuzz/fuzz.h"

void
fuzz(const guint8 *data, gsize length)
{
    g_autofree char *text = g_strndup((const char *) data, length);
    g_autoptr(GPtrArray) settings = patch_settings_parse("settings", text, NULL);

    for (guint i = 0; settings && i < settings->len; i++) {
        const PatchSetting *setting = settings->pdata[i];
        g_autoptr(PatchSetting) again = patch_setting_parse(setting->source, NULL);

        if (!again || !*again->variable || !again->value || strcmp(again->place, setting->place) != 0 ||
            again->steps->len != setting->steps->len)
            abort();
    }
}
