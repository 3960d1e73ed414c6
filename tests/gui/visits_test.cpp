// SPDX-License-Identifier: GPL-3.0-or-later
// From one scenario to another: the browser, the course, links of stories, back and forward.
#include "support/window.h"

#include "session/branch.h"
#include "views/library/library_view.h"
#include "views/script/script_view.h"

#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRadioButton>
#include <QRegularExpression>
#include <QTextBrowser>
#include <QToolButton>
#include <QTreeWidget>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class VisitsTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    // 8, and the library
    void one_browser_finds_every_scenario() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.trigger(Command::Library);
        auto& library = w.child<LibraryView>("library");
        QVERIFY(library.isVisible());
        auto& list = w.child<QTreeWidget>("library-list");
        std::size_t files = 0;
        for (const Shelf& shelf : shelves())
            files += filesOf(shelf).size();
        std::size_t listed = 0;
        for (int g = 0; g < list.topLevelItemCount(); ++g)
            listed += static_cast<std::size_t>(list.topLevelItem(g)->childCount());
        QCOMPARE(listed, files);
        QVERIFY(list.currentItem() != nullptr && list.currentItem()->font(0).bold()); // the present one
        QTest::keyClicks(&w.child<QLineEdit>("library-search"), "kick page gone");
        QTest::qWait(10);
        const auto visible = [&] {
            QStringList titles;
            for (int g = 0; g < list.topLevelItemCount(); ++g)
                for (int i = 0; i < list.topLevelItem(g)->childCount(); ++i)
                    if (!list.topLevelItem(g)->child(i)->isHidden())
                        titles << list.topLevelItem(g)->child(i)->text(0);
            return titles;
        };
        w.child<QLineEdit>("library-search").setText("skip-flush");
        QCOMPARE(visible(), QStringList{"No flush after a zap"}); // by its file's name
        w.child<QLineEdit>("library-search").setText("notifier race");
        const QStringList by = visible();
        QVERIFY2(by.contains("A fault, and the host takes the page away"), qPrintable(by.join("; ")));
        w.child<QLineEdit>("library-search").setText("qwertz");
        QVERIFY(visible().isEmpty());
        QVERIFY(w.child<QLabel>("library-about").text().contains("Nothing is called that"));
        w.child<QLineEdit>("library-search").setText("A fault, and the host takes");
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        QTest::keyClick(&w.child<QLineEdit>("library-search"), Qt::Key_Return);
        QVERIFY(opened.wait(20000));
        QCOMPARE(w.title(), QString("A fault, and the host takes the page away"));
        QVERIFY(!library.isVisible());
    }

    void a_scenario_with_variants_is_switched_and_keeps_them_on_the_way_back() {
        const char* const kText = "mirrorscope: 1\ntitle: two\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                  "  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n  - punch-hole: {gpa: 0x1000, size: 4K}\n"
                                  "expect: [{violations: 0}]\nvariants:\n"
                                  "  late: {machine: {break: [skip-track]}, expect: [{violation: module-agrees}, {violation: coherent}]}\n"
                                  "  two-cpus: {machine: {vcpus: 2}}\n";
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& bar = w.child<QWidget>("variants");
        QVERIFY2(!bar.isVisible(), "of a scenario that has none nothing is said");
        QVERIFY(!w.window->action(Command::NextVariant)->isEnabled());
        QVERIFY(w.open(w.file("two.yaml", kText)));
        QVERIFY(bar.isVisible());
        QStringList names;
        const auto buttons = [&] {
            QList<QToolButton*> live;
            for (QToolButton* button : bar.findChildren<QToolButton*>())
                if (button->isVisible())
                    live << button;
            return live;
        };
        for (const QToolButton* button : buttons())
            names << button->text();
        QCOMPARE(names, (QStringList{"as it stands", "late", "two-cpus"}));
        QVERIFY(buttons()[0]->isChecked());
        QVERIFY2(buttons()[1]->toolTip().contains("skip-track"), qPrintable(buttons()[1]->toolTip()));
        const auto shown = [&] {
            QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
            for (const QToolButton* button : buttons())
                if (button->isChecked())
                    return button->text();
            return QString();
        };
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        QTest::mouseClick(buttons()[1], Qt::LeftButton);
        QVERIFY(opened.wait(20000));
        QCOMPARE(shown(), QString("late"));
        QVERIFY2(!w.session().violations().empty(), "its machine is another");
        QVERIFY2(w.status().contains("two.yaml, variant late") && w.status().contains("as the scenario says"), qPrintable(w.status()));
        // A what-if and an order begin from it.
        const std::string branched = branchOf(w.session(), w.session().end(), {.actor = "vcpu0", .step = "read: 0x1000", .text = "reads"});
        QVERIFY2(branched.find("skip-track") != std::string::npos, branched.c_str());
        w.trigger(Command::NextVariant);
        QVERIFY(opened.wait(20000));
        QCOMPARE(shown(), QString("two-cpus"));
        QCOMPARE(w.session().scenario().machine.vcpus, 2u);
        // Run again it is the same; elsewhere and back, too.
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(20000));
        QCOMPARE(w.window->variant(), QString("two-cpus"));
        QVERIFY(w.openShipped(kLesson1));
        QCOMPARE(w.window->variant(), QString());
        QVERIFY(w.openAgain(Command::Back));
        QCOMPARE(w.window->variant(), QString("two-cpus"));
        w.trigger(Command::NextVariant);
        QVERIFY(opened.wait(20000));
        QCOMPARE(w.window->variant(), QString());
        QVERIFY(w.session().violations().empty());
    }

    void the_course_goes_on_from_its_story() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& next = w.child<QPushButton>("lesson-next");
        auto& before = w.child<QPushButton>("lesson-before");
        QVERIFY(next.isVisible() && next.isEnabled() && before.isEnabled());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        next.click();
        QVERIFY(opened.wait(20000));
        QVERIFY2(w.title().startsWith("Shared and private"), qPrintable(w.title()));
        QVERIFY(before.isEnabled());
        QVERIFY(w.openShipped("scenarios/broken/skip-flush.yaml"));
        QVERIFY(!next.isVisible());
        // A story's link leads to another scenario.
        opened.clear();
        Q_EMIT w.child<QTextBrowser>("about").anchorClicked(QUrl("mirrorscope://scenario/races/04-fault-and-discard.yaml"));
        QVERIFY(opened.wait(20000));
        QCOMPARE(w.title(), QString("A fault, and the host takes the page away"));
        Q_EMIT w.child<QTextBrowser>("about").anchorClicked(QUrl("mirrorscope://scenario/../README.yaml"));
        QVERIFY(w.status().contains("There is no scenario"));
    }

    // The question stands before its step; what is chosen is kept, and the run says whether it was right.
    void a_lesson_asks_before_it_shows_and_keeps_what_was_foreseen() {
        for (const bool again : {false, true}) {
            Window w;
            QSignalSpy opened(w.window.get(), &MainWindow::opened);
            w.window->open(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/24-walk-an-ept.yaml");
            QVERIFY(opened.wait(20000));
            QCOMPARE(w.position(), u64{0});
            QVERIFY2(w.status().contains("begin with the story"), qPrintable(w.status()));
            QVERIFY(w.child<QWidget>("question").isVisible());
            auto& says = w.child<QLabel>("question-says");
            auto& three = w.child<QRadioButton>("choice-2");
            QCOMPARE(three.isChecked(), again);
            if (!again) {
                QVERIFY(says.text().contains("Choose"));
                w.child<QPushButton>("question-hint").click();
                QVERIFY(says.text().contains("Four levels"));
                QVERIFY(!w.child<QPushButton>("question-hint").isVisible());
                QTest::mouseClick(&w.child<QLabel>("choice-text-2"), Qt::LeftButton); // the words are as good as the button
                QVERIFY(three.isChecked());
            }
            // Nothing is told before the run has shown it.
            QVERIFY(!says.text().contains("right"));
            w.trigger(Command::MicroForward);
            QVERIFY(!says.text().contains("right"));
            w.trigger(Command::Run);
            QCOMPARE(w.position(), w.session().questions()[1].asked);
            QCOMPARE(w.child<QRadioButton>("choice-2").isChecked(), again); // of that question, not of the one before
            w.trigger(Command::MicroBack);
            w.trigger(Command::MicroForward);
            // One that is wrong is said to be, and the right one is marked.
            w.child<QRadioButton>("choice-2").click();
            w.trigger(Command::ScriptForward);
            const Question& second = w.session().questions()[1];
            QCOMPARE(w.position(), *second.answered);
            QVERIFY(w.window->findChild<QLabel*>("lesson-where")->text().contains("1 of 4"));
            w.context().goTo(*second.answered - 1);
            w.context().goTo(w.session().questions()[1].asked);
            QVERIFY(w.child<QRadioButton>("choice-2").isChecked());
        }
    }

    void what_the_run_says_is_a_sentence() {
        Window w;
        for (const char* file : {kLesson1, "scenarios/lessons/19-snp-page-state-change.yaml"}) {
            QVERIFY(w.openShipped(file));
            w.context().goTo(*w.session().questions()[0].answered);
            const QString says = w.child<QLabel>("question-says").text();
            QVERIFY2(!says.contains("..") && says.contains("."), qPrintable(says));
        }
    }

    // Before an audience the choices count hands, and nobody's own prediction is touched.
    void in_the_presentation_the_choices_count_hands() {
        Window w;
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.window->open(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/13-the-middle-of-a-huge-page.yaml");
        QVERIFY(opened.wait(20000));
        w.context().goTo(w.session().questions()[0].asked);
        w.trigger(Command::Presentation);
        for (int hands = 0; hands < 3; ++hands)
            w.child<QRadioButton>("choice-1").click();
        w.child<QRadioButton>("choice-0").click();
        QVERIFY(w.child<QLabel>("choice-text-1").text().contains("hands: 3"));
        QVERIFY(w.child<QLabel>("choice-text-0").text().contains("hands: 1"));
        w.trigger(Command::ScriptForward);
        QVERIFY2(w.child<QLabel>("choice-text-1").text().contains("✓"), qPrintable(w.child<QLabel>("choice-text-1").text()));
        w.trigger(Command::Presentation);
        QVERIFY(!w.child<QRadioButton>("choice-1").isChecked());
        QVERIFY(!w.child<QLabel>("choice-text-1").text().contains("hands"));
    }

    // Each link of a story leads somewhere.
    void every_link_of_a_shipped_story_leads_to_a_scenario() {
        unsigned links = 0;
        for (const Shelf& shelf : shelves())
            for (const std::string& file : filesOf(shelf)) {
                QFile in(QString::fromStdString(file));
                QVERIFY(in.open(QIODevice::ReadOnly));
                const QString all = QString::fromUtf8(in.readAll());
                static const QRegularExpression link("mirrorscope://scenario/([A-Za-z0-9_./-]+\\.yaml)");
                for (auto it = link.globalMatch(all); it.hasNext(); ++links) {
                    const QString to = it.next().captured(1);
                    QVERIFY2(QFile::exists(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/" + to),
                             qPrintable(to + " in " + QString::fromStdString(file)));
                }
            }
        QVERIFY(links >= 8);
    }

    // 11: back from a what-if to where one was, forward again, the tree, names.
    void back_and_forward_lead_through_what_was_open() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(100);
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.window->branch({"vcpu0", "read: 0x4000", "vcpu0 reads here"});
        QVERIFY(opened.wait(20000));
        QVERIFY2(w.title().contains("what if vcpu0 reads here"), qPrintable(w.title()));
        const u64 left = std::min<u64>(w.session().end(), 110);
        w.context().goTo(left);
        QVERIFY(w.window->action(Command::Back)->isEnabled() && !w.window->action(Command::Forward)->isEnabled());
        QVERIFY(w.openAgain(Command::Back));
        QVERIFY2(w.title().startsWith("The first private page"), qPrintable(w.title()));
        QVERIFY(!w.title().contains("what if"));
        QCOMPARE(w.position(), u64{100});
        QVERIFY(w.openAgain(Command::Forward));
        QVERIFY(w.title().contains("what if"));
        QCOMPARE(w.position(), left);
        // The tree: the what-if came of the lesson.
        auto& list = w.child<QTreeWidget>("visits-list");
        QTRY_COMPARE(list.topLevelItemCount(), 1);
        QCOMPARE(list.topLevelItem(0)->childCount(), 1);
        list.topLevelItem(0)->child(0)->setText(0, "mine");
        QTRY_COMPARE(list.topLevelItem(0)->child(0)->text(0), QString("mine"));
        // What was changed in it is there again, unsaved as it was.
        auto& script = w.child<ScriptView>("script");
        script.replaceText(script.text() + "# a thought\n", false);
        QVERIFY(w.openAgain(Command::Back));
        QVERIFY(w.openAgain(Command::Forward));
        QVERIFY(script.text().endsWith("# a thought\n"));
        QVERIFY(w.window->document().isModified());
        // Thrown away it is gone from the way, too.
        QVERIFY(w.openAgain(Command::Back));
        QTRY_VERIFY(list.topLevelItem(0)->childCount() == 1);
        list.setCurrentItem(list.topLevelItem(0)->child(0));
        w.child<QPushButton>("visits-remove").click();
        QTRY_COMPARE(list.topLevelItem(0)->childCount(), 0);
        QVERIFY(!w.window->action(Command::Forward)->isEnabled());
    }

    // A way back that is given up, or a file that cannot be read, leaves each visit what it was.
    void a_visit_is_never_another_script() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.window->branch({"vcpu0", "read: 0x4000", "vcpu0 reads here"});
        QVERIFY(opened.wait(20000));
        const QString mine = w.child<ScriptView>("script").text();
        opened.clear();
        w.window->open(w.file("bad.yaml", "mirrorscope: 1\nmachine: {vm: tdxx}\nscript: []\n"));
        QVERIFY(opened.wait(20000) && !opened.first().first().toBool());
        w.trigger(Command::Back); // on the way ...
        w.trigger(Command::Forward);
        QVERIFY(opened.wait(20000));
        QTRY_COMPARE(w.child<ScriptView>("script").text(), mine);
        QVERIFY(w.title().contains("what if"));
    }

    // 11: what the script lets somebody do later is not done beside it.
    void a_what_if_leaves_out_what_the_race_had_not_begun() {
        Session session(bindScenario("t.yaml",
                                     "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 16M}]}\nscript:\n"
                                     "  - finalize-vm\n  - vcpu0: {accept: 0x4000}\n"
                                     "  - race: {vcpu0: [{read: 0x4000}], host: [{punch-hole: {gpa: 0x4000}}]}\n"));
        const u64 begun = session.races().front().begin + 1; // vcpu0 only
        session.seek(begun);
        const std::string text = branchOf(session, begun, {"host", "punch-hole: {gpa: 0x4000, size: 4K}", "the host punches a hole here"});
        QCOMPARE(text.find("punch-hole"), text.rfind("punch-hole:"));
        Session branch(bindScenario("b.yaml", text));
        QVERIFY(branch.verdict().ok);
    }
};

QTEST_MAIN(VisitsTest)
#include "visits_test.moc"
