/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/error.h"

G_DEFINE_QUARK(vmm-error-quark, vmm_error)
