// SPDX-License-Identifier: GPL-3.0-or-later
// What the state at marker B has otherwise than the one at marker A, entry by entry; and the bookmarks of the run with their notes.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QTreeWidget;

namespace mirrorscope::views {

class DifferenceView : public QWidget {
    Q_OBJECT
public:
    explicit DifferenceView(Context& context, QWidget* parent = nullptr);

private:
    void refresh();
    Context& context_;
    QLabel* title_;
    QTreeWidget* list_;
};

class BookmarksView : public QWidget {
    Q_OBJECT
public:
    explicit BookmarksView(Context& context, QWidget* parent = nullptr);
    // Begins to edit the note of that bookmark.
    void edit(u64 position);

private:
    void refresh();
    Context& context_;
    QLabel* empty_;
    QTreeWidget* list_;
    bool filling_ = false;
};

} // namespace mirrorscope::views
