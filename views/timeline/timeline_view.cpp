// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/timeline/timeline_view.h"

#include "session/style.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

namespace {
QString text(std::string_view s) { return QString::fromUtf8(s.data(), static_cast<int>(s.size())); }
constexpr double kMinScale = 0.0005, kMaxScale = 60;
} // namespace

TimelineView::TimelineView(Context& context, QWidget* parent) : QWidget(parent), context_(context) {
    setObjectName("timeline");
    setAccessibleName("Micro-steps by actor");
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(false);
    setMinimumHeight(90);
    connect(&context_, &Context::sessionChanged, this, [this] {
        scale_ = 12;
        start_ = 0;
        follow();
    });
    connect(&context_, &Context::positionChanged, this, &TimelineView::follow);
    connect(&context_, &Context::themeChanged, this, qOverload<>(&QWidget::update));
    connect(&context_, &Context::divergenceChanged, this, qOverload<>(&QWidget::update));
}

int TimelineView::laneHeight() const { return fontMetrics().height() + 8; }
int TimelineView::labelWidth() const { return fontMetrics().horizontalAdvance("vcpu00") + 16; }
double TimelineView::xOf(u64 n) const { return labelWidth() + (static_cast<double>(n) - start_) * scale_; }

u64 TimelineView::stepAt(double x) const {
    const u64 end = context_.session() ? context_.session()->end() : 0;
    const double n = std::floor(start_ + (x - labelWidth()) / scale_);
    return end == 0 ? 0 : static_cast<u64>(std::clamp(n, 0.0, static_cast<double>(end - 1)));
}

void TimelineView::clampView() {
    const u64 end = context_.session() ? context_.session()->end() : 0;
    const double visible = (width() - labelWidth()) / scale_;
    start_ = std::clamp(start_, 0.0, std::max(0.0, static_cast<double>(end) + 4 - visible));
    update();
}

void TimelineView::follow() {
    const double visible = (width() - labelWidth()) / scale_;
    const auto at = static_cast<double>(context_.position());
    if (at < start_ + visible * 0.1 || at > start_ + visible * 0.85)
        start_ = at - visible * 0.6;
    clampView();
}

void TimelineView::zoom(double factor, double x) {
    const double under = start_ + (x - labelWidth()) / scale_;
    scale_ = std::clamp(scale_ * factor, kMinScale, kMaxScale);
    start_ = under - (x - labelWidth()) / scale_;
    clampView();
}

void TimelineView::pan(double pixels) {
    start_ += pixels / scale_;
    clampView();
}

