// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/tdx/td_view.h"

#include "views/text.h"

#include <QHeaderView>
#include <QLabel>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace mirrorscope::views {

TdPane::TdPane(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), text_(new QLabel(this)), vcpus_(new QTreeWidget(this)) {
    setObjectName("td");
    vcpus_->setAccessibleName(tr("vCPUs of the TD"));
    setAccessibleName(tr("The trust domain"));
    text_->setTextFormat(Qt::RichText);
    text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    text_->setWordWrap(true);
    vcpus_->setHeaderLabels({"vCPU", tr("state"), tr("epoch"), tr("next entry")});
    vcpus_->setRootIsDecorated(false);
    vcpus_->setFrameShape(QFrame::NoFrame);
    vcpus_->setUniformRowHeights(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 4);
    layout->addWidget(text_);
    layout->addWidget(vcpus_, 1);
    for (const auto signal : {&Context::sessionChanged, &Context::positionChanged, &Context::themeChanged})
        connect(&context_, signal, this, &TdPane::refresh);
}

void TdPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void TdPane::refresh() {
    if (!isVisible() || !context_.session())
        return;
    vcpus_->clear();
    const TdView td = context_.session()->td();
    if (!td.exists) {
        text_->setText(context_.session()->hasColumn(Column::Mirror) ? tr("The TD does not exist any more: its TDR was reclaimed.")
                                                                     : tr("This VM is no TD."));
        vcpus_->hide();
        return;
    }
    const QString dim = context_.theme().dim.name();
    QString rows;
    const auto row = [&](const QString& name, const QString& value, const QString& help) {
        rows += QString("<tr><td style='color:%1'>%2&nbsp;&nbsp;</td><td title='%4'><b>%3</b></td></tr>")
                    .arg(dim, name, value.toHtmlEscaped(), help);
    };
    row(tr("life cycle"), text(td.lifecycle), "TDR.LIFECYCLE");
    row(tr("op_state"), td.opState.empty() ? tr("no TDCS any more") : text(td.opState), "TDCS.OP_STATE");
    row(tr("KVM's state"), text(td.kvmState), tr("kvm_tdx->state"));
    row("TD_EPOCH", QString::number(td.epoch), tr("only TRACK raises it"));
    row("inside", QString("%1 even, %2 odd epoch").arg(td.refcount[0]).arg(td.refcount[1]),
        "REFCOUNT: vCPUs inside that entered in an epoch of that parity");
    row("pages", QString("%1 (CHLDCNT)").arg(td.pages), "4K pages that belong to the TD, its TDR excluded");
    if (td.premapped != 0)
        row("nr_premapped", QString::number(td.premapped), tr("mapped in the mirror, not yet added"));
    // Dynamic PAMT: which 2M of host memory have records, and why.
    for (const PamtRange& range : context_.session()->pamtRanges()) {
        const QString pages = range.pages == 1 ? tr("1 page") : tr("%1 pages").arg(range.pages);
        row(tr("PAMT of 0x%1").arg(range.first.v, 0, 16),
            tr("%1 and %2, for %3").arg(QString::number(range.pair[0].v, 16), QString::number(range.pair[1].v, 16), pages),
            tr("the 512 frames from here on have records, in these two pages, because the module has so many of them (pamt_refcounts)"));
    }
    QString mrtd = text(td.mrtd);
    for (int at = 24; at < mrtd.size(); at += 25)
        mrtd.insert(at, ' ');
    text_->setText("<table cellspacing=2>" + rows + "</table><p style='color:" + dim + "'>MRTD" + (td.mrtdFinal ? "" : ", so far") +
                   "<br><code style='color:" + context_.theme().text.name() + "'>" + mrtd + "</code></p>");
    vcpus_->show();
    for (std::size_t v = 0; v < td.vcpus.size(); ++v) {
        const TdVcpuView& vcpu = td.vcpus[v];
        auto* item = new QTreeWidgetItem(vcpus_, {QString("vcpu%1").arg(v), text(vcpu.state) + (vcpu.inside ? ", inside" : ""),
                                                  vcpu.exists ? QString::number(vcpu.epoch) : QString(),
                                                  !vcpu.exists || vcpu.inside ? ""
                                                  : vcpu.flushPending         ? tr("flushes first")
                                                                              : tr("keeps its TLB")});
        item->setToolTip(0, vcpu.associatedWith.empty() ? tr("associated with no CPU")
                                                        : tr("associated with the ") + text(vcpu.associatedWith));
        if (vcpu.inside)
            for (int c = 0; c < 4; ++c)
                item->setForeground(c, context_.theme().accent);
    }
    for (int c = 0; c < 3; ++c)
        vcpus_->resizeColumnToContents(c);
}

} // namespace mirrorscope::views
