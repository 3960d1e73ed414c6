// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/main_window.h"

#include "scenario/presets.h"
#include "views/explore/explore_view.h"
#include "views/inspector/inspector_view.h"
#include "views/lesson/story_view.h"
#include "views/script/script_view.h"
#include "views/tdx/frames_view.h"
#include "views/tdx/matrix_view.h"
#include "views/tdx/td_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/banner.h"
#include "views/trees/legend.h"
#include "views/trees/roots_strip.h"
#include "views/trees/trees_view.h"

#include <QApplication>
#include <QDir>
#include <QDockWidget>
#include <QFile>
#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QMenuBar>
#include <QMessageBox>
#include <QStatusBar>
#include <QTabWidget>
#include <QToolBar>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
QString scenarioRoot() { return QString::fromStdString(scenarioFolder()); }
} // namespace

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent), textSize_(font().pointSizeF()), banner_(new Banner(context_, this)), trees_(new TreesView(context_, this)),
      script_(new ScriptView(context_, this)), inspector_(new InspectorView(context_, this)), explore_(new ExploreView(context_, this)),
      toolbar_(addToolBar("Run")) {
    setObjectName("main");
    setWindowTitle("Mirrorscope");
    auto* centre = new QWidget(this);
    auto* layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(banner_);
    layout->addWidget(new RootsStrip(context_, centre));
    layout->addWidget(trees_, 1);
    layout->addWidget(new Legend(context_, centre));
    setCentralWidget(centre);
    buildActions();
    buildDocks();
    connect(&context_, &Context::positionChanged, this, &MainWindow::refreshActions);
    connect(&context_, &Context::selectionChanged, this, &MainWindow::refreshActions);
    connect(&job_, &LoadJob::loaded, this, &MainWindow::loaded);
    connect(&job_, &LoadJob::failed, this, &MainWindow::failed);
    setDark(false);
    refreshActions();
    resize(1366, 768);
    trees_->setFocus();
}

MainWindow::~MainWindow() = default;

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
            menu = menuBar()->addMenu(info.menu);
        auto* action = new QAction(info.name, this);
        QList<QKeySequence> keys;
        for (const QString& key : QString(info.keys).split("; ", Qt::SkipEmptyParts))
            keys << QKeySequence(key);
        action->setShortcuts(keys);
        const QString shown = keys.isEmpty() ? QString() : " (" + keys.first().toString(QKeySequence::NativeText) + ")";
        action->setToolTip(QString(info.help) + shown);
        action->setStatusTip(info.help);
        connect(action, &QAction::triggered, this, [this, command = info.command] { perform(command); });
        menu->addAction(action);
        addAction(action);
        if (info.inToolbar)
            toolbar_->addAction(action);
        if (info.command == Command::Open || info.command == Command::Run || info.command == Command::BreakLine)
            toolbar_->addSeparator();
        actions_[info.command] = action;
    }
    // The lessons, read when the menu is opened.
    auto* lessons = new QMenu("&Lessons", this);
    menuBar()->insertMenu(menus["&Run"]->menuAction(), lessons);
    connect(lessons, &QMenu::aboutToShow, this, [this, lessons] {
        lessons->clear();
        const QDir dir(scenarioRoot() + "/lessons");
        for (const QString& name : dir.entryList({"*.yaml"}, QDir::Files, QDir::Name)) {
            QString title = QFileInfo(name).completeBaseName();
            connect(lessons->addAction(title.replace('-', ' ')), &QAction::triggered, this,
                    [this, path = dir.filePath(name)] { open(path); });
        }
    });
}

QDockWidget* MainWindow::dock(const QString& title, QWidget* content, Qt::DockWidgetArea area) {
    auto* dock = new QDockWidget(title, this);
    dock->setObjectName("dock-" + title);
    dock->setWidget(content);
    dock->setFeatures(QDockWidget::DockWidgetMovable | QDockWidget::DockWidgetClosable);
    addDockWidget(area, dock);
    for (QMenu* menu : menuBar()->findChildren<QMenu*>())
        if (menu->title() == "&View")
            menu->addAction(dock->toggleViewAction());
    return dock;
}

