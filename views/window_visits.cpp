// SPDX-License-Identifier: GPL-3.0-or-later
// From one scenario to another: the library, back and forward, links of a story; the manual.
#include "scenario/catalogue.h"
#include "scenario/presets.h"
#include "views/help/explain_view.h"
#include "views/help/manual_view.h"
#include "views/library/library_view.h"
#include "views/links.h"
#include "views/main_window.h"
#include "views/panes.h"
#include "views/trees/tree_pane.h"
#include "views/user_settings.h"
#include "views/visits.h"

#include <QApplication>
#include <QClipboard>
#include <QDesktopServices>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QMessageBox>
#include <QUrl>

namespace mirrorscope::views {

void MainWindow::noteVisit(const Opening& opening) {
    if (opening.again || opening.edited)
        return;
    leaveVisit();
    const QString name = !opening.script.file.isEmpty() ? QFileInfo(opening.script.file).fileName()
                         : title_.isEmpty()             ? opening.script.title
                                                        : title_;
    Document::Script script = opening.script;
    if (!script.file.isEmpty())
        script.file = Drafts::nameOf(script.file);
    visits_->open(name, script, 0, opening.branched);
}

void MainWindow::leaveVisit() {
    if (context_.session() == nullptr)
        return;
    // What stands in the editor beside a recording is not what was opened.
    const Visit* present = visits_->present();
    const Document::Script script = context_.isRecording() && present != nullptr ? present->script : document_->current();
    visits_->leave(script, context_.position(), variant());
}

void MainWindow::visit(const std::optional<Visit>& to) {
    if (!to)
        return;
    if (!to->script.file.isEmpty()) {
        open(to->script.file, to->position, to->variant);
        opening_.again = true;
        return;
    }
    const QString text = to->script.draft ? *to->script.draft : to->script.text;
    start({.script = to->script, .at = to->position, .again = true, .variant = to->variant}, tr("Running %1 …").arg(to->name), to->name,
          text);
}

void MainWindow::saveVisit(unsigned id) {
    const Visit* visit = visits_->find(id);
    if (visit == nullptr)
        return;
    const bool present = visits_->present() != nullptr && visits_->present()->id == id;
    const QString file =
        QFileDialog::getSaveFileName(this, tr("Save %1").arg(visit->name), "scenario.yaml", tr("Scenarios (*.yaml *.yml)"));
    if (file.isEmpty())
        return;
    if (present) {
        save(file);
        return;
    }
    const QString text = visit->script.draft ? *visit->script.draft : visit->script.text;
    say(document_->write(file, text) ? tr("Saved as %1").arg(file) : tr("%1 cannot be written.").arg(file), 0);
}

std::set<QString> MainWindow::doneLessons() const {
    std::set<QString> done;
    if (settings_)
        for (const QString& name : userSettings().value("course/done").toStringList())
            done.insert(name);
    return done;
}

// A lesson is done when its end was seen.
void MainWindow::markDone() {
    const Session* session = context_.session();
    if (!settings_ || session == nullptr || session->position() != session->end() || settingSession_ || previewAt_)
        return;
    const QString file = QFileInfo(document_->file()).canonicalFilePath();
    if (file.isEmpty() || lessonNumber(file.toStdString()) == 0)
        return;
    std::set<QString> done = doneLessons();
    if (!done.insert(QFileInfo(file).fileName()).second)
        return;
    QSettings settings = userSettings();
    settings.setValue("course/done", QStringList(done.begin(), done.end()));
}

void MainWindow::showLibrary() {
    if (library_ == nullptr) {
        library_ = new LibraryView(context_, this);
        connect(library_, &LibraryView::chosen, this, [this](const QString& file) { open(file); });
    }
    library_->refresh(recentFiles(), doneLessons(), QFileInfo(document_->file()).canonicalFilePath());
    library_->show();
    library_->raise();
    library_->activateWindow();
}

// "races/05-fault-and-punch-hole.yaml"
void MainWindow::openShipped(const QString& name) {
    const QString file = QString::fromStdString(scenarioFolder()) + "/" + name;
    if (QFileInfo::exists(file) && !name.contains(".."))
        open(file);
    else
        say(tr("There is no scenario %1.").arg(name), 0);
}

void MainWindow::followLink(const QString& link) {
    const QUrl url(link);
    if (url.scheme() == "mirrorscope" && url.host() == "scenario")
        openShipped(url.path().mid(1));
    else if (url.scheme() == "mirrorscope" && url.host() == "term")
        manual().showGlossary(url.path().mid(1));
    else if (url.scheme() == "mirrorscope")
        say(follow(context_, link));
    else if (url.path().startsWith("../../scenarios/"))
        openShipped(url.path().mid(16));
    else
        QDesktopServices::openUrl(url);
}

ManualView& MainWindow::manual() {
    if (manual_ == nullptr) {
        manual_ = new ManualView(this);
        connect(manual_, &ManualView::linkWanted, this, &MainWindow::followLink);
    }
    return *manual_;
}

// At the place that belongs to the focus.
void MainWindow::showManual() {
    QString heading;
    const QWidget* focus = QApplication::focusWidget();
    for (const PaneInfo& info : paneTable())
        if (focus != nullptr && docks_.at(info.id)->isAncestorOf(focus))
            heading = info.manual;
    if (heading.isEmpty() && focus != nullptr && centralWidget()->isAncestorOf(focus))
        heading = "The trees";
    manual().showManual(heading);
}

void MainWindow::showGlossary() { manual().showGlossary(); }

// A line is explained; several of a trace are opened as what they are.
void MainWindow::explainCopied() {
    if (const QString copied = QApplication::clipboard()->text(); isRecordingText(copied)) {
        openText(tr("copied trace"), copied);
        return;
    }
    if (explain_ == nullptr) {
        explain_ = new ExplainView(this);
        connect(explain_, &ExplainView::linkWanted, this, &MainWindow::followLink);
        connect(explain_, &ExplainView::scenarioWanted, this, [this](const QString& title, const QString& text) { openText(title, text); });
    }
    explain_->explainText(QApplication::clipboard()->text());
}

void MainWindow::showAbout() {
    auto* box = new QMessageBox(
        QMessageBox::NoIcon, tr("About Mirrorscope"),
        tr("<h3>Mirrorscope %1</h3><p>Mirrored page tables, seen, stepped and broken.</p><p>Linux v6.16 KVM and the TDX module "
           "1.5, modelled step by step.</p><p>GPL-3.0-or-later.</p>")
            .arg(MIRRORSCOPE_VERSION),
        QMessageBox::Ok, this);
    box->setObjectName("about");
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->setModal(false);
    box->show();
}

// The focus goes round through what is visible: the trees, and each dock that is in front.
void MainWindow::focusPane(int by) {
    std::vector<QWidget*> stops{trees_->currentWidget()};
    for (const PaneInfo& info : paneTable()) {
        QDockWidget* dock = docks_.at(info.id);
        if (dock->isVisible() && !dock->visibleRegion().isEmpty() && dock->widget() != nullptr)
            stops.push_back(dock->widget());
    }
    const QWidget* focus = QApplication::focusWidget();
    int at = 0;
    for (std::size_t i = 0; i < stops.size(); ++i)
        if (focus != nullptr && (focus == stops[i] || stops[i]->isAncestorOf(focus)))
            at = static_cast<int>(i);
    const auto count = static_cast<int>(stops.size());
    QWidget* next = stops[static_cast<std::size_t>((at + by + count) % count)];
    // A pane that takes no focus itself has a part that does.
    if (next->focusPolicy() == Qt::NoFocus && next->focusProxy() == nullptr)
        for (QWidget* part : next->findChildren<QWidget*>())
            if ((part->focusPolicy() & Qt::TabFocus) != 0 && part->isVisible() && part->isEnabled()) {
                next = part;
                break;
            }
    next->setFocus(Qt::TabFocusReason);
}

} // namespace mirrorscope::views
