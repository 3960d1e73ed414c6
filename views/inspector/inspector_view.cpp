// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/inspector/inspector_view.h"

#include "base/text.h"
#include "session/style.h"
#include "views/links.h"
#include "views/text.h"
#include "views/wrap_delegate.h"

#include <QHeaderView>
#include <QLabel>
#include <QRegularExpression>
#include <QTreeWidget>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

namespace {
constexpr int kPosition = Qt::UserRole, kLink = Qt::UserRole + 1;
constexpr std::size_t kShown = 60; // of a history, before and after the position

QTreeWidget* table(QWidget* parent) {
    auto* tree = new QTreeWidget(parent);
    tree->setRootIsDecorated(false);
    tree->setAlternatingRowColors(true);
    tree->setFrameShape(QFrame::NoFrame);
    tree->setTextElideMode(Qt::ElideRight);
    tree->header()->setStretchLastSection(true);
    return tree;
}
QString anchor(const QString& link, const QString& what) { return QString("<a href=\"%1\">%2</a>").arg(link, what.toHtmlEscaped()); }
} // namespace

InspectorView::InspectorView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), title_(new QLabel(this)), twins_(new QLabel(this)), raw_(new QLabel(this)),
      links_(new QLabel(this)), fields_(table(this)), heading_(new QLabel(this)), history_(table(this)) {
    setObjectName("inspector");
    fields_->setItemDelegate(new WrapDelegate(fields_)); // meanings are sentences
    history_->setUniformRowHeights(true);                // of which there may be many
    fields_->setObjectName("fields");
    constexpr int kLeast = 90; // of a column: words, not letters
    history_->header()->setMinimumSectionSize(kLeast);
    history_->setObjectName("history");
    history_->setAccessibleName(tr("History of what is selected"));
    fields_->setAccessibleName(tr("Bits and properties of what is selected"));
    title_->setObjectName("inspector-title");
    links_->setObjectName("inspector-links");
    for (QLabel* label : {title_, twins_, links_, heading_})
        label->setWordWrap(true);
    for (QLabel* label : {title_, links_}) {
        label->setTextFormat(Qt::RichText);
        label->setTextInteractionFlags(Qt::TextBrowserInteraction);
        connect(label, &QLabel::linkActivated, this, [this](const QString& link) { follow(context_, link); });
    }
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 4);
    layout->setSpacing(6);
    layout->addWidget(title_);
    layout->addWidget(twins_);
    raw_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    keepFont(*raw_, {.mono = true});
    raw_->setAccessibleName(tr("Raw value of the selected entry"));
    layout->addWidget(raw_);
    layout->addWidget(links_);
    layout->addWidget(fields_, 3);
    layout->addWidget(heading_);
    layout->addWidget(history_, 2);
    layout->addStretch(0);
    for (const auto signal : {&Context::selectionChanged, &Context::subjectChanged, &Context::positionChanged})
        connect(&context_, signal, this, &InspectorView::refresh);
    // Colours and fonts are in what stands there already.
    connect(&context_, &Context::themeChanged, this, [this] {
        fieldsOf_.reset();
        entriesWanted_ = true;
        for (QLabel* label : {title_, links_, heading_})
            label->clear(); // the same text again would keep its colours
        refresh();
    });
    connect(&context_, &Context::sessionChanged, this, [this] {
        place_.reset();
        entriesWanted_ = true;
    });
    history_->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(history_, &QWidget::customContextMenuRequested, this, [this](const QPoint& at) {
        const QTreeWidgetItem* item = history_->itemAt(at);
        if (item != nullptr && item->data(0, kPosition).isValid())
            Q_EMIT menuWanted(history_->viewport()->mapToGlobal(at), item->data(0, kPosition).toULongLong());
    });
    for (QTreeWidget* list : {fields_, history_}) {
        connect(list, &QTreeWidget::itemClicked, this, [this](QTreeWidgetItem* item) { act(item); });
        connect(list, &QTreeWidget::itemActivated, this, [this](QTreeWidgetItem* item) { act(item); });
    }
    refresh();
}

