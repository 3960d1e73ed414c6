// SPDX-License-Identifier: GPL-3.0-or-later
// The picture of the timeline: what is visible, lane by lane.
#include "session/style.h"
#include "views/text.h"
#include "views/timeline/timeline_view.h"

#include <QLocale>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <bit>
#include <cmath>

namespace mirrorscope::views {

namespace {
constexpr u64 kNone = ~u64{0};

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

// 1, 2 or 5 times a power of ten, so that marks stand that far apart.
u64 niceStep(double atLeast) {
    for (u64 power = 1;; power *= 10)
        for (const u64 factor : {1, 2, 5})
            if (static_cast<double>(factor * power) >= atLeast)
                return factor * power;
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

// Positions, at marks that are easy to read.
void TimelineView::paintRuler(QPainter& p, u64 first, u64 last) const {
    const Theme& theme = context_.theme();
    const QLocale locale;
    const double apart = fontMetrics().horizontalAdvance(locale.toString(static_cast<qulonglong>(last))) + 24;
    const u64 step = niceStep(apart / scale_);
    for (u64 at = first / step * step; at <= last + 1; at += step) {
        const double x = xOf(at);
        if (x < labelWidth())
            continue;
        p.setPen(theme.border);
        p.drawLine(QPointF(x, rulerHeight() - 5), QPointF(x, rulerHeight()));
        p.setPen(theme.dim);
        p.drawText(QRectF(x - apart / 2, 0, apart, rulerHeight() - 4), Qt::AlignCenter, locale.toString(static_cast<qulonglong>(at)));
    }
}

void TimelineView::paintScript(QPainter& p, u64 first, u64 last) const {
    const Session* session = context_.session();
    const Theme& theme = context_.theme();
    const int lane = laneHeight();
    // A band for each step, found by jumping from end to end.
    double drawnTo = -1;
    for (u64 n = first; n <= last;) {
        const u32 script = session->scriptOf(n);
        const auto extent = session->extent(script);
        const Step* step = session->scenario().step(script);
        if (!extent || !step || extent->second <= n) {
            ++n;
            continue;
        }
        // In a race steps overlap: the band ends where another begins.
        u64 end = n + 1;
        const bool inRace = session->raceAt(n).has_value();
        const u64 limit = std::min({extent->second, last + 1, inRace ? n + 512 : extent->second});
        if (inRace)
            while (end < limit && session->scriptOf(end) == script)
                ++end;
        else
            end = limit;
        const QRectF band(xOf(n), rulerHeight() + 2, std::max(1.0, static_cast<double>(end - n) * scale_ - 1), lane - 4);
        if (band.right() > drawnTo + 0.5) {
            p.fillRect(band, theme.alternate);
            p.setPen(theme.border);
            p.drawLine(band.topLeft(), band.bottomLeft());
            p.setPen(theme.dim);
            if (band.width() > 30)
                // What began before the left edge says its name there.
                p.drawText(band.adjusted(std::max(5.0, labelWidth() + 5.0 - band.left()), 0, -2, 0), Qt::AlignVCenter | Qt::AlignLeft,
                           fontMetrics().elidedText(
                               text(info(step->verb).name) + " " + QString::fromStdString(step->path), Qt::ElideRight,
                               static_cast<int>(band.right() - std::max(band.left(), static_cast<double>(labelWidth()))) - 6));
            drawnTo = band.right();
        }
        // Bands narrower than a pixel: on to the next pixel.
        n = std::max(end, static_cast<u64>(static_cast<double>(n) + std::max(1.0, 0.5 / scale_)));
    }
}

void TimelineView::paintActor(QPainter& p, const QRect& at, std::size_t actor, u64 first, u64 last) const {
    const Session* session = context_.session();
    const Theme& theme = context_.theme();
    const QRect inner = at.adjusted(0, 4, 0, -4);
    if (scale_ >= 1) {
        for (u64 n = session->lanes().next(first, actor); n <= last && n != kNone; n = session->lanes().next(n + 1, actor)) {
            const QRectF box(xOf(n) + (scale_ > 4 ? 1 : 0), inner.top(), std::max(1.0, scale_ - (scale_ > 4 ? 2 : 0)), inner.height());
            p.fillRect(box, theme.of(styleOf(groupOf(session->stepBrief(n).second))));
        }
        return;
    }
    // Several micro-steps a pixel: every kind that is among them has its share of the pixel.
    for (int x = at.left(); x < at.right(); ++x) {
        const u64 from = stepAt(x), to = std::max(from + 1, stepAt(x + 1));
        const u16 groups = session->lanes().groups(from, to, actor);
        const int count = std::popcount(groups);
        int k = 0;
        for (unsigned g = 0; g < kStepGroups; ++g)
            if ((groups >> g & 1) != 0) {
                const int top = inner.top() + inner.height() * k / count, bottom = inner.top() + inner.height() * (k + 1) / count;
                p.fillRect(x, top, 1, bottom - top, theme.of(styleOf(static_cast<StepGroup>(g))));
                ++k;
            }
    }
}

void TimelineView::paintSpans(QPainter& p, const QRect& at, const std::vector<Span>& spans, u64 first, u64 last,
                              std::optional<ActorId> only) const {
    const Theme& theme = context_.theme();
    const auto paint = [&](const Span& span) {
        if (only && span.actor != *only)
            return;
        const double x0 = std::max<double>(xOf(span.begin), at.left()), x1 = std::min<double>(xOf(span.end), at.right() + 1);
        const bool waits = span.kind == Span::Kind::Wait;
        // Who waits stands below who holds.
        QRectF box(x0, at.top() + 3, std::max(1.0, x1 - x0 - (scale_ > 4 ? 1 : 0)), at.height() - 6);
        if (span.kind == Span::Kind::Lock && !span.write)
            box.adjust(0, 3, 0, 0);
        if (waits)
            box.setTop(box.bottom() - 5);
        QColor colour = spanColour(span);
        colour.setAlphaF(span.kind == Span::Kind::Lock && !span.write ? 0.45f : waits ? 1.0f : 0.8f);
        if (waits)
            p.fillRect(box, QBrush(theme.violation, Qt::BDiagPattern));
        else
            p.fillRect(box, colour);
        if (box.width() < 24 || waits)
            return;
        p.setPen(inkOn(spanColour(span)));
        if (span.kind == Span::Kind::Lock && !span.write)
            p.setPen(theme.text);
        const QString what = span.kind == Span::Kind::Lock ? QString::fromStdString(context_.session()->actorName(span.actor)) +
                                                                 (span.write ? tr(" writes") : tr(" reads"))
                                                           : leafThatFits(span, fontMetrics(), box.width() - 6);
        if (fontMetrics().horizontalAdvance(what) <= box.width() - 6)
            p.drawText(box.adjusted(4, 0, -2, 0), Qt::AlignVCenter | Qt::AlignLeft, what);
    };
    for (const std::size_t i : Lanes::lasting(spans, first))
        paint(spans[i]);
    for (std::size_t i = Lanes::firstFrom(spans, first); i < spans.size() && spans[i].begin <= last;) {
        paint(spans[i]);
        // What is narrower than a pixel hides those beside it.
        if (static_cast<double>(spans[i].end - spans[i].begin) * scale_ < 1)
            i = std::max(i + 1, Lanes::firstFrom(spans, static_cast<u64>(static_cast<double>(spans[i].begin) + std::max(1.0, 1 / scale_))));
        else
            ++i;
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
    // What happened where: SEAMCALLs below, changes of entries above, whatever the actor.
    for (int px = 0; px < at.width(); ++px) {
        const u64 from = end * static_cast<u64>(px) / static_cast<u64>(at.width());
        const u64 to = std::max(from + 1, end * static_cast<u64>(px + 1) / static_cast<u64>(at.width()));
        u16 groups = 0;
        for (std::size_t a = 0; a < session->actors().size(); ++a)
            groups |= session->lanes().groups(from, std::min(to, end), a);
        const auto has = [&](StepGroup g) { return (groups >> static_cast<unsigned>(g) & 1) != 0; };
        if (has(StepGroup::Entry))
            p.fillRect(at.left() + px, at.top() + 2, 1, at.height() / 2 - 2, theme.of(styleOf(StepGroup::Entry)));
        if (has(StepGroup::Seamcall))
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
    paintRuler(p, first, last);
    paintScript(p, first, last);
    p.setClipRect(left, lanesTop(), width() - left, std::max(0, lanesBottom() - lanesTop()));
    for (int i = 0; i < static_cast<int>(lanes_.size()); ++i) {
        const QRect at = laneRect(i);
        if (at.bottom() < lanesTop() || at.top() > lanesBottom())
            continue;
        if (i % 2 == 0)
            p.fillRect(at, theme.alternate);
        const Lane& l = lanes_[static_cast<std::size_t>(i)];
        switch (l.kind) {
        case Lane::Kind::Actor: paintActor(p, at, l.number, first, last); break;
        case Lane::Kind::Seamcalls: paintSpans(p, at, session->lanes().seamcalls(), first, last, session->actors()[l.number]); break;
        case Lane::Kind::Lock: paintSpans(p, at, session->lanes().locks(l.number), first, last); break;
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
