// SPDX-License-Identifier: GPL-3.0-or-later
// The editor, and playing without a script: points 5 and 6 of the window.
#include "support/window.h"

#include "session/branch.h"
#include "views/notice_bar.h"
#include "views/playground/what_if.h"
#include "views/script/document.h"
#include "views/script/script_view.h"
#include "views/trees/banner.h"

#include <QComboBox>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QLineEdit>
#include <QMenu>
#include <QMimeData>
#include <QProcess>
#include <QPushButton>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class ScriptTest : public QObject {
    Q_OBJECT

private:
    static constexpr const char* kTwo =
        "mirrorscope: 1\ntitle: Two\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
        "  - vcpu0: {accept: 0x1000}\n  - vcpu0: {accept: 0x2000}\n";
    // Types at the editor's cursor, as a keyboard does.
    static void type(Window& w, const QString& text) {
        QWidget* editor = w.child<ScriptView>("script").findChild<QWidget*>("editor");
        editor->setFocus();
        QTest::keyClicks(editor, text);
    }
    static void setText(Window& w, const QString& text) {
        // By the clipboard's way in: as an edit, not as a file.
        QWidget* editor = w.child<ScriptView>("script").findChild<QWidget*>("editor");
        QMetaObject::invokeMethod(editor, "selectAll");
        QMetaObject::invokeMethod(editor, "removeSelectedText");
        QMetaObject::invokeMethod(editor, "insert", Q_ARG(QString, text));
        QTest::keyClick(editor, Qt::Key_End, Qt::ControlModifier);
    }
    static bool waitChecked(Window& w) {
        QSignalSpy checked(&w.child<ScriptView>("script"), &ScriptView::checked);
        return checked.wait(5000);
    }

