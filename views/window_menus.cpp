// SPDX-License-Identifier: GPL-3.0-or-later
// What the window asks and lists: menus of files, the palette, going to a place, an address' menu, keys and help.
#include "base/text.h"
#include "export/export.h"
#include "export/exports.h"
#include "scenario/catalogue.h"
#include "views/debug/console_view.h"
#include "views/debug/debugger.h"
#include "views/find/find_view.h"
#include "views/inspector/inspector_view.h"
#include "views/links.h"
#include "views/main_window.h"
#include "views/notice_bar.h"
#include "views/palette.h"
#include "views/playground/what_if.h"
#include "views/record_job.h"
#include "views/script/script_view.h"
#include "views/tdx/matrix_view.h"
#include "views/text.h"
#include "views/trees/map_view.h"
#include "views/trees/tree_pane.h"
#include "views/visits.h"

#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QDir>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenuBar>
#include <QStatusBar>
#include <QTextBrowser>
#include <QToolTip>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
QString plain(const QAction* action) { return action->text().remove('&'); }
QString titleIn(const QString& file) {
    const QString number = QFileInfo(file).fileName().section('-', 0, 0);
    bool numbered = false;
    number.toInt(&numbered);
    const QString title = QString::fromStdString(cardOf(file.toStdString()).title);
    return (numbered && !title.startsWith("Lesson") ? number + "  " : QString()) + title;
}
QString titleOf(const QString& file) { return QFileInfo(file).completeBaseName().replace('-', ' '); }
QStringList names(const std::vector<std::string>& files) {
    QStringList list;
    for (const std::string& file : files)
        list << QString::fromStdString(file);
    return list;
}

// A list to read beside the work: not modal, closed with Escape.
void showText(QWidget* window, const char* name, const QString& title, const QString& html) {
    auto* dialog = window->findChild<QDialog*>(name);
    if (dialog == nullptr) {
        dialog = new QDialog(window);
        dialog->setObjectName(name);
        auto* text = new QTextBrowser(dialog);
        text->setAccessibleName(title);
        text->setFrameShape(QFrame::NoFrame);
        auto* layout = new QVBoxLayout(dialog);
        layout->setContentsMargins(0, 0, 0, 0);
        layout->addWidget(text);
        dialog->resize(640, 560);
    }
    dialog->setWindowTitle(title);
    dialog->findChild<QTextBrowser*>()->setHtml(html);
    dialog->show();
    dialog->raise();
    dialog->activateWindow();
}
} // namespace

