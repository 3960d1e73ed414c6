// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/context.h"

#include <algorithm>

namespace mirrorscope::views {

Context::Context(QObject* parent) : QObject(parent), theme_(makeTheme(ThemeKind::Light)) {}
Context::~Context() = default;

void Context::take(std::unique_ptr<Session> session, u64 at) {
    map_.reset();
    session_ = std::move(session);
    map_ = std::make_unique<GpaMap>(*session_);
    session_->seek(std::min(at, session_->end()));
}

void Context::selectByItself() {
    selection_ = session_->frozenNearby();
    if (!selection_)
        selection_ = session_->lastChange();
    for (const Violation& v : session_->violations())
        if (!selection_ && v.n + 1 == session_->position())
            selection_ = session_->entryOf(v);
}

void Context::tellAll() {
    Q_EMIT sessionChanged();
    Q_EMIT breakpointsChanged();
    Q_EMIT markersChanged();
    Q_EMIT bookmarksChanged();
    Q_EMIT positionChanged();
    Q_EMIT selectionChanged();
    Q_EMIT subjectChanged();
}

void Context::setSession(std::unique_ptr<Session> session, u64 at) {
    stops_ = {};
    divergence_.reset();
    markers_ = {};
    difference_.reset();
    differing_.clear();
    bookmarks_.clear();
    subject_ = {};
    asked_.reset();
    take(std::move(session), at);
    selectByItself();
    tellAll();
}

void Context::extendSession(std::unique_ptr<Session> session, u64 at) {
    const bool stays = at == position();
    take(std::move(session), at);
    if (!stays)
        selectByItself();
    continues_ = true;
    tellAll();
    continues_ = false;
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
    {
        const FrameTimes::Timer timer(frameTimes_, "seek");
        session_->seek(std::min(position, session_->end()));
    }
    // Where the script pauses there is something to look at.
    const auto& pauses = session_->pauses();
    const bool selects = !selection_ && std::binary_search(pauses.begin(), pauses.end(), session_->position());
    if (selects)
        selectByItself();
    const FrameTimes::Timer timer(frameTimes_, "seek and refresh");
    Q_EMIT positionChanged();
    if (selects)
        Q_EMIT selectionChanged();
}

void Context::setDivergence(std::optional<Divergence> divergence) {
    divergence_ = std::move(divergence);
    Q_EMIT divergenceChanged();
}

u64 Context::address() const { return asked_ ? *asked_ : selection_ ? (selection_->gfn.v & ~kSmmGfn) << 12 : 0; }

void Context::select(std::optional<Selection> selection, std::optional<u64> gpa) {
    selection_ = selection;
    asked_ = gpa;
    const bool other = subject_.kind != Subject::Kind::Entry;
    subject_ = {};
    Q_EMIT selectionChanged();
    if (other)
        Q_EMIT subjectChanged();
}

void Context::inspect(const Subject& subject) {
    subject_ = subject;
    Q_EMIT subjectChanged();
}

void Context::setMarker(unsigned which, std::optional<u64> position) {
    markers_.at(which) = position;
    difference_.reset();
    differing_.clear();
    if (session_ && markers_[0] && markers_[1]) {
        difference_ = session_->difference(*markers_[0], *markers_[1]);
        for (const EntryDifference& e : difference_->entries)
            differing_.insert({e.column, e.gfn.v, number(e.level)});
    }
    Q_EMIT markersChanged();
}

void Context::setBookmark(u64 position, const QString& note) {
    const auto at =
        std::lower_bound(bookmarks_.begin(), bookmarks_.end(), position, [](const Bookmark& b, u64 p) { return b.position < p; });
    if (at != bookmarks_.end() && at->position == position)
        at->note = note;
    else
        bookmarks_.insert(at, {position, note});
    Q_EMIT bookmarksChanged();
}

void Context::removeBookmark(u64 position) {
    std::erase_if(bookmarks_, [&](const Bookmark& b) { return b.position == position; });
    Q_EMIT bookmarksChanged();
}

void Context::setDimmed(u32 states) {
    dimmed_ = states;
    Q_EMIT dimmedChanged();
}

bool Context::toggleLine(unsigned line) {
    const auto step = session_ ? session_->stepLineOf(line) : std::nullopt;
    const StopPoint* there = stops_.atLine(step.value_or(line));
    if (there == nullptr && !step)
        return false;
    if (there != nullptr) {
        stops_.remove(there->id);
    } else {
        StopPoint point;
        point.kind = StopPoint::Kind::Line;
        point.line = *step;
        point.text = "line " + std::to_string(*step);
        stops_.add(std::move(point));
    }
    Q_EMIT breakpointsChanged();
    return true;
}

void Context::toggleSelectedEntry() {
    if (!session_ || !selection_)
        return;
    const TreeCell cell = session_->cell(selection_->column, selection_->gfn, selection_->level);
    if (!cell.exists)
        return;
    if (const StopPoint* there = stops_.atPlace(cell.place)) {
        stops_.remove(there->id);
    } else {
        StopPoint point;
        point.kind = StopPoint::Kind::Word;
        point.place = cell.place;
        point.text = session_->nameOf(*selection_);
        stops_.add(std::move(point));
    }
    Q_EMIT breakpointsChanged();
}

void Context::setTheme(ThemeKind kind) {
    theme_ = makeTheme(kind);
    Q_EMIT themeChanged();
}

} // namespace mirrorscope::views
