// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/context.h"

namespace mirrorscope::views {

Context::Context(QObject* parent) : QObject(parent), theme_(makeTheme(false)) {}
Context::~Context() = default;

void Context::setSession(std::unique_ptr<Session> session, u64 at) {
    session_ = std::move(session);
    breakpoints_ = {};
    divergence_.reset();
    session_->seek(std::min(at, session_->end()));
    selection_ = session_->frozenNearby();
    if (!selection_)
        selection_ = session_->lastChange();
    Q_EMIT sessionChanged();
    Q_EMIT breakpointsChanged();
    Q_EMIT positionChanged();
    Q_EMIT selectionChanged();
}

void Context::showDirectRoot(Pfn root) {
    if (!session_)
        return;
    session_->showDirectRoot(root);
    Q_EMIT positionChanged();
}

void Context::goTo(u64 position) {
    if (!session_ || position == session_->position())
        return;
    session_->seek(std::min(position, session_->end()));
    Q_EMIT positionChanged();
}

void Context::setDivergence(std::optional<Divergence> divergence) {
    divergence_ = std::move(divergence);
    Q_EMIT divergenceChanged();
}

void Context::select(std::optional<Selection> selection) {
    selection_ = selection;
    Q_EMIT selectionChanged();
}

void Context::toggleLine(unsigned line) {
    if (breakpoints_.lines.erase(line) == 0)
        breakpoints_.lines.insert(line);
    Q_EMIT breakpointsChanged();
}

void Context::toggleSelectedEntry() {
    if (!session_ || !selection_)
        return;
    const TreeCell cell = session_->cell(selection_->column, selection_->gfn, selection_->level);
    if (!cell.exists)
        return;
    if (breakpoints_.places.erase(cell.place.v) == 0)
        breakpoints_.places.insert(cell.place.v);
    Q_EMIT breakpointsChanged();
}

void Context::clearBreakpoints() {
    breakpoints_ = {};
    Q_EMIT breakpointsChanged();
}

void Context::setDark(bool dark) {
    theme_ = makeTheme(dark);
    Q_EMIT themeChanged();
}

} // namespace mirrorscope::views
