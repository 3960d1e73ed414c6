// SPDX-License-Identifier: GPL-3.0-or-later
// What strangers at the window stumbled over (text sizes, focus, positions, violations, ways back, names), fault by fault, as they met it.
#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "scenario/runner.h"
#endif
#include "support/window.h"

#include "base/glossary.h"
#include "session/branch.h"
#include "views/explore/explore_view.h"
#include "views/explore/side_by_side.h"
#include "views/help/explain_view.h"
#include "views/help/glossary_tip.h"
#include "views/help/manual_view.h"
#include "views/inspector/inspector_view.h"
#include "views/links.h"
#include "views/script/scenario_lexer.h"
#include "views/script/script_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/banner.h"
#include "views/trees/legend.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QMenu>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QStatusBar>
#include <QTextBrowser>
#include <QToolBar>
#include <QTreeWidget>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class ComfortTest : public QObject {
    Q_OBJECT

    static std::map<QWidget*, double> sizes(const QWidget& window) {
        std::map<QWidget*, double> sizes;
        // Of all that shows text.
        for (QWidget* widget : window.findChildren<QWidget*>())
            for (const char* kind : {"QLabel", "QAbstractButton", "QLineEdit", "QAbstractItemView", "QTextEdit", "QPlainTextEdit",
                                     "QTabBar", "QMenuBar", "mirrorscope::views::TreesView", "mirrorscope::views::NodesView",
                                     "mirrorscope::views::MapView", "mirrorscope::views::TimelineView", "mirrorscope::views::Legend"})
                if (widget->inherits(kind) && !widget->objectName().startsWith("qt_"))
                    sizes[widget] = widget->font().pointSizeF();
        return sizes;
    }
    static QString banner(Window& w) {
        const auto* label = w.window->findChild<QLabel*>("banner-violation");
        return label->isHidden() ? QString() : label->text();
    }

