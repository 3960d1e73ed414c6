// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/main_window.h"

#include "scenario/presets.h"
#include "session/branch.h"
#include "views/charts/charts_view.h"
#include "views/debug/console_view.h"
#include "views/debug/debugger.h"
#include "views/difference/difference_view.h"
#include "views/explore/explore_view.h"
#include "views/find/find_view.h"
#include "views/inspector/inspector_view.h"
#include "views/notice_bar.h"
#include "views/palette.h"
#include "views/script/script_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/banner.h"
#include "views/trees/legend.h"
#include "views/trees/roots_strip.h"
#include "views/trees/tree_pane.h"

#include <QApplication>
#include <QClipboard>
#include <QCoreApplication>
#include <QDir>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFile>
#include <QFileDialog>
#include <QFileInfo>
#include <QLocale>
#include <QMenuBar>
#include <QMimeData>
#include <QProgressBar>
#include <QStatusBar>
#include <QToolBar>
#include <QToolButton>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
constexpr int kBusyAfter = 300; // milliseconds
QString scenarioRoot() { return QString::fromStdString(scenarioFolder()); }
} // namespace

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent), textSize_(font().pointSizeF()), banner_(new Banner(context_, this)), roots_(new RootsStrip(context_, this)),
      notice_(new NoticeBar(context_, this)), trees_(new TreePane(context_, this)), legend_(new Legend(context_, this)),
      script_(new ScriptView(context_, this)), inspector_(new InspectorView(context_, this)), explore_(new ExploreView(context_, this)),
      timeline_(new TimelineView(context_, this)), find_(new FindView(context_, this)), charts_(new ChartsView(context_, this)),
      bookmarks_(new BookmarksView(context_, this)), debugger_(new Debugger(context_, this)),
      console_(new ConsoleView(context_, *debugger_, this)), palette_(new Palette(this)), toolbar_(addToolBar(tr("Run"))),
      busy_(new QProgressBar(this)), cancel_(new QToolButton(this)) {
    document_ = new Document(*script_, *notice_, this);
    setObjectName("main");
    setWindowTitle("Mirrorscope");
    setAcceptDrops(true);
    auto* centre = new QWidget(this);
    auto* layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(notice_);
    layout->addWidget(banner_);
    layout->addWidget(roots_);
    layout->addWidget(trees_, 1);
    layout->addWidget(legend_);
    setCentralWidget(centre);
    busy_->setRange(0, 0);
    busy_->setMaximumWidth(140);
    busy_->setMaximumHeight(12);
    busy_->setAccessibleName(tr("Work in progress"));
    cancel_->setText(tr("Cancel"));
    cancel_->setObjectName("cancel");
    for (QWidget* widget : {static_cast<QWidget*>(busy_), static_cast<QWidget*>(cancel_)}) {
        statusBar()->addPermanentWidget(widget);
        widget->hide();
    }
    busyLater_.setSingleShot(true);
    busyLater_.setInterval(kBusyAfter);
    connect(&busyLater_, &QTimer::timeout, this, [this] {
        if (!busy())
            return;
        busy_->show();
        cancel_->show();
        if (job_.running())
            say(tr("%1 %2 micro-steps").arg(busyWith_, QLocale().toString(static_cast<qulonglong>(job_.steps()))), 0);
        busyLater_.start();
    });
    connect(cancel_, &QToolButton::clicked, this, [this] {
        const bool loading = job_.running();
        job_.cancel();
        export_.cancel();
        busy_->hide();
        cancel_->hide();
        say(tr("Cancelled."));
        if (loading)
            Q_EMIT opened(false);
        else
            Q_EMIT exported(false);
    });
    buildActions();
    buildDocks();
    connect(&context_, &Context::positionChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::selectionChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::dimmedChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::markersChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::breakpointsChanged, this, &MainWindow::refreshActions);
    connect(&job_, &LoadJob::loaded, this, &MainWindow::loaded);
    connect(&job_, &LoadJob::failed, this, &MainWindow::failed);
    connect(&export_, &ExportJob::finished, this, [this](const QString& problem) {
        busy_->hide();
        cancel_->hide();
        say(problem.isEmpty() ? tr("Exported.") : problem);
        Q_EMIT exported(problem.isEmpty());
    });
    connect(explore_, &ExploreView::orderChosen, this, &MainWindow::openText);
    connect(charts_, &ChartsView::said, this, [this](const QString& text) { say(text); });
    connect(timeline_, &TimelineView::bookmarkWanted, this, [this] { perform(Command::Bookmark); });
    connect(script_, &ScriptView::breakWanted, this, &MainWindow::breakAt);
    connect(console_, &ConsoleView::saveWanted, this, [this](const QString& lines) { askSaveConsole(lines); });
    connect(debugger_, &Debugger::said, this, [this](const QString& line, const QString& output, bool error) {
        // What stopped a run is seen without the console, too.
        if (error || line == "continue" || line == "reverse-continue")
            say(output.section('\n', 0, 0), 0);
    });
    connect(trees_, &TreePane::menuWanted, this, [this](const QPoint& at, const Selection& where) { makeContextMenu(where)->popup(at); });
    connect(trees_, &TreePane::formChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::bookmarksChanged, this, &MainWindow::keepBookmarks);
    connect(document_, &Document::changed, this, [this] {
        updateTitle();
        refreshActions();
    });
    connect(document_, &Document::said, this, [this](const QString& text) { say(text, 0); });
    connect(document_, &Document::openWanted, this, [this](const QString& file) { open(file); });
    connect(document_, &Document::draftWanted, this, [this](const Draft& draft) {
        start({{{}, draft.title, {}, draft.text, draft.key}, {}, false, false}, tr("Running %1 …").arg(draft.title), draft.title,
              draft.text);
    });
    connect(document_, &Document::rerunWanted, this, &MainWindow::rerun);
    connect(document_, &Document::saved, this, &MainWindow::addRecent);
    connect(document_, &Document::closeWanted, this, &MainWindow::close);
    setTheme(ThemeKind::Light);
    refreshActions();
    resize(1366, 768);
    trees_->currentWidget()->setFocus();
}

