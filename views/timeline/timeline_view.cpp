// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/timeline/timeline_view.h"

#include "base/text.h"
#include "session/style.h"
#include "views/pane_events.h"
#include "views/text.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <bit>
#include <cmath>

namespace mirrorscope::views {

namespace {
constexpr double kMinScale = 0.00002, kMaxScale = 60;
constexpr double kArrowsFrom = 2.5; // pixels a micro-step
constexpr u64 kNever = ~u64{0};

// "PAGE.AUG" of TDH.MEM.PAGE.AUG: what fits into a box.
QString shortLeaf(const Span& span) {
    const QString name = text(leafName(span)).section('.', 1);
    return name.startsWith("MEM.") ? name.mid(4) : name;
}
} // namespace

TimelineView::TimelineView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), bar_(new QScrollBar(Qt::Vertical, this)) {
    setObjectName("timeline");
    setAccessibleName(tr("Micro-steps by actor, SEAMCALLs and locks"));
    setFocusPolicy(Qt::StrongFocus);
    setMinimumHeight(110);
    bar_->setAccessibleName(tr("Scroll the lanes"));
    connect(bar_, &QScrollBar::valueChanged, this, qOverload<>(&QWidget::update));
    connect(&context_, &Context::sessionChanged, this, [this] {
        scale_ = 12;
        start_ = 0;
        layoutLanes();
        follow();
    });
    connect(&context_, &Context::positionChanged, this, &TimelineView::follow);
    for (const auto signal : {&Context::themeChanged, &Context::divergenceChanged, &Context::markersChanged, &Context::bookmarksChanged})
        connect(&context_, signal, this, qOverload<>(&QWidget::update));
}

double TimelineView::visible() const { return (width() - labelWidth()) / scale_; }
double TimelineView::xOf(u64 n) const { return labelWidth() + (static_cast<double>(n) - start_) * scale_; }

u64 TimelineView::stepAt(double x) const {
    const u64 end = context_.session() ? context_.session()->end() : 0;
    const double n = std::floor(start_ + (x - labelWidth()) / scale_);
    return end == 0 ? 0 : static_cast<u64>(std::clamp(n, 0.0, static_cast<double>(end - 1)));
}

QRect TimelineView::overviewRect() const {
    const int height = fontMetrics().height() + 6;
    return {labelWidth(), this->height() - height - 4, std::max(10, width() - labelWidth() - 6), height};
}

int TimelineView::lanesBottom() const { return overviewRect().top() - 6; }

void TimelineView::layoutLanes() {
    lanes_.clear();
    laneHeight_ = fontMetrics().height() + 8;
    if (const Session* session = context_.session()) {
        for (std::size_t i = 0; i < session->actors().size(); ++i)
            lanes_.push_back(
                {Lane::Kind::Actor, static_cast<unsigned>(i), QString::fromStdString(session->actorName(session->actors()[i]))});
        if (!session->lanes().seamcalls().empty())
            lanes_.push_back({Lane::Kind::Seamcalls, 0, "SEAMCALL"});
        for (unsigned lock = 0; lock < kLocks; ++lock)
            if (!session->lanes().locks(lock).empty())
                lanes_.push_back({Lane::Kind::Lock, lock, text(name(static_cast<LockId>(lock)))});
    }
    // Measured once: every x of the picture depends on it.
    labelWidth_ = fontMetrics().horizontalAdvance("vcpu00");
    for (const Lane& lane : lanes_)
        labelWidth_ = std::max(labelWidth_, fontMetrics().horizontalAdvance(lane.name));
    labelWidth_ += 16;
    const int room = lanesBottom() - lanesTop();
    const int wanted = static_cast<int>(lanes_.size()) * laneHeight();
    bar_->setRange(0, std::max(0, wanted - room));
    bar_->setPageStep(std::max(1, room));
    bar_->setSingleStep(laneHeight());
    bar_->setVisible(wanted > room);
    const int barWidth = bar_->sizeHint().width();
    bar_->setGeometry(width() - barWidth, lanesTop(), barWidth, std::max(10, room));
    update();
}

void TimelineView::resizeEvent(QResizeEvent*) {
    layoutLanes();
    clampView();
}

QStringList TimelineView::laneNames() const {
    QStringList names;
    for (const Lane& lane : lanes_)
        names << lane.name;
    return names;
}

QRect TimelineView::laneRect(int lane) const {
    return {labelWidth(), lanesTop() + lane * laneHeight() - bar_->value(), width() - labelWidth(), laneHeight()};
}

std::optional<int> TimelineView::laneAt(int y) const {
    if (y < lanesTop() || y >= lanesBottom())
        return std::nullopt;
    const int lane = (y - lanesTop() + bar_->value()) / laneHeight();
    return lane < static_cast<int>(lanes_.size()) ? std::optional(lane) : std::nullopt;
}

