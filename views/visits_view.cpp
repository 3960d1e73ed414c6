// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/visits_view.h"

#include <QHeaderView>
#include <QLocale>
#include <QPushButton>
#include <QTreeWidget>

#include <map>

namespace mirrorscope::views {

VisitsView::VisitsView(Context& context, Visits& visits, QWidget* parent)
    : QWidget(parent), context_(context), visits_(visits), list_(new QTreeWidget(this)), open_(new QPushButton(tr("Open"), this)),
      save_(new QPushButton(tr("Save as…"), this)), remove_(new QPushButton(tr("Throw away"), this)) {
    setObjectName("visits");
    list_->setObjectName("visits-list");
    list_->setAccessibleName(tr("What was open in this window"));
    list_->setHeaderLabels({tr("what was open"), tr("left at position")});
    list_->setFrameShape(QFrame::NoFrame);
    list_->setEditTriggers(QAbstractItemView::EditKeyPressed | QAbstractItemView::SelectedClicked);
    list_->setContextMenuPolicy(Qt::ActionsContextMenu);
    list_->setToolTip(tr("F2 gives another name; Alt+Left and Alt+Right go back and forward"));
    save_->setObjectName("visits-save");
    remove_->setObjectName("visits-remove");
    auto* row = new QHBoxLayout;
    for (QPushButton* button : {open_, save_, remove_}) {
        button->setMinimumWidth(30);
        row->addWidget(button);
    }
    row->addStretch(1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 4, 6, 4);
    layout->addWidget(list_, 1);
    layout->addLayout(row);
    const auto action = [this](const QString& name, QPushButton* as) {
        auto* a = new QAction(name, list_);
        connect(a, &QAction::triggered, as, &QPushButton::click);
        list_->addAction(a);
    };
    action(tr("Open"), open_);
    action(tr("Save as…"), save_);
    action(tr("Throw away"), remove_);
    connect(open_, &QPushButton::clicked, this, [this] { Q_EMIT wanted(chosen()); });
    connect(list_, &QTreeWidget::itemDoubleClicked, this, [this] { Q_EMIT wanted(chosen()); });
    connect(save_, &QPushButton::clicked, this, [this] { Q_EMIT saveWanted(chosen()); });
    connect(remove_, &QPushButton::clicked, this, [this] { visits_.remove(chosen()); });
    connect(list_, &QTreeWidget::itemChanged, this, [this](const QTreeWidgetItem* item) {
        if (!filling_)
            visits_.rename(item->data(0, Qt::UserRole).toUInt(), item->text(0));
    });
    connect(list_, &QTreeWidget::itemSelectionChanged, this, [this] {
        const bool any = chosen() != 0, present = visits_.present() != nullptr && visits_.present()->id == chosen();
        open_->setEnabled(any && !present);
        save_->setEnabled(any);
        remove_->setEnabled(any && !present);
    });
    connect(&visits_, &Visits::changed, this, &VisitsView::refresh, Qt::QueuedConnection);
    connect(&context_, &Context::themeChanged, this, &VisitsView::refresh);
    refresh();
}

unsigned VisitsView::chosen() const {
    const QTreeWidgetItem* item = list_->currentItem();
    return item == nullptr ? 0 : item->data(0, Qt::UserRole).toUInt();
}

void VisitsView::refresh() {
    filling_ = true;
    list_->clear();
    std::map<unsigned, QTreeWidgetItem*> items;
    for (const Visit& visit : visits_.all()) {
        const QStringList texts{visit.name, QLocale().toString(static_cast<qulonglong>(visit.position))};
        const auto parent = items.find(visit.from);
        auto* item = parent == items.end() ? new QTreeWidgetItem(list_, texts) : new QTreeWidgetItem(parent->second, texts);
        item->setData(0, Qt::UserRole, visit.id);
        item->setFlags(item->flags() | Qt::ItemIsEditable);
        item->setToolTip(0, visit.script.file.isEmpty() ? tr("in no file; Save as… keeps it") : visit.script.file);
        item->setExpanded(true);
        items[visit.id] = item;
        if (visits_.present() != nullptr && visits_.present()->id == visit.id) {
            QFont bold = list_->font();
            bold.setBold(true);
            item->setFont(0, bold);
            item->setText(1, tr("here"));
            list_->setCurrentItem(item);
        }
    }
    list_->expandAll();
    list_->header()->setStretchLastSection(false);
    list_->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    const bool any = chosen() != 0;
    open_->setEnabled(false);
    save_->setEnabled(any);
    remove_->setEnabled(false);
    filling_ = false;
}

} // namespace mirrorscope::views
