// SPDX-License-Identifier: GPL-3.0-or-later
// Exploring from the window, as a user does it.
#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "scenario/runner.h"
#endif
#include "scenario/presets.h"
#include "views/explore/explore_view.h"
#include "views/main_window.h"
#include "views/timeline/timeline_view.h"

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QTextDocument>
#include <QTreeWidget>

#include <memory>
#include <random>

using namespace mirrorscope;
using namespace mirrorscope::views;

class ExploreTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<MainWindow> window_;
    ExploreView* explore_ = nullptr;
    QTreeWidget* list_ = nullptr;
    QTreeWidget* choices_ = nullptr;
    QTemporaryDir folder_;

    Session& session() { return *window_->context().session(); }
    u64 position() { return window_->context().position(); }
    void openFile(const QString& file) {
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        window_->open(file);
        QVERIFY(opened.wait(20000));
    }
    QString race(const char* name) { return QString::fromStdString(std::string(scenarioFolder()) + "/races/" + name); }
    // A fault against a discard, where the fault does not look whether it is stale.
    void openBroken() {
        const QString name = folder_.filePath("broken.yaml");
        QFile file(name);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("mirrorscope: 1\nmachine: {vm: default, vcpus: 1, break: [ignore-invalidate-seq], slots: [{id: 0, gpa: 0, size: 4M}]}\n"
                   "script:\n  - race:\n      vcpu0: [{write: 0x1000, id: w}]\n      host: [{discard: {gpa: 0x1000}}]\n");
        file.close();
        openFile(name);
    }
    void explore() {
        QSignalSpy finished(&explore_->job(), &ExploreJob::finished);
        window_->action(Command::Explore)->trigger();
        QVERIFY(finished.wait(60000));
    }
    QTreeWidgetItem* group(const QString& name) {
        for (int i = 0; i < list_->topLevelItemCount(); ++i)
            if (list_->topLevelItem(i)->text(0).startsWith(name))
                return list_->topLevelItem(i);
        return nullptr;
    }
    QString status() { return explore_->findChild<QLabel*>("explore-status")->text(); }
    void press(const char* button) {
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        QTest::mouseClick(explore_->findChild<QPushButton*>(button), Qt::LeftButton);
        QVERIFY(opened.wait(20000));
    }