std::optional<int> TimelineView::laneOf(u64 n) const {
    const auto index = context_.session()->indexOfActor(context_.session()->stepBrief(n).first);
    return index ? std::optional(static_cast<int>(*index)) : std::nullopt;
}

void TimelineView::clampView() {
    const u64 end = context_.session() ? context_.session()->end() : 0;
    start_ = std::clamp(start_, 0.0, std::max(0.0, static_cast<double>(end) + 4 - visible()));
    update();
}

void TimelineView::show(double start, double steps) {
    scale_ = std::clamp((width() - labelWidth()) / std::max(1.0, steps), kMinScale, kMaxScale);
    start_ = start;
    clampView();
}

void TimelineView::follow() {
    const auto at = static_cast<double>(context_.position());
    if (grab_ == Grab::None && (at < start_ + visible() * 0.05 || at > start_ + visible() * 0.9))
        start_ = at - visible() * 0.6;
    clampView();
}

void TimelineView::zoom(double factor, double x) {
    const double under = start_ + (x - labelWidth()) / scale_;
    const u64 end = context_.session() ? context_.session()->end() : 1;
    const double smallest = std::max(kMinScale, (width() - labelWidth()) / (static_cast<double>(end) + 4));
    scale_ = std::clamp(scale_ * factor, std::min(smallest, kMaxScale), kMaxScale);
    start_ = under - (x - labelWidth()) / scale_;
    clampView();
}

void TimelineView::pan(double pixels) {
    start_ += pixels / scale_;
    clampView();
}

QColor TimelineView::spanColour(const Span& span) const {
    const Theme& theme = context_.theme();
    if (span.kind == Span::Kind::Lock || span.kind == Span::Kind::Wait)
        return theme.of(styleOf(StepGroup::Lock));
    if (!span.closed || span.detail == 0)
        return theme.of(styleOf(StepGroup::Seamcall));
    const bool error = span.detail >> 63 != 0;
    return error ? theme.violation : theme.of(styleAt(kStylePending));
}

