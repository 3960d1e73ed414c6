// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/review/review_view.h"

#include "views/explore/compare_job.h"
#include "views/text.h"
#include "views/threads.h"
#include "views/wrap_delegate.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTreeWidget>

namespace mirrorscope::views {

namespace {
QString nameOf(const ReviewCell& cell) {
    return QString::fromStdString(cell.rowText() + (cell.column.empty() ? "" : ", " + cell.columnText()));
}
} // namespace

ReviewView::ReviewView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), kinds_(new QComboBox(this)), own_(new QCheckBox(tr("Of this scenario"), this)),
      compute_(new QPushButton(tr("Compute"), this)), parts_(new QComboBox(this)), state_(new QLabel(this)), list_(new QTreeWidget(this)),
      detail_(new QLabel(this)), open_(new QPushButton(tr("Open"), this)), beside_(new QPushButton(tr("Side by side"), this)),
      compare_(new CompareJob(context, this)) {
    setObjectName("review");
    kinds_->setObjectName("review-kinds");
    kinds_->setAccessibleName(tr("Table"));
    for (unsigned i = 0; i < kReviewKinds; ++i)
        kinds_->addItem(text(info(static_cast<ReviewKind>(i)).name));
    parts_->setObjectName("review-parts");
    parts_->setAccessibleName(tr("Part of the table"));
    own_->setObjectName("review-own");
    own_->setToolTip(tr("the scenario that is open in place of the built-in set"));
    compute_->setObjectName("review-compute");
    open_->setObjectName("review-open");
    open_->setToolTip(tr("the run that shows the selected cell, at its decisive micro-step"));
    beside_->setObjectName("review-beside");
    beside_->setToolTip(tr("the runs of two selected cells (Ctrl+click), where they part"));
    list_->setObjectName("review-list");
    list_->setAccessibleName(tr("Review table"));
    list_->setRootIsDecorated(false);
    list_->setAlternatingRowColors(true);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setSelectionBehavior(QAbstractItemView::SelectItems);
    list_->setSelectionMode(QAbstractItemView::ExtendedSelection);
    list_->setItemDelegate(new WrapDelegate(list_));
    for (QLabel* label : {state_, detail_}) {
        label->setWordWrap(true);
        label->setMinimumWidth(10);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    }
    state_->setObjectName("review-state");
    detail_->setObjectName("review-detail");
    auto* top = new QHBoxLayout;
    for (QWidget* widget : std::initializer_list<QWidget*>{kinds_, own_, compute_, parts_, open_, beside_})
        top->addWidget(widget);
    top->addStretch(1);
    for (QPushButton* button : {compute_, open_, beside_})
        button->setMinimumWidth(30);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 4, 6, 4);
    layout->addLayout(top);
    layout->addWidget(state_);
    layout->addWidget(list_, 1);
    layout->addWidget(detail_);
    layout->addStretch(0);
    connect(compute_, &QPushButton::clicked, this, [this] {
        if (running()) {
            worker_.cancel();
            showTable();
        } else {
            compute(kind());
        }
    });
    connect(kinds_, &QComboBox::currentIndexChanged, this, &ReviewView::showTable);
    connect(parts_, &QComboBox::currentIndexChanged, this, &ReviewView::showGrid);
    connect(list_, &QTreeWidget::itemSelectionChanged, this, &ReviewView::explain);
    connect(list_, &QTreeWidget::itemActivated, this, &ReviewView::openCell);
    connect(open_, &QPushButton::clicked, this, &ReviewView::openCell);
    connect(beside_, &QPushButton::clicked, this, &ReviewView::openTwo);
    connect(compare_, &CompareJob::failed, detail_, &QLabel::setText);
    connect(&context_, &Context::themeChanged, this, &ReviewView::showGrid);
    connect(&context_, &Context::sessionChanged, this, &ReviewView::explain);
    showTable();
}

ReviewKind ReviewView::kind() const { return static_cast<ReviewKind>(kinds_->currentIndex()); }
const ReviewTable* ReviewView::table() const { return tables_[static_cast<unsigned>(kind())].get(); }

void ReviewView::compute(ReviewKind kind) {
    kinds_->setCurrentIndex(static_cast<int>(kind));
    ReviewOptions options;
    QString of;
    if (own_->isChecked() && context_.session() != nullptr) {
        options.scenario = context_.session()->scenario();
        of = QString::fromStdString(options.scenario->title.empty() ? options.scenario->file : options.scenario->title);
    }
    worker_.start([this, kind, options, of](const Worker::Task& task) mutable -> std::function<void()> {
        options.cancelled = [cancelled = task.cancelled()] { return cancelled->load(); };
        options.progress = [this, &task](std::size_t done, std::size_t count) {
            task.report([this, done, count] { state_->setText(tr("%1 of %2 …").arg(done).arg(count)); });
        };
        options.forEach = [](std::size_t count, const std::function<void(std::size_t)>& each) {
            onThreads(threadsBesideTheWindow(), count, each);
        };
        try {
            auto table = std::make_shared<const ReviewTable>(review(kind, options));
            return [this, kind, table, of] {
                tables_[static_cast<unsigned>(kind)] = table;
                of_[static_cast<unsigned>(kind)] = of;
                showTable();
                Q_EMIT computed();
            };
        } catch (const std::exception& problem) {
            return [this, what = QString::fromUtf8(problem.what())] {
                showTable();
                state_->setText(what);
                state_->show();
                Q_EMIT computed();
            };
        }
    });
    showTable();
}

