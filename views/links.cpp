// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/links.h"

#include "base/text.h"
#include "views/text.h"

#include <QCoreApplication>
#include <QStringList>
#include <QUrl>
#include <QUrlQuery>

namespace mirrorscope::views {

namespace {
const QString kScheme = QStringLiteral("mirrorscope");
QString tr(const char* text) { return QCoreApplication::translate("links", text); }
QString link(const QString& kind, const QString& what) { return kScheme + "://" + kind + "/" + what; }

std::optional<Column> columnOf(const Session& session, const QString& name) {
    const auto column = columnFromName(name.toStdString());
    return column && session.hasColumn(*column) ? column : std::nullopt;
}

QString selectGpa(Context& context, u64 gpa, std::optional<Column> column, std::optional<Level> level) {
    const Session& session = *context.session();
    if (gpa >> 12 >= context.map()->size())
        return tr("GPA %1 is beyond all memslots.").arg(QString::fromStdString(hex(gpa)));
    const auto best = session.entryAt({gpa >> 12}, column, level);
    if (!best)
        return tr("No table holds an entry for %1 here.").arg(QString::fromStdString(hex(gpa)));
    context.select(best, gpa);
    // The table that would hold it is not there: what is done there is done at the address all the same.
    if (best->level > Level::k4K && !level && session.cell(best->column, best->gfn, best->level).initial(best->column))
        return tr("No table leads to %1 yet: the %2 entry above it is selected, and What if (Ctrl+I) acts at %1.")
            .arg(QString::fromStdString(hex(gpa)), text(levelName(best->level)));
    return {};
}

QString goToSite(Context& context, const QString& name) {
    const auto site = siteFromName(name.toStdString());
    if (!site) {
        const auto meant = nearest(name.toStdString(), siteNames());
        return meant ? tr("%1 is no site; %2?").arg(name, QString::fromStdString(*meant)) : tr("%1 is no site.").arg(name);
    }
    const auto found = context.session()->nextSite(*site, context.position());
    if (!found)
        return tr("%1 is not reached any more.").arg(name);
    context.goTo(*found);
    return {};
}

QString goToPosition(Context& context, u64 n) {
    if (n > context.session()->end())
        return tr("The run ends at position %1.").arg(context.session()->end());
    context.goTo(n);
    return {};
}
} // namespace

QString linkToEntry(const Selection& where) {
    return link("gpa", QString::fromStdString(hex(where.gfn.v << 12)) + "?tree=" + text(treeName(where.column)) +
                           "&level=" + QString::fromUtf8(levelName(where.level).data()));
}
QString linkToTable(Pfn pfn) { return link("table", QString::number(pfn.v, 16)); }
QString linkToFrame(Pfn pfn) { return link("frame", QString::number(pfn.v, 16)); }
QString linkToActor(const QString& name) { return link("actor", name); }
QString linkToLock(const QString& name) { return link("lock", name); }
QString linkToStep(u64 n) { return link("step", QString::number(n)); }

QString follow(Context& context, const QString& text) {
    const QUrl url(text);
    Session* session = context.session();
    if (session == nullptr || url.scheme() != kScheme)
        return tr("%1 leads nowhere.").arg(text);
    const QString kind = url.host();
    const QString what = url.path().mid(1);
    const QUrlQuery query(url);
    if (kind == "gpa") {
        const auto gpa = parseNumber(what.toStdString());
        if (!gpa)
            return tr("%1 is no address.").arg(what);
        return selectGpa(context, *gpa, columnOf(*session, query.queryItemValue("tree")),
                         levelFromName(query.queryItemValue("level").toStdString()));
    }
    if (kind == "step") {
        bool isNumber = false;
        const u64 n = what.toULongLong(&isNumber);
        return isNumber ? goToPosition(context, n) : tr("%1 is no position.").arg(what);
    }
    if (kind == "site")
        return goToSite(context, what);
    if (kind == "td") {
        context.inspect({Subject::Kind::Td, {}, 0});
        return {};
    }
    if (kind == "table" || kind == "frame") {
        bool isNumber = false;
        const u64 pfn = what.toULongLong(&isNumber, 16);
        if (!isNumber || pfn >= session->frameCount())
            return tr("%1 is no frame of this machine.").arg(what);
        context.inspect({kind == "table" ? Subject::Kind::Table : Subject::Kind::Frame, {pfn}, 0});
        return {};
    }
    if (kind == "actor") {
        const auto actor = session->actorFromName(what.toStdString());
        if (!actor)
            return tr("There is no actor %1.").arg(what);
        context.inspect({Subject::Kind::Actor, {}, *actor});
        return {};
    }
    if (kind == "lock") {
        for (unsigned lock = 0; lock < kLocks; ++lock)
            if (QString::fromStdString(std::string(name(static_cast<LockId>(lock)))) == what) {
                context.inspect({Subject::Kind::Lock, {}, lock});
                return {};
            }
        return tr("There is no lock %1.").arg(what);
    }
    return tr("%1 leads nowhere.").arg(text);
}

QString goTo(Context& context, const QString& typed) {
    Session* session = context.session();
    const QString text = typed.trimmed();
    if (session == nullptr || text.isEmpty())
        return {};
    if (text.startsWith(kScheme + "://"))
        return follow(context, text);
    if (text == "end")
        return goToPosition(context, session->end());
    bool isNumber = false;
    if (text.startsWith('+') || text.startsWith('-')) {
        const qlonglong by = text.toLongLong(&isNumber);
        if (isNumber)
            return goToPosition(context,
                                by < 0 && static_cast<u64>(-by) > context.position() ? 0 : context.position() + static_cast<u64>(by));
    }
    const u64 plain = (text.startsWith('#') ? text.mid(1) : text).toULongLong(&isNumber, 10);
    if (isNumber)
        return goToPosition(context, plain);
    std::optional<Column> column;
    std::optional<u64> gpa;
    std::optional<Level> level;
    for (const QString& word : text.split(' ', Qt::SkipEmptyParts)) {
        if (const auto c = columnOf(*session, word.toLower()))
            column = c;
        else if (const auto l = levelFromName(word.toStdString()); l && gpa) // behind an address it is no other one
            level = l;
        else if (const auto n = parseNumber(word.toStdString()))
            gpa = n;
        else if (!gpa)
            return text.contains(' ') ? tr("%1 is neither an address nor a position nor a site.").arg(text) : goToSite(context, text);
    }
    return gpa ? selectGpa(context, *gpa, column, level) : tr("An address is missing.");
}

} // namespace mirrorscope::views
