// SPDX-License-Identifier: GPL-3.0-or-later
// Something to know and to decide that does not stop anybody: a line with buttons, until one is pressed.
#pragma once

#include "views/context.h"

#include <QFrame>

#include <functional>
#include <utility>
#include <vector>

class QGridLayout;
class QLabel;

namespace mirrorscope::views {

class NoticeBar : public QFrame {
    Q_OBJECT
public:
    explicit NoticeBar(Context& context, QWidget* parent = nullptr);
    using Choices = std::vector<std::pair<QString, std::function<void()>>>;
    // Takes the place of what was said before. Every choice ends it.
    void say(const QString& text, const Choices& choices);
    QString text() const;

private:
    void restyle();
    Context& context_;
    QLabel* label_;
    QGridLayout* grid_;
    QWidget* row_; // of the buttons
    std::vector<QWidget*> buttons_;
};

} // namespace mirrorscope::views
