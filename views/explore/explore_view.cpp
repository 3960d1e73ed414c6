// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/explore_view.h"

#include "explore/choices.h"
#include "explore/counterexample.h"
#include "session/style.h"
#include "views/explore/order_bar.h"
#include "views/text.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QProgressBar>
#include <QPushButton>
#include <QStyledItemDelegate>
#include <QTimer>
#include <QTreeWidget>
#include <QVBoxLayout>

#include <algorithm>
#include <numeric>

namespace mirrorscope::views {

namespace {

// Two lines: what it is, and the order as a bar.
class OrderDelegate : public QStyledItemDelegate {
public:
    OrderDelegate(const Context& context, std::function<const Schedule*(const QModelIndex&)> orderOf, QObject* parent)
        : QStyledItemDelegate(parent), context_(context), orderOf_(std::move(orderOf)) {}

    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const int line = option.fontMetrics.height();
        return {option.fontMetrics.averageCharWidth() * 20, orderOf_(index) != nullptr ? 2 * line + 10 : line + 6};
    }
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const Schedule* order = orderOf_(index);
        if (order == nullptr) {
            QStyledItemDelegate::paint(painter, option, index);
            return;
        }
        const Theme& theme = context_.theme();
        painter->save();
        if ((option.state & QStyle::State_Selected) != 0)
            painter->fillRect(option.rect, theme.selection);
        const int line = option.fontMetrics.height();
        const QRect top = option.rect.adjusted(4, 3, -4, 0);
        const QVariant colour = index.data(Qt::ForegroundRole);
        painter->setPen(colour.isValid() ? colour.value<QBrush>().color() : theme.text);
        painter->drawText(QRect(top.left(), top.top(), top.width(), line), Qt::AlignVCenter | Qt::AlignLeft,
                          option.fontMetrics.elidedText(index.data().toString(), Qt::ElideRight, top.width()));
        QFont small = option.font;
        small.setPointSizeF(small.pointSizeF() * 0.85);
        painter->setFont(small);
        paintOrder(*painter, QRect(top.left(), top.top() + line + 2, top.width(), line), *order, theme);
        painter->restore();
    }

private:
    const Context& context_;
    std::function<const Schedule*(const QModelIndex&)> orderOf_;
};

constexpr int kFound = Qt::UserRole;
} // namespace

