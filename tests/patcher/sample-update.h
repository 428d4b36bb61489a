/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update that has one of everything that an update file can hold, for tests of the file format.
 */
#ifndef TESTS_PATCHER_SAMPLE_UPDATE_H
#define TESTS_PATCHER_SAMPLE_UPDATE_H

#include "patcher/update.h"

PatchUpdate *sample_update_new(void);

#endif