MainWindow::~MainWindow() {
    // While they are taken apart, panes tell of themselves.
    for (const auto& [id, dock] : docks_)
        dock->disconnect(this);
}

QString MainWindow::firstLesson() {
    const QDir lessons(scenarioRoot() + "/lessons");
    const QStringList files = lessons.entryList({"*.yaml"}, QDir::Files, QDir::Name);
    return files.isEmpty() ? QString() : lessons.filePath(files.first());
}

void MainWindow::buildActions() {
    std::map<QString, QMenu*> menus;
    toolbar_->setObjectName("toolbar");
    toolbar_->setMovable(false);
    toolbar_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    for (const CommandInfo& info : commandTable()) {
        QMenu*& menu = menus[info.menu];
        if (menu == nullptr)
            menu = menuBar()->addMenu(QCoreApplication::translate("commands", info.menu));
        auto* action = new QAction(QCoreApplication::translate("commands", info.name), this);
        action->setObjectName(info.id);
        QList<QKeySequence> keys;
        for (const QString& key : QString(info.keys).split("; ", Qt::SkipEmptyParts))
            keys << QKeySequence(key);
        action->setShortcuts(keys);
        const QString help = QCoreApplication::translate("commands", info.help);
        const QString shown = keys.isEmpty() ? QString() : " (" + keys.first().toString(QKeySequence::NativeText) + ")";
        action->setToolTip(help + shown);
        action->setStatusTip(help);
        connect(action, &QAction::triggered, this, [this, command = info.command] { perform(command); });
        menu->addAction(action);
        addAction(action);
        if (info.inToolbar)
            toolbar_->addAction(action);
        if (info.command == Command::Open || info.command == Command::Run || info.command == Command::BreakLine)
            toolbar_->addSeparator();
        actions_[info.command] = action;
    }
    for (const Command command : {Command::Run, Command::OutOfCallBack, Command::RunToCursor, Command::ClearBreaks})
        menus["&Run"]->insertSeparator(actions_.at(command));
    for (const Command command : {Command::NextChange, Command::NextFrozen, Command::MarkA})
        menus["&Go"]->insertSeparator(actions_.at(command));
    for (const Command command : {Command::Matrix, Command::ToggleTheme, Command::ZoomIn, Command::Presentation, Command::PresetDebug})
        menus["&View"]->insertSeparator(actions_.at(command));
    // At the right end: how the trees are shown.
    auto* room = new QWidget(toolbar_);
    room->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    toolbar_->addWidget(room);
    for (const QString& name : {tr("List"), tr("Tables"), tr("Map")}) {
        auto* button = new QToolButton(toolbar_);
        button->setText(name);
        button->setCheckable(true);
        button->setAutoRaise(true);
        button->setFocusPolicy(Qt::NoFocus);
        const auto command = static_cast<Command>(static_cast<std::size_t>(Command::FormList) + formButtons_.size());
        connect(button, &QToolButton::clicked, this, [this, command] {
            perform(command);
            refreshActions();
        });
        toolbar_->addWidget(button);
        formButtons_.push_back(button);
    }
    for (std::size_t i = 0; i < formButtons_.size(); ++i)
        formButtons_[i]->setToolTip(actions_.at(static_cast<Command>(static_cast<std::size_t>(Command::FormList) + i))->toolTip());
    for (const Command command : {Command::Presentation, Command::FullScreen, Command::HighContrast})
        actions_.at(command)->setCheckable(true);
    buildFileMenus(menus);
}

