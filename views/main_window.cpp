// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/main_window.h"

#include "scenario/catalogue.h"
#include "scenario/presets.h"
#include "session/branch.h"
#include "trace/recorded.h"
#include "views/charts/charts_view.h"
#include "views/debug/console_view.h"
#include "views/debug/debugger.h"
#include "views/difference/difference_view.h"
#include "views/explore/compare_job.h"
#include "views/explore/explore_view.h"
#include "views/find/find_view.h"
#include "views/help/glossary_tip.h"
#include "views/inspector/inspector_view.h"
#include "views/notice_bar.h"
#include "views/palette.h"
#include "views/record_job.h"
#include "views/script/line_map.h"
#include "views/script/script_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/banner.h"
#include "views/trees/legend.h"
#include "views/trees/roots_strip.h"
#include "views/trees/tree_pane.h"
#include "views/trees/variant_bar.h"
#include "views/visits.h"

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
#include <QLabel>
#include <QLocale>
#include <QMenuBar>
#include <QMimeData>
#include <QProgressBar>
#include <QStatusBar>
#include <QToolBar>
#include <QToolButton>
#include <QVBoxLayout>

#include <set>

namespace mirrorscope::views {

namespace {
constexpr int kBusyAfter = 300; // milliseconds
std::vector<Override> overridesOf(const QString& variant) {
    return variant.isEmpty() ? std::vector<Override>{} : std::vector<Override>{{std::string(kVariant), variant.toStdString()}};
}
QString counted(u64 n) { return QLocale().toString(static_cast<qulonglong>(n)); }
} // namespace

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent), textSize_(font().pointSizeF()), banner_(new Banner(context_, this)), variants_(new VariantBar(context_, this)),
      roots_(new RootsStrip(context_, this)), notice_(new NoticeBar(context_, this)), trees_(new TreePane(context_, this)),
      legend_(new Legend(context_, this)), script_(new ScriptView(context_, this)), inspector_(new InspectorView(context_, this)),
      explore_(new ExploreView(context_, this)), timeline_(new TimelineView(context_, this)), find_(new FindView(context_, this)),
      charts_(new ChartsView(context_, this)), bookmarks_(new BookmarksView(context_, this)), debugger_(new Debugger(context_, this)),
      visits_(new Visits(this)), summary_(new QLabel(this)), console_(new ConsoleView(context_, *debugger_, this)),
      palette_(new Palette(this)), toolbar_(addToolBar(tr("Run"))), busy_(new QProgressBar(this)), cancel_(new QToolButton(this)) {
    document_ = new Document(*script_, *notice_, this);
    compare_ = new CompareJob(context_, this);
    connect(compare_, &CompareJob::opened, this, &MainWindow::saySummary);
    connect(palette_, &Palette::refused, this, [this](const QString& why) { say(why); });
    connect(compare_, &CompareJob::failed, this, [this](const QString& problem) { say(problem, 0); });
    record_ = new RecordJob(this);
    connect(record_, &RecordJob::ended, this, [this](const QString& file, const QString& problem) {
        if (notice_->text() == recordingText(file)) // and nothing else took its place
            notice_->hide();
        refreshActions();
        if (problem.isEmpty())
            open(file);
        else
            say(problem, 0);
    });
    setObjectName("main");
    setWindowTitle("Mirrorscope");
    setAcceptDrops(true);
    auto* centre = new QWidget(this);
    auto* layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(notice_);
    layout->addWidget(banner_);
    layout->addWidget(variants_);
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
    summary_->setObjectName("summary");
    summary_->setMinimumWidth(10);
    statusBar()->addWidget(summary_, 1);
    busyLater_.setSingleShot(true);
    busyLater_.setInterval(kBusyAfter);
    connect(&busyLater_, &QTimer::timeout, this, [this] {
        if (!busy())
            return;
        busy_->show();
        cancel_->show();
        if (job_.running())
            say(tr("%1 %2 micro-steps").arg(busyWith_, counted(job_.steps())), 0);
        busyLater_.start();
    });
    connect(cancel_, &QToolButton::clicked, this, [this] {
        const bool loading = job_.running();
        job_.cancel();
        export_.cancel();
        busy_->hide();
        cancel_->hide();
        if (loading && previewAt_)
            say(tr("Given up: what is shown is the first %1 micro-steps of a longer run.").arg(counted(context_.session()->end())), 0);
        else
            say(tr("Cancelled."));
        previewAt_.reset();
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
    connect(&job_, &LoadJob::previewed, this, &MainWindow::previewed);
    connect(&job_, &LoadJob::loaded, this, &MainWindow::loaded);
    connect(&job_, &LoadJob::failed, this, &MainWindow::failed);
    connect(&export_, &ExportJob::finished, this, [this](const QString& problem) {
        busy_->hide();
        cancel_->hide();
        if (problem.isEmpty())
            say(tr("Exported to %1").arg(exportedTo_), 0);
        else
            say(problem, 0);
        Q_EMIT exported(problem.isEmpty());
    });
    connect(explore_, &ExploreView::orderChosen, this, [this](const QString& title, const QString& text, std::optional<u64> at) {
        start({.script = {{}, title, text}, .at = at, .branched = true}, tr("Running %1 …").arg(title), title, text);
    });
    connect(variants_, &VariantBar::chosen, this, &MainWindow::chooseVariant);
    connect(&context_, &Context::positionChanged, this, &MainWindow::markDone);
    connect(visits_, &Visits::changed, this, &MainWindow::refreshActions);
    new GlossaryTip(this);
    connect(charts_, &ChartsView::said, this, [this](const QString& text) { say(text); });
    const auto momentMenu = [this](const QPoint& at, u64 n) { makeMomentMenu(n)->popup(at); };
    connect(timeline_, &TimelineView::menuWanted, this, momentMenu);
    connect(find_, &FindView::menuWanted, this, momentMenu);
    connect(inspector_, &InspectorView::menuWanted, this, momentMenu);
    connect(timeline_, &TimelineView::bookmarkWanted, this, [this] { perform(Command::Bookmark); });
    connect(script_, &ScriptView::left, this, [this] { trees_->currentWidget()->setFocus(); });
    connect(script_, &ScriptView::edited, this, &MainWindow::refreshActions);
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
        start({.script = {{}, draft.title, {}, draft.text, draft.key}}, tr("Running %1 …").arg(draft.title), draft.title, draft.text);
    });
    connect(document_, &Document::rerunWanted, this, &MainWindow::rerun);
    connect(document_, &Document::saved, this, &MainWindow::addRecent);
    connect(document_, &Document::closeWanted, this, &MainWindow::close);
    connect(document_, &Document::saveAsWanted, this, [this] { perform(Command::SaveAs); });
    setTheme(ThemeKind::Light);
    refreshActions();
    resize(1366, 768);
    trees_->currentWidget()->setFocus();
}

