// SPDX-License-Identifier: GPL-3.0-or-later
// "Do it again on our machine…": a recorded VM as a scenario.
#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "replay/scenario_of.h"
#endif
#include "views/main_window.h"
#include "views/palette.h"
#include "views/text.h"

#include <QFileInfo>

namespace mirrorscope::views {

namespace {
struct Done {
    QString name, about, text;
};
} // namespace

void MainWindow::doAgain() {
    const auto recorded = context_.session()->sharedRecorded();
    if (recorded == nullptr)
        return;
    say(tr("Reading what was done …"), 0);
    replays_.start([this, recorded](const Worker::Task& task) -> std::function<void()> {
        const auto goOn = [cancelled = task.cancelled()](u64) { return !cancelled->load(); };
        auto done = std::make_shared<std::vector<Done>>();
        const QString file = QFileInfo(QString::fromStdString(recorded->file)).fileName();
        for (const RecordedVm& vm : vmsOf(*recorded, goOn))
            done->push_back(
                {tr("%1, VM %2, done again").arg(file).arg(done->size() + 1),
                 tr("lines %1 to %2: %3 steps, %4 changes").arg(vm.firstLine).arg(vm.lastLine).arg(vm.deeds.size()).arg(vm.changes.size()),
                 QString::fromStdString(scenarioOf(vm, recorded->file, recorded->kernel))});
        return [this, done] {
            const auto open = [this, done](std::size_t n) { openText((*done)[n].name, (*done)[n].text); };
            saySummary();
            if (done->empty())
                return say(tr("No change of an entry is told that could be done again."));
            if (done->size() == 1)
                return open(0);
            std::vector<Palette::Item> items;
            for (std::size_t n = 0; n < done->size(); ++n)
                items.push_back({tr("VM %1").arg(n + 1), (*done)[n].about, [open, n] { open(n); }});
            palette_->open(tr("which of the recorded VMs"), std::move(items));
        };
    });
}

} // namespace mirrorscope::views