void MainWindow::setTheme(ThemeKind kind) {
    context_.setTheme(kind);
    applyTheme(*qApp, context_.theme());
    for (const CommandInfo& info : commandTable())
        if (info.icon)
            actions_.at(info.command)->setIcon(makeIcon(*info.icon, context_.theme().text, context_.theme().violation));
    actions_.at(Command::HighContrast)->setChecked(kind == ThemeKind::HighContrast);
}

void MainWindow::say(const QString& text, int milliseconds) { statusBar()->showMessage(text, milliseconds); }

void MainWindow::showBusy(const QString& what) {
    busyWith_ = what;
    say(what, 0);
    busyLater_.start();
}

void MainWindow::start(Opening opening, const QString& what, const QString& name, const QString& text) {
    opening_ = std::move(opening);
    showBusy(what);
    job_.startText(name, text);
}

void MainWindow::open(const QString& file, std::optional<u64> at) {
    const QString what = tr("Running %1 …").arg(file);
    if (auto draft = document_->draftOf(file)) {
        // As it was left: what is seen in the editor is what is run.
        QFile in(file);
        const QString text = in.open(QIODevice::ReadOnly) ? QString::fromUtf8(in.readAll()) : QString();
        start({{file, {}, text, draft, {}}, at, false, false}, what, file, *draft);
        return;
    }
    opening_ = {{file, {}, {}, {}, {}}, at, false, false};
    showBusy(what);
    job_.start(file);
}

void MainWindow::openText(const QString& title, const QString& text, std::optional<u64> at) {
    start({{{}, title, text, {}, {}}, at, false, false}, tr("Running %1 …").arg(title), title, text);
}

void MainWindow::rerun() {
    const QString name = document_->file().isEmpty() ? tr("script") : document_->file();
    start({{}, {}, true, true}, tr("Running the edited script …"), name, script_->text());
}

void MainWindow::branch(const WhatIf& what) {
    Session* session = context_.session();
    if (session == nullptr)
        return;
    const QString text = QString::fromStdString(branchOf(*session, session->position(), what));
    start({{{}, tr("branch"), text, {}, {}}, {}, true, false}, tr("What if %1 …").arg(QString::fromStdString(what.text)), tr("branch"),
          text);
}

