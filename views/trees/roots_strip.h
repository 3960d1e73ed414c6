// SPDX-License-Identifier: GPL-3.0-or-later
// The roots that there are, valid and invalid, and the locks that are held, in one line above the trees.
#pragma once

#include "views/context.h"

#include <QWidget>

#include <vector>

namespace mirrorscope::views {

class RootsStrip : public QWidget {
    Q_OBJECT
public:
    explicit RootsStrip(Context& context, QWidget* parent = nullptr);
    // What is shown, as text, from left to right.
    QStringList texts() const;
    QRect chipRect(int index) const { return chips_.at(static_cast<std::size_t>(index)).at; }
    QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    struct Chip {
        QString text, help;
        enum class Kind : u8 { Root, Invalid, Lock } kind = Kind::Root;
        QRect at;
        std::optional<Pfn> direct = {}; // a click shows that root's tree
        bool shown = false;
    };
    void refresh();
    Context& context_;
    std::vector<Chip> chips_;
};

} // namespace mirrorscope::views