void MainWindow::buildFileMenus(std::map<QString, QMenu*>& menus) {
    QMenu* file = menus["&File"];
    auto* recent = new QMenu(tr("Open &recent"), this);
    recent->setObjectName("recent");
    file->insertMenu(actions_.at(Command::Save), recent);
    connect(recent, &QMenu::aboutToShow, this, [this, recent] {
        recent->clear();
        for (const QString& name : recentFiles())
            connect(recent->addAction(name), &QAction::triggered, this, [this, name] { open(name); });
        if (recent->isEmpty())
            recent->addAction(tr("nothing yet"))->setEnabled(false);
    });
    exportMenu_ = new QMenu(tr("&Export"), this);
    exportMenu_->setObjectName("export");
    file->insertMenu(actions_.at(Command::Quit), exportMenu_);
    for (const ExportInfo& kind : exportTable())
        connect(exportMenu_->addAction(tr(kind.menu.data())), &QAction::triggered, this,
                [this, kind] { askExport(text(kind.id), text(kind.suffix)); });
    file->insertSeparator(actions_.at(Command::Quit));
    // The lessons, read when the menu is opened.
    auto* lesson = new QMenu(tr("&Lessons"), this);
    lesson->setObjectName("lessons");
    menuBar()->insertMenu(menus["&Run"]->menuAction(), lesson);
    connect(lesson, &QMenu::aboutToShow, this, [this, lesson] {
        qDeleteAll(lesson->findChildren<QMenu*>(QString(), Qt::FindDirectChildrenOnly));
        lesson->clear();
        const QString present = QFileInfo(document_->file()).canonicalFilePath();
        // The one that is open has a mark.
        const auto add = [this, present](QMenu* menu, const QString& name, QString title) {
            QAction* action = menu->addAction(title.replace('&', "&&"));
            const bool isOpen = QFileInfo(name).canonicalFilePath() == present;
            action->setCheckable(isOpen);
            action->setChecked(isOpen);
            connect(action, &QAction::triggered, this, [this, name] { open(name); });
        };
        // Titles are read from the files only when they are asked for.
        const auto fillWhenShown = [this, add](QMenu* menu, const QStringList& files) {
            connect(menu, &QMenu::aboutToShow, this, [menu, add, files] {
                if (menu->isEmpty())
                    for (const QString& name : files)
                        add(menu, name, titleIn(name));
            });
        };
        const QStringList lessons = names(course());
        const qsizetype at = static_cast<qsizetype>(lessonNumber(present.toStdString())) - 1;
        const auto step = [&](const QString& title, qsizetype to) {
            QAction* action = lesson->addAction(title);
            action->setEnabled(at >= 0 && to >= 0 && to < lessons.size());
            if (action->isEnabled())
                connect(action, &QAction::triggered, this, [this, file = lessons[to]] { open(file); });
        };
        step(tr("&Next lesson"), at + 1);
        step(tr("&Previous lesson"), at - 1);
        lesson->addAction(actions_.at(Command::Library));
        lesson->addSeparator();
        const std::set<QString> done = doneLessons();
        int number = 0;
        for (const QString& name : lessons) {
            add(lesson, name, tr("Lesson %1: %2").arg(++number).arg(titleIn(name)));
            if (done.contains(QFileInfo(name).fileName()))
                lesson->actions().last()->setText("✓ " + lesson->actions().last()->text());
        }
        lesson->addSeparator();
        for (const Shelf& shelf : shelves().subspan(1)) {
            QMenu* menu = lesson->addMenu(tr(shelf.title.data()));
            menu->setObjectName(text(shelf.folder));
            menu->setToolTip(tr(shelf.help.data()));
            const QStringList files = names(filesOf(shelf));
            if (shelf.folder != "selftests") {
                fillWhenShown(menu, files);
                continue;
            }
            // By the kernel's test, which a file is named after.
            std::map<QString, QStringList> byTest;
            for (const QString& name : files)
                byTest[QFileInfo(name).fileName().section('-', 0, 0)].append(name);
            for (const auto& [test, of] : byTest)
                fillWhenShown(menu->addMenu(test), of);
        }
    });
}

void MainWindow::askExport(const QString& kind, const QString& suffix) {
    const QString base = document_->file().isEmpty() ? "mirrorscope" : QFileInfo(document_->file()).completeBaseName();
    const QString file =
        QFileDialog::getSaveFileName(this, tr("Export"), QString("%1-%2.%3").arg(base).arg(context_.position()).arg(suffix));
    if (!file.isEmpty())
        exportTo(kind, file);
}

QString MainWindow::recordingText(const QString& file) { return tr("What KVM does on this host is being recorded into %1.").arg(file); }

void MainWindow::askRecord() {
    const QString file = QFileDialog::getSaveFileName(this, tr("Record into"), "kvm.trace");
    if (!file.isEmpty())
        recordTo(file);
}

void MainWindow::recordTo(const QString& file) {
    record_->start(file);
    notice_->say(recordingText(file), {{tr("Stop, and look at it"), [this] { record_->stop(); }}});
    refreshActions();
}

