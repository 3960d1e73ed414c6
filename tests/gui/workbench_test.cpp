// SPDX-License-Identifier: GPL-3.0-or-later
// Charts, the palette, finding, layouts, themes, exports and long work: points 7 to 10 of the window, and that everybody can use it.
#include "support/window.h"

#include "export/export.h"
#include "export/exports.h"
#include "scenario/yaml.h"
#include "session/style.h"
#include "views/charts/charts_view.h"
#include "views/find/find_view.h"
#include "views/links.h"
#include "views/palette.h"
#include "views/timeline/timeline_view.h"

#include <QAbstractButton>
#include <QAbstractScrollArea>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QGraphicsView>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QMenu>
#include <QMenuBar>
#include <QProcess>
#include <QPushButton>
#include <QToolBar>
#include <QToolButton>
#include <QTranslator>
#include <QTreeView>
#include <QTreeWidget>

#include <cmath>
#include <numeric>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

// A language with long words: what is not translated, and what does not fit, is seen.
class LongWords : public QTranslator {
public:
    QString translate(const char*, const char* source, const char*, int) const override {
        const QString text = QString::fromUtf8(source);
        return text + QString(text.size() * 6 / 10 + 1, QChar(0xdf));
    }
    bool isEmpty() const override { return false; }
};

class WorkbenchTest : public QObject {
    Q_OBJECT

private:
    static double luminance(const QColor& c) {
        const auto part = [](double v) { return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
        return 0.2126 * part(c.redF()) + 0.7152 * part(c.greenF()) + 0.0722 * part(c.blueF());
    }
    static double contrast(const QColor& a, const QColor& b) {
        const double x = luminance(a), y = luminance(b);
        return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
    }
    static QColor over(QColor tint, const QColor& paper, double alpha) {
        return QColor::fromRgbF(static_cast<float>(tint.redF() * alpha + paper.redF() * (1 - alpha)),
                                static_cast<float>(tint.greenF() * alpha + paper.greenF() * (1 - alpha)),
                                static_cast<float>(tint.blueF() * alpha + paper.blueF() * (1 - alpha)));
    }

    static ChartsView& raisedCharts(Window& w) {
        w.raise("charts");
        return w.child<ChartsView>("charts");
    }
    static bool counted(const ChartsView& charts) {
        constexpr int kMilliseconds = 20'000;
        return QTest::qWaitFor([&] { return charts.statistics() != nullptr && charts.statistics()->complete(); }, kMilliseconds);
    }

private Q_SLOTS:
    void initTestCase() { useOwnSettings(); }

    void every_chart_leads_to_the_micro_steps_that_it_counts() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        auto& charts = raisedCharts(w);
        QVERIFY(counted(charts));
        for (unsigned s = 0; s < kStatistics; ++s) {
            charts.choose(static_cast<Statistic>(s));
            const auto& series = charts.statistics()->series(static_cast<Statistic>(s));
            for (std::size_t k = 0; k < series.size(); ++k)
                for (unsigned part = 0; part < charts.statistics()->parts(); ++part) {
                    QCOMPARE(charts.follow(k, part), series[k].first[part] != ~0ull);
                    if (series[k].first[part] != ~0ull)
                        QCOMPARE(w.position(), series[k].first[part]);
                }
        }
        charts.choose(Statistic::Time);
        bool says = false;
        for (const QLabel* label : charts.findChildren<QLabel*>())
            says |= label->isVisibleTo(&charts) && label->text().contains("µs if one CPU does all of it");
        QVERIFY(says);
        charts.choose(Statistic::SeamcallsByLeaf);
        QVERIFY(!charts.statistics()->series(Statistic::SeamcallsByLeaf).empty());
        for (const char* name : {"chart.svg", "chart.png", "chart.csv"}) {
            const QString file = w.folder.filePath(name);
            QCOMPARE(charts.exportTo(file), QString());
            QVERIFY2(QFile(file).size() > 200, name);
        }
        QVERIFY(charts.exportTo("/nonexistent/chart.csv").contains("cannot be written"));
    }

