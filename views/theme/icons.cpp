// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/theme/icons.h"

#include <QPainter>
#include <QPainterPath>
#include <QPixmap>

namespace mirrorscope::views {

namespace {
QPolygonF triangle(qreal left, qreal right, qreal top, qreal bottom) {
    return QPolygonF() << QPointF(left, top) << QPointF(right, (top + bottom) / 2) << QPointF(left, bottom);
}

// Drawn in a square of 24; what goes back is mirrored.
void draw(QPainter& p, IconKind kind, const QColor& ink, const QColor& accent) {
    p.setPen(Qt::NoPen);
    p.setBrush(ink);
    switch (kind) {
    case IconKind::RunBack:
    case IconKind::Run:
        p.drawPolygon(triangle(4, 12, 5, 19));
        p.drawPolygon(triangle(12, 20, 5, 19));
        break;
    case IconKind::ScriptBack:
    case IconKind::ScriptForward:
        p.drawPolygon(triangle(5, 16, 5, 19));
        p.drawRect(QRectF(17, 5, 3, 14));
        break;
    case IconKind::MicroBack:
    case IconKind::MicroForward: p.drawPolygon(triangle(7, 18, 5, 19)); break;
    case IconKind::Restart:
        p.drawRect(QRectF(4, 5, 3, 14));
        p.drawPolygon(triangle(20, 8, 5, 19));
        break;
    case IconKind::Breakpoint:
        p.setBrush(accent);
        p.drawEllipse(QRectF(5, 5, 14, 14));
        break;
    case IconKind::Open: {
        QPainterPath folder;
        folder.addRoundedRect(QRectF(3, 8, 18, 11), 2, 2);
        folder.addRoundedRect(QRectF(3, 5, 9, 5), 2, 2);
        p.drawPath(folder.simplified());
        break;
    }
    case IconKind::Theme:
        p.setPen(QPen(ink, 2));
        p.setBrush(Qt::NoBrush);
        p.drawEllipse(QRectF(5, 5, 14, 14));
        p.setBrush(ink);
        p.drawPie(QRectF(5, 5, 14, 14), 90 * 16, 180 * 16);
        break;
    }
}
} // namespace

QIcon makeIcon(IconKind kind, const QColor& ink, const QColor& accent) {
    QIcon icon;
    for (const int size : {16, 24, 32, 48})
        for (const bool enabled : {true, false}) {
            QPixmap map(size, size);
            map.fill(Qt::transparent);
            QPainter p(&map);
            p.setRenderHint(QPainter::Antialiasing);
            p.scale(size / 24.0, size / 24.0);
            p.setOpacity(enabled ? 1.0 : 0.35);
            if (kind == IconKind::RunBack || kind == IconKind::ScriptBack || kind == IconKind::MicroBack) {
                p.translate(24, 0);
                p.scale(-1, 1);
            }
            draw(p, kind, ink, accent);
            p.end();
            icon.addPixmap(map, enabled ? QIcon::Normal : QIcon::Disabled);
        }
    return icon;
}

} // namespace mirrorscope::views