MainWindow::~MainWindow() {
    // While they are taken apart, panes tell of themselves.
    for (const auto& [id, dock] : docks_)
        dock->disconnect(this);
    // They look at the context as long as they live, also while they are hidden: they go before it does.
    hide();
    for (const auto& [id, dock] : docks_)
        delete dock;
    delete takeCentralWidget();
}

QString MainWindow::firstLesson() { return QString::fromStdString(std::string(scenarioFolder()) + "/lessons/01-first-private-page.yaml"); }

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
    // First the palette: links take their colour from it when their text is set.
    applyTheme(*qApp, makeTheme(kind));
    context_.setTheme(kind);
    for (const CommandInfo& info : commandTable())
        if (info.icon)
            actions_.at(info.command)->setIcon(makeIcon(*info.icon, context_.theme().text, context_.theme().violation));
    actions_.at(Command::HighContrast)->setChecked(kind == ThemeKind::HighContrast);
}

void MainWindow::say(const QString& text, int milliseconds) {
    // What stays is seen again when a menu's help has gone.
    if (milliseconds == 0) {
        summary_->setText(text);
        statusBar()->clearMessage();
    } else {
        statusBar()->showMessage(text, milliseconds);
    }
}

QString MainWindow::saying() const {
    const QString now = statusBar()->currentMessage();
    return now.isEmpty() ? summary_->text() : now;
}

void MainWindow::showBusy(const QString& what) {
    busyWith_ = what;
    say(what, 0);
    busyLater_.start();
    context_.setNothingYet(Context::tr("Reading the scenario…"));
}

void MainWindow::begin(Opening opening, const QString& what) {
    opening_ = std::move(opening);
    previewAt_.reset();
    showBusy(what);
}

void MainWindow::start(Opening opening, const QString& what, const QString& name, const QString& text) {
    begin(std::move(opening), what);
    job_.startText(name, text, !opening_.stays && !opening_.branched, overridesOf(opening_.variant));
}

void MainWindow::openScene(const QString& file) {
    open(file);
    opening_.scene = true;
}

