// SPDX-License-Identifier: GPL-3.0-or-later
// The window: trees in the middle, script and story left, inspector right, timeline below. What it does stands in five files:
// main_window.cpp loads, window_commands.cpp performs, window_visits.cpp goes from one scenario to another, workspace.cpp lays out and
// remembers, window_menus.cpp asks and shows.
#pragma once

#include "views/actions.h"
#include "views/context.h"
#include "views/export_job.h"
#include "views/job.h"
#include "views/panes.h"
#include "views/script/document.h"

#include <QMainWindow>
#include <QTimer>

#include <map>
#include <set>

class QAction;
class QDockWidget;
class QLabel;
class QMenu;
class QProgressBar;
class QToolBar;
class QToolButton;

namespace mirrorscope {
struct WhatIf;
}

namespace mirrorscope::views {

class Banner;
class BookmarksView;
class ChartsView;
class CompareJob;
class ConsoleView;
class Debugger;
class LibraryView;
class ManualView;
class Visits;
struct Visit;
class ExplainView;
class ExploreView;
class FindView;
class InspectorView;
class Legend;
class MatrixView;
class NoticeBar;
class Palette;
class RecordJob;
class RootsStrip;
class ScriptView;
class TimelineView;
class TreePane;
class VariantBar;

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(QWidget* parent = nullptr);
    ~MainWindow() override;

    // Reads the file beside the window; `opened` follows, whether it could be read or not.
    // Stands at `at`, or where a reader would begin.
    void open(const QString& file, std::optional<u64> at = {}, const QString& variant = {});
    // The same at its first pause, even of a script that asks something before: for those who want to see and not to learn.
    void openScene(const QString& file);
    // The same of a text that is in no file yet.
    void openText(const QString& title, const QString& text, std::optional<u64> at = {});
    // The lesson that a window begins with, wherever the scenarios are.
    static QString firstLesson();

    Context& context() { return context_; }
    QAction* action(Command command) const { return actions_.at(command); }
    void setTheme(ThemeKind kind);
    void setLayout(Layout layout);
    // The user's own settings: layout, theme, keys, files opened lately. What a previous run left unsaved is offered.
    void rememberSettings();
    QStringList recentFiles() const;