ExploreView::ExploreView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), start_(new QPushButton(tr("Explore"), this)), mode_(new QComboBox(this)),
      all_(new QCheckBox(tr("all violations"), this)), busy_(new QProgressBar(this)), status_(new QLabel(this)),
      list_(new QTreeWidget(this)), open_(new QPushButton(tr("Open"), this)), compare_(new QPushButton(tr("Compare with passing"), this)),
      choicesTitle_(new QLabel(this)), choices_(new QTreeWidget(this)), later_(new QTimer(this)) {
    setObjectName("explore");
    start_->setObjectName("explore-start");
    start_->setToolTip(tr("run every interleaving of the races of this scenario (Ctrl+E)"));
    mode_->setAccessibleName(tr("Mode of exploring"));
    for (const auto mode : exploreModeNames())
        mode_->addItem(text(mode));
    mode_->setToolTip(tr("stateless: of all orders that come to the same only one is run; stateful: no state is entered twice; plain: "
                         "every state, compared as it is, to judge the others"));
    all_->setToolTip(tr("go on after the first violation"));
    busy_->setTextVisible(false);
    busy_->setMaximumHeight(4);
    busy_->hide();
    status_->setObjectName("explore-status");
    status_->setWordWrap(true);
    list_->setObjectName("explore-found");
    list_->setAccessibleName(tr("Violations and final states"));
    list_->setHeaderHidden(true);
    constexpr int kIndentation = 10;
    list_->setIndentation(kIndentation);
    list_->setItemDelegate(new OrderDelegate(
        context_,
        [this](const QModelIndex& index) -> const Schedule* {
            const QVariant n = index.data(kFound);
            return n.isValid() && n.toUInt() < found_.size() ? &found_[n.toUInt()].finding.schedule : nullptr;
        },
        this));
    open_->setObjectName("explore-open");
    open_->setToolTip(tr("open the selected order: a violation at the micro-step that shows it, a final state at its end"));
    compare_->setObjectName("explore-compare");
    compare_->setToolTip(tr("open the selected order and mark in the timeline where it first parts from one that passes"));
    choices_->setObjectName("explore-choices");
    choices_->setAccessibleName(tr("Who could take the next micro-step"));
    choices_->setHeaderHidden(true);
    choices_->setRootIsDecorated(false);
    choices_->setMaximumHeight(120);

    // A narrow pane cuts a word rather than the trees.
    for (QWidget* part : {static_cast<QWidget*>(start_), static_cast<QWidget*>(mode_), static_cast<QWidget*>(all_),
                          static_cast<QWidget*>(open_), static_cast<QWidget*>(compare_)})
        part->setMinimumWidth(30);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 6, 6, 6);
    auto* row = new QHBoxLayout;
    row->addWidget(start_);
    row->addWidget(mode_);
    row->addStretch(1);
    layout->addLayout(row);
    layout->addWidget(all_);
    layout->addWidget(busy_);
    layout->addWidget(status_);
    layout->addWidget(list_, 1);
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(open_);
    buttons->addWidget(compare_);
    buttons->addStretch(1);
    layout->addLayout(buttons);
    layout->addWidget(choicesTitle_);
    layout->addWidget(choices_);

    connect(start_, &QPushButton::clicked, this, &ExploreView::startOrCancel);
    connect(&job_, &ExploreJob::progressed, this, &ExploreView::showProgress);
    connect(&job_, &ExploreJob::finished, this, &ExploreView::showFound);
    const auto loadSelected = [this] {
        if (const Found* found = selected())
            load(*found);
    };
    connect(list_, &QTreeWidget::itemActivated, this, loadSelected);
    connect(open_, &QPushButton::clicked, this, loadSelected);
    connect(compare_, &QPushButton::clicked, this, &ExploreView::compare);
    connect(list_, &QTreeWidget::itemSelectionChanged, this, [this] {
        const Found* found = selected();
        open_->setEnabled(found != nullptr);
        compare_->setEnabled(found != nullptr && passing() != nullptr && &found->finding.schedule != passing());
    });
    connect(choices_, &QTreeWidget::itemClicked, this, [this](QTreeWidgetItem* item) { take(item); });
    connect(choices_, &QTreeWidget::itemActivated, this, [this](QTreeWidgetItem* item) { take(item); });
    connect(&context_, &Context::sessionChanged, this, &ExploreView::sessionChanged);
    // Asking who could go next runs the race up to here: not for every position of a drag, and not for a pane that nobody sees.
    constexpr int kMilliseconds = 40;
    later_->setSingleShot(true);
    later_->setInterval(kMilliseconds);
    connect(later_, &QTimer::timeout, this, &ExploreView::showChoices);
    connect(&context_, &Context::positionChanged, later_, qOverload<>(&QTimer::start));
    connect(&context_, &Context::themeChanged, list_, [this] { list_->viewport()->update(); });
    showFound();
}

void ExploreView::startOrCancel() {
    if (job_.running()) {
        job_.cancel();
        return;
    }
    if (!context_.session())
        return;
    found_.clear();
    list_->clear();
    apart_.cancel();
    ends_ = {};
    Q_EMIT endsChanged();
    ownTitle_.clear();
    job_.start(context_.session()->scenario(), static_cast<ExploreMode>(mode_->currentIndex()), all_->isChecked());
    start_->setText(tr("Cancel"));
    busy_->show();
    showProgress();
}

void ExploreView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    showChoices();
}

void ExploreView::showProgress() {
    const ExploreResult r = job_.result();
    const QLocale locale;
    const double rate = r.seconds > 0 ? static_cast<double>(r.transitions) / r.seconds : 0;
    QString counts = locale.toString(static_cast<qulonglong>(r.transitions)) + " micro-steps, " +
                     locale.toString(static_cast<qulonglong>(r.executions)) + " executions";
    if (r.mode != ExploreMode::Stateless)
        counts += ", " + locale.toString(static_cast<qulonglong>(r.states)) + " states";
    if (!r.findings.empty())
        counts += ", " + QString::number(r.findings.size()) + (r.findings.size() == 1 ? " violation" : " violations");
    const auto [done, tasks] = job_.tasks();
    busy_->setRange(0, static_cast<int>(tasks));
    busy_->setValue(static_cast<int>(done));
    if (job_.running() && tasks != 0)
        counts += tr(", %1 of %2 parts done, which are not alike").arg(done).arg(tasks);
    // How fast it was a moment does not tell.
    constexpr double kTells = 0.5; // seconds
    if (job_.running() || r.seconds >= kTells)
        counts += tr("; %1 M micro-steps/s").arg(locale.toString(rate / 1e6, 'f', 2));
    status_->setText(QString("%1: %2").arg(text(name(r.mode)), counts));
}