void InspectorView::act(const QTreeWidgetItem* item) {
    const QVariant position = item->data(0, kPosition), link = item->data(0, kLink);
    if (position.isValid())
        context_.goTo(position.toULongLong() + 1);
    else if (link.isValid())
        follow(context_, link.toString());
}

std::optional<Place> InspectorView::selectedPlace() const {
    const Session* session = context_.session();
    const auto& s = context_.selection();
    if (!session || !s)
        return std::nullopt;
    const TreeCell cell = session->cell(s->column, s->gfn, s->level);
    return cell.exists ? std::optional(cell.place) : std::nullopt;
}

QTreeWidgetItem* InspectorView::row(const QString& what, const QString& value, const QString& meaning, const QString& link) {
    auto* item = new QTreeWidgetItem(fields_, {what, value, meaning});
    for (int c = 0; c < 3; ++c)
        item->setToolTip(c, meaning.isEmpty() ? value : meaning);
    if (!link.isEmpty()) {
        item->setData(0, kLink, link);
        item->setForeground(1, context_.theme().accent);
        item->setToolTip(1, tr("a click leads there"));
    }
    return item;
}

void InspectorView::columns(const QStringList& upper, const QStringList& lower, const QString& heading) {
    fields_->clear();
    fields_->setColumnCount(static_cast<int>(upper.size()));
    fields_->setHeaderLabels(upper);
    history_->setColumnCount(static_cast<int>(lower.size()));
    history_->setHeaderLabels(lower);
    heading_->setText(heading);
}

void InspectorView::refresh() {
    const FrameTimes::Timer timer(context_.frameTimes(), "inspector");
    const Session* session = context_.session();
    twins_->setVisible(context_.subject().kind == Subject::Kind::Entry);
    raw_->setVisible(context_.subject().kind == Subject::Kind::Entry);
    const bool nothing = !session || (context_.subject().kind == Subject::Kind::Entry && !context_.selection());
    for (QWidget* part : {static_cast<QWidget*>(fields_), static_cast<QWidget*>(heading_), static_cast<QWidget*>(history_)})
        part->setVisible(!nothing);
    if (nothing) {
        fieldsOf_.reset();
        fields_->clear();
        links_->clear();
        title_->setText(tr("Select an entry in one of the trees to see its bits, its twins and who wrote it."));
        twins_->clear();
        raw_->clear();
        history_->clear();
        place_.reset();
        entriesWanted_ = true;
        return;
    }
    const Subject& subject = context_.subject();
    if (subject.kind != Subject::Kind::Entry) {
        fieldsOf_.reset();
        place_.reset();
        entriesWanted_ = true;
        history_->clear();
    }
    if (subject.kind != Subject::Kind::Entry)
        links_->clear();
    switch (subject.kind) {
    case Subject::Kind::Entry: showEntry(); break;
    case Subject::Kind::Table: showTable(subject.pfn); break;
    case Subject::Kind::Frame: showFrame(subject.pfn); break;
    case Subject::Kind::Actor: showActor(subject.number); break;
    case Subject::Kind::Td: showTd(); break;
    case Subject::Kind::Lock: showLock(subject.number); break;
    }
    if (subject.kind != Subject::Kind::Entry && context_.selection())
        links_->setText(anchor(linkToEntry(*context_.selection()), tr("‹ back to the selected entry")));
    links_->setVisible(!links_->text().isEmpty());
}