QString TimelineView::spanText(const Span& span) const {
    const Session* session = context_.session();
    const QString who = QString::fromStdString(session->actorName(span.actor));
    const QString when =
        span.closed ? tr("micro-steps %1 to %2").arg(span.begin).arg(span.end - 1) : tr("from micro-step %1 on").arg(span.begin);
    switch (span.kind) {
    case Span::Kind::Lock:
        return tr("%1 holds %2 for %3, %4")
            .arg(who, text(name(static_cast<LockId>(span.code))), span.write ? tr("writing") : tr("reading"), when);
    case Span::Kind::Wait:
        return tr("%1 waits for %2 to %3, %4")
            .arg(who, text(name(static_cast<LockId>(span.code))), span.write ? tr("write") : tr("read"), when);
    default: break;
    }
    QString what = tr("%1: %2, %3").arg(who, text(leafName(span)), when);
    if (span.gpa != kNever)
        what += "\n" + tr("GPA %1").arg(QString::fromStdString(hex(span.gpa)));
    if (span.closed)
        what += "\n→ " + QString::fromStdString(statusName(span));
    return what;
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
        const QRectF band(xOf(n), 2, std::max(1.0, static_cast<double>(end - n) * scale_ - 1), lane - 4);
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
        for (u64 n = session->lanes().next(first, actor); n <= last && n != kNever; n = session->lanes().next(n + 1, actor)) {
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

void TimelineView::paintSpans(QPainter& p, const QRect& at, const std::vector<Span>& spans, u64 first, u64 last) const {
    const Theme& theme = context_.theme();
    const auto paint = [&](const Span& span) {
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
        const QString what =
            span.kind == Span::Kind::Lock
                ? QString::fromStdString(context_.session()->actorName(span.actor)) + (span.write ? tr(" writes") : tr(" reads"))
                : shortLeaf(span) + (span.closed && span.detail != 0 ? " → " + QString::fromStdString(statusName(span)).mid(4) : QString());
        p.drawText(box.adjusted(4, 0, -2, 0), Qt::AlignVCenter | Qt::AlignLeft,
                   fontMetrics().elidedText(what, Qt::ElideRight, static_cast<int>(box.width()) - 6));
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

std::vector<TimelineView::Arrow> TimelineView::arrows() const {
    std::vector<Arrow> list;
    const Session* session = context_.session();
    if (session == nullptr || session->end() == 0 || scale_ < kArrowsFrom)
        return list;
    const u64 first = stepAt(labelWidth()), last = stepAt(width());
    const auto actors = session->actors().size();
    // What each actor did last that something may follow from.
    struct Cause {
        u64 exit = kNever, leave = kNever, kick = kNever, ack = kNever;
    };
    std::vector<Cause> causes(actors);
    for (u64 n = first; n <= last; ++n) {
        const auto [actor, site] = session->stepBrief(n);
        const auto index = session->indexOfActor(actor);
        if (!index)
            continue;
        Cause& mine = causes[*index];
        switch (site) {
        case Site::VcpuExit:
            mine.exit = n;
            mine.leave = kNever;
            break;
        case Site::VcpuEnter: mine.exit = mine.leave = kNever; break;
        case Site::SeamcallEnter:
            if (mine.exit != kNever)
                list.push_back({mine.exit, n, tr("the exit leads to the SEAMCALL")});
            mine.exit = mine.leave = kNever;
            break;
        case Site::SeamcallLeave: mine.leave = n; break;
        case Site::KickSend:
            if (mine.leave != kNever)
                list.push_back({mine.leave, n, tr("after the SEAMCALL the vCPUs are kicked")});
            mine.leave = kNever;
            for (std::size_t other = 0; other < actors; ++other)
                if (other != *index)
                    causes[other].kick = n;
            break;
        case Site::KickAck:
            if (mine.kick != kNever)
                list.push_back({mine.kick, n, tr("the kick arrives")});
            mine.kick = kNever;
            mine.ack = n;
            break;
        case Site::TlbFlush:
            if (mine.ack != kNever)
                list.push_back({mine.ack, n, tr("the kicked vCPU flushes")});
            mine.ack = kNever;
            break;
        default: break;
        }
    }
    return list;
}

void TimelineView::paintArrows(QPainter& p) const {
    const Theme& theme = context_.theme();
    p.setRenderHint(QPainter::Antialiasing);
    QColor ink = theme.text;
    ink.setAlphaF(0.75f);
    for (const Arrow& arrow : arrows()) {
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
        p.drawText(QPointF(x + 6, bottom - 4), parts->text);
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
        case Lane::Kind::Seamcalls: paintSpans(p, at, session->lanes().seamcalls(), first, last); break;
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
    p.drawText(QRect(6, 0, left - 8, lane), Qt::AlignVCenter | Qt::AlignLeft, tr("script"));
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

    // What the colours mean, if there is room.
    const int bottom = laneRect(static_cast<int>(lanes_.size()) - 1).bottom();
    if (lanesBottom() - bottom > lane) {
        int x = left + 8;
        for (unsigned g = 0; g < kStepGroups; ++g) {
            const GroupStyle& style = styleOf(static_cast<StepGroup>(g));
            const int y = lanesBottom() - lane + 2;
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

void TimelineView::mousePressEvent(QMouseEvent* event) {
    if (!context_.session() || context_.session()->end() == 0)
        return;
    grabbed_ = event->position();
    grabbedStart_ = start_;
    if (event->button() == Qt::MiddleButton) {
        grab_ = Grab::Pan;
        return;
    }
    if (event->button() != Qt::LeftButton)
        return;
    if (overviewRect().adjusted(0, -4, 0, 4).contains(event->pos())) {
        grab_ = Grab::Overview;
        mouseMoveEvent(event);
        return;
    }
    if (event->position().x() <= labelWidth()) {
        // The label of a lane leads to what the inspector knows of it.
        if (const auto lane = laneAt(event->pos().y())) {
            const Lane& l = lanes_[static_cast<std::size_t>(*lane)];
            if (l.kind == Lane::Kind::Actor)
                context_.inspect({Subject::Kind::Actor, {}, context_.session()->actors()[l.number]});
            else if (l.kind == Lane::Kind::Lock)
                context_.inspect({Subject::Kind::Lock, {}, l.number});
        }
        return;
    }
    if ((event->modifiers() & Qt::ShiftModifier) != 0) {
        context_.setMarker(1, stepAt(event->position().x()) + 1);
        return;
    }
    if ((event->modifiers() & Qt::AltModifier) != 0) {
        context_.setMarker(0, stepAt(event->position().x()) + 1);
        return;
    }
    grab_ = Grab::Seek;
    context_.goTo(stepAt(event->position().x()) + 1);
}

void TimelineView::mouseMoveEvent(QMouseEvent* event) {
    if (!context_.session())
        return;
    switch (grab_) {
    case Grab::None: break;
    case Grab::Seek: context_.goTo(stepAt(event->position().x()) + 1); break;
    case Grab::Pan:
        start_ = grabbedStart_ - (event->position().x() - grabbed_.x()) / scale_;
        clampView();
        break;
    case Grab::Overview: {
        const QRect at = overviewRect();
        const double n = (event->position().x() - at.left()) / at.width() * static_cast<double>(context_.session()->end());
        start_ = n - visible() / 2;
        clampView();
        break;
    }
    }
}

void TimelineView::mouseReleaseEvent(QMouseEvent*) { grab_ = Grab::None; }

void TimelineView::wheelEvent(QWheelEvent* event) {
    // With Alt the desktop may turn the wheel's axes.
    const double notches = (event->angleDelta().y() != 0 ? event->angleDelta().y() : event->angleDelta().x()) / 120.0;
    if ((event->modifiers() & Qt::ShiftModifier) != 0)
        pan(-notches * 80);
    else if (event->position().x() < labelWidth())
        bar_->setValue(bar_->value() - static_cast<int>(notches * laneHeight()));
    else
        zoom(std::pow(1.25, notches), event->position().x());
    event->accept();
}

void TimelineView::keyPressEvent(QKeyEvent* event) {
    const double middle = labelWidth() + (width() - labelWidth()) / 2.0;
    if ((event->modifiers() & Qt::ShiftModifier) != 0) {
        QWidget::keyPressEvent(event);
        return;
    }
    switch (event->key()) {
    case Qt::Key_W: zoom(1.25, middle); return;
    case Qt::Key_S: zoom(0.8, middle); return;
    case Qt::Key_A: pan(-80); return;
    case Qt::Key_D: pan(80); return;
    case Qt::Key_F: {
        // The running script step, or what lies between the markers.
        const auto a = context_.marker(0), b = context_.marker(1);
        if (a && b) {
            const double from = static_cast<double>(std::min(*a, *b)), to = static_cast<double>(std::max(*a, *b));
            show(from - (to - from) * 0.05 - 1, (to - from) * 1.1 + 2);
        } else if (const Session* session = context_.session()) {
            if (const auto extent = session->extent(session->scriptAt(session->position())))
                show(static_cast<double>(extent->first) - 1, static_cast<double>(extent->second - extent->first) + 2);
        }
        return;
    }
    case Qt::Key_M: Q_EMIT bookmarkWanted(); return;
    case Qt::Key_Home: show(0, context_.session() ? static_cast<double>(context_.session()->end()) + 4 : 1); return;
    default: QWidget::keyPressEvent(event);
    }
}

QString TimelineView::textAt(const QPoint& at) const {
    const Session* session = context_.session();
    if (session == nullptr || session->end() == 0)
        return {};
    if (overviewRect().contains(at))
        return tr("The whole run: changes of entries above, SEAMCALLs below.\nDrag to move what is shown.");
    const u64 n = stepAt(at.x());
    for (const Bookmark& bookmark : context_.bookmarks())
        if (std::abs(xOf(bookmark.position) - at.x()) < 5 && at.y() < 14)
            return tr("Bookmark at %1\n%2").arg(bookmark.position).arg(bookmark.note);
    for (const Arrow& arrow : arrows())
        if (arrow.from == n || arrow.to == n)
            if (const auto lane = laneAt(at.y()); lane && lane == laneOf(n))
                return tr("micro-step %1: %2").arg(n).arg(arrow.what) + "\n" + text(info(session->stepBrief(n).second).help);
    if (const auto lane = laneAt(at.y())) {
        const Lane& l = lanes_[static_cast<std::size_t>(*lane)];
        if (l.kind != Lane::Kind::Actor) {
            const auto& spans = l.kind == Lane::Kind::Seamcalls ? session->lanes().seamcalls() : session->lanes().locks(l.number);
            QStringList lines;
            for (const std::size_t i : Lanes::lasting(spans, n + 1))
                lines << spanText(spans[i]);
            for (std::size_t i = Lanes::firstFrom(spans, n); lines.isEmpty() && i < spans.size() && spans[i].begin == n; ++i)
                lines << spanText(spans[i]);
            return lines.isEmpty() ? (l.kind == Lane::Kind::Lock ? tr("%1 is free").arg(l.name) : tr("no SEAMCALL")) : lines.join("\n");
        }
    }
    const StepView step = session->step(n);
    QString where;
    for (const auto& function : step.where)
        where += "\n  " + QString::fromStdString(function);
    return tr("micro-step %1, %2\n%3: %4%5")
        .arg(step.n)
        .arg(QString::fromStdString(session->actorName(step.actor)), text(info(step.site).name), text(info(step.site).help), where);
}

bool TimelineView::event(QEvent* event) {
    // Here W, A, S, D zoom and pan.
    if (keepsKey(event, {Qt::Key_W, Qt::Key_A, Qt::Key_S, Qt::Key_D, Qt::Key_F, Qt::Key_M}))
        return true;
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        showHelp(*help, textAt(help->pos()));
        return true;
    }
    if (event->type() == QEvent::FontChange)
        layoutLanes();
    return QWidget::event(event);
}

} // namespace mirrorscope::views
