// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/debug/stops_view.h"

#include "views/debug/debugger.h"
#include "views/text.h"

#include <QCompleter>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTreeWidget>

namespace mirrorscope::views {

namespace {
enum Part { kWhat, kCondition, kNth };
} // namespace

StopsView::StopsView(Context& context, Debugger& debugger, QWidget* parent)
    : QWidget(parent), context_(context), debugger_(debugger), list_(new QTreeWidget(this)), add_(new QLineEdit(this)),
      problem_(new QLabel(this)) {
    setObjectName("stops");
    list_->setObjectName("stops-list");
    list_->setAccessibleName(tr("Breakpoints and watchpoints"));
    list_->setHeaderLabels({tr("stop at"), tr("only if"), tr("only the n-th time")});
    list_->setRootIsDecorated(false);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setEditTriggers(QAbstractItemView::DoubleClicked | QAbstractItemView::EditKeyPressed);
    list_->setContextMenuPolicy(Qt::ActionsContextMenu);
    add_->setObjectName("stops-add");
    add_->setAccessibleName(tr("Add a breakpoint"));
    add_->setPlaceholderText(tr("add: a line, spte.freeze, BLOCK, mmu_lock, status:BUSY actor:vcpu1, mirror 0x4000"));
    QStringList words;
    for (const auto site : siteNames())
        words << text(site);
    for (const auto rule : ruleNames())
        words << text(rule);
    for (const auto leaf : stopLeaves())
        words << text(leaf);
    for (const auto& [key, help] : EventFilter::keys())
        words << text(key) + ":";
    auto* completer = new QCompleter(words, this);
    completer->setCaseSensitivity(Qt::CaseInsensitive);
    add_->setCompleter(completer);
    problem_->setWordWrap(true);
    problem_->setObjectName("stops-problem");
    auto* remove = new QAction(tr("Remove"), list_);
    remove->setShortcut(QKeySequence::Delete);
    remove->setShortcutContext(Qt::WidgetShortcut);
    auto* next = new QAction(tr("Run to the next stop"), list_);
    auto* before = new QAction(tr("Run back to the stop before"), list_);
    list_->addActions({next, before, remove});
    auto* removeButton = new QPushButton(tr("Remove"), this);
    removeButton->setObjectName("stops-remove");
    removeButton->setMinimumWidth(30);
    auto* row = new QHBoxLayout;
    row->addWidget(add_, 1);
    row->addWidget(removeButton);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 4, 6, 4);
    layout->addWidget(list_, 1);
    layout->addWidget(problem_);
    layout->addLayout(row);
    problem_->hide();
    connect(remove, &QAction::triggered, this, &StopsView::remove);
    connect(removeButton, &QPushButton::clicked, this, &StopsView::remove);
    connect(next, &QAction::triggered, this, [this] { debugger_.run("continue"); });
    connect(before, &QAction::triggered, this, [this] { debugger_.run("reverse-continue"); });
    connect(add_, &QLineEdit::returnPressed, this, [this] {
        const QString what = add_->text().trimmed();
        if (what.isEmpty())
            return;
        // An address of a tree is watched, all else is a breakpoint.
        const QString first = what.section(' ', 0, 0);
        debugger_.run((columnFromName(first.toStdString()) || first.startsWith('*') ? "watch " : "break ") + what);
    });
    connect(add_, &QLineEdit::textEdited, problem_, &QLabel::hide);
    connect(&debugger_, &Debugger::said, this, [this](const QString& line, const QString& output, bool error) {
        const bool mine = !add_->text().isEmpty() && line.endsWith(add_->text().trimmed());
        problem_->setVisible(error && mine);
        problem_->setText(output);
        if (mine && !error)
            add_->clear();
    });
    connect(list_, &QTreeWidget::itemChanged, this, &StopsView::edited);
    connect(list_, &QTreeWidget::itemSelectionChanged, this,
            [removeButton, this] { removeButton->setEnabled(list_->currentItem() != nullptr); });
    // Later: an item that tells of a click must not be gone while it does.
    connect(&context_, &Context::breakpointsChanged, this, &StopsView::refresh, Qt::QueuedConnection);
    connect(&context_, &Context::sessionChanged, this, &StopsView::refresh);
    refresh();
    removeButton->setEnabled(false);
}

void StopsView::refresh() {
    filling_ = true;
    const int row = list_->indexOfTopLevelItem(list_->currentItem());
    list_->clear();
    for (const StopPoint& point : context_.stops().all()) {
        const bool can = context_.session() != nullptr && canStop(*context_.session(), point);
        auto* item = new QTreeWidgetItem(list_, {QString::fromStdString(point.text), QString::fromStdString(point.conditionText),
                                                 point.nth == 0 ? QString() : QString::number(point.nth)});
        item->setData(kWhat, Qt::UserRole, point.id);
        item->setFlags(Qt::ItemIsSelectable | Qt::ItemIsEnabled | Qt::ItemIsEditable | Qt::ItemIsUserCheckable);
        item->setCheckState(kWhat, point.enabled ? Qt::Checked : Qt::Unchecked);
        if (!can) {
            for (const int part : {kWhat, kCondition, kNth})
                item->setForeground(part, context_.theme().dim);
            item->setToolTip(kWhat, tr("no step of this run begins there"));
        }
    }
    if (list_->topLevelItemCount() == 0) {
        auto* none = new QTreeWidgetItem(list_, {tr("None yet: F9 in the script, Ctrl+F9 at an entry, or the line below.")});
        none->setFlags(Qt::NoItemFlags);
        none->setFirstColumnSpanned(true);
    } else {
        list_->resizeColumnToContents(kWhat);
        list_->setCurrentItem(list_->topLevelItem(std::clamp(row, 0, list_->topLevelItemCount() - 1)));
    }
    filling_ = false;
}

void StopsView::edited(const QTreeWidgetItem* item, int column) {
    if (filling_)
        return;
    const QString id = item->data(kWhat, Qt::UserRole).toString();
    if (column == kCondition)
        debugger_.run("condition " + id + " " + item->text(kCondition));
    else if (column == kNth)
        debugger_.run("nth " + id + " " + item->text(kNth));
    else
        debugger_.run((item->checkState(kWhat) == Qt::Checked ? "enable " : "disable ") + id);
    // What could not be taken is as it was.
    QMetaObject::invokeMethod(this, &StopsView::refresh, Qt::QueuedConnection);
}

void StopsView::remove() {
    if (const QTreeWidgetItem* item = list_->currentItem(); item != nullptr && item->data(kWhat, Qt::UserRole).isValid())
        debugger_.run("delete " + item->data(kWhat, Qt::UserRole).toString());
}

} // namespace mirrorscope::views
