// SPDX-License-Identifier: GPL-3.0-or-later
// kill -9 at a random moment of editing and saving: the file is whole, the old one or the new one, and what was typed a second ago is in
// it or in the draft.
#include "support/window.h"

#include "views/script/drafts.h"
#include "views/script/script_view.h"

#include <QElapsedTimer>
#include <QProcess>
#include <QRegularExpression>

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "support/seed.h"
#include <random>
#endif
#include <csignal>
#include <cstdio>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

namespace {
constexpr int kLines = 3000;   // enough that writing takes a while
constexpr qint64 kLost = 2000; // milliseconds: a draft is kept every half second, and a busy machine is slow

QString version(unsigned n) {
    QString text =
        QString("mirrorscope: 1\ntitle: version %1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript: []\n").arg(n);
    for (int i = 0; i < kLines; ++i)
        text += QString("# line %1 of version %2\n").arg(i).arg(n);
    return text + QString("# end of version %1\n").arg(n);
}

// 0: it is none, or not whole.
unsigned versionOf(const QString& text) {
    static const QRegularExpression title("title: version (\\d+)\n");
    const auto match = title.match(text);
    const unsigned n = match.hasMatch() ? match.captured(1).toUInt() : 0;
    return n != 0 && text == version(n) ? n : 0;
}

// The one that is killed: types and saves without an end, and tells what it has done.
int child(const QString& file, unsigned seed) {
    MainWindow window;
    window.show();
    QSignalSpy opened(&window, &MainWindow::opened);
    window.open(file);
    if (!opened.wait(20000))
        return 1;
    auto* script = window.findChild<ScriptView*>("script");
    std::mt19937 random(seed);
    for (unsigned n = 2;; ++n) {
        script->replaceText(version(n), false);
        Q_EMIT script->edited();
        std::printf("typed %u\n", n);
        std::fflush(stdout);
        QTest::qWait(static_cast<int>(random() % 40));
        if (random() % 3 == 0) {
            window.save(file);
            std::printf("saved %u\n", n);
            std::fflush(stdout);
        }
        QTest::qWait(static_cast<int>(random() % 40));
    }
}
} // namespace

class KilledTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void the_file_is_whole_and_what_was_typed_is_kept() {
        const int times = qEnvironmentVariableIntValue("MIRRORSCOPE_KILLS") > 0 ? qEnvironmentVariableIntValue("MIRRORSCOPE_KILLS") : 20;
        const auto seed = static_cast<unsigned>(propertySeed());
        qInfo("seed %u, %d kills", seed, times);
        std::mt19937 random(seed);
        unsigned saves = 0;
        for (int round = 0; round < times; ++round) {
            QTemporaryDir folder;
            const QString file = folder.filePath("edited.yaml");
            QFile out(file);
            QVERIFY(out.open(QIODevice::WriteOnly));
            out.write(version(1).toUtf8());
            out.close();
            QProcess program;
            program.setProcessChannelMode(QProcess::SeparateChannels);
            program.start(QCoreApplication::applicationFilePath(), {"--child", file, QString::number(random())});
            QVERIFY(program.waitForStarted(10000));
            struct Done {
                qint64 when;
                bool saved;
                unsigned n;
            };
            std::vector<Done> done;
            QElapsedTimer clock;
            clock.start();
            const qint64 life = 250 + static_cast<qint64>(random() % 2600);
            qint64 first = -1;
            QByteArray rest;
            while (first < 0 ? clock.elapsed() < 20000 : clock.elapsed() < first + life) {
                program.waitForReadyRead(5);
                rest += program.readAllStandardOutput();
                for (qsizetype end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
                    const QByteArray line = rest.left(end);
                    rest.remove(0, end + 1);
                    done.push_back({clock.elapsed(), line.startsWith("saved"), line.mid(6).toUInt()});
                    if (first < 0)
                        first = clock.elapsed();
                }
            }
            const qint64 killed = clock.elapsed();
            ::kill(static_cast<pid_t>(program.processId()), SIGKILL);
            program.waitForFinished(5000);
            QVERIFY2(first >= 0, program.readAllStandardError().constData());
            unsigned saved = 1, typed = 1;
            for (const Done& d : done) {
                if (d.saved) {
                    saved = std::max(saved, d.n);
                    ++saves;
                } else if (d.when < killed - kLost) {
                    typed = std::max(typed, d.n);
                }
            }
            QFile in(file);
            QVERIFY(in.open(QIODevice::ReadOnly));
            const unsigned inFile = versionOf(QString::fromUtf8(in.readAll()));
            QVERIFY2(inFile >= saved,
                     qPrintable(QString("round %1: the file has version %2, saved was %3").arg(round).arg(inFile).arg(saved)));
            const Drafts drafts;
            const auto draft = drafts.of(Drafts::nameOf(file));
            const unsigned inDraft = draft ? versionOf(draft->text) : 0;
            QVERIFY2(!draft || inDraft != 0, "the draft is not whole");
            QVERIFY2(std::max(inFile, inDraft) >= typed,
                     qPrintable(QString("round %1: typed %2, file %3, draft %4").arg(round).arg(typed).arg(inFile).arg(inDraft)));
        }
        QVERIFY(saves > 0);
    }
};

int main(int argc, char** argv) {
    // A home of its own for the drafts, the child's, too.
    static QTemporaryDir home;
    if (argc < 2 || std::string(argv[1]) != "--child") {
        qputenv("XDG_CONFIG_HOME", home.path().toUtf8());
        qputenv("XDG_DATA_HOME", home.path().toUtf8());
        qputenv("XDG_STATE_HOME", home.path().toUtf8());
        qputenv("XDG_CACHE_HOME", home.path().toUtf8());
    }
    QApplication application(argc, argv);
    if (argc == 4 && std::string(argv[1]) == "--child")
        return child(QString::fromLocal8Bit(argv[2]), QString(argv[3]).toUInt());
    KilledTest test;
    return QTest::qExec(&test, argc, argv);
}
#include "killed_test.moc"
