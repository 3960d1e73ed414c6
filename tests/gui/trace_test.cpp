// SPDX-License-Identifier: GPL-3.0-or-later
// Traces of real kernels in the window: opened, travelled in, searched, pasted; and never written over.
#include "support/tracefs.h"
#include "support/window.h"

#include "trace/recorded.h"

#include "views/explore/side_by_side.h"
#include "views/find/event_model.h"
#include "views/lesson/story_view.h"
#include "views/palette.h"
#include "views/record_job.h"
#include "views/trees/banner.h"
#include "views/trees/variant_bar.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTextBrowser>
#include <QToolButton>
#include <QTreeView>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

namespace {
const QString kTraces = QString(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/";
QByteArray contentOf(const QString& file) {
    QFile in(file);
    return in.open(QIODevice::ReadOnly) ? in.readAll() : QByteArray();
}
QString everythingIn(QWidget& widget) {
    QString all;
    for (const QLabel* label : widget.findChildren<QLabel*>())
        all += label->text() + "\n";
    for (const QTextBrowser* text : widget.findChildren<QTextBrowser*>())
        all += text->toPlainText() + "\n";
    return all;
}
} // namespace

class TraceTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    // Its beginning is there while the rest is read; who has gone somewhere stays there.
    void a_long_recording_is_seen_before_it_is_read() {
        Window w;
        const QString file = w.folder.filePath("long.trace");
        QFile out(file);
        QVERIFY(out.open(QIODevice::WriteOnly));
        constexpr u64 kFaults = 130'000;
        for (u64 n = 0; n < kFaults; ++n)
            out.write(QString(" CPU 0/KVM-77 [000] ..... %1.%2: kvm_page_fault: vcpu 0 rip 0x%3 address 0x%4 error_code 0x181\n")
                          .arg(n / 1000)
                          .arg(n % 1000 * 1000, 6, 10, QChar('0'))
                          .arg(n, 0, 16)
                          .arg(n << 12, 16, 16, QChar('0'))
                          .toLatin1());
        out.close();
        QSignalSpy begun(w.window.get(), &MainWindow::begun), opened(w.window.get(), &MainWindow::opened);
        w.window->open(file);
        QTRY_COMPARE_WITH_TIMEOUT(begun.count(), 1, 20'000);
        QVERIFY(opened.isEmpty());
        QVERIFY(w.session().recorded() != nullptr && w.session().verdict().bounded);
        const u64 first = w.session().end();
        QVERIFY2(first >= LoadJob::kFirst && first < kFaults, qPrintable(QString::number(first)));
        QVERIFY2(w.status().contains("events; the rest is being read"), qPrintable(w.status()));
        QVERIFY(everythingIn(*w.window).contains("This is its beginning"));
        w.window->context().goTo(4321);
        QTRY_COMPARE_WITH_TIMEOUT(opened.count(), 1, 20'000);
        QCOMPARE(w.session().end(), kFaults);
        QVERIFY(!w.session().verdict().bounded);
        QCOMPARE(w.position(), u64{4321});
        QVERIFY(!everythingIn(*w.window).contains("This is its beginning"));
    }

    void a_host_is_recorded_until_it_is_stopped_and_the_recording_is_opened() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        const QString tracing = w.folder.filePath("tracefs"), out = w.folder.filePath("kvm.trace");
        fakeTracefs(tracing.toStdString());
        QFile pipe(tracing + "/instances/mirrorscope/trace_pipe");
        QVERIFY(pipe.open(QIODevice::WriteOnly));
        pipe.write(contentOf(kTraces + "private-exits.trace"));
        pipe.close();
        w.window->recording().setCommand(MIRRORSCOPE_PROGRAM, {"--tracing", tracing});
        w.window->recordTo(out);
        QTRY_COMPARE(contentOf(tracing + "/instances/mirrorscope/tracing_on").left(1), QByteArray("1"));
        QVERIFY(w.window->recording().running());
        QCOMPARE(w.window->action(Command::Record)->text(), QString("Stop &recording"));
        QPushButton* stop = nullptr;
        for (QPushButton* button : w.window->findChildren<QPushButton*>())
            if (button->text() == "Stop, and look at it")
                stop = button;
        QVERIFY(stop != nullptr && stop->isVisible());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        stop->click();
        QVERIFY(opened.wait(20000));
        QCOMPARE(contentOf(tracing + "/instances/mirrorscope/tracing_on").left(1), QByteArray("0"));
        QVERIFY(w.session().recorded() != nullptr);
        QCOMPARE(w.session().end(), u64{165});
        QCOMPARE(w.window->action(Command::Record)->text(), QString("&Record this host…"));
        // What cannot be is said, and nothing else happens.
        w.window->recording().setCommand(MIRRORSCOPE_PROGRAM, {"--tracing", w.folder.filePath("nothing")});
        w.window->recordTo(out);
        QTRY_VERIFY2(w.status().contains("tracefs"), qPrintable(w.status()));
        QVERIFY(w.session().recorded() != nullptr);
        // A window that goes leaves the host as it was.
        w.window->recording().setCommand(MIRRORSCOPE_PROGRAM, {"--tracing", tracing});
        w.window->recordTo(out);
        QTRY_COMPARE(contentOf(tracing + "/instances/mirrorscope/tracing_on").left(1), QByteArray("1"));
        w.window.reset();
        QCOMPARE(contentOf(tracing + "/instances/mirrorscope/tracing_on").left(1), QByteArray("0"));
    }

    void a_trace_opens_where_most_is_mapped_with_a_summary() {
        Window w;
        QVERIFY(w.open(kTraces + "private-exits.trace"));
        QVERIFY(w.session().recorded() != nullptr);
        QCOMPARE(w.session().end(), u64{165});
        QVERIFY2(w.status().contains("each change as such a kernel makes it") && w.status().contains("where most is mapped"),
                 qPrintable(w.status()));
        const QString story = everythingIn(w.child<QWidget>("story"));
        QVERIFY2(story.contains("165 events of 2 tasks") && story.contains("16 faults"), qPrintable(story));
        QVERIFY(!w.child<QDockWidget>("dock-script").isVisible());
        QCOMPARE(w.session().cell(Column::Shared, {0x211}, Level::k4K).raw, u64{0x1029aae67});
        // It happened: nothing of it can be run again.
        for (const Command command : {Command::WhatIf, Command::Rerun, Command::Explore, Command::Save, Command::SaveAs})
            QVERIFY(!w.window->action(command)->isEnabled());
        if (qEnvironmentVariableIsSet("MIRRORSCOPE_PICTURES"))
            w.window->grab().save(qEnvironmentVariable("MIRRORSCOPE_PICTURES") + "/trace.png");
    }

    void a_snapshot_opens_whole_and_is_compared_with_another() {
        Window w;
        const QString folder = QString(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/snapshots";
        QVERIFY(w.open(folder + "/lab-6.12-huge.json"));
        QCOMPARE(w.context().position(), w.session().end());
        QVERIFY2(w.status().contains("a snapshot of 38 entries"), qPrintable(w.status()));
        QVERIFY2(everythingIn(w.child<QWidget>("story")).contains("read by gdbstub"), qPrintable(everythingIn(w.child<QWidget>("story"))));
        QCOMPARE(w.session().cell(Column::Shared, {0}, Level::k2M).raw, u64{0x7a00ee7});
        w.trigger(Command::Compare);
        auto& palette = w.child<Palette>("palette");
        QVERIFY(palette.isVisible());
        palette.findChild<QLineEdit*>()->setText(folder + "/lab-6.12.json"); // pasted: a path may have other letters than QTest's keys
        QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(w.window->findChild<SideBySide*>() != nullptr, 20000);
        auto* beside = w.window->findChild<SideBySide*>();
        const QString told = beside->findChild<QPlainTextEdit*>("what-differs")->toPlainText();
        QVERIFY2(told.contains("direct 0xc00000 2M"), qPrintable(told)); // a page here, a table there
        if (qEnvironmentVariableIsSet("MIRRORSCOPE_PICTURES"))
            beside->grab().save(qEnvironmentVariable("MIRRORSCOPE_PICTURES") + "/snapshots.png");
        beside->close();
        // What cannot be read is said in one line.
        w.trigger(Command::Compare);
        QTest::keyClicks(palette.findChild<QLineEdit*>(), "/nowhere.json");
        QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
        QTRY_VERIFY2(w.status().contains("No such file"), qPrintable(w.status()));
    }

    // Which release it is of is known to whoever recorded it.
    void a_trace_is_read_as_that_of_another_kernel() {
        Window w;
        QVERIFY(w.open(kTraces + "private-exits.trace"));
        QVERIFY(w.session().recorded()->kernel == TraceKernel::Any);
        w.context().goTo(60);
        auto& bar = w.child<VariantBar>("variants");
        QVERIFY(bar.isVisible());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        for (QToolButton* button : bar.findChildren<QToolButton*>())
            if (button->text() == "7.2")
                button->click();
        QVERIFY(opened.wait(20000));
        QVERIFY(w.session().recorded() != nullptr && w.session().recorded()->kernel == TraceKernel::V7_2);
        QCOMPARE(w.position(), u64{60});
        QVERIFY2(w.status().contains("7.2"), qPrintable(w.status()));
        QVERIFY(w.openAgain(Command::NextVariant));
        QVERIFY(w.session().recorded()->kernel == TraceKernel::Next);
        // What one CPU did.
        std::string error;
        u64 events = 0;
        for (const char* word : {"cpu:0", "cpu:1", "cpu:2", "cpu:3"}) {
            const EventFilter filter = EventFilter::parse(word, error);
            QVERIFY(error.empty());
            for (u64 n = 0; n < w.session().end(); ++n)
                if (w.session().matches(filter, n)) {
                    ++events;
                    QCOMPARE(u64{w.session().recorded()->events[n].cpu}, u64(word[4] - '0'));
                }
        }
        QVERIFY(events > 0 && events <= w.session().end());
    }

    void lines_and_trees_are_linked_both_ways() {
        Window w;
        QVERIFY(w.open(kTraces + "private-exits.trace"));
        auto& list = w.child<QTreeView>("find-list");
        QVERIFY(list.isVisible());
        QCOMPARE(list.model()->headerData(EventModel::Function, Qt::Horizontal).toString(), QString("line"));
        // A line is clicked: the trees are as it left them.
        const QModelIndex index = list.model()->index(34, EventModel::What); // line 47
        list.scrollTo(index);
        QTest::mouseClick(list.viewport(), Qt::LeftButton, Qt::NoModifier, list.visualRect(index).center());
        QCOMPARE(w.position(), u64{35});
        QVERIFY(w.session().sentence(35).find("line 47:") != std::string::npos);
        QCOMPARE(w.session().cell(Column::Shared, {0x182}, Level::k4K).spte, SpteState::Leaf);
        // A step, and the list follows.
        w.trees().currentWidget()->setFocus();
        w.key(Qt::Key_F11);
        QCOMPARE(w.position(), u64{36});
        QTRY_COMPARE(list.currentIndex().row(), 35);
        // F10 goes to the next fault or notifier.
        w.key(Qt::Key_F10);
        const TraceKind kind = w.session().recorded()->events[w.position() - 1].kind;
        QVERIFY(kind == TraceKind::PageFault || kind == TraceKind::UnmapHva);
    }

    void the_events_are_searched_by_line_address_and_name() {
        Window w;
        QVERIFY(w.open(kTraces + "private-exits.trace"));
        auto& filter = w.child<QLineEdit>("find-filter");
        auto& list = w.child<QTreeView>("find-list");
        const auto finds = [&](const char* text) {
            filter.setText(text);
            QTest::qWait(400);
            return list.model()->rowCount();
        };
        QCOMPARE(finds("line:47"), 1);
        QCOMPARE(finds("spte_changed"), 44);
        QCOMPARE(finds("gpa:0x211000 spte_changed"), 4); // mapped and zapped, in two VMs
        QCOMPARE(finds("page_fault not gpa:0x211000"), 14);
        QCOMPARE(finds("actor:private_mem_kvm-90 is:leaf"), 8 - 1);
    }

    void a_finding_is_shown_with_its_rule_and_its_entry() {
        Window w;
        QVERIFY(w.open(kTraces + "bad/another-frame.trace"));
        QCOMPARE(w.session().violations().size(), std::size_t{1});
        QVERIFY2(w.status().contains("1 finding") && w.status().contains("opened at the first finding"), qPrintable(w.status()));
        const QString banner = everythingIn(*w.window->findChild<Banner*>());
        QVERIFY2(banner.contains("conforms") && banner.contains("line 42") && banner.contains("BUG()"), qPrintable(banner));
        QVERIFY(w.context().selection().has_value());
        QCOMPARE(w.context().selection()->gfn.v, u64{0x181});
    }

    // What was done to a VM of it is done again on our machine: a scenario like any other.
    void it_is_done_again_on_our_machine() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(!w.window->action(Command::DoAgain)->isEnabled());
        QVERIFY(w.open(kTraces + "private-exits.trace"));
        QVERIFY(w.window->action(Command::DoAgain)->isEnabled());
        w.trigger(Command::DoAgain);
        auto& palette = w.child<Palette>("palette");
        QTRY_VERIFY(palette.isVisible());
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        QTest::keyClicks(palette.findChild<QLineEdit*>(), "VM 2");
        QTest::keyClick(palette.findChild<QLineEdit*>(), Qt::Key_Return);
        QVERIFY(opened.wait(20000));
        QVERIFY(w.session().recorded() == nullptr);
        QVERIFY(w.session().violations().empty());
        QVERIFY(w.window->document().current().text.contains("destroy-vm"));
        QVERIFY(w.window->document().current().text.contains("# line 1"));
        QVERIFY(w.openAgain(Command::Back));
        QVERIFY(w.session().recorded() != nullptr);
        // One VM is opened at once.
        QVERIFY(w.open(kTraces + "lab-6.12-pipe.txt.xz"));
        QSignalSpy again(w.window.get(), &MainWindow::opened);
        w.trigger(Command::DoAgain);
        QVERIFY(again.wait(20000));
        QVERIFY(w.session().recorded() == nullptr);
    }

    // What is in the editor is not the trace, and is never saved over it.
    void the_file_stays_as_it_is() {
        Window w;
        const QByteArray before = contentOf(kTraces + "private-exits.trace");
        const QString copy = w.file("mine.trace", before);
        w.window->rememberSettings();
        QVERIFY(w.open(copy));
        w.trigger(Command::Save);
        w.trigger(Command::Rerun);
        QTest::qWait(50);
        QCOMPARE(contentOf(copy), before);
        QVERIFY(w.window->document().file().isEmpty());
        // A scenario afterwards has its script again, and Back leads to the trace.
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(w.session().recorded() == nullptr);
        QVERIFY(w.child<QDockWidget>("dock-script").isVisible());
        QVERIFY(w.window->action(Command::Explore)->isEnabled());
        QVERIFY(w.openAgain(Command::Back));
        QVERIFY(w.session().recorded() != nullptr);
        QVERIFY(w.window->recentFiles().join(" ").contains("mine.trace"));
    }

    void a_trace_that_was_copied_is_opened() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QGuiApplication::clipboard()->setText("Here is what I see:\n" + contentOf(kTraces + "private-exits.trace").mid(0, 12000));
        QSignalSpy opened(w.window.get(), &MainWindow::opened);
        w.trigger(Command::Explain);
        QVERIFY(opened.wait(20000));
        QVERIFY(w.session().recorded() != nullptr);
        QVERIFY(w.session().end() > 50);
    }

    void what_cannot_be_read_is_said_and_the_window_lives() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QByteArray broken = contentOf(kTraces + "prefault.trace.gz");
        broken.truncate(broken.size() / 2);
        QVERIFY(!w.open(w.file("half.trace.gz", broken)));
        QVERIFY2(w.status().contains("cut off"), qPrintable(w.status()));
        QVERIFY(w.session().recorded() == nullptr);
        QVERIFY(w.open(kTraces + "lab-6.12-v7.dat.gz"));
        QCOMPARE(w.session().end(), u64{9069});
    }

    void closing_while_it_is_read_leaves_nothing_behind() {
        for (int wait : {0, 3, 9, 30}) {
            Window w;
            w.window->open(kTraces + "lab-6.12-v6.dat.gz");
            QTest::qWait(wait);
        }
    }
};

QTEST_MAIN(TraceTest)
#include "trace_test.moc"
