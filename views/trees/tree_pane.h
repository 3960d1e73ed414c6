// SPDX-License-Identifier: GPL-3.0-or-later
// The middle of the window: the trees in one of their three forms. Zooming out of the tables leads to the map, into a page back.
#pragma once

#include "views/context.h"

#include <QStackedWidget>

namespace mirrorscope::views {

class MapView;
class NodesView;
class TreesView;

enum class TreeForm : u8 { List, Nodes, Map };

class TreePane : public QStackedWidget {
    Q_OBJECT
public:
    explicit TreePane(Context& context, QWidget* parent = nullptr);
    TreeForm form() const { return static_cast<TreeForm>(currentIndex()); }
    void setForm(TreeForm form);
    TreesView& list() { return *list_; }
    NodesView& nodes() { return *nodes_; }
    MapView& map() { return *map_; }

Q_SIGNALS:
    void formChanged();
    // A menu of that address; the entry need not exist.
    void menuWanted(QPoint at, mirrorscope::views::Selection where);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    Context& context_;
    TreesView* list_;
    NodesView* nodes_;
    MapView* map_;
    TreeForm tables_ = TreeForm::List; // where the map leads back to
};

} // namespace mirrorscope::views
