// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/notice_bar.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

namespace mirrorscope::views {

NoticeBar::NoticeBar(Context& context, QWidget* parent)
    : QFrame(parent), context_(context), label_(new QLabel(this)), layout_(new QHBoxLayout(this)) {
    setObjectName("notice");
    setAccessibleName(tr("Notice"));
    setAutoFillBackground(true);
    label_->setWordWrap(true);
    layout_->setContentsMargins(8, 4, 8, 4);
    layout_->addWidget(label_, 1);
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
    for (QWidget* button : buttons_)
        button->deleteLater();
    buttons_.clear();
    label_->setText(text);
    for (const auto& [name, action] : choices) {
        auto* button = new QPushButton(name, this);
        connect(button, &QPushButton::clicked, this, [this, action = action] {
            hide();
            if (action)
                action();
        });
        layout_->addWidget(button);
        buttons_.push_back(button);
    }
    show();
}

} // namespace mirrorscope::views
