// SPDX-License-Identifier: GPL-3.0-or-later
// The trees as pictures: each tree a pane with its levels as columns, each table a card with its entries, a line from an entry to the
// table that it leads to. Tables of one address stand at the same height in every pane; twins that differ or are in flight are joined.
#pragma once

#include "views/context.h"
#include "views/trees/tree_paint.h"

#include <QAbstractScrollArea>

#include <vector>

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
    std::size_t links() const { return links_.size(); }
    std::size_t cards() const { return cards_.size(); }
    std::size_t cardsPainted() const { return painted_; }

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
    // A table of all trees at once: the same rows in each.
    struct Card {
        unsigned depth = 0;
        std::size_t parentRow = ~std::size_t{0}; // of rows_
        std::vector<std::size_t> rows;
        double y = 0;
    };
    struct Hit {
        Column column;
        std::size_t row;
    };
    void refresh(bool follow);
    void layoutCards();
    std::size_t makeCard(std::size_t& next, unsigned depth, std::size_t parentRow);
    void place(std::size_t card, std::vector<double>& free);
    void layoutBars();
    void fit();
    double fitting(bool beside) const;
    unsigned panes() const;
    QRectF paneRect(unsigned pane) const; // unscaled
    QRectF rowRect(unsigned pane, const Card& card, std::size_t index) const;
    QRectF toView(const QRectF& at) const;
    QPointF offset() const;
    std::optional<Hit> hitAt(const QPointF& at) const;
    void moveSelection(int rowsBy, int columnsBy);
    void showSelection();

    Context& context_;
    std::vector<TreeRow> rows_;
    std::vector<Card> cards_;
    std::vector<std::size_t> cardOfRow_, indexInCard_, childOfRow_;
    std::vector<std::size_t> links_; // rows
    std::set<std::pair<u64, unsigned>> opened_;
    QFont mono_;
    double row_ = 22, card_ = 150, gap_ = 26, header_ = 24;
    double width_ = 0, height_ = 0; // of a pane, unscaled
    unsigned levels_ = 4;
    bool beside_ = true;
    double scale_ = 1;
    bool fitted_ = false; // to the present session
    std::size_t painted_ = 0;
    std::optional<QPointF> grabbed_;
    QPoint grabbedBars_;
    bool dragged_ = false;
};

} // namespace mirrorscope::views