void InspectorView::showEntry() {
    const Session* session = context_.session();
    const auto& s = context_.selection();
    const char* const trees[] = {"shared tree", "mirror", "private tree"};
    const bool tdx = session->hasColumn(Column::Mirror);
    const auto column = s->column;
    const TreeCell cell = session->cell(column, s->gfn, s->level);
    const std::tuple key{column, s->gfn.v, s->level, cell.raw, cell.exists};
    const bool sameFields = fieldsOf_ == key;
    fieldsOf_ = key;
    if (!sameFields)
        columns({tr("bits"), tr("field"), tr("value"), tr("meaning")}, {tr("position"), tr("was → is"), tr("written by"), tr("fields")},
                tr("<b>History</b> — click to go there, N and Shift+N to walk, W for the last writer"));
    const QString gpa = text(aliasedGpa(s->gfn, column == Column::Shared && tdx ? Alias::Shared : Alias::Private));
    title_->setText(
        QString("<b>%1</b> entry of <b>%2</b> at %3")
            .arg(tdx ? trees[static_cast<unsigned>(column)] : "direct", tdx ? gpa : text(hex(s->gfn.v << 12)), text(levelName(s->level))));
    QString twins;
    for (unsigned c = 0; c < (tdx ? kColumns : 1); ++c) {
        const auto other = static_cast<Column>(c);
        const TreeCell twin = session->cell(other, s->gfn, s->level);
        const QString colour = twin.exists ? context_.theme().of(styleOf(other, twin)).name() : context_.theme().dim.name();
        const QString state = (twin.exists ? text(styleOf(other, twin).sign) : QString("–")) + " " + text(session->stateName(other, twin));
        twins += QString("%1<span style='color:%2'>%3</span>")
                     .arg(c == 0 ? "" : " &nbsp;·&nbsp; ", context_.theme().dim.name(), tdx ? trees[c] : "state");
        // The sign has the colour, the word is read.
        twins += QString(" <b><span style='color:%1'>%2</span> %3</b>")
                     .arg(colour, state.section(' ', 0, 0).toHtmlEscaped(), state.section(' ', 1).toHtmlEscaped());
    }
    twins_->setText(twins);
    if (!cell.exists)
        raw_->clear();
    QStringList links;
    const MemoryView memory = session->memoryAt(s->gfn, s->level);
    if (cell.exists) {
        const QFont mono = monospace(font());
        raw_->setText(text(hex16(cell.raw)));
        links << anchor(linkToTable(frameOf(cell.place)), tr("in table %1").arg(frameOf(cell.place).v, 0, 16));
        if (cell.pfn.v != 0)
            links << (cell.leadsToTable(column)
                          ? anchor(linkToTable(cell.pfn), tr("to table %1").arg(cell.pfn.v, 0, 16))
                          : anchor(linkToFrame(cell.pfn),
                                   tr("frame %1%2").arg(cell.pfn.v, 0, 16).arg(session->isTdx() ? tr(", its PAMT record") : QString())));
        for (const BitField& f : sameFields ? std::vector<BitField>() : session->decode(column, cell.raw, s->level)) {
            const QString bits = f.high == f.low ? QString::number(f.high) : QString("%1:%2").arg(f.high).arg(f.low);
            auto* item = new QTreeWidgetItem(
                fields_, {bits, text(f.name), text(f.high == f.low ? std::to_string(f.value) : hex(f.value)), text(f.help)});
            item->setFont(2, mono);
            for (int c = 0; c < 4; ++c) {
                item->setToolTip(c, text(f.help));
                if (f.value == 0)
                    item->setForeground(c, context_.theme().dim);
            }
        }
        for (int c = 0; c < 3 && !sameFields; ++c)
            fields_->resizeColumnToContents(c);
    }
    if (const auto rmp = session->rmpAt(s->gfn))
        links << anchor(linkToFrame(rmp->pfn), tr("RMP of %1").arg(rmp->pfn.v, 0, 16));
    if (session->isTdx())
        links << anchor("mirrorscope://td", tr("the TD"));
    const char* const kinds[] = {"", "private", "shared", "private and shared"};
    if (session->knowsMemslots())
        links << (memory.slot ? tr("memslot %1%2%3")
                                    .arg(*memory.slot)
                                    .arg(memory.flags.empty() ? QString() : " (" + text(memory.flags) + ")",
                                         memory.kind == MemoryView::Kind::None
                                             ? QString()
                                             : tr(", attribute %1").arg(kinds[static_cast<unsigned>(memory.kind)]))
                              : tr("in no memslot"));
    links_->setText(links.join(" &nbsp;·&nbsp; "));
    const auto place = selectedPlace();
    if (!place) {
        history_->clear();
        entries_.clear();
        place_.reset();
        entriesWanted_ = true;
        return;
    }
    showHistory(*place, column, s->level);
}