void MainWindow::loaded() {
    busy_->hide();
    cancel_->hide();
    auto session = job_.take();
    u64 at = opening_.at ? std::min(*opening_.at, session->end()) : session->openingPosition();
    std::optional<Selection> selection;
    StopPoints stops;
    const bool stays = opening_.stays && context_.session() != nullptr;
    if (stays) {
        // As far as both runs are the same, the moment is, too.
        at = std::min({context_.position(), context_.session()->commonPrefix(*session, context_.position()), session->end()});
        selection = context_.selection();
        stops = context_.stops();
    }
    title_ = QString::fromStdString(session->scenario().title);
    const bool ok = session->runner().ok();
    if (!opening_.edited) {
        Document::Script script = opening_.script;
        if (!script.draft)
            script.text = QString::fromStdString(session->scenario().source);
        document_->show(script);
    }
    settingSession_ = true; // that the bookmarks go with the session is nothing to remember
    context_.setSession(std::move(session), at);
    settingSession_ = false;
    if (stays) {
        context_.select(selection);
        context_.stops() = std::move(stops);
        context_.stopsWereChanged();
    }
    const QString file = QString::fromStdString(context_.session()->scenario().file);
    if (title_.isEmpty())
        title_ = document_->name();
    updateTitle();
    const std::size_t violations = context_.session()->violations().size();
    say(tr("%1: %2 micro-steps, %3")
            .arg(QFileInfo(file).fileName(), QLocale().toString(static_cast<qulonglong>(context_.session()->end())),
                 !ok               ? tr("NOT everything holds")
                 : violations == 0 ? tr("everything holds")
                 : violations == 1 ? tr("1 violation, as the scenario says")
                                   : tr("%1 violations, as the scenario says").arg(violations)),
        0);
    if (!document_->file().isEmpty()) {
        addRecent(document_->file());
        readBookmarks();
    }
    refreshActions();
    Q_EMIT opened(true);
}

void MainWindow::updateTitle() {
    setWindowTitle((title_.isEmpty() ? QString() : title_ + "[*] — ") + "Mirrorscope");
    setWindowModified(document_->isModified() && !title_.isEmpty());
}

void MainWindow::failed(const QString& message, unsigned line, unsigned column) {
    busy_->hide();
    cancel_->hide();
    banner_->showError(message);
    if (!opening_.edited && (line > 0 || opening_.script.draft)) {
        // The script is there to be mended, beside the last good picture.
        Document::Script script = opening_.script;
        if (QFile file(script.file); script.text.isEmpty() && file.open(QIODevice::ReadOnly))
            script.text = QString::fromUtf8(file.read(1 << 24));
        document_->show(script);
        title_ = document_->name();
        updateTitle();
    }
    script_->showError(line, column, message);
    say(message, 0);
    Q_EMIT opened(false);
}

bool MainWindow::save(const QString& file) { return document_->save(file); }

void MainWindow::closeEvent(QCloseEvent* event) {
    if (!document_->mayClose()) {
        event->ignore();
        return;
    }
    document_->release();
    job_.cancel();
    export_.cancel();
    if (settings_)
        saveSettings();
    QMainWindow::closeEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (event->mimeData()->hasUrls() && event->mimeData()->urls().first().isLocalFile())
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
    event->acceptProposedAction();
    open(event->mimeData()->urls().first().toLocalFile());
}

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
    enable({Command::GoTo, Command::WhatIf, Command::MarkA, Command::MarkB, Command::Bookmark, Command::RunToCursor, Command::Find,
            Command::Rerun, Command::SaveAs, Command::CopyText},
           any);
    enable({Command::Save}, any && (document_->isModified() || document_->file().isEmpty()));
    enable({Command::ClearMarks}, context_.marker(0) || context_.marker(1));
    enable({Command::ClearBreaks}, !context_.stops().empty());
    enable({Command::ShowAllStates}, context_.dimmed() != 0);
    enable({Command::Reload}, !document_->file().isEmpty());
    if (exportMenu_ != nullptr)
        exportMenu_->setEnabled(any);
    for (std::size_t i = 0; i < formButtons_.size(); ++i)
        formButtons_[i]->setChecked(static_cast<std::size_t>(trees_->form()) == i);
}