void MainWindow::open(const QString& file, std::optional<u64> at, const QString& variant) {
    const QString what = tr("Running %1 …").arg(file);
    if (auto draft = document_->draftOf(file)) {
        // As it was left: what is seen in the editor is what is run.
        QFile in(file);
        const QString text = in.open(QIODevice::ReadOnly) ? QString::fromUtf8(in.readAll()) : QString();
        start({.script = {file, {}, text, draft}, .at = at, .variant = variant}, what, file, *draft);
        return;
    }
    begin({.script = {file, {}, {}}, .at = at, .variant = variant}, what);
    job_.start(file, overridesOf(variant));
}

void MainWindow::openText(const QString& title, const QString& text, std::optional<u64> at) {
    start({.script = {{}, title, text}, .at = at}, tr("Running %1 …").arg(title), title, text);
}

void MainWindow::rerun() { chooseVariant(variant()); }

void MainWindow::chooseVariant(const QString& chosen) {
    if (context_.isRecording()) { // it has no script
        open(QString::fromStdString(context_.session()->scenario().file), context_.position(), chosen);
        return;
    }
    const QString name = document_->file().isEmpty() ? tr("script") : document_->file();
    start({.stays = true, .edited = true, .variant = chosen},
          chosen.isEmpty() ? tr("Running the script as it stands …") : tr("Running the script, variant %1 …").arg(chosen), name,
          script_->text());
}

QString MainWindow::variant() const {
    return context_.session() == nullptr ? QString() : QString::fromStdString(context_.session()->scenario().variant());
}

void MainWindow::branch(const WhatIf& what) {
    Session* session = context_.session();
    if (session == nullptr)
        return;
    const QString text = QString::fromStdString(branchOf(*session, session->position(), what));
    const QString name = tr("what if %1").arg(QString::fromStdString(what.text));
    start({.script = {{}, name, text}, .stays = true, .branched = true}, tr("What if %1 …").arg(QString::fromStdString(what.text)), name,
          text);
}

void MainWindow::previewed() {
    showRun(job_.take(), false);
    const QString name = document_->name(), count = counted(context_.session()->end());
    busyWith_ = context_.isRecording() ? tr("%1: the first %2 events; the rest is being read:").arg(name, count)
                                       : tr("%1: the first %2 micro-steps; the rest is being run:").arg(name, count);
    say(busyWith_, 0);
    Q_EMIT begun();
}

void MainWindow::loaded() {
    busy_->hide();
    cancel_->hide();
    const bool opensThere = !opening_.at && !(opening_.stays && context_.session() != nullptr);
    showRun(job_.take(), true);
    say(summaryOf(*context_.session(), opensThere), 0);
    Q_EMIT opened(true);
}

void MainWindow::showRun(std::unique_ptr<Session> session, bool whole) {
    u64 at = opening_.at                                    ? std::min(*opening_.at, session->end())
             : opening_.scene && !session->pauses().empty() ? session->pauses().front()
                                                            : session->openingPosition();
    title_ = QString::fromStdString(session->scenario().title);
    if (const std::size_t lesson = lessonNumber(opening_.script.file.toStdString()); lesson > 0)
        title_ = tr("Lesson %1: %2").arg(lesson).arg(title_);
    settingSession_ = true; // that the bookmarks go with the session is nothing to remember
    const bool goesOn = previewAt_.has_value();
    if (goesOn) {
        // The same run, now with its rest: who has gone somewhere stays there.
        if (context_.position() != *previewAt_)
            at = context_.position();
        context_.extendSession(std::move(session), at);
    } else {
        std::optional<Selection> selection;
        StopPoints stops;
        const bool stays = opening_.stays && context_.session() != nullptr;
        if (stays) {
            // As far as both runs are the same, the moment is, too.
            at = std::min({context_.position(), context_.session()->commonPrefix(*session, context_.position()), session->end()});
            selection = context_.selection();
            stops = context_.stops();
            const LineMap moved(context_.session()->scenario().source, session->scenario().source);
            // Those whose lines are there still go first: of two that come to one line, one is enough.
            std::set<unsigned> taken;
            for (const bool there : {true, false})
                for (const StopPoint& point : context_.stops().all())
                    if (point.kind == StopPoint::Kind::Line && moved.toNow(point.line).has_value() == there) {
                        if (const unsigned line = moved.near(point.line); taken.insert(line).second)
                            stops.moveToLine(point.id, line);
                        else
                            stops.remove(point.id);
                    }
        }
        noteVisit(opening_);
        if (!opening_.edited) {
            Document::Script script = opening_.script;
            if (!script.draft)
                script.text = QString::fromStdString(session->scenario().source);
            // What stands in the editor is not the file of a recording, and must never be saved over it.
            if (session->recorded() != nullptr)
                script = {{}, QFileInfo(script.file).fileName(), script.text, {}, {}};
            document_->show(script);
            visits_->own(document_->current().key);
        }
        context_.setSession(std::move(session), at);
        if (stays) {
            context_.select(selection);
            context_.stops() = std::move(stops);
            context_.stopsWereChanged();
        }
    }
    previewAt_ = whole ? std::nullopt : std::optional<u64>(at);
    if (title_.isEmpty())
        title_ = document_->name();
    updateTitle();
    if (!document_->file().isEmpty()) {
        addRecent(document_->file());
        readBookmarks();
    } else if (context_.isRecording()) {
        if (!opening_.script.file.isEmpty())
            addRecent(QFileInfo(opening_.script.file).absoluteFilePath());
        if (!goesOn)
            showPane("events");
    }
    // A recording has no script: the story, which sums it up, has its room.
    const bool recorded = context_.isRecording();
    if (recorded != std::exchange(scriptAway_, recorded) || recorded)
        docks_.at("script")->setVisible(!recorded);
    settingSession_ = false;
    refreshActions();
}

