/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Careful looks into JSON that somebody else wrote: a member that is missing or of another type is NULL or FALSE, never
 * a warning of the library's.
 */
#ifndef VMM_JSON_H
#define VMM_JSON_H

#include <json-glib/json-glib.h>

/* One JSON object, or NULL if TEXT is anything else, nests too deeply, or has too many values. Errors: PROTOCOL. */
JsonObject *vmm_json_parse(const char *text, GError **error);

/* All borrowed from OBJECT, which may be NULL. */
const char *vmm_json_string(JsonObject *object, const char *member);
JsonObject *vmm_json_object(JsonObject *object, const char *member);
gboolean vmm_json_int(JsonObject *object, const char *member, gint64 *value);
gboolean vmm_json_boolean(JsonObject *object, const char *member, gboolean *value);

/* NODE's elements that are objects, or NULL if NODE is no array; to be freed with g_ptr_array_unref. */
GPtrArray *vmm_json_objects(JsonNode *node);

#endif
