// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses of things in the window, as `about`, notes and the inspector write them:
//   mirrorscope://gpa/0x4000   (also ?tree=mirror&level=4K)     mirrorscope://step/412     mirrorscope://site/spte.freeze
//   mirrorscope://table/4d2    mirrorscope://frame/4d2    mirrorscope://actor/vcpu0    mirrorscope://lock/mmu_lock    mirrorscope://td
#pragma once

#include "views/context.h"

#include <QString>

namespace mirrorscope::views {

QString linkToEntry(const Selection& where);
QString linkToTable(Pfn pfn);
QString linkToFrame(Pfn pfn);
QString linkToActor(const QString& name);
QString linkToLock(const QString& name);
QString linkToStep(u64 n);

// Goes there or selects it. What kept it from doing so; empty if nothing did.
QString follow(Context& context, const QString& link);
// The same for what a user types: a GPA (with a unit, and `mirror`, `private`, `shared` or `direct` before or behind it), `#412` or a
// plain decimal number for a position, a site, `+20`, `-20`, `end`.
QString goTo(Context& context, const QString& typed);

} // namespace mirrorscope::views
