// SPDX-License-Identifier: GPL-3.0-or-later
// The picture of the timeline: what is visible, lane by lane.
#include "session/style.h"
#include "session/timeline.h"
#include "views/text.h"
#include "views/timeline/timeline_view.h"

#include <QLocale>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

namespace {
// The longest of its names that fits whole: "MEM.PAGE.AUG", "PAGE.AUG", "AUG"; nothing rather than a part of a word.
QString leafThatFits(const Span& span, const QFontMetrics& metrics, double width) {
    const QString answer = span.closed && span.detail != 0 ? " → " + QString::fromStdString(statusName(span)).mid(4) : QString();
    QString name = text(leafName(span)).section('.', 1);
    if (name.startsWith("MEM."))
        name = name.mid(4);
    for (const QString& tail : {answer, QString()})
        for (QString shorter = name;; shorter = shorter.section('.', 1)) {
            if (metrics.horizontalAdvance(shorter + tail) <= width)
                return shorter + tail;
            if (!shorter.contains('.'))
                break;
        }
    return {};
}
} // namespace

QColor TimelineView::spanColour(const Span& span) const {
    const Theme& theme = context_.theme();
    if (span.kind == Span::Kind::Lock || span.kind == Span::Kind::Wait)
        return theme.of(styleOf(StepGroup::Lock));
    if (!span.closed || span.detail == 0)
        return theme.of(styleOf(StepGroup::Seamcall));
    const bool error = span.detail >> 63 != 0;
    return error ? theme.violation : theme.of(styleAt(kStylePending));
}

void TimelineView::paintRuler(QPainter& p) const {
    const Theme& theme = context_.theme();
    const QLocale locale;
    const TimelineScale scale = scaleNow();
    const double apart = fontMetrics().horizontalAdvance(locale.toString(static_cast<qulonglong>(scale.last()))) + 24;
    for (const u64 at : ticksOf(scale, apart)) {
        const double x = xOf(at);
        p.setPen(theme.border);
        p.drawLine(QPointF(x, rulerHeight() - 5), QPointF(x, rulerHeight()));
        p.setPen(theme.dim);
        const QString number = locale.toString(static_cast<qulonglong>(at));
        const double half = fontMetrics().horizontalAdvance(number) / 2.0 + 1;
        p.drawText(QRectF(std::max(x, labelWidth() + half) - half, 0, 2 * half, rulerHeight() - 4), Qt::AlignCenter, number);
    }
}

void TimelineView::paintScript(QPainter& p) const {
    const Session* session = context_.session();
    const Theme& theme = context_.theme();
    for (const TimelineBand& band : bandsOf(*session, scaleNow())) {
        const QRectF box(labelWidth() + band.from, rulerHeight() + 2, band.to - band.from, laneHeight() - 4);
        p.fillRect(box, theme.alternate);
        p.setPen(theme.border);
        p.drawLine(box.topLeft(), box.bottomLeft());
        constexpr double kNamedFrom = 30;
        if (box.width() <= kNamedFrom)
            continue;
        // What began before the left edge says its name there.
        const Step* step = session->scenario().step(band.script);
        const QRectF named = box.adjusted(std::max(5.0, labelWidth() + 5.0 - box.left()), 0, -2, 0);
        p.setPen(theme.dim);
        p.drawText(named, Qt::AlignVCenter | Qt::AlignLeft,
                   fontMetrics().elidedText(text(info(step->verb).name) + " " + QString::fromStdString(step->path), Qt::ElideRight,
                                            static_cast<int>(named.width())));
    }
}

void TimelineView::paintActor(QPainter& p, const QRect& at, std::size_t actor) const {
    const Theme& theme = context_.theme();
    const QRect inner = at.adjusted(0, 4, 0, -4);
    const double gap = scale_ > 4 ? 1 : 0; // between two micro-steps
    for (const TimelineBox& box : boxesOf(*context_.session(), actor, scaleNow())) {
        const double top = std::floor(inner.top() + inner.height() * box.top),
                     bottom = std::floor(inner.top() + inner.height() * box.bottom);
        p.fillRect(QRectF(at.left() + box.from + gap, top, box.to - box.from - 2 * gap, bottom - top), theme.of(styleOf(box.group)));
    }
}

