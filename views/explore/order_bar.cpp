// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/order_bar.h"

#include <QFontMetrics>

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

namespace {
// Okabe and Ito's.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"};
} // namespace

QColor colourOfActor(const std::string& actor) {
    const auto number = [&](std::size_t from) { return from < actor.size() ? static_cast<unsigned>(std::stoul(actor.substr(from))) : 0u; };
    if (actor == "rcu")
        return QColor(kColours[6]);
    // vCPUs from the front, the host's from the middle.
    return QColor(kColours[actor.starts_with("host") ? (1 + 2 * number(4)) % 6 : 2 * number(4) % 6]);
}

void paintOrder(QPainter& painter, const QRect& rect, const Schedule& schedule, const Theme& theme) {
    // A long run is drawn shorter than its share, so that a single micro-step between two of them is seen.
    double total = 0;
    const auto weight = [](u64 steps) { return 1 + std::log2(static_cast<double>(steps)); };
    for (const auto& race : schedule)
        for (const auto& run : race)
            total += weight(run.second);
    if (total == 0)
        return;
    double x = rect.left();
    const QFontMetrics metrics(painter.font());
    for (const auto& race : schedule) {
        for (const auto& [actor, steps] : race) {
            const double width = weight(steps) / total * rect.width();
            const QRectF piece(x, rect.top(), std::max(1.0, width - 1), rect.height());
            const QColor colour = colourOfActor(actor);
            painter.fillRect(piece, colour);
            const QString name = QString::fromStdString(actor), full = name + " " + QString::number(steps), number = QString::number(steps);
            const QString text = metrics.horizontalAdvance(full) + 4 < width     ? full
                                 : metrics.horizontalAdvance(number) + 2 < width ? number
                                                                                 : QString();
            painter.setPen(colour.lightness() > 150 ? Qt::black : Qt::white);
            painter.drawText(piece, Qt::AlignCenter, text);
            x += width;
        }
        painter.setPen(theme.text);
        if (&race != &schedule.back())
            painter.drawLine(QPointF(x - 1, rect.top() - 1), QPointF(x - 1, rect.bottom() + 1));
    }
}

QString orderText(const Schedule& schedule) {
    QStringList pieces;
    for (const auto& race : schedule)
        for (const auto& [actor, steps] : race)
            pieces << QString::fromStdString(actor) + " " + QString::number(steps);
    return pieces.join(", ");
}

} // namespace mirrorscope::views
