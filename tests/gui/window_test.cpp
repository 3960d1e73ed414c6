// SPDX-License-Identifier: GPL-3.0-or-later
// The real window, driven by its keys and clicks.
#include "views/inspector/inspector_view.h"
#include "views/links.h"
#include "views/main_window.h"
#include "views/script/script_view.h"
#include "views/tdx/frames_view.h"
#include "views/tdx/matrix_view.h"
#include "views/tdx/td_view.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/banner.h"
#include "views/trees/roots_strip.h"
#include "views/trees/trees_view.h"

#include <QDockWidget>
#include <QMenu>
#include <QSignalSpy>
#include <QStatusBar>
#include <QTableWidget>
#include <QTemporaryDir>
#include <QTest>
#include <QTreeWidget>

#include <filesystem>
#include <memory>

using namespace mirrorscope;
using namespace mirrorscope::views;

class WindowTest : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<MainWindow> window_;
    TreesView* trees_ = nullptr;

    Session& session() { return *window_->context().session(); }
    u64 position() { return window_->context().position(); }
    void key(Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) { QTest::keyClick(trees_, key, modifiers); }
    void openFile(const QString& file) {
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        window_->openScene(file);
        QVERIFY(opened.wait(20000));
    }
    int rowOf(u64 gpa, Level level) {
        for (std::size_t i = 0; i < trees_->rows().size(); ++i)
            if (trees_->rows()[i].more == 0 && trees_->rows()[i].gfn.v == gpa >> 12 && trees_->rows()[i].level == level)
                return static_cast<int>(i);
        return -1;
    }
    const TreeRow& row(u64 gpa, Level level) { return trees_->rows().at(static_cast<std::size_t>(rowOf(gpa, level))); }