const std::vector<HistoryEntry>& InspectorView::entries() {
    const auto place = selectedPlace();
    if (place && (place_ != place->v || entriesWanted_)) {
        entries_ = context_.session()->history(*place);
        place_ = place->v;
        entriesWanted_ = false;
        shownFrom_ = shownTo_ = 0;
    } else if (!place) {
        entries_.clear();
    }
    return entries_;
}

void InspectorView::showHistory(Place place, Column column, Level level) {
    Session* session = context_.session();
    const bool other = place_ != place.v || entriesWanted_;
    const auto& all = entries();
    const u64 at = session->position();
    const auto now = static_cast<std::size_t>(
        std::lower_bound(all.begin(), all.end(), at, [](const HistoryEntry& e, u64 n) { return e.n < n; }) - all.begin());
    // A long history is shown around the position, filled anew when that comes near the edge.
    const bool inside = (shownFrom_ == 0 || now > shownFrom_ + kShown / 4) && (shownTo_ == all.size() || now + kShown / 4 < shownTo_);
    if (other || !inside) {
        history_->clear();
        shownFrom_ = now > kShown ? now - kShown : 0;
        shownTo_ = std::min(all.size(), now + kShown);
        if (shownFrom_ > 0)
            new QTreeWidgetItem(history_, {"…", tr("%1 earlier").arg(shownFrom_)});
        for (std::size_t i = shownFrom_; i < shownTo_; ++i) {
            const HistoryEntry& entry = all[i];
            const StepView step = session->step(entry.n);
            auto* item = new QTreeWidgetItem(
                history_, {QString::number(entry.n + 1), text(session->changeText(column, entry.old, entry.now, level)),
                           QString("%1, %2").arg(text(session->actorName(step.actor)),
                                                 step.where.empty() ? text(info(step.site).name) : text(step.where.back())),
                           text(fieldDifference(session->decode(column, entry.old, level), session->decode(column, entry.now, level)))});
            item->setData(0, kPosition, static_cast<qulonglong>(entry.n));
            for (int c = 0; c < 3; ++c)
                item->setToolTip(c, text(session->describe(entry)));
            item->setToolTip(3, item->text(3));
        }
        if (shownTo_ < all.size())
            new QTreeWidgetItem(history_, {"…", tr("%1 later").arg(all.size() - shownTo_)});
        for (int c = 0; c < 3; ++c)
            history_->resizeColumnToContents(c);
    }
    markNow();
}

// What lies in the future is dim; what happened last is current.
void InspectorView::markNow() {
    const u64 at = context_.position();
    QTreeWidgetItem* current = nullptr;
    for (int i = 0; i < history_->topLevelItemCount(); ++i) {
        QTreeWidgetItem* item = history_->topLevelItem(i);
        const QVariant n = item->data(0, kPosition);
        const bool past = n.isValid() && n.toULongLong() < at;
        for (int c = 0; c < history_->columnCount(); ++c)
            item->setForeground(c, past ? context_.theme().text : context_.theme().dim);
        if (past)
            current = item;
    }
    history_->setCurrentItem(current);
    if (current == nullptr)
        history_->clearSelection();
}

