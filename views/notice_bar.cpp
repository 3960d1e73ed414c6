// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/notice_bar.h"

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

namespace mirrorscope::views {

NoticeBar::NoticeBar(Context& context, QWidget* parent)
    : QFrame(parent), context_(context), label_(new QLabel(this)), grid_(new QGridLayout(this)), row_(new QWidget(this)) {
    setObjectName("notice");
    setAccessibleName(tr("Notice"));
    setAutoFillBackground(true);
    label_->setWordWrap(true);
    // What is said here comes and goes: the panes beside it keep their widths.
    setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Minimum);
    auto* buttons = new QHBoxLayout(row_);
    buttons->setContentsMargins(0, 0, 0, 0);
    buttons->addStretch(1);
    grid_->setContentsMargins(8, 4, 8, 4);
    grid_->setColumnStretch(0, 1);
    grid_->addWidget(label_, 0, 0);
    connect(&context_, &Context::themeChanged, this, &NoticeBar::restyle);
    restyle();
    hide();
}

void NoticeBar::restyle() {
    QPalette palette = this->palette();
    palette.setColor(QPalette::Window, context_.theme().note);
    palette.setColor(QPalette::WindowText, context_.theme().text);
    setPalette(palette);
}

QString NoticeBar::text() const { return isHidden() ? QString() : label_->text(); }

void NoticeBar::say(const QString& text, const Choices& choices) {
    for (QWidget* button : buttons_) {
        row_->layout()->removeWidget(button); // it may be the one that was pressed, and be at work still
        button->hide();
        button->deleteLater();
    }
    buttons_.clear();
    label_->setText(text);
    int wide = 0;
    for (const auto& [name, action] : choices) {
        auto* button = new QPushButton(name, this);
        connect(button, &QPushButton::clicked, this, [this, action = action] {
            hide();
            if (action)
                action();
        });
        row_->layout()->addWidget(button);
        buttons_.push_back(button);
        wide += button->sizeHint().width();
    }
    // Many buttons stand below what is said, few beside it.
    constexpr int kBeside = 320;
    grid_->removeWidget(row_);
    if (wide <= kBeside)
        grid_->addWidget(row_, 0, 1);
    else
        grid_->addWidget(row_, 1, 0);
    row_->setVisible(!buttons_.empty());
    show();
}

} // namespace mirrorscope::views