void MainWindow::askSaveConsole(const QString& lines) {
    const QString file = QFileDialog::getSaveFileName(this, tr("Save the console's lines"), "session.txt", tr("Scripts (*.txt)"));
    if (file.isEmpty())
        return;
    try {
        writeFile(file.toStdString(), lines.toStdString());
        say(tr("Written: mirrorscope run %1 --commands %2").arg(document_->name(), file), 0);
    } catch (const std::exception& error) {
        say(QString::fromUtf8(error.what()), 0);
    }
}

void MainWindow::exportTo(const QString& kind, const QString& file) {
    if (context_.session() == nullptr)
        return;
    exportedTo_ = file;
    showBusy(tr("Exporting to %1 …").arg(file));
    export_.start(context_.session()->scenario(), context_.position(), kind, file);
}

QString MainWindow::paneAsText() const {
    const QWidget* focus = QApplication::focusWidget();
    const auto inside = [&](const QWidget* pane) { return focus != nullptr && (focus == pane || pane->isAncestorOf(focus)); };
    if (inside(inspector_))
        return inspector_->asText();
    if (inside(script_))
        return script_->text();
    if (inside(find_))
        return find_->asText();
    if (inside(console_))
        return console_->asText();
    return context_.session() == nullptr ? QString() : QString::fromStdString(treesText(*context_.session()));
}

void MainWindow::askNewMachine() {
    auto* dialog = new NewMachineDialog(this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { openText(tr("playground"), dialog->scenario()); });
    dialog->open();
}

void MainWindow::askPlace() {
    std::vector<Palette::Item> items;
    const auto& s = context_.selection();
    if (s)
        items.push_back({tr("the selected entry in the map"), QString::fromStdString(hex(s->gfn.v << 12)), [this] {
                             trees_->setForm(TreeForm::Map);
                             trees_->map().showPage(context_.selection()->gfn);
                         }});
    for (const Bookmark& bookmark : context_.bookmarks())
        items.push_back({QString::number(bookmark.position), bookmark.note, [this, at = bookmark.position] { context_.goTo(at); }});
    for (const auto site : siteNames()) {
        const QString name = text(site);
        const auto id = siteFromName(site);
        items.push_back({name, text(info(*id).help), [this, name] {
                             const QString problem = goTo(context_, name);
                             if (!problem.isEmpty())
                                 say(problem);
                         }});
    }
    palette_->open(tr("0x4000, private 2M, 412, +20, end, spte.freeze"), std::move(items),
                   [this](const QString& typed) { return goTo(context_, typed); });
}

void MainWindow::showPalette() {
    std::vector<Palette::Item> items;
    for (const CommandInfo& info : commandTable()) {
        if (info.command == Command::Palette)
            continue;
        QAction* action = actions_.at(info.command);
        items.push_back(
            {plain(action), action->shortcut().toString(QKeySequence::NativeText), [action] { action->trigger(); }, action->isEnabled()});
    }
    for (QAction* action : exportMenu_->actions())
        items.push_back({tr("Export: %1").arg(plain(action)), {}, [action] { action->trigger(); }, context_.session() != nullptr});
    for (const auto& [id, dock] : docks_)
        items.push_back({tr("Pane: %1").arg(dock->windowTitle()), {}, [this, id = id, dock = dock] {
                             showPane(id);
                             if (dock->widget() != nullptr)
                                 dock->widget()->setFocus();
                         }});
    for (const Shelf& shelf : shelves())
        for (const QString& name : names(filesOf(shelf)))
            items.push_back({QString("%1: %2").arg(shelf.folder == "lessons" ? tr("Lesson") : tr(shelf.title.data()), titleOf(name)),
                             {},
                             [this, name] { open(name); }});
    for (const Visit& visit : visits_->all())
        items.push_back({tr("Visit: %1").arg(visit.name), {}, [this, id = visit.id] {
                             leaveVisit();
                             this->visit(visits_->to(id));
                         }});
    for (const QString& name : recentFiles())
        items.push_back({tr("Open: %1").arg(name), {}, [this, name] { open(name); }});
    palette_->open(tr("a command, a pane, a lesson"), std::move(items));
}