void TimelineView::paintSpans(QPainter& p, const QRect& at, const std::vector<Span>& spans, std::optional<ActorId> only) const {
    const Theme& theme = context_.theme();
    for (const TimelineSpan& shown : spansOf(spans, scaleNow(), only)) {
        const Span& span = *shown.span;
        const bool lock = span.kind == Span::Kind::Lock, waits = span.kind == Span::Kind::Wait, reads = lock && !span.write;
        // Who waits stands below who holds.
        QRectF box(at.left() + shown.from, at.top() + 3, std::max(1.0, shown.to - shown.from - (scale_ > 4 ? 1 : 0)), at.height() - 6);
        if (reads)
            box.adjust(0, 3, 0, 0);
        if (waits) {
            box.setTop(box.bottom() - 5);
            p.fillRect(box, QBrush(theme.violation, Qt::BDiagPattern));
            continue;
        }
        QColor colour = spanColour(span);
        colour.setAlphaF(reads ? 0.45f : 0.8f);
        p.fillRect(box, colour);
        constexpr double kNamedFrom = 24;
        if (box.width() < kNamedFrom)
            continue;
        p.setPen(reads ? theme.text : inkOn(spanColour(span)));
        const QString what =
            lock ? QString::fromStdString(context_.session()->actorName(span.actor)) + (span.write ? tr(" writes") : tr(" reads"))
                 : leafThatFits(span, fontMetrics(), box.width() - 6);
        if (fontMetrics().horizontalAdvance(what) <= box.width() - 6)
            p.drawText(box.adjusted(4, 0, -2, 0), Qt::AlignVCenter | Qt::AlignLeft, what);
    }
}

void TimelineView::paintArrows(QPainter& p) const {
    const Theme& theme = context_.theme();
    p.setRenderHint(QPainter::Antialiasing);
    QColor ink = theme.text;
    ink.setAlphaF(0.75f);
    for (const CauseArrow& arrow : arrows()) {
        const auto a = laneOf(arrow.from), b = laneOf(arrow.to);
        if (!a || !b)
            continue;
        const QRect from = laneRect(*a), to = laneRect(*b);
        const QPointF start(xOf(arrow.from) + scale_ * 0.8, from.center().y()), end(xOf(arrow.to), to.center().y());
        QPainterPath path(start);
        const double bend = *a == *b ? -laneHeight() * 0.45 : 0;
        const double reach = std::min(40.0, std::abs(end.x() - start.x()) / 2 + 4);
        path.cubicTo(start + QPointF(reach, bend), end + QPointF(-reach, bend), end);
        p.setPen(QPen(ink, 1.3));
        p.setBrush(Qt::NoBrush);
        p.drawPath(path);
        QPolygonF head;
        head << end << end + QPointF(-6, -3.5) << end + QPointF(-6, 3.5);
        p.setPen(Qt::NoPen);
        p.setBrush(ink);
        p.drawPolygon(head);
    }
    p.setRenderHint(QPainter::Antialiasing, false);
}