void InspectorView::showTable(Pfn pfn) {
    const Session* session = context_.session();
    const TablePageView page = session->tablePage(pfn);
    columns({tr("property"), tr("value"), tr("meaning")}, {tr("entry"), tr("state"), tr("leads to")},
            tr("<b>Entries</b> — a click selects one"));
    title_->setText(tr("<b>Table page %1</b>").arg(pfn.v, 0, 16));
    if (!page.exists) {
        row(tr("now"), tr("no table"), tr("at this position the frame is no page table"));
        row(tr("frame"), QString::number(pfn.v, 16), {}, linkToFrame(pfn));
        return;
    }
    const char* const what = page.external ? "the secure EPT's, in the TDX module"
                             : page.mirror ? "KVM's mirror"
                                           : "KVM's, walked by the CPU";
    row(tr("of"), what);
    row(tr("level"), text(levelName(page.level)), tr("of its entries"));
    row(page.root ? tr("root") : tr("translates from"), page.root ? tr("yes") : text(hex(page.gfn.v << 12)));
    if (!page.external) {
        row("role.word", text(hex(page.role)), tr("level, direct, invalid, ad_disabled, is_mirror"));
        if (page.root && page.rootCount)
            row("tdp_mmu_root_count", QString::number(*page.rootCount), tr("the TDP MMU itself, each vCPU that has it, who walks it"));
        row("role.invalid", page.invalid ? "1" : "0", tr("a root that is being zapped"));
    }
    if (page.parent)
        row(tr("parent"), QString::number(page.parent->v, 16), tr("the table whose entry leads here"), linkToTable(*page.parent));
    if (page.twin.v != 0)
        row(page.external ? tr("mirror page") : "external_spt", QString::number(page.twin.v, 16),
            page.external ? tr("KVM's page that mirrors this one") : tr("the page of the secure EPT that this one mirrors"),
            linkToTable(page.twin));
    row(tr("present"), QString::number(page.present), tr("entries of 512"));
    if (page.frozen > 0)
        row(tr("frozen"), QString::number(page.frozen));
    row(tr("frame"), QString::number(pfn.v, 16), tr("what the host and the PAMT say of it"), linkToFrame(pfn));
    for (int c = 0; c < 2; ++c)
        fields_->resizeColumnToContents(c);
    for (unsigned i = 0; i < 512; ++i) {
        const auto where = session->locate(wordOf(pfn, i));
        if (!where)
            continue;
        const TreeCell cell = session->cell(where->column, where->gfn, where->level);
        if (!cell.exists || cell.initial(where->column) || frameOf(cell.place) != pfn)
            continue;
        auto* item =
            new QTreeWidgetItem(history_, {QString::number(i), text(cellText(where->column, cell)), text(hex(where->gfn.v << 12))});
        item->setData(0, kLink, linkToEntry(*where));
        item->setForeground(1, context_.theme().of(styleOf(where->column, cell)));
    }
    history_->resizeColumnToContents(0);
}

void InspectorView::showFrame(Pfn pfn) {
    const Session* session = context_.session();
    const FrameView frame = session->frame(pfn);
    columns({tr("property"), tr("value"), tr("meaning")}, {tr("position")}, {});
    title_->setText(tr("<b>Frame %1</b> of host memory").arg(pfn.v, 0, 16));
    row(tr("the host has it as"), text(frame.host));
    if (!frame.use.empty())
        row(tr("use"), text(frame.use));
    if (!frame.pamt.empty()) {
        row(tr("PAMT"), text(frame.pamt), tr("the module's own record"));
        if (!frame.owner.empty())
            row(tr("owner"), text(frame.owner), {}, "mirrorscope://td");
        if (frame.bepoch != 0)
            row("BEPOCH", QString::number(frame.bepoch), tr("TD_EPOCH when it was blocked"));
    }
    if (const auto entry = session->rmpOf(pfn))
        row("RMP", text(stateName(*entry)),
            entry->assigned ? tr("assigned to the guest at %1").arg(text(hex(entry->gfn.v << 12))) : tr("the hypervisor's"));
    if (session->tablePage(pfn).exists)
        row(tr("table"), QString::number(pfn.v, 16), tr("its role and entries"), linkToTable(pfn));
    for (int c = 0; c < 2; ++c)
        fields_->resizeColumnToContents(c);
}

