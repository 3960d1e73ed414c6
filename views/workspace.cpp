// SPDX-License-Identifier: GPL-3.0-or-later
// Where the panes are, and what the window remembers from one start to the next.
#include "views/charts/charts_view.h"
#include "views/debug/console_view.h"
#include "views/debug/stops_view.h"
#include "views/debug/tlb_view.h"
#include "views/difference/difference_view.h"
#include "views/explore/ends_view.h"
#include "views/explore/explore_view.h"
#include "views/find/find_view.h"
#include "views/inspector/inspector_view.h"
#include "views/lesson/story_view.h"
#include "views/main_window.h"
#include "views/notice_bar.h"
#include "views/panes.h"
#include "views/review/review_view.h"
#include "views/script/script_view.h"
#include "views/tdx/frames_view.h"
#include "views/tdx/td_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/tree_pane.h"
#include "views/user_settings.h"
#include "views/visits_view.h"

#include <QApplication>
#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDockWidget>
#include <QFile>
#include <QFileInfo>
#include <QKeyEvent>
#include <QMenuBar>
#include <QStatusBar>
#include <QTabBar>
#include <QTabWidget>
#include <QToolBar>

namespace mirrorscope::views {

namespace {
constexpr int kRecent = 12;
constexpr int kStateVersion = 3; // of the docks: another one is not restored
QByteArray saved() { return userSettings().value("window/docks").toByteArray(); }
QString bookmarkGroup(const QString& file) {
    return "bookmarks/" +
           QString::fromLatin1(
               QCryptographicHash::hash(QFileInfo(file).absoluteFilePath().toUtf8(), QCryptographicHash::Sha1).toHex().left(16));
}
} // namespace

void MainWindow::buildDocks() {
    auto* story = new StoryView(context_, this);
    connect(story, &StoryView::linkWanted, this, &MainWindow::followLink);
    auto* visits = new VisitsView(context_, *visits_, this);
    connect(visits, &VisitsView::wanted, this, [this](unsigned id) {
        leaveVisit();
        visit(visits_->to(id));
    });
    connect(visits, &VisitsView::saveWanted, this, &MainWindow::saveVisit);
    auto* review = new ReviewView(context_, this);
    connect(review, &ReviewView::scenarioChosen, this, &MainWindow::openText);
    const std::map<QString, QWidget*> contents = {{"story", story},
                                                  {"script", script_},
                                                  {"inspector", inspector_},
                                                  {"td", new TdPane(context_, this)},
                                                  {"frames", new FramesView(context_, this)},
                                                  {"tlb", new TlbView(context_, this)},
                                                  {"explore", explore_},
                                                  {"timeline", timeline_},
                                                  {"events", find_},
                                                  {"console", console_},
                                                  {"stops", new StopsView(context_, *debugger_, this)},
                                                  {"ends", new EndsView(context_, *explore_, this)},
                                                  {"review", review},
                                                  {"charts", charts_},
                                                  {"difference", new DifferenceView(context_, this)},
                                                  {"bookmarks", bookmarks_},
                                                  {"visits", visits}};
    std::map<Qt::DockWidgetArea, QDockWidget*> last; // to the left one is above the other, elsewhere each is a tab behind the one before
    for (const PaneInfo& info : paneTable()) {
        const QString title = QCoreApplication::translate("panes", info.title);
        auto* dock = new QDockWidget(title, this);
        dock->setObjectName(QString("dock-") + info.id);
        dock->setAccessibleName(title);
        dock->setWidget(contents.at(info.id));
        dock->setFeatures(QDockWidget::DockWidgetMovable | QDockWidget::DockWidgetClosable | QDockWidget::DockWidgetFloatable);
        addDockWidget(info.area, dock);
        docks_[info.id] = dock;
        QDockWidget*& before = last[info.area];
        if (before != nullptr && info.area != Qt::LeftDockWidgetArea)
            tabifyDockWidget(before, dock);
        before = dock;
    }
    raiseFront(Layout::Debug);
    for (const Qt::DockWidgetArea area : {Qt::RightDockWidgetArea, Qt::BottomDockWidgetArea, Qt::LeftDockWidgetArea})
        setTabPosition(area, QTabWidget::North);
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    for (QMenu* menu : menuBar()->findChildren<QMenu*>())
        if (menu->actions().contains(actions_.at(Command::ToggleTheme))) {
            QMenu* panes = menu->addMenu(tr("Panes"));
            for (const auto& [id, d] : docks_)
                panes->addAction(d->toggleViewAction());
        }
    setDockOptions(AllowTabbedDocks | AllowNestedDocks | GroupedDragging);
    for (const auto& [id, d] : docks_) {
        connect(d, &QDockWidget::dockLocationChanged, this, &MainWindow::arrangeTitles);
        connect(d, &QDockWidget::topLevelChanged, this, &MainWindow::arrangeTitles);
        connect(d, &QDockWidget::visibilityChanged, this, &MainWindow::arrangeTitles);
    }
}

// A pane that has a tab needs no second title.
void MainWindow::arrangeTitles() {
    for (const auto& [id, d] : docks_) {
        bool tabbed = false;
        for (const QDockWidget* other : tabifiedDockWidgets(d))
            tabbed |= !other->isHidden();
        const bool bare = tabbed && !d->isFloating() && !d->isHidden();
        if (bare == (d->titleBarWidget() != nullptr))
            continue;
        QWidget* before = d->titleBarWidget();
        d->setTitleBarWidget(bare ? new QWidget(d) : nullptr);
        delete before;
    }
    arrangeTabs();
}

// Their names are not cut: they scroll.
void MainWindow::arrangeTabs() {
    for (QTabBar* bar : findChildren<QTabBar*>(QString(), Qt::FindDirectChildrenOnly)) {
        bar->setElideMode(Qt::ElideNone);
        bar->setUsesScrollButtons(true);
        bar->setAccessibleName(tr("Panes"));
    }
}

// The trees come first; on a wide screen there is room for sentences beside them.
int MainWindow::sideWidth() const { return std::clamp(width() * 24 / 100, 215, 720); }

// With little room the toolbar is of icons, so that nothing is behind its end.
void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    constexpr int kNarrow = 1250;
    toolbar_->setToolButtonStyle(width() < kNarrow ? Qt::ToolButtonIconOnly : Qt::ToolButtonTextBesideIcon);
    // A window that became small takes its room from the sides, not from the trees; one that became much larger shares it with them.
    const int before = event->oldSize().width(), now = event->size().width();
    if (shown_ && ((now < before && centralWidget()->width() < width() / 2) || now > before * 5 / 4))
        QTimer::singleShot(0, this, [this] {
            QList<QDockWidget*> sides;
            for (const PaneInfo& info : paneTable())
                if (QDockWidget* dock = docks_.at(info.id);
                    info.area != Qt::BottomDockWidgetArea && !dock->isHidden() && !dock->isFloating())
                    sides << dock;
            resizeDocks(sides, QList<int>(sides.size(), sideWidth()), Qt::Horizontal);
        });
}

