// SPDX-License-Identifier: GPL-3.0-or-later
// The list of breakpoints and watchpoints: on or off, what it is at, its condition, which time; and a line to add one.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QLineEdit;
class QTreeWidget;
class QTreeWidgetItem;

namespace mirrorscope::views {

class Debugger;

class StopsView : public QWidget {
    Q_OBJECT
public:
    StopsView(Context& context, Debugger& debugger, QWidget* parent = nullptr);

private:
    void refresh();
    void edited(const QTreeWidgetItem* item, int column);
    void remove();
    Context& context_;
    Debugger& debugger_;
    QTreeWidget* list_;
    QLineEdit* add_;
    QLabel* problem_;
    bool filling_ = false;
};

} // namespace mirrorscope::views
