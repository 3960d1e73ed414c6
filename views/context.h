// SPDX-License-Identifier: GPL-3.0-or-later
// What all docks share: the session, the position in it, the selected entry, the breakpoints, the theme.
// A dock observes it and asks the session; it never talks to another dock.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#endif
#include "views/theme/theme.h"

#include <QObject>

#include <memory>
#include <optional>

namespace mirrorscope::views {

using Selection = Session::Where;

class Context : public QObject {
    Q_OBJECT
public:
    explicit Context(QObject* parent = nullptr);
    ~Context() override;

    // Null until the first scenario was read.
    Session* session() const { return session_.get(); }
    // Takes the session and stands at `at`; a frozen entry there is selected.
    void setSession(std::unique_ptr<Session> session, u64 at);

    u64 position() const { return session_ ? session_->position() : 0; }
    void goTo(u64 position);
    // The direct root whose tree the first column shows.
    void showDirectRoot(Pfn root);

    const std::optional<Selection>& selection() const { return selection_; }
    void select(std::optional<Selection> selection);

    const Session::Breakpoints& breakpoints() const { return breakpoints_; }
    void toggleLine(unsigned line);
    void toggleSelectedEntry();
    void clearBreakpoints();

    // Where this interleaving parts from the one that it is compared with, if any.
    struct Divergence {
        u64 position = 0;
        QString text;
    };
    const std::optional<Divergence>& divergence() const { return divergence_; }
    void setDivergence(std::optional<Divergence> divergence);

    const Theme& theme() const { return theme_; }
    void setDark(bool dark);

Q_SIGNALS:
    void sessionChanged();
    void positionChanged();
    void selectionChanged();
    void breakpointsChanged();
    void divergenceChanged();
    void themeChanged();

private:
    std::unique_ptr<Session> session_;
    std::optional<Selection> selection_;
    Session::Breakpoints breakpoints_;
    std::optional<Divergence> divergence_;
    Theme theme_;
};

} // namespace mirrorscope::views
