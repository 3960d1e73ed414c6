// SPDX-License-Identifier: GPL-3.0-or-later
// The tree of what was open in this window: a double click opens one again where it was left.
#pragma once

#include "views/context.h"
#include "views/visits.h"

#include <QWidget>

class QPushButton;
class QTreeWidget;
class QTreeWidgetItem;

namespace mirrorscope::views {

class VisitsView : public QWidget {
    Q_OBJECT
public:
    VisitsView(Context& context, Visits& visits, QWidget* parent = nullptr);

Q_SIGNALS:
    void wanted(unsigned id);
    void saveWanted(unsigned id);

private:
    void refresh();
    unsigned chosen() const;
    Context& context_;
    Visits& visits_;
    QTreeWidget* list_;
    QPushButton* open_;
    QPushButton* save_;
    QPushButton* remove_;
    bool filling_ = false;
};

} // namespace mirrorscope::views