QMenu* MainWindow::makeContextMenu(const Selection& where) {
    if (auto* before = findChild<QMenu*>("address-menu"))
        before->deleteLater();
    auto* menu = new QMenu(this);
    menu->setObjectName("address-menu");
    const TreeCell cell = context_.session()->cell(where.column, where.gfn, where.level);
    if (cell.exists) {
        if (context_.selection() != where)
            context_.select(where);
        for (const Command command : {Command::Writer, Command::NextChange, Command::PreviousChange, Command::BreakEntry})
            menu->addAction(actions_.at(command));
        menu->addSeparator();
        connect(menu->addAction(tr("Inspect its table page")), &QAction::triggered, this, [this, table = frameOf(cell.place)] {
            context_.inspect({Subject::Kind::Table, table, 0});
        });
        if (cell.pfn.v != 0)
            connect(menu->addAction(tr("Inspect its frame")), &QAction::triggered, this, [this, pfn = cell.pfn] {
                context_.inspect({Subject::Kind::Frame, pfn, 0});
            });
    }
    connect(menu->addAction(tr("Show in the map")), &QAction::triggered, this, [this, where] {
        trees_->setForm(TreeForm::Map);
        trees_->map().showPage(where.gfn);
    });
    connect(menu->addAction(tr("Copy the address")), &QAction::triggered, this,
            [where] { QApplication::clipboard()->setText(QString::fromStdString(hex(where.gfn.v << 12))); });
    const bool shared = where.column == Column::Shared && context_.session()->hasColumn(Column::Mirror);
    const bool selected = context_.selection() == where;
    fillWhatIfMenu(*menu, context_, selected ? context_.address() : (where.gfn.v & ~kSmmGfn) << 12, shared,
                   [this](const WhatIf& what) { branch(what); });
    return menu;
}

// What can be done with a micro-step, wherever it is shown.
QMenu* MainWindow::makeMomentMenu(u64 n) {
    if (auto* before = findChild<QMenu*>("moment-menu"))
        before->deleteLater();
    auto* menu = new QMenu(this);
    menu->setObjectName("moment-menu");
    const u64 at = n + 1;
    const auto site = text(info(context_.session()->stepBrief(n).second).name);
    const auto add = [&](const QString& name, auto&& what) { connect(menu->addAction(name), &QAction::triggered, this, what); };
    add(tr("Go to position %1").arg(at), [this, at] { context_.goTo(at); });
    add(tr("Marker A there"), [this, at] { context_.setMarker(0, at); });
    add(tr("Marker B there"), [this, at] { context_.setMarker(1, at); });
    add(tr("Bookmark it"), [this, at] {
        context_.goTo(at);
        perform(Command::Bookmark);
    });
    menu->addSeparator();
    add(tr("Stop at every %1").arg(site), [this, site] { debugger_->run("break " + site); });
    if (const Step* step = context_.session()->scenario().step(context_.session()->scriptOf(n)))
        add(tr("Stop at line %1").arg(step->line), [this, line = step->line] { debugger_->run("break " + QString::number(line)); });
    add(tr("Copy as text"), [this, n] {
        const StepView step = context_.session()->step(n);
        QApplication::clipboard()->setText(QString("%1  %2  %3  %4")
                                               .arg(n + 1)
                                               .arg(QString::fromStdString(context_.session()->actorName(step.actor)),
                                                    text(info(step.site).name),
                                                    step.where.empty() ? QString() : QString::fromStdString(step.where.back())));
    });
    return menu;
}

