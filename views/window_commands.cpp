// SPDX-License-Identifier: GPL-3.0-or-later
// What each command does, and when it can be done.
#include "scenario/presets.h"
#include "views/debug/console_view.h"
#include "views/debug/debugger.h"
#include "views/difference/difference_view.h"
#include "views/explore/explore_view.h"
#include "views/find/find_view.h"
#include "views/inspector/inspector_view.h"
#include "views/main_window.h"
#include "views/record_job.h"
#include "views/script/script_view.h"
#include "views/trees/tree_pane.h"
#include "views/trees/variant_bar.h"
#include "views/visits.h"

#include <QApplication>
#include <QClipboard>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QToolButton>

namespace mirrorscope::views {

void MainWindow::refreshActions() {
    const Session* session = context_.session();
    const bool any = session != nullptr;
    const bool atStart = !any || session->position() == 0;
    const bool atEnd = !any || session->position() == session->end();
    const auto enable = [&](std::initializer_list<Command> commands, bool on) {
        for (const Command command : commands)
            actions_.at(command)->setEnabled(on);
    };
    enable({Command::Restart, Command::RunBack, Command::ScriptBack, Command::MicroBack, Command::OverCallBack, Command::OutOfCallBack,
            Command::PreviousFrozen, Command::PreviousSameSite, Command::PreviousViolation},
           !atStart);
    enable({Command::MicroForward, Command::ScriptForward, Command::Run, Command::OverCall, Command::OutOfCall, Command::NextFrozen,
            Command::NextSameSite},
           !atEnd);
    const bool selected = any && context_.selection().has_value();
    enable({Command::BreakEntry, Command::NextChange, Command::PreviousChange, Command::Writer}, selected);
    enable({Command::GoTo, Command::MarkA, Command::MarkB, Command::Bookmark, Command::Find, Command::CopyText}, any);
    const bool hasScript = any && !context_.isRecording();
    enable({Command::WhatIf, Command::Rerun, Command::SaveAs, Command::RunToCursor, Command::Replace}, hasScript);
    enable({Command::NextVariant}, variants_->isVisibleTo(this));
    enable({Command::Explore}, !context_.isRecording());
    enable({Command::DoAgain}, any && context_.isRecording());
    enable({Command::Save}, hasScript && (document_->isModified() || document_->file().isEmpty()));
    enable({Command::Undo}, script_->canUndo());
    enable({Command::Redo}, script_->canRedo());
    enable({Command::Back}, visits_->canBack());
    enable({Command::Forward}, visits_->canForward());
    enable({Command::ClearMarks}, context_.marker(0) || context_.marker(1));
    enable({Command::ClearBreaks}, !context_.stops().empty());
    enable({Command::ShowAllStates}, context_.dimmed() != 0);
    enable({Command::Reload}, !document_->file().isEmpty());
    actions_.at(Command::Record)->setText(record_->running() ? tr("Stop &recording") : tr("&Record this host…"));
    if (exportMenu_ != nullptr)
        exportMenu_->setEnabled(any);
    for (std::size_t i = 0; i < formButtons_.size(); ++i)
        formButtons_[i]->setChecked(static_cast<std::size_t>(trees_->form()) == i);
}

void MainWindow::showPane(const QString& id) {
    docks_.at(id)->show();
    docks_.at(id)->raise();
}

void MainWindow::goOrSay(std::optional<u64> position, const QString& none) {
    if (position)
        context_.goTo(*position);
    else
        say(none);
}

void MainWindow::askOpen() {
    const QString file = QFileDialog::getOpenFileName(this, tr("Open a scenario or a recording"),
                                                      document_->file().isEmpty() ? QString::fromStdString(scenarioFolder())
                                                                                  : QFileInfo(document_->file()).path(),
                                                      tr("Scenarios (*.yaml *.yml);;Traces, snapshots and sessions (*)"));
    if (!file.isEmpty())
        open(file);
}

void MainWindow::askSaveAs() {
    const QString file = QFileDialog::getSaveFileName(
        this, tr("Save the script"), document_->file().isEmpty() ? "scenario.yaml" : document_->file(), tr("Scenarios (*.yaml *.yml)"));
    if (!file.isEmpty())
        save(file);
}

void MainWindow::toggleTheme() {
    // High contrast is a need, not a taste: it stays until it is switched off.
    if (context_.theme().kind == ThemeKind::HighContrast)
        say(tr("High contrast is on; Ctrl+Shift+H switches it off."));
    else
        setTheme(context_.theme().dark ? ThemeKind::Light : ThemeKind::Dark);
}

void MainWindow::toggleHighContrast() {
    if (context_.theme().kind == ThemeKind::HighContrast) {
        setTheme(beforeContrast_);
    } else {
        beforeContrast_ = context_.theme().kind;
        setTheme(ThemeKind::HighContrast);
    }
}

void MainWindow::findText() {
    if (const QWidget* focus = QApplication::focusWidget(); focus != nullptr && script_->isAncestorOf(focus)) {
        script_->openSearch(false);
        return;
    }
    showPane("events");
    find_->focusFilter();
}

void MainWindow::goToFrozen(bool forward) {
    const Session* session = context_.session();
    const u64 at = session->position();
    goOrSay(forward ? session->nextSite(Site::SpteFreeze, at) : session->previousSite(Site::SpteFreeze, at),
            forward ? tr("No entry is frozen any more.") : tr("No entry was frozen before."));
    if (context_.position() != at)
        if (const auto frozen = session->frozenNearby())
            context_.select(frozen);
}

// And to what it is about.
void MainWindow::goToViolation(bool forward) {
    const Session* session = context_.session();
    const u64 at = session->position();
    goOrSay(forward ? session->nextViolation(at) : session->previousViolation(at),
            forward ? tr("No rule is violated and no expectation fails any more.")
                    : tr("No rule was violated and no expectation failed before."));
    if (context_.position() == at)
        return;
    for (const Violation& v : session->violations())
        if (v.n + 1 == context_.position())
            if (const auto entry = session->entryOf(v)) {
                context_.select(entry);
                return;
            }
}

void MainWindow::goToSameSite(bool forward) {
    const Session* session = context_.session();
    const u64 at = session->position();
    if (at == 0) {
        say(tr("No micro-step was taken yet."));
        return;
    }
    const Site site = session->stepBrief(at - 1).second;
    goOrSay(forward ? session->nextSite(site, at) : session->previousSite(site, at), tr("There is no other."));
}

// With both there is something to see.
void MainWindow::setMarker(unsigned which) {
    context_.setMarker(which, context_.position());
    if (context_.difference())
        showPane("difference");
}

std::optional<unsigned> MainWindow::lineThatRuns(unsigned line) {
    const auto runs = script_->lineThatRuns(line);
    if (!runs)
        say(tr("Line %1 was changed since and is not in what runs: run the script as it stands first (Ctrl+Return).").arg(line));
    return runs;
}

void MainWindow::breakAt(unsigned line) {
    const auto runs = lineThatRuns(line);
    if (runs && !context_.toggleLine(*runs))
        say(tr("No step stands at line %1: a run stops where a step begins.").arg(line));
}

// No default: the compiler asks for each command that there is.
void MainWindow::perform(Command command) {
    Session* session = context_.session();
    if (session == nullptr && commandInfo(command).needsSession)
        return;
    const u64 at = context_.position();
    switch (command) {
    case Command::New: askNewMachine(); return;
    case Command::Open: askOpen(); return;
    case Command::SaveAs: askSaveAs(); return;
    case Command::Save:
        if (document_->file().isEmpty())
            return perform(Command::SaveAs);
        save(document_->file());
        return;
    case Command::Reload:
        if (!document_->file().isEmpty() && !document_->reload())
            say(tr("%1 cannot be read.").arg(document_->file()), 0);
        return;
    case Command::Record: record_->running() ? record_->stop() : askRecord(); return;
    case Command::Quit: close(); return;
    case Command::Library: showLibrary(); return;
    case Command::Undo: script_->undo(); return;
    case Command::Redo: script_->redo(); return;
    case Command::Replace:
        showPane("script");
        script_->openSearch(true);
        return;
    case Command::NextPane: focusPane(1); return;
    case Command::PreviousPane: focusPane(-1); return;
    case Command::Back:
        leaveVisit();
        visit(visits_->back());
        return;
    case Command::Forward:
        leaveVisit();
        visit(visits_->forward());
        return;
    case Command::Manual: showManual(); return;
    case Command::Glossary: showGlossary(); return;
    case Command::Explain: explainCopied(); return;
    case Command::Palette: showPalette(); return;
    case Command::ToggleTheme: toggleTheme(); return;
    case Command::HighContrast: toggleHighContrast(); return;
    case Command::Matrix: showMatrix(); return;
    case Command::Explore:
        showPane("explore");
        explore_->startOrCancel();
        return;
    case Command::Console:
        showPane("console");
        console_->setFocus();
        return;
    case Command::Find: findText(); return;
    case Command::ZoomIn: zoomText(1.1); return;
    case Command::ZoomOut: zoomText(1 / 1.1); return;
    case Command::ZoomReset: zoomText(0); return;
    case Command::Presentation: setPresentation(presentationSize_ == 0); return;
    case Command::FullScreen:
        setWindowState(windowState() ^ Qt::WindowFullScreen);
        actions_.at(Command::FullScreen)->setChecked(isFullScreen());
        return;
    case Command::FormList: trees_->setForm(TreeForm::List); return;
    case Command::FormNodes: trees_->setForm(TreeForm::Nodes); return;
    case Command::FormMap: trees_->setForm(TreeForm::Map); return;
    case Command::NextForm: trees_->setForm(static_cast<TreeForm>((static_cast<int>(trees_->form()) + 1) % 3)); return;
    case Command::ShowAllStates: context_.setDimmed(0); return;
    case Command::PresetDebug: setLayout(Layout::Debug); return;
    case Command::PresetTeach: setLayout(Layout::Teach); return;
    case Command::PresetReview: setLayout(Layout::Review); return;
    case Command::PresetTrace: setLayout(Layout::Trace); return;
    case Command::Help: showHelp(); return;
    case Command::Keys: showKeys(); return;
    case Command::FrameTimes: showFrameTimes(); return;
    case Command::About: showAbout(); return;
    case Command::Restart: context_.goTo(0); return;
    case Command::RunBack: debugger_->run("reverse-continue", true); return;
    case Command::ScriptBack: context_.goTo(session->previousScriptPosition(at)); return;
    case Command::MicroBack: context_.goTo(at - 1); return;
    case Command::MicroForward: context_.goTo(at + 1); return;
    case Command::ScriptForward: context_.goTo(session->nextScriptPosition(at)); return;
    case Command::Run: debugger_->run("continue", true); return;
    case Command::OverCall: context_.goTo(session->overCall(at)); return;
    case Command::OverCallBack: context_.goTo(session->overCallBack(at)); return;
    case Command::OutOfCall: context_.goTo(session->outOfCall(at)); return;
    case Command::OutOfCallBack: context_.goTo(session->outOfCallBack(at)); return;
    case Command::RunToCursor:
        if (const auto line = lineThatRuns(script_->cursorLine()))
            goOrSay(session->positionOfLine(*line, at), tr("No step of line %1 runs.").arg(script_->cursorLine()));
        return;
    case Command::BreakLine: breakAt(script_->cursorLine()); return;
    case Command::BreakEntry: context_.toggleSelectedEntry(); return;
    case Command::ClearBreaks: debugger_->run("delete"); return;
    case Command::NextChange:
        if (!inspector_->goToChange(1))
            say(tr("The selected entry does not change any more."));
        return;
    case Command::PreviousChange:
        if (!inspector_->goToChange(-1))
            say(tr("The selected entry did not change before."));
        return;
    case Command::Writer:
        if (!inspector_->goToWriter())
            say(tr("Nobody has written the selected entry yet."));
        return;
    case Command::NextFrozen: goToFrozen(true); return;
    case Command::PreviousFrozen: goToFrozen(false); return;
    case Command::NextViolation: goToViolation(true); return;
    case Command::PreviousViolation: goToViolation(false); return;
    case Command::NextSameSite: goToSameSite(true); return;
    case Command::PreviousSameSite: goToSameSite(false); return;
    case Command::MarkA: setMarker(0); return;
    case Command::MarkB: setMarker(1); return;
    case Command::ClearMarks:
        context_.setMarker(0, {});
        context_.setMarker(1, {});
        return;
    case Command::Bookmark:
        showPane("bookmarks");
        if (std::none_of(context_.bookmarks().begin(), context_.bookmarks().end(), [&](const Bookmark& b) { return b.position == at; }))
            context_.setBookmark(at, QString::fromStdString(session->sentence(at)));
        bookmarks_->edit(at);
        return;
    case Command::GoTo: askPlace(); return;
    case Command::NextVariant: chooseVariant(variants_->next()); return;
    case Command::Compare: askCompare(); return;
    case Command::DoAgain: doAgain(); return;
    case Command::WhatIf: {
        const auto& s = context_.selection();
        const Column first = context_.session()->hasColumn(Column::Mirror) ? Column::Mirror : Column::Shared;
        makeContextMenu(s ? *s : Selection{first, {0}, Level::k4K})->popup(mapToGlobal(trees_->geometry().center()));
        return;
    }
    case Command::Rerun: rerun(); return;
    case Command::CopyText:
        QApplication::clipboard()->setText(paneAsText());
        say(tr("Copied."));
        return;
    }
}

} // namespace mirrorscope::views
