// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/search_bar.h"

#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>

namespace mirrorscope::views {

SearchBar::SearchBar(QWidget* parent)
    : QWidget(parent), find_(new QLineEdit(this)), replace_(new QLineEdit(this)), told_(new QLabel(this)), replacing_(new QWidget(this)) {
    setObjectName("script-search");
    find_->setObjectName("script-find");
    find_->setAccessibleName(tr("Find in the script"));
    find_->setPlaceholderText(tr("find; Enter: next, Shift+Enter: before"));
    replace_->setObjectName("script-replace");
    replace_->setAccessibleName(tr("Replace by"));
    replace_->setPlaceholderText(tr("replace by"));
    auto* one = new QPushButton(tr("Replace"), this);
    auto* all = new QPushButton(tr("Replace all"), this);
    one->setObjectName("script-replace-one");
    all->setObjectName("script-replace-all");
    auto* second = new QHBoxLayout(replacing_);
    second->setContentsMargins(0, 0, 0, 0);
    second->addWidget(replace_, 1);
    second->addWidget(one);
    second->addWidget(all);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(4, 4, 4, 4);
    layout->addWidget(find_);
    layout->addWidget(replacing_);
    layout->addWidget(told_);
    told_->hide();
    connect(find_, &QLineEdit::textEdited, this, &SearchBar::typed);
    connect(one, &QPushButton::clicked, this, [this] { Q_EMIT replaceWanted(false); });
    connect(all, &QPushButton::clicked, this, [this] { Q_EMIT replaceWanted(true); });
}

void SearchBar::open(const QString& text, bool replace) {
    if (!text.isEmpty() && !text.contains('\n'))
        find_->setText(text);
    replacing_->setVisible(replace);
    tell({});
    show();
    find_->setFocus();
    find_->selectAll();
}

QString SearchBar::text() const { return find_->text(); }
QString SearchBar::replacement() const { return replace_->text(); }

void SearchBar::tell(const QString& text) {
    told_->setText(text);
    told_->setVisible(!text.isEmpty());
}

void SearchBar::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape) {
        hide();
        Q_EMIT closed();
    } else if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
        Q_EMIT findWanted((event->modifiers() & Qt::ShiftModifier) != 0);
    } else {
        QWidget::keyPressEvent(event);
    }
}

} // namespace mirrorscope::views
