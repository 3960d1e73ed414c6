// SPDX-License-Identifier: GPL-3.0-or-later
// "Compare with…": what the open run can be set beside.
#include "views/explore/compare_job.h"
#include "views/main_window.h"
#include "views/palette.h"
#include "views/script/script_view.h"
#include "views/text.h"

#include <QFileDialog>

namespace mirrorscope::views {

// The text in the editor as it is shown, and bound with these, too; another variant takes the place of the one that is shown.
void MainWindow::compareWith(const QString& name, const std::vector<Override>& overrides) {
    const std::string file = document_->file().isEmpty() ? "script" : document_->file().toStdString();
    const std::string source = script_->text().toStdString();
    const std::vector<Override> here = context_.session()->scenario().overrides;
    std::vector<Override> there = overrides.front().key == kVariant ? std::vector<Override>{} : here;
    there.insert(there.end(), overrides.begin(), overrides.end());
    try {
        compare_->start({{{bindScenario(file, source, here), document_->name()}, {bindScenario(file, source, there), name}}}, true);
        say(tr("Running both …"), 0);
    } catch (const std::exception& problem) {
        say(QString::fromUtf8(problem.what()), 0);
    }
}

// What it is held against is another file: nothing of it can be run in another way.
void MainWindow::askCompareRecorded() {
    const auto with = [this](const QString& file) {
        if (file.isEmpty())
            return;
        say(tr("Reading %1 …").arg(file), 0);
        compare_->startRecorded(context_.session()->sharedRecorded(), file);
    };
    palette_->open(tr("the file of another recording or snapshot"),
                   {{tr("another recording or snapshot…"), tr("a file"),
                     [this, with] { with(QFileDialog::getOpenFileName(this, tr("Compare with"))); }}},
                   [with](const QString& file) {
                       with(file);
                       return QString();
                   });
}

void MainWindow::askCompare() {
    if (context_.isRecording()) {
        askCompareRecorded();
        return;
    }
    const Scenario& scenario = context_.session()->scenario();
    std::vector<Palette::Item> items;
    const auto add = [&](const QString& name, const QString& hint, std::vector<Override> overrides) {
        items.push_back({name, hint, [this, name, overrides = std::move(overrides)] { compareWith(name, overrides); }});
    };
    for (const ScenarioVariant& variant : scenario.variants)
        add(tr("variant %1").arg(text(variant.name)), text(variant.text), {{std::string(kVariant), variant.name}});
    for (const std::string_view dispatch : kDispatches)
        add(tr("dispatch: %1").arg(text(dispatch)), tr("who decides that the private table follows"),
            {{"machine.dispatch", std::string(dispatch)}});
    for (const std::string_view kernel : kKernels)
        add(tr("kernel: %1").arg(text(kernel)), tr("another version of the protocol"), {{"machine.kernel", std::string(kernel)}});
    for (const std::string_view step : breakNames())
        add(tr("break: %1").arg(text(step)), text(info(*breakFromName(step)).help), {{"machine.break", "[" + std::string(step) + "]"}});
    items.push_back(
        {tr("another scenario…"), tr("a file"), [this] {
             const QString file = QFileDialog::getOpenFileName(this, tr("Compare with"), document_->file(), tr("Scenarios (*.yaml *.yml)"));
             if (file.isEmpty())
                 return;
             try {
                 compare_->start({{{context_.session()->scenario(), document_->name()}, {loadScenario(file.toStdString()), file}}}, true);
             } catch (const std::exception& problem) {
                 say(QString::fromUtf8(problem.what()), 0);
             }
         }});
    palette_->open(tr("dispatch, kernel, break, or KEY=VALUE such as machine.vcpus=3"), std::move(items), [this](const QString& typed) {
        const qsizetype equals = typed.indexOf('=');
        if (equals <= 0)
            return tr("KEY=VALUE is what differs, such as machine.dispatch=fault.");
        compareWith(typed, {{typed.left(equals).toStdString(), typed.mid(equals + 1).toStdString()}});
        return QString();
    });
}

} // namespace mirrorscope::views
