// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/debug/tlb_view.h"

#include "base/text.h"
#include "session/style.h"
#include "views/text.h"

#include <QLabel>
#include <QTreeWidget>

namespace mirrorscope::views {

TlbView::TlbView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), empty_(new QLabel(this)), list_(new QTreeWidget(this)) {
    setObjectName("tlb");
    empty_->setWordWrap(true);
    empty_->setMinimumWidth(10);
    empty_->setMargin(8);
    list_->setObjectName("tlb-list");
    list_->setAccessibleName(tr("Cached translations"));
    list_->setHeaderLabels({tr("vCPU, GPA"), tr("level"), tr("pfn"), tr("rights"), tr("the entry now")});
    list_->setFrameShape(QFrame::NoFrame);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(empty_);
    layout->addWidget(list_, 1);
    connect(&context_, &Context::sessionChanged, this, &TlbView::refresh);
    connect(&context_, &Context::positionChanged, this, &TlbView::refresh);
    connect(&context_, &Context::themeChanged, this, &TlbView::refresh);
    // The entry that it was filled from.
    connect(list_, &QTreeWidget::itemClicked, this, [this](const QTreeWidgetItem* item) {
        const QVariant gfn = item->data(0, Qt::UserRole);
        if (gfn.isValid())
            if (const auto where =
                    context_.session()->entryAt({gfn.toULongLong()}, static_cast<Column>(item->data(1, Qt::UserRole).toInt())))
                context_.select(where);
    });
}

void TlbView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void TlbView::refresh() {
    const Session* session = context_.session();
    if (session == nullptr || !isVisible())
        return;
    list_->clear();
    bool any = false;
    for (const TlbLine& line : session->cachedTranslations()) {
        const QString vcpu = QString::fromStdString(session->actorName(line.vcpu));
        QTreeWidgetItem* group = list_->topLevelItemCount() > 0 ? list_->topLevelItem(list_->topLevelItemCount() - 1) : nullptr;
        if (group == nullptr || group->data(0, Qt::UserRole + 1).toUInt() != line.vcpu) {
            group = new QTreeWidgetItem(list_, {line.usable ? vcpu : tr("%1, flushes before its next entry").arg(vcpu)});
            group->setData(0, Qt::UserRole + 1, line.vcpu);
            group->setFirstColumnSpanned(true);
            group->setExpanded(true);
        }
        auto* item =
            new QTreeWidgetItem(group, {QString::fromStdString(line.address), text(levelName(line.entry.level)),
                                        QString::number(line.entry.pfn.v, 16), text(line.rights), QString::fromStdString(line.now)});
        item->setData(0, Qt::UserRole, static_cast<qulonglong>(line.entry.gfn.v));
        item->setData(1, Qt::UserRole, static_cast<int>(line.column));
        if (line.stale) {
            for (int part = 0; part < list_->columnCount(); ++part)
                item->setForeground(part, context_.theme().of(styleAt(kStyleBlocked)));
            item->setToolTip(0, tr("not flushed yet: the entry does not say so any more, and the vCPU may still use it"));
        }
        any = true;
    }
    for (int part = 0; part < list_->columnCount(); ++part)
        list_->resizeColumnToContents(part);
    list_->setVisible(any);
    empty_->setVisible(!any);
    empty_->setText(tr("No vCPU has cached a translation here. One that a guest's access finds in the trees is kept until it is flushed."));
}

} // namespace mirrorscope::views