void TimelineView::paintMarkers(QPainter& p) const {
    const Theme& theme = context_.theme();
    const int bottom = lanesBottom();
    const auto flag = [&](double x, const QString& what, const QColor& ink) {
        p.setPen(QPen(ink, 2));
        p.drawLine(QPointF(x, 0), QPointF(x, bottom));
        const int w = fontMetrics().horizontalAdvance(what) + 8, h = fontMetrics().height();
        const QRectF at(x + 1, bottom - h, w, h);
        p.fillRect(at, ink);
        p.setPen(theme.base);
        p.drawText(at, Qt::AlignCenter, what);
    };
    const auto a = context_.marker(0), b = context_.marker(1);
    if (a && b) {
        QColor between = theme.accent;
        between.setAlphaF(0.12f);
        p.fillRect(QRectF(QPointF(xOf(std::min(*a, *b)), 0), QPointF(xOf(std::max(*a, *b)), bottom)), between);
    }
    for (unsigned which = 0; which < 2; ++which)
        if (const auto at = context_.marker(which))
            flag(xOf(*at), which == 0 ? "A" : "B", theme.of(styleAt(which == 0 ? kStyleSharedLeaf : kStyleZapped)));
    for (const Bookmark& bookmark : context_.bookmarks()) {
        const double x = xOf(bookmark.position);
        if (x < labelWidth() - 8 || x > width())
            continue;
        p.setPen(Qt::NoPen);
        p.setBrush(theme.of(styleAt(kStylePending)));
        QPolygonF ribbon;
        ribbon << QPointF(x - 4, 0) << QPointF(x + 4, 0) << QPointF(x + 4, 12) << QPointF(x, 8) << QPointF(x - 4, 12);
        p.drawPolygon(ribbon);
    }
    if (const auto& parts = context_.divergence()) {
        const double x = xOf(parts->position);
        p.setPen(QPen(theme.text, 2, Qt::DashLine));
        p.drawLine(QPointF(x, 0), QPointF(x, bottom));
        // On a ground of its own, above the lanes: what lies below stays readable.
        const int w = fontMetrics().horizontalAdvance(parts->text) + 10;
        const QRectF ground(std::min(x + 4, static_cast<double>(width() - w)), rulerHeight() + 1, w, laneHeight() - 2);
        p.fillRect(ground, theme.note);
        p.setPen(theme.text);
        p.drawText(ground, Qt::AlignCenter, parts->text);
    }
    // The position stands between two micro-steps.
    const double here = xOf(context_.position());
    p.setPen(QPen(theme.accent, 2));
    p.drawLine(QPointF(here, 0), QPointF(here, bottom));
}

void TimelineView::paintOverview(QPainter& p) const {
    const Session* session = context_.session();
    const Theme& theme = context_.theme();
    const QRect at = overviewRect();
    const u64 end = session->end();
    p.fillRect(at, theme.base);
    const auto x = [&](double n) { return at.left() + n / static_cast<double>(end) * at.width(); };
    // SEAMCALLs below, changes of entries above.
    const std::vector<OverviewColumn> columns = overviewOf(*session, static_cast<unsigned>(at.width()));
    for (int px = 0; px < at.width(); ++px) {
        const OverviewColumn& column = columns[static_cast<std::size_t>(px)];
        if (column.entries)
            p.fillRect(at.left() + px, at.top() + 2, 1, at.height() / 2 - 2, theme.of(styleOf(StepGroup::Entry)));
        if (column.calls)
            p.fillRect(at.left() + px, at.top() + at.height() / 2, 1, at.height() / 2 - 2, theme.of(styleOf(StepGroup::Seamcall)));
    }
    for (const Violation& v : session->violations())
        p.fillRect(QRectF(x(static_cast<double>(v.n)) - 1, at.top(), 3, at.height()), theme.violation);
    for (unsigned which = 0; which < 2; ++which)
        if (const auto marker = context_.marker(which))
            p.fillRect(QRectF(x(static_cast<double>(*marker)), at.top(), 2, at.height()),
                       theme.of(styleAt(which == 0 ? kStyleSharedLeaf : kStyleZapped)));
    const double x0 = x(start_), w = std::max(4.0, x(start_ + visible()) - x0);
    QColor veil = theme.window;
    veil.setAlphaF(0.6f);
    p.fillRect(QRectF(at.left(), at.top(), x0 - at.left(), at.height()), veil);
    p.fillRect(QRectF(x0 + w, at.top(), std::max(0.0, at.right() - x0 - w + 1), at.height()), veil);
    p.setPen(QPen(theme.accent, 1));
    p.setBrush(Qt::NoBrush);
    p.drawRect(QRectF(x0, at.top(), std::min(w, at.right() - x0), at.height() - 1));
    p.fillRect(QRectF(x(static_cast<double>(session->position())) - 1, at.top() - 2, 2, at.height() + 4), theme.accent);
}

