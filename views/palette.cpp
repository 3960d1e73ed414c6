// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/palette.h"

#include <QKeyEvent>
#include <QLineEdit>
#include <QListWidget>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

namespace {
constexpr int kHint = Qt::UserRole + 1;

// The key, or what it means, in a column of its own at the right.
class HintDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        QStyleOptionViewItem left = option;
        const QString hint = index.data(kHint).toString();
        constexpr int kMargin = 8;
        const int room = std::min(option.rect.width() / 2, option.fontMetrics.horizontalAdvance(hint) + 2 * kMargin);
        QStyledItemDelegate::paint(painter, left, index);
        if (hint.isEmpty())
            return;
        const QRect at = option.rect.adjusted(option.rect.width() - room, 0, -kMargin, 0);
        painter->save();
        painter->setPen(option.palette.color(QPalette::Disabled, QPalette::Text));
        painter->drawText(at, Qt::AlignRight | Qt::AlignVCenter, option.fontMetrics.elidedText(hint, Qt::ElideRight, at.width()));
        painter->restore();
    }
};
} // namespace

int fuzzyRank(const QString& typed, const QString& name) {
    const qsizetype whole = name.indexOf(typed, 0, Qt::CaseInsensitive);
    if (whole >= 0)
        return static_cast<int>(whole);
    qsizetype at = 0;
    int gaps = 100;
    for (const QChar c : typed) {
        if (c == ' ')
            continue;
        const qsizetype next = name.indexOf(c, at, Qt::CaseInsensitive);
        if (next < 0)
            return -1;
        gaps += static_cast<int>(next - at);
        at = next + 1;
    }
    return gaps;
}

Palette::Palette(QWidget* window) : QFrame(window, Qt::Popup), line_(new QLineEdit(this)), list_(new QListWidget(this)) {
    setObjectName("palette");
    setAccessibleName(tr("Command palette"));
    setFrameShape(QFrame::StyledPanel);
    line_->setObjectName("palette-line");
    line_->setAccessibleName(tr("Search"));
    list_->setObjectName("palette-list");
    list_->setAccessibleName(tr("What fits"));
    list_->setUniformItemSizes(true);
    list_->setItemDelegate(new HintDelegate(list_));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 6, 6, 6);
    layout->addWidget(line_);
    layout->addWidget(list_);
    line_->installEventFilter(this);
    connect(line_, &QLineEdit::textChanged, this, &Palette::filter);
    connect(line_, &QLineEdit::returnPressed, this, &Palette::take);
    connect(list_, &QListWidget::itemClicked, this, [this] { take(); });
}

void Palette::open(const QString& placeholder, std::vector<Item> items, std::function<QString(const QString&)> free) {
    items_ = std::move(items);
    free_ = std::move(free);
    line_->setPlaceholderText(placeholder);
    line_->clear();
    const QWidget* window = parentWidget();
    width_ = std::clamp(window->width() / 2, 420, 760);
    filter({});
    move(window->mapToGlobal(QPoint((window->width() - width_) / 2, window->height() / 10)));
    show();
    line_->setFocus();
}

void Palette::filter(const QString& text) {
    struct Ranked {
        int rank;
        std::size_t index;
    };
    std::vector<Ranked> ranked;
    for (std::size_t i = 0; i < items_.size(); ++i)
        if (const int rank = fuzzyRank(text, items_[i].name); rank >= 0)
            ranked.push_back({rank, i});
    std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
    list_->clear();
    for (const Ranked& r : ranked) {
        const Item& item = items_[r.index];
        auto* row = new QListWidgetItem(item.name, list_);
        row->setData(Qt::UserRole, static_cast<uint>(r.index));
        row->setData(kHint, item.hint);
        if (!item.enabled)
            row->setFlags(row->flags() & ~Qt::ItemIsEnabled);
    }
    if (ranked.empty()) {
        auto* none = new QListWidgetItem(free_ ? tr("Enter takes it as it is") : tr("nothing is called that"), list_);
        none->setFlags(Qt::NoItemFlags);
    }
    // As high as what it shows.
    constexpr int kRows = 18;
    const int rowHeight = std::max(fontMetrics().height() + 2, list_->sizeHintForRow(0));
    list_->setFixedHeight(std::clamp(list_->count(), 1, kRows) * rowHeight + 2 * list_->frameWidth());
    adjustSize();
    resize(width_, sizeHint().height());
    // Where a text of one's own is taken, nothing is chosen before it was asked for.
    if (!free_ || !text.isEmpty())
        for (int i = 0; i < static_cast<int>(ranked.size()); ++i)
            if ((list_->item(i)->flags() & Qt::ItemIsEnabled) != 0 &&
                (!free_ || items_[ranked[static_cast<std::size_t>(i)].index].name.startsWith(text, Qt::CaseInsensitive))) {
                list_->setCurrentRow(i);
                break;
            }
}

void Palette::take() {
    const QString typed = line_->text();
    const auto actionOf = [&](const QListWidgetItem* row) {
        const bool can = row != nullptr && (row->flags() & Qt::ItemIsEnabled) != 0 && row->data(Qt::UserRole).isValid();
        return can ? items_[row->data(Qt::UserRole).toUInt()].action : std::function<void()>();
    };
    const auto chosen = actionOf(list_->currentItem()), first = actionOf(list_->item(0));
    hide();
    if (chosen)
        chosen();
    else if (const QString problem = free_ && !typed.isEmpty() ? free_(typed) : QString(); problem.isEmpty())
        return;
    else if (first)
        first();
    else
        Q_EMIT refused(problem);
}

std::vector<QString> Palette::shown() const {
    std::vector<QString> names;
    for (int i = 0; i < list_->count() && list_->item(i)->data(Qt::UserRole).isValid(); ++i)
        names.push_back(items_[list_->item(i)->data(Qt::UserRole).toUInt()].name);
    return names;
}

bool Palette::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        const int step = key->key() == Qt::Key_Down       ? 1
                         : key->key() == Qt::Key_Up       ? -1
                         : key->key() == Qt::Key_PageDown ? 10
                         : key->key() == Qt::Key_PageUp   ? -10
                                                          : 0;
        if (step != 0 && list_->count() > 0) {
            list_->setCurrentRow(std::clamp(list_->currentRow() + step, 0, list_->count() - 1));
            return true;
        }
    }
    return QFrame::eventFilter(watched, event);
}

void Palette::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape)
        hide();
    else
        QFrame::keyPressEvent(event);
}

} // namespace mirrorscope::views