// Where one begins to read, and why there.
void MainWindow::saySummary() { say(context_.session() != nullptr ? summaryOf(*context_.session(), false) : QString(), 0); }

QString MainWindow::summaryOf(const Session& session, bool opensThere) const {
    const QString file = QFileInfo(QString::fromStdString(session.scenario().file)).fileName();
    const std::size_t violations = session.violations().size();
    if (const RecordedKernel* recorded = session.recorded()) {
        const QString kernel = text(name(recorded->kernel));
        const bool snapshot = recorded->isSnapshot();
        const QString what = (snapshot ? tr("%1: a snapshot of %2 entries, %3") : tr("%1: %2 events of a kernel, %3"))
                                 .arg(kernel.isEmpty() ? file : tr("%1, as of %2").arg(file, kernel),
                                      counted(snapshot ? recorded->transitions : session.end()),
                                      recorded->findingCount == 0
                                          ? (snapshot ? tr("each as such a kernel makes it") : tr("each change as such a kernel makes it"))
                                      : recorded->findingCount == 1 ? tr("1 finding")
                                                                    : tr("%1 findings").arg(counted(recorded->findingCount)));
        return !opensThere || session.position() == 0 || (snapshot && recorded->findingCount == 0) ? what
               : session.opening() == Session::Opening::Finding
                   ? what + tr(" · opened at the first finding, position %1").arg(counted(session.position()))
                   : what + tr(" · opened where most is mapped, position %1").arg(counted(session.position()));
    }
    const std::string variant = session.scenario().variant();
    QString summary =
        tr("%1: %2 micro-steps, %3")
            .arg(variant.empty() ? file : tr("%1, variant %2").arg(file, QString::fromStdString(variant)), counted(session.end()),
                 !session.verdict().ok  ? tr("NOT everything holds")
                 : violations == 1      ? tr("1 violation, as the scenario says")
                 : violations > 1       ? tr("%1 violations, as the scenario says").arg(violations)
                 : session.vmEndsDead() ? tr("the VM ends dead, as the scenario says")
                                        : tr("everything holds"));
    if (opensThere && session.position() == 0 && session.opening() == Session::Opening::Beginning)
        return summary + tr(" · begin with the story on the left; F10 is the next step");
    const bool scene = opening_.scene && !session.pauses().empty();
    const Session::Opening why = scene ? Session::Opening::Pause : session.opening();
    if (!opensThere || session.position() == 0 || session.position() != (scene ? session.pauses().front() : session.openingPosition()))
        return summary;
    return summary + " · " +
           (why == Session::Opening::Pause ? tr("opened at its pause, position %1; Ctrl+Shift+F5 goes to the beginning")
            : why == Session::Opening::Frozen
                ? tr("opened where an entry is frozen first, position %1; Ctrl+Shift+F5 goes to the beginning")
                : tr("opened at its end, position %1; Ctrl+Shift+F5 goes to the beginning"))
               .arg(counted(session.position()));
}

void MainWindow::updateTitle() {
    setWindowTitle((title_.isEmpty() ? QString() : title_ + "[*] — ") + "Mirrorscope");
    setWindowModified(document_->isModified() && !title_.isEmpty());
}

void MainWindow::failed(const QString& message, unsigned line, unsigned column) {
    const bool begun = std::exchange(previewAt_, std::nullopt).has_value();
    busy_->hide();
    cancel_->hide();
    banner_->showError(message);
    context_.setNothingYet(tr("Nothing has run yet."));
    if (!begun && !opening_.edited && (line > 0 || opening_.script.draft)) {
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
    hide(); // at once; what is left to do is not watched
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

} // namespace mirrorscope::views
