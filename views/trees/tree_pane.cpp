// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/tree_pane.h"

#include "views/trees/map_view.h"
#include "views/trees/nodes_view.h"
#include "views/trees/trees_view.h"

#include <QContextMenuEvent>

namespace mirrorscope::views {

TreePane::TreePane(Context& context, QWidget* parent)
    : QStackedWidget(parent), context_(context), list_(new TreesView(context, this)), nodes_(new NodesView(context, this)),
      map_(new MapView(context, this)) {
    setObjectName("tree-pane");
    addWidget(list_);
    addWidget(nodes_);
    addWidget(map_);
    list_->viewport()->installEventFilter(this);
    nodes_->viewport()->installEventFilter(this);
    map_->installEventFilter(this);
    connect(list_, &TreesView::mapWanted, this, [this] { setForm(TreeForm::Map); });
    connect(nodes_, &NodesView::mapWanted, this, [this] { setForm(TreeForm::Map); });
    connect(map_, &MapView::tablesWanted, this, [this] { setForm(tables_); });
}

bool TreePane::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() != QEvent::ContextMenu || context_.session() == nullptr)
        return QStackedWidget::eventFilter(watched, event);
    const auto* menu = static_cast<QContextMenuEvent*>(event);
    std::optional<Selection> where;
    if (menu->reason() == QContextMenuEvent::Mouse)
        where = watched == map_                 ? map_->selectionAt(menu->pos())
                : watched == nodes_->viewport() ? nodes_->selectionAt(menu->pos())
                                                : list_->selectionAt(menu->pos());
    if (!where)
        where = context_.selection();
    // Where nothing is yet, at the first address that there is.
    const auto& slots_ = context_.session()->scenario().machine.slots;
    if (!where)
        where = Selection{context_.session()->hasColumn(Column::Mirror) ? Column::Mirror : Column::Shared,
                          slots_.empty() ? Gfn{0} : slots_.front().base, Level::k4K};
    Q_EMIT menuWanted(menu->globalPos(), *where);
    return true;
}

void TreePane::setForm(TreeForm form) {
    if (form == this->form())
        return;
    if (form != TreeForm::Map) {
        // From a place of the map to the entries of that place.
        if (this->form() == TreeForm::Map && context_.map() != nullptr) {
            const auto page = static_cast<u64>(map_->start() + map_->span() / 2);
            const auto& s = context_.selection();
            const bool seen = s && static_cast<double>(s->gfn.v) < map_->start() + map_->span() &&
                              static_cast<double>(s->gfn.v + pagesPer(s->level)) > map_->start();
            if (!seen)
                if (const auto where = context_.session()->entryAt({page}, s ? s->column : Column::Shared))
                    context_.select(*where);
        }
        tables_ = form;
    }
    setCurrentIndex(static_cast<int>(form));
    currentWidget()->setFocus();
    Q_EMIT formChanged();
}

} // namespace mirrorscope::views