void MainWindow::buildDocks() {
    QDockWidget* story = dock("Story", new StoryView(context_, this), Qt::LeftDockWidgetArea);
    QDockWidget* script = dock("Script", script_, Qt::LeftDockWidgetArea);
    QDockWidget* inspector = dock("Inspector", inspector_, Qt::RightDockWidgetArea);
    QDockWidget* td = dock("TD", new TdPane(context_, this), Qt::RightDockWidgetArea);
    QDockWidget* frames = dock("Frames", new FramesView(context_, this), Qt::RightDockWidgetArea);
    tabifyDockWidget(inspector, td);
    exploreDock_ = dock("Explore", explore_, Qt::RightDockWidgetArea);
    tabifyDockWidget(td, frames);
    tabifyDockWidget(frames, exploreDock_);
    connect(explore_, &ExploreView::orderChosen, this, &MainWindow::openText);
    inspector->raise();
    setTabPosition(Qt::RightDockWidgetArea, QTabWidget::North);
    QDockWidget* timeline = dock("Timeline", new TimelineView(context_, this), Qt::BottomDockWidgetArea);
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    resizeDocks({story, script}, {320, 380}, Qt::Vertical);
    resizeDocks({story, inspector}, {330, 320}, Qt::Horizontal);
    resizeDocks({timeline}, {170}, Qt::Vertical);
}

void MainWindow::setDark(bool dark) {
    context_.setDark(dark);
    applyTheme(*qApp, context_.theme());
    for (const CommandInfo& info : commandTable())
        if (info.icon)
            actions_.at(info.command)->setIcon(makeIcon(*info.icon, context_.theme().text, context_.theme().violation));
}

void MainWindow::open(const QString& file, std::optional<u64> at) {
    file_ = file;
    openAt_ = at;
    statusBar()->showMessage("Running " + file + " …");
    job_.start(file);
}

void MainWindow::openText(const QString& title, const QString& text, std::optional<u64> at) {
    file_.clear();
    openAt_ = at;
    statusBar()->showMessage("Running " + title + " …");
    job_.startText(title, text);
}

void MainWindow::showMatrix() {
    if (matrix_ == nullptr) {
        matrix_ = new MatrixView(context_, this);
        connect(matrix_, &MatrixView::scenarioChosen, this, [this](const QString& title, const QString& text) { openText(title, text); });
    }
    matrix_->show();
    matrix_->raise();
    matrix_->activateWindow();
}

void MainWindow::loaded() {
    auto session = job_.take();
    const u64 at = openAt_ ? std::min(*openAt_, session->end()) : session->openingPosition();
    const QString title = QString::fromStdString(session->scenario().title);
    const bool ok = session->runner().ok();
    context_.setSession(std::move(session), at);
    setWindowTitle((title.isEmpty() ? QFileInfo(file_).fileName() : title) + " — Mirrorscope");
    statusBar()->showMessage(QString("%1: %2 micro-steps, %3")
                                 .arg(QFileInfo(QString::fromStdString(context_.session()->scenario().file)).fileName())
                                 .arg(context_.session()->end())
                                 .arg(ok ? "everything holds" : "NOT everything holds"));
    refreshActions();
    Q_EMIT opened(true);
}

void MainWindow::failed(const QString& message, unsigned line, unsigned column) {
    banner_->showError(message);
    QFile file(file_);
    const QString text = line > 0 && file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.read(1 << 20)) : QString();
    if (!text.isEmpty())
        script_->showError(text, line, column);
    statusBar()->showMessage(message);
    Q_EMIT opened(false);
}

void MainWindow::refreshActions() {
    const Session* session = context_.session();
    const bool any = session != nullptr;
    const bool atStart = !any || session->position() == 0;
    const bool atEnd = !any || session->position() == session->end();
    for (const Command command : {Command::Restart, Command::RunBack, Command::ScriptBack, Command::MicroBack})
        actions_.at(command)->setEnabled(!atStart);
    for (const Command command : {Command::MicroForward, Command::ScriptForward, Command::Run})
        actions_.at(command)->setEnabled(!atEnd);
    const bool selected = any && context_.selection().has_value();
    for (const Command command : {Command::BreakEntry, Command::NextChange, Command::PreviousChange, Command::Writer})
        actions_.at(command)->setEnabled(selected);
    actions_.at(Command::GoTo)->setEnabled(any);
}

