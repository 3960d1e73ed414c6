// SPDX-License-Identifier: GPL-3.0-or-later
// A debugger's panes: the console, the list of breakpoints, what the vCPUs have cached.
#include "support/window.h"

#ifndef Q_MOC_RUN
#include "session/style.h"
#endif
#include "views/debug/debugger.h"
#include "views/script/script_view.h"

#include <QAbstractItemView>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStatusBar>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class DebugTest : public QObject {
    Q_OBJECT

    static void type(QLineEdit& line, const QString& text) {
        line.clear();
        QTest::keyClicks(&line, text);
        QTest::keyClick(&line, Qt::Key_Return);
    }

private Q_SLOTS:
    void a_word_in_the_console_moves_the_window_and_is_answered_there() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.trigger(Command::Console);
        auto& line = w.child<QLineEdit>("console-line");
        auto& output = w.child<QPlainTextEdit>("console-output");
        QVERIFY(line.hasFocus());
        w.trigger(Command::Restart);
        type(line, "b spte.freeze if gpa:0x4000");
        type(line, "c");
        QCOMPARE(w.position(), w.session().pauses().front());
        QVERIFY2(output.toPlainText().contains("Breakpoint 1, spte.freeze"), qPrintable(output.toPlainText()));
        type(line, "select private 0x4000");
        QVERIFY(w.context().selection() && w.context().selection()->column == Column::Private);
        // A wrong word is answered with what was meant, and does nothing.
        const u64 at = w.position();
        type(line, "brake");
        QVERIFY2(output.toPlainText().contains("`break`?"), qPrintable(output.toPlainText()));
        QCOMPARE(w.position(), at);
        // The empty line is the last one again; the arrows walk through what was typed.
        type(line, "step");
        QTest::keyClick(&line, Qt::Key_Return);
        QCOMPARE(w.position(), at + 2);
        QTest::keyClick(&line, Qt::Key_Up);
        QCOMPARE(line.text(), QString("step"));
        QTest::keyClick(&line, Qt::Key_Up);
        QCOMPARE(line.text(), QString("brake"));
    }

    void the_lines_of_a_session_do_the_same_headless() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        Debugger debugger(w.context());
        // It hears of the next session only.
        QVERIFY(w.openShipped(kLesson1));
        debugger.run("b leaf:PAGE.AUG");
        w.context().goTo(20); // by hand
        debugger.run("c");
        debugger.run("nonsense");
        debugger.run("step 3");
        const u64 at = w.position();
        Session again(loadScenario((QString(MIRRORSCOPE_SOURCE_DIR) + "/" + kLesson1).toStdString()));
        StopPoints points;
        Console console(again, points);
        for (const QString& line : debugger.script().split('\n', Qt::SkipEmptyParts))
            console.execute(line.toStdString());
        QCOMPARE(again.position(), at);
    }

    void breakpoints_are_added_changed_and_removed_in_their_list() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& list = w.child<QTreeWidget>("stops-list");
        auto& add = w.child<QLineEdit>("stops-add");
        QVERIFY(list.topLevelItem(0)->text(0).contains("None yet"));
        type(add, "spte.freeze");
        QCOMPARE(add.text(), QString());
        type(add, "mirror 0x4000");
        QTRY_COMPARE(list.topLevelItemCount(), 2);
        QCOMPARE(list.topLevelItem(0)->text(0), QString("spte.freeze"));
        QCOMPARE(list.topLevelItem(1)->text(0), QString("mirror 0x4000 4K"));
        // A condition typed into its cell counts for the next run.
        list.topLevelItem(0)->setText(1, "gpa:0x4000");
        QTRY_COMPARE(QString::fromStdString(w.context().stops().all()[0].conditionText), QString("gpa:0x4000"));
        QTRY_COMPARE(list.topLevelItem(0)->text(1), QString("gpa:0x4000"));
        list.topLevelItem(1)->setCheckState(0, Qt::Unchecked);
        QTRY_VERIFY(!w.context().stops().all()[1].enabled);
        w.trigger(Command::Restart);
        w.trigger(Command::Run); // to the question of the story
        w.trigger(Command::Run);
        QCOMPARE(w.position(), w.session().pauses().front());
        QVERIFY2(w.status().contains("spte.freeze"), qPrintable(w.status()));
        // What cannot be taken is said below, and stays to be mended.
        type(add, "spte.freez");
        QVERIFY(w.child<QLabel>("stops-problem").text().contains("`spte.freeze`?"));
        QCOMPARE(add.text(), QString("spte.freez"));
        list.setCurrentItem(list.topLevelItem(0));
        w.child<QPushButton>("stops-remove").click();
        QTRY_COMPARE(list.topLevelItemCount(), 1);
    }

    void a_line_that_is_no_steps_takes_no_breakpoint_and_says_so() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        Q_EMIT w.child<ScriptView>("script").breakWanted(2); // mirrorscope: 1
        QVERIFY(w.context().stops().empty());
        QVERIFY(w.status().contains("No step stands at line 2"));
        unsigned line = 0;
        for (const Step& step : w.session().scenario().script)
            line = step.line;
        Q_EMIT w.child<ScriptView>("script").breakWanted(line);
        QVERIFY(w.context().stops().atLine(line) != nullptr);
        w.trigger(Command::Restart);
        while (w.position() < w.session().end()) {
            w.trigger(Command::Run);
            if (w.session().scenario().step(w.session().scriptAt(w.position()))->line == line)
                break;
        }
        // Before its first micro-step, not one behind.
        QCOMPARE(w.session().startsOfLine(line).front(), w.position());
    }

    void a_run_over_a_long_recording_leaves_the_window_free() {
        Window w;
        QVERIFY(w.openText("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n"
                           "  - repeat: {times: 40, do: [{vcpu0: {write: {gpa: 0, pages: 512}}}, zap-all]}\n"));
        auto& add = w.child<QLineEdit>("stops-add");
        type(add, "rule:coherent or status:BUSY"); // never
        w.context().goTo(0);
        w.trigger(Command::Run);
        QCOMPARE(w.position(), u64{0}); // on its way, in slices
        // Who goes elsewhere by hand ends it.
        w.context().goTo(5);
        QTest::qWait(50);
        QCOMPARE(w.position(), u64{5});
        w.trigger(Command::Run);
        QTRY_COMPARE_WITH_TIMEOUT(w.position(), w.session().end(), 20000);
    }

    void the_tlb_pane_shows_what_is_cached_and_what_is_stale() {
        Window w;
        QVERIFY(w.openShipped("scenarios/broken/skip-flush.yaml"));
        w.raise("tlb");
        auto& list = w.child<QTreeWidget>("tlb-list");
        const auto stale = [&] {
            for (const TlbLine& line : w.session().cachedTranslations())
                if (line.stale)
                    return true;
            return false;
        };
        // Somewhere in the run a translation outlives its entry, which the step that is broken is there for.
        bool seen = false;
        for (u64 at = 0; at <= w.session().end() && !seen; ++at) {
            w.context().goTo(at);
            seen = stale();
        }
        QVERIFY(seen);
        QVERIFY(list.topLevelItemCount() > 0);
        bool marked = false;
        for (int g = 0; g < list.topLevelItemCount(); ++g)
            for (int i = 0; i < list.topLevelItem(g)->childCount(); ++i)
                marked |= list.topLevelItem(g)->child(i)->foreground(0).color() == w.context().theme().of(styleAt(kStyleBlocked));
        QVERIFY(marked);
        // A click selects the entry that it was filled from.
        Q_EMIT list.itemClicked(list.topLevelItem(0)->child(0), 0);
        QVERIFY(w.context().selection().has_value());
    }
};

QTEST_MAIN(DebugTest)
#include "debug_test.moc"
