// SPDX-License-Identifier: GPL-3.0-or-later
// The ends of an exploration as a table: a column for each thing in which they differ, how many look like that, what is violated, and where
// the orders part. Two of them open side by side.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QTreeWidget;

namespace mirrorscope::views {

class CompareJob;
class ExploreView;

class EndsView : public QWidget {
    Q_OBJECT
public:
    EndsView(Context& context, ExploreView& explore, QWidget* parent = nullptr);

private:
    void refresh();
    void sideBySide();
    Context& context_;
    ExploreView& explore_;
    QLabel* empty_;
    QTreeWidget* list_;
    QPushButton* open_;
    QPushButton* beside_;
    CompareJob* compare_;
};

} // namespace mirrorscope::views
