// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "views/explore/explore_view.h"
#include "views/main_window.h"

#include <QAction>
#include <QApplication>
#include <QDockWidget>
#include <QEventLoop>
#include <QTimer>

#include <filesystem>
#include <memory>

namespace mirrorscope::app {

namespace {
struct ScreenshotArguments {
    std::string file, at, size = "1366x768", panel, theme = "light", out;
    double scale = 1;
    bool explore = false;
};

QSize parseSize(const std::string& text) {
    int w = 0, h = 0;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%dx%d%c", &w, &h, &rest) != 2 || w < 320 || h < 240 || w > 7680 || h > 4320)
        throw UsageError("--size " + text + ": WIDTHxHEIGHT is expected, 320x240 to 7680x4320");
    return {w, h};
}

int screenshot(const ScreenshotArguments& args) {
    const QSize size = parseSize(args.size);
    // What `run` refuses is refused with its own words, before any window is made.
    loadScenario(args.file);
    qputenv("QT_QPA_PLATFORM", "offscreen");
    int argc = 1;
    char name[] = "mirrorscope";
    char* argv[] = {name, nullptr};
    QApplication application(argc, argv);
    views::MainWindow window;
    window.setDark(args.theme == "dark");
    window.resize(size);
    window.show();
    QEventLoop loop;
    QObject::connect(&window, &views::MainWindow::opened, &loop, &QEventLoop::quit);
    window.open(QString::fromStdString(args.file));
    loop.exec();
    Session* session = window.context().session();
    if (session == nullptr)
        throw UsageError(args.file + ": cannot be shown");
    if (!args.at.empty()) {
        window.context().goTo(parsePosition(args.at, session->end()));
        window.context().select(session->frozenNearby() ? session->frozenNearby()
                                : session->lastChange() ? session->lastChange()
                                                        : window.context().selection());
    }
    for (int i = 0; i < 10; ++i)
        QApplication::processEvents();
    if (args.explore) {
        auto* explore = window.findChild<views::ExploreView*>("explore");
        QObject::connect(&explore->job(), &views::ExploreJob::finished, &loop, &QEventLoop::quit);
        window.action(views::Command::Explore)->trigger();
        loop.exec();
        for (int i = 0; i < 10; ++i)
            QApplication::processEvents();
    }
    QWidget* what = &window;
    if (args.panel == "matrix")
        window.action(views::Command::Matrix)->trigger();
    if (!args.panel.empty()) {
        what = window.findChild<QWidget*>(QString::fromStdString(args.panel));
        if (what == nullptr)
            throw UsageError("--panel " + args.panel +
                             ": trees, legend, banner, script, story, inspector, td, frames, explore, matrix or timeline is expected");
        for (QWidget* parent = what; parent != nullptr; parent = parent->parentWidget())
            if (auto* dock = qobject_cast<QDockWidget*>(parent)) { // it may stand behind another
                dock->show();
                dock->raise();
            }
        // What comes to the front shows itself a moment later.
        constexpr int kMilliseconds = 150;
        QTimer::singleShot(kMilliseconds, &loop, &QEventLoop::quit);
        loop.exec();
    }
    const QString beside = QString::fromStdString(args.out) + ".part";
    if (!what->grab().save(beside, "PNG"))
        throw std::runtime_error(args.out + ": cannot be written");
    std::filesystem::rename(beside.toStdString(), args.out);
    return kOk;
}
} // namespace

void addScreenshot(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ScreenshotArguments>();
    CLI::App* sub = root.add_subcommand("screenshot", "the real window as a picture, without a display");
    sub->add_option("FILE", args->file, "a scenario")->required();
    sub->add_option("--at", args->at, "a position or `end`; by default where the window would open");
    sub->add_option("--size", args->size, "WIDTHxHEIGHT in pixels, 1366x768 by default");
    sub->add_option("--panel", args->panel,
                    "one panel: trees, legend, banner, script, story, inspector, td, frames, explore, matrix, timeline");
    sub->add_flag("--explore", args->explore, "explore it first, and show what was found");
    sub->add_option("--theme", args->theme, "light or dark")->check(CLI::IsMember({"light", "dark"}));
    sub->add_option("-o,--output", args->out, "the PNG to write")->required();
    sub->callback([args, &invoke] { invoke = [args] { return screenshot(*args); }; });
}

} // namespace mirrorscope::app