void MainWindow::perform(Command command) {
    if (performAlways(command) || context_.session() == nullptr)
        return;
    performHere(command);
}

// What needs no session.
bool MainWindow::performAlways(Command command) {
    const auto show = [this](const QString& id) {
        docks_.at(id)->show();
        docks_.at(id)->raise();
    };
    switch (command) {
    case Command::New: askNewMachine(); return true;
    case Command::Open: {
        const QString file = QFileDialog::getOpenFileName(
            this, tr("Open a scenario"), document_->file().isEmpty() ? scenarioRoot() : QFileInfo(document_->file()).path(),
            tr("Scenarios (*.yaml *.yml)"));
        if (!file.isEmpty())
            open(file);
        return true;
    }
    case Command::SaveAs: {
        const QString file = QFileDialog::getSaveFileName(
            this, tr("Save the script"), document_->file().isEmpty() ? "scenario.yaml" : document_->file(), tr("Scenarios (*.yaml *.yml)"));
        if (!file.isEmpty())
            save(file);
        return true;
    }
    case Command::Save:
        if (document_->file().isEmpty())
            return performAlways(Command::SaveAs);
        save(document_->file());
        return true;
    case Command::Reload:
        if (!document_->file().isEmpty() && !document_->reload())
            say(tr("%1 cannot be read.").arg(document_->file()), 0);
        return true;
    case Command::Quit: close(); return true;
    case Command::Palette: showPalette(); return true;
    case Command::ToggleTheme: setTheme(context_.theme().dark ? ThemeKind::Light : ThemeKind::Dark); return true;
    case Command::HighContrast:
        setTheme(context_.theme().kind == ThemeKind::HighContrast ? ThemeKind::Light : ThemeKind::HighContrast);
        return true;
    case Command::Matrix: showMatrix(); return true;
    case Command::Explore:
        show("explore");
        explore_->startOrCancel();
        return true;
    case Command::Console:
        show("console");
        console_->setFocus();
        return true;
    case Command::Find:
        show("events");
        find_->focusFilter();
        return true;
    case Command::ZoomIn: zoomText(1.1); return true;
    case Command::ZoomOut: zoomText(1 / 1.1); return true;
    case Command::ZoomReset: zoomText(0); return true;
    case Command::Presentation: setPresentation(presentationSize_ == 0); return true;
    case Command::FullScreen:
        setWindowState(windowState() ^ Qt::WindowFullScreen);
        actions_.at(Command::FullScreen)->setChecked(isFullScreen());
        return true;
    case Command::FormList: trees_->setForm(TreeForm::List); return true;
    case Command::FormNodes: trees_->setForm(TreeForm::Nodes); return true;
    case Command::FormMap: trees_->setForm(TreeForm::Map); return true;
    case Command::NextForm: trees_->setForm(static_cast<TreeForm>((static_cast<int>(trees_->form()) + 1) % 3)); return true;
    case Command::ShowAllStates: context_.setDimmed(0); return true;
    case Command::PresetDebug: setLayout(Layout::Debug); return true;
    case Command::PresetTeach: setLayout(Layout::Teach); return true;
    case Command::PresetReview: setLayout(Layout::Review); return true;
    case Command::PresetTrace: setLayout(Layout::Trace); return true;
    case Command::Help: showHelp(); return true;
    case Command::Keys: showKeys(); return true;
    case Command::FrameTimes: showFrameTimes(); return true;
    case Command::About:
        say(tr("Mirrorscope %1: Linux v6.16 KVM and the TDX module 1.5, modelled step by step. GPL-3.0-or-later.").arg(MIRRORSCOPE_VERSION),
            0);
        return true;
    default: return false;
    }
}

