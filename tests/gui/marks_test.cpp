// SPDX-License-Identifier: GPL-3.0-or-later
// What the window says of a run that does not hold, and of a script that is not the one that runs.
#include "support/window.h"

#ifndef Q_MOC_RUN
#include "session/stops.h"
#endif
#include "views/explore/explore_view.h"
#include "views/inspector/inspector_view.h"
#include "views/lesson/story_view.h"
#include "views/notice_bar.h"
#include "views/script/line_map.h"
#include "views/script/scintilla.h"
#include "views/script/script_view.h"
#include "views/trees/banner.h"

#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QRadioButton>
#include <QScrollArea>
#include <QTreeWidget>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

namespace {
const char* const kWrong = "mirrorscope: 1\ntitle: wrong\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                           "  - vcpu0: {write: 0x1000}\n  - vcpu0: {write: 0x2000}\n  - vcpu0: {write: 0x3000}\nexpect:\n"
                           "  - {count: leaf, is: 7}\n";
constexpr unsigned kBreakMarks = 1u << 2, kArrow = 1u << 1;

QsciScintilla& editorOf(Window& w) { return *w.child<ScriptView>("script").findChild<QsciScintilla*>("editor"); }
int marked(const QsciScintilla& editor, unsigned marks) {
    for (int line = 0; line < editor.lines(); ++line)
        if ((editor.markersAtLine(line) & marks) != 0)
            return line + 1;
    return 0;
}
} // namespace

class MarksTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void an_expectation_that_fails_is_named_in_red_at_its_line_and_by_V() {
        Window w;
        QVERIFY(w.openText(kWrong));
        w.context().goTo(0);
        const auto& banner = w.child<Banner>("banner");
        QVERIFY(banner.warning().isEmpty());
        w.trigger(Command::NextViolation);
        QCOMPARE(w.position(), w.session().end());
        QVERIFY2(banner.warning().contains("line 9: expected") && banner.warning().contains("found 3"), qPrintable(banner.warning()));
        QVERIFY(w.child<QLabel>("banner-detail").text().contains("1 expectation does not hold"));
        QVERIFY2(editorOf(w).annotation(8).contains("found 3"), qPrintable(editorOf(w).annotation(8)));
        // An error that is mended leaves what failed before.
        auto& editor = editorOf(w);
        editor.insertAt("[", 0, 0);
        QTRY_VERIFY_WITH_TIMEOUT(!w.child<ScriptView>("script").problem().isEmpty(), 5000);
        QVERIFY(!editor.annotation(8).contains("found 3"));
        editor.undo();
        QTRY_VERIFY_WITH_TIMEOUT(editor.annotation(8).contains("found 3"), 5000);
        w.trigger(Command::NextViolation);
        QCOMPARE(w.position(), w.session().end());
        w.trigger(Command::PreviousViolation);
        QVERIFY(w.status().contains("no expectation failed before"));
    }

    // Where every order fails, none is there to be compared with.
    void exploring_knows_that_no_order_passes() {
        Window w;
        QVERIFY(w.openText(kWrong));
        w.trigger(Command::Explore);
        auto& list = w.child<QTreeWidget>("explore-found");
        QTRY_VERIFY_WITH_TIMEOUT(list.topLevelItemCount() > 0 && w.child<ExploreView>("explore").ends().rows.size() == 1, 20'000);
        QCOMPARE(QString::fromStdString(w.child<ExploreView>("explore").ends().rows[0].violated), QString("expect"));
        list.setCurrentItem(list.topLevelItem(0)->child(0));
        QVERIFY(!w.child<QPushButton>("explore-compare").isEnabled());
    }

    void a_line_is_the_step_that_runs_whatever_is_edited_above_it() {
        Window w;
        QVERIFY(w.openText(kWrong));
        w.context().goTo(0);
        QVERIFY(w.context().toggleLine(7));
        auto& editor = editorOf(w);
        editor.insertAt("# one\n# two\n", 4, 0);
        auto& script = w.child<ScriptView>("script");
        QCOMPARE(marked(editor, kBreakMarks), 9);
        // F9 in the line where the second write stands now is a breakpoint of that write.
        editor.setCursorPosition(7, 4);
        w.trigger(Command::BreakLine);
        QVERIFY(w.context().stops().atLine(6) != nullptr);
        // A line that is not in what runs can have none, and that is said.
        editor.setCursorPosition(4, 0);
        w.trigger(Command::BreakLine);
        QCOMPARE(w.context().stops().all().size(), std::size_t{2});
        QVERIFY2(w.status().contains("Ctrl+Return"), qPrintable(w.status()));
        // The arrow stands at the step that runs.
        w.context().goTo(*w.session().positionOfLine(6, 0));
        QCOMPARE(script.currentLine(), 6u);
        QCOMPARE(marked(editor, kArrow), 8);
        // Run as it stands: the breakpoints are where they were seen.
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(20000));
        QVERIFY(w.context().stops().atLine(9) != nullptr && w.context().stops().atLine(8) != nullptr);
        QVERIFY(w.context().stops().atLine(7) == nullptr);
        // And an undo that takes all lines back loses no mark.
        script.replaceText(QString(kWrong).replace("0x1000", "0x5000"), false);
        QTRY_VERIFY_WITH_TIMEOUT(marked(editor, kBreakMarks) == 6, 5000);
    }

    void lines_are_found_again_in_an_edited_text() {
        const LineMap map("a\nb\nc\nd\ne\n", "a\r\nnew\nb\nC\nd\ne\nlast\n");
        QCOMPARE(map.toNow(1), std::optional(1u));
        QCOMPARE(map.toNow(2), std::optional(3u));
        QCOMPARE(map.toNow(3), std::optional<unsigned>());
        QCOMPARE(map.near(3), 4u);
        QCOMPARE(LineMap("a\n1\n2\n3\n4\nb\n", "a\nx\nb\n").near(5), 2u);
        QCOMPARE(LineMap("a\n1\n2\n", "a\n").near(3), 1u);
        QCOMPARE(map.toNow(5), std::optional(6u));
        QCOMPARE(map.toWas(2), std::optional<unsigned>());
        QCOMPARE(map.toWas(5), std::optional(4u));
        QCOMPARE(map.toWas(7), std::optional<unsigned>());
        QCOMPARE(map.toNow(0), std::optional<unsigned>());
        QCOMPARE(map.toNow(99), std::optional<unsigned>());
    }

    void a_script_that_cannot_be_read_leaves_the_run_to_be_stepped() {
        Window w;
        QVERIFY(w.openText(kWrong));
        w.context().goTo(0);
        QVERIFY(w.context().toggleLine(6));
        auto& editor = editorOf(w);
        editor.setText(QString(kWrong) + "  - {coun: 1}\n");
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(20000));
        const auto& banner = w.child<Banner>("banner");
        QVERIFY(banner.warning().contains("coun"));
        w.context().goTo(5);
        QVERIFY(banner.warning().contains("coun"));
        QVERIFY2(w.child<QLabel>("banner-detail").text().startsWith("Position 5 of"), qPrintable(w.child<QLabel>("banner-detail").text()));
        QCOMPARE(banner.sentence(), QString::fromStdString(w.session().sentence(5)));
        QTRY_VERIFY_WITH_TIMEOUT(marked(editor, kBreakMarks) == 6, 5000);
    }

    void without_any_run_nothing_is_said_to_be_read() {
        Window w;
        QVERIFY(!w.openText("mirrorscope: 1\nscript:\n  - zap-al\n"));
        QCOMPARE(w.context().nothingYet(), QString("Nothing has run yet."));
        QVERIFY(!w.child<QLabel>("banner-detail").text().contains("last"));
        QVERIFY(editorOf(w).marginWidth(0) > 0);
    }

    void a_notice_takes_no_width_from_the_panes() {
        Window w;
        QVERIFY(w.openText(kWrong));
        const auto* left = w.window->findChild<QDockWidget*>("dock-story");
        const auto* right = w.window->findChild<QDockWidget*>("dock-inspector");
        const int wide[] = {left->width(), right->width()};
        auto& notice = w.child<NoticeBar>("notice");
        for (int i = 0; i < 3; ++i)
            notice.say("What you changed in “what if the host discards its page, and somebody gave this a long title” is not saved.",
                       {{"Save as…", {}}, {"Quit, keep it for the next start", {}}, {"Throw away and quit", {}}, {"Stay", {}}});
        QTest::qWait(50);
        QCOMPARE(left->width(), wide[0]);
        QCOMPARE(right->width(), wide[1]);
        for (const auto* button : notice.findChildren<QPushButton*>())
            QVERIFY(button->isHidden() || button->geometry().right() <= notice.width());
    }

    void the_one_hit_that_is_shown_is_taken() {
        Window w;
        QVERIFY(w.openText(kWrong));
        w.context().goTo(0);
        w.trigger(Command::GoTo);
        auto& line = w.child<QLineEdit>("palette-line");
        QTest::keyClicks(&line, "cmpxchg");
        QVERIFY(w.child<QListWidget>("palette-list").count() > 0);
        QTest::keyClick(&line, Qt::Key_Return);
        QVERIFY(w.position() > 0);
        // A text of one's own is taken as it is; one that is neither is refused.
        w.trigger(Command::GoTo);
        QTest::keyClicks(&line, "5");
        QTest::keyClick(&line, Qt::Key_Return);
        QCOMPARE(w.position(), u64{5});
        w.trigger(Command::GoTo);
        QTest::keyClicks(&line, "qwertzuiop");
        QTest::keyClick(&line, Qt::Key_Return);
        QVERIFY2(w.status().contains("qwertzuiop"), qPrintable(w.status()));
    }

    void a_question_that_was_passed_leads_back_to_where_it_was_asked() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const Question& question = w.session().questions().front();
        w.context().goTo(question.asked + 2);
        QVERIFY(!question.shownAt(w.position()));
        auto& says = w.child<QLabel>("question-says");
        QVERIFY2(says.text().contains(QString::number(question.asked)), qPrintable(says.text()));
        QVERIFY(!w.child<QRadioButton>("choice-0").isEnabled() && !w.child<QLabel>("choice-text-0").isEnabled());
        w.child<QPushButton>("question-back").click();
        QCOMPARE(w.position(), question.asked);
        QVERIFY(w.child<QRadioButton>("choice-0").isEnabled() && w.child<QPushButton>("question-back").isHidden());
        // Answered wrongly, what the run says is seen without another key.
        const int wrong = *question.right == 0 ? 1 : 0;
        w.child<QRadioButton>(qPrintable(QString("choice-%1").arg(wrong))).click();
        w.context().goTo(*question.answered);
        QVERIFY(says.text().contains("The run says otherwise"));
        auto* box = w.child<StoryView>("story").findChild<QScrollArea*>();
        QTRY_VERIFY_WITH_TIMEOUT(says.mapTo(box->widget(), QPoint(0, says.height())).y() <= box->viewport()->height() ||
                                     box->height() >= w.child<StoryView>("story").height() - 8 * says.fontMetrics().lineSpacing(),
                                 2000);
    }

    void colours_and_sizes_reach_what_the_inspector_shows_already() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(w.session().end());
        w.context().select(Selection{Column::Mirror, {4}, Level::k4K});
        auto& fields = w.child<QTreeWidget>("fields");
        QVERIFY(fields.topLevelItemCount() > 0);
        const double before = fields.topLevelItem(0)->font(2).pointSizeF();
        for (int i = 0; i < 4; ++i)
            w.trigger(Command::ZoomIn);
        QVERIFY(fields.topLevelItem(0)->font(2).pointSizeF() > before);
        w.trigger(Command::ZoomReset);
        QCOMPARE(fields.topLevelItem(0)->font(2).pointSizeF(), before);
    }
};

QTEST_MAIN(MarksTest)
#include "marks_test.moc"
