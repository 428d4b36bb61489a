/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introspect/error.h"

G_DEFINE_QUARK(intro-error-quark, intro_error)
