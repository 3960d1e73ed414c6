// SPDX-License-Identifier: GPL-3.0-or-later
// The guest's address space as a heat map: a strip for each tree, each column of pixels a range, from the whole down to one page.
// Painting costs the pixels. The wheel zooms at the cursor, dragging pans, the bar at the bottom shows the whole.
#pragma once

#include "views/context.h"

#include <QImage>
#include <QTimer>
#include <QWidget>

#include <vector>

namespace mirrorscope::views {

class MapView : public QWidget {
    Q_OBJECT
public:
    explicit MapView(Context& context, QWidget* parent = nullptr);

    // The range that is shown, in pages.
    double start() const { return start_; }
    double span() const { return span_; }
    void show(double start, double span);
    void showAll();
    // That page in the middle, zoomed in until entries have signs.
    void showPage(Gfn gfn);
    u64 pageAt(double x) const;
    double xOf(double page) const;
    QRect stripRect(unsigned strip) const;
    unsigned strips() const;
    QString textAt(const QPoint& at) const;
    // The entry there, or the page where there is no table.
    std::optional<Selection> selectionAt(const QPoint& at) const;

Q_SIGNALS:
    // Zoomed in on one page, or asked to: its tables should be shown.
    void tablesWanted();

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Strip {
        MapStrip data;
        QImage picture;
    };
    void zoom(double factor, double x);
    void pan(double pages);
    void clamp();
    void changed();
    void compute();
    double whole() const;
    bool hasRmp() const;
    int labelWidth() const;
    int axisHeight() const;
    int miniHeight() const;
    QRect miniRect() const;
    QString stripName(unsigned strip) const;
    Column columnOf(unsigned strip) const { return static_cast<Column>(strip); }
    std::optional<unsigned> stripAt(int y) const;
    QImage picture(const MapStrip& strip, u64 pagesOfAll, int height) const;
    void paintEntries(QPainter& p, unsigned strip, const QRect& at) const;
    void paintAxis(QPainter& p, const QRect& at) const;
    void paintMemory(QPainter& p, const QRect& first) const;
    void paintStrip(QPainter& p, unsigned s, const QRect& at) const;
    void paintFlags(QPainter& p, const MapStrip& strip, const QRect& at) const;
    void paintMini(QPainter& p);

    Context& context_;
    double start_ = 0, span_ = 0; // pages
    bool stale_ = true;
    std::vector<Strip> strips_;
    std::vector<MapMemory> memory_;
    QImage mini_;
    u64 miniFor_ = ~u64{0};
    QTimer more_; // what time ran out for
    std::optional<QPointF> grabbed_;
    double grabbedStart_ = 0;
    bool dragged_ = false, inMini_ = false;
};

} // namespace mirrorscope::views
