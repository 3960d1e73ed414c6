// SPDX-License-Identifier: GPL-3.0-or-later
// The real window for QtTest: opened, stepped and asked as a user would.
#pragma once

#include "views/main_window.h"
#include "views/trees/map_view.h"
#include "views/trees/nodes_view.h"
#include "views/trees/tree_pane.h"
#include "views/trees/trees_view.h"
#include "views/user_settings.h"

#include <QAction>
#include <QDockWidget>
#include <QFile>
#include <QSignalSpy>
#include <QStandardPaths>
#include <QStatusBar>
#include <QTemporaryDir>
#include <QTest>

#include <memory>

namespace mirrorscope::test {

// Nobody's own settings and scripts are touched.
inline void useOwnSettings() {
    static const QTemporaryDir folder;
    QStandardPaths::setTestModeEnabled(true);
    QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, folder.path());
}

struct Window {
    std::unique_ptr<views::MainWindow> window = std::make_unique<views::MainWindow>();
    QTemporaryDir folder;

    Window() {
        useOwnSettings();
        window->resize(1366, 768);
        window->show();
    }
    Session& session() { return *window->context().session(); }
    views::Context& context() { return window->context(); }
    u64 position() { return window->context().position(); }
    views::TreePane& trees() { return *window->findChild<views::TreePane*>("tree-pane"); }
    template <class T>
    T& child(const char* name) {
        auto* found = window->findChild<T*>(name);
        if (found == nullptr)
            qFatal("there is no %s", name);
        return *found;
    }
    bool open(const QString& file) {
        QSignalSpy opened(window.get(), &views::MainWindow::opened);
        window->openScene(file);
        return opened.wait(60000) && opened.first().first().toBool();
    }
    bool openShipped(const char* file) { return open(QString(MIRRORSCOPE_SOURCE_DIR) + "/" + file); }
    bool openText(const QString& text) {
        QSignalSpy opened(window.get(), &views::MainWindow::opened);
        window->openText("test", text);
        return opened.wait(60000) && opened.first().first().toBool();
    }
    QString file(const char* name, const QByteArray& text) {
        const QString path = folder.filePath(name);
        QFile out(path);
        if (out.open(QIODevice::WriteOnly))
            out.write(text);
        return path;
    }
    void key(Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) { QTest::keyClick(trees().currentWidget(), key, modifiers); }
    void trigger(views::Command command) { window->action(command)->trigger(); }
    // By Back or Forward.
    bool openAgain(views::Command command) {
        QSignalSpy opened(window.get(), &views::MainWindow::opened);
        trigger(command);
        return opened.wait(20000) && opened.first().first().toBool();
    }
    QString title() { return QString::fromStdString(session().scenario().title); }
    QString status() { return window->saying(); }
    void raise(const char* dock) {
        auto& d = child<QDockWidget>((std::string("dock-") + dock).c_str());
        d.show();
        d.raise();
        QTest::qWait(20);
    }
};

inline const char* const kLesson1 = "scenarios/lessons/01-first-private-page.yaml";

} // namespace mirrorscope::test
