// SPDX-License-Identifier: GPL-3.0-or-later
// The window: trees in the middle, script and story left, inspector right, timeline below.
#pragma once

#include "views/actions.h"
#include "views/context.h"
#include "views/job.h"

#include <QMainWindow>

#include <map>

class QAction;
class QActionGroup;
class QDockWidget;
class QMenu;
class QToolBar;

namespace mirrorscope::views {

class Banner;
class ExploreView;
class InspectorView;
class MatrixView;
class ScriptView;
class TreesView;

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(QWidget* parent = nullptr);
    ~MainWindow() override;

    // Reads the file beside the window; `opened` follows, whether it could be read or not.
    // Stands at `at`, or where a reader would begin.
    void open(const QString& file, std::optional<u64> at = {});
    // The same of a text that is in no file yet.
    void openText(const QString& title, const QString& text, std::optional<u64> at = {});
    // The first lesson, wherever the scenarios are.
    static QString firstLesson();

    Context& context() { return context_; }
    QAction* action(Command command) const { return actions_.at(command); }
    void setDark(bool dark);

Q_SIGNALS:
    void opened(bool readable);

private:
    void buildActions();
    void buildDocks();
    void perform(Command command);
    void refreshActions();
    void askPosition();
    void showKeys();
    void showMatrix();
    void zoomText(double factor);
    void loaded();
    void failed(const QString& message, unsigned line, unsigned column);
    QDockWidget* dock(const QString& title, QWidget* content, Qt::DockWidgetArea area);

    Context context_;
    LoadJob job_;
    QString file_;
    std::optional<u64> openAt_;
    double textSize_;
    Banner* banner_;
    TreesView* trees_;
    ScriptView* script_;
    InspectorView* inspector_;
    ExploreView* explore_;
    QDockWidget* exploreDock_ = nullptr;
    QToolBar* toolbar_;
    MatrixView* matrix_ = nullptr; // made when it is first asked for
    std::map<Command, QAction*> actions_;
};

} // namespace mirrorscope::views