// Esc leads out: of the presentation, of the full screen, of a pane to the trees.
void MainWindow::keyPressEvent(QKeyEvent* event) {
    // What is pasted where nothing can be typed is asked about.
    if (event->matches(QKeySequence::Paste)) {
        perform(Command::Explain);
        return;
    }
    if (event->key() != Qt::Key_Escape) {
        QMainWindow::keyPressEvent(event);
        return;
    }
    if (presentationSize_ != 0)
        setPresentation(false);
    else if (isFullScreen())
        perform(Command::FullScreen);
    else
        trees_->currentWidget()->setFocus();
}

void MainWindow::showEvent(QShowEvent* event) {
    QMainWindow::showEvent(event);
    // Sizes of docks are kept from the first layout on.
    if (!shown_ && (!settings_ || saved().isEmpty())) {
        resizeDocks({docks_.at("story"), docks_.at("script")}, {height() * 46 / 100, height() * 40 / 100}, Qt::Vertical);
        resizeDocks({docks_.at("story"), docks_.at("inspector")}, {sideWidth(), sideWidth()}, Qt::Horizontal);
        resizeDocks({docks_.at("timeline")}, {std::max(235, height() * 28 / 100)}, Qt::Vertical);
    }
    shown_ = true;
}

void MainWindow::raiseFront(Layout layout) {
    for (const PaneInfo& info : paneTable())
        if (info.in(layout) == Shown::Front)
            docks_.at(info.id)->raise();
}

void MainWindow::setLayout(Layout layout) {
    for (const PaneInfo& info : paneTable()) {
        docks_.at(info.id)->setFloating(false);
        docks_.at(info.id)->setVisible(info.in(layout) != Shown::No);
    }
    raiseFront(layout);
    const auto wide = [&](std::initializer_list<const char*> ids, int pixels) {
        QList<QDockWidget*> docks;
        for (const char* id : ids)
            docks << docks_.at(id);
        resizeDocks(docks, QList<int>(docks.size(), pixels), Qt::Horizontal);
    };
    const auto tall = [&](const char* id, int percent) { resizeDocks({docks_.at(id)}, {height() * percent / 100}, Qt::Vertical); };
    switch (layout) {
    case Layout::Debug:
        wide({"story", "inspector"}, sideWidth());
        tall("timeline", 28);
        break;
    case Layout::Teach:
        wide({"story"}, width() * 30 / 100);
        // A fifth, but some lanes of those who act are seen, however large the text is.
        resizeDocks({docks_.at("timeline")},
                    {std::clamp(docks_.at("timeline")->height() - timeline_->height() + timeline_->heightFor(4), height() * 20 / 100,
                                height() * 36 / 100)},
                    Qt::Vertical);
        break;
    case Layout::Review:
        wide({"script", "explore"}, sideWidth());
        tall("difference", 34);
        break;
    case Layout::Trace:
        wide({"inspector"}, sideWidth());
        tall("timeline", 46);
        break;
    }
}

