// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/library/library_view.h"

#include "views/text.h"

#include <QComboBox>
#include <QFileInfo>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTreeWidget>

namespace mirrorscope::views {

namespace {
enum Part { kTitle, kQuestion, kTags, kVm };
constexpr int kFile = Qt::UserRole, kWords = Qt::UserRole + 1;
} // namespace

LibraryView::LibraryView(Context& context, QWidget* parent)
    : QDialog(parent), context_(context), search_(new QLineEdit(this)), vm_(new QComboBox(this)), list_(new QTreeWidget(this)),
      about_(new QLabel(this)), open_(new QPushButton(tr("Open"), this)) {
    setObjectName("library");
    setWindowTitle(tr("Scenarios"));
    search_->setObjectName("library-search");
    search_->setAccessibleName(tr("Search the scenarios"));
    search_->setPlaceholderText(tr("words of a title, a question, a tag: frozen, notifier, BLOCK"));
    search_->setClearButtonEnabled(true);
    search_->installEventFilter(this);
    vm_->setObjectName("library-vm");
    vm_->setAccessibleName(tr("Kind of VM"));
    vm_->addItem(tr("every kind of VM"), "");
    for (const auto& [id, name] : {std::pair{"tdx", "TDX"}, {"snp", "SNP"}, {"sw-protected", "SW_PROTECTED_VM"}, {"default", "ordinary"}})
        vm_->addItem(name, id);
    list_->setObjectName("library-list");
    list_->setAccessibleName(tr("Scenarios"));
    list_->setHeaderLabels({tr("title"), tr("what it asks"), tr("tags"), tr("VM")});
    list_->setUniformRowHeights(true);
    list_->setAlternatingRowColors(true);
    list_->setAllColumnsShowFocus(true);
    about_->setWordWrap(true);
    about_->setObjectName("library-about");
    about_->setMinimumHeight(about_->fontMetrics().lineSpacing() * 2 + 6);
    open_->setObjectName("library-open");
    open_->setDefault(true);
    auto* top = new QHBoxLayout;
    top->addWidget(search_, 1);
    top->addWidget(vm_);
    auto* bottom = new QHBoxLayout;
    bottom->addWidget(about_, 1);
    bottom->addWidget(open_);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(top);
    layout->addWidget(list_, 1);
    layout->addLayout(bottom);
    // As much of a large window as there is to read, and no more than a small one has.
    if (const QWidget* window = parentWidget())
        resize(std::clamp(window->width() * 6 / 10, 980, 1800), std::clamp(window->height() * 7 / 10, 560, 1200));
    connect(search_, &QLineEdit::textChanged, this, &LibraryView::filter);
    connect(vm_, &QComboBox::currentIndexChanged, this, &LibraryView::filter);
    connect(list_, &QTreeWidget::currentItemChanged, this, &LibraryView::tell);
    connect(list_, &QTreeWidget::itemDoubleClicked, this, &LibraryView::take);
    connect(list_, &QTreeWidget::itemActivated, this, &LibraryView::take);
    connect(open_, &QPushButton::clicked, this, &LibraryView::take);
}

void LibraryView::refresh(const QStringList& recent, const std::set<QString>& done, const QString& present) {
    list_->clear();
    QTreeWidgetItem* here = nullptr;
    const auto add = [&](QTreeWidgetItem* group, const QString& file, const QString& number) {
        const ScenarioCard card = cardOf(file.toStdString());
        QStringList tags;
        for (const std::string& tag : card.tags)
            tags << QString::fromStdString(tag);
        const QString title = QString::fromStdString(card.title);
        auto* item = new QTreeWidgetItem(
            group, {number + title, QString::fromStdString(card.question), tags.join(", "), QString::fromStdString(card.vm)});
        item->setData(0, kFile, file);
        item->setData(
            0, kWords,
            (item->text(kTitle) + " " + item->text(kQuestion) + " " + item->text(kTags) + " " + QFileInfo(file).fileName()).toLower());
        item->setToolTip(kTitle, item->text(kTitle));
        item->setToolTip(kQuestion, item->text(kQuestion));
        // A mark for what was seen to its end.
        if (done.contains(QFileInfo(file).fileName()))
            item->setText(kTitle, "✓ " + item->text(kTitle));
        if (QFileInfo(file).canonicalFilePath() == present) {
            here = item;
            QFont bold = list_->font();
            bold.setBold(true);
            item->setFont(kTitle, bold);
        }
    };
    for (const Shelf& shelf : shelves()) {
        auto* group = new QTreeWidgetItem(list_, {tr(shelf.title.data()), tr(shelf.help.data())});
        group->setFirstColumnSpanned(false);
        // The course comes first, in its order.
        const std::size_t numbered = shelf.folder == "lessons" ? course().size() : 0;
        const std::vector<std::string> files = filesOf(shelf);
        for (std::size_t i = 0; i < files.size(); ++i)
            add(group, QString::fromStdString(files[i]), i < numbered ? QString("%1. ").arg(i + 1, 2) : QString());
        group->setData(0, kWords, group->text(kTitle));
    }
    if (!recent.isEmpty()) {
        auto* group = new QTreeWidgetItem({tr("Opened lately")});
        group->setData(0, kWords, group->text(kTitle));
        list_->insertTopLevelItem(1, group);
        for (const QString& file : recent)
            add(group, file, {});
    }
    list_->header()->setSectionResizeMode(kQuestion, QHeaderView::Stretch);
    list_->header()->setStretchLastSection(false);
    list_->setColumnWidth(kTitle, width() * 38 / 100);
    list_->setColumnWidth(kTags, 150);
    constexpr int kAround = 14;
    list_->setColumnWidth(kVm, list_->fontMetrics().horizontalAdvance("sw-protected") + kAround);
    list_->topLevelItem(0)->setExpanded(true);
    list_->setCurrentItem(here != nullptr ? here : list_->topLevelItem(0)->child(0));
    filter();
    search_->setFocus();
    search_->selectAll();
}

void LibraryView::search(const QString& words) { search_->setText(words); }

void LibraryView::filter() {
    const QStringList words = search_->text().toLower().split(' ', Qt::SkipEmptyParts);
    const QString vm = vm_->currentData().toString();
    QTreeWidgetItem* first = nullptr;
    for (int g = 0; g < list_->topLevelItemCount(); ++g) {
        QTreeWidgetItem* group = list_->topLevelItem(g);
        int shown = 0;
        for (int i = 0; i < group->childCount(); ++i) {
            QTreeWidgetItem* item = group->child(i);
            const QString all = item->data(0, kWords).toString();
            const bool fits = std::all_of(words.begin(), words.end(), [&](const QString& word) { return all.contains(word); }) &&
                              (vm.isEmpty() || item->text(kVm) == vm || (vm == "default" && item->text(kVm).isEmpty()));
            item->setHidden(!fits);
            shown += fits ? 1 : 0;
            if (fits && first == nullptr)
                first = item;
        }
        group->setHidden(shown == 0);
        const int all = group->childCount();
        group->setText(kTitle, (shown == all ? tr("%1 (%2)").arg(group->data(0, kWords).toString()).arg(all)
                                             : tr("%1 (%2 of %3)").arg(group->data(0, kWords).toString()).arg(shown).arg(all)));
        if (!words.isEmpty())
            group->setExpanded(shown > 0);
    }
    if (const QTreeWidgetItem* current = list_->currentItem();
        first != nullptr && (current == nullptr || current->isHidden() || !words.isEmpty()))
        list_->setCurrentItem(first);
    tell();
    if (first == nullptr)
        about_->setText(tr("Nothing is called that. Fewer words, or another kind of VM?"));
}

void LibraryView::tell() {
    const QTreeWidgetItem* item = list_->currentItem();
    const bool any = item != nullptr && !item->isHidden();
    about_->setText(any ? item->text(kQuestion) : QString());
    open_->setEnabled(any && !item->data(0, kFile).toString().isEmpty());
}

void LibraryView::take() {
    const QTreeWidgetItem* item = list_->currentItem();
    const QString file = item == nullptr || item->isHidden() ? QString() : item->data(0, kFile).toString();
    if (file.isEmpty())
        return;
    hide();
    Q_EMIT chosen(file);
}

bool LibraryView::eventFilter(QObject* watched, QEvent* event) {
    // The arrows go through the list while one types.
    if (watched == search_ && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if (key->key() == Qt::Key_Down || key->key() == Qt::Key_Up) {
            for (QTreeWidgetItem* item = list_->currentItem(); item != nullptr;) {
                item = key->key() == Qt::Key_Down ? list_->itemBelow(item) : list_->itemAbove(item);
                if (item != nullptr && item->parent() != nullptr) {
                    list_->setCurrentItem(item);
                    break;
                }
            }
            return true;
        }
    }
    return QDialog::eventFilter(watched, event);
}

} // namespace mirrorscope::views
