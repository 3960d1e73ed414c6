// SPDX-License-Identifier: GPL-3.0-or-later
// The micro-steps by actor, one lane each, with the script's steps above. Painting costs the pixels, not the steps.
#pragma once

#include "views/context.h"

#include <QWidget>

namespace mirrorscope::views {

class TimelineView : public QWidget {
    Q_OBJECT
public:
    explicit TimelineView(Context& context, QWidget* parent = nullptr);
    QSize sizeHint() const override { return {800, 150}; }

    // The micro-step drawn at that x, clamped to the run.
    u64 stepAt(double x) const;
    double xOf(u64 n) const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    void zoom(double factor, double x);
    void pan(double pixels);
    void follow();
    void clampView();
    int laneHeight() const;
    int labelWidth() const;

    Context& context_;
    double start_ = 0;  // micro-step at the left edge
    double scale_ = 12; // pixels a micro-step
};

} // namespace mirrorscope::views
