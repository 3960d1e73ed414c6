// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a list that are as high as their text needs in the width that its column has: nothing that explains is cut.
#pragma once

#include <QHeaderView>
#include <QStyledItemDelegate>
#include <QTreeView>

namespace mirrorscope::views {

class WrapDelegate : public QStyledItemDelegate {
public:
    explicit WrapDelegate(QTreeView* view) : QStyledItemDelegate(view), view_(view) {
        view->setWordWrap(true);
        view->setUniformRowHeights(false);
        // Once for all that changes together.
        QObject::connect(view->header(), &QHeaderView::sectionResized, view, &QTreeView::doItemsLayout, Qt::QueuedConnection);
    }
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        constexpr int kMargin = 3;
        const int width = view_->columnWidth(index.column()) - 2 * kMargin;
        const QString text = index.data(Qt::DisplayRole).toString();
        const QRect needed = option.fontMetrics.boundingRect(QRect(0, 0, std::max(width, 20), 10000), Qt::TextWordWrap, text);
        return {needed.width() + 2 * kMargin, std::max(needed.height(), option.fontMetrics.height()) + kMargin};
    }

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override {
        QStyledItemDelegate::initStyleOption(option, index);
        option->displayAlignment = Qt::AlignLeft | Qt::AlignTop;
    }

private:
    QTreeView* view_;
};

// The columns before the last one as wide as what they hold, the last one as wide as the rest of the view.
inline void fitColumns(QTreeView& view) {
    for (int column = 0; column + 1 < view.header()->count(); ++column)
        view.resizeColumnToContents(column);
    view.header()->setStretchLastSection(true);
}

} // namespace mirrorscope::views