void MainWindow::perform(Command command) {
    Session* session = context_.session();
    const auto none = [this](const QString& what) { statusBar()->showMessage(what, 3000); };
    switch (command) {
    case Command::Open: {
        const QString file = QFileDialog::getOpenFileName(
            this, "Open a scenario", file_.isEmpty() ? scenarioRoot() : QFileInfo(file_).path(), "Scenarios (*.yaml *.yml)");
        if (!file.isEmpty())
            open(file);
        return;
    }
    case Command::Reload:
        if (!file_.isEmpty())
            open(file_, session ? std::optional(session->position()) : std::nullopt);
        return;
    case Command::Quit: close(); return;
    case Command::ToggleTheme: setDark(!context_.theme().dark); return;
    case Command::Matrix: showMatrix(); return;
    case Command::Explore:
        exploreDock_->show();
        exploreDock_->raise();
        explore_->startOrCancel();
        return;
    case Command::ZoomIn: zoomText(1.1); return;
    case Command::ZoomOut: zoomText(1 / 1.1); return;
    case Command::ZoomReset: zoomText(0); return;
    case Command::Keys: showKeys(); return;
    case Command::About:
        QMessageBox::about(this, "About Mirrorscope",
                           "<b>Mirrorscope " MIRRORSCOPE_VERSION
                           "</b><p>See, step and break mirrored page tables: Linux v6.16 KVM and the TDX module 1.5, "
                           "modelled step by step.<p>GPL-3.0-or-later");
        return;
    default: break; // the others need a session
    }
    if (!session)
        return;
    const u64 at = session->position();
    switch (command) {
    case Command::Restart: context_.goTo(0); return;
    case Command::RunBack: context_.goTo(session->runBack(context_.breakpoints())); return;
    case Command::ScriptBack: context_.goTo(session->previousScriptPosition(at)); return;
    case Command::MicroBack: context_.goTo(at - 1); return;
    case Command::MicroForward: context_.goTo(at + 1); return;
    case Command::ScriptForward: context_.goTo(session->nextScriptPosition(at)); return;
    case Command::Run: context_.goTo(session->runForward(context_.breakpoints())); return;
    case Command::BreakLine: context_.toggleLine(script_->cursorLine()); return;
    case Command::BreakEntry: context_.toggleSelectedEntry(); return;
    case Command::ClearBreaks: context_.clearBreakpoints(); return;
    case Command::NextChange:
        if (!inspector_->goToChange(1))
            none("The selected entry does not change any more.");
        return;
    case Command::PreviousChange:
        if (!inspector_->goToChange(-1))
            none("The selected entry did not change before.");
        return;
    case Command::Writer:
        if (!inspector_->goToWriter())
            none("Nobody has written the selected entry yet.");
        return;
    case Command::GoTo: askPosition(); return;
    default: return;
    }
}

void MainWindow::askPosition() {
    bool accepted = false;
    const QString answer =
        QInputDialog::getText(this, "Go to",
                              QString("A position from 0 to %1, or a site such as spte.freeze:").arg(context_.session()->end()),
                              QLineEdit::Normal, {}, &accepted)
            .trimmed();
    if (!accepted || answer.isEmpty())
        return;
    bool isNumber = false;
    const u64 n = answer.toULongLong(&isNumber, 0);
    if (isNumber && n <= context_.session()->end()) {
        context_.goTo(n);
        return;
    }
    if (const auto site = siteFromName(answer.toStdString())) {
        if (const auto found = context_.session()->nextSite(*site, context_.position())) {
            context_.goTo(*found);
            return;
        }
        statusBar()->showMessage(answer + " is not reached any more.", 3000);
        return;
    }
    statusBar()->showMessage(answer + " is neither a position nor a site.", 3000);
}

void MainWindow::showKeys() {
    QString rows;
    for (const CommandInfo& info : commandTable())
        if (*info.keys != '\0')
            rows += QString("<tr><td><b>%1</b>&nbsp;&nbsp;</td><td>%2: %3</td></tr>")
                        .arg(QString(info.keys).toHtmlEscaped(), QString(info.name).remove('&').remove("…"), info.help);
    rows += "<tr><td><b>W A S D</b></td><td>in the timeline: zoom in, pan, zoom out, pan; the wheel zooms at the cursor, with Shift it "
            "pans</td></tr>";
    rows += "<tr><td><b>arrows, Space</b></td><td>in the trees: move the selection, fold</td></tr>";
    QMessageBox box(this);
    box.setObjectName("keys");
    box.setWindowTitle("Keys");
    box.setTextFormat(Qt::RichText);
    box.setText("<table cellpadding=2>" + rows + "</table>");
    box.exec();
}

void MainWindow::zoomText(double factor) {
    QFont font = qApp->font();
    const double size = factor == 0 ? textSize_ : std::clamp(font.pointSizeF() * factor, 6.0, 32.0);
    font.setPointSizeF(size);
    qApp->setFont(font);
    setDark(context_.theme().dark); // panes that hold fonts of their own take the new size
}

} // namespace mirrorscope::views