void MainWindow::showKeys() {
    QString rows;
    QString menu;
    for (const CommandInfo& info : commandTable()) {
        const QAction* action = actions_.at(info.command);
        if (action->shortcuts().isEmpty())
            continue;
        if (menu != info.menu) {
            menu = info.menu;
            rows += QString("<tr><td colspan=2><h3>%1</h3></td></tr>").arg(QString(menu).remove('&'));
        }
        rows += QString("<tr><td><b>%1</b>&nbsp;&nbsp;</td><td>%2: %3</td></tr>")
                    .arg(QKeySequence::listToString(action->shortcuts(), QKeySequence::NativeText).toHtmlEscaped(),
                         plain(action).toHtmlEscaped(), action->statusTip().toHtmlEscaped());
    }
    rows += tr("<tr><td colspan=2><h3>In a pane that has the focus</h3></td></tr>"
               "<tr><td><b>W A S D</b></td><td>timeline and map: zoom in, pan, zoom out, pan; the wheel zooms at the cursor, with Shift it "
               "pans; Home shows all</td></tr>"
               "<tr><td><b>F</b></td><td>timeline: the running step, or what lies between A and B; map: the selected entry</td></tr>"
               "<tr><td><b>M</b></td><td>timeline: bookmark</td></tr>"
               "<tr><td><b>click, Alt+click, Shift+click</b></td><td>timeline: go there, marker A, marker B</td></tr>"
               "<tr><td><b>arrows, Space</b></td><td>trees: move the selection, fold</td></tr>"
               "<tr><td><b>Ctrl+wheel</b></td><td>trees: larger and smaller, and from far away the map</td></tr>"
               "<tr><td><b>click, Ctrl+click</b></td><td>legend: dim a state, all others</td></tr>"
               "<tr><td><b>Ctrl+Space</b></td><td>script: what fits here</td></tr>");
    showText(this, "keys", tr("Keys"),
             "<table cellpadding=2>" + rows + "</table><p>" + tr("Other keys: group [keys] of the settings file, see the manual.") +
                 "</p>");
}

void MainWindow::showMatrix() {
    if (matrix_ == nullptr) {
        matrix_ = new MatrixView(context_, this);
        connect(matrix_, &MatrixView::scenarioChosen, this, [this](const QString& title, const QString& text) { openText(title, text); });
    }
    matrix_->show();
    matrix_->raise();
    matrix_->activateWindow();
}

void MainWindow::showHelp() {
    const QWidget* focus = QApplication::focusWidget();
    QString help;
    if (focus != nullptr && (focus == script_ || script_->isAncestorOf(focus)))
        help = script_->helpAtCursor();
    if (help.isEmpty() && context_.session() != nullptr && context_.position() > 0) {
        const Site site = context_.session()->stepBrief(context_.position() - 1).second;
        help = QString("%1: %2 — %3")
                   .arg(QString::fromUtf8(info(site).name.data()), QString::fromUtf8(info(site).help.data()),
                        QString::fromUtf8(info(site).where.data()));
    }
    say(help.isEmpty() ? tr("F11 takes one micro-step; ? lists the keys.") : help, 0);
}

void MainWindow::showFrameTimes() {
    FrameTimes& times = context_.frameTimes();
    QString rows;
    for (const std::string& kind : times.kinds())
        rows += QString("<tr><td>%1&nbsp;&nbsp;</td><td align=right>%2&nbsp;&nbsp;</td><td align=right>%3 ms&nbsp;&nbsp;</td><td "
                        "align=right>%4 ms&nbsp;&nbsp;</td><td align=right>%5 ms</td></tr>")
                    .arg(QString::fromStdString(kind))
                    .arg(times.count(kind))
                    .arg(times.percentile(kind, 0.5), 0, 'f', 2)
                    .arg(times.percentile(kind, 0.99), 0, 'f', 2)
                    .arg(times.percentile(kind, 1), 0, 'f', 2);
    showText(this, "frame-times", tr("How long painting takes"),
             "<table cellpadding=3><tr><th align=left>pane</th><th>frames</th><th>median</th><th>p99</th><th>longest</th></tr>" + rows +
                 "</table>");
}

} // namespace mirrorscope::views