    // What does not fit into the legend is counted there, and what is named is the largest.
    void the_legend_names_what_there_is_room_for() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        auto& charts = raisedCharts(w);
        QVERIFY(counted(charts));
        charts.choose(Statistic::Time);
        const auto& list = charts.statistics()->series(Statistic::Time);
        QVERIFY(list.size() > 8);
        auto* view = charts.findChild<QGraphicsView*>();
        for (const int height : {90, 150, 2000}) {
            view->setFixedHeight(height);
            charts.resize(charts.width() + 1, charts.height());
            const auto all = static_cast<qsizetype>(list.size());
            QTRY_VERIFY2(height == 2000 ? charts.named().size() == all : charts.named().size() * 16 < height,
                         qPrintable(charts.named().join(", ")));
            if (height == 2000)
                QVERIFY(charts.named().filter("smaller").isEmpty());
            else
                QVERIFY2(charts.named().last().contains(QString("(+%1 smaller)").arg(all - charts.named().size())),
                         qPrintable(charts.named().join(", ")));
        }
    }

    // The chart of time by a table of one's own: what a row is made to cost shows, a bad table changes nothing.
    void the_chart_of_time_goes_by_a_table_of_ones_own() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        auto& charts = raisedCharts(w);
        const auto time = [&] {
            double sum = 0;
            for (const Series& series : charts.statistics()->series(Statistic::Time))
                sum = std::accumulate(series.values.begin(), series.values.end(), sum);
            return sum;
        };
        const auto says = [&](const QString& words) {
            const auto labels = charts.findChildren<QLabel*>();
            return std::any_of(labels.begin(), labels.end(),
                               [&](const QLabel* label) { return label->isVisibleTo(&charts) && label->text().contains(words); });
        };
        QVERIFY(counted(charts));
        auto& button = w.child<QPushButton>("charts-costs");
        charts.choose(Statistic::SeamcallsByLeaf);
        QVERIFY(!button.isVisibleTo(&charts));
        charts.choose(Statistic::Time);
        QVERIFY(button.isVisibleTo(&charts));
        const double usual = time();
        const QString file = w.folder.filePath("mine.yaml");
        QCOMPARE(charts.saveCosts(file), QString());
        // As saved it is the same table; with dearer SEAMCALLs the run takes longer.
        QCOMPARE(charts.useCosts(file), QString());
        QVERIFY(counted(charts));
        QVERIFY(qAbs(time() - usual) < 1e-6 * usual);
        QVERIFY(says("mine.yaml"));
        const auto written = [&](const char* name, const char* table) {
            const QString path = w.folder.filePath(name);
            QFile out(path);
            return out.open(QIODevice::WriteOnly) && out.write(table) > 0 ? path : QString();
        };
        const QString dear = written("dear.yaml", "TDH.MEM.PAGE.AUG: 1000000\n"), bad = written("bad.yaml", "TDH.MEM.PAGE.AUGH: 1\n");
        QCOMPARE(charts.useCosts(dear), QString());
        QVERIFY(counted(charts));
        QVERIFY(time() > usual + 1000);
        QVERIFY(charts.useCosts(bad).contains("bad.yaml:1:1"));
        QVERIFY(says("dear.yaml"));
        QCOMPARE(charts.useCosts({}), QString());
        QVERIFY(counted(charts));
        QCOMPARE(time(), usual);
        QVERIFY(says("`mirrorscope cost`"));
        QVERIFY(charts.saveCosts("/nonexistent/costs.yaml").contains("cannot be written"));
    }

    // Everything that can be done has a place in a menu or a key, and is found in the palette by its name.
    void every_command_is_in_a_menu_and_in_the_palette() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QSet<const QAction*> inMenus;
        for (const QMenu* menu : w.window->menuBar()->findChildren<QMenu*>())
            for (const QAction* action : menu->actions())
                inMenus << action;
        w.key(Qt::Key_P, Qt::ControlModifier | Qt::ShiftModifier);
        auto& palette = w.child<Palette>("palette");
        QVERIFY(palette.isVisible());
        const auto names = palette.shown();
        QSet<QString> keys;
        for (const CommandInfo& info : commandTable()) {
            const QAction* action = w.window->action(info.command);
            QVERIFY2(inMenus.contains(action), info.name);
            QVERIFY2(!action->statusTip().isEmpty(), info.name);
            if (info.command != Command::Palette)
                QVERIFY2(std::find(names.begin(), names.end(), action->text().remove('&')) != names.end(), info.name);
            for (const QKeySequence& key : action->shortcuts()) {
                QVERIFY2(!key.toString().isEmpty(), info.name);
                QVERIFY2(!keys.contains(key.toString()), qPrintable(QString("%1 is the key of two commands").arg(key.toString())));
                keys << key.toString();
            }
        }
        // Typed letters narrow, Enter takes.
        auto& line = w.child<QLineEdit>("palette-line");
        QTest::keyClicks(&line, "address space as");
        QCOMPARE(palette.shown().front(), QString("Address space as a map"));
        QTest::keyClick(&line, Qt::Key_Return);
        QVERIFY(!palette.isVisible());
        QVERIFY(w.trees().form() == TreeForm::Map);
    }

    // Walks every action once, with a file open, at the start, in the middle and at the end; none stops the program or stands in the way.
    void every_action_can_be_taken() {
        for (const int place : {0, 1, 2}) {
            Window w;
            QVERIFY(w.openShipped(kLesson1));
            for (const CommandInfo& info : commandTable()) {
                switch (info.command) {
                case Command::Open: // the desktop's own dialogs wait for an answer
                case Command::SaveAs:
                case Command::Record:
                case Command::Save:
                case Command::Quit: continue;
                default: break;
                }
                QTRY_VERIFY_WITH_TIMEOUT(!w.window->busy(), 20000);
                w.context().goTo(w.session().end() * static_cast<u64>(place) / 2);
                w.window->action(info.command)->trigger();
                QCoreApplication::processEvents();
                for (QWidget* top : QApplication::topLevelWidgets())
                    if (top != w.window.get() && top->isVisible()) {
                        QVERIFY2(!top->isModal() || info.command == Command::New, info.name);
                        top->close();
                    }
                if (info.command == Command::Presentation || info.command == Command::FullScreen)
                    w.window->action(info.command)->trigger();
            }
            QTRY_VERIFY_WITH_TIMEOUT(!w.window->busy(), 20000);
            w.trigger(Command::ZoomReset);
        }
    }

    void going_somewhere_takes_addresses_positions_and_sites() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const auto go = [&](const QString& typed) {
            w.key(Qt::Key_G, Qt::ControlModifier);
            auto& line = w.child<QLineEdit>("palette-line");
            QTest::keyClicks(&line, typed);
            QTest::keyClick(&line, Qt::Key_Return);
        };
        go("100");
        QCOMPARE(w.position(), u64{100});
        go("+20");
        QCOMPARE(w.position(), u64{120});
        go("end");
        QCOMPARE(w.position(), w.session().end());
        go("0x4000");
        QVERIFY(w.context().selection()->gfn.v == 4);
        go("private 0x0");
        QVERIFY(w.context().selection()->column == Column::Private && w.context().selection()->gfn.v == 0 &&
                w.context().selection()->level == Level::k4K);
        go("#3");
        QCOMPARE(w.position(), u64{3});
        go("spte.freeze");
        QVERIFY(w.session().stepBrief(w.position() - 1).second == Site::SpteFreeze);
        go("spte.freez3");
        QVERIFY2(w.status().contains("spte.freeze"), qPrintable(w.status()));
        go("999999");
        QVERIFY(w.status().contains("ends at"));
        go("end");
        QCOMPARE(follow(w.context(), "mirrorscope://gpa/0x4000?tree=mirror&level=4K"), QString());
        QVERIFY(w.context().selection()->column == Column::Mirror);
        QCOMPARE(follow(w.context(), "mirrorscope://step/7"), QString());
        QCOMPARE(w.position(), u64{7});
        QVERIFY(!follow(w.context(), "mirrorscope://nowhere/7").isEmpty());
        QVERIFY(!follow(w.context(), "mirrorscope://frame/zzz").isEmpty());
    }

    void events_are_found_by_filter_words() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.key(Qt::Key_F, Qt::ControlModifier);
        auto& find = w.child<FindView>("find");
        QSignalSpy finished(&find, &FindView::finished);
        find.find("leaf:AUG actor:vcpu0");
        QVERIFY(finished.count() > 0 || finished.wait(10000));
        QTRY_VERIFY(!find.searching());
        auto& list = w.child<QTreeView>("find-list");
        const auto cell = [&](int row, int column) { return list.model()->index(row, column).data().toString(); };
        QCOMPARE(list.model()->rowCount(), 2); // in and out
        QVERIFY(cell(1, 4).contains("TDX_SUCCESS"));
        QCOMPARE(cell(0, 1), QString("vcpu0"));
        QCOMPARE(cell(0, 2), QString("seamcall.enter"));
        Q_EMIT list.clicked(list.model()->index(0, 0));
        QCOMPARE(QString::number(w.position()), cell(0, 0)); // one numbering
        QVERIFY(find.asText().contains("TDH.MEM.PAGE.AUG"));
        find.find("gpaa:3");
        QVERIFY(w.child<QLabel>("find-status").text().contains("gpa"));
        // Nothing to look for: all of the run, row n being what led to position n + 1.
        find.find("");
        QCOMPARE(list.model()->rowCount(), static_cast<int>(w.session().end()));
        w.context().goTo(w.session().pauses().front());
        QCOMPARE(list.currentIndex().row(), static_cast<int>(w.position()) - 1);
        QVERIFY(cell(list.currentIndex().row(), 4).contains("none → frozen"));
        // The menu of a row is that of its moment.
        QMenu* menu = w.window->makeMomentMenu(w.position() - 1);
        menu->actions().at(1)->trigger();
        QCOMPARE(*w.context().marker(0), w.position());
    }

    void layouts_show_what_their_reader_needs_and_presenting_is_undone() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const auto shown = [&](const char* id) { return !w.child<QDockWidget>((std::string("dock-") + id).c_str()).isHidden(); };
        w.trigger(Command::PresetTeach);
        QVERIFY(shown("story") && !shown("script") && !shown("inspector"));
        w.trigger(Command::PresetReview);
        QVERIFY(shown("explore") && shown("difference") && !shown("story"));
        w.trigger(Command::PresetTrace);
        QVERIFY(shown("events") && shown("charts") && shown("timeline"));
        w.trigger(Command::PresetDebug);
        for (const char* id :
             {"story", "script", "inspector", "td", "frames", "explore", "timeline", "events", "charts", "difference", "bookmarks"})
            QVERIFY2(shown(id), id);
        const double size = qApp->font().pointSizeF();
        w.trigger(Command::Presentation);
        QVERIFY(qApp->font().pointSizeF() > size * 1.4);
        QVERIFY(w.window->menuBar()->isHidden());
        w.trigger(Command::Presentation);
        QCOMPARE(qApp->font().pointSizeF(), size);
        QVERIFY(!w.window->menuBar()->isHidden() && shown("script"));
    }

    void settings_keep_the_layout_the_theme_and_the_users_keys() {
        QSettings settings = userSettings();
        settings.clear();
        settings.setValue("keys/run.micro", "F8");
        settings.sync();
        QTemporaryDir folder;
        const QString costs = folder.filePath("mine.yaml");
        {
            Window w;
            w.window->rememberSettings();
            auto& charts = w.child<ChartsView>("charts");
            QCOMPARE(charts.saveCosts(costs), QString());
            QCOMPARE(charts.useCosts(costs), QString());
            QVERIFY(w.openShipped(kLesson1));
            const u64 at = w.position();
            w.key(Qt::Key_F11);
            QCOMPARE(w.position(), at);
            w.key(Qt::Key_F8);
            QCOMPARE(w.position(), at + 1);
            w.window->setTheme(ThemeKind::HighContrast);
            w.child<QDockWidget>("dock-script").hide();
            w.context().setBookmark(12, "twelve");
            w.window->close();
        }
        Window w;
        w.window->rememberSettings();
        QVERIFY(w.context().theme().kind == ThemeKind::HighContrast);
        QCOMPARE(w.child<ChartsView>("charts").costsFile(), costs);
        QVERIFY(w.child<QDockWidget>("dock-script").isHidden());
        QVERIFY(w.openShipped(kLesson1));
        QCOMPARE(w.context().bookmarks().size(), std::size_t{1});
        QCOMPARE(w.context().bookmarks().front().note, QString("twelve"));
        // A table that is not there any more is told of, and the default one used.
        QVERIFY(QFile::remove(costs));
        w.window->close();
        Window later;
        later.window->rememberSettings();
        QCOMPARE(later.child<ChartsView>("charts").costsFile(), QString());
        QVERIFY(later.window->statusBar()->currentMessage().contains("mine.yaml"));
        settings.clear();
        w.window->setTheme(ThemeKind::Light);
    }

    void text_is_readable_in_every_theme() {
        for (const ThemeKind kind : {ThemeKind::Light, ThemeKind::Dark, ThemeKind::HighContrast}) {
            const Theme theme = makeTheme(kind);
            const auto check = [&](const QColor& ink, const QColor& paper, const char* what) {
                QVERIFY2(contrast(ink, paper) >= 4.5,
                         qPrintable(QString("%1 in theme %2: %3").arg(what).arg(static_cast<int>(kind)).arg(contrast(ink, paper))));
            };
            for (const QColor& paper : {theme.window, theme.base, theme.alternate}) {
                check(theme.text, paper, "text");
                check(theme.dim, paper, "dim text");
                check(theme.accent, paper, "accent");
                check(theme.violation, paper, "violation");
            }
            check(theme.text, theme.selection, "selected text");
            check(theme.text, theme.note, "note");
            // The text of an entry stands on its state's tint.
            for (unsigned s = 0; s < stateStyles().size(); ++s)
                check(theme.text, over(theme.of(styleAt(s)), theme.base, theme.fill), styleAt(s).name.data());
        }
    }

    void every_pane_has_a_name_for_a_screen_reader() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.trigger(Command::PresetDebug);
        for (const QWidget* widget : w.window->findChildren<QWidget*>()) {
            if (widget->focusPolicy() == Qt::NoFocus || widget->inherits("QScrollBar") || widget->inherits("QTabBar") ||
                widget->inherits("QMenu") || widget->inherits("QMenuBar"))
                continue;
            // Parts of Qt's own composite widgets speak through their parents.
            if (widget->objectName().startsWith("qt_") || widget->parentWidget()->inherits("QComboBox") ||
                widget->parentWidget()->inherits("QAbstractItemView") || widget->parentWidget()->inherits("QAbstractSpinBox") ||
                widget->parentWidget()->inherits("QDockWidget") || widget->inherits("QComboBoxPrivateContainer") ||
                widget->inherits("QComboBoxListView") || widget->parentWidget()->inherits("QLineEdit"))
                continue;
            if (const auto* area = qobject_cast<const QAbstractScrollArea*>(widget->parentWidget());
                area != nullptr && area->viewport() == widget)
                continue;
            const auto* button = qobject_cast<const QAbstractButton*>(widget);
            const auto* label = qobject_cast<const QLabel*>(widget);
            const bool named = !widget->accessibleName().isEmpty() || (button != nullptr && !button->text().isEmpty()) || label != nullptr;
            QVERIFY2(named, qPrintable(QString("%1 %2 in %3")
                                           .arg(widget->metaObject()->className(), widget->objectName(),
                                                widget->parentWidget()->metaObject()->className())));
        }
    }

    // Twice as long words, twice as large type: nothing is cut off that is not elided, the window does not grow beyond a screen.
    void large_type_leaves_the_window_usable() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QFont font = qApp->font();
        const double size = font.pointSizeF();
        font.setPointSizeF(size * 2);
        qApp->setFont(font);
        w.window->setTheme(w.context().theme().kind);
        QTest::qWait(50);
        QVERIFY2(w.window->minimumSizeHint().width() <= 1366, qPrintable(QString::number(w.window->minimumSizeHint().width())));
        QVERIFY(w.trees().list().viewport()->width() > 300);
        font.setPointSizeF(size);
        qApp->setFont(font);
        w.window->setTheme(w.context().theme().kind);
    }

    void a_language_with_long_words_fits_and_nothing_is_left_untranslated() {
        LongWords longWords;
        QCoreApplication::installTranslator(&longWords);
        {
            Window w;
            QVERIFY(w.openShipped(kLesson1));
            const QChar mark(0xdf);
            for (const CommandInfo& info : commandTable()) {
                QVERIFY2(w.window->action(info.command)->text().endsWith(mark), info.name);
                QVERIFY2(w.window->action(info.command)->statusTip().endsWith(mark), info.name);
            }
            for (const QDockWidget* dock : w.window->findChildren<QDockWidget*>())
                QVERIFY2(dock->windowTitle().endsWith(mark), qPrintable(dock->windowTitle()));
            for (const QAbstractButton* button : w.window->findChildren<QAbstractButton*>())
                if (!button->inherits("QToolButton") && !button->text().isEmpty())
                    QVERIFY2(button->text().endsWith(mark), qPrintable(button->text()));
            for (const QTreeWidget* list : w.window->findChildren<QTreeWidget*>())
                for (int c = 0; c < list->columnCount() && !list->isHeaderHidden(); ++c)
                    if (const QString text = list->headerItem()->text(c); text.size() > 1 && text != "vCPU")
                        QVERIFY2(text.contains(mark), qPrintable(text));
            QVERIFY2(w.window->minimumSizeHint().width() <= 1366, qPrintable(QString::number(w.window->minimumSizeHint().width())));
            w.window->resize(1366, 768);
            QTest::qWait(30);
            QVERIFY2(w.window->width() <= 1366 && w.trees().list().viewport()->width() > 300,
                     qPrintable(QString("%1, %2").arg(w.window->width()).arg(w.trees().list().viewport()->width())));
        }
        QCoreApplication::removeTranslator(&longWords);
    }

    void every_export_is_what_the_command_line_writes() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(180);
        for (const ExportInfo& kind : exportTable()) {
            const QString id = QString::fromUtf8(kind.id.data());
            const QString file = w.folder.filePath("out." + QString::fromUtf8(kind.suffix.data())), beside = w.folder.filePath("cli");
            QSignalSpy exported(w.window.get(), &MainWindow::exported);
            w.window->exportTo(id, file);
            QVERIFY2(exported.wait(20000), kind.id.data());
            QVERIFY2(exported.first().first().toBool(), kind.id.data());
            QVERIFY(w.status().contains(file));
            QCOMPARE(QProcess::execute(MIRRORSCOPE_PROGRAM, {"export", QString(MIRRORSCOPE_SOURCE_DIR) + "/" + kLesson1, "--at", "180",
                                                             "--as", id, "-o", beside}),
                     0);
            QFile in(file), other(beside);
            QVERIFY(in.open(QIODevice::ReadOnly) && other.open(QIODevice::ReadOnly));
            const QByteArray bytes = in.readAll();
            const QByteArray same = other.readAll();
            // A PDF says when it was made, and has a number of its own.
            const bool equal = id == "pdf" ? bytes.startsWith("%PDF-") && std::abs(bytes.size() - same.size()) < 100 : bytes == same;
            QVERIFY2(bytes.size() > 200 && equal, kind.id.data());
        }
        QSignalSpy exported(w.window.get(), &MainWindow::exported);
        w.window->exportTo("csv", "/nonexistent/out.csv");
        QVERIFY(exported.wait(20000));
        QVERIFY(!exported.first().first().toBool());
        QVERIFY(w.status().contains("cannot be written"));
    }

    void a_pane_can_be_copied_as_text() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.trees().currentWidget()->setFocus();
        QCOMPARE(w.window->paneAsText().toStdString(), treesText(w.session()));
        w.trigger(Command::CopyText);
        QVERIFY(QApplication::clipboard()->text().contains("frozen"));
    }

    // Taken again they are the same, with the fonts that tests/fonts.conf pins, whatever else the machine has; a rasterizer of another
    // version may differ in an edge here and there. (Qt 6.8 lays texts out a pixel beside where 6.4 does.)
    void pictures_of_the_readme_are_what_the_window_looks_like() {
        if (!QByteArray(qVersion()).startsWith("6.4."))
            QSKIP("the pictures were taken with Qt 6.4");
        const QString source = MIRRORSCOPE_SOURCE_DIR;
        const std::pair<const char*, QStringList> pictures[] = {
            {"window.png",
             {"--size", "1366x768", "--at",
              QString::number(Session(loadScenario((source + "/" + kLesson1).toStdString())).pauses().front())}},
            {"difference.png",
             {"--size", "1366x768", "--theme", "dark", "--form", "nodes", "--marks", "100:200", "--at", "200", "--pane", "difference"}}};
        QTemporaryDir folder;
        for (const auto& [name, options] : pictures) {
            const QString taken = folder.filePath(name);
            const QStringList arguments = QStringList{"screenshot", source + "/" + kLesson1} + options + QStringList{"-o", taken};
            QProcess program;
            QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
            environment.insert("FONTCONFIG_FILE", source + "/tests/fonts.conf");
            program.setProcessEnvironment(environment);
            program.start(MIRRORSCOPE_PROGRAM, arguments);
            QVERIFY(program.waitForFinished(60000));
            QCOMPARE(program.exitCode(), 0);
            const QImage now = QImage(taken).convertToFormat(QImage::Format_RGB32);
            const QImage kept = QImage(source + "/resources/docs/" + name).convertToFormat(QImage::Format_RGB32);
            QCOMPARE(now.size(), kept.size());
            int different = 0;
            for (int y = 0; y < now.height(); ++y)
                for (int x = 0; x < now.width(); ++x)
                    different += std::abs(qGray(now.pixel(x, y)) - qGray(kept.pixel(x, y))) > 48 ? 1 : 0;
            QVERIFY2(different * 500 < now.width() * now.height(),
                     qPrintable(QString("%1: %2 pixels differ; FONTCONFIG_FILE=$PWD/tests/fonts.conf mirrorscope %3 resources/docs/%1")
                                    .arg(name)
                                    .arg(different)
                                    .arg(arguments.mid(0, arguments.size() - 1).join(' '))));
        }
    }

    // Work that takes seconds: the window answers meanwhile, and Cancel ends it.
    void long_work_is_shown_and_can_be_cancelled() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const QString file = w.file(
            "long.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n  - finalize-vm\n"
                         "  - repeat:\n      times: 3000\n      do:\n        - vcpu0: {accept: {gpa: 0, size: 1M}}\n        - punch-hole: "
                         "{gpa: 0, size: 1M}\n");
        QSignalSpy opened(w.window.get(), &MainWindow::opened), begun(w.window.get(), &MainWindow::begun);
        w.window->open(file);
        auto& cancel = w.child<QToolButton>("cancel");
        QTRY_VERIFY_WITH_TIMEOUT(cancel.isVisible(), 5000);
        QTRY_COMPARE_WITH_TIMEOUT(begun.count(), 1, 60'000);
        // It still steps.
        const u64 at = w.position();
        w.key(Qt::Key_F11);
        QCOMPARE(w.position(), at + 1);
        // And says how far it is.
        QTRY_VERIFY_WITH_TIMEOUT(w.status().contains("micro-steps") && w.status().contains("long.yaml"), 5000);
        QTest::mouseClick(&cancel, Qt::LeftButton);
        QVERIFY(!w.window->busy());
        QVERIFY(!cancel.isVisible());
        QCOMPARE(opened.count(), 1);
        // What there is of it stays.
        QCOMPARE(w.session().end(), LoadJob::kFirst);
        QVERIFY2(w.status().contains("Given up"), qPrintable(w.status()));
        QVERIFY(w.openShipped(kLesson1));
    }
};

QTEST_MAIN(WorkbenchTest)
#include "workbench_test.moc"
