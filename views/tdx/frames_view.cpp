// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/tdx/frames_view.h"

#include "views/pane_events.h"

#include <QHelpEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include <algorithm>

namespace mirrorscope::views {

FramesView::FramesView(Context& context, QWidget* parent) : QAbstractScrollArea(parent), context_(context) {
    setObjectName("frames");
    setAccessibleName(tr("Frames of physical memory, by the PAMT and by the host"));
    setFrameShape(QFrame::NoFrame);
    for (const auto signal : {&Context::sessionChanged, &Context::positionChanged, &Context::themeChanged})
        connect(&context_, signal, this, &FramesView::refresh);
}

int FramesView::cell() const { return std::max(9, fontMetrics().height() / 2 + 2); }
int FramesView::labelWidth() const { return fontMetrics().horizontalAdvance("0000000") + 12; }
// A line of 64 frames is broken into as many rows as the width asks for.
int FramesView::perRow() const {
    const int room = (viewport()->width() - labelWidth() - 6) / (cell() + 1);
    for (const int n : {64, 32, 16})
        if (room >= n)
            return n;
    return 8;
}
int FramesView::legendHeight() const { return 4 * (fontMetrics().height() + 3) + 8; }

void FramesView::refresh() {
    if (!isVisible() || !context_.session())
        return;
    lines_ = context_.session()->usedFrameLines();
    const int rows = static_cast<int>(lines_.size()) * (static_cast<int>(kFramesPerLine) / perRow());
    const int room = viewport()->height() - legendHeight();
    verticalScrollBar()->setRange(0, std::max(0, rows * rowHeight() - room));
    verticalScrollBar()->setPageStep(room);
    verticalScrollBar()->setSingleStep(rowHeight() * 4);
    viewport()->update();
}

void FramesView::showEvent(QShowEvent* event) {
    QAbstractScrollArea::showEvent(event);
    refresh();
}
void FramesView::resizeEvent(QResizeEvent*) { refresh(); }

std::optional<Pfn> FramesView::frameAt(const QPoint& point) const {
    const int y = point.y() - legendHeight();
    const int column = (point.x() - labelWidth()) / (cell() + 1);
    if (y < 0 || point.x() < labelWidth() || column >= perRow())
        return std::nullopt;
    const int row = (y + verticalScrollBar()->value()) / rowHeight();
    const int rowsPerLine = static_cast<int>(kFramesPerLine) / perRow();
    const auto line = static_cast<std::size_t>(row / rowsPerLine);
    if (line >= lines_.size())
        return std::nullopt;
    const u64 pfn = lines_[line] * kFramesPerLine + static_cast<u64>(row % rowsPerLine * perRow() + column);
    return context_.session() && pfn < context_.session()->frameCount() ? std::optional(Pfn{pfn}) : std::nullopt;
}

QString FramesView::textAt(const QPoint& point) const {
    const auto pfn = frameAt(point);
    if (!pfn)
        return {};
    const FrameView frame = context_.session()->frame(*pfn);
    QString text = tr("pfn 0x%1: the host uses it as %2").arg(pfn->v, 0, 16).arg(QString::fromStdString(frame.host));
    if (!frame.use.empty())
        text += "\n" + QString::fromStdString(frame.use);
    if (!frame.pamt.empty())
        text += QString("\nPAMT: %1").arg(QString::fromStdString(frame.pamt));
    if (!frame.owner.empty())
        text += QString(", owned by %1").arg(QString::fromStdString(frame.owner));
    if (frame.bepoch != 0)
        text += QString(", BEPOCH %1").arg(frame.bepoch);
    return text;
}

void FramesView::paintEvent(QPaintEvent*) {
    QPainter p(viewport());
    const Theme& theme = context_.theme();
    p.fillRect(viewport()->rect(), theme.base);
    const Session* session = context_.session();
    if (session == nullptr)
        return;
    const auto colour = [&](FrameView::Kind kind) {
        const FrameKindStyle& style = styleOf(kind);
        return QColor(QString::fromUtf8(theme.dark ? style.dark.data() : style.light.data(), 7));
    };
    const int size = cell();
    const int head = legendHeight();
    const int rowsPerLine = static_cast<int>(kFramesPerLine) / perRow();
    const int first = verticalScrollBar()->value() / rowHeight();
    const int last =
        std::min(static_cast<int>(lines_.size()) * rowsPerLine, (verticalScrollBar()->value() + viewport()->height()) / rowHeight() + 1);
    p.setClipRect(0, head, viewport()->width(), viewport()->height() - head);
    const QFont mono = monospace(font());
    for (int row = first; row < last; ++row) {
        const u64 start =
            lines_[static_cast<std::size_t>(row / rowsPerLine)] * kFramesPerLine + static_cast<u64>(row % rowsPerLine * perRow());
        const int y = head + row * rowHeight() - verticalScrollBar()->value();
        if (row % rowsPerLine == 0) {
            p.setPen(theme.dim);
            p.setFont(mono);
            p.drawText(QRect(4, y - 3, labelWidth() - 8, size + 7), Qt::AlignVCenter | Qt::AlignRight, QString::number(start, 16));
        }
        for (int i = 0; i < perRow() && start + static_cast<u64>(i) < session->frameCount(); ++i) {
            const FrameView frame = session->frame({start + static_cast<u64>(i)});
            const QRect at(labelWidth() + i * (size + 1), y, size, size);
            if (frame.kind == FrameView::Kind::Free) {
                p.setPen(theme.border);
                p.drawPoint(at.center());
            } else {
                p.fillRect(at, colour(frame.kind));
            }
            if (frame.changed) {
                p.setPen(QPen(theme.accent, 2));
                p.drawRect(at.adjusted(0, 0, -1, -1));
            }
        }
    }
    p.setClipping(false);
    p.fillRect(0, 0, viewport()->width(), head, theme.window);
    p.setPen(theme.border);
    p.drawLine(0, head - 1, viewport()->width(), head - 1);
    p.setFont(font());
    const int line = fontMetrics().height() + 3;
    for (unsigned k = 1, shown = 0; k < static_cast<unsigned>(FrameView::Kind::Count_); ++k, ++shown) {
        const auto kind = static_cast<FrameView::Kind>(k);
        const int x = 8 + static_cast<int>(shown % 2) * (viewport()->width() / 2);
        const int y = 4 + static_cast<int>(shown / 2) * line;
        p.fillRect(x, y + (line - size) / 2, size, size, colour(kind));
        p.setPen(theme.dim);
        const QRect at(x + size + 6, y, viewport()->width() / 2 - size - 10, line);
        p.drawText(at, Qt::AlignVCenter | Qt::AlignLeft,
                   fontMetrics().elidedText(QString::fromUtf8(styleOf(kind).name.data()), Qt::ElideRight, at.width()));
    }
}

bool FramesView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        showHelp(*help, textAt(help->pos()));
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace mirrorscope::views