void InspectorView::showActor(unsigned actor) {
    const Session* session = context_.session();
    const ActorView view = session->actorView(static_cast<ActorId>(actor));
    columns({tr("property"), tr("value"), tr("meaning")}, {tr("position"), tr("site"), tr("function")},
            view.busy ? tr("<b>Outline of its operation</b> — ▸ is next, a click goes there")
                      : tr("<b>Its micro-steps nearby</b> — a click goes there"));
    title_->setText(
        view.busy
            ? tr("<b>%1</b> is inside of %2").arg(text(view.name), view.stack.empty() ? tr("its operation") : text(view.stack.front()))
            : tr("<b>%1</b> is outside of any operation").arg(text(view.name)));
    if (!view.waitsFor.empty())
        row(tr("waits for"), text(view.waitsFor), {}, linkToLock(text(view.waitsFor)));
    for (std::size_t i = view.stack.size(); i-- > 0;)
        row(QString("#%1").arg(view.stack.size() - 1 - i), text(view.stack[i]),
            i + 1 == view.stack.size() ? tr("where it acted last") : QString());
    if (view.isVcpu) {
        if (session->isTdx()) {
            const TdView td = session->td();
            if (actor < td.vcpus.size()) {
                const TdVcpuView& v = td.vcpus[actor];
                row("TDVPS", text(v.state), v.inside ? tr("inside the guest") : tr("not inside"), "mirrorscope://td");
                if (v.exists)
                    row(tr("epoch"), QString("%1 / %2").arg(v.epoch).arg(td.epoch),
                        v.flushPending ? tr("sampled before TRACK: it flushes when it enters") : tr("as of its last entry / the TD's"));
            }
        }
        row("TLB", view.tlb.size() == 1 ? tr("1 translation") : tr("%1 translations").arg(view.tlb.size()));
        for (const TlbLine& line : view.tlb)
            row("  " + text(line.address), QString("%1 → %2").arg(text(levelName(line.entry.level))).arg(line.entry.pfn.v, 0, 16),
                line.stale    ? tr("not flushed yet: the entry is %1 now, and this can still be used").arg(text(line.now))
                : line.usable ? tr("can be used now")
                              : tr("goes with the flush at the next entry"),
                linkToFrame(line.entry.pfn));
    }
    for (int c = 0; c < 2; ++c)
        fields_->resizeColumnToContents(c);
    for (const ActorView::Line& line : view.outline) {
        auto* item = new QTreeWidgetItem(history_, {QString::number(line.n + 1), (line.next ? "▸ " : "") + text(line.site),
                                                    QString(static_cast<int>(line.depth) * 2, ' ') + text(line.function)});
        item->setData(0, kPosition, static_cast<qulonglong>(line.n));
        for (int c = 0; c < 3; ++c)
            item->setToolTip(c, text(line.what));
        if (line.next)
            for (int c = 0; c < 3; ++c) {
                QFont bold = item->font(c);
                bold.setBold(true);
                item->setFont(c, bold);
            }
    }
    for (int c = 0; c < 2; ++c)
        history_->resizeColumnToContents(c);
    markNow();
}

