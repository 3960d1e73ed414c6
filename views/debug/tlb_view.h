// SPDX-License-Identifier: GPL-3.0-or-later
// What each vCPU has cached of the trees: a translation that is used though its entry is gone is what a missing flush leaves behind.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QTreeWidget;

namespace mirrorscope::views {

class TlbView : public QWidget {
    Q_OBJECT
public:
    explicit TlbView(Context& context, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refresh();
    Context& context_;
    QLabel* empty_;
    QTreeWidget* list_;
};

} // namespace mirrorscope::views