private Q_SLOTS:
    void init() {
        window_ = std::make_unique<MainWindow>();
        window_->resize(1366, 768);
        window_->show();
        explore_ = window_->findChild<ExploreView*>("explore");
        list_ = window_->findChild<QTreeWidget*>("explore-found");
        choices_ = window_->findChild<QTreeWidget*>("explore-choices");
        QVERIFY(explore_ != nullptr && list_ != nullptr && choices_ != nullptr);
    }
    void cleanup() { window_.reset(); }

    // Its beginning is handed over before its end.
    QString longRun() {
        QFile file(folder_.filePath("long.yaml"));
        if (file.open(QIODevice::WriteOnly))
            file.write("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 1G}]}\nscript:\n"
                       "  - vcpu0: {write: {gpa: 0, pages: 20000}}\n");
        return file.fileName();
    }

    // Whatever runs beside it, a window can be closed, given another file and asked for more at any moment. The seed is printed.
    void a_window_may_go_at_any_moment() {
        const unsigned times = qEnvironmentVariableIntValue("MIRRORSCOPE_MOMENTS") > 0
                                   ? static_cast<unsigned>(qEnvironmentVariableIntValue("MIRRORSCOPE_MOMENTS"))
                                   : 20;
        const unsigned seed =
            qEnvironmentVariableIsSet("MIRRORSCOPE_SEED") ? static_cast<unsigned>(qEnvironmentVariableIntValue("MIRRORSCOPE_SEED")) : 1;
        qInfo("seed %u, %u windows", seed, times);
        std::mt19937 random(seed);
        const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
        const QString files[] = {race("26-four-of-an-ordinary-vm.yaml"), race("25-three-at-one-page.yaml"),
                                 race("05-fault-and-punch-hole.yaml"), longRun()};
        for (const QString& file : files)
            QVERIFY2(QFile::exists(file), qPrintable(file));
        for (unsigned n = 0; n < times; ++n) {
            window_ = std::make_unique<MainWindow>();
            window_->show();
            openFile(files[below(4)]);
            for (unsigned action = 0; action < 6; ++action) {
                switch (below(6)) {
                case 0:
                case 1: window_->action(Command::Explore)->trigger(); break; // starts or cancels
                case 2: window_->open(files[below(4)]); break;
                case 3: window_->exportTo(below(2) == 0 ? "perfetto" : "html", folder_.filePath("out")); break;
                case 4: window_->rerun(); break;
                case 5: {
                    auto* list = window_->findChild<QTreeWidget*>("explore-found");
                    if (auto* group = list->topLevelItem(0); group != nullptr && group->childCount() > 0) {
                        list->setCurrentItem(group->child(0));
                        window_->findChild<QPushButton*>(below(2) == 0 ? "explore-open" : "explore-compare")->click();
                    }
                    break;
                }
                }
                QTest::qWait(static_cast<int>(below(60)));
            }
            if (below(2) == 0)
                window_->close();
            window_.reset();
        }
        init();
    }

    void a_violation_is_found_and_opened_where_it_shows() {
        openBroken();
        explore();
        QVERIFY2(status().contains("Stopped at the first violation"), qPrintable(status()));
        QTreeWidgetItem* violations = group("Violations (1)");
        QVERIFY(violations != nullptr && violations->childCount() == 1);
        QVERIFY2(violations->child(0)->text(0).startsWith("no-stale-tlb"), qPrintable(violations->child(0)->text(0)));
        QVERIFY(session().violations().empty()); // the order of the file shows nothing
        list_->setCurrentItem(violations->child(0));
        press("explore-open");
        QVERIFY(!session().violations().empty());
        QCOMPARE(position(), session().violations().front().n + 1);
        QVERIFY(session().runner().ok());            // it expects its violation
        QVERIFY(group("Violations (1)") != nullptr); // what was found stays
    }

    void final_states_are_listed_and_opened_at_their_end() {
        openFile(race("04-fault-and-discard.yaml"));
        explore();
        QVERIFY2(status().contains("Every interleaving was run"), qPrintable(status()));
        const QString rests = explore_->findChild<QLabel*>("explore-status")->toolTip();
        QVERIFY2(rests.contains("sequentially consistent") && Qt::mightBeRichText(rests), qPrintable(rests));
        QVERIFY(group("Violations") == nullptr);
        // They are told apart beside the window.
        QTRY_VERIFY(!explore_->ends().rows.empty());
        QTreeWidgetItem* ends = group("Different final states");
        QVERIFY(ends != nullptr && ends->childCount() > 1);
        std::set<u64> hashes;
        for (int i = 0; i < ends->childCount(); ++i) {
            list_->setCurrentItem(ends->child(i));
            press("explore-open");
            QCOMPARE(position(), session().end());
            hashes.insert(session().system().machine().hash());
            ends = group("Different final states");
            QVERIFY(ends != nullptr);
        }
        QCOMPARE(static_cast<int>(hashes.size()), ends->childCount()); // each order leads to another state, indeed
    }

    void the_order_that_breaks_is_compared_with_one_that_passes() {
        openBroken();
        explore_->findChild<QCheckBox*>()->setChecked(true);
        explore();
        QTreeWidgetItem* violations = group("Violations");
        QVERIFY(violations != nullptr && group("Different final states") != nullptr);
        list_->setCurrentItem(violations->child(0));
        press("explore-compare");
        const auto& parts = window_->context().divergence();
        QVERIFY(parts.has_value());
        QCOMPARE(position(), parts->position);
        const auto run = session().raceAt(parts->position);
        QVERIFY(run && parts->position >= run->begin && parts->position < run->end);
        QVERIFY2(parts->text.contains("goes on"), qPrintable(parts->text));
        QVERIFY(!parts->text.contains(QString::fromStdString(session().actorName(session().stepBrief(parts->position).first))));
    }

    void a_click_lets_another_actor_go_next() {
        openFile(race("04-fault-and-discard.yaml"));
        window_->action(Command::Explore)->trigger(); // shows the pane
        QSignalSpy finished(&explore_->job(), &ExploreJob::finished);
        QVERIFY(!explore_->running() || finished.wait(60000));
        u64 at = 0;
        while (at < session().end() && !session().raceAt(at))
            ++at;
        at += 2;
        window_->context().goTo(at);
        QTRY_VERIFY(choices_->topLevelItemCount() >= 2);
        const std::string recorded = session().actorName(session().stepBrief(at).first);
        QTreeWidgetItem* other = nullptr;
        for (int i = 0; i < choices_->topLevelItemCount(); ++i)
            if (choices_->topLevelItem(i)->data(0, Qt::UserRole).toString().toStdString() != recorded)
                other = choices_->topLevelItem(i);
        QVERIFY(other != nullptr && other->toolTip(0).contains("would do"));
        const std::string chosen = other->data(0, Qt::UserRole).toString().toStdString();
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        QTest::mouseClick(choices_->viewport(), Qt::LeftButton, {}, choices_->visualItemRect(other).center());
        QVERIFY(opened.wait(20000));
        QCOMPARE(position(), at + 1);
        QCOMPARE(session().actorName(session().stepBrief(at).first), chosen);
        QCOMPARE(session().actorName(session().stepBrief(at - 1).first), recorded);
    }

    void a_long_search_shows_where_it_is_and_can_be_ended() {
        openFile(race("25-three-at-one-page.yaml"));
        explore_->findChild<QComboBox*>()->setCurrentText("stateful");
        QSignalSpy progressed(&explore_->job(), &ExploreJob::progressed), finished(&explore_->job(), &ExploreJob::finished);
        window_->action(Command::Explore)->trigger();
        QVERIFY(progressed.wait(20000));
        QVERIFY2(status().contains("states") && status().contains("micro-steps/s"), qPrintable(status()));
        QCOMPARE(explore_->findChild<QPushButton*>("explore-start")->text(), QString("Cancel"));
        window_->action(Command::Explore)->trigger();
        QCOMPARE(finished.count(), 1);
        QVERIFY(!explore_->running());
        QVERIFY2(status().contains("Cancelled"), qPrintable(status()));
    }

    void another_scenario_forgets_what_was_found() {
        openFile(race("04-fault-and-discard.yaml"));
        explore();
        QVERIFY(list_->topLevelItemCount() > 0);
        openFile(QString::fromStdString(std::string(scenarioFolder()) + "/lessons/02-shared-beside-private.yaml"));
        QCOMPARE(list_->topLevelItemCount(), 0);
        QVERIFY2(status().contains("no <b>race</b>"), qPrintable(status()));
    }
};

QTEST_MAIN(ExploreTest)
#include "explore_test.moc"
