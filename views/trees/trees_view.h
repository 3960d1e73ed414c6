// SPDX-License-Identifier: GPL-3.0-or-later
// The trees side by side, one row for each entry that is somewhere, aligned by GPA. Only visible rows are painted.
#pragma once

#include "views/context.h"
#include "views/trees/tree_paint.h"

#include <QAbstractScrollArea>

#include <set>
#include <vector>

namespace mirrorscope::views {

class TreesView : public QAbstractScrollArea {
    Q_OBJECT
public:
    explicit TreesView(Context& context, QWidget* parent = nullptr);

    // For tests and for accessibility: what is shown where.
    const std::vector<TreeRow>& rows() const { return rows_; }
    QRect cellRect(std::size_t row, Column column) const; // in viewport coordinates
    QRect rmpRect(std::size_t row) const;
    QString addressOf(std::size_t row) const;                     // as it is written beside the trees
    std::optional<Selection> selectionAt(const QPoint& at) const; // in viewport coordinates
    QString memoryHelp(const MemoryView& memory) const;
    CellMarks marksOf(const TreeRow& row, Column column) const;

Q_SIGNALS:
    // Ctrl and the wheel, away from the tables: a map says more.
    void mapWanted();

protected:
    void wheelEvent(QWheelEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool viewportEvent(QEvent* event) override;

private:
    void refresh(bool follow);
    void paintTwinLink(QPainter& p, const TreeRow& row, std::size_t index) const;
    void layoutColumns();
    void toggle(const TreeRow& row);
    void moveSelection(int rows, int columns);
    void ensureVisible(std::size_t row);
    void showColumn(Column column);
    bool hasRmp() const;
    bool shownInvalid() const;
    int headerHeight() const;
    std::optional<std::size_t> rowAt(int y) const;
    std::optional<std::size_t> selectedRow() const;
    Column columnAt(int index) const { return static_cast<Column>(index); }

    Context& context_;
    TreeMetrics metrics_;
    std::vector<TreeRow> rows_;
    std::set<std::pair<u64, unsigned>> collapsed_, opened_;
};

} // namespace mirrorscope::views