private Q_SLOTS:
    void what_a_step_returned_is_said_when_it_has() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const auto& detail = w.child<QLabel>("banner-detail");
        std::optional<StepResult> read;
        for (const std::size_t mark : w.session().returnsIn(0, w.session().end()))
            if (const auto result = w.session().resultOf(mark); result->call == "read 0x4000")
                read = result;
        QVERIFY(read.has_value());
        w.context().goTo(read->position - 1);
        QVERIFY2(!detail.text().contains("→ ok, value"), qPrintable(detail.text()));
        w.key(Qt::Key_F11);
        QVERIFY2(detail.text().contains("vcpu0: read 0x4000 → ok, value 42"), qPrintable(detail.text()));
    }

    // 4: whatever has a font of its own grows with the others, at once, and comes back to where it was.
    void one_text_size_is_for_all() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const auto before = sizes(*w.window);
        w.trigger(Command::ZoomIn);
        w.trigger(Command::ZoomIn);
        const auto larger = sizes(*w.window);
        for (const auto& [widget, size] : larger)
            if (before.contains(widget))
                QVERIFY2(std::abs(size / before.at(widget) - 1.21) < 0.02,
                         qPrintable(QString("%1 %2: %3 from %4")
                                        .arg(widget->metaObject()->className(), widget->objectName())
                                        .arg(size)
                                        .arg(before.at(widget))));
        w.trigger(Command::ZoomReset); // once is enough
        for (const auto& [widget, size] : sizes(*w.window))
            if (before.contains(widget))
                QVERIFY2(std::abs(size - before.at(widget)) < 0.01, qPrintable(widget->objectName()));
    }

    // 5: an audience sees all trees, Escape leads out, and says so before.
    void a_presentation_shows_all_trees_and_ends_by_escape() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const double size = qApp->font().pointSizeF();
        w.trigger(Command::Presentation);
        QTest::qWait(50);
        auto& list = w.trees().list();
        QVERIFY2(list.cellRect(0, Column::Private).right() <= list.viewport()->width(),
                 qPrintable(QString::number(list.cellRect(0, Column::Private).right())));
        QVERIFY(w.child<QLabel>("banner-detail").text().contains("Esc"));
        w.key(Qt::Key_Escape);
        QCOMPARE(qApp->font().pointSizeF(), size);
        QVERIFY(!w.child<QLabel>("banner-detail").text().contains("Esc"));
        QTest::qWait(30);
        QVERIFY(list.cellRect(0, Column::Shared).left() >= 0);
    }

    // 6
    void the_legend_is_that_of_the_machine_that_is_open() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& legend = w.child<Legend>("legend");
        QVERIFY(!legend.itemRect(kStyleFrozen).isNull());
        QVERIFY(w.openShipped("scenarios/lessons/18-snp-first-private-page.yaml"));
        QVERIFY(legend.itemRect(kStyleFrozen).isNull());
        QTRY_COMPARE(legend.height(), legend.heightForWidth(legend.width()));
    }

    // 7
    void a_scenario_says_where_it_was_opened_and_why() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY2(w.status().contains("opened at its pause, position 188"), qPrintable(w.status()));
        QVERIFY(w.openShipped("scenarios/broken/skip-flush.yaml"));
        QVERIFY2(w.status().contains("opened at its end"), qPrintable(w.status()));
        // What stays there is there again when a menu has told of itself.
        const QString said = w.status();
        QStatusTipEvent tip("a menu's help");
        QCoreApplication::sendEvent(w.window.get(), &tip);
        QStatusTipEvent none("");
        QCoreApplication::sendEvent(w.window.get(), &none);
        QCOMPARE(w.status(), said);
    }

    // 13: the keyboard goes into the script and out of it.
    void the_focus_can_always_leave_the_script() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(QTest::qWaitForWindowActive(w.window.get()));
        auto& script = w.child<ScriptView>("script");
        const QString before = script.text();
        const auto inScript = [&] { return QApplication::focusWidget() != nullptr && script.isAncestorOf(QApplication::focusWidget()); };
        for (const auto& leave :
             {std::function<void()>([] { QTest::keyClick(QApplication::focusWidget(), Qt::Key_Escape); }),
              std::function<void()>([] { QTest::keyClick(QApplication::focusWidget(), Qt::Key_Backtab, Qt::ShiftModifier); }),
              std::function<void()>([] { QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab); }),
              std::function<void()>([&] { w.trigger(Command::NextPane); })}) {
            script.setFocus(Qt::TabFocusReason);
            QVERIFY(inScript());
            leave();
            QVERIFY(!inScript());
        }
        QCOMPARE(script.text(), before);
        QVERIFY(!w.window->document().isModified());
        // Who types is not thrown out: then Tab is the editor's.
        script.setFocus(Qt::TabFocusReason);
        QTest::keyClick(QApplication::focusWidget(), 'x');
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
        QVERIFY(inScript());
        // F6 comes round.
        w.trees().currentWidget()->setFocus();
        bool came = false;
        for (int i = 0; i < 8; ++i) {
            w.trigger(Command::NextPane);
            came |= inScript();
        }
        QVERIFY(came);
    }

    // 16: a headline says of what.
    void headlines_name_their_subject() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        bool lock = false, leaf = false, mode = false;
        for (u64 at = 1; at <= w.session().end(); ++at) {
            w.context().goTo(at);
            const QString said = w.child<Banner>("banner").sentence();
            QVERIFY2(!said.contains("or another kernel lock") && !said.contains("the VM's own state changes"), qPrintable(said));
            lock |= said.contains("mmu_lock is taken for reading");
            leaf |= said.contains("TDH.MEM.PAGE.AUG answers TDX_SUCCESS");
            mode |= said.contains("OUTSIDE_GUEST_MODE → IN_GUEST_MODE");
        }
        QVERIFY(lock && leaf && mode);
    }

    // 17
    void a_violation_is_seen_with_its_rule_its_entry_and_as_long_as_it_lasts() {
        Window w;
        QVERIFY(w.openShipped("scenarios/broken/skip-block.yaml"));
        w.trigger(Command::Restart);
        QVERIFY(banner(w).isEmpty());
        w.trigger(Command::NextViolation);
        QVERIFY2(banner(w).contains("module-agrees") && banner(w).contains("as the scenario says"), qPrintable(banner(w)));
        w.trigger(Command::NextViolation);
        QVERIFY2(banner(w).contains("coherent"), qPrintable(banner(w)));
        QVERIFY(w.context().selection() && w.context().selection()->gfn.v == 4);
        const TreeCell cell = w.session().cell(w.context().selection()->column, {4}, Level::k4K);
        QVERIFY(cell.violation);
        QCOMPARE(w.session().violationsAt(cell.place).size(), std::size_t{1});
        // The tooltip of the entry names the rule.
        for (const TreeRow& row : w.trees().list().rows())
            if (row.gfn.v == 4 && row.level == Level::k4K)
                QVERIFY(entryHelp(w.session(), w.context().selection()->column, row).contains("! coherent, since position"));
        QVERIFY2(w.status().contains("2 violations, as the scenario says"), qPrintable(w.status()));
        QVERIFY(!w.status().contains("everything holds"));
        w.context().goTo(w.session().end());
        QVERIFY(!w.child<QLabel>("banner-detail").text().contains("holds"));
    }

    // 18
    void an_address_that_no_table_leads_to_is_acted_at_all_the_same() {
        Window w;
        QVERIFY(w.openText("mirrorscope: 1\ntitle: playground\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: "
                           "64M}]}\nscript:\n  - finalize-vm\n"));
        w.context().goTo(w.session().end());
        QVERIFY(!goTo(w.context(), "private 0x5000").isEmpty()); // there is none yet: it is said
        QMenu* menu =
            w.window->makeContextMenu(w.context().selection() ? *w.context().selection() : Selection{Column::Mirror, {0}, Level::k4K});
        QVERIFY(!menu->actions().isEmpty());
        QVERIFY(w.openShipped(kLesson1));
        const QString said = goTo(w.context(), "mirror 0x5555000");
        QVERIFY2(said.contains("No table leads to 0x5555000") || said.contains("beyond"), qPrintable(said));
        QCOMPARE(goTo(w.context(), "mirror 0x5000"), QString());
        QCOMPARE(w.context().address(), u64{0x5000});
        goTo(w.context(), "mirror 0x800000");
        QCOMPARE(w.context().address(), u64{0x800000});
        menu = w.window->makeContextMenu(*w.context().selection());
        bool there = false;
        for (const QAction* action : menu->actions())
            there |= action->text().contains("0x800000");
        QVERIFY(there);
    }

    // 15: a ruler, a lane for each actor's calls, no name cut off.
    void calls_of_two_vcpus_have_lanes_of_their_own() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/05-two-vcpus-one-page.yaml"));
        auto& timeline = w.child<TimelineView>("timeline");
        const QStringList lanes = timeline.laneNames();
        QVERIFY2(lanes.contains("vcpu0 SEAMCALL") && lanes.contains("vcpu1 SEAMCALL"), qPrintable(lanes.join(", ")));
        QCOMPARE(lanes.indexOf("vcpu0 SEAMCALL"), lanes.indexOf("vcpu0") + 1);
        for (const Span& span : w.session().lanes().seamcalls()) {
            const QString actor = QString::fromStdString(w.session().actorName(span.actor));
            const int lane = static_cast<int>(lanes.indexOf(actor + " SEAMCALL"));
            timeline.show(static_cast<double>(span.begin) - 2, 40);
            const QString said =
                timeline.textAt(QPoint(static_cast<int>(timeline.xOf(span.begin) + 1), timeline.laneRect(lane).center().y()));
            if (timeline.laneRect(lane).bottom() < timeline.overviewRect().top() - 40)
                QVERIFY2(said.contains(QString::fromUtf8(leafName(span).data())) && said.contains(actor), qPrintable(said));
        }
    }

    // 22
    void a_theme_leaves_high_contrast_to_whoever_needs_it() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.window->setTheme(ThemeKind::Dark);
        w.trigger(Command::HighContrast);
        w.trigger(Command::ToggleTheme);
        QCOMPARE(static_cast<int>(w.context().theme().kind), static_cast<int>(ThemeKind::HighContrast));
        w.trigger(Command::HighContrast);
        QCOMPARE(static_cast<int>(w.context().theme().kind), static_cast<int>(ThemeKind::Dark));
        // Links are read on the new ground at once.
        for (const QLabel* label : w.window->findChildren<QLabel*>())
            if (label->textFormat() == Qt::RichText && label->text().contains("<a "))
                QVERIFY2(label->palette().color(QPalette::Link) == w.context().theme().accent,
                         qPrintable(label->objectName() + " " + label->palette().color(QPalette::Link).name()));
    }

    // 24
    void the_script_has_undo_find_and_replace() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(QTest::qWaitForWindowActive(w.window.get()));
        auto& script = w.child<ScriptView>("script");
        const QString before = script.text();
        script.setFocus();
        w.trigger(Command::Find);
        auto& find = w.child<QLineEdit>("script-find");
        QVERIFY(find.isVisible() && find.hasFocus());
        QTest::keyClicks(&find, "0x4000");
        const unsigned first = script.cursorLine();
        QTest::keyClick(&find, Qt::Key_Return);
        QVERIFY(script.cursorLine() != first || before.count("0x4000") == 1);
        QTest::keyClicks(&find, "zzz");
        QVERIFY(w.window->findChild<QWidget*>("script-search")->findChild<QLabel*>()->text().contains("not in the script"));
        w.trigger(Command::Replace);
        find.setText("0x4000");
        w.child<QLineEdit>("script-replace").setText("0x6000");
        w.child<QPushButton>("script-replace-all").click();
        QCOMPARE(script.text().count("0x6000"), before.count("0x4000"));
        QVERIFY(w.window->action(Command::Undo)->isEnabled());
        w.trigger(Command::Undo);
        QCOMPARE(script.text(), before);
        w.trigger(Command::Redo);
        QCOMPARE(script.text().count("0x4000"), 0);
        QTest::keyClick(&find, Qt::Key_Escape);
        QVERIFY(!find.isVisible());
    }

    void prose_is_not_coloured_as_if_it_were_keys() {
        const QByteArray text = "about: |\n  First: a page of 4K, at 0x4000.\n\nmachine: {vm: tdx} # why: so\nscript:\n  - note: Look: "
                                "here\n  - vcpu0: {read: 0x4000}\n";
        const QByteArray styles = ScenarioLexer::stylesOf(text);
        const auto of = [&](const char* word, int from = 0) { return static_cast<int>(styles[text.indexOf(word, from)]); };
        QCOMPARE(of("about"), static_cast<int>(ScenarioLexer::Key));
        QCOMPARE(of("First"), static_cast<int>(ScenarioLexer::Prose));
        QCOMPARE(of("0x4000"), static_cast<int>(ScenarioLexer::Prose));
        QCOMPARE(of("machine"), static_cast<int>(ScenarioLexer::Key));
        QCOMPARE(of("why"), static_cast<int>(ScenarioLexer::Comment));
        QCOMPARE(of("Look"), static_cast<int>(ScenarioLexer::Prose));
        QCOMPARE(of("0x4000", static_cast<int>(text.indexOf("vcpu0"))), static_cast<int>(ScenarioLexer::Number));
        QCOMPARE(of("read", static_cast<int>(text.indexOf("vcpu0"))), static_cast<int>(ScenarioLexer::Key));
        QCOMPARE(ScenarioLexer::stylesOf("a: 'unclosed\n\xff\xfe: {").size(), 18);
    }

    // 9: ends by what they differ in, two of them beside each other.
    void ends_are_told_apart_and_stand_side_by_side() {
        Window w;
        QVERIFY(w.openShipped("scenarios/races/05-fault-and-punch-hole.yaml"));
        auto& explore = w.child<ExploreView>("explore");
        QSignalSpy told(&explore, &ExploreView::endsChanged);
        w.trigger(Command::Explore);
        QTRY_VERIFY_WITH_TIMEOUT(!explore.ends().rows.empty(), 60000);
        const EndTable table = explore.ends();
        QVERIFY(table.rows.size() > 1);
        QVERIFY(!table.features.empty());
        u64 all = 0;
        std::set<std::vector<std::string>> seen;
        for (const EndRow& row : table.rows) {
            all += row.count;
            QCOMPARE(row.values.size(), table.features.size());
            auto key = row.values;
            key.push_back(row.violated);
            QVERIFY2(seen.insert(key).second, "two rows look alike");
        }
        QCOMPARE(all, table.all);
        auto& list = w.child<QTreeWidget>("ends-list");
        QCOMPARE(list.topLevelItemCount(), static_cast<int>(table.rows.size()));
        QVERIFY(!list.topLevelItem(1)->text(list.columnCount() - 1).isEmpty()); // where it parts
        // Opened, it ends as the row says.
        w.raise("ends");
        list.setCurrentItem(list.topLevelItem(1));
        list.topLevelItem(0)->setSelected(true);
        w.child<QPushButton>("ends-beside").click();
        QTRY_VERIFY_WITH_TIMEOUT(w.window->findChild<SideBySide*>() != nullptr, 20000);
        auto* beside = w.window->findChild<SideBySide*>();
        for (unsigned side = 0; side < 2; ++side)
            QCOMPARE(beside->context(side).position(), beside->context(side).session()->end());
        beside->findChild<QPushButton*>("where-they-part")->click();
        QCOMPARE(beside->context(0).position(), beside->common() + 1);
        QVERIFY(beside->context(0).session()->stepBrief(beside->common()) != beside->context(1).session()->stepBrief(beside->common()));
        beside->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(beside));
        QTest::keyClick(beside, Qt::Key_F11);
        for (unsigned side = 0; side < 2; ++side)
            QCOMPARE(beside->context(side).position(), std::min(beside->common() + 2, beside->context(side).session()->end()));
        beside->close();
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        explore.openEnd(1);
        QVERIFY(opened.wait(20000));
        QCOMPARE(w.position(), w.session().end());
        QVERIFY2(w.title().endsWith("one of its ends"), qPrintable(w.title()));
        QVERIFY(!QString::fromStdString(w.session().scenario().about).contains("0 runs"));
    }

    // Words
    void terms_explain_themselves_on_hover_and_lead_to_the_glossary() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& about = w.child<QTextBrowser>("about");
        QTextCursor cursor = about.document()->find("secure EPT");
        QVERIFY(!cursor.isNull());
        cursor.setPosition(cursor.selectionStart() + 2);
        about.setTextCursor(cursor);
        QTest::qWait(10);
        const QString said = GlossaryTip::textAt(*about.viewport(), about.cursorRect().center());
        QVERIFY2(said.contains("inside the TDX module"), qPrintable(said));
        QVERIFY(GlossaryTip::explain("the PAMT and the TDR").contains("physical page"));
        QVERIFY(GlossaryTip::explain("nothing of that kind at all").isEmpty());
        w.trigger(Command::Glossary);
        auto& text = w.child<QTextBrowser>("manual-text");
        for (const Term& term : glossary())
            QVERIFY2(text.toPlainText().contains(QString::fromUtf8(term.name.data(), static_cast<int>(term.name.size()))),
                     term.name.data());
    }

    void what_is_pasted_on_the_window_is_explained() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(QTest::qWaitForWindowActive(w.window.get()));
        QGuiApplication::clipboard()->setText("> [  12.3] kvm_intel: SEAMCALL (0x1c) failed: 0xc000030000000001 RCX 0x0\n");
        w.child<QWidget>("trees").setFocus();
        QTest::keySequence(w.child<QWidget>("trees").window(), QKeySequence::Paste);
        auto& view = w.child<ExplainView>("explain");
        QVERIFY(view.isVisible());
        auto& answer = w.child<QTextBrowser>("explain-answer");
        QTRY_VERIFY2(answer.toPlainText().contains("TDX_PAGE_METADATA_INCORRECT"), qPrintable(answer.toPlainText()));
        if (qEnvironmentVariableIsSet("MIRRORSCOPE_PICTURES"))
            view.grab().save(qEnvironmentVariable("MIRRORSCOPE_PICTURES") + "/explain.png");
        // A scenario that gets there is one click away.
        auto& input = w.child<QPlainTextEdit>("explain-input");
        input.setPlainText("0xc000030000000001 nonsense");
        input.setPlainText("TDH.MEM.PAGE.AUG");
        QTRY_VERIFY2(answer.toPlainText().contains("AUG") && !answer.toPlainText().contains("METADATA"), qPrintable(answer.toPlainText()));
        input.setPlainText("nothing of that kind");
        QTRY_VERIFY2(answer.toPlainText().startsWith("Nothing in that"), qPrintable(answer.toPlainText()));
        input.setPlainText("TDX_EPT_ENTRY_STATE_INCORRECT");
        QTRY_VERIFY(answer.toHtml().contains("href="));
        const QString html = answer.toHtml();
        const qsizetype from = html.indexOf("href=\"") + 6;
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        Q_EMIT answer.anchorClicked(QUrl(html.mid(from, html.indexOf('"', from) - from)));
        QVERIFY(opened.wait(20000));
        QVERIFY(opened.at(0).at(0).toBool());
        QVERIFY(!w.title().startsWith("The first private page"));
    }

    void f1_opens_the_manual_at_the_pane_that_has_the_focus() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(QTest::qWaitForWindowActive(w.window.get()));
        for (const auto& [dock, heading] :
             {std::pair{"timeline", "Time"}, {"script", "The script"}, {"console", "The console"}, {"explore", "Exploring"}}) {
            w.window->activateWindow();
            w.raise(dock);
            w.child<QDockWidget>((std::string("dock-") + dock).c_str()).widget()->setFocus();
            w.trigger(Command::Manual);
            QCOMPARE(w.child<ManualView>("manual").heading(), QString(heading));
            w.child<ManualView>("manual").hide();
        }
        w.trigger(Command::Manual);
        auto& search = w.child<QLineEdit>("manual-search");
        QTest::keyClicks(&search, "reverse-continue");
        QCOMPARE(w.child<QTextBrowser>("manual-text").textCursor().selectedText(), QString("reverse-continue"));
    }

    // Polish
    void what_is_empty_says_so_and_offers_nothing_that_cannot_be_done() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(!w.child<QPushButton>("bookmarks-remove").isEnabled());
        w.trigger(Command::Bookmark);
        QTest::qWait(10);
        auto& list = w.child<QTreeWidget>("bookmarks-list");
        list.setCurrentItem(list.topLevelItem(0));
        QVERIFY(w.child<QPushButton>("bookmarks-remove").isEnabled());
        w.trigger(Command::Palette);
        auto& palette = w.child<QListWidget>("palette-list");
        QTest::keyClicks(&w.child<QLineEdit>("palette-line"), "qwertzuiop");
        QCOMPARE(palette.count(), 1);
        QCOMPARE(palette.item(0)->text(), QString("nothing is called that"));
        QTest::keyClick(&w.child<QLineEdit>("palette-line"), Qt::Key_Escape);
        for (const WhatIf& what : whatIfs(w.session(), 0x4000, false))
            QVERIFY2(!QString::fromStdString(what.text).contains("execs"), what.text.c_str());
    }

    // Each answer in words that stand on the screen, reached as a reader would.
    void the_five_questions_of_the_thread_are_answered_on_the_screen() {
        Window w;
        QVERIFY(QTest::qWaitForWindowActive(w.window.get()));
        const auto story = [&] { return w.child<QTextBrowser>("about").toPlainText().simplified(); };
        const auto follow = [&](const QString& words) {
            QTextCursor cursor = w.child<QTextBrowser>("about").document()->find(words);
            QVERIFY2(!cursor.isNull(), qPrintable(words));
            cursor.setPosition(cursor.selectionStart() + 1);
            QSignalSpy opened(w.window.get(), &MainWindow::opened);
            Q_EMIT w.child<QTextBrowser>("about").anchorClicked(QUrl(cursor.charFormat().anchorHref()));
            QVERIFY(opened.wait(20000) && opened.first().first().toBool());
        };
        // Who decides that the private table follows?
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY2(story().contains("the role of these says that they mirror"), qPrintable(story()));
        follow("the fault");
        QVERIFY2(w.title().startsWith("Decided by the fault"), qPrintable(w.title()));
        QVERIFY(story().contains("nobody faults when a hole is punched"));
        QVERIFY(w.openAgain(Command::Back));
        // Why frozen?
        w.context().goTo(w.session().pauses().front());
        QVERIFY2(w.child<InspectorView>("inspector").asText().contains("another actor is in the middle of an update of two tables"),
                 qPrintable(w.child<InspectorView>("inspector").asText()));
        // What goes wrong without BLOCK and TRACK?
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        follow("without BLOCK");
        w.trigger(Command::Restart);
        w.trigger(Command::NextViolation);
        QVERIFY2(banner(w).contains("TDX_GPA_RANGE_NOT_BLOCKED"), qPrintable(banner(w)));
        QVERIFY(w.openAgain(Command::Back));
        follow("without TRACK");
        w.trigger(Command::Restart);
        w.trigger(Command::NextViolation);
        QVERIFY2(banner(w).contains("TDX_TLB_TRACKING_NOT_DONE"), qPrintable(banner(w)));
        // Why is SNP different?
        QVERIFY(w.openShipped("scenarios/lessons/18-snp-first-private-page.yaml"));
        QVERIFY2(story().contains("here the table is KVM's, and the RMP keeps it honest"), qPrintable(story()));
        // Which interleaving loses a page?
        QVERIFY(w.openShipped("scenarios/lessons/05-two-vcpus-one-page.yaml"));
        follow("the same without the second look");
        auto& explore = w.child<ExploreView>("explore");
        w.trigger(Command::Explore);
        QTRY_VERIFY_WITH_TIMEOUT(!explore.ends().rows.empty(), 60000);
        bool marked = false;
        for (const EndRow& row : explore.ends().rows)
            marked |= row.violated.find("maps-the-page (expected)") != std::string::npos;
        QVERIFY(marked);
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        explore.openEnd(0);
        QVERIFY(opened.wait(20000));
        w.trigger(Command::Restart);
        w.trigger(Command::NextViolation);
        QVERIFY2(banner(w).contains("no-stale-tlb"), qPrintable(banner(w)));
    }

    // 12: nothing is cut where there is room, and all is there where there is little.
    void wide_windows_are_used_and_small_ones_show_all_trees() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.window->resize(2560, 1440);
        w.trigger(Command::PresetDebug);
        QTest::qWait(30);
        QVERIFY2(w.child<QDockWidget>("dock-inspector").width() > 500,
                 qPrintable(QString::number(w.child<QDockWidget>("dock-inspector").width())));
        Window small;
        small.window->resize(1024, 700);
        QVERIFY(small.openShipped(kLesson1));
        QTest::qWait(30);
        auto& list = small.trees().list();
        QVERIFY2(list.cellRect(0, Column::Private).right() <= list.viewport()->width(),
                 qPrintable(QString::number(list.viewport()->width())));
        QVERIFY(list.horizontalScrollBar()->maximum() == 0);
        auto* bar = small.window->findChild<QToolBar*>("toolbar");
        auto* more = bar->findChild<QWidget*>("qt_toolbar_ext_button");
        QVERIFY(more == nullptr || !more->isVisible());
    }
};

QTEST_MAIN(ComfortTest)
#include "comfort_test.moc"
