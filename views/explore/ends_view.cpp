// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/ends_view.h"

#include "views/explore/compare_job.h"
#include "views/explore/explore_view.h"
#include "views/wrap_delegate.h"

#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTreeWidget>

namespace mirrorscope::views {

EndsView::EndsView(Context& context, ExploreView& explore, QWidget* parent)
    : QWidget(parent), context_(context), explore_(explore), empty_(new QLabel(this)), list_(new QTreeWidget(this)),
      open_(new QPushButton(tr("Open"), this)), beside_(new QPushButton(tr("Side by side"), this)),
      compare_(new CompareJob(context, this)) {
    setObjectName("ends");
    empty_->setObjectName("ends-empty");
    empty_->setWordWrap(true);
    empty_->setMinimumWidth(10);
    empty_->setMargin(8);
    empty_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    list_->setObjectName("ends-list");
    list_->setAccessibleName(tr("Ends, by what they differ in"));
    list_->setRootIsDecorated(false);
    list_->setAlternatingRowColors(true);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setSelectionMode(QAbstractItemView::ExtendedSelection);
    list_->setItemDelegate(new WrapDelegate(list_));
    open_->setObjectName("ends-open");
    open_->setToolTip(tr("the shortest order that leads there, at its end"));
    beside_->setObjectName("ends-beside");
    beside_->setToolTip(tr("two selected ends, each with its trees"));
    auto* row = new QHBoxLayout;
    for (QPushButton* button : {open_, beside_})
        button->setMinimumWidth(30);
    row->addWidget(open_);
    row->addWidget(beside_);
    row->addStretch(1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 4, 6, 4);
    layout->addWidget(empty_);
    layout->addWidget(list_, 1);
    layout->addLayout(row);
    const auto open = [this] {
        if (QTreeWidgetItem* item = list_->currentItem())
            explore_.openEnd(static_cast<std::size_t>(list_->indexOfTopLevelItem(item)));
    };
    connect(open_, &QPushButton::clicked, this, open);
    connect(list_, &QTreeWidget::itemActivated, this, open);
    connect(beside_, &QPushButton::clicked, this, &EndsView::sideBySide);
    connect(list_, &QTreeWidget::itemSelectionChanged, this, [this] {
        open_->setEnabled(list_->selectedItems().size() == 1);
        beside_->setEnabled(list_->selectedItems().size() == 2);
    });
    connect(compare_, &CompareJob::failed, this, [this](const QString& problem) {
        empty_->setText(problem);
        empty_->show();
    });
    connect(&explore_, &ExploreView::endsChanged, this, &EndsView::refresh);
    connect(&context_, &Context::themeChanged, this, &EndsView::refresh);
    refresh();
}

void EndsView::refresh() {
    const EndTable& table = explore_.ends();
    list_->clear();
    const bool any = !table.rows.empty();
    list_->setVisible(any);
    open_->setVisible(any);
    beside_->setVisible(any);
    open_->setEnabled(false);
    beside_->setEnabled(false);
    empty_->setVisible(!any || table.rows.size() == 1 || table.looked < table.all);
    empty_->setText(
        !any ? tr("Explore (Ctrl+E) runs every order of the races. Here its ends are told apart by what differs: results, entries, "
                  "cached translations, violated rules.")
        : table.looked < table.all ? tr("The first %1 of %2 ends were run again to be told apart.").arg(table.looked).arg(table.all)
        : table.rows[0].count == 1 ? tr("Every order leads to the same end.")
                                   : tr("All ends look alike: they differ in frame numbers and counters only."));
    if (!any)
        return;
    QStringList header{tr("ends")};
    const bool violated = std::any_of(table.rows.begin(), table.rows.end(), [](const EndRow& row) { return !row.violated.empty(); });
    if (violated)
        header << tr("violated");
    for (const std::string& feature : table.features)
        header << QString::fromStdString(feature);
    header << tr("its order parts from the first one's at");
    list_->setColumnCount(static_cast<int>(header.size()));
    list_->setHeaderLabels(header);
    for (const EndRow& row : table.rows) {
        QStringList texts{QString("%1.  %2 ×").arg(list_->topLevelItemCount() + 1).arg(row.count)}; // the number is the one in Explore
        if (violated)
            texts << QString::fromStdString(row.violated);
        for (const std::string& value : row.values)
            texts << QString::fromStdString(value);
        texts << QString::fromStdString(row.parts);
        auto* item = new QTreeWidgetItem(list_, texts);
        for (int column = 0; column < texts.size(); ++column)
            item->setToolTip(column, texts[column]);
        if (!row.violated.empty())
            item->setForeground(1, context_.theme().violation);
    }
    fitColumns(*list_);
    constexpr int kWidest = 220;
    for (int column = 0; column + 1 < list_->columnCount(); ++column)
        list_->setColumnWidth(column, std::min(kWidest, list_->columnWidth(column)));
}

void EndsView::sideBySide() {
    std::vector<std::size_t> rows;
    for (QTreeWidgetItem* item : list_->selectedItems())
        rows.push_back(static_cast<std::size_t>(list_->indexOfTopLevelItem(item)));
    if (rows.size() != 2)
        return;
    std::sort(rows.begin(), rows.end());
    const auto name = [&](std::size_t row) { return tr("end %1").arg(row + 1); };
    compare_->start({{{explore_.scenarioOfEnd(rows[0]), name(rows[0])}, {explore_.scenarioOfEnd(rows[1]), name(rows[1])}}}, false);
}

} // namespace mirrorscope::views