void ExploreView::tellEndsApart() {
    apart_.cancel();
    ends_ = {};
    Q_EMIT endsChanged();
    const ExploreResult r = job_.result();
    if (r.ends.empty())
        return;
    apart_.start([this, scenario = job_.scenario(), ends = r.ends](const Worker::Task& task) -> std::function<void()> {
        auto table = std::make_shared<EndTable>();
        try {
            *table = endTable(scenario, ends, [cancelled = task.cancelled()] { return cancelled->load(); });
        } catch (const std::exception&) {
            // The ends stay as the search tells them.
        }
        return [this, table] {
            ends_ = std::move(*table);
            addFound();
            Q_EMIT endsChanged();
        };
    });
}

Scenario ExploreView::scenarioOfEnd(std::size_t row) const {
    return inOrder(job_.scenario(), job_.result().ends[ends_.rows[row].end].schedule);
}

void ExploreView::openEnd(std::size_t row) {
    for (const Found& found : found_)
        if (found.row == row)
            load(found);
}

namespace {
std::vector<std::size_t> byRarity(const EndTable& ends, const EndRow& row) {
    std::vector<std::size_t> features(ends.features.size()), alike(ends.features.size());
    std::iota(features.begin(), features.end(), std::size_t{0});
    for (std::size_t f = 0; f < features.size(); ++f)
        for (const EndRow& other : ends.rows)
            alike[f] += other.values[f] == row.values[f] ? 1 : 0;
    std::stable_sort(features.begin(), features.end(), [&](std::size_t a, std::size_t b) { return alike[a] < alike[b]; });
    return features;
}
} // namespace

// Violations, and the ends: told apart once that is known, until then by their results.
void ExploreView::addFound() {
    const ExploreResult r = job_.result();
    const QTreeWidgetItem* before = list_->currentItem();
    const bool hadEnd = before != nullptr && before->parent() != nullptr && !found_.empty() && !selected()->violation;
    found_.clear();
    list_->clear();
    for (const ExploreFinding& f : r.findings)
        found_.push_back({QString::fromStdString(f.rule + ": " + f.text), true, f, {}});
    if (ends_.rows.empty()) {
        unsigned n = 0;
        for (const ExploreEnd& end : r.ends)
            found_.push_back({QString("%1. %2").arg(++n).arg(end.results.empty() ? tr("an end") : QString::fromStdString(end.results)),
                              false,
                              {"", "", end.schedule},
                              {}});
    }
    for (std::size_t i = 0; i < ends_.rows.size(); ++i) {
        const EndRow& row = ends_.rows[i];
        QStringList parts;
        if (!row.violated.empty())
            parts << "! " + QString::fromStdString(row.violated);
        // First what few ends have: it tells this one from the others where there is room for little.
        for (const std::size_t f : byRarity(ends_, row))
            parts << QString("%1: %2").arg(QString::fromStdString(ends_.features[f]), QString::fromStdString(row.values[f]));
        if (ends_.features.empty() && row.violated.empty())
            parts << (row.count > 1 ? tr("they differ in frame numbers and counters only") : tr("the one end"));
        found_.push_back(
            {QString("%1. %2%3").arg(i + 1).arg(row.count > 1 ? QString("%1 ×  ").arg(row.count) : QString(), parts.join(" · ")),
             false,
             {"", "", r.ends[row.end].schedule},
             i});
    }
    QTreeWidgetItem* groups[2] = {};
    for (std::size_t i = 0; i < found_.size(); ++i) {
        QTreeWidgetItem*& group = groups[found_[i].violation ? 0 : 1];
        if (group == nullptr) {
            group = new QTreeWidgetItem(
                list_,
                {found_[i].violation  ? tr("Violations (%1)").arg(r.findings.size())
                 : ends_.rows.empty() ? tr("Different final states (%1)").arg(r.ends.size())
                                      : tr("Different final states (%1), %2 to tell apart").arg(r.ends.size()).arg(ends_.rows.size())});
            group->setExpanded(true);
        }
        auto* item = new QTreeWidgetItem(group, {found_[i].title});
        item->setData(0, kFound, static_cast<unsigned>(i));
        item->setToolTip(0, found_[i].title + "\n" + orderText(found_[i].finding.schedule));
        if (found_[i].violation || (found_[i].row && !ends_.rows[*found_[i].row].violated.empty()))
            item->setForeground(0, context_.theme().violation);
    }
    QTreeWidgetItem* chosen = groups[hadEnd || groups[0] == nullptr ? 1 : 0];
    if (chosen != nullptr)
        list_->setCurrentItem(chosen->child(0));
}

