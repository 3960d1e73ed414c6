// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/tree_paint.h"

#include "base/text.h"
#include "session/style.h"
#include "views/text.h"

#include <QCoreApplication>
#include <QLinearGradient>
#include <QPainter>
#include <QPainterPath>

namespace mirrorscope::views {

namespace {
QColor withAlpha(QColor colour, qreal alpha) {
    colour.setAlphaF(static_cast<float>(alpha));
    return colour;
}

void hatch(QPainter& p, const QRectF& at, const QColor& colour, bool rising) {
    p.save();
    p.setClipRect(at);
    p.setPen(QPen(withAlpha(colour, 0.45), 1.5));
    for (qreal x = at.left() - at.height(); x < at.right(); x += 8)
        p.drawLine(QPointF(x, rising ? at.bottom() : at.top()), QPointF(x + at.height(), rising ? at.top() : at.bottom()));
    p.restore();
}
} // namespace

QString noTable(const Session& session) {
    if (session.position() == session.end())
        return QCoreApplication::translate("trees", "No table is there.\nCtrl+F11 goes back one micro-step.");
    return QCoreApplication::translate(
        "trees", "No table is there yet: nothing has touched memory.\nF11 takes one micro-step, F10 runs one step of the script.");
}

QString rowLabel(const TreeRow& row) {
    if (row.more > 0)
        return QString("… %1 more like these").arg(row.more);
    return QString::fromStdString(hex(row.gfn.v << 12));
}

QString entryHelp(const Session& session, Column column, const TreeRow& row) {
    const TreeCell& cell = row.cells[static_cast<unsigned>(column)];
    const std::string gpa = session.hasColumn(Column::Mirror)
                                ? aliasedGpa(row.gfn, column == Column::Shared ? Alias::Shared : Alias::Private)
                                : hex(row.gfn.v << 12);
    QString text = QString::fromStdString(gpa + " at " + std::string(levelName(row.level)) + "\nraw " + hex16(cell.raw) + "\n" +
                                          session.explain(column, cell, row.level));
    for (const Violation* v : session.violationsAt(cell.place))
        text += QString("\n! %1, since position %2: %3")
                    .arg(views::text(info(v->rule).name))
                    .arg(v->n + 1)
                    .arg(QString::fromStdString(v->text));
    const Twins twins = twinsOf(row);
    if (column != Column::Shared && (twins == Twins::Differ || twins == Twins::InFlight))
        text += twins == Twins::InFlight ? "\nIts twin is in flight: one of the two is being changed." : "\nIts twin differs.";
    return text;
}

QRectF foldMark(const QRectF& label, const TreeRow& row, const TreeMetrics& metrics) {
    const qreal size = metrics.row * 0.4;
    return {label.left() + 6 + row.depth * metrics.indent, label.center().y() - size / 2, size, size};
}

namespace {
QFont labelFont(const TreeRow& row, bool path, const TreeMetrics& metrics) {
    QFont font = row.more > 0 ? metrics.text : metrics.mono;
    font.setBold(path);
    font.setItalic(row.more > 0);
    return font;
}

QRectF addressRect(const QRectF& label, const TreeRow& row, const TreeMetrics& metrics) {
    const int level = row.more > 0 ? 4 : metrics.narrow ? 34 : 46; // rows that stand for several have none
    return label.adjusted(foldMark(label, row, metrics).right() - label.left() + 6, 0, -level - metrics.memory, 0);
}
} // namespace

QString writtenLabel(const QRectF& label, const TreeRow& row, const TreeMetrics& metrics) {
    const QFontMetrics font(labelFont(row, false, metrics));
    const int room = static_cast<int>(addressRect(label, row, metrics).width());
    QString text = rowLabel(row);
    if (row.more > 0 && font.horizontalAdvance(text) > room)
        text = QString("… %1 more").arg(row.more);
    return font.elidedText(text, Qt::ElideMiddle, room);
}

int roomBesideAddress(unsigned depth, const TreeMetrics& metrics) {
    TreeRow row;
    row.depth = depth;
    constexpr int kWide = 1000;
    return kWide - static_cast<int>(addressRect(QRectF(0, 0, kWide, metrics.row), row, metrics).width());
}

void paintLabel(QPainter& p, const QRectF& at, const TreeRow& row, bool path, const Theme& theme, const TreeMetrics& metrics) {
    const QRectF fold = foldMark(at, row, metrics);
    p.setRenderHint(QPainter::Antialiasing);
    // Guides from the parents, so that the depth is read at a glance.
    p.setPen(QPen(withAlpha(theme.border, 0.7), 1));
    for (unsigned d = 0; d < row.depth; ++d) {
        const qreal x = at.left() + 6 + d * metrics.indent + fold.width() / 2;
        p.drawLine(QPointF(x, at.top()), QPointF(x, at.bottom()));
    }
    if (row.expandable) {
        QPainterPath triangle;
        if (row.expanded) {
            triangle.moveTo(fold.left(), fold.top() + fold.height() * 0.2);
            triangle.lineTo(fold.right(), fold.top() + fold.height() * 0.2);
            triangle.lineTo(fold.center().x(), fold.bottom());
        } else {
            triangle.moveTo(fold.left() + fold.width() * 0.2, fold.top());
            triangle.lineTo(fold.right(), fold.center().y());
            triangle.lineTo(fold.left() + fold.width() * 0.2, fold.bottom());
        }
        p.fillPath(triangle, theme.dim);
    }
    p.setFont(labelFont(row, path, metrics));
    p.setPen(row.more > 0 ? theme.dim : path ? theme.accent : theme.text);
    p.drawText(addressRect(at, row, metrics), Qt::AlignVCenter | Qt::AlignLeft, writtenLabel(at, row, metrics));
    if (row.more == 0) {
        p.setFont(metrics.text);
        p.setPen(theme.dim);
        p.drawText(at.adjusted(0, 0, -(metrics.narrow ? 4 : 10) - metrics.memory, 0), Qt::AlignVCenter | Qt::AlignRight,
                   views::text(levelName(row.level)));
    }
}

namespace {
// A state of its own colour: bar at the left, light fill, text.
void paintTag(QPainter& p, const QRectF& box, const QColor& colour, const QString& text, bool strong, bool hatched, const Theme& theme,
              const QFont& font) {
    QPainterPath shape;
    shape.addRoundedRect(box, 4, 4);
    p.setRenderHint(QPainter::Antialiasing);
    p.fillPath(shape, withAlpha(colour, theme.fill));
    if (hatched)
        hatch(p, box, colour, true);
    p.save();
    p.setClipPath(shape);
    p.fillRect(QRectF(box.left(), box.top(), 4, box.height()), colour);
    p.restore();
    p.setBrush(Qt::NoBrush);
    p.setPen(strong ? QPen(theme.accent, 2) : QPen(withAlpha(colour, 0.55), 1));
    p.drawPath(shape);
    p.setFont(font);
    p.setPen(theme.text);
    const QRectF room = box.adjusted(10, 0, -4, 0);
    p.drawText(room, Qt::AlignVCenter | Qt::AlignLeft, p.fontMetrics().elidedText(text, Qt::ElideRight, static_cast<int>(room.width())));
}
// Of the styles of states, so that a kind has one colour everywhere.
QColor colourOf(const Theme& theme, Column column, SpteState spte, SeptState sept) {
    TreeCell cell;
    cell.exists = true;
    cell.spte = spte;
    cell.sept = sept;
    return theme.of(styleOf(column, cell));
}
} // namespace

QString memoryText(const MemoryView& memory) {
    if (!memory.slot)
        return {};
    const char* const kinds[] = {"", " P", " S", " P+S"};
    return QString("%1%2%3").arg(memory.partly ? "~" : "").arg(*memory.slot).arg(kinds[static_cast<unsigned>(memory.kind)]);
}

void paintMemory(QPainter& p, const QRectF& at, const MemoryView& memory, const Theme& theme, const QFont& font) {
    if (!memory.slot)
        return;
    using Kind = MemoryView::Kind;
    const QColor colour = memory.kind == Kind::Private  ? colourOf(theme, Column::Mirror, SpteState::Leaf, SeptState::Free)
                          : memory.kind == Kind::Shared ? colourOf(theme, Column::Shared, SpteState::Leaf, SeptState::Free)
                                                        : theme.dim;
    paintTag(p, at.adjusted(2, 3, -6, -3), colour, memoryText(memory), false, memory.kind == Kind::Mixed, theme, font);
}

void paintRmp(QPainter& p, const QRectF& at, const RmpView& rmp, const Theme& theme, const QFont& font) {
    paintTag(p, at.adjusted(4, 2, -4, -2), colourOf(theme, Column::Private, SpteState::None, likeRmp(rmp).sept),
             QString::fromStdString(rmpText(rmp)), rmp.changed, false, theme, font);
}

void paintMapCell(QPainter& p, const QRectF& at, Column column, const TreeCell& cell, const CellMarks& marks, const Theme& theme,
                  const QFont& bold, const QFont& font) {
    const StateStyle& style = styleOf(column, cell);
    const QColor colour = theme.of(style);
    const bool empty = cell.initial(column) && !cell.zapped;
    if (!empty) {
        p.fillRect(at, withAlpha(colour, 0.35));
        if (style.hatch != StateStyle::Hatch::None)
            hatch(p, at, colour, style.hatch == StateStyle::Hatch::Rising);
        p.fillRect(QRectF(at.left(), at.bottom() - 4, at.width(), 4), colour);
    }
    const bool framed = cell.violation || cell.changed || marks.selected;
    p.setBrush(Qt::NoBrush);
    p.setPen(QPen(cell.violation ? theme.violation
                  : framed       ? theme.accent
                                 : theme.border,
                  framed ? 2 : 1, empty && !framed ? Qt::DotLine : Qt::SolidLine));
    p.drawRect(at.adjusted(1, 1, -1, -1));
    if (marks.breakpoint) {
        p.setPen(Qt::NoPen);
        p.setBrush(theme.violation);
        p.drawEllipse(QPointF(at.right() - 7, at.top() + 8), 4, 4);
    }
    p.setFont(bold);
    p.setPen(empty ? theme.dim : theme.text);
    const int line = p.fontMetrics().height();
    p.drawText(QRectF(at.left(), at.top() + 4, at.width(), line), Qt::AlignCenter, text(style.sign));
    p.setFont(font);
    qreal y = at.top() + 4 + line;
    for (const QString& word : {text(style.name), cell.pfn.v == 0 ? QString() : QString::number(cell.pfn.v, 16)}) {
        if (p.fontMetrics().horizontalAdvance(word) > at.width() - 4 || y + line > at.bottom() - 6 || empty)
            continue;
        p.drawText(QRectF(at.left(), y, at.width(), line), Qt::AlignCenter, word);
        y += line;
    }
}

void paintCell(QPainter& p, const QRectF& at, Column column, const TreeCell& cell, const CellMarks& marks, const Theme& theme,
               const QFont& font) {
    if (!cell.exists)
        return;
    const StateStyle& style = styleOf(column, cell);
    const QColor colour = theme.of(style);
    const QRectF box = at.adjusted(4, 2, -4, -2);
    const bool empty = cell.initial(column) && !cell.zapped;
    const qreal fade = cell.zapped ? 1.0 - static_cast<qreal>(cell.age) / (kZappedVisible + 2) : 1.0;
    p.setRenderHint(QPainter::Antialiasing);
    if (marks.selected) {
        p.setPen(Qt::NoPen);
        p.setBrush(theme.selection);
        p.drawRoundedRect(at.adjusted(1, 0, -1, 0), 5, 5);
    }
    QPainterPath shape;
    shape.addRoundedRect(box, 4, 4);
    if (!empty) {
        p.fillPath(shape, withAlpha(colour, theme.fill * fade));
        if (style.hatch != StateStyle::Hatch::None)
            hatch(p, box, colour, style.hatch == StateStyle::Hatch::Rising);
        p.save();
        p.setClipPath(shape);
        p.fillRect(QRectF(box.left(), box.top(), 4, box.height()), withAlpha(colour, fade));
        p.restore();
    }
    p.setBrush(Qt::NoBrush);
    if (cell.violation)
        p.setPen(QPen(theme.violation, 2));
    else if (cell.changed)
        p.setPen(QPen(theme.accent, 2));
    else if (marks.selected || marks.twin)
        p.setPen(QPen(theme.accent, 1.5, marks.twin ? Qt::DashLine : Qt::SolidLine));
    else if (marks.path)
        p.setPen(QPen(withAlpha(theme.accent, 0.8), 1.2));
    else
        p.setPen(QPen(empty ? theme.border : withAlpha(colour, 0.55 * fade), 1, empty ? Qt::DotLine : Qt::SolidLine));
    p.drawPath(shape);

    // What stands at the right end first, so that the text knows how much room there is.
    qreal right = box.right() - 6;
    const auto badge = [&](const QString& sign, const QColor& ink, bool solid = false) {
        QFont bold = font;
        bold.setBold(true);
        p.setFont(bold);
        const qreal width = p.fontMetrics().horizontalAdvance(sign) + (solid ? 8 : 4);
        const QRectF place(right - width, box.top(), width, box.height());
        // On a ground of its own it is read whatever the entry's state is.
        if (solid) {
            p.setPen(Qt::NoPen);
            p.setBrush(ink);
            p.drawRoundedRect(place.adjusted(1, 3, 0, -3), 3, 3);
        }
        p.setPen(solid ? inkOn(ink) : ink);
        p.drawText(place, Qt::AlignCenter, sign);
        right -= width + (solid ? 3 : 0);
    };
    if (cell.violation)
        badge("!", theme.violation, true);
    if (cell.changed)
        badge("Δ", theme.accent, true);
    if (marks.differs)
        badge("A≠B", theme.of(styleAt(kStyleZapped)), true);
    if (marks.breakpoint) {
        p.setPen(Qt::NoPen);
        p.setBrush(theme.violation);
        p.drawEllipse(QPointF(right - 6, box.center().y()), 4, 4);
        right -= 14;
    }
    if (cell.locked)
        badge("lock", theme.dim);
    if (cell.dirty && !cell.zapped)
        badge("D", theme.text);
    if (cell.accessed && !cell.zapped)
        badge("A", theme.text);

    QFont used = font;
    used.setStrikeOut(cell.zapped.has_value());
    p.setFont(used);
    p.setPen(empty ? theme.dim : withAlpha(theme.text, 0.35 + 0.65 * fade));
    QString text = QString::fromStdString(cellText(column, cell));
    if (cell.zapped) {
        // The sign stays readable; only the old value is struck through.
        QFont plain = font;
        p.setFont(plain);
        p.setPen(withAlpha(colour, 0.4 + 0.6 * fade));
        p.drawText(box.adjusted(10, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, "✕");
        const qreal advance = p.fontMetrics().horizontalAdvance("✕ ");
        p.setFont(used);
        p.setPen(withAlpha(theme.text, 0.35 + 0.65 * fade));
        text = QString::fromStdString(cell.was);
        const QRectF room(box.left() + 10 + advance, box.top(), right - box.left() - 14 - advance, box.height());
        p.drawText(room, Qt::AlignVCenter | Qt::AlignLeft,
                   p.fontMetrics().elidedText(text, Qt::ElideRight, static_cast<int>(room.width())));
        return;
    }
    // A huge page covers as many small ones: said, and drawn as a stack.
    if (cell.spte == SpteState::Leaf && cell.huge > 1) {
        const QColor ink = p.pen().color();
        text += QString("  = %1 × 4K").arg(cell.huge);
        const qreal from = box.left() + 20 + p.fontMetrics().horizontalAdvance(text);
        p.setPen(QPen(withAlpha(colour, 0.6), 1));
        for (qreal y = box.top() + 5; y < box.bottom() - 3 && from < right - 4; y += 4)
            p.drawLine(QPointF(from, y), QPointF(right - 4, y));
        p.setPen(ink);
    }
    const QRectF room(box.left() + 10, box.top(), right - box.left() - 12, box.height());
    p.drawText(room, Qt::AlignVCenter | Qt::AlignLeft, p.fontMetrics().elidedText(text, Qt::ElideRight, static_cast<int>(room.width())));
}

} // namespace mirrorscope::views
