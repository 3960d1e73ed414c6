// SPDX-License-Identifier: GPL-3.0-or-later
// The review tables in the window: computed beside it, a cell opens its run, two open side by side.
#include "support/window.h"

#include "views/explore/side_by_side.h"
#include "views/palette.h"
#include "views/review/review_view.h"
#include "views/trees/banner.h"

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTreeWidget>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class ReviewTest : public QObject {
    Q_OBJECT

private:
    static QTreeWidgetItem* rowOf(QTreeWidget& list, const QString& name) {
        const auto found = list.findItems(name, Qt::MatchExactly);
        return found.isEmpty() ? nullptr : found.first();
    }
    static void select(QTreeWidget& list, const QString& row, int column, bool more = false) {
        QTreeWidgetItem* item = rowOf(list, row);
        QVERIFY2(item != nullptr, qPrintable(row));
        const QModelIndex index = list.indexFromItem(item, column);
        list.scrollTo(index);
        QTest::mouseClick(list.viewport(), Qt::LeftButton, more ? Qt::ControlModifier : Qt::NoModifier, list.visualRect(index).center());
    }

private Q_SLOTS:
    void a_cell_opens_its_run_where_it_is_decided() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/01-first-private-page.yaml"));
        w.raise("review");
        auto& view = w.child<ReviewView>("review");
        auto& list = w.child<QTreeWidget>("review-list");
        QVERIFY(view.isVisible() && !list.isVisible()); // nothing was computed yet, and the pane says what it would
        QVERIFY(w.child<QLabel>("review-state").text().contains("private table"));
        QSignalSpy computed(&view, &ReviewView::computed);
        w.child<QPushButton>("review-compute").click();
        QVERIFY(computed.wait(120000));
        QCOMPARE(w.child<QComboBox>("review-parts").currentText(), QString("tdx"));
        QVERIFY(list.topLevelItemCount() >= 20);
        QTreeWidgetItem* punch = rowOf(list, "punch a hole");
        QVERIFY(punch != nullptr);
        QCOMPARE(punch->text(1), QString("right"));
        QCOMPARE(punch->text(2), QString("missed"));
        select(list, "punch a hole", 2);
        QVERIFY2(w.child<QLabel>("review-detail").text().contains("was not carried over"),
                 qPrintable(w.child<QLabel>("review-detail").text()));
        if (qEnvironmentVariableIsSet("MIRRORSCOPE_PICTURES"))
            w.window->grab().save(qEnvironmentVariable("MIRRORSCOPE_PICTURES") + "/review.png");
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.child<QPushButton>("review-open").click();
        QVERIFY(opened.wait(20000));
        QVERIFY2(w.title().startsWith("punch a hole, on tdx, dispatched by fault"), qPrintable(w.title()));
        bool violated = false;
        for (const Violation& v : w.session().violations())
            violated |= v.n == w.position() || v.n + 1 == w.position();
        QVERIFY2(violated, "it does not stand at the violation");
        // What was open before is one step back.
        QVERIFY(w.openAgain(Command::Back));
        QVERIFY(w.title().startsWith("The first private page"));
    }

    void two_cells_open_where_they_part() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/01-first-private-page.yaml"));
        w.raise("review");
        auto& view = w.child<ReviewView>("review");
        QSignalSpy computed(&view, &ReviewView::computed);
        view.compute(ReviewKind::Dispatch);
        QVERIFY(computed.wait(120000));
        auto& list = w.child<QTreeWidget>("review-list");
        select(list, "punch a hole", 1);
        QVERIFY(!w.child<QPushButton>("review-beside").isEnabled());
        select(list, "punch a hole", 2, true);
        QVERIFY(w.child<QPushButton>("review-beside").isEnabled());
        w.child<QPushButton>("review-beside").click();
        QTRY_VERIFY_WITH_TIMEOUT(view.findChild<SideBySide*>() != nullptr, 20000);
        auto* beside = view.findChild<SideBySide*>();
        QVERIFY(beside->common() > 0);
        QCOMPARE(beside->context(0).position(), beside->common() + 1);
        QCOMPARE(beside->context(1).position(), beside->common() + 1);
        beside->close();
    }

    // Any run beside another one of the same script, or beside another script.
    void the_open_run_is_compared() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        w.trigger(Command::Compare);
        auto& palette = w.child<Palette>("palette");
        QVERIFY(palette.isVisible());
        QTest::keyClicks(palette.findChild<QLineEdit*>(), "dispatch: fault");
        QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(w.window->findChild<SideBySide*>() != nullptr, 20000);
        auto* beside = w.window->findChild<SideBySide*>();
        const QString told = beside->findChild<QPlainTextEdit*>("what-differs")->toPlainText();
        QVERIFY2(told.contains("TDH.MEM.RANGE.BLOCK"), qPrintable(told)); // which is missing by fault
        QCOMPARE(beside->context(0).position(), beside->common() + 1);
        for (const Banner* banner : beside->findChildren<Banner*>())
            for (const QLabel* label : banner->findChildren<QLabel*>())
                QVERIFY2(!label->text().contains("F11"), qPrintable(label->text()));
        // Moved together they stand at the same moment, not at the same number.
        const auto sliders = beside->findChildren<QSlider*>();
        const Session& first = *beside->context(0).session();
        sliders[0]->setValue(static_cast<int>(first.end()));
        QCOMPARE(beside->context(1).position(), first.sameMoment(first.end(), *beside->context(1).session()));
        QVERIFY(beside->context(1).position() != first.end());
        if (qEnvironmentVariableIsSet("MIRRORSCOPE_PICTURES"))
            beside->grab().save(qEnvironmentVariable("MIRRORSCOPE_PICTURES") + "/compare.png");
        beside->close();
        // What is no key is said in one line.
        w.trigger(Command::Compare);
        QTest::keyClicks(palette.findChild<QLineEdit*>(), "machine.vcpu=3");
        QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
        QVERIFY2(w.status().contains("vcpus"), qPrintable(w.status()));
    }

    // The variant that is shown is what the other one is held against.
    void a_variant_is_compared_as_it_is_shown() {
        Window w;
        QVERIFY(w.open(w.file("two.yaml",
                              "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
                              "  - vcpu0: {accept: 0x1000}\nvariants:\n  two: {machine: {vcpus: 2}}\n  three: {machine: {vcpus: 3}}\n")));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::NextVariant);
        QVERIFY(opened.wait(20000));
        auto& palette = w.child<Palette>("palette");
        for (const auto& [typed, vcpus] : {std::pair{"machine.kernel=7.2", 2u}, {"variant three", 3u}}) {
            w.trigger(Command::Compare);
            QTest::keyClicks(palette.findChild<QLineEdit*>(), typed);
            QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
            QTRY_VERIFY_WITH_TIMEOUT(w.window->findChild<SideBySide*>() != nullptr, 20000);
            auto* beside = w.window->findChild<SideBySide*>();
            QCOMPARE(beside->context(0).session()->scenario().machine.vcpus, 2u);
            QCOMPARE(beside->context(1).session()->scenario().machine.vcpus, vcpus);
            delete beside;
        }
    }

    void computing_is_given_up() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/01-first-private-page.yaml"));
        w.raise("review");
        auto& view = w.child<ReviewView>("review");
        QSignalSpy computed(&view, &ReviewView::computed);
        view.compute(ReviewKind::Transitions);
        QVERIFY(view.running());
        auto& button = w.child<QPushButton>("review-compute");
        QCOMPARE(button.text(), QString("Cancel"));
        button.click();
        QVERIFY(!view.running());
        QVERIFY(view.table() == nullptr);
        QVERIFY(!computed.wait(100));
        view.compute(ReviewKind::Transitions); // and while it runs, the window goes
    }
};

QTEST_MAIN(ReviewTest)
#include "review_test.moc"
