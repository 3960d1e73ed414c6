// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/difference/difference_view.h"

#include "base/text.h"
#include "session/style.h"
#include "views/text.h"

#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
constexpr int kIndex = Qt::UserRole;
} // namespace

DifferenceView::DifferenceView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), title_(new QLabel(this)), list_(new QTreeWidget(this)) {
    setObjectName("difference");
    title_->setObjectName("difference-title");
    title_->setWordWrap(true);
    list_->setObjectName("difference-list");
    list_->setAccessibleName(tr("Entries that differ between A and B"));
    list_->setRootIsDecorated(false);
    list_->setAlternatingRowColors(true);
    list_->setUniformRowHeights(true);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setHeaderLabels({tr("tree"), tr("GPA"), tr("level"), tr("at A"), tr("at B"), tr("fields")});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 4);
    layout->addWidget(title_);
    layout->addWidget(list_, 1);
    for (const auto signal : {&Context::markersChanged, &Context::sessionChanged, &Context::themeChanged})
        connect(&context_, signal, this, &DifferenceView::refresh);
    const auto select = [this](QTreeWidgetItem* item) {
        const auto& difference = context_.difference();
        const auto index = item->data(0, kIndex).toUInt();
        if (!difference || index >= difference->entries.size())
            return;
        const EntryDifference& e = difference->entries[index];
        context_.select(Selection{static_cast<Column>(e.column), e.gfn, e.level});
    };
    connect(list_, &QTreeWidget::itemClicked, this, select);
    connect(list_, &QTreeWidget::itemActivated, this, select);
    refresh();
}

void DifferenceView::refresh() {
    list_->clear();
    const Session* session = context_.session();
    const auto& difference = context_.difference();
    if (session == nullptr || !difference) {
        const auto a = context_.marker(0), b = context_.marker(1);
        title_->setText(a || b ? tr("Marker %1 stands at %2. Set the other one, too: Shift+A and Shift+B at the position, Alt+click and "
                                    "Shift+click in the timeline.")
                                     .arg(a ? "A" : "B")
                                     .arg(a ? *a : *b)
                               : tr("Two positions can be compared: Shift+A sets marker A at the present one, Shift+B marker B."));
        return;
    }
    const QLocale locale;
    QStringList other;
    const auto add = [&](u64 n, const QString& what) {
        if (n > 0)
            other << what.arg(locale.toString(static_cast<qulonglong>(n)));
    };
    add(difference->frames, tr("%1 words of frame records"));
    add(difference->pamt, tr("%1 of the PAMT"));
    add(difference->tlb, tr("%1 of TLBs"));
    add(difference->other, tr("%1 of other state"));
    title_->setText((difference->entryCount == 1 ? tr("<b>A at %1, B at %2:</b> %3 entry differs%4.%5")
                                                 : tr("<b>A at %1, B at %2:</b> %3 entries differ%4.%5"))
                        .arg(*context_.marker(0))
                        .arg(*context_.marker(1))
                        .arg(locale.toString(static_cast<qulonglong>(difference->entryCount)),
                             difference->entryCount > difference->entries.size()
                                 ? tr(", the first %1 are listed").arg(difference->entries.size())
                                 : QString(),
                             other.isEmpty() ? QString() : " " + tr("Changed beside page-table entries: %1.").arg(other.join(", "))));
    const bool tdx = session->hasColumn(Column::Mirror);
    const QString trees[] = {tdx ? tr("shared") : tr("direct"), tr("mirror"), tr("private")};
    QList<QTreeWidgetItem*> items;
    for (std::size_t i = 0; i < difference->entries.size(); ++i) {
        const EntryDifference& e = difference->entries[i];
        const auto column = static_cast<Column>(e.column);
        auto* item = new QTreeWidgetItem(
            {trees[e.column], text(hex(e.gfn.v << 12)), text(std::string(levelName(e.level))), text(e.was), text(e.is),
             text(fieldDifference(session->decode(column, e.before, e.level), session->decode(column, e.after, e.level)))});
        item->setData(0, kIndex, static_cast<uint>(i));
        item->setToolTip(5, item->text(5));
        items << item;
    }
    list_->addTopLevelItems(items);
    for (int c = 0; c < 5; ++c)
        list_->resizeColumnToContents(c);
}

BookmarksView::BookmarksView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), empty_(new QLabel(this)), list_(new QTreeWidget(this)) {
    setObjectName("bookmarks");
    empty_->setWordWrap(true);
    empty_->setText(tr("Moments that are worth a note: Ctrl+B, or M in the timeline, keeps the present one."));
    list_->setObjectName("bookmarks-list");
    list_->setAccessibleName(tr("Bookmarks"));
    list_->setRootIsDecorated(false);
    list_->setAlternatingRowColors(true);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setHeaderLabels({tr("position"), tr("note")});
    auto* remove = new QPushButton(tr("Remove"), this);
    remove->setObjectName("bookmarks-remove");
    remove->setEnabled(false);
    connect(list_, &QTreeWidget::itemSelectionChanged, this, [this, remove] { remove->setEnabled(!list_->selectedItems().isEmpty()); });
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 4);
    layout->addWidget(empty_);
    layout->addWidget(list_, 1);
    layout->addWidget(remove, 0, Qt::AlignLeft);
    for (const auto signal : {&Context::bookmarksChanged, &Context::sessionChanged})
        connect(&context_, signal, this, &BookmarksView::refresh);
    connect(list_, &QTreeWidget::itemClicked, this, [this](QTreeWidgetItem* item) { context_.goTo(item->text(0).toULongLong()); });
    connect(list_, &QTreeWidget::itemChanged, this, [this](QTreeWidgetItem* item) {
        if (!filling_)
            context_.setBookmark(item->text(0).toULongLong(), item->text(1));
    });
    connect(remove, &QPushButton::clicked, this, [this] {
        if (const QTreeWidgetItem* item = list_->currentItem())
            context_.removeBookmark(item->text(0).toULongLong());
    });
    refresh();
}

void BookmarksView::refresh() {
    filling_ = true;
    list_->clear();
    for (const Bookmark& bookmark : context_.bookmarks()) {
        auto* item = new QTreeWidgetItem(list_, {QString::number(bookmark.position), bookmark.note});
        item->setFlags(item->flags() | Qt::ItemIsEditable);
    }
    list_->resizeColumnToContents(0);
    empty_->setVisible(context_.bookmarks().empty());
    list_->setVisible(!context_.bookmarks().empty());
    filling_ = false;
}

void BookmarksView::edit(u64 position) {
    for (int i = 0; i < list_->topLevelItemCount(); ++i)
        if (list_->topLevelItem(i)->text(0).toULongLong() == position) {
            list_->setCurrentItem(list_->topLevelItem(i));
            list_->editItem(list_->topLevelItem(i), 1);
        }
}

} // namespace mirrorscope::views
