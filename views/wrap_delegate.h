// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a list that are as high as their text needs in the width that its column has: nothing that explains is cut.
#pragma once

#include <QFontMetrics>
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
    QSize sizeHint(const QStyleOptionViewItem& given, const QModelIndex& index) const override {
        constexpr int kRim = 3, kWidest = 260;
        QStyleOptionViewItem option = given;
        initStyleOption(&option, index);
        const QFontMetrics metrics(option.font);
        const int width = std::max(view_->columnWidth(index.column()) - 2 * kRim, 20);
        const QRect wrapped = metrics.boundingRect(QRect(0, 0, width, 10000), Qt::TextWordWrap, option.text);
        // As wide as it would like to be, as high as it must be.
        return {std::min(kWidest, metrics.horizontalAdvance(option.text) + 4 * kRim), std::max(wrapped.height(), metrics.height()) + kRim};
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