private Q_SLOTS:
    void init() { QDir(Drafts::folder()).removeRecursively(); }
    void initTestCase() { useOwnSettings(); }

    void what_is_wrong_is_said_at_the_word_while_typing() {
        Window w;
        QVERIFY(w.openText(kTwo));
        auto& script = w.child<ScriptView>("script");
        setText(w, QString(kTwo).replace("0x2000", "0x2000, size: 4x"));
        QVERIFY(waitChecked(w));
        QVERIFY2(script.problem().contains(":7:"), qPrintable(script.problem()));
        setText(w, QString(kTwo).replace("accept: 0x2000", "acept: 0x2000"));
        QVERIFY(waitChecked(w));
        QVERIFY2(script.problem().contains("accept"), qPrintable(script.problem()));
        // The picture is still that of the last good run.
        QCOMPARE(w.title(), QString("Two"));
        setText(w, kTwo);
        QVERIFY(waitChecked(w));
        QCOMPARE(script.problem(), QString());
    }

    void an_edit_is_run_and_stays_where_nothing_changed() {
        Window w;
        QVERIFY(w.openText(kTwo));
        w.context().goTo(w.session().positionOfLine(7, 0).value());
        const u64 second = w.position();
        setText(w, QString(kTwo) + "  - punch-hole: {gpa: 0x1000}\n");
        QVERIFY(w.child<ScriptView>("script").isModified());
        QVERIFY(w.window->isWindowModified());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(10000));
        QCOMPARE(w.position(), second);
        QVERIFY(w.session().end() > second + 20);
        // A change before the position: it stands where the runs part.
        setText(w, QString(kTwo).replace("{accept: 0x1000}", "{read: {gpa: 0x1000, as: shared}}"));
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(10000));
        QVERIFY(w.position() < second);
        // One that cannot be run: said, and the run that was open stays.
        const u64 end = w.session().end();
        setText(w, "mirrorscope: 1\nscript:\n  - zap-al\n");
        w.trigger(Command::Rerun);
        QVERIFY(opened.wait(10000));
        QCOMPARE(opened.last().first().toBool(), false);
        QCOMPARE(w.session().end(), end);
        QVERIFY(w.child<Banner>("banner").warning().contains("zap-all"));
    }

    void completion_offers_what_fits_and_help_says_what_a_word_means() {
        Window w;
        QVERIFY(w.openText(kTwo));
        auto& script = w.child<ScriptView>("script");
        setText(w, QString(kTwo) + "  - pun");
        const QStringList fits = script.complete();
        QVERIFY2(fits.contains("punch-hole"), qPrintable(fits.join(' ')));
        QVERIFY(!fits.contains("vcpus"));
        setText(w, QString(kTwo) + "  - punch-hole");
        QVERIFY(script.helpAtCursor().contains("PUNCH_HOLE"));
        QWidget* editor = script.findChild<QWidget*>("editor");
        editor->setFocus();
        w.trigger(Command::Help);
        QVERIFY2(w.status().contains("PUNCH_HOLE") || !editor->hasFocus(), qPrintable(w.status()));
    }

    void words_are_offered_wherever_the_window_is() {
        Window w;
        QVERIFY(w.openText(kTwo));
        w.window->move(20000, 20000); // off every screen
        setText(w, QString(kTwo) + "  - pun");
        QVERIFY(w.child<ScriptView>("script").complete().contains("punch-hole"));
    }

    void a_script_is_saved_beside_and_an_external_change_is_noticed() {
        Window w;
        const QString file = w.file("two.yaml", kTwo);
        QVERIFY(w.open(file));
        setText(w, QString(kTwo) + "  - zap-all\n");
        QVERIFY(w.window->save(file));
        QVERIFY(!w.child<ScriptView>("script").isModified());
        QFile in(file);
        QVERIFY(in.open(QIODevice::ReadOnly));
        QVERIFY(in.readAll().endsWith("  - zap-all\n"));
        // Somebody else writes it; nothing of one's own is lost: the run follows.
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.file("two.yaml", QByteArray(kTwo) + "  - vcpu0: {accept: 0x3000}\n");
        QVERIFY(opened.wait(10000));
        QVERIFY(w.child<ScriptView>("script").text().contains("0x3000"));
        // And with unsaved work: it is asked, not taken.
        setText(w, QString(kTwo) + "  - vcpu0: {accept: 0x5000}\n");
        w.file("two.yaml", QByteArray(kTwo) + "  - vcpu0: {accept: 0x6000}\n");
        auto& notice = w.child<NoticeBar>("notice");
        QTRY_VERIFY_WITH_TIMEOUT(notice.text().contains("two.yaml"), 5000);
        QVERIFY(w.child<ScriptView>("script").text().contains("0x5000"));
        QVERIFY(!w.window->save("/nonexistent/x.yaml"));
        QVERIFY(w.status().contains("cannot be written"));
        QVERIFY(w.child<ScriptView>("script").isModified());
    }

    // As a program that is gone would have left them: under another window's name, whose lock nobody holds.
    static void orphanDrafts() {
        const QDir folder(Drafts::folder());
        for (const QString& name : folder.entryList({"*.json"}, QDir::Files))
            QVERIFY(QFile::rename(folder.filePath(name), folder.filePath("gone" + name.mid(4))));
    }
    static QStringList drafts() { return QDir(Drafts::folder()).entryList({"*.json"}, QDir::Files); }
    static QPushButton* choice(Window& w, const QString& name) {
        for (auto* button : w.child<NoticeBar>("notice").findChildren<QPushButton*>())
            if (button->text() == name)
                return button;
        return nullptr;
    }
    QString inEditor(Window& w) { return w.child<ScriptView>("script").text(); }

    void unsaved_work_of_a_crashed_program_is_offered() {
        QDir(Drafts::folder()).removeRecursively();
        {
            Window w;
            QVERIFY(w.openText(kTwo));
            setText(w, QString(kTwo) + "  - vcpu0: {accept: 0x7000}\n");
            QTRY_VERIFY_WITH_TIMEOUT(!drafts().isEmpty(), 5000);
            Window other;
            other.window->rememberSettings();
            QCOMPARE(other.child<NoticeBar>("notice").text(), QString()); // its window is open
            orphanDrafts();
        }
        Window w;
        w.window->rememberSettings();
        auto& notice = w.child<NoticeBar>("notice");
        QVERIFY2(notice.text().contains("not saved"), qPrintable(notice.text()));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        choice(w, "Recover it")->click();
        QVERIFY(opened.wait(10000));
        QVERIFY(inEditor(w).contains("0x7000"));
        QVERIFY(w.window->document().isModified());
        QCOMPARE(w.title(), QString("Two"));
        // It is kept until it is saved.
        QVERIFY(!drafts().isEmpty());
        QVERIFY(w.window->save(w.folder.filePath("recovered.yaml")));
        QCOMPARE(drafts(), QStringList());
    }

    // An edit, another script, and the first one again, by the same path or by another spelling of it.
    void what_was_typed_is_there_again_when_its_file_is_opened_again() {
        Window w;
        const QString file = w.file("two.yaml", kTwo);
        QVERIFY(w.open(file));
        setText(w, QString(kTwo) + "  - vcpu0: {accept: 0x7000}\n");
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(!w.window->document().isModified());
        auto& notice = w.child<NoticeBar>("notice");
        QVERIFY2(notice.text().contains("two.yaml"), qPrintable(notice.text()));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        choice(w, "Go back to it")->click();
        QVERIFY(opened.wait(10000));
        QVERIFY(inEditor(w).contains("0x7000"));
        QVERIFY(w.window->document().isModified());
        // The run is of what the editor shows.
        QVERIFY(w.session().scenario().source.find("0x7000") != std::string::npos);
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(w.open(w.folder.path() + "/./" + QFileInfo(w.folder.path()).fileName().prepend("../") + "/two.yaml"));
        QVERIFY(inEditor(w).contains("0x7000"));
        // Undo leads to what is in the file; thrown away it is gone.
        QMetaObject::invokeMethod(w.child<ScriptView>("script").findChild<QWidget*>("editor"), "undo");
        QCOMPARE(inEditor(w), QString(kTwo));
        QMetaObject::invokeMethod(w.child<ScriptView>("script").findChild<QWidget*>("editor"), "redo");
        choice(w, "Throw away")->click();
        QVERIFY(opened.wait(10000));
        QCOMPARE(inEditor(w), QString(kTwo));
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(w.open(file));
        QCOMPARE(inEditor(w), QString(kTwo));
    }

    void reloading_and_what_if_lose_nothing() {
        Window w;
        const QString file = w.file("two.yaml", kTwo);
        const QString mine = QString(kTwo) + "  - vcpu0: {accept: 0x7000}\n";
        QVERIFY(w.open(file));
        setText(w, mine);
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::Reload);
        QVERIFY(opened.wait(10000));
        QCOMPARE(inEditor(w), QString(kTwo));
        QWidget* editor = w.child<ScriptView>("script").findChild<QWidget*>("editor");
        QMetaObject::invokeMethod(editor, "undo");
        QCOMPARE(inEditor(w), mine);
        QVERIFY(w.window->document().isModified());
        // A branch takes its place in the editor, not on the disk nor in the drafts.
        const auto list = whatIfs(w.session(), 0x1000, false);
        w.window->branch(list.front());
        QVERIFY(opened.wait(10000));
        QVERIFY(w.window->document().file().isEmpty());
        QVERIFY(w.open(file));
        QCOMPARE(inEditor(w), mine);
        // Typed while the run of what was there before is under way.
        w.trigger(Command::Rerun);
        type(w, "# late");
        QVERIFY(opened.wait(10000));
        QVERIFY(inEditor(w).contains("# late"));
    }

    void quitting_asks_in_a_bar_and_only_for_unsaved_text() {
        Window w;
        const QString file = w.file("two.yaml", kTwo);
        QVERIFY(w.open(file));
        setText(w, QString(kTwo) + "  - vcpu0: {accept: 0x7000}\n");
        w.trigger(Command::Quit);
        QVERIFY(w.window->isVisible());
        QVERIFY(choice(w, "Save and quit") != nullptr);
        choice(w, "Save and quit")->click();
        QVERIFY(!w.window->isVisible());
        QFile in(file);
        QVERIFY(in.open(QIODevice::ReadOnly));
        QVERIFY(in.readAll().contains("0x7000"));
        // Asked for twice it quits, and the next window has it at once.
        Window again;
        QVERIFY(again.open(file));
        setText(again, QString(kTwo) + "  - vcpu0: {accept: 0x8000}\n");
        again.trigger(Command::Quit);
        again.trigger(Command::Quit);
        QVERIFY(!again.window->isVisible());
        Window next;
        next.window->rememberSettings();
        QVERIFY2(next.child<NoticeBar>("notice").text().contains("two.yaml"), qPrintable(next.child<NoticeBar>("notice").text()));
        QVERIFY(next.open(file));
        QVERIFY(inEditor(next).contains("0x8000"));
        Window quiet;
        QVERIFY(quiet.openShipped(kLesson1));
        quiet.trigger(Command::Quit);
        QVERIFY(!quiet.window->isVisible());
    }

    void mine_is_kept_and_not_written_over_what_somebody_else_saved() {
        Window w;
        const QString file = w.file("two.yaml", kTwo);
        QVERIFY(w.open(file));
        const QString mine = QString(kTwo) + "  - vcpu0: {accept: 0x7000}\n";
        setText(w, mine);
        w.file("two.yaml", QByteArray(kTwo) + "  - vcpu0: {accept: 0x6000}\n");
        auto& notice = w.child<NoticeBar>("notice");
        QTRY_VERIFY_WITH_TIMEOUT(notice.text().contains("somebody else"), 5000);
        choice(w, "Keep mine")->click();
        QCOMPARE(inEditor(w), mine);
        QVERIFY(!w.window->save(file));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        choice(w, "Take the file's")->click();
        QVERIFY(opened.wait(10000));
        QVERIFY(inEditor(w).contains("0x6000"));
        QMetaObject::invokeMethod(w.child<ScriptView>("script").findChild<QWidget*>("editor"), "undo");
        QCOMPARE(inEditor(w), mine);
        QVERIFY(w.window->save(file));
        QVERIFY(!w.window->document().isModified());
    }

    void a_file_can_be_dropped_and_is_among_the_recent_ones() {
        Window w;
        w.window->rememberSettings();
        const QString file = w.file("dropped.yaml", kTwo);
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(file)});
        QDragEnterEvent enter(QPoint(50, 50), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QCoreApplication::sendEvent(w.window.get(), &enter);
        QVERIFY(enter.isAccepted());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        QDropEvent drop(QPointF(50, 50), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QCoreApplication::sendEvent(w.window.get(), &drop);
        QVERIFY(opened.wait(10000));
        QCOMPARE(w.title(), QString("Two"));
        QCOMPARE(w.window->recentFiles().value(0), file);
    }

    void what_if_runs_from_here_as_a_branch_that_can_be_saved() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const u64 frozen = w.position();
        QMenu* menu = w.window->makeContextMenu(Selection{Column::Mirror, {4}, Level::k4K});
        QAction* punch = nullptr;
        for (const QAction* sub : menu->actions())
            if (sub->menu() != nullptr)
                for (QAction* action : sub->menu()->actions())
                    if (action->text() == "the host punches a hole here")
                        punch = action;
        QVERIFY(punch != nullptr);
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        punch->trigger();
        QVERIFY(opened.wait(10000));
        QCOMPARE(w.position(), frozen); // the same moment, another future
        QVERIFY(w.session().cell(Column::Mirror, {4}, Level::k4K).spte == SpteState::Frozen);
        w.trigger(Command::Run);
        QVERIFY(w.session().cell(Column::Mirror, {4}, Level::k4K).spte == SpteState::None);
        QVERIFY(w.session().violations().empty());
        const QString file = w.folder.filePath("branch.yaml");
        QVERIFY(w.window->save(file));
        Window other;
        QVERIFY(other.open(file));
        QCOMPARE(other.session().end(), w.session().end());
    }

    void a_machine_without_a_script_is_a_playground() {
        Window w;
        w.trigger(Command::New);
        auto& dialog = w.child<NewMachineDialog>("new-machine");
        QVERIFY(dialog.isVisible());
        w.child<QLineEdit>("new-memory").setText("elephant");
        QVERIFY(!dialog.findChild<QPushButton*>()->isEnabled());
        w.child<QLineEdit>("new-memory").setText("16M");
        for (int vm = 0; vm < w.child<QComboBox>("new-vm").count(); ++vm) {
            w.child<QComboBox>("new-vm").setCurrentIndex(vm);
            bindScenario("new", dialog.scenario().toStdString());
        }
        w.child<QComboBox>("new-vm").setCurrentIndex(0);
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        dialog.accept();
        QVERIFY(opened.wait(10000));
        QVERIFY(opened.first().first().toBool());
        w.context().goTo(w.session().end());
        // Nothing is mapped; the address is taken from the map.
        w.trigger(Command::FormMap);
        const MapView& map = w.trees().map();
        const auto where = map.selectionAt(QPoint(static_cast<int>(map.xOf(10.5)), map.stripRect(2).center().y()));
        QVERIFY(where.has_value());
        const auto list = whatIfs(w.session(), where->gfn.v << 12, false);
        const auto accept = std::find_if(list.begin(), list.end(), [](const WhatIf& what) { return what.text == "vcpu1 accepts here"; });
        QVERIFY(accept != list.end());
        w.window->branch(*accept);
        QVERIFY(opened.wait(10000));
        w.context().goTo(w.session().end());
        QVERIFY(w.session().cell(Column::Private, where->gfn, Level::k4K).sept == SeptState::Mapped);
        // And on from there.
        const auto next = whatIfs(w.session(), where->gfn.v << 12, true);
        w.window->branch(next.front());
        QVERIFY(opened.wait(10000));
        QVERIFY(w.session().scenario().script.size() >= 3);
    }
};

QTEST_MAIN(ScriptTest)
#include "script_test.moc"