void ExploreView::showFound() {
    start_->setText(tr("Explore"));
    busy_->hide();
    const ExploreResult r = job_.result();
    tellEndsApart();
    addFound();
    if (found_.empty()) {
        open_->setEnabled(false);
        compare_->setEnabled(false);
    }
    if (!job_.problem().isEmpty()) {
        status_->setText(tr("<b>The search ended without an answer</b>: %1").arg(job_.problem().toHtmlEscaped()));
        return;
    }
    if (r.transitions == 0) {
        status_->setText(
            !r.findings.empty() ? tr("<b>Every order shows it</b>: it comes before any two actors run beside each other.")
            : context_.session() && context_.session()->raceAt(0) == std::nullopt && r.races == 0
                ? tr("Explore runs every order in which the actors of a <b>race</b> can interleave, and keeps those that break a rule.")
                : tr("Nothing was run yet."));
        return;
    }
    showProgress();
    QString verdict = r.complete         ? tr("Every interleaving was run.")
                      : job_.cancelled() ? tr("Cancelled: what was found so far.")
                      : r.stopped        ? tr("Stopped by a bound.")
                                         : tr("Stopped at the first violation.");
    for (const auto& [what, seen] : r.sometimes)
        if (!seen)
            verdict +=
                " <i>sometimes</i> " + QString::fromStdString(what).toHtmlEscaped() + (r.complete ? ": never seen." : ": not seen so far.");
    status_->setText("<b>" + verdict + "</b><br>" + status_->text());
    QStringList rests;
    for (const std::string& clause : r.assumes)
        rests << QString::fromStdString(clause);
    // Rich text, so that it wraps.
    status_->setToolTip("<qt>" + tr("This rests on: %1").arg(rests.join("; ")).toHtmlEscaped() + "</qt>");
}

const ExploreView::Found* ExploreView::selected() const {
    const QTreeWidgetItem* item = list_->currentItem();
    const QVariant n = item != nullptr ? item->data(0, kFound) : QVariant();
    return n.isValid() && n.toUInt() < found_.size() ? &found_[n.toUInt()] : nullptr;
}

const Schedule* ExploreView::passing() const {
    for (const bool asExpected : {false, true})
        for (const Found& found : found_)
            if (!found.violation &&
                (!found.row || ends_.rows[*found.row].violated.empty() || (asExpected && !ends_.rows[*found.row].fails)))
                return &found.finding.schedule;
    return nullptr;
}

void ExploreView::load(const Found& found, bool whole) {
    const Scenario& scenario = job_.scenario();
    Counterexample example;
    example.kind = found.violation ? Counterexample::Kind::Violation : Counterexample::Kind::End;
    example.rule = found.finding.rule;
    example.text = found.violation ? found.finding.text : "One of the different ends: " + found.title.section(". ", 1).toStdString() + ".";
    example.schedule = found.finding.schedule;
    if (found.violation && !whole)
        example = shrink(scenario, found.finding);
    ownTitle_ = QString::fromStdString(scenario.file);
    opened_ = found.violation ? Opened::Violation : Opened::End;
    Q_EMIT orderChosen(ownTitle_, QString::fromStdString(scenarioOf(scenario, example)), std::nullopt);
}

// The whole order is opened, not the shortened one: the passing one has no counterpart of that.
void ExploreView::compare() {
    if (const Found* found = selected(); found != nullptr && passing() != nullptr) {
        comparing_ = {found->finding.schedule, *passing()};
        load(*found, true);
    }
}