private Q_SLOTS:
    void init() {
        window_ = std::make_unique<MainWindow>();
        window_->resize(1366, 768);
        window_->show();
        trees_ = window_->findChild<TreesView*>("trees");
        QVERIFY(trees_ != nullptr);
        openFile(MainWindow::firstLesson());
    }
    void cleanup() { window_.reset(); }

    void opens_on_the_frozen_entry_of_the_first_lesson() {
        QVERIFY(window_->windowTitle().contains("Lesson 3: The first private page"));
        QCOMPARE(position(), session().pauses().front());
        QVERIFY(window_->context().selection().has_value());
        QCOMPARE(window_->context().selection()->gfn.v, u64{4});
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[1].spte), static_cast<int>(SpteState::Frozen));
        QVERIFY(window_->findChild<Banner*>("banner")->sentence().contains("frozen"));
    }

    void a_click_selects_an_entry_and_marks_its_twins_and_its_path() {
        const int at = rowOf(0x0, Level::k4K);
        QVERIFY(at >= 0);
        const QRect cell = trees_->cellRect(static_cast<std::size_t>(at), Column::Private);
        QTest::mouseClick(trees_->viewport(), Qt::LeftButton, {}, cell.center());
        QVERIFY(window_->context().selection().has_value());
        QCOMPARE(static_cast<int>(window_->context().selection()->column), static_cast<int>(Column::Private));
        QVERIFY(trees_->marksOf(row(0, Level::k4K), Column::Private).selected);
        QVERIFY(trees_->marksOf(row(0, Level::k4K), Column::Mirror).twin);
        QVERIFY(!trees_->marksOf(row(0x4000, Level::k4K), Column::Mirror).twin);
        for (const Level level : {Level::k2M, Level::k1G, Level::k512G})
            for (const Column column : {Column::Mirror, Column::Private})
                QVERIFY(trees_->marksOf(row(0, level), column).path);
    }

    // Of a machine above 4G the rows would else look alike: all that differs is in the middle.
    void addresses_are_written_whole_however_high_they_are() {
        for (const char* machine :
             {"{vm: tdx, slots: [{id: 1, gpa: 4G, size: 64G}]}", "{vm: default, slots: [{id: 1, gpa: 4G, size: 64G}]}"})
            for (const int width : {1024, 1366, 1920}) {
                window_->resize(width, 768);
                QSignalSpy opened(window_.get(), &MainWindow::opened);
                window_->openText("high", QString("mirrorscope: 1\nmachine: %1\nscript:\n%2  - vcpu0: {write: 0x1087654000}\n")
                                              .arg(machine, QString(machine).contains("tdx") ? "  - finalize-vm\n" : ""));
                QVERIFY(opened.wait(20000));
                window_->context().goTo(session().end());
                QVERIFY(rowOf(0x1087654000, Level::k4K) >= 0);
                for (std::size_t i = 0; i < trees_->rows().size(); ++i)
                    if (trees_->rows()[i].more == 0)
                        QCOMPARE(trees_->addressOf(i), QString("0x%1").arg(trees_->rows()[i].gfn.v << 12, 0, 16));
            }
    }

    QStringList chips() { return window_->findChild<RootsStrip*>("roots")->texts(); }

    void roots_and_held_locks_stand_above_the_trees() {
        // At the frozen moment mmu_lock is held for reading by the vCPU that froze it.
        QCOMPARE(chips().size(), 4);
        QVERIFY(chips()[0].startsWith("shared root") && chips()[0].endsWith("2 refs"));
        QVERIFY(chips()[1].startsWith("mirror root"));
        QVERIFY(chips()[2].startsWith("private root"));
        QCOMPARE(chips()[3], QString("mmu_lock: vcpu0 reads"));
        openFile(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/11-invalid-root-running-vcpu.yaml");
        bool invalid = false, writing = false;
        for (u64 at = 0; at <= session().end() && !(invalid && writing); at += 1) {
            if (session().nextSite(Site::RootInvalidate, at) == at + 1 || invalid || at % 64 == 0)
                window_->context().goTo(at + 1);
            invalid |= chips().filter("invalid").size() == 1;
            writing |= chips().contains("mmu_lock: host writes");
        }
        QVERIFY(invalid);
        QVERIFY(writing);
        // Two direct roots: the valid one is shown, a click on the other shows that one's tree.
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        window_->openText("two roots", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\n"
                                       "script:\n  - vcpu0: {write: 0x1000}\n  - race:\n      host: [zap-all]\n"
                                       "      vcpu0: [{write: 0x2000}]\n"
                                       "      schedule: [{host: until root.invalidate}, {host: 8}, {vcpu0: done}, {host: done}]\n");
        QVERIFY(opened.wait(20000));
        u64 two = 0;
        for (u64 at = session().end(); at > 0 && two == 0; --at) {
            session().seek(at);
            if (session().roots().size() == 2)
                two = at;
        }
        QVERIFY(two != 0);
        session().seek(0);
        window_->context().goTo(two);
        const Pfn valid = session().shownDirectRoot();
        QVERIFY(!session().roots()[0].invalid && session().roots()[0].pfn == valid);
        auto* strip = window_->findChild<RootsStrip*>("roots");
        QTest::qWait(20); // painted, so that the chips have their places
        QTest::mouseClick(strip, Qt::LeftButton, {}, strip->chipRect(1).center());
        QCOMPARE(session().shownDirectRoot().v, session().roots()[1].pfn.v);
        QTest::qWait(20);
        QTest::mouseClick(strip, Qt::LeftButton, {}, strip->chipRect(0).center());
        QCOMPARE(session().shownDirectRoot().v, valid.v);
    }

    void the_rmp_stands_beside_the_npt() {
        openFile(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/19-snp-page-state-change.yaml");
        QVERIFY(trees_->rmpRect(0).left() >= trees_->cellRect(0, Column::Shared).right());
        window_->context().goTo(session().end());
        const auto rmp = session().rmpAt({1});
        QVERIFY(rmp.has_value());
        QCOMPARE(QString::fromStdString(rmpText(*rmp)), QString("validated %1").arg(rmp->pfn.v, 0, 16));
        // The private page stays the guest's while the page is shared: its row says so though the tree maps another frame.
        bool both = false;
        for (u64 at = 0; at <= session().end() && !both; ++at) {
            window_->context().goTo(at);
            const auto now = session().rmpAt({1});
            both = now && now->entry.assigned && session().memoryAt({1}, Level::k4K).kind == MemoryView::Kind::Shared &&
                   rowOf(0x1000, Level::k4K) >= 0 && row(0x1000, Level::k4K).cells[0].spte == SpteState::Leaf &&
                   row(0x1000, Level::k4K).cells[0].pfn != now->pfn;
        }
        QVERIFY(both);
    }

    void memory_shows_slot_attribute_size_and_the_bits_that_the_cpu_sets() {
        openFile(QString(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/04-convert-and-back.yaml");
        window_->context().goTo(0);
        QCOMPARE(memoryText(session().memoryAt({1}, Level::k4K)), QString("0 P"));
        bool mixed = false, shared = false;
        for (u64 at = 0; at <= session().end(); ++at) {
            window_->context().goTo(at);
            mixed |= memoryText(session().memoryAt({0}, Level::k2M)) == "0 P+S";
            shared |= memoryText(session().memoryAt({0x200000 >> 12}, Level::k4K)) == "0 S" ||
                      memoryText(session().memoryAt({1}, Level::k4K)) == "0 S";
        }
        QVERIFY(mixed || shared);
        QCOMPARE(memoryText(session().memoryAt({1ull << 30}, Level::k4K)), QString());
        QVERIFY(trees_->memoryHelp(session().memoryAt({0}, Level::k4K)).contains("guest_memfd"));

        const QString huge = "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]}\n"
                             "script: [{vcpu0: {read: 0x1000}}, {vcpu0: {write: 0x1000}}]\n";
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        window_->openText("huge", huge);
        QVERIFY(opened.wait(20000));
        window_->context().goTo(session().end());
        const TreeCell& cell = row(0, Level::k2M).cells[0];
        QCOMPARE(cell.huge, u64{512});
        QVERIFY(cell.accessed && cell.dirty);
        QCOMPARE(memoryText(session().memoryAt({0}, Level::k2M)), QString("0"));
    }

    void keys_step_forward_and_back_and_restart() {
        const u64 start = position();
        key(Qt::Key_F11);
        QCOMPARE(position(), start + 1);
        key(Qt::Key_F11, Qt::ControlModifier);
        QCOMPARE(position(), start);
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[1].spte), static_cast<int>(SpteState::Frozen));
        while (row(0x4000, Level::k4K).cells[1].spte == SpteState::Frozen) {
            key(Qt::Key_F11);
            QVERIFY(position() < session().end());
        }
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[1].spte), static_cast<int>(SpteState::Leaf));
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[2].sept), static_cast<int>(SeptState::Pending));
        key(Qt::Key_F5, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(position(), u64{0});
        key(Qt::Key_F10);
        const u64 afterImage = position();
        QVERIFY(afterImage > 0);
        key(Qt::Key_F10, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(position(), u64{0});
        // A pause of the script is passed by nothing that runs, nor by steps of the script.
        // Nor is a question of the story.
        const u64 question = session().questions().front().asked;
        key(Qt::Key_F5);
        QCOMPARE(position(), question);
        QVERIFY(window_->saying().contains("asks"));
        key(Qt::Key_F5);
        QCOMPARE(position(), start);
        QVERIFY(window_->saying().contains("pauses"));
        key(Qt::Key_F5);
        QCOMPARE(position(), session().end());
        key(Qt::Key_R);
        QCOMPARE(position(), start);
        key(Qt::Key_R);
        QCOMPARE(position(), question);
        key(Qt::Key_R);
        QCOMPARE(position(), u64{0});
        bool came = false;
        while (position() < session().end()) {
            key(Qt::Key_F10);
            came |= position() == start;
        }
        QVERIFY(came);
    }

    void the_inspector_names_the_writer_and_a_click_goes_there() {
        auto* history = window_->findChild<QTreeWidget*>("history");
        QVERIFY(history->topLevelItemCount() >= 2);
        key(Qt::Key_F5); // to the end
        QTreeWidgetItem* last = history->topLevelItem(history->topLevelItemCount() - 1);
        QVERIFY(last->text(1).contains("leaf"));
        QVERIFY(last->text(2).contains("vcpu0"));
        QVERIFY(last->toolTip(2).contains("kvm_tdp_mmu_map"));
        Q_EMIT history->itemClicked(last, 0);
        const u64 at = position();
        QCOMPARE(at, last->text(0).toULongLong());
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[1].spte), static_cast<int>(SpteState::Leaf));
        key(Qt::Key_N, Qt::ShiftModifier);
        QCOMPARE(static_cast<int>(row(0x4000, Level::k4K).cells[1].spte), static_cast<int>(SpteState::Frozen));
        key(Qt::Key_N);
        QCOMPARE(position(), at);
        auto* fields = window_->findChild<QTreeWidget*>("fields");
        QVERIFY(fields->topLevelItemCount() > 8);
    }

    void breakpoints_stop_a_run() {
        key(Qt::Key_F9, Qt::ControlModifier); // on the selected entry
        key(Qt::Key_F5, Qt::ControlModifier | Qt::ShiftModifier);
        u64 stops = 0;
        while (position() < session().end()) {
            const u64 before = position();
            key(Qt::Key_F5);
            QVERIFY(position() > before);
            ++stops;
        }
        QVERIFY(stops >= 3); // the fresh table, frozen, the leaf
        key(Qt::Key_F9, Qt::ControlModifier | Qt::ShiftModifier);
        key(Qt::Key_F5, Qt::ControlModifier | Qt::ShiftModifier);
        key(Qt::Key_F5); // the question
        key(Qt::Key_F5); // the pause
        key(Qt::Key_F5);
        QCOMPARE(position(), session().end());
    }

    void arrows_move_the_selection_and_space_folds() {
        trees_->setFocus();
        const auto before = window_->context().selection();
        key(Qt::Key_Up);
        QVERIFY(window_->context().selection()->gfn.v != before->gfn.v || window_->context().selection()->level != before->level);
        key(Qt::Key_Right);
        QCOMPARE(static_cast<int>(window_->context().selection()->column), static_cast<int>(Column::Private));
        while (window_->context().selection()->level != Level::k512G)
            key(Qt::Key_Up);
        const std::size_t rows = trees_->rows().size();
        key(Qt::Key_Space);
        QVERIFY(trees_->rows().size() < rows);
        key(Qt::Key_Space);
        QCOMPARE(trees_->rows().size(), rows);
    }

    void the_script_shows_the_running_line() {
        auto* script = window_->findChild<ScriptView*>("script");
        const auto line = [&](const char* text) {
            return static_cast<unsigned>(script->text().left(script->text().indexOf(text)).count('\n') + 1);
        };
        QCOMPARE(script->currentLine(), line("- {accept: 0x4000"));
        key(Qt::Key_F5, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(script->currentLine(), line("- init-mem-region"));
    }

    void a_click_in_the_timeline_goes_there() {
        auto* timeline = window_->findChild<TimelineView*>("timeline");
        QVERIFY(timeline != nullptr);
        const u64 target = position() - 5;
        const QPoint at(static_cast<int>(timeline->xOf(target) + 1), timeline->height() / 2);
        QTest::mouseClick(timeline, Qt::LeftButton, {}, at);
        QVERIFY(position() == target || position() == target + 1);
    }

    void a_broken_file_keeps_the_last_picture_and_says_where() {
        QTemporaryDir folder;
        const QString bad = folder.filePath("bad.yaml");
        QFile file(bad);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("mirrorscope: 1\nscript:\n  - punch-hol: {gpa: 0}\n");
        file.close();
        const std::size_t rows = trees_->rows().size();
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        window_->open(bad);
        QVERIFY(opened.wait(20000));
        QCOMPARE(opened.first().first().toBool(), false);
        QCOMPARE(trees_->rows().size(), rows);
        const QString says = window_->findChild<Banner*>("banner")->warning();
        QVERIFY2(says.contains(":3:5:") && says.contains("punch-hole"), qPrintable(says));
    }

    void the_menu_has_every_scenario_that_is_shipped() {
        auto* lessons = window_->findChild<QMenu*>("lessons");
        QVERIFY(lessons != nullptr);
        Q_EMIT lessons->aboutToShow();
        const auto actionOf = [](QMenu* menu, const QString& text) -> QAction* {
            for (QAction* action : menu->actions())
                if (action->text().contains(text))
                    return action;
            return nullptr;
        };
        // The one that is open has a mark; there is one after it, and none before it.
        QAction* first = actionOf(lessons, "Lesson 3:");
        QVERIFY(first != nullptr && first->isChecked());
        QVERIFY(actionOf(lessons, "Lesson 4:") != nullptr && !actionOf(lessons, "Lesson 4:")->isChecked());
        QVERIFY(actionOf(lessons, "Previous")->isEnabled());
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        actionOf(lessons, "Next")->trigger();
        QVERIFY(opened.wait(20000));
        QVERIFY(session().scenario().file.find("lessons/02-") != std::string::npos);
        // Each folder by title; what the kernel's own tests say, by the test.
        Q_EMIT lessons->aboutToShow();
        QVERIFY(actionOf(lessons, "Previous")->isEnabled());
        for (const char* shelf : {"races", "history", "broken", "review", "seamcalls"}) {
            auto* menu = lessons->findChild<QMenu*>(shelf, Qt::FindDirectChildrenOnly);
            QVERIFY2(menu != nullptr, shelf);
            Q_EMIT menu->aboutToShow();
            QVERIFY2(menu->actions().size() >= 2, shelf);
        }
        auto* tests = lessons->findChild<QMenu*>("selftests");
        QVERIFY(tests != nullptr && tests->actions().size() >= 15);
        QMenu* memfd = actionOf(tests, "guest_memfd")->menu();
        Q_EMIT memfd->aboutToShow();
        QVERIFY(memfd->actions().size() > 30);
        opened.clear();
        memfd->actions().first()->trigger();
        QVERIFY(opened.wait(20000));
        QVERIFY(session().scenario().file.find("selftests/guest_memfd-") != std::string::npos);
    }

    void a_size_behind_an_address_is_a_level() {
        window_->context().goTo(session().end());
        QCOMPARE(goTo(window_->context(), "mirror 0x0 2M"), QString());
        QVERIFY(window_->context().selection().has_value());
        QCOMPARE(window_->context().selection()->level, Level::k2M);
        QCOMPARE(goTo(window_->context(), "mirror 0x0 4K"), QString());
        QCOMPARE(window_->context().selection()->level, Level::k4K);
        QCOMPARE(window_->context().selection()->gfn.v, u64{0});
    }

    void a_dead_vm_and_expected_violations_are_told() {
        openFile(QString::fromStdString((std::filesystem::path(MIRRORSCOPE_SOURCE_DIR) / "scenarios/broken/skip-flush.yaml").string()));
        QVERIFY(window_->saying().contains("as the scenario says"));
        QVERIFY(!window_->saying().contains("everything holds"));
    }

    void every_command_is_there_and_has_a_help() {
        for (const CommandInfo& info : commandTable()) {
            QVERIFY2(*info.help != '\0', info.name);
            QVERIFY2(window_->action(info.command) != nullptr, info.name);
        }
        const bool dark = window_->context().theme().dark;
        window_->action(Command::ToggleTheme)->trigger();
        QVERIFY(window_->context().theme().dark != dark);
        const double size = qApp->font().pointSizeF();
        window_->action(Command::ZoomIn)->trigger();
        QVERIFY(qApp->font().pointSizeF() > size);
        window_->action(Command::ZoomReset)->trigger();
        QCOMPARE(qApp->font().pointSizeF(), size);
        window_->action(Command::ToggleTheme)->trigger();
    }

    void the_td_and_its_frames_are_shown_at_every_position() {
        auto* td = window_->findChild<TdPane*>("td");
        auto* frames = window_->findChild<FramesView*>("frames");
        QVERIFY(td != nullptr && frames != nullptr);
        for (QWidget* pane : {static_cast<QWidget*>(td), static_cast<QWidget*>(frames)}) {
            for (QWidget* parent = pane; parent != nullptr; parent = parent->parentWidget())
                if (auto* dock = qobject_cast<QDockWidget*>(parent))
                    dock->raise();
            QTRY_VERIFY(pane->isVisible());
        }
        key(Qt::Key_F5);
        const TdView view = session().td();
        QVERIFY(view.exists);
        QCOMPARE(QString::fromStdString(view.opState), QString("RUNNABLE"));
        QVERIFY(view.mrtdFinal);
        QCOMPARE(view.mrtd.size(), std::size_t{96});
        QVERIFY(!session().usedFrameLines().empty());
        const TreeCell page = session().cell(Column::Private, {4}, Level::k4K);
        const FrameView frame = session().frame(page.pfn);
        QCOMPARE(QString::fromStdString(frame.pamt), QString("PT_REG"));
        QVERIFY(QString::fromStdString(frame.use).contains("private 0x4000"));
        bool named = false;
        for (int y = 0; y < frames->height() && !named; y += 3)
            for (int x = 0; x < frames->width() && !named; x += 3)
                named = frames->textAt({x, y}).contains("PT_EPT");
        QVERIFY(named);
        key(Qt::Key_F5, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(QString::fromStdString(session().td().opState), QString("INITIALIZED"));
    }

    void a_cell_of_the_matrix_opens_as_a_scenario() {
        window_->action(Command::Matrix)->trigger();
        auto* matrix = window_->findChild<MatrixView*>("matrix");
        QVERIFY(matrix != nullptr);
        matrix->choose("TDH.MEM.RANGE.BLOCK");
        auto* table = matrix->findChild<QTableWidget*>();
        QVERIFY(table->rowCount() > 10);
        for (int r = 0; r < table->rowCount(); ++r)
            for (int c = 0; c < table->columnCount(); ++c)
                QVERIFY(table->item(r, c) != nullptr && !table->item(r, c)->text().isEmpty());
        QSignalSpy opened(window_.get(), &MainWindow::opened);
        int row = 0;
        while (table->verticalHeaderItem(row)->text() != "RUNNABLE · 4K")
            ++row;
        int column = 0;
        while (table->horizontalHeaderItem(column)->text() != "mapped")
            ++column;
        Q_EMIT table->cellDoubleClicked(row, column);
        QVERIFY(opened.wait(20000));
        QVERIFY(opened.first().first().toBool());
        QVERIFY2(window_->windowTitle().contains("TDH.MEM.RANGE.BLOCK on mapped"), qPrintable(window_->windowTitle()));
        matrix->close();
    }

    void an_ordinary_vm_has_one_tree() {
        QTemporaryDir folder;
        const QString name = folder.filePath("ordinary.yaml");
        QFile file(name);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - vcpu0: {write: 0}\n");
        file.close();
        openFile(name);
        QCOMPARE(position(), session().end());
        QVERIFY(!session().hasColumn(Column::Mirror));
        QCOMPARE(static_cast<int>(row(0, Level::k4K).cells[0].spte), static_cast<int>(SpteState::Leaf));
    }
};

QTEST_MAIN(WindowTest)
#include "window_test.moc"
