// SPDX-License-Identifier: GPL-3.0-or-later
// The selected entry: its twins, every bit field of its raw value, and who wrote it when; a click goes there.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QTreeWidget;

namespace mirrorscope::views {

class InspectorView : public QWidget {
    Q_OBJECT
public:
    explicit InspectorView(Context& context, QWidget* parent = nullptr);

    // Goes to the next or previous change of the selected entry, or to its last writer. False if there is none.
    bool goToChange(int direction);
    bool goToWriter();

private:
    void refresh();
    void refreshHistory();
    std::optional<Place> selectedPlace() const;

    Context& context_;
    QLabel* title_;
    QLabel* twins_;
    QLabel* raw_;
    QTreeWidget* fields_;
    QTreeWidget* history_;
    std::vector<HistoryEntry> entries_; // of the selected place, oldest first
    std::optional<u32> place_;
};

} // namespace mirrorscope::views
