// SPDX-License-Identifier: GPL-3.0-or-later
// Time: lanes, arrows, markers and their difference, bookmarks, and every key that goes somewhere (point 4 of the window).
#include "support/window.h"

#include "session/style.h"
#include "views/difference/difference_view.h"
#include "views/timeline/timeline_view.h"

#include <QLabel>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QToolButton>
#include <QTreeWidget>
#include <QWheelEvent>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

namespace {
// More than a million micro-steps.
const char* const kLong = "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 1G}]}\nscript:\n  - finalize-vm\n"
                          "  - repeat:\n      times: 30\n      do:\n        - vcpu0: {accept: {gpa: 0, size: 2M}}\n"
                          "        - host: {punch-hole: {gpa: 0, size: 2M}}\n";
} // namespace

class TimeTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { useOwnSettings(); }

    void there_is_a_lane_for_each_actor_for_seamcalls_and_for_locks() {
        Window w;
        w.window->resize(1366, 1400); // room for all lanes
        QVERIFY(w.openShipped(kLesson1));
        auto& timeline = w.child<TimelineView>("timeline");
        const QStringList lanes = timeline.laneNames();
        for (const char* name : {"vcpu0", "host", "vcpu0 SEAMCALL", "host SEAMCALL", "mmu_lock", "slots_lock"})
            QVERIFY2(lanes.contains(name), name);
        // What a lane is at a moment is said there.
        const u64 frozen = w.session().pauses().front();
        const int mmuLock = static_cast<int>(lanes.indexOf("mmu_lock"));
        const QString lock = timeline.textAt(QPoint(static_cast<int>(timeline.xOf(frozen)), timeline.laneRect(mmuLock).center().y()));
        QVERIFY2(lock.contains("vcpu0 holds mmu_lock for reading"), qPrintable(lock));
        const int calls = static_cast<int>(lanes.indexOf("vcpu0 SEAMCALL"));
        const QString call = timeline.textAt(QPoint(static_cast<int>(timeline.xOf(frozen + 2)), timeline.laneRect(calls).center().y()));
        QVERIFY2(call.contains("TDH.MEM.PAGE.AUG") && call.contains("TDX_SUCCESS") && call.contains("0x4000"), qPrintable(call));
        // The label of a lane leads to the inspector.
        QTest::mouseClick(&timeline, Qt::LeftButton, {}, QPoint(10, timeline.laneRect(0).center().y()));
        QVERIFY(w.context().subject().kind == Subject::Kind::Actor);
    }

    void the_lane_of_who_acted_is_in_sight() {
        Window w;
        w.window->resize(1024, 700); // room for some of the lanes
        QVERIFY(w.openText("mirrorscope: 1\nmachine: {vm: tdx, vcpus: 6, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
                           "  - vcpu0: {accept: 0}\n  - vcpu1: {accept: 0x1000}\n  - vcpu2: {accept: 0x2000}\n  - vcpu3: {accept: 0x3000}\n"
                           "  - vcpu4: {accept: 0x4000}\n  - vcpu5: {accept: 0x5000}\n"));
        auto& timeline = w.child<TimelineView>("timeline");
        const QStringList lanes = timeline.laneNames();
        bool hidden = false;
        for (u64 at : {w.session().end(), u64{1}, w.session().end() / 2, w.session().end()}) {
            w.context().goTo(at);
            const QString who = QString::fromStdString(w.session().actorName(w.session().step(at - 1).actor));
            const QRect lane = timeline.laneRect(static_cast<int>(lanes.indexOf(who)));
            QVERIFY2(lane.top() > 0 && lane.bottom() < timeline.overviewRect().top(), qPrintable(who));
            const QRect first = timeline.laneRect(0);
            hidden |= first.top() < 0;
        }
        QVERIFY2(hidden, "there is room for all: nothing was tried");
    }

    void the_wheel_zooms_at_the_cursor_and_keys_pan() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& timeline = w.child<TimelineView>("timeline");
        timeline.show(0, 100);
        const QPoint at(timeline.width() / 2, timeline.laneRect(0).center().y());
        const u64 under = timeline.stepAt(at.x());
        QWheelEvent in(at, timeline.mapToGlobal(at), {}, QPoint(0, 240), Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(&timeline, &in);
        QVERIFY(timeline.visible() < 90);
        QVERIFY(std::abs(static_cast<double>(timeline.stepAt(at.x())) - static_cast<double>(under)) <= 1);
        const double start = timeline.start(), visible = timeline.visible();
        QTest::keyClick(&timeline, Qt::Key_D);
        QVERIFY(timeline.start() > start);
        QTest::keyClick(&timeline, Qt::Key_A);
        QTest::keyClick(&timeline, Qt::Key_S);
        QVERIFY(timeline.visible() > visible);
        QTest::keyClick(&timeline, Qt::Key_Home);
        QVERIFY(timeline.visible() >= static_cast<double>(w.session().end()));
        // The whole run below: a click there moves what is shown.
        timeline.show(0, 30);
        const QRect whole = timeline.overviewRect();
        QTest::mouseClick(&timeline, Qt::LeftButton, {}, QPoint(whole.left() + whole.width() * 3 / 4, whole.center().y()));
        QVERIFY(timeline.start() > static_cast<double>(w.session().end()) / 2);
        QVERIFY(w.position() != 0);
    }

    void the_beginning_of_a_long_run_is_there_before_its_end() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QSignalSpy begun(w.window.get(), &MainWindow::begun), opened(w.window.get(), &MainWindow::opened);
        w.window->openText("long", kLong);
        QTRY_VERIFY_WITH_TIMEOUT(begun.count() == 1, 20'000);
        QCOMPARE(opened.count(), 0);
        QCOMPARE(w.session().end(), LoadJob::kFirst);
        QVERIFY2(w.status().contains("the first 100,000 micro-steps; the rest is being run"), qPrintable(w.status()));
        QVERIFY(!w.status().contains("everything holds"));
        w.context().goTo(w.session().end());
        const QString end = w.child<QLabel>("banner-detail").text();
        QVERIFY2(end.contains("what follows is not known") && !end.contains("failed"), qPrintable(end));
        // One works in it, and all stays when the rest comes.
        w.context().goTo(400);
        w.key(Qt::Key_A, Qt::ShiftModifier);
        w.context().goTo(500);
        w.key(Qt::Key_B, Qt::ShiftModifier);
        w.context().setBookmark(500, "here");
        QVERIFY(w.context().toggleLine(8));
        w.child<TimelineView>("timeline").show(300, 700);
        QTRY_VERIFY_WITH_TIMEOUT(opened.count() == 1, 60'000);
        QVERIFY(w.session().end() > 5 * LoadJob::kFirst);
        QCOMPARE(w.position(), u64{500});
        QCOMPARE(w.context().bookmarks().size(), std::size_t{1});
        QVERIFY(w.context().stops().atLine(8) != nullptr);
        QVERIFY(w.context().marker(0) == 400 && w.context().marker(1) == 500 && w.context().difference());
        QCOMPARE(w.child<TimelineView>("timeline").visible(), 700.0);
        QVERIFY2(w.status().contains("everything holds"), qPrintable(w.status()));
        QCOMPARE(begun.count(), 1);
        QVERIFY(!w.window->isWindowModified());
        // It is one visit: back leads to the lesson.
        w.trigger(Command::Back);
        QTRY_COMPARE_WITH_TIMEOUT(opened.count(), 2, 20'000);
        QVERIFY2(w.window->windowTitle().startsWith("Lesson 3"), qPrintable(w.window->windowTitle()));
    }

    void bookmarks_of_a_run_that_was_given_up_lose_none_of_the_others() {
        QSettings settings = userSettings();
        settings.clear();
        settings.sync();
        QTemporaryDir folder;
        QFile file(folder.filePath("long.yaml"));
        QVERIFY(file.open(QIODevice::WriteOnly) && file.write(kLong) > 0);
        file.close();
        const auto positions = [](Window& w) {
            std::vector<u64> all;
            for (const Bookmark& bookmark : w.context().bookmarks())
                all.push_back(bookmark.position);
            return all;
        };
        {
            Window w;
            w.window->rememberSettings();
            QVERIFY(w.open(file.fileName()));
            w.context().setBookmark(300, "early");
            w.context().setBookmark(300'000, "late");
        }
        {
            Window w;
            w.window->rememberSettings();
            QSignalSpy begun(w.window.get(), &MainWindow::begun);
            w.window->open(file.fileName());
            QTRY_COMPARE_WITH_TIMEOUT(begun.count(), 1, 20'000);
            QCOMPARE(positions(w), std::vector<u64>{300});
            w.context().setBookmark(500, "meanwhile");
            w.child<QToolButton>("cancel").click();
            w.context().setBookmark(600, "afterwards");
        }
        Window w;
        w.window->rememberSettings();
        QVERIFY(w.open(file.fileName()));
        QCOMPARE(positions(w), (std::vector<u64>{300, 500, 600, 300'000}));
        settings.clear();
    }

    void who_waits_for_a_long_run_is_taken_to_where_one_reads() {
        Window w;
        QSignalSpy begun(w.window.get(), &MainWindow::begun), opened(w.window.get(), &MainWindow::opened);
        // Nothing is frozen and nothing pauses in it: one reads at its end.
        w.window->openText("ordinary", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 1G}]}\nscript:\n"
                                       "  - vcpu0: {write: {gpa: 0, pages: 40000}}\n");
        QTRY_VERIFY_WITH_TIMEOUT(opened.count() == 1, 60'000);
        QCOMPARE(begun.count(), 1);
        QCOMPARE(w.position(), w.session().end());
        QVERIFY(w.position() > LoadJob::kFirst);
        // A position that the beginning does not have is gone to when it is there.
        w.window->openText("long", kLong, 250'000);
        QTRY_VERIFY_WITH_TIMEOUT(opened.count() == 2, 60'000);
        QCOMPARE(w.position(), u64{250'000});
        // A short run that nothing can end is no beginning.
        QVERIFY(w.openShipped("scenarios/broken/no-rollback.yaml"));
        QCOMPARE(begun.count(), 2);
        // What was given up keeps its beginning, and says so.
        w.window->openText("given up", kLong);
        QTRY_VERIFY_WITH_TIMEOUT(begun.count() == 3, 20'000);
        w.child<QToolButton>("cancel").click();
        QVERIFY2(w.status().contains("Given up"), qPrintable(w.status()));
        QCOMPARE(w.session().end(), LoadJob::kFirst);
    }

    void arrows_lead_from_an_exit_to_its_seamcall_and_from_a_kick_to_the_flush() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& timeline = w.child<TimelineView>("timeline");
        timeline.show(0, static_cast<double>(w.session().end()));
        w.window->resize(2400, 900);
        QTest::qWait(20);
        timeline.show(0, static_cast<double>(w.session().end()) + 2);
        bool fault = false;
        for (const auto& arrow : timeline.arrows())
            fault |=
                w.session().stepBrief(arrow.from).second == Site::VcpuExit && w.session().stepBrief(arrow.to).second == Site::SeamcallEnter;
        QVERIFY(fault);
        // Two vCPUs: one is inside while the other page is taken from it.
        QVERIFY(w.openText(
            "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n  - vcpu1: "
            "{accept: 0x4000}\n"
            "  - race:\n      vcpu1: [{read: 0x4000}]\n      host: [{punch-hole: {gpa: 0x4000}}]\n"
            "      schedule: [{vcpu1: until vcpu.enter}, {vcpu1: 4}, {host: until kick.send}, {vcpu1: done}, {host: done}]\n"));
        bool kick = false;
        for (u64 from = 0; from < w.session().end(); from += 60) {
            timeline.show(static_cast<double>(from), 200);
            for (const auto& arrow : timeline.arrows()) {
                QVERIFY(arrow.from < arrow.to);
                kick |=
                    w.session().stepBrief(arrow.from).second == Site::KickSend && w.session().stepBrief(arrow.to).second == Site::KickAck;
            }
        }
        QVERIFY(kick);
    }

    void markers_show_what_two_moments_differ_in() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(100);
        w.key(Qt::Key_A, Qt::ShiftModifier);
        QCOMPARE(*w.context().marker(0), u64{100});
        auto& title = w.child<QLabel>("difference-title");
        QVERIFY(title.text().contains("Set the other one"));
        w.context().goTo(w.session().end());
        w.key(Qt::Key_B, Qt::ShiftModifier);
        QVERIFY(w.context().difference().has_value());
        auto& list = w.child<QTreeWidget>("difference-list");
        QStringList rows;
        for (int i = 0; i < list.topLevelItemCount(); ++i)
            rows << list.topLevelItem(i)->text(0) + " " + list.topLevelItem(i)->text(1) + " " + list.topLevelItem(i)->text(3) + "→" +
                        list.topLevelItem(i)->text(4);
        QVERIFY2(rows.contains("mirror 0x4000 none→leaf") && rows.contains("private 0x4000 free→mapped"), qPrintable(rows.join("; ")));
        QVERIFY(w.context().differs(Column::Mirror, {4}, Level::k4K) && !w.context().differs(Column::Mirror, {0}, Level::k4K));
        // On the trees, too; a click in the list selects.
        for (const TreeRow& row : w.trees().list().rows())
            if (row.gfn.v == 4 && row.level == Level::k4K)
                QVERIFY(w.trees().list().marksOf(row, Column::Private).differs);
        Q_EMIT list.itemClicked(list.topLevelItem(0), 0);
        QVERIFY(w.context().selection()->gfn.v == 4);
        // In the timeline: Alt+click sets A, Shift+click B.
        auto& timeline = w.child<TimelineView>("timeline");
        w.raise("timeline");
        timeline.show(0, 100);
        QTest::mouseClick(&timeline, Qt::LeftButton, Qt::ShiftModifier,
                          QPoint(static_cast<int>(timeline.xOf(50) + 1), timeline.laneRect(0).center().y()));
        QCOMPARE(*w.context().marker(1), u64{51});
        QTest::mouseClick(&timeline, Qt::LeftButton, Qt::AltModifier,
                          QPoint(static_cast<int>(timeline.xOf(20) + 1), timeline.laneRect(0).center().y()));
        QCOMPARE(*w.context().marker(0), u64{21});
        w.key(Qt::Key_C, Qt::ShiftModifier);
        QVERIFY(!w.context().marker(0) && !w.context().difference());
    }

    void a_bookmark_keeps_a_moment_with_a_note() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const u64 at = w.position();
        w.key(Qt::Key_B, Qt::ControlModifier);
        auto& list = w.child<QTreeWidget>("bookmarks-list");
        QCOMPARE(list.topLevelItemCount(), 1);
        QVERIFY(list.topLevelItem(0)->text(1).contains("frozen"));
        list.topLevelItem(0)->setText(1, "here it is");
        QCOMPARE(w.context().bookmarks().front().note, QString("here it is"));
        w.context().goTo(3);
        Q_EMIT list.itemClicked(list.topLevelItem(0), 0);
        QCOMPARE(w.position(), at);
        w.context().removeBookmark(at);
        QCOMPARE(list.topLevelItemCount(), 0);
    }

    void keys_go_over_and_out_of_calls_and_back() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const u64 start = w.position();
        const auto depth = [&] { return w.session().step(w.position() - 1).where.size(); };
        const std::size_t deep = depth();
        w.key(Qt::Key_F11, Qt::ShiftModifier);
        QVERIFY(w.position() > start);
        const u64 out = w.position();
        w.context().goTo(start);
        w.key(Qt::Key_F12);
        QVERIFY(w.position() > start && w.position() <= out + 1);
        QVERIFY(depth() >= 1 && deep >= 1);
        w.key(Qt::Key_F12, Qt::ControlModifier);
        QVERIFY(w.position() <= out);
        w.context().goTo(start);
        w.key(Qt::Key_F11, Qt::ControlModifier | Qt::ShiftModifier);
        QVERIFY(w.position() < start);
    }

    void keys_go_to_frozen_entries_violations_and_micro_steps_of_a_kind() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(0);
        w.key(Qt::Key_Z);
        const u64 first = w.position();
        QVERIFY(w.session().stepBrief(first - 1).second == Site::SpteFreeze);
        w.key(Qt::Key_Z);
        const u64 second = w.position();
        QVERIFY(second > first && w.session().stepBrief(second - 1).second == Site::SpteFreeze);
        QVERIFY(w.context().selection().has_value());
        w.key(Qt::Key_Z, Qt::ShiftModifier);
        QCOMPARE(w.position(), first);
        w.key(Qt::Key_K);
        QCOMPARE(w.position(), second);
        w.key(Qt::Key_K, Qt::ShiftModifier);
        QCOMPARE(w.position(), first);
        w.key(Qt::Key_V);
        QVERIFY(w.status().contains("No rule"));
        QVERIFY(w.openText(
            "mirrorscope: 1\nmachine: {vm: tdx, break: [stay-frozen], slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
            "  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY, times: 1}\n  - vcpu0: {accept: 0x1000}\n"));
        QVERIFY(!w.session().violations().empty());
        w.context().goTo(0);
        w.key(Qt::Key_V);
        QCOMPARE(w.position(), w.session().violations().front().n + 1);
    }

    void run_to_the_cursor_stops_where_that_step_begins() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().goTo(w.session().end());
        // The cursor stands in line 1 at first: no step.
        w.key(Qt::Key_F10, Qt::ControlModifier);
        QVERIFY(w.status().contains("No step of line"));
        const unsigned line = w.session().scenario().step(w.session().scriptOf(0))->line;
        const auto expected = w.session().positionOfLine(line, 0);
        QVERIFY(expected.has_value());
        QVERIFY(w.session().scenario().step(w.session().scriptOf(*expected))->line == line);
    }
};

QTEST_MAIN(TimeTest)
#include "time_test.moc"