void ExploreView::sessionChanged() {
    if (context_.continues()) // what was explored is the script
        return;
    const Session* session = context_.session();
    const bool own = !ownTitle_.isEmpty() && session && QString::fromStdString(session->scenario().file) == ownTitle_;
    if (!own) {
        job_.forget();
        apart_.cancel();
        ownTitle_.clear();
        showFound();
        status_->setText(
            session && session->scenario().source.find("race:") == std::string::npos
                ? tr("This scenario has no <b>race</b>: there is one order only.")
                : tr("Explore runs every order in which the actors of the <b>race</b> can interleave, and keeps those that break a rule."));
    }
    const Opened opened = std::exchange(opened_, Opened::Nothing);
    if (own && opened == Opened::Violation && !session->violations().empty())
        context_.goTo(session->violations().front().n + 1);
    else if (own && opened == Opened::End)
        context_.goTo(session->end());
    if (const auto comparing = std::exchange(comparing_, std::nullopt); own && comparing) {
        // Both begin alike: the first micro-step that somebody else takes.
        const auto flat = [](const Schedule& schedule) {
            std::vector<std::pair<std::size_t, std::string>> steps;
            for (std::size_t race = 0; race < schedule.size(); ++race)
                for (const auto& [actor, count] : schedule[race])
                    steps.insert(steps.end(), count, {race, actor});
            return steps;
        };
        const auto mine = flat(comparing->first), other = flat(comparing->second);
        std::size_t same = 0, inRace = 0;
        while (same < mine.size() && same < other.size() && mine[same] == other[same]) {
            ++same;
            inRace = same < mine.size() && mine[same].first == mine[same - 1].first ? inRace + 1 : 0;
        }
        const std::size_t race = same < mine.size() ? mine[same].first : mine.empty() ? 0 : mine.back().first;
        if (race < session->races().size()) {
            const Session::RaceRun& run = session->races()[race];
            const u64 at = std::min(run.begin + inRace, run.end);
            const QString next = same < other.size() ? QString::fromStdString(other[same].second) + tr(" goes on") : tr("it is over");
            context_.setDivergence(Context::Divergence{at, tr("the passing order parts here: %1").arg(next)});
            context_.goTo(at);
        }
    }
    showChoices();
}

void ExploreView::showChoices() {
    if (!isVisible())
        return;
    choices_->clear();
    const Session* session = context_.session();
    const auto run = session ? session->raceAt(session->position()) : std::nullopt;
    if (!run || session->position() >= run->end) {
        choicesTitle_->setText(tr("<span>Next here: no choice outside of a race</span>"));
        return;
    }
    choicesTitle_->setText(tr("<b>Who could go next</b> (a click takes it)"));
    const u64 at = session->position();
    const std::string recorded = session->actorName(session->stepBrief(at).first);
    std::vector<Choice> list;
    try {
        list = choicesAt(session->scenario(), {run->race, session->ordersUpTo(at)});
    } catch (const Stuck&) {
        return;
    }
    for (const Choice& choice : list) {
        const QString where = choice.where.empty() ? QString() : text(choice.where.back()) + "()";
        const bool taken = choice.actor == recorded;
        auto* item =
            new QTreeWidgetItem(choices_, {QString("%1 %2  %3 %4  %5")
                                               .arg(taken ? "▶" : "  ", QString::fromStdString(choice.actor),
                                                    choice.enabled ? QString() : tr("waits at"), text(info(choice.site).name), where)
                                               .simplified()});
        QStringList path;
        for (const std::string& f : choice.where)
            path << QString::fromStdString(f);
        item->setToolTip(0, QString("%1 would do %2: %3\n%4")
                                .arg(QString::fromStdString(choice.actor), text(info(choice.site).name), text(info(choice.site).help),
                                     path.join(" ▸ ")));
        item->setData(0, kFound, QString::fromStdString(choice.actor));
        item->setForeground(0, choice.enabled ? QBrush(colourOfActor(choice.actor).lighter(context_.theme().dark ? 140 : 100))
                                              : QBrush(context_.theme().dim));
        if (!choice.enabled)
            item->setFlags(item->flags() & ~Qt::ItemIsEnabled);
    }
}

void ExploreView::take(const QTreeWidgetItem* item) {
    Session* session = context_.session();
    const auto run = session ? session->raceAt(session->position()) : std::nullopt;
    if (item == nullptr || !run)
        return;
    const u64 at = session->position();
    const std::string actor = item->data(0, kFound).toString().toStdString();
    if (actor == session->actorName(session->stepBrief(at).first)) {
        context_.goTo(at + 1);
        return;
    }
    Counterexample example;
    example.kind = Counterexample::Kind::Chosen;
    example.text = "An order chosen by hand: at position " + std::to_string(at) + " " + actor + " goes on.";
    example.schedule = session->ordersUpTo(at);
    auto& order = example.schedule[run->race];
    if (!order.empty() && order.back().first == actor)
        ++order.back().second;
    else
        order.emplace_back(actor, 1);
    if (ownTitle_.isEmpty())
        ownTitle_ = QString::fromStdString(session->scenario().file);
    Q_EMIT orderChosen(QString::fromStdString(session->scenario().file), QString::fromStdString(scenarioOf(session->scenario(), example)),
                       at + 1);
}

} // namespace mirrorscope::views