    // Runs the script up to the position and then that: a branch.
    void branch(const WhatIf& what);
    // What the status bar says.
    QString saying() const;
    // The script as it is in the editor, standing where it stood as far as it is the same.
    void rerun();
    // The same under that variant of the scenario; empty: as it stands.
    void chooseVariant(const QString& name);
    // The one of the run that is shown.
    QString variant() const;
    bool save(const QString& file);
    Document& document() { return *document_; }
    // The menu of an address in one of the trees.
    QMenu* makeContextMenu(const Selection& where);
    // The menu of a micro-step.
    QMenu* makeMomentMenu(u64 n);
    void exportTo(const QString& kind, const QString& file);
    // What KVM does on this host, until it is stopped; then it is opened.
    void recordTo(const QString& file);
    RecordJob& recording() { return *record_; }
    bool busy() const { return job_.running() || export_.running(); }
    QString paneAsText() const;

Q_SIGNALS:
    // The beginning of a long run is shown; `opened` follows.
    void begun();
    void opened(bool readable);
    void exported(bool good);

protected:
    void showEvent(QShowEvent* event) override;
    void closeEvent(QCloseEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    // What is being opened. Until it is there, the window is of the script before.
    struct Opening {
        Document::Script script = {};
        std::optional<u64> at = {};
        bool stays = false;    // it continues the present run
        bool edited = false;   // it is what is in the editor already
        bool branched = false; // it came of what is open: a what-if, an end, an order
        bool again = false;    // one of the visits
        bool scene = false;    // at its first pause, though it asks something before
        QString variant = {};  // of the scenario; empty: as it stands
    };
    void buildActions();
    void buildDocks();
    void perform(Command command);
    void showPane(const QString& id);
    // To that position, or says why there is none.
    void goOrSay(std::optional<u64> position, const QString& none);
    void goToFrozen(bool forward);
    void goToViolation(bool forward);
    void goToSameSite(bool forward);
    void setMarker(unsigned which);
    void toggleTheme();
    void toggleHighContrast();
    void findText();
    void askOpen();
    void askSaveAs();
    void breakAt(unsigned line);
    // What line of the text that runs a line of the editor is; if it is none, that is said.
    std::optional<unsigned> lineThatRuns(unsigned line);
    void refreshActions();
    // The beginning of a long run, and all of a run.
    void previewed();
    void loaded();
    void showRun(std::unique_ptr<Session> session, bool whole);
    QString summaryOf(const Session& session, bool opensThere) const;
    void saySummary();
    void failed(const QString& message, unsigned line, unsigned column);
    // For a while; 0: until something else is said.
    void say(const QString& text, int milliseconds = 4000);
    void showBusy(const QString& what);
    void begin(Opening opening, const QString& what);
    void start(Opening opening, const QString& what, const QString& name, const QString& text);
    void updateTitle();

    // window_visits.cpp: scenarios, back and forward, the manual
    void visit(const std::optional<Visit>& to);
    void noteVisit(const Opening& opening);
    void leaveVisit();
    void saveVisit(unsigned id);
    void showLibrary();
    void markDone();
    std::set<QString> doneLessons() const;
    void openShipped(const QString& name);
    void followLink(const QString& link);
    void showManual();
    void showGlossary();
    void explainCopied();
    void showAbout();
    ManualView& manual();
    void focusPane(int by);

    // workspace.cpp
    int sideWidth() const;
    void raiseFront(Layout layout);
    void arrangeTitles();
    void arrangeTabs();
    void setPresentation(bool on);
    void zoomText(double factor);
    void saveSettings();
    void keepBookmarks() const;
    void readBookmarks();
    void addRecent(const QString& file);

    // window_menus.cpp
    void buildFileMenus(std::map<QString, QMenu*>& menus);
    void askPlace();
    void askCompare();
    void askCompareRecorded();
    void doAgain();
    void compareWith(const QString& name, const std::vector<Override>& overrides);
    void askSaveConsole(const QString& lines);
    static QString recordingText(const QString& file);
    void askRecord();
    void askNewMachine();
    void askExport(const QString& kind, const QString& suffix);
    void showPalette();
    void showKeys();
    void showMatrix();
    void showHelp();
    void showFrameTimes();

    Context context_;
    LoadJob job_;
    ExportJob export_;
    CompareJob* compare_;
    RecordJob* record_;
    Worker replays_;
    Document* document_;
    bool scriptAway_ = false; // a recording is shown, which has none
    QString busyWith_, exportedTo_;
    QString title_;
    Opening opening_;
    bool settingSession_ = false;
    std::optional<u64> previewAt_; // what is shown is the beginning of a run that is going on: where it opened
    bool settings_ = false, shown_ = false;
    double textSize_;
    double presentationSize_ = 0; // text before it began; 0: not presenting
    ThemeKind beforeContrast_ = ThemeKind::Light;
    QByteArray presentationState_;
    Banner* banner_;
    VariantBar* variants_;
    RootsStrip* roots_;
    NoticeBar* notice_;
    TreePane* trees_;
    Legend* legend_;
    ScriptView* script_;
    InspectorView* inspector_;
    ExploreView* explore_;
    TimelineView* timeline_;
    FindView* find_;
    ChartsView* charts_;
    BookmarksView* bookmarks_;
    Debugger* debugger_;
    Visits* visits_;
    QLabel* summary_;                // what was said to stay
    LibraryView* library_ = nullptr; // made when it is first asked for, as the next
    ManualView* manual_ = nullptr;
    ExplainView* explain_ = nullptr;
    ConsoleView* console_;
    Palette* palette_;
    std::vector<QToolButton*> formButtons_; // in the order of TreeForm
    std::map<QString, QDockWidget*> docks_;
    QToolBar* toolbar_;
    QMenu* exportMenu_ = nullptr;
    QProgressBar* busy_;
    QToolButton* cancel_;
    QTimer busyLater_;
    MatrixView* matrix_ = nullptr; // made when it is first asked for
    std::map<Command, QAction*> actions_;
};

} // namespace mirrorscope::views