void MainWindow::setPresentation(bool on) {
    if (on) {
        presentationSize_ = qApp->font().pointSizeF();
        presentationState_ = saveState(kStateVersion);
        toolbar_->hide();
        menuBar()->hide();
        statusBar()->hide();
        zoomText(1.7); // before the panes are given their sizes, which follow from it
        setLayout(Layout::Teach);
        context_.setPresenting(true);
        trees_->currentWidget()->setFocus();
    } else {
        setTextSize(presentationSize_);
        presentationSize_ = 0;
        toolbar_->show();
        menuBar()->show();
        statusBar()->show();
        restoreState(presentationState_, kStateVersion);
        setTheme(context_.theme().kind);
        context_.setPresenting(false);
    }
    actions_.at(Command::Presentation)->setChecked(on);
}

void MainWindow::zoomText(double factor) {
    setTextSize(factor == 0 ? textSize_ : std::clamp(qApp->font().pointSizeF() * factor, 6.0, 32.0));
    setTheme(context_.theme().kind); // panes that hold fonts of their own take the new size
}

void MainWindow::rememberSettings() {
    settings_ = true;
    QSettings s = userSettings();
    restoreGeometry(s.value("window/geometry").toByteArray());
    restoreState(saved(), kStateVersion);
    arrangeTitles();
    const QString theme = s.value("window/theme", "system").toString();
    setTheme(theme == "dark"            ? ThemeKind::Dark
             : theme == "light"         ? ThemeKind::Light
             : theme == "high-contrast" ? ThemeKind::HighContrast
                                        : systemTheme());
    if (const double size = s.value("window/text-size", 0).toDouble(); size >= 6 && size <= 32) {
        setTextSize(size);
        setTheme(context_.theme().kind);
    }
    if (const QString wrong = charts_->useCosts(s.value("charts/costs").toString()); !wrong.isEmpty())
        say(wrong); // as long as that file cannot be read the default table is used
    // keys/run.micro=F8: another key for a command; several are separated by "; ".
    s.beginGroup("keys");
    for (const CommandInfo& info : commandTable())
        if (s.contains(info.id)) {
            QList<QKeySequence> keys;
            for (const QString& key : s.value(info.id).toString().split("; ", Qt::SkipEmptyParts))
                keys << QKeySequence(key);
            actions_.at(info.command)->setShortcuts(keys);
        }
    s.endGroup();
    document_->offerLeft();
}

void MainWindow::saveSettings() {
    QSettings s = userSettings();
    if (presentationSize_ != 0)
        setPresentation(false);
    s.setValue("window/geometry", saveGeometry());
    s.setValue("window/docks", saveState(kStateVersion));
    const ThemeKind kind = context_.theme().kind;
    s.setValue("window/theme", kind == ThemeKind::Dark ? "dark" : kind == ThemeKind::Light ? "light" : "high-contrast");
    s.setValue("window/text-size", qApp->font().pointSizeF());
    s.setValue("charts/costs", charts_->costsFile());
}

QStringList MainWindow::recentFiles() const { return settings_ ? userSettings().value("files/recent").toStringList() : QStringList(); }

void MainWindow::addRecent(const QString& file) {
    if (!settings_)
        return;
    QSettings s = userSettings();
    QStringList recent = s.value("files/recent").toStringList();
    const QString path = QFileInfo(file).absoluteFilePath();
    recent.removeAll(path);
    recent.prepend(path);
    s.setValue("files/recent", recent.mid(0, kRecent));
}

void MainWindow::keepBookmarks() const {
    if (!settings_ || settingSession_ || document_->file().isEmpty() || context_.session() == nullptr)
        return;
    QSettings s = userSettings();
    QStringList list;
    for (const Bookmark& bookmark : context_.bookmarks())
        list << QString::number(bookmark.position) + " " + bookmark.note;
    // Of a run of which only the beginning is there.
    for (const QString& line : s.value(bookmarkGroup(document_->file())).toStringList())
        if (line.section(' ', 0, 0).toULongLong() > context_.session()->end())
            list << line;
    if (list.isEmpty())
        s.remove(bookmarkGroup(document_->file()));
    else
        s.setValue(bookmarkGroup(document_->file()), list);
}

void MainWindow::readBookmarks() {
    if (!settings_)
        return;
    for (const QString& line : userSettings().value(bookmarkGroup(document_->file())).toStringList())
        if (const u64 position = line.section(' ', 0, 0).toULongLong(); position <= context_.session()->end())
            context_.setBookmark(position, line.section(' ', 1));
}

} // namespace mirrorscope::views
