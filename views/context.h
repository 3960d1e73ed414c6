// SPDX-License-Identifier: GPL-3.0-or-later
// What all docks share: the session, the position in it, the selected entry, the breakpoints, the theme.
// A dock observes it and asks the session; it never talks to another dock.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/gpa_map.h"
#include "session/stops.h"
#endif
#include "views/frame_times.h"
#include "views/theme/theme.h"

#include <QObject>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

namespace mirrorscope::views {

using Selection = Session::Where;

// What the inspector looks at: the selected entry, or one of the things that it leads to.
struct Subject {
    enum class Kind : u8 { Entry, Table, Frame, Actor, Td, Lock } kind = Kind::Entry;
    Pfn pfn = {};        // table, frame
    unsigned number = 0; // actor, LockId
};

struct Bookmark {
    u64 position = 0;
    QString note;
};

class Context : public QObject {
    Q_OBJECT
public:
    explicit Context(QObject* parent = nullptr);
    ~Context() override;

    // Null until the first scenario was read.
    // What is shown happened, and cannot be run again.
    bool isRecording() const { return session_ != nullptr && session_->recorded() != nullptr; }
    Session* session() const { return session_.get(); }
    // What is said in its place while there is none.
    const QString& nothingYet() const { return nothingYet_; }
    void setNothingYet(const QString& why) {
        nothingYet_ = why;
        Q_EMIT nothingYetChanged();
    }
    // Takes the session and stands at `at`; a frozen entry there is selected.
    void setSession(std::unique_ptr<Session> session, u64 at);
    // The same run, of which there was only the beginning: all that was done in it stays.
    void extendSession(std::unique_ptr<Session> session, u64 at);
    // While `sessionChanged` tells of that.
    bool continues() const { return continues_; }

    u64 position() const { return session_ ? session_->position() : 0; }
    void goTo(u64 position);
    // Somebody has moved the session itself.
    void wasMoved() { Q_EMIT positionChanged(); }
    // The direct root whose tree the first column shows.
    void showDirectRoot(Pfn root);

    const std::optional<Selection>& selection() const { return selection_; }
    // `gpa`: the address that was asked for, where the entry covers more than that.
    void select(std::optional<Selection> selection, std::optional<u64> gpa = {});
    // Where something is to be done: what was asked for, else where the selected entry begins; 0 without one.
    u64 address() const;

    // The selection, too, when it is an entry.
    const Subject& subject() const { return subject_; }
    void inspect(const Subject& subject);
    // The map of the present session's address space; null until there is one.
    GpaMap* map() const { return map_.get(); }

    // Breakpoints and watchpoints. Who changes them says so.
    StopPoints& stops() { return stops_; }
    const StopPoints& stops() const { return stops_; }
    void stopsWereChanged() { Q_EMIT breakpointsChanged(); }
    // Of the step that the line belongs to; false where there is none.
    bool toggleLine(unsigned line);
    void toggleSelectedEntry();

    // Two positions to be compared, A and B.
    std::optional<u64> marker(unsigned which) const { return markers_[which]; }
    void setMarker(unsigned which, std::optional<u64> position);
    // What they differ in, once both are set.
    const std::optional<StateDifference>& difference() const { return difference_; }
    bool differs(Column column, Gfn gfn, Level level) const {
        return differing_.contains({static_cast<int>(column), gfn.v, number(level)});
    }
    const std::vector<Bookmark>& bookmarks() const { return bookmarks_; }
    void setBookmark(u64 position, const QString& note);
    void removeBookmark(u64 position);

    // States that the trees show dimmed: a bit per index of stateStyles().
    u32 dimmed() const { return dimmed_; }
    void setDimmed(u32 states);

    // Where this interleaving parts from the one that it is compared with, if any.
    struct Divergence {
        u64 position = 0;
        QString text;
    };
    const std::optional<Divergence>& divergence() const { return divergence_; }
    // Before an audience: no menu tells the keys.
    bool presenting() const { return presenting_; }
    void setPresenting(bool on) {
        presenting_ = on;
        Q_EMIT positionChanged();
    }
    void setDivergence(std::optional<Divergence> divergence);

    // How long painting took, pane by pane.
    FrameTimes& frameTimes() { return frameTimes_; }

    const Theme& theme() const { return theme_; }
    void setTheme(ThemeKind kind);

Q_SIGNALS:
    void sessionChanged();
    void positionChanged();
    void selectionChanged();
    void subjectChanged();
    void breakpointsChanged();
    void markersChanged();
    void bookmarksChanged();
    void dimmedChanged();
    void divergenceChanged();
    void themeChanged();
    void nothingYetChanged();

private:
    void take(std::unique_ptr<Session> session, u64 at);
    void selectByItself();
    void tellAll();

    bool continues_ = false;
    QString nothingYet_ = tr("Reading the scenario…");
    std::unique_ptr<Session> session_;
    std::unique_ptr<GpaMap> map_;
    std::optional<Selection> selection_;
    std::optional<u64> asked_;
    Subject subject_;
    std::array<std::optional<u64>, 2> markers_;
    std::optional<StateDifference> difference_;
    std::set<std::tuple<int, u64, unsigned>> differing_;
    std::vector<Bookmark> bookmarks_; // ascending
    u32 dimmed_ = 0;
    StopPoints stops_;
    std::optional<Divergence> divergence_;
    bool presenting_ = false;
    FrameTimes frameTimes_;
    Theme theme_;
};

} // namespace mirrorscope::views