void TimelineView::paintEvent(QPaintEvent*) {
    QPainter p(this);
    const Theme& theme = context_.theme();
    p.fillRect(rect(), theme.base);
    const Session* session = context_.session();
    if (!session || session->end() == 0) {
        p.setPen(theme.dim);
        p.drawText(rect(), Qt::AlignCenter, session ? "The script takes no micro-step." : "");
        return;
    }
    const int lane = laneHeight();
    const int left = labelWidth();
    const auto& actors = session->actors();
    const u64 first = stepAt(left);
    const u64 last = stepAt(width());
    p.setClipRect(left, 0, width() - left, height());

    // Script steps: a band for each, found by jumping from end to end.
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
        const u64 limit = std::min({extent->second, last + 1, n + 4096});
        while (end < limit && session->scriptOf(end) == script)
            ++end;
        const QRectF band(xOf(n), 2, std::max(1.0, static_cast<double>(end - n) * scale_ - 1), lane - 4);
        p.fillRect(band, theme.alternate);
        p.setPen(theme.border);
        p.drawLine(band.topLeft(), band.bottomLeft());
        p.setPen(theme.dim);
        if (band.width() > 30)
            p.drawText(band.adjusted(5, 0, -2, 0), Qt::AlignVCenter | Qt::AlignLeft,
                       fontMetrics().elidedText(text(info(step->verb).name) + " " + QString::fromStdString(step->path), Qt::ElideRight,
                                                static_cast<int>(band.width()) - 6));
        n = end;
    }

    const auto laneOf = [&](u8 actor) {
        const auto it = std::find(actors.begin(), actors.end(), actor);
        return lane + 4 + static_cast<int>(it - actors.begin()) * lane;
    };
    for (std::size_t i = 0; i < actors.size(); ++i)
        if (i % 2 == 0)
            p.fillRect(left, lane + 4 + static_cast<int>(i) * lane, width() - left, lane, theme.alternate);
    if (scale_ >= 1) {
        for (u64 n = first; n <= last; ++n) {
            const auto [actor, site] = session->stepBrief(n);
            const QRectF box(xOf(n) + (scale_ > 4 ? 1 : 0), laneOf(actor) + 4, std::max(1.0, scale_ - (scale_ > 4 ? 2 : 0)), lane - 8);
            p.fillRect(box, theme.of(styleOf(groupOf(site))));
        }
    } else {
        // Several micro-steps a pixel: a few of them are asked, and drawn in the lane of their actor.
        constexpr int kAsked = 8;
        for (int x = left; x < width(); ++x) {
            const u64 from = stepAt(x), to = std::max(from + 1, stepAt(x + 1));
            for (int i = 0; i < kAsked; ++i) {
                const u64 n = from + (to - from) * static_cast<u64>(i) / kAsked;
                if (n >= session->end())
                    break;
                const auto [actor, site] = session->stepBrief(n);
                p.fillRect(QRectF(x, laneOf(actor) + 4, 1, lane - 8), theme.of(styleOf(groupOf(site))));
            }
        }
    }
    const int bottom = lane + 4 + static_cast<int>(actors.size()) * lane;
    for (const Violation& v : session->violations())
        if (v.n >= first && v.n <= last) {
            p.setPen(QPen(theme.violation, 2));
            p.drawRect(QRectF(xOf(v.n), laneOf(v.actor) + 2, std::max(4.0, scale_), lane - 4));
        }
    if (const auto& parts = context_.divergence()) {
        const double x = xOf(parts->position);
        p.setPen(QPen(theme.note, 2, Qt::DashLine));
        p.drawLine(QPointF(x, 0), QPointF(x, bottom + 4));
        p.drawText(QPointF(x + 6, bottom + fontMetrics().ascent() + 2), parts->text);
    }
    // The position stands between two micro-steps.
    const double here = xOf(session->position());
    p.setPen(QPen(theme.accent, 2));
    p.drawLine(QPointF(here, 0), QPointF(here, bottom + 4));
    p.setClipping(false);

    p.fillRect(0, 0, left, height(), theme.window);
    p.setPen(theme.dim);
    p.drawText(QRect(6, 0, left - 8, lane), Qt::AlignVCenter | Qt::AlignLeft, "script");
    p.setPen(theme.text);
    for (std::size_t i = 0; i < actors.size(); ++i)
        p.drawText(QRect(6, lane + 4 + static_cast<int>(i) * lane, left - 8, lane), Qt::AlignVCenter | Qt::AlignLeft,
                   QString::fromStdString(session->actorName(actors[i])));
    p.setPen(theme.border);
    p.drawLine(left, 0, left, height());

    // What the colours mean, if there is room.
    if (height() - bottom > lane) {
        int x = left + 8;
        for (unsigned g = 0; g < kStepGroups; ++g) {
            const GroupStyle& style = styleOf(static_cast<StepGroup>(g));
            const int y = height() - lane + 2;
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
    if (event->button() == Qt::LeftButton && context_.session() && event->position().x() > labelWidth())
        context_.goTo(stepAt(event->position().x()) + 1);
}

void TimelineView::mouseMoveEvent(QMouseEvent* event) {
    if ((event->buttons() & Qt::LeftButton) != 0 && context_.session())
        context_.goTo(stepAt(event->position().x()) + 1);
}

void TimelineView::wheelEvent(QWheelEvent* event) {
    const double notches = event->angleDelta().y() / 120.0;
    if ((event->modifiers() & Qt::ShiftModifier) != 0)
        pan(-notches * 80);
    else
        zoom(std::pow(1.25, notches), event->position().x());
    event->accept();
}

void TimelineView::keyPressEvent(QKeyEvent* event) {
    const double middle = labelWidth() + (width() - labelWidth()) / 2.0;
    switch (event->key()) {
    case Qt::Key_W: zoom(1.25, middle); return;
    case Qt::Key_S: zoom(0.8, middle); return;
    case Qt::Key_A: pan(-80); return;
    case Qt::Key_D: pan(80); return;
    default: QWidget::keyPressEvent(event);
    }
}

bool TimelineView::event(QEvent* event) {
    if (event->type() == QEvent::ShortcutOverride) {
        // The focused pane wins: here W, A, S, D zoom and pan.
        auto* key = static_cast<QKeyEvent*>(event);
        if (key->modifiers() == Qt::NoModifier &&
            (key->key() == Qt::Key_W || key->key() == Qt::Key_A || key->key() == Qt::Key_S || key->key() == Qt::Key_D)) {
            event->accept();
            return true;
        }
    }
    if (event->type() == QEvent::ToolTip && context_.session() && context_.session()->end() > 0) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const StepView step = context_.session()->step(stepAt(help->pos().x()));
        QString where;
        for (const auto& function : step.where)
            where += "\n  " + QString::fromStdString(function);
        QToolTip::showText(help->globalPos(), QString("micro-step %1, %2\n%3: %4%5")
                                                  .arg(step.n)
                                                  .arg(QString::fromStdString(context_.session()->actorName(step.actor)),
                                                       text(info(step.site).name), text(info(step.site).help), where));
        return true;
    }
    return QWidget::event(event);
}

} // namespace mirrorscope::views
