// SPDX-License-Identifier: GPL-3.0-or-later
// An order of actors as a bar: each run of micro-steps a piece as long as its share, in the colour of the actor, with its name and number.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "explore/result.h"
#endif
#include "views/theme/theme.h"

#include <QPainter>
#include <QRect>
#include <QString>

namespace mirrorscope::views {

// Told apart by eyes that see few colours, too.
QColor colourOfActor(const std::string& actor);
void paintOrder(QPainter& painter, const QRect& rect, const Schedule& schedule, const Theme& theme);
// "vcpu0 12, host 3, vcpu0 1": what the bar shows, for those who cannot see it.
QString orderText(const Schedule& schedule);

} // namespace mirrorscope::views
