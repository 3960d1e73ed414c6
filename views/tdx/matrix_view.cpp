// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/tdx/matrix_view.h"

#include "base/text.h"
#include "views/text.h"

#include <QComboBox>
#include <QHeaderView>
#include <QLabel>
#include <QTableWidget>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

namespace {

QString shortly(const MatrixCell& cell) {
    if (!cell.possible)
        return "n/a";
    if (cell.status == 0 && !cell.exits)
        return !cell.hasEntry || cell.after == cell.of.state ? QString("ok") : "→ " + text(name(cell.after));
    QString status = QString::fromStdString(statusOf(cell));
    if (status.startsWith("TDX_"))
        status.remove(0, 4);
    return status;
}
} // namespace

MatrixView::MatrixView(Context& context, QWidget* parent)
    : QDialog(parent), context_(context), leaf_(new QComboBox(this)), table_(new QTableWidget(this)), what_(new QLabel(this)) {
    setObjectName("matrix");
    setWindowTitle(tr("SEAMCALL matrix"));
    cells_ = SeptMatrix().all();
    for (const LeafInfo& leaf : leafTable())
        leaf_->addItem(text(leaf.name) + " — " + text(leaf.help), static_cast<int>(leaf.leaf));
    table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table_->setSelectionMode(QAbstractItemView::SingleSelection);
    table_->setAccessibleName(tr("Answers by entry state"));
    what_->setWordWrap(true);
    what_->setMinimumHeight(what_->fontMetrics().lineSpacing() * 3);
    what_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    auto* about =
        new QLabel(tr("Each answer is the outcome of a call on a TD put in that state. A double click opens it as a scenario."), this);
    about->setWordWrap(true);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(about);
    layout->addWidget(leaf_);
    layout->addWidget(table_, 1);
    layout->addWidget(what_);
    connect(leaf_, &QComboBox::currentIndexChanged, this, [this](int) { fill(static_cast<Leaf>(leaf_->currentData().toInt())); });
    connect(table_, &QTableWidget::currentCellChanged, this, [this](int row, int column) { describe(row, column); });
    connect(table_, &QTableWidget::cellActivated, this, &MatrixView::openCell);
    connect(table_, &QTableWidget::cellDoubleClicked, this, &MatrixView::openCell);
    resize(1080, 560);
    choose("TDH.MEM.PAGE.REMOVE");
}

void MatrixView::choose(const QString& leaf) {
    for (int i = 0; i < leaf_->count(); ++i)
        if (leaf_->itemText(i).startsWith(leaf + " ")) {
            leaf_->setCurrentIndex(i);
            fill(static_cast<Leaf>(leaf_->itemData(i).toInt()));
        }
}

void MatrixView::fill(Leaf leaf) {
    const Theme& theme = context_.theme();
    table_->clear();
    grid_.clear();
    std::vector<SeptState> states;
    QStringList rows;
    for (const MatrixCell& cell : cells_) {
        if (cell.of.leaf != leaf)
            continue;
        const QString row = text(tdcs::opStateName(cell.of.opState)) +
                            (cell.hasEntry ? " · " + text(levelName(cell.of.level)) + (cell.of.tracked ? " · tracked" : "") : QString());
        if (rows.isEmpty() || rows.last() != row) {
            rows << row;
            grid_.emplace_back();
        }
        if (cell.hasEntry && std::find(states.begin(), states.end(), cell.of.state) == states.end())
            states.push_back(cell.of.state);
        grid_.back().push_back(&cell);
    }
    table_->setRowCount(static_cast<int>(rows.size()));
    table_->setColumnCount(std::max<int>(1, static_cast<int>(states.size())));
    table_->setVerticalHeaderLabels(rows);
    QStringList columns;
    for (const SeptState state : states)
        columns << text(name(state));
    table_->setHorizontalHeaderLabels(columns.isEmpty() ? QStringList{tr("any entry")} : columns);
    for (std::size_t r = 0; r < grid_.size(); ++r)
        for (std::size_t c = 0; c < grid_[r].size(); ++c) {
            const MatrixCell& cell = *grid_[r][c];
            auto* item = new QTableWidgetItem(shortly(cell));
            const bool good = cell.possible && cell.status == 0 && !cell.exits;
            item->setForeground(!cell.possible ? theme.dim : good ? theme.accent : theme.text);
            table_->setItem(static_cast<int>(r), static_cast<int>(c), item);
        }
    table_->resizeColumnsToContents();
    table_->setCurrentCell(0, 0);
    describe(0, 0);
}

const MatrixCell* MatrixView::cellAt(int row, int column) const {
    if (row < 0 || column < 0 || static_cast<std::size_t>(row) >= grid_.size() ||
        static_cast<std::size_t>(column) >= grid_[static_cast<std::size_t>(row)].size())
        return nullptr;
    return grid_[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
}

void MatrixView::describe(int row, int column) {
    const MatrixCell* cell = cellAt(row, column);
    if (cell == nullptr) {
        what_->clear();
        return;
    }
    const LeafInfo& leaf = info(cell->of.leaf);
    QString line = QString("<b>%1</b>").arg(text(leaf.name));
    if (cell->hasEntry)
        line += QString(" on <b>%1</b> at %2").arg(text(name(cell->of.state)), text(levelName(cell->of.level)));
    line += QString(", op_state %1: <b>%2</b>").arg(text(tdcs::opStateName(cell->of.opState)), QString::fromStdString(statusOf(*cell)));
    const QString operand = QString::fromStdString(operandOf(*cell));
    if (!operand.isEmpty())
        line += " | " + operand;
    if (cell->hasEntry && cell->possible)
        line += QString("; afterwards %1").arg(text(name(cell->after)));
    line += QString("<br><span style='color:%1'>locks: %2").arg(context_.theme().dim.name(), text(leaf.locks));
    line +=
        scenarioOf(*cell) ? "<br>double click: open as a scenario</span>" : "<br>no sequence of SEAMCALLs in a scenario leads here</span>";
    what_->setText(line);
}

void MatrixView::openCell(int row, int column) {
    const MatrixCell* cell = cellAt(row, column);
    if (cell == nullptr)
        return;
    if (const auto scenario = scenarioOf(*cell))
        Q_EMIT scenarioChosen(text(info(cell->of.leaf).name), QString::fromStdString(*scenario));
}

} // namespace mirrorscope::views