void TimelineView::paintEvent(QPaintEvent*) {
    const FrameTimes::Timer timer(context_.frameTimes(), "timeline");
    QPainter p(this);
    const Theme& theme = context_.theme();
    p.fillRect(rect(), theme.base);
    const Session* session = context_.session();
    if (!session || session->end() == 0) {
        p.setPen(theme.dim);
        p.drawText(rect(), Qt::AlignCenter, session ? tr("The script takes no micro-step.") : QString());
        return;
    }
    const int lane = laneHeight();
    const int left = labelWidth();
    const u64 first = stepAt(left);
    const u64 last = stepAt(width());
    p.setClipRect(left, 0, width() - left, lanesBottom());
    paintRuler(p);
    paintScript(p);
    p.setClipRect(left, lanesTop(), width() - left, std::max(0, lanesBottom() - lanesTop()));
    for (int i = 0; i < static_cast<int>(lanes_.size()); ++i) {
        const QRect at = laneRect(i);
        if (at.bottom() < lanesTop() || at.top() > lanesBottom())
            continue;
        if (i % 2 == 0)
            p.fillRect(at, theme.alternate);
        const Lane& l = lanes_[static_cast<std::size_t>(i)];
        switch (l.kind) {
        case Lane::Kind::Actor: paintActor(p, at, l.number); break;
        case Lane::Kind::Seamcalls: paintSpans(p, at, session->lanes().seamcalls(), session->actors()[l.number]); break;
        case Lane::Kind::Lock: paintSpans(p, at, session->lanes().locks(l.number)); break;
        }
    }
    for (const Violation& v : session->violations())
        if (v.n >= first && v.n <= last)
            if (const auto at = laneOf(v.n)) {
                p.setPen(QPen(theme.violation, 2));
                p.setBrush(Qt::NoBrush);
                p.drawRect(QRectF(xOf(v.n), laneRect(*at).top() + 2, std::max(4.0, scale_), lane - 4));
            }
    paintArrows(p);
    p.setClipRect(left, 0, width() - left, lanesBottom());
    paintMarkers(p);
    p.setClipping(false);

    p.fillRect(0, 0, left, height(), theme.window);
    p.setPen(theme.dim);
    p.drawText(QRect(6, 0, left - 8, rulerHeight()), Qt::AlignVCenter | Qt::AlignLeft, tr("position"));
    p.drawText(QRect(6, rulerHeight(), left - 8, lane), Qt::AlignVCenter | Qt::AlignLeft, tr("script"));
    p.setClipRect(0, lanesTop(), left, std::max(0, lanesBottom() - lanesTop()));
    p.setPen(theme.text);
    for (int i = 0; i < static_cast<int>(lanes_.size()); ++i)
        p.drawText(QRect(6, laneRect(i).top(), left - 8, lane), Qt::AlignVCenter | Qt::AlignLeft, lanes_[static_cast<std::size_t>(i)].name);
    p.setClipping(false);
    p.setPen(theme.border);
    p.drawLine(left, 0, left, height());
    p.drawLine(0, lanesBottom() + 2, width(), lanesBottom() + 2);
    p.setPen(theme.dim);
    p.drawText(QRect(6, overviewRect().top(), left - 8, overviewRect().height()), Qt::AlignVCenter | Qt::AlignLeft, tr("whole run"));
    paintOverview(p);

    // What the colours mean.
    if (legendHeight() > 0) {
        int x = 8;
        for (unsigned g = 0; g < kStepGroups; ++g) {
            const GroupStyle& style = styleOf(static_cast<StepGroup>(g));
            const int y = overviewRect().top() - legendHeight() - 2;
            p.fillRect(x, y + 5, 10, lane - 14, theme.of(style));
            p.setPen(theme.dim);
            const int w = fontMetrics().horizontalAdvance(text(style.name));
            p.drawText(QRect(x + 14, y, w + 2, lane - 4), Qt::AlignVCenter | Qt::AlignLeft, text(style.name));
            x += w + 30;
        }
    }
    if (hasFocus()) {
        p.setPen(theme.accent);
        p.drawLine(0, 0, width(), 0);
    }
}

} // namespace mirrorscope::views
