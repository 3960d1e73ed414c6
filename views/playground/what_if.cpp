// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/playground/what_if.h"

#include "base/text.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QSpinBox>

#include <map>

namespace mirrorscope::views {

void fillWhatIfMenu(QMenu& menu, const Context& context, u64 gpa, bool shared, std::function<void(const WhatIf&)> chosen) {
    const Session* session = context.session();
    if (session == nullptr)
        return;
    const bool alias = session->scenario().machine.directBits() != 0;
    menu.addSection(QMenu::tr("What if, at %1")
                        .arg(QString::fromStdString(alias ? aliasedGpa({gpa >> 12}, shared ? Alias::Shared : Alias::Private) : hex(gpa))));
    if (const std::string why = whyNoWhatIf(*session); !why.empty())
        menu.addAction(QString::fromStdString(why).remove('`'))->setEnabled(false);
    std::map<QString, QMenu*> menus;
    for (const WhatIf& what : whatIfs(*session, gpa, shared)) {
        const QString group = what.step.starts_with("seamcall") ? "SEAMCALL" : QString::fromStdString(what.actor);
        QMenu*& sub = menus[group];
        if (sub == nullptr)
            sub = menu.addMenu(group);
        QString name = QString::fromStdString(what.text);
        if (name.startsWith(group + " "))
            name = name.mid(group.size() + 1);
        QObject::connect(sub->addAction(name), &QAction::triggered, sub, [chosen, what] { chosen(what); });
    }
}

NewMachineDialog::NewMachineDialog(QWidget* parent)
    : QDialog(parent), vm_(new QComboBox(this)), vcpus_(new QSpinBox(this)), memory_(new QLineEdit("64M", this)),
      backing_(new QComboBox(this)), dispatch_(new QComboBox(this)), kernel_(new QComboBox(this)), problem_(new QLabel(this)),
      make_(nullptr) {
    setObjectName("new-machine");
    setWindowTitle(tr("New machine"));
    vm_->setObjectName("new-vm");
    vm_->addItem(tr("TDX: a TD with a mirror and a secure EPT"), "tdx");
    vm_->addItem(tr("SNP: an NPT and the RMP"), "snp");
    vm_->addItem(tr("SW_PROTECTED_VM: private memory without hardware"), "sw-protected");
    vm_->addItem(tr("an ordinary VM"), "default");
    vcpus_->setRange(1, 8);
    vcpus_->setValue(2);
    memory_->setObjectName("new-memory");
    for (const char* level : {"4K", "2M", "1G"})
        backing_->addItem(level);
    dispatch_->addItem(tr("the page table's role says mirror (as merged)"), "role");
    dispatch_->addItem(tr("the fault was private"), "fault");
    dispatch_->addItem(tr("the iterator of the walk carries it"), "iter");
    dispatch_->addItem(tr("the GFN has no shared bit"), "gfn");
    dispatch_->setToolTip(tr("dispatch: by what KVM sees that the private table must follow a change"));
    kernel_->addItem(tr("6.16, as released"), "6.16");
    kernel_->addItem(tr("6.16, with the later fixes"), "fixed");
    kernel_->addItem(tr("6.19, as released"), "6.19");
    kernel_->addItem(tr("7.2, as released"), "7.2");
    kernel_->addItem(tr("7.2, and what is queued behind it"), "next");
    problem_->setWordWrap(true);
    auto* form = new QFormLayout(this);
    form->addRow(tr("Kind of VM"), vm_);
    form->addRow(tr("vCPUs"), vcpus_);
    form->addRow(tr("Memory"), memory_);
    form->addRow(tr("The host's pages"), backing_);
    form->addRow(tr("The private table follows, because"), dispatch_);
    form->addRow(tr("Kernel"), kernel_);
    form->addRow(problem_);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, this);
    make_ = buttons->button(QDialogButtonBox::Ok);
    make_->setText(tr("Make it"));
    form->addRow(buttons);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(memory_, &QLineEdit::textChanged, this, &NewMachineDialog::refresh);
    connect(vm_, &QComboBox::currentIndexChanged, this, [this](int) { refresh(); });
    refresh();
}

void NewMachineDialog::refresh() {
    const QString vm = vm_->currentData().toString();
    dispatch_->setEnabled(vm == "tdx");
    QString problem;
    try {
        bindScenario("new machine", scenario().toStdString());
    } catch (const InputError& error) {
        problem = QString::fromStdString(error.what());
        problem = problem.mid(problem.lastIndexOf(": ") + 2);
    }
    problem_->setText(problem);
    make_->setEnabled(problem.isEmpty());
}

QString NewMachineDialog::scenario() const {
    const std::string vm = vm_->currentData().toString().toStdString();
    std::string memory = memory_->text().trimmed().toStdString();
    if (memory.find_first_of("{}[],:#&*!|>'\"%@`\n") != std::string::npos || memory.empty())
        memory = "0";
    std::vector<std::pair<std::string, std::string>> machine{
        {"vm", vm},
        {"vcpus", std::to_string(vcpus_->value())},
        {"slots", "[{id: 0, gpa: 0, size: " + memory +
                      (backing_->currentIndex() == 0 ? "" : ", backing: " + backing_->currentText().toStdString()) + "}]"},
        {"kernel", kernel_->currentData().toString().toStdString()}};
    if (vm == "tdx")
        machine.emplace_back("dispatch", dispatch_->currentData().toString().toStdString());
    std::string text = playground(vm_->currentText().section(':', 0, 0).toStdString() + " playground", machine);
    // A TD is of use once its image is final.
    if (vm == "tdx")
        text = text.substr(0, text.rfind("script:")) + "script:\n  - finalize-vm\n";
    return QString::fromStdString(text);
}

} // namespace mirrorscope::views
