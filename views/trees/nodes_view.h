// SPDX-License-Identifier: GPL-3.0-or-later
// The trees as pictures: each tree a pane with its levels as columns, each table a card with its entries, a line from an entry to the
// table that it leads to. Tables of one address stand at the same height in every pane; twins that differ or are in flight are joined.
#pragma once

#include "views/context.h"
#include "views/trees/tree_paint.h"

#ifndef Q_MOC_RUN
#include "session/cards.h"
#endif

#include <QAbstractScrollArea>

namespace mirrorscope::views {

class NodesView : public QAbstractScrollArea {
    Q_OBJECT
public:
    explicit NodesView(Context& context, QWidget* parent = nullptr);

    double scale() const { return scale_; }
    void setScale(double scale, const QPointF& about);
    // Where the entry is painted, in viewport coordinates; empty if it is not shown.
    QRectF entryRect(Column column, Gfn gfn, Level level) const;
    std::optional<Selection> selectionAt(const QPointF& at) const;
    // How many pairs of twins are joined, for tests.
    std::size_t links() const { return cards_.joined().size(); }
    std::size_t cards() const { return cards_.cards().size(); }
    std::size_t cardsPainted() const { return painted_; }
    // Of a tree's pane, unscaled: as wide and as high as what it has.
    const QRectF& paneRect(unsigned pane) const { return panes_[pane]; }
    bool beside() const { return beside_; }

Q_SIGNALS:
    // Zoomed out so far that a map says more.
    void mapWanted();

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool viewportEvent(QEvent* event) override;

private:
    void refresh(bool follow);
    void layoutCards(std::vector<TreeRow> rows);
    void layoutBars();
    void fit();
    double fitting(bool beside) const;
    unsigned panes() const;
    QSizeF neededBy(unsigned pane) const; // unscaled, as all but toView()
    QSizeF allPanes(bool beside) const;
    QRectF rowRect(unsigned pane, std::size_t row) const;
    QRectF cardRect(unsigned pane, const Card& card) const;
    QRectF toView(const QRectF& at) const;
    void show(const QRectF& atInView);
    QPointF offset() const;
    std::optional<CardEntry> hitAt(const QPointF& at) const;
    QString paneTitle(unsigned pane) const;
    void paintPane(QPainter& p, unsigned pane, const QRectF& visible);
    void paintCard(QPainter& p, unsigned pane, const Card& card, const QRectF& visible) const;
    void paintEntry(QPainter& p, unsigned pane, std::size_t row, const QRectF& at) const;
    void paintTwins(QPainter& p, std::size_t row, const QRectF& visible) const;
    void moveSelection(int rowsBy, int columnsBy);
    void showSelection();

    Context& context_;
    Cards cards_;
    std::vector<QSizeF> needed_; // by each pane
    std::vector<QRectF> panes_;
    std::set<std::pair<u64, unsigned>> opened_;
    QFont mono_;
    double row_ = 22, card_ = 150, gap_ = 26, header_ = 24;
    bool beside_ = true;
    double scale_ = 1;
    bool fitted_ = false; // to the present session
    std::size_t painted_ = 0;
    std::optional<QPointF> grabbed_;
    QPoint grabbedBars_;
    bool dragged_ = false;
};

} // namespace mirrorscope::views
