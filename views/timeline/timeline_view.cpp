// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/timeline/timeline_view.h"

#include "base/text.h"
#include "views/pane_events.h"
#include "views/text.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <set>

namespace mirrorscope::views {

namespace {
constexpr double kMinScale = 0.00002, kMaxScale = 60;
constexpr double kArrowsFrom = 2.5; // pixels a micro-step
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
        if (!context_.continues()) {
            scale_ = 12;
            start_ = 0;
        }
        layoutLanes();
        follow();
    });
    connect(&context_, &Context::positionChanged, this, &TimelineView::follow);
    for (const auto signal : {&Context::themeChanged, &Context::divergenceChanged, &Context::markersChanged, &Context::bookmarksChanged})
        connect(&context_, signal, this, qOverload<>(&QWidget::update));
}

TimelineScale TimelineView::scaleNow() const {
    const u64 end = context_.session() != nullptr ? context_.session()->end() : 0;
    return {start_, scale_, static_cast<double>(width() - labelWidth()), end};
}

double TimelineView::visible() const { return (width() - labelWidth()) / scale_; }
double TimelineView::xOf(u64 n) const { return labelWidth() + scaleNow().x(n); }
u64 TimelineView::stepAt(double x) const { return scaleNow().step(x - labelWidth()); }

QRect TimelineView::overviewRect() const {
    const int height = fontMetrics().height() + 6;
    return {labelWidth(), this->height() - height - 4, std::max(10, width() - labelWidth() - 6), height};
}

int TimelineView::lanesBottom() const { return overviewRect().top() - 6 - legendHeight(); }

void TimelineView::layoutLanes() {
    lanes_.clear();
    laneHeight_ = fontMetrics().height() + 8;
    if (const Session* session = context_.session()) {
        // Below each actor what it calls: two calls at the same time are not over one another.
        std::set<ActorId> callers;
        for (const Span& span : session->lanes().seamcalls())
            callers.insert(span.actor);
        for (std::size_t i = 0; i < session->actors().size(); ++i) {
            const QString actor = QString::fromStdString(session->actorName(session->actors()[i]));
            lanes_.push_back({Lane::Kind::Actor, static_cast<unsigned>(i), actor});
            if (callers.contains(session->actors()[i]))
                lanes_.push_back({Lane::Kind::Seamcalls, static_cast<unsigned>(i), tr("%1 SEAMCALL").arg(actor)});
        }
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
    keepInSight();
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
    for (std::size_t lane = 0; index && lane < lanes_.size(); ++lane)
        if (lanes_[lane].kind == Lane::Kind::Actor && lanes_[lane].number == *index)
            return static_cast<int>(lane);
    return std::nullopt;
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
    keepInSight();
    clampView();
}

// The lane of who acted.
void TimelineView::keepInSight() {
    if (const Session* session = context_.session(); grab_ == Grab::None && session != nullptr && context_.position() > 0)
        if (const auto lane = laneOf(context_.position() - 1)) {
            const int top = *lane * laneHeight(), room = std::max(laneHeight(), lanesBottom() - lanesTop());
            if (top < bar_->value())
                bar_->setValue(top);
            else if (top + laneHeight() > bar_->value() + room)
                bar_->setValue(top + 2 * laneHeight() - room); // and what it calls, below it
        }
}

int TimelineView::heightFor(int lanes) const { return lanesTop() + height() - lanesBottom() + lanes * laneHeight(); }

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

QString TimelineView::spanText(const Span& span) const {
    const Session* session = context_.session();
    const QString who = QString::fromStdString(session->actorName(span.actor));
    const QString when =
        span.closed ? tr("positions %1 to %2").arg(span.begin + 1).arg(span.end) : tr("from position %1 on").arg(span.begin + 1);
    switch (span.kind) {
    case Span::Kind::Lock:
        return tr("%1 holds %2 for %3, %4")
            .arg(who, text(name(static_cast<LockId>(span.code))), span.write ? tr("writing") : tr("reading"), when);
    case Span::Kind::Wait:
        return tr("%1 waits for %2 to %3, %4")
            .arg(who, text(name(static_cast<LockId>(span.code))), span.write ? tr("write") : tr("read"), when);
    case Span::Kind::Seamcall:
    case Span::Kind::Tdcall:
    case Span::Kind::Fault:
    case Span::Kind::Count_: break;
    }
    QString what = tr("%1: %2, %3").arg(who, text(leafName(span)), when);
    if (span.gpa != Span::kNoGpa)
        what += "\n" + tr("GPA %1").arg(QString::fromStdString(hex(span.gpa)));
    if (span.closed)
        what += "\n→ " + QString::fromStdString(statusName(span));
    for (const CallRegister& r : session->registersOf(span))
        what += QString("\n%1%2 %3  %4")
                    .arg(r.out ? "→ " : "", text(r.reg), QString::fromStdString(hex(r.value)), QString::fromStdString(r.name));
    return what;
}

std::vector<CauseArrow> TimelineView::arrows() const {
    const Session* session = context_.session();
    if (session == nullptr || session->end() == 0 || scale_ < kArrowsFrom)
        return {};
    return causesBetween(*session, stepAt(labelWidth()), stepAt(width()));
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
            if (l.kind != Lane::Kind::Lock)
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

void TimelineView::contextMenuEvent(QContextMenuEvent* event) {
    if (context_.session() == nullptr || context_.session()->end() == 0)
        return;
    const bool byKey = event->reason() == QContextMenuEvent::Keyboard;
    if (byKey || event->pos().x() > labelWidth())
        Q_EMIT menuWanted(event->globalPos(), byKey ? std::max<u64>(context_.position(), 1) - 1 : stepAt(event->pos().x()));
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
    for (const CauseArrow& arrow : arrows())
        if (arrow.from == n || arrow.to == n)
            if (const auto lane = laneAt(at.y()); lane && lane == laneOf(n))
                return tr("position %1: %2").arg(n + 1).arg(tr(arrow.what.data())) + "\n" + text(info(session->stepBrief(n).second).help);
    if (const auto lane = laneAt(at.y())) {
        const Lane& l = lanes_[static_cast<std::size_t>(*lane)];
        if (l.kind != Lane::Kind::Actor) {
            const auto& spans = l.kind == Lane::Kind::Seamcalls ? session->lanes().seamcalls() : session->lanes().locks(l.number);
            QStringList lines;
            const bool calls = l.kind == Lane::Kind::Seamcalls;
            const auto mine = [&](const Span& span) { return !calls || span.actor == session->actors()[l.number]; };
            for (const std::size_t i : Lanes::lasting(spans, n + 1))
                if (mine(spans[i]))
                    lines << spanText(spans[i]);
            for (std::size_t i = Lanes::firstFrom(spans, n); lines.isEmpty() && i < spans.size() && spans[i].begin == n; ++i)
                if (mine(spans[i]))
                    lines << spanText(spans[i]);
            return lines.isEmpty() ? (l.kind == Lane::Kind::Lock ? tr("%1 is free").arg(l.name) : tr("no SEAMCALL")) : lines.join("\n");
        }
    }
    const StepView step = session->step(n);
    QString where;
    for (const auto& function : step.where)
        where += "\n  " + QString::fromStdString(function);
    return tr("position %1, %2\n%3: %4%5")
        .arg(step.n + 1)
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
