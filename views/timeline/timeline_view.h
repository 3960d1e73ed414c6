// SPDX-License-Identifier: GPL-3.0-or-later
// The run over time: a ruler, the script's steps, a lane for each actor and one for its SEAMCALLs, one for each lock that was taken, with
// arrows from a cause to what it leads to, markers, bookmarks, and the whole run below. Painting costs the pixels, not the steps.
#pragma once

#include "views/context.h"

#ifndef Q_MOC_RUN
#include "session/causes.h"
#include "session/timeline.h"
#endif

#include <QWidget>

class QScrollBar;

namespace mirrorscope::views {

class TimelineView : public QWidget {
    Q_OBJECT
public:
    explicit TimelineView(Context& context, QWidget* parent = nullptr);
    QSize sizeHint() const override { return {800, 190}; }

    // The micro-step drawn at that x, clamped to the run.
    u64 stepAt(double x) const;
    double xOf(u64 n) const;
    // The range that is shown, in micro-steps.
    double start() const { return start_; }
    double visible() const;
    void show(double start, double steps);
    // The names of the lanes from top to bottom, and where each is.
    QStringList laneNames() const;
    QRect laneRect(int lane) const;
    QRect overviewRect() const;
    // How high it must be for so many lanes to be seen.
    int heightFor(int lanes) const;
    QString textAt(const QPoint& at) const;
    // Those that are drawn in the visible range.
    std::vector<CauseArrow> arrows() const;

Q_SIGNALS:
    void bookmarkWanted();
    // A menu for that micro-step.
    void menuWanted(QPoint at, mirrorscope::u64 n);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Lane {
        enum class Kind : u8 { Actor, Seamcalls, Lock } kind = Kind::Actor;
        unsigned number = 0; // index of the actor, whose SEAMCALLs too, or LockId
        QString name;
    };
    void zoom(double factor, double x);
    void pan(double pixels);
    void follow();
    void keepInSight();
    void clampView();
    void layoutLanes();
    int laneHeight() const { return laneHeight_; }
    int labelWidth() const { return labelWidth_; }
    int rulerHeight() const { return laneHeight_ - 4; }
    int legendHeight() const { return height() >= kLegendFrom ? laneHeight_ - 4 : 0; }
    int lanesTop() const { return rulerHeight() + laneHeight() + 4; }
    int lanesBottom() const;
    std::optional<int> laneOf(u64 n) const;
    std::optional<int> laneAt(int y) const;
    TimelineScale scaleNow() const;
    void paintRuler(QPainter& p) const;
    void paintScript(QPainter& p) const;
    void paintActor(QPainter& p, const QRect& at, std::size_t actor) const;
    // `only`: those of one actor.
    void paintSpans(QPainter& p, const QRect& at, const std::vector<Span>& spans, std::optional<ActorId> only = {}) const;
    void paintArrows(QPainter& p) const;
    void paintMarkers(QPainter& p) const;
    void paintOverview(QPainter& p) const;
    QString spanText(const Span& span) const;
    QColor spanColour(const Span& span) const;

    static constexpr int kLegendFrom = 260; // pixels of height
    Context& context_;
    std::vector<Lane> lanes_;
    QScrollBar* bar_;
    int laneHeight_ = 22, labelWidth_ = 80;
    double start_ = 0;  // micro-step at the left edge
    double scale_ = 12; // pixels a micro-step
    enum class Grab : u8 { None, Seek, Overview, Pan } grab_ = Grab::None;
    QPointF grabbed_;
    double grabbedStart_ = 0;
};

} // namespace mirrorscope::views