void ReviewView::showTable() {
    const ReviewTable* shown = table();
    compute_->setText(running() ? tr("Cancel") : shown == nullptr ? tr("Compute") : tr("Compute again"));
    // Once it is there, the table has the room.
    const QString& of = of_[static_cast<unsigned>(kind())];
    state_->setVisible(running() || shown == nullptr || !of.isEmpty());
    const QString asks = "<p><b>" + text(info(kind()).title) + "</b> " + text(info(kind()).help).toHtmlEscaped() + "</p>";
    state_->setText(running() ? tr("Computing …") : shown != nullptr ? tr("Of the scenario “%1”").arg(of) : asks);
    kinds_->setToolTip(asks);
    grids_ = shown == nullptr ? std::vector<ReviewGrid>{} : reviewGrids(*shown);
    std::erase_if(grids_, [](const ReviewGrid& grid) { return grid.rows.empty(); });
    parts_->blockSignals(true);
    parts_->clear();
    for (const ReviewGrid& grid : grids_)
        parts_->addItem(grid.title.empty() ? tr("all") : QString::fromStdString(grid.title));
    // The kind of VM that the question is about.
    parts_->setCurrentIndex(parts_->findText("tdx") >= 0 ? parts_->findText("tdx") : 0);
    parts_->setVisible(grids_.size() > 1);
    parts_->blockSignals(false);
    showGrid();
}

void ReviewView::showGrid() {
    list_->clear();
    const int part = parts_->currentIndex();
    list_->setVisible(part >= 0);
    if (part >= 0) {
        const ReviewGrid& grid = grids_[static_cast<std::size_t>(part)];
        QStringList header;
        for (const std::string& heading : grid.columns)
            header << QString::fromStdString(heading);
        list_->setColumnCount(static_cast<int>(header.size()));
        list_->setHeaderLabels(header);
        for (std::size_t r = 0; r < grid.rows.size(); ++r) {
            auto* item = new QTreeWidgetItem(list_);
            for (std::size_t i = 0; i < grid.rows[r].size(); ++i) {
                const int column = static_cast<int>(i);
                item->setText(column, QString::fromStdString(grid.rows[r][i]));
                const ReviewCell* cell = grid.cells[r][i];
                if (cell == nullptr)
                    continue;
                item->setToolTip(column, QString::fromStdString(cell->why));
                if (cell->outcome == "missed" || cell->outcome == "broken")
                    item->setForeground(column, context_.theme().violation);
                else if (cell->outcome == "n/a")
                    item->setForeground(column, context_.theme().dim);
            }
        }
        fitColumns(*list_);
    }
    explain();
}

std::vector<const ReviewCell*> ReviewView::chosen() const {
    std::vector<const ReviewCell*> cells;
    const int part = parts_->currentIndex();
    if (part < 0)
        return cells;
    const ReviewGrid& grid = grids_[static_cast<std::size_t>(part)];
    for (const QModelIndex& index : list_->selectionModel()->selectedIndexes()) {
        const auto row = static_cast<std::size_t>(index.row()), column = static_cast<std::size_t>(index.column());
        const ReviewCell* cell = row < grid.cells.size() && column < grid.cells[row].size() ? grid.cells[row][column] : nullptr;
        if (cell != nullptr && std::find(cells.begin(), cells.end(), cell) == cells.end())
            cells.push_back(cell);
    }
    return cells;
}

void ReviewView::explain() {
    const auto cells = chosen();
    const auto opens = [](const ReviewCell* cell) { return !cell->witness.empty(); };
    open_->setVisible(list_->isVisibleTo(this));
    beside_->setVisible(list_->isVisibleTo(this));
    open_->setEnabled(cells.size() == 1 && opens(cells[0]));
    beside_->setEnabled(cells.size() == 2 && opens(cells[0]) && opens(cells[1]));
    QStringList lines;
    for (const ReviewCell* cell : cells)
        if (lines.size() < 2)
            lines << QString("%1: %2: %3").arg(nameOf(*cell), QString::fromStdString(cell->outcome), QString::fromStdString(cell->why));
    detail_->setText(lines.join("\n"));
    detail_->setVisible(!lines.isEmpty());
}

void ReviewView::openCell() {
    const auto cells = chosen();
    if (cells.size() == 1 && !cells[0]->witness.empty())
        Q_EMIT scenarioChosen(nameOf(*cells[0]), QString::fromStdString(cells[0]->witness), cells[0]->step);
}

void ReviewView::openTwo() {
    const auto cells = chosen();
    if (cells.size() != 2)
        return;
    try {
        compare_->start({{{bindScenario("review", cells[0]->witness), nameOf(*cells[0])},
                          {bindScenario("review", cells[1]->witness), nameOf(*cells[1])}}},
                        true);
    } catch (const std::exception& problem) { // of a scenario of one's own that includes what is not beside it
        detail_->setText(QString::fromUtf8(problem.what()));
    }
}

} // namespace mirrorscope::views