void MainWindow::breakAt(unsigned line) {
    if (!context_.toggleLine(line))
        say(tr("No step stands at line %1: a run stops where a step begins.").arg(line));
}

void MainWindow::performHere(Command command) {
    Session* session = context_.session();
    const u64 at = session->position();
    const auto goTo = [&](std::optional<u64> position, const QString& none) {
        if (position)
            context_.goTo(*position);
        else
            say(none);
    };
    switch (command) {
    case Command::Restart: context_.goTo(0); return;
    case Command::RunBack: debugger_->run("reverse-continue"); return;
    case Command::ScriptBack: context_.goTo(session->previousScriptPosition(at)); return;
    case Command::MicroBack: context_.goTo(at - 1); return;
    case Command::MicroForward: context_.goTo(at + 1); return;
    case Command::ScriptForward: context_.goTo(session->nextScriptPosition(at)); return;
    case Command::Run: debugger_->run("continue"); return;
    case Command::OverCall: context_.goTo(session->overCall(at)); return;
    case Command::OverCallBack: context_.goTo(session->overCallBack(at)); return;
    case Command::OutOfCall: context_.goTo(session->outOfCall(at)); return;
    case Command::OutOfCallBack: context_.goTo(session->outOfCallBack(at)); return;
    case Command::RunToCursor:
        goTo(session->positionOfLine(script_->cursorLine(), at), tr("No step of line %1 runs.").arg(script_->cursorLine()));
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
    case Command::NextFrozen:
    case Command::PreviousFrozen:
        goTo(command == Command::NextFrozen ? session->nextSite(Site::SpteFreeze, at) : session->previousSite(Site::SpteFreeze, at),
             command == Command::NextFrozen ? tr("No entry is frozen any more.") : tr("No entry was frozen before."));
        if (context_.position() != at)
            if (const auto frozen = session->frozenNearby())
                context_.select(frozen);
        return;
    case Command::NextViolation: goTo(session->nextViolation(at), tr("No rule is violated any more.")); return;
    case Command::PreviousViolation: goTo(session->previousViolation(at), tr("No rule was violated before.")); return;
    case Command::NextSameSite:
    case Command::PreviousSameSite:
        if (at == 0) {
            say(tr("No micro-step was taken yet."));
            return;
        }
        goTo(command == Command::NextSameSite ? session->nextSite(session->stepBrief(at - 1).second, at)
                                              : session->previousSite(session->stepBrief(at - 1).second, at),
             tr("There is no other."));
        return;
    case Command::MarkA: context_.setMarker(0, at); break;
    case Command::MarkB: context_.setMarker(1, at); break;
    case Command::ClearMarks:
        context_.setMarker(0, {});
        context_.setMarker(1, {});
        return;
    case Command::Bookmark:
        docks_.at("bookmarks")->show();
        docks_.at("bookmarks")->raise();
        if (std::none_of(context_.bookmarks().begin(), context_.bookmarks().end(), [&](const Bookmark& b) { return b.position == at; }))
            context_.setBookmark(at, QString::fromStdString(session->sentence(at)));
        bookmarks_->edit(at);
        return;
    case Command::GoTo: askPlace(); return;
    case Command::WhatIf: {
        const auto& s = context_.selection();
        makeContextMenu(s ? *s : Selection{Column::Shared, {0}, Level::k4K})->popup(mapToGlobal(trees_->geometry().center()));
        return;
    }
    case Command::Rerun: rerun(); return;
    case Command::CopyText:
        QApplication::clipboard()->setText(paneAsText());
        say(tr("Copied."));
        return;
    default: return;
    }
    // A marker was set: with both there is something to see.
    if (context_.difference()) {
        docks_.at("difference")->show();
        docks_.at("difference")->raise();
    }
}

} // namespace mirrorscope::views
