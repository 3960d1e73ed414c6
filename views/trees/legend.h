// SPDX-License-Identifier: GPL-3.0-or-later
// The legend under the trees: each state with its sign and colour, from the session's table. A click dims that state, Ctrl and a
// click all others.
#pragma once

#include "views/context.h"

#include <QWidget>

namespace mirrorscope::views {

class Legend : public QWidget {
    Q_OBJECT
public:
    explicit Legend(Context& context, QWidget* parent = nullptr);
    QSize sizeHint() const override;
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;

    // Where a state stands; empty if it is not in the legend of this VM.
    QRect itemRect(unsigned state) const;

protected:
    void mousePressEvent(QMouseEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Item {
        QRect at;
        QString sign, name, help;
        QColor colour;
        u32 states = 0; // bits of Context::dimmed()
    };
    std::vector<Item> items(int width) const;
    Context& context_;
};

} // namespace mirrorscope::views