void InspectorView::showTd() {
    const TdView td = context_.session()->td();
    columns({tr("property"), tr("value"), tr("meaning")}, {tr("vCPU"), tr("state"), tr("epoch")},
            tr("<b>vCPUs</b> — a click leads to one"));
    title_->setText(tr("<b>The TD</b>"));
    if (!td.exists) {
        row(tr("now"), tr("there is none"), tr("before it is created, or its TDR was reclaimed"));
        return;
    }
    row(tr("life cycle"), text(td.lifecycle));
    row("OP_STATE", text(td.opState));
    row("KVM", text(td.kvmState));
    row("TD_EPOCH", QString::number(td.epoch), tr("advances with each TRACK"));
    row("REFCOUNT", QString("%1, %2").arg(td.refcount[0]).arg(td.refcount[1]), tr("vCPUs inside by the parity of their epoch"));
    row("CHLDCNT", QString::number(td.pages), tr("pages that belong to it"));
    row("nr_premapped", QString::number(td.premapped));
    row(tr("MRTD"), text(td.mrtd), td.mrtdFinal ? tr("final") : tr("so far"));
    for (int c = 0; c < 2; ++c)
        fields_->resizeColumnToContents(c);
    for (std::size_t v = 0; v < td.vcpus.size(); ++v) {
        auto* item = new QTreeWidgetItem(history_, {QString("vcpu%1").arg(v), text(td.vcpus[v].state), QString::number(td.vcpus[v].epoch)});
        item->setData(0, kLink, linkToActor(item->text(0)));
    }
}

void InspectorView::showLock(unsigned lock) {
    const Session* session = context_.session();
    const LockPane pane = session->lockPane(lock);
    columns({tr("who"), tr("how"), tr("since")}, {tr("position"), tr("who"), tr("how")}, tr("<b>Who had it</b> — click to go there"));
    title_->setText(tr("<b>%1</b>").arg(text(pane.name)));
    if (pane.now.empty())
        row(tr("nobody"), tr("free"));
    for (const LockPane::Use& use : pane.now)
        row(text(use.actor),
            use.waits ? (use.write ? tr("waits to write") : tr("waits to read"))
                      : (use.write ? tr("holds it for writing") : tr("holds it for reading")),
            tr("position %1").arg(use.begin + 1), linkToActor(text(use.actor)));
    for (int c = 0; c < 2; ++c)
        fields_->resizeColumnToContents(c);
    for (const LockPane::Use& use : pane.history) {
        auto* item = new QTreeWidgetItem(history_, {QString::number(use.begin + 1), text(use.actor),
                                                    tr("%1, %2 micro-steps")
                                                        .arg(use.waits   ? tr("waits")
                                                             : use.write ? tr("writes")
                                                                         : tr("reads"))
                                                        .arg(use.end - use.begin)});
        item->setData(0, kPosition, static_cast<qulonglong>(use.begin));
    }
    history_->resizeColumnToContents(0);
    markNow();
}

bool InspectorView::goToChange(int direction) {
    const u64 at = context_.position();
    const auto& all = entries();
    if (direction > 0) {
        for (const HistoryEntry& entry : all)
            if (entry.n + 1 > at) {
                context_.goTo(entry.n + 1);
                return true;
            }
    } else {
        for (auto it = all.rbegin(); it != all.rend(); ++it)
            if (it->n + 1 < at) {
                context_.goTo(it->n + 1);
                return true;
            }
    }
    return false;
}

bool InspectorView::goToWriter() {
    const u64 at = context_.position();
    const auto& all = entries();
    for (auto it = all.rbegin(); it != all.rend(); ++it)
        if (it->n + 1 <= at) {
            context_.goTo(it->n + 1);
            return true;
        }
    return false;
}

QString InspectorView::asText() const {
    const auto plain = [](const QLabel* label) {
        QString text = label->text();
        static const QRegularExpression tags("<[^>]*>|&nbsp;");
        return text.replace(tags, "").simplified();
    };
    QStringList lines{plain(title_)};
    if (twins_->isVisible())
        lines << plain(twins_) << raw_->text();
    for (const QTreeWidget* list : {fields_, history_}) {
        lines << QString();
        for (int i = 0; i < list->topLevelItemCount(); ++i) {
            QStringList cells;
            for (int c = 0; c < list->columnCount(); ++c)
                cells << list->topLevelItem(i)->text(c);
            lines << cells.join("\t").trimmed();
        }
    }
    return lines.join("\n") + "\n";
}

} // namespace mirrorscope::views
