// SPDX-License-Identifier: GPL-3.0-or-later
#include "application.h"
#include "command.h"

#include "base/text.h"
#include "export/export.h"
#include "views/charts/charts_view.h"
#include "views/explore/explore_view.h"
#include "views/main_window.h"
#include "views/panes.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/map_view.h"

#include <QAction>
#include <QBuffer>
#include <QDockWidget>
#include <QEventLoop>
#include <QTimer>

#include <filesystem>
#include <map>
#include <memory>

namespace mirrorscope::app {

namespace {
struct ScreenshotArguments {
    std::string file, at, size = "1366x768", panel, theme = "light", out;
    std::string form, layout, pane, marks, range, steps, variant;
    bool explore = false;
};

QSize parseSize(const std::string& text) {
    int w = 0, h = 0;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%dx%d%c", &w, &h, &rest) != 2 || w < 320 || h < 240 || w > 7680 || h > 4320)
        throw UsageError("--size " + text + ": WIDTHxHEIGHT is expected, 320x240 to 7680x4320");
    return {w, h};
}

// "A:B", two numbers as the scenario language writes them.
std::pair<u64, u64> parsePair(const char* option, const std::string& text) {
    const std::size_t colon = text.find(':');
    const auto a = parseNumber(text.substr(0, colon));
    const auto b = colon == std::string::npos ? std::nullopt : parseNumber(text.substr(colon + 1));
    if (!a || !b)
        throw UsageError(std::string(option) + " " + text + ": two numbers with a colon between them are expected");
    return {*a, *b};
}

void settle(QEventLoop& loop) {
    // What comes to the front shows itself a moment later.
    constexpr int kMilliseconds = 150;
    QTimer::singleShot(kMilliseconds, &loop, &QEventLoop::quit);
    loop.exec();
}

// What a user would have done before the picture.
void prepare(views::MainWindow& window, const ScreenshotArguments& args, QEventLoop& loop) {
    using views::Command;
    const std::map<std::string, Command> forms{{"list", Command::FormList}, {"nodes", Command::FormNodes}, {"map", Command::FormMap}};
    const std::map<std::string, Command> layouts{{"debug", Command::PresetDebug},
                                                 {"teach", Command::PresetTeach},
                                                 {"review", Command::PresetReview},
                                                 {"trace", Command::PresetTrace}};
    if (!args.layout.empty())
        window.action(layouts.at(args.layout))->trigger();
    if (!args.form.empty())
        window.action(forms.at(args.form))->trigger();
    settle(loop);
    if (!args.range.empty()) {
        const auto [gpa, size] = parsePair("--range", args.range);
        window.findChild<views::MapView*>("map")->show(static_cast<double>(gpa >> 12), static_cast<double>(size >> 12));
    }
    if (!args.steps.empty()) {
        const auto [from, count] = parsePair("--steps", args.steps);
        window.findChild<views::TimelineView*>("timeline")->show(static_cast<double>(from), static_cast<double>(count));
    }
    if (!args.marks.empty()) {
        const auto [a, b] = parsePair("--marks", args.marks);
        if (std::max(a, b) > window.context().session()->end())
            throw UsageError("--marks " + args.marks + ": the run ends at position " + std::to_string(window.context().session()->end()));
        window.context().setMarker(0, a);
        window.context().setMarker(1, b);
    }
    if (!args.pane.empty()) {
        auto* dock = window.findChild<QDockWidget*>("dock-" + QString::fromStdString(args.pane));
        if (dock == nullptr) {
            std::string names;
            const auto panes = views::paneTable();
            for (const views::PaneInfo& pane : panes)
                names += (names.empty() ? "" : &pane == &panes.back() ? " or " : ", ") + std::string(pane.id);
            throw UsageError("--pane " + args.pane + ": " + names + " is expected");
        }
        dock->show();
        dock->raise();
        settle(loop);
        if (auto* charts = window.findChild<views::ChartsView*>("charts");
            args.pane == "charts" && !(charts->statistics() && charts->statistics()->complete())) {
            QObject::connect(charts, &views::ChartsView::completed, &loop, &QEventLoop::quit);
            loop.exec();
        }
    }
    settle(loop);
}

int screenshot(const ScreenshotArguments& args) {
    const QSize size = parseSize(args.size);
    // What `run` refuses is refused with its own words, before any window is made.
    if (!isTraceFile(args.file))
        loadScenario(args.file);
    // So many pixels are asked for, whatever the desktop's scale and style are.
    for (const char* variable :
         {"QT_SCALE_FACTOR", "QT_SCREEN_SCALE_FACTORS", "QT_FONT_DPI", "QT_STYLE_OVERRIDE", "QT_ENABLE_HIGHDPI_SCALING"})
        qunsetenv(variable);
    const Application application("offscreen");
    views::MainWindow window;
    window.setTheme(args.theme == "dark"            ? views::ThemeKind::Dark
                    : args.theme == "high-contrast" ? views::ThemeKind::HighContrast
                                                    : views::ThemeKind::Light);
    window.resize(size);
    window.show();
    QEventLoop loop;
    QObject::connect(&window, &views::MainWindow::opened, &loop, &QEventLoop::quit);
    window.open(QString::fromStdString(args.file), {}, QString::fromStdString(args.variant));
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
    prepare(window, args, loop);
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
        settle(loop);
    }
    QBuffer png;
    if (!png.open(QIODevice::WriteOnly) || !what->grab().save(&png, "PNG"))
        throw std::runtime_error(args.out + ": cannot be written");
    writeFile(args.out, png.data().toStdString());
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
    sub->add_option("--layout", args->layout, "debug, teach, review or trace")->check(CLI::IsMember({"debug", "teach", "review", "trace"}));
    sub->add_option("--form", args->form, "how the trees are shown: list, nodes or map")->check(CLI::IsMember({"list", "nodes", "map"}));
    sub->add_option("--variant", args->variant, "NAME: the machine keys and expectations of that variant of the scenario");
    sub->add_option("--range", args->range, "GPA:SIZE that the map shows");
    sub->add_option("--steps", args->steps, "FROM:COUNT that the timeline shows");
    sub->add_option("--marks", args->marks, "A:B, two positions to be compared");
    sub->add_option("--pane", args->pane, "a pane to bring to the front");
    sub->add_flag("--explore", args->explore, "explore it first, and show what was found");
    sub->add_option("--theme", args->theme, "light, dark or high-contrast")->check(CLI::IsMember({"light", "dark", "high-contrast"}));
    sub->add_option("-o,--output", args->out, "the PNG to write")->required();
    sub->callback([args, &invoke] { invoke = [args] { return screenshot(*args); }; });
}

} // namespace mirrorscope::app
