// SPDX-License-Identifier: GPL-3.0-or-later
// QScintilla's headers need Qt's keywords, which the rest does without (`slots` is a name of KVM's).
#pragma once

#define signals Q_SIGNALS
#define slots Q_SLOTS
#include <Qsci/qscilexercustom.h>
#include <Qsci/qsciscintilla.h>
#undef signals
#undef slots
